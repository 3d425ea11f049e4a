/* Log lines, writing side. One writer thread takes what waits (lingering so that a trickle becomes few commits), and
 * writes it in runs: consecutive batches that belong to one day's file are one transaction, each with its cursor, so a
 * crash at any moment leaves cursors that say exactly which lines are there. When a run goes to another file than the
 * last, the last file is synced first: a power failure cannot keep a cursor and lose earlier lines of its source.
 *
 * A batch never spans two files: its day is that of its newest line. A refusing disk: everything waits in memory up to
 * a limit in bytes, the oldest is given up beyond it, counted per source and told by the next row written for that
 * source. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/intake.h"
#include "store/log_cursors.h"
#include "store/log_day.h"
#include "store/log_quota.h"
#include "store/logs.h"
#include "store/sql.h"

#define TAKE_BATCHES 1000
#define TAKE_BYTES ((size_t)1 << 20)
#define LINGER_US (50 * USEC_PER_MSEC)
#define RETRY_US (3 * USEC_PER_SEC)
#define HOUSEKEEPING_US (60 * USEC_PER_SEC)
#define WAITING_BATCHES 131072
#define WAITING_BYTES ((size_t)128 << 20)
#define OPEN_DAYS 3 /* yesterday, today, tomorrow (hosts' clocks) */
#define CURSOR_KEPT_US (180 * DAY_US)

struct waiting {
    struct intake_item item;
    struct log_batch *batch;
    uint64_t lost; /* what its row says beyond batch->dropped */
};

struct log_store {
    char *directory;
    int keep_days;
    struct intake *intake;
    struct log_cursors *cursors;
    struct log_quota *quota;
    pthread_t thread;
    /* the writer thread's */
    struct log_day open[OPEN_DAYS]; /* db == NULL: free */
    int32_t last_day;               /* last written to; −1: none */
    int32_t cleaned_day;            /* the day on which old files were last looked for */

    pthread_mutex_t stats_mutex;
    struct log_store_stats stats;
};

static void release_waiting(void *owner, struct intake_item *item, bool lost)
{
    struct log_store *logs = owner;
    struct waiting *waiting = (struct waiting *)item;
    if (lost)
        log_cursors_lose(logs->cursors, waiting->batch);
    log_batch_free(waiting->batch);
    free(waiting);
}

/* --- files --- */

static int32_t batch_day(const struct log_batch *batch, int64_t now_us)
{
    int64_t at_us = batch->count ? batch->lines[batch->count - 1].at_us : now_us;
    bool near = at_us > now_us - DAY_US && at_us < now_us + DAY_US;
    return log_day_of(near ? at_us : now_us);
}

/* The open file of that day; opens it where needed, in the place of the one farthest in the past. */
static enum err open_day(struct log_store *logs, int32_t day, struct log_day **out, struct err_info *info)
{
    struct log_day *place = &logs->open[0];
    for (size_t i = 0; i < OPEN_DAYS; i++) {
        struct log_day *candidate = &logs->open[i];
        if (candidate->db && candidate->day == day) {
            *out = candidate;
            return ERR_OK;
        }
        if (!candidate->db || (place->db && candidate->day < place->day))
            place = candidate;
    }
    *out = place;
    log_day_close(place);
    return log_day_open(logs->directory, day, place, info);
}

static void close_days(struct log_store *logs)
{
    for (size_t i = 0; i < OPEN_DAYS; i++)
        log_day_close(&logs->open[i]);
}

struct carry {
    struct log_store *logs;
    struct log_day *to;
    enum err result;
    struct err_info *info;
};

static void carry_cursor(void *arg, const struct log_cursor *cursor)
{
    struct carry *carry = arg;
    if (carry->result == ERR_OK && cursor->at_us > clock_wall_us() - CURSOR_KEPT_US)
        carry->result = log_day_put_cursor(carry->to, cursor, carry->info);
}

/* A source that has been silent for longer than its file is kept must go on where it was: its cursor moves to today's
 * file, durably, before the old file goes. */
