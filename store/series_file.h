/* One RRD file: its archives, its name, making, checking and updating it. Internal to store/.
 *
 * Timestamps have microseconds; one data source per metric with in_rrd, named by its key; all are gauges. */
#ifndef STORE_SERIES_FILE_H
#define STORE_SERIES_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fleet/metrics.h"
#include "store/series.h"

#define SERIES_DIRECTORY "rrd"
#define SERIES_MAX_SOURCES 16

struct series_archive {
    enum series_cf cf;
    unsigned steps; /* of the layout, a row */
    unsigned rows;
};

struct series_layout {
    unsigned step_s;
    const struct series_archive *archives;
    size_t archive_count;
};

const struct series_layout *series_layout(enum object_kind kind);

/* The metrics with in_rrd: their indices in the kind's table. Returns how many. */
size_t series_sources(enum object_kind kind, int out[SERIES_MAX_SOURCES]);

char *series_directory(const char *state_dir, enum object_kind kind);             /* caller frees */
char *series_path(const char *state_dir, enum object_kind kind, const char *key); /* caller frees */

struct series_sample {
    int64_t at_us;
    double values[SERIES_MAX_SOURCES]; /* of series_sources, in that order */
};

/* Make the file, empty from before_us on, and let go of its pages in memory. An existing one is left alone (ERR_IO). */
enum err series_file_create(
    const char *path, enum object_kind kind, int64_t before_us, int heartbeat_s, struct err_info *info);
/* Bring an existing file to the present table of metrics and heartbeat: adds data sources, never takes any away.
 * ERR_NOT_FOUND, ERR_CORRUPT. */
enum err series_file_check(const char *path, enum object_kind kind, int heartbeat_s, struct err_info *info);
/* Samples in order of time; those that are not newer than the file are skipped. ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO. */
enum err series_file_update(
    const char *path, enum object_kind kind, const struct series_sample *samples, size_t count, struct err_info *info);

#endif
