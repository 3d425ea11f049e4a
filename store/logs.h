/* Log lines: STATE/logs/YYYY-MM-DD.db (UTC), one SQLite file a day with a full-text index.
 *
 * Writing: the engine alone. A batch is committed whole, with its cursor, in one transaction of one file: after a crash
 * the cursors say exactly which lines are there. It goes to the day of its newest line where that is within a day of
 * now, else to today. Reading: any process; log_reader opens read-only. */
#ifndef STORE_LOGS_H
#define STORE_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fleet/state.h"

struct log_store;

/* keep_days: files older than that are deleted (today counts as 1; 0: keep all). */
enum err log_store_open(const char *state_dir, int keep_days, struct log_store **out, struct err_info *info);
void log_store_close(struct log_store *logs); /* writes what is queued; NULL allowed */

/* Of one host on one (UTC) day, counted since the engine's start; what is beyond is left out and counted as dropped. */
#define LOG_HOST_BYTES_A_DAY ((uint64_t)2 << 30)
void log_store_limit(struct log_store *logs, uint64_t host_bytes_a_day); /* another limit */

/* Takes ownership, returns at once. Any thread; batches of one source must come in order. Where more than the limit
 * waits (a refusing disk), the oldest batch is dropped, counted, and the count stored with the next lines of its
 * source. */
void log_store_append(struct log_store *logs, struct log_batch *batch);

/* {"source":"cursor",…} for logs.follow: behind every line accepted by now, queued ones included. malloc'd; "{}" where
 * nothing is known. */
char *log_store_cursors(struct log_store *logs, const char *host);

bool log_store_flush(struct log_store *logs, int64_t timeout_us);

struct log_store_stats {
    size_t depth; /* batches waiting */
    size_t queued_bytes;
    uint64_t written; /* lines committed since open */
    uint64_t dropped; /* lines given up since open, without those the hosts left out */
    double last_batch_ms;
    uint64_t total_bytes; /* all days */
    char last_error[512]; /* "" while all is well */
};
void log_store_stats(struct log_store *logs, struct log_store_stats *out);

/* --- reading --- */

struct log_reader;
enum err log_reader_open(const char *state_dir, struct log_reader **out, struct err_info *info); /* ERR_NOT_FOUND */
void log_reader_close(struct log_reader *reader);

struct log_entry { /* texts are borrowed for the length of the call, and not sanitised */
    int32_t day;   /* of the file: days since 1970-01-01 */
    int64_t id;    /* in that day, in order of arrival */
    int64_t at_us; /* the host's clock */
    const char *host, *site, *container, *unit, *source;
    uint8_t priority; /* 255: unknown */
    bool is_stderr;
    uint64_t dropped; /* not 0: no line, but the place where so many were left out; text is "" */
    const char *text;
};

struct log_filter {
    const char *host, *site, *container, *unit; /* NULL: any */
    const char *words; /* all must occur, case ignored (ASCII), as whole words; "several words" in quotes as one phrase;
                          NULL: any */
    int64_t since_us, until_us; /* of the line's own time; 0: open */
    size_t limit;               /* 0: no limit */
};

typedef bool log_each(void *arg, const struct log_entry *entry); /* return false to stop */

/* Newest first, in order of arrival. ERR_INVALID for words that cannot be asked for. */
enum err log_query(
    struct log_reader *reader, const struct log_filter *filter, log_each *each, void *arg, struct err_info *info);

/* Follow: what arrived since `place`, oldest first; the place moves on. filter->limit bounds one call. */
struct log_place {
    struct {
        int32_t day;
        int64_t id;
    } days[4]; /* the newest days; older files no longer grow */
};
enum err log_place_now(struct log_reader *reader, struct log_place *out, struct err_info *info);
enum err log_follow(struct log_reader *reader, const struct log_filter *filter, struct log_place *place, log_each *each,
    void *arg, struct err_info *info);

#endif