static enum err carry_cursors(struct log_store *logs, int32_t from, struct log_day *today, struct err_info *info)
{
    sqlite3 *old;
    char *path = log_day_path(logs->directory, from);
    enum err result = sql_open(path, SQL_READ_WRITE, &old, info);
    free(path);
    if (result != ERR_OK)
        return result;
    struct carry carry = {logs, today, ERR_OK, info};
    result = sql_run(today->db, "BEGIN IMMEDIATE", info);
    if (result == ERR_OK) {
        result = log_day_cursors(old, carry_cursor, &carry, info);
        if (result == ERR_OK)
            result = carry.result;
        if (sql_run(today->db, result == ERR_OK ? "COMMIT" : "ROLLBACK", result == ERR_OK ? info : NULL) != ERR_OK)
            result = ERR_IO;
    }
    sql_close(old);
    if (result == ERR_OK)
        sqlite3_wal_checkpoint_v2(today->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return result;
}

static void remove_day(struct log_store *logs, int32_t old_day, struct log_day *today)
{
    struct err_info info = {0};
    enum err result = carry_cursors(logs, old_day, today, &info);
    if (result != ERR_OK && result != ERR_CORRUPT) {
        log_error("the old log file of day %d stays for now: %s", (int)old_day, info.message);
        return;
    }
    for (size_t i = 0; i < OPEN_DAYS; i++)
        if (logs->open[i].db && logs->open[i].day == old_day)
            log_day_close(&logs->open[i]);
    log_day_unlink(logs->directory, old_day);
}

/* Once a day: delete what is older than it is kept. */
static void remove_old_days(struct log_store *logs)
{
    int32_t today = log_day_of(clock_wall_us());
    struct day_list list;
    struct log_day *target;
    if (logs->keep_days <= 0 || logs->cleaned_day == today)
        return;
    logs->cleaned_day = today;
    if (log_days(logs->directory, &list, NULL) != ERR_OK)
        return;
    for (size_t i = 0; i < list.days.count; i++) {
        if (list.days.items[i] > today - logs->keep_days || open_day(logs, today, &target, NULL) != ERR_OK)
            break;
        remove_day(logs, list.days.items[i], target);
    }
    vec_free(&list.days);
}

/* --- the writer thread --- */

static enum err fill_run(
    struct log_store *logs, struct log_day *day, struct intake_item **items, size_t count, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = 0; i < count && result == ERR_OK; i++) {
        struct waiting *waiting = (struct waiting *)items[i];
        waiting->lost = log_cursors_take_lost(logs->cursors, waiting->batch);
        result = log_day_add(day, waiting->batch, waiting->batch->dropped + waiting->lost,
            log_cursors_next_sequence(logs->cursors), info);
    }
    return result == ERR_OK ? log_day_put_span(day, info) : result;
}

static void undo_run(struct log_store *logs, struct intake_item **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct waiting *waiting = (struct waiting *)items[i];
        log_cursors_return_lost(logs->cursors, waiting->batch, waiting->lost);
        waiting->lost = 0;
    }
}

/* All of them into one file, in one transaction. */
static enum err write_run(
    struct log_store *logs, int32_t day_number, struct intake_item **items, size_t count, struct err_info *info)
{
    struct log_day *day;
    if (logs->last_day != -1 && logs->last_day != day_number && open_day(logs, logs->last_day, &day, NULL) == ERR_OK)
        sqlite3_wal_checkpoint_v2(day->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    enum err result = open_day(logs, day_number, &day, info);
    if (result == ERR_OK)
        result = sql_run(day->db, "BEGIN IMMEDIATE", info);
    if (result != ERR_OK)
        return result;
    struct log_span before = day->span;
    result = fill_run(logs, day, items, count, info);
    if (result == ERR_OK)
        result = sql_run(day->db, "COMMIT", info);
    if (result != ERR_OK) {
        sql_run(day->db, "ROLLBACK", NULL);
        day->span = before;
        undo_run(logs, items, count);
        return result;
    }
    logs->last_day = day_number;
    return ERR_OK;
}

static uint64_t finish_run(struct intake_item **items, size_t count)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < count; i++) {
        struct waiting *waiting = (struct waiting *)items[i];
        lines += waiting->batch->count;
        log_batch_free(waiting->batch);
        free(waiting);
    }
    return lines;
}

