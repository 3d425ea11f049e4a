/* One day of log lines: the file, its schema, and writing into it. Internal to store/.
 *
 *   name    every host, site, container and unit that occurs, with a number: their token in the index is "dwh17"
 *   source  who said a line: host, source, site, container, unit, and the tokens of those
 *   line    the lines; id = order of arrival; dropped > 0: so many were left out here
 *   line_fts  full-text index (FTS5, external content, detail=none) over the source's tokens and the text
 *   span    for about every thousand lines: the ids, and the earliest and latest time among them
 *   cursor  where each source goes on; the row with the highest sequence of all days counts */
#ifndef STORE_LOG_DAY_H
#define STORE_LOG_DAY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "fleet/state.h"

#define LOG_DIRECTORY "logs"
#define DAY_US (INT64_C(86400) * 1000000)

struct day_list {
    VEC(int32_t) days; /* ascending */
};

int32_t log_day_of(int64_t at_us);
char *log_day_path(const char *directory, int32_t day);                                /* caller frees */
enum err log_days(const char *directory, struct day_list *out, struct err_info *info); /* which files there are */
void log_day_unlink(const char *directory, int32_t day);

/* For the tokens of the index; kind is 'h', 's', 'c' or 'u'. */
#define LOG_TOKEN_SIZE 32
const char *log_day_token(char kind, int64_t name_id, char out[LOG_TOKEN_SIZE]);

struct log_span {
    int64_t first_id, last_id; /* first_id 0: none yet */
    int64_t min_at_us, max_at_us;
};

struct log_day {
    int32_t day;
    sqlite3 *db;
    sqlite3_stmt *find_name, *add_name, *find_source, *add_source, *add_line, *index_line, *put_span, *put_cursor;
    struct log_span span; /* the one that grows */
};

struct log_cursor {
    const char *host, *source, *cursor;
    int64_t sequence, at_us;
};

/* Open for writing; a damaged file is renamed and a fresh one begun. */
enum err log_day_open(const char *directory, int32_t day, struct log_day *out, struct err_info *info);
void log_day_close(struct log_day *day);

/* Inside a transaction: the batch's lines behind one row that says `dropped` (if not 0), and its cursor. */
enum err log_day_add(
    struct log_day *day, const struct log_batch *batch, uint64_t dropped, int64_t sequence, struct err_info *info);
enum err log_day_put_cursor(struct log_day *day, const struct log_cursor *cursor, struct err_info *info);
/* At the end of it. */
enum err log_day_put_span(struct log_day *day, struct err_info *info);

/* Every cursor in the file. */
enum err log_day_cursors(
    sqlite3 *db, void (*each)(void *arg, const struct log_cursor *cursor), void *arg, struct err_info *info);

#endif
