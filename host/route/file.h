/* The proxies' files on disk. Any thread; changes are serialised by route.c's lock. */
#ifndef HOST_ROUTE_FILE_H
#define HOST_ROUTE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#define ROUTE_FILE_CEILING (4u * 1024 * 1024)

/* The file, as the host names it (host/path.h), into `text` (a buffer without a ceiling gets ours). */
enum err route_file_read(const char *path, struct buf *text, struct err_info *info);

/* Replace it whole, keeping its owner and mode; where it is a symbolic link, what the link points to. */
enum err route_file_write(const char *path, const struct buf *text, struct err_info *info);

#endif
