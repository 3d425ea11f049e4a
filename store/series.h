/* Time series of every metric with in_rrd = 1 (fleet/metrics.h): create, append, fetch, flush. librrd is behind it now;
 * a scale-out store can take its place. STATE/rrd/KIND/KEY.rrd, the key percent-encoded.
 *
 * Writing: the engine alone. series_append copies, returns at once, may come from any thread; one thread writes, all
 * samples of a file that belong to one step in one call. A file is made when its first sample comes. Samples older than
 * the newest of their file are skipped, so a replay changes nothing.
 * Reading: series_fetch opens the file by itself; any process, any thread. */
#ifndef STORE_SERIES_H
#define STORE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fleet/metrics.h"

struct series;

enum series_cf { SERIES_AVERAGE, SERIES_MAX }; /* consolidation function; MAX has no finer step than 5 min */

/* Histories of objects that are gone are kept so long after their last sample; series_open deletes them. */
#define SERIES_KEPT_DAYS 400

/* interval_us: how often samples come; without one for three intervals (at least 30 s) the value is unknown. */
enum err series_open(const char *state_dir, int64_t interval_us, struct series **out, struct err_info *info);
void series_set_interval(struct series *series, int64_t interval_us);
void series_close(struct series *series); /* writes what is queued; NULL allowed */

/* values: all metrics of the kind, in the order of its table; NaN is unknown. KIND_ENGINE has the one key "engine". */
void series_append(struct series *series, enum object_kind kind, const char *key, int64_t at_us, const double *values);
/* The same for an object without a host in its key: `host` is the one whose report it comes from. A host has at most
 * 4,096 histories of a kind; beyond that the oldest of objects that are gone make room, or new ones get none, and their
 * samples count as dropped. */
void series_append_from(struct series *series, const char *host, enum object_kind kind, const char *key, int64_t at_us,
    const double *values);
void series_limit_files(struct series *series, size_t files); /* before the first sample: another limit */
/* Delete the file and what is queued for it before this call. */
void series_remove(struct series *series, enum object_kind kind, const char *key);
/* Write everything appended before, also of steps that are not over; false where that did not happen in time, or the
 * disk refuses. */
bool series_flush(struct series *series, int64_t timeout_us);

struct series_stats {
    size_t depth; /* samples queued or held for their step */
    size_t capacity;
    uint64_t written; /* samples */
    uint64_t updates; /* calls into librrd */
    uint64_t dropped; /* samples given up */
    double last_ms;   /* the last round of writing; NaN before the first */
    double busy_ms;   /* all rounds together */
    uint64_t total_bytes;
    uint64_t files;
    char last_error[512]; /* "" while all is well */
};
void series_stats(struct series *series, struct series_stats *out);

struct series_points {
    int64_t first_us; /* end of the first interval; point i ends at first_us + i × step_us */
    int64_t step_us;
    size_t count;
    size_t columns;                 /* one for each metric asked for */
    int metrics[HOST_METRIC_COUNT]; /* which metric a column is */
    double *values;                 /* count × columns, row by row; NaN: unknown */
};
/* metric: index in the kind's table, or −1 for all with in_rrd. At most max_points points (0: as stored), coarser
 * archives where needed. ERR_NOT_FOUND where nothing was ever stored. Free *out in any case. */
enum err series_fetch(const char *state_dir, enum object_kind kind, const char *key, int metric, enum series_cf cf,
    int64_t start_us, int64_t end_us, size_t max_points, struct series_points *out, struct err_info *info);
void series_points_free(struct series_points *points);

/* Disk space that `count` objects of the kind will take. */
uint64_t series_predicted_bytes(enum object_kind kind, size_t count);

#endif
