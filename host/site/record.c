/* Files per site. Their names are made of a checked site name and a constant suffix; a reader sees the old or the new
 * text, never half of one. No state; any thread. */
#include "host/site/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/name.h"
#include "base/paths.h"
#include "host/path.h"

#define DIRECTORY "/var/lib/dogwatch/sites"
#define RECORD_CEILING (256u * 1024)

static enum err make_path(const char *site, const char *suffix, char out[HOST_PATH_SIZE], struct err_info *info)
{
    if (!name_is_valid(site))
        return err_set(info, ERR_INVALID, "no valid name of a site");
    host_path_format(out, HOST_PATH_SIZE, DIRECTORY "/%s.%s", site, suffix);
    return out[0] ? ERR_OK : err_set(info, ERR_INVALID, "the path of %s.%s is too long", site, suffix);
}

static enum err make_directory(struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    return paths_make_dir(host_path(path, sizeof path, DIRECTORY), info);
}

enum err record_read(const char *site, const char *suffix, json_t **record, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(RECORD_CEILING);
    struct err_info why;
    *record = NULL;
    enum err result = make_path(site, suffix, path, info);
    if (result == ERR_OK)
        result = buf_read_file(&text, path, info);
    if (result == ERR_OK && json_parse(buf_text(&text), text.length, record, &why) != ERR_OK)
        result = err_set(info, ERR_CORRUPT, "%s: %s", path, why.message);
    if (result == ERR_OK && !json_is_object(*record)) {
        json_decref(*record);
        *record = NULL;
        result = err_set(info, ERR_CORRUPT, "%s has no JSON object in it", path);
    }
    buf_free(&text);
    return result;
}

enum err record_write(const char *site, const char *suffix, const json_t *record, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(RECORD_CEILING);
    enum err result = make_path(site, suffix, path, info);
    if (result == ERR_OK)
        result = make_directory(info);
    if (result == ERR_OK && (result = json_write(&text, record)) != ERR_OK)
        err_set(info, result, "what is to be written to %s is too long", path);
    if (result == ERR_OK)
        result = buf_putc(&text, '\n');
    if (result == ERR_OK)
        result = paths_write_atomic(path, buf_text(&text), text.length, 0600, info);
    buf_free(&text);
    return result;
}

enum err record_remove(const char *site, const char *suffix, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    enum err result = make_path(site, suffix, path, info);
    if (result == ERR_OK && unlink(path) != 0 && errno != ENOENT)
        result = err_errno(info, err_from_errno(errno), errno, "cannot remove %s", path);
    return result;
}

enum err record_lock(const char *site, const char *suffix, bool wait, int *fd, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    *fd = -1;
    enum err result = make_path(site, suffix, path, info);
    if (result == ERR_OK)
        result = make_directory(info);
    if (result != ERR_OK)
        return result;
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (opened < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot open %s", path);
    if (flock(opened, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        close(opened);
        if (why == EWOULDBLOCK)
            return err_set(info, ERR_BUSY, "another command on %s is still running on this host", site);
        return err_errno(info, ERR_IO, why, "cannot lock %s", path);
    }
    *fd = opened;
    return ERR_OK;
}

void record_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