static void note_written(struct log_store *logs, uint64_t lines, int64_t took_us)
{
    pthread_mutex_lock(&logs->stats_mutex);
    bool was_failing = logs->stats.last_error[0] != '\0';
    logs->stats.written += lines;
    logs->stats.last_batch_ms = (double)took_us / (double)USEC_PER_MSEC;
    logs->stats.last_error[0] = '\0';
    pthread_mutex_unlock(&logs->stats_mutex);
    if (was_failing)
        log_info("log lines in %s can be written again", logs->directory);
}

static void note_failure(struct log_store *logs, const char *message)
{
    pthread_mutex_lock(&logs->stats_mutex);
    bool is_new = logs->stats.last_error[0] == '\0';
    str_format(logs->stats.last_error, sizeof logs->stats.last_error, "log lines in %s: %s", logs->directory, message);
    pthread_mutex_unlock(&logs->stats_mutex);
    if (is_new)
        log_error("log lines cannot be written, what comes is kept in memory: %s", message);
}

/* Runs of batches for one file. Returns how many items were written. */
static size_t write_runs(struct log_store *logs, struct intake_item **items, size_t count, struct err_info *info)
{
    size_t done = 0;
    while (done < count) {
        int64_t started_us = clock_mono_us(), now_us = clock_wall_us();
        int32_t day = batch_day(((struct waiting *)items[done])->batch, now_us);
        size_t end = done + 1;
        while (end < count && batch_day(((struct waiting *)items[end])->batch, now_us) == day)
            end++;
        if (write_run(logs, day, items + done, end - done, info) != ERR_OK)
            break;
        note_written(logs, finish_run(items + done, end - done), clock_mono_us() - started_us);
        done = end;
    }
    return done;
}

static void *write_batches(void *arg)
{
    static const struct intake_batch take = {TAKE_BATCHES, TAKE_BYTES, HOUSEKEEPING_US, LINGER_US};
    struct log_store *logs = arg;
    struct intake_item *items[TAKE_BATCHES];
    for (;;) {
        struct err_info info = {0};
        bool last_try = intake_is_closed(logs->intake);
        size_t count = intake_take(logs->intake, items, &take);
        size_t done = write_runs(logs, items, count, &info);
        if (done < count) {
            note_failure(logs, info.message);
            intake_return(logs->intake, items + done, count - done);
            if (!last_try)
                intake_pause(logs->intake, RETRY_US);
        }
        if (last_try && (count == 0 || done < count))
            break;
        remove_old_days(logs);
    }
    close_days(logs);
    return NULL;
}

/* --- opening and closing --- */

static void load_cursor(void *arg, const struct log_cursor *cursor)
{
    log_cursors_load(arg, cursor);
}

/* A day that cannot be read loses its cursors: their sources go on from an earlier day's, or begin anew. */
static enum err load_cursors(struct log_store *logs, struct err_info *info)
{
    struct day_list list;
    enum err result = log_days(logs->directory, &list, info);
    for (size_t i = 0; result == ERR_OK && i < list.days.count; i++) {
        struct err_info why = {0};
        sqlite3 *db = NULL;
        char *path = log_day_path(logs->directory, list.days.items[i]);
        if (sql_open(path, SQL_READ_WRITE, &db, &why) != ERR_OK ||
            (sql_integer(db, "PRAGMA user_version", 0) > 0 &&
                log_day_cursors(db, load_cursor, logs->cursors, &why) != ERR_OK))
            log_warning("%s: %s", path, why.message);
        sql_close(db);
        free(path);
    }
    vec_free(&list.days);
    return result;
}

