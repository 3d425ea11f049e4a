/* Files of sites are found by their names. A proxy's file is replaced whole or not at all, and keeps its owner, its
 * mode and the way by which it is found (a link into a working copy, say). Any thread. */
#include "host/route/file.h"

#include <unistd.h>

#include "base/mem.h"
#include "base/paths.h"

bool route_files_are_here(const struct route_files *files)
{
    char path[HOST_PATH_SIZE];
    return access(host_path(path, sizeof path, files->directory), F_OK) == 0;
}

const char *route_files_path(const struct route_files *files, const char *site, char out[HOST_PATH_SIZE])
{
    str_format(out, HOST_PATH_SIZE, "%s/%s%s", files->directory, site, files->ending);
    return out;
}

bool route_files_have(const struct route_files *files, const char *site)
{
    char name[HOST_PATH_SIZE], path[HOST_PATH_SIZE];
    return access(host_path(path, sizeof path, route_files_path(files, site, name)), F_OK) == 0;
}

enum err route_file_read(const char *path, struct buf *text, struct err_info *info)
{
    char full[HOST_PATH_SIZE];
    if (!text->ceiling)
        text->ceiling = ROUTE_FILE_CEILING;
    buf_clear(text);
    return buf_read_file(text, host_path(full, sizeof full, path), info);
}

enum err route_file_write(const char *path, const struct buf *text, struct err_info *info)
{
    char full[HOST_PATH_SIZE];
    host_path(full, sizeof full, path);
    if (text->overflowed)
        return err_set(info, ERR_FULL, "%s would become larger than %u bytes", full, ROUTE_FILE_CEILING);
    return paths_replace(full, buf_text(text), text->length, info);
}
