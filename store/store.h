/* The store, writing side: the engine alone (take store_lock first). STATE/dogwatch.db in WAL mode.
 *
 * The put calls copy, return at once, never fail and may come from any thread; one writer thread commits them, many to
 * a transaction. A put replaces an earlier put of the same object that still waits, so a slow disk costs freshness, not
 * memory, and the present state of no object is lost. While the disk refuses (full, read-only, damaged) everything is
 * kept and tried again every few seconds; beyond the limit the oldest is dropped and counted. store_stats says so.
 *
 * Jobs and audit are synchronous and durable: store/jobs.h, store/audit.h. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fleet/metrics.h"
#include "fleet/state.h"

struct store;

/* Makes the directory (0700) and the file (0600) where they are missing, and brings an older schema forward, one
 * transaction a step. ERR_VERSION for a file of a newer dogwatch, ERR_DENIED, ERR_FULL, ERR_IO. A damaged file is
 * renamed to dogwatch.db.corrupt-TIME and a fresh one begun; store_stats().notice then says what is lost. */
enum err store_open(const char *state_dir, struct store **out, struct err_info *info);
void store_close(struct store *store); /* writes what is queued (a refusing disk gets one more try); NULL allowed */

void store_put_host(struct store *store, const struct host_state *host);
void store_put_site(struct store *store, const struct site_state *site);
void store_put_container(struct store *store, const struct container_state *container);
void store_put_volume(struct store *store, const struct volume_state *volume);
void store_remove(struct store *store, enum object_kind kind, const char *key);
/* Everything of that kind (on that host; NULL: anywhere) that is not named in keys is gone. */
void store_keep_only(
    struct store *store, enum object_kind kind, const char *host, const char *const *keys, size_t count);

void store_put_engine(struct store *store, const double *metrics); /* ENGINE_METRIC_COUNT of them, as of now */
void store_put_fleet(struct store *store, const char *name, const char *environment, int64_t interval_us);
void store_add_event(struct store *store, const struct event *event); /* id is ignored; at_us 0: now */

/* Wait until what was put before is committed; false where that did not happen in time. */
bool store_flush(struct store *store, int64_t timeout_us);

struct store_stats {
    size_t depth;         /* waiting items */
    size_t capacity;      /* at most so many */
    uint64_t written;     /* items committed since open */
    uint64_t dropped;     /* items given up since open */
    double last_batch_ms; /* NaN before the first */
    uint64_t db_bytes;    /* the file and its WAL */
    int64_t failing_since_us;
    char last_error[512]; /* "" while all is well */
    char notice[512];     /* what a person must know about the opening: a damaged file was set aside; else "" */
};
void store_stats(struct store *store, struct store_stats *out);

#endif