static void free_log_store(struct log_store *logs)
{
    intake_free(logs->intake);
    log_cursors_free(logs->cursors);
    log_quota_free(logs->quota);
    pthread_mutex_destroy(&logs->stats_mutex);
    free(logs->directory);
    free(logs);
}

enum err log_store_open(const char *state_dir, int keep_days, struct log_store **out, struct err_info *info)
{
    *out = NULL;
    struct log_store *logs = xcalloc(1, sizeof *logs);
    logs->directory = paths_join(state_dir, LOG_DIRECTORY);
    logs->keep_days = keep_days == 1 ? 2 : keep_days; /* just after midnight, yesterday's lines still come */
    logs->last_day = -1;
    logs->cleaned_day = -1;
    logs->stats.last_batch_ms = (double)NAN;
    logs->cursors = log_cursors_new();
    logs->quota = log_quota_new(LOG_HOST_BYTES_A_DAY);
    logs->intake = intake_new(WAITING_BATCHES, WAITING_BYTES, release_waiting, logs);
    pthread_mutex_init(&logs->stats_mutex, NULL);
    enum err result = paths_make_dir(logs->directory, info);
    if (result == ERR_OK)
        result = load_cursors(logs, info);
    if (result == ERR_OK) {
        int why = pthread_create(&logs->thread, NULL, write_batches, logs);
        if (why)
            result = err_errno(info, ERR_IO, why, "cannot start the thread that writes log lines");
    }
    if (result != ERR_OK) {
        free_log_store(logs);
        return result;
    }
    *out = logs;
    return ERR_OK;
}

void log_store_close(struct log_store *logs)
{
    if (!logs)
        return;
    intake_close(logs->intake);
    pthread_join(logs->thread, NULL);
    free_log_store(logs);
}

void log_store_append(struct log_store *logs, struct log_batch *batch)
{
    struct waiting *waiting = xcalloc(1, sizeof *waiting);
    waiting->batch = batch;
    waiting->item.bytes = sizeof *waiting + sizeof *batch + batch->count * sizeof *batch->lines;
    for (size_t i = 0; i < batch->count; i++)
        waiting->item.bytes += batch->lines[i].text ? strlen(batch->lines[i].text) + 17 : 0;
    log_cursors_accept(logs->cursors, batch);
    if (log_quota_take(logs->quota, batch->host, waiting->item.bytes, clock_wall_us()))
        intake_put(logs->intake, &waiting->item);
    else
        release_waiting(logs, &waiting->item, true);
}

void log_store_limit(struct log_store *logs, uint64_t host_bytes_a_day)
{
    log_quota_set(logs->quota, host_bytes_a_day);
}

char *log_store_cursors(struct log_store *logs, const char *host)
{
    return log_cursors_json(logs->cursors, host);
}

bool log_store_flush(struct log_store *logs, int64_t timeout_us)
{
    return intake_wait_done(logs->intake, timeout_us);
}

static uint64_t directory_bytes(const char *directory)
{
    struct day_list list;
    uint64_t bytes = 0;
    if (log_days(directory, &list, NULL) != ERR_OK)
        return 0;
    for (size_t i = 0; i < list.days.count; i++) {
        struct stat status;
        char *path = log_day_path(directory, list.days.items[i]);
        char *wal = xasprintf("%s-wal", path);
        bytes += stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
        bytes += stat(wal, &status) == 0 ? (uint64_t)status.st_size : 0;
        free(wal);
        free(path);
    }
    vec_free(&list.days);
    return bytes;
}

void log_store_stats(struct log_store *logs, struct log_store_stats *out)
{
    struct intake_stats waiting = intake_stats(logs->intake);
    pthread_mutex_lock(&logs->stats_mutex);
    *out = logs->stats;
    pthread_mutex_unlock(&logs->stats_mutex);
    out->depth = waiting.depth;
    out->queued_bytes = waiting.bytes;
    out->dropped = log_cursors_lost_ever(logs->cursors);
    out->total_bytes = directory_bytes(logs->directory);
}
