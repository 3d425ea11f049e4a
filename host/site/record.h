/* The helper's files about one site below /var/lib/dogwatch/sites: small JSON objects, written whole or not at all.
 * Suffixes keep the files of one site apart: "lease", "json". Any thread, any process. */
#ifndef HOST_SITE_RECORD_H
#define HOST_SITE_RECORD_H

#include "base/err.h"
#include "base/json.h"

/* ERR_NOT_FOUND where there is none; ERR_CORRUPT where it cannot be read as an object. */
enum err record_read(const char *site, const char *suffix, json_t **record, struct err_info *info);
/* Makes the directory (0700) where it is missing. */
enum err record_write(const char *site, const char *suffix, const json_t *record, struct err_info *info);
enum err record_remove(const char *site, const char *suffix, struct err_info *info);

/* A lock file (flock) of the site. `wait`: until it is free; else ERR_BUSY at once. *fd is closed by record_unlock. */
enum err record_lock(const char *site, const char *suffix, bool wait, int *fd, struct err_info *info);
void record_unlock(int fd);

#endif
