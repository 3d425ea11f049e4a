/* The store, reading side: console, wallboard, reports, and the engine when it starts. Opens the file read-only, never
 * creates one, works while the engine runs and when it is dead. One thread at a time per reader. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fleet/metrics.h"
#include "fleet/state.h"
#include "store/jobs.h"

struct store_reader;

/* ERR_NOT_FOUND "no store at …: start `dogwatch engine`", ERR_VERSION, ERR_DENIED, ERR_CORRUPT. */
enum err store_reader_open(const char *state_dir, struct store_reader **out, struct err_info *info);
void store_reader_close(struct store_reader *reader); /* NULL allowed */

/* Whether anything was committed since the last call (true on the first). Costs microseconds. */
bool store_reader_changed(struct store_reader *reader);

/* The fleet as it is known now. Arrays are sorted by key (hosts and sites: by name), by byte value. */
struct snapshot {
    char fleet[NAME_SIZE * 2];
    char environment[NAME_SIZE]; /* "" before the engine has said */
    int64_t interval_us;         /* 0 before the engine has said */
    int64_t engine_at_us;        /* when the engine wrote its own row; 0: never */
    double engine[ENGINE_METRIC_COUNT];
    struct host_state *hosts;
    size_t host_count;
    struct site_state *sites;
    size_t site_count;
    struct container_state *containers;
    size_t container_count;
    struct volume_state *volumes;
    size_t volume_count;
    int64_t read_us;            /* when this was read */
    int64_t store_id, revision; /* the store's own: what has been read so far */
    int64_t removals[KIND_COUNT];
};

/* A new snapshot, consistent in itself (one read transaction). The caller frees it. */
enum err store_read_snapshot(struct store_reader *reader, struct snapshot **out, struct err_info *info);
/* Bring an earlier snapshot up to date in place; only rows that changed are read again, so this is what a screen calls.
 * Pointers into it are void afterwards. *snapshot may be NULL: then it is read whole. On failure it stays as it was. */
enum err store_refresh_snapshot(struct store_reader *reader, struct snapshot **snapshot, struct err_info *info);
void snapshot_free(struct snapshot *snapshot); /* NULL allowed */

/* By key; NULL where there is none. Borrowed from the snapshot. */
const struct host_state *snapshot_host(const struct snapshot *snapshot, const char *key);
const struct site_state *snapshot_site(const struct snapshot *snapshot, const char *key);
const struct container_state *snapshot_container(const struct snapshot *snapshot, const char *key);
const struct volume_state *snapshot_volume(const struct snapshot *snapshot, const char *key);

struct event_filter {
    int object_kind;    /* of enum object_kind; −1: any */
    const char *object; /* key; NULL: any */
    const char *host;   /* NULL: any */
    const char *site;   /* NULL: any */
    int64_t since_us;   /* 0: from the beginning */
    int64_t before_id;  /* 0: from the newest */
    size_t limit;       /* 0: 1,000 */
};
struct event_list {
    VEC(struct event) items; /* newest first */
};
enum err store_read_events(
    struct store_reader *reader, const struct event_filter *filter, struct event_list *out, struct err_info *info);
void event_list_free(struct event_list *list);

/* As store_jobs and store_job in store/jobs.h. */
enum err store_read_jobs(struct store_reader *reader, size_t limit, struct job_list *out, struct err_info *info);
enum err store_read_job(struct store_reader *reader, int64_t id, struct job_record *job, struct job_step_list *steps,
    struct err_info *info);

#endif
