/* The proxies' files on disk: where each keeps those of the sites, and how they are read and replaced. Any thread;
 * changes are serialised by route.c's lock. */
#ifndef HOST_ROUTE_FILE_H
#define HOST_ROUTE_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "host/path.h"

#define ROUTE_FILE_CEILING (4u * 1024 * 1024)

/* One file for each site, all in a directory, called by the site's name and an ending. */
struct route_files {
    const char *directory, *ending; /* as the host names it; ".cfg" */
};
bool route_files_are_here(const struct route_files *files); /* the directory, whatever is in it */
bool route_files_have(const struct route_files *files, const char *site);
/* The path of a site's, as the host names it; `site` is a checked name. Returns out. */
const char *route_files_path(const struct route_files *files, const char *site, char out[HOST_PATH_SIZE]);

/* The file, as the host names it (host/path.h), into `text` (a buffer without a ceiling gets ours). */
enum err route_file_read(const char *path, struct buf *text, struct err_info *info);

/* Replace it whole, keeping its owner, mode and attributes; where it is a symbolic link, what the link points to. */
enum err route_file_write(const char *path, const struct buf *text, struct err_info *info);

#endif
