/* One day of log lines. Runs in the log writer thread; reading the list of days: any thread.
 *
 * A span grows over transactions until it covers a thousand lines; it is what lets a query for the last ten minutes
 * start near the end of the file without an index on the time, which would halve the speed of writing. */
#include "store/log_day.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/database.h"
#include "store/sql.h"

#define LOG_SCHEMA_VERSION 1
#define SPAN_LINES 1000
#define LINE_MAX_BYTES 8192
#define TAGS_SIZE (4 * LOG_TOKEN_SIZE)

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE name (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));"
    "CREATE TABLE source (id INTEGER PRIMARY KEY, host TEXT NOT NULL, source TEXT NOT NULL, site TEXT NOT NULL,"
    " container TEXT NOT NULL, unit TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE (host, source, site, container, unit));"
    "CREATE TABLE line (id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, source_id INTEGER NOT NULL, priority INTEGER "
    "NOT NULL,"
    " is_stderr INTEGER NOT NULL, dropped INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE VIEW line_text AS SELECT line.id AS id, source.tags AS tags, line.text AS text"
    " FROM line JOIN source ON source.id = line.source_id;"
    "CREATE VIRTUAL TABLE line_fts USING fts5 (tags, text, content = 'line_text', content_rowid = 'id', detail = none,"
    " columnsize = 0, tokenize = 'ascii');"
    "CREATE TABLE span (first_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, min_at_us INTEGER NOT NULL,"
    " max_at_us INTEGER NOT NULL);"
    "CREATE TABLE cursor (host TEXT NOT NULL, source TEXT NOT NULL, cursor TEXT NOT NULL, sequence INTEGER NOT NULL,"
    " at_us INTEGER NOT NULL, PRIMARY KEY (host, source)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

int32_t log_day_of(int64_t at_us)
{
    return (int32_t)(at_us >= 0 ? at_us / DAY_US : -1);
}

char *log_day_path(const char *directory, int32_t day)
{
    time_t at = (time_t)day * 86400;
    struct tm parts;
    char name[32];
    gmtime_r(&at, &parts);
    strftime(name, sizeof name, "%Y-%m-%d.db", &parts);
    return paths_join(directory, name);
}

/* "2026-01-02.db" and nothing else. */
static bool parse_name(const char *name, int32_t *day)
{
    char date[11];
    int64_t at_us;
    if (strlen(name) != 13 || strcmp(name + 10, ".db") != 0)
        return false;
    memcpy(date, name, 10);
    date[10] = '\0';
    char whole[32];
    str_format(whole, sizeof whole, "%sT00:00:00Z", date);
    if (!clock_parse_rfc3339(whole, &at_us))
        return false;
    *day = log_day_of(at_us);
    return true;
}

static int compare_days(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

enum err log_days(const char *directory, struct day_list *out, struct err_info *info)
{
    *out = (struct day_list){0};
    DIR *dir = opendir(directory);
    if (!dir) {
        int why = errno;
        return err_errno(info, err_from_errno(why), why, "cannot read the logs in %s", directory);
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        int32_t day;
        if (parse_name(entry->d_name, &day))
            vec_push(&out->days, day);
    }
    closedir(dir);
    if (out->days.count)
        qsort(out->days.items, out->days.count, sizeof *out->days.items, compare_days);
    return ERR_OK;
}

void log_day_unlink(const char *directory, int32_t day)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    char *path = log_day_path(directory, day);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *file = xasprintf("%s%s", path, suffixes[i]);
        unlink(file);
        free(file);
    }
    free(path);
}

const char *log_day_token(char kind, int64_t name_id, char out[LOG_TOKEN_SIZE])
{
    str_format(out, LOG_TOKEN_SIZE, "dw%c%lld", kind, (long long)name_id);
    return out;
}

/* --- opening --- */

static enum err prepare_all(struct log_day *day, struct err_info *info)
{
    const struct {
        const char *text;
        sqlite3_stmt **out;
    } statements[] = {
        {"SELECT id FROM name WHERE kind = ? AND name = ?", &day->find_name},
        {"INSERT INTO name (kind, name) VALUES (?, ?)", &day->add_name},
        {"SELECT id, tags FROM source WHERE host = ? AND source = ? AND site = ? AND container = ? AND unit = ?",
            &day->find_source},
        {"INSERT INTO source (host, source, site, container, unit, tags) VALUES (?, ?, ?, ?, ?, ?)", &day->add_source},
        {"INSERT INTO line (at_us, source_id, priority, is_stderr, dropped, text) VALUES (?, ?, ?, ?, ?, ?)",
            &day->add_line},
        {"INSERT INTO line_fts (rowid, tags, text) VALUES (?, ?, ?)", &day->index_line},
        {"INSERT INTO span (first_id, last_id, min_at_us, max_at_us) VALUES (?, ?, ?, ?) ON CONFLICT (first_id) DO "
         "UPDATE SET"
         " last_id = excluded.last_id, min_at_us = excluded.min_at_us, max_at_us = excluded.max_at_us",
            &day->put_span},
        {"INSERT INTO cursor (host, source, cursor, sequence, at_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT (host, source) "
         "DO UPDATE SET"
         " cursor = excluded.cursor, sequence = excluded.sequence, at_us = excluded.at_us"
         " WHERE excluded.sequence > cursor.sequence",
            &day->put_cursor},
    };
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && result == ERR_OK; i++)
        result = sql_prepare(day->db, statements[i].text, statements[i].out, info);
    return result;
}

/* The last span goes on growing. */
static enum err read_last_span(struct log_day *day, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(day->db,
        "SELECT first_id, last_id, min_at_us, max_at_us FROM span ORDER BY first_id DESC LIMIT 1", &statement, info);
    if (result != ERR_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW)
        day->span = (struct log_span){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
            sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3)};
    sqlite3_finalize(statement);
    return ERR_OK;
}

static enum err open_once(const char *path, struct log_day *out, struct err_info *info)
{
    enum err result = database_connect(path, false, &out->db, info);
    if (result != ERR_OK)
        return result;
    int64_t version = sql_integer(out->db, "PRAGMA user_version", 0);
    if (version > LOG_SCHEMA_VERSION)
        return err_set(info, ERR_VERSION,
            "%s has schema version %d, this dogwatch knows up to %d: use the newer dogwatch", path, (int)version,
            LOG_SCHEMA_VERSION);
    if (version == 0)
        result = sql_run(out->db, schema, info);
    if (result == ERR_OK)
        result = prepare_all(out, info);
    return result == ERR_OK ? read_last_span(out, info) : result;
}

enum err log_day_open(const char *directory, int32_t day, struct log_day *out, struct err_info *info)
{
    char *path = log_day_path(directory, day);
    *out = (struct log_day){.day = day};
    enum err result = open_once(path, out, info);
    if (result == ERR_CORRUPT) {
        char aside[4096];
        log_day_close(out);
        *out = (struct log_day){.day = day};
        result = database_set_aside(path, aside, sizeof aside, info);
        if (result == ERR_OK) {
            log_error("the log file %s was damaged; it is kept as %s", path, aside);
            result = open_once(path, out, info);
        }
    }
    if (result != ERR_OK)
        log_day_close(out);
    free(path);
    return result;
}

void log_day_close(struct log_day *day)
{
    sqlite3_stmt *statements[] = {day->find_name, day->add_name, day->find_source, day->add_source, day->add_line,
        day->index_line, day->put_span, day->put_cursor};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        sqlite3_finalize(statements[i]);
    sql_close(day->db);
    *day = (struct log_day){0};
}

/* --- writing --- */

/* The number of a name, made where it has none yet. */
static enum err name_id(struct log_day *day, char kind, const char *name, int64_t *id, struct err_info *info)
{
    char kind_text[2] = {kind, '\0'};
    sql_bind_text(day->find_name, 1, kind_text);
    sql_bind_text(day->find_name, 2, name);
    bool found = sqlite3_step(day->find_name) == SQLITE_ROW;
    if (found)
        *id = sqlite3_column_int64(day->find_name, 0);
    sql_reset(day->find_name);
    if (found)
        return ERR_OK;
    sql_bind_text(day->add_name, 1, kind_text);
    sql_bind_text(day->add_name, 2, name);
    enum err result = sql_step_done(day->add_name, info);
    *id = sqlite3_last_insert_rowid(day->db);
    return result;
}

static enum err make_tags(
    struct log_day *day, const struct log_batch *batch, char tags[TAGS_SIZE], struct err_info *info)
{
    const struct {
        char kind;
        const char *name;
    } parts[] = {{'h', batch->host}, {'s', batch->site}, {'c', batch->container}, {'u', batch->unit}};
    tags[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int64_t id;
        char token[LOG_TOKEN_SIZE];
        if (parts[i].name[0] == '\0')
            continue;
        enum err result = name_id(day, parts[i].kind, parts[i].name, &id, info);
        if (result != ERR_OK)
            return result;
        size_t length = strlen(tags);
        str_format(
            tags + length, TAGS_SIZE - length, "%s%s", length ? " " : "", log_day_token(parts[i].kind, id, token));
    }
    return ERR_OK;
}

static void bind_source(sqlite3_stmt *statement, const struct log_batch *batch)
{
    sql_bind_text(statement, 1, batch->host);
    sql_bind_text(statement, 2, batch->source);
    sql_bind_text(statement, 3, batch->site);
    sql_bind_text(statement, 4, batch->container);
    sql_bind_text(statement, 5, batch->unit);
}

static enum err source_id(
    struct log_day *day, const struct log_batch *batch, int64_t *id, char tags[TAGS_SIZE], struct err_info *info)
{
    bind_source(day->find_source, batch);
    bool found = sqlite3_step(day->find_source) == SQLITE_ROW;
    if (found) {
        *id = sqlite3_column_int64(day->find_source, 0);
        str_copy(tags, TAGS_SIZE, sql_column_text(day->find_source, 1));
    }
    sql_reset(day->find_source);
    if (found)
        return ERR_OK;
    enum err result = make_tags(day, batch, tags, info);
    if (result != ERR_OK)
        return result;
    bind_source(day->add_source, batch);
    sql_bind_text(day->add_source, 6, tags);
    result = sql_step_done(day->add_source, info);
    *id = sqlite3_last_insert_rowid(day->db);
    return result;
}

static enum err grow_span(struct log_day *day, int64_t id, int64_t at_us, struct err_info *info)
{
    struct log_span *span = &day->span;
    if (span->first_id != 0 && id - span->first_id >= SPAN_LINES) {
        enum err result = log_day_put_span(day, info);
        if (result != ERR_OK)
            return result;
        span->first_id = 0;
    }
    if (span->first_id == 0)
        *span = (struct log_span){id, id, at_us, at_us};
    span->last_id = id;
    span->min_at_us = at_us < span->min_at_us ? at_us : span->min_at_us;
    span->max_at_us = at_us > span->max_at_us ? at_us : span->max_at_us;
    return ERR_OK;
}

static enum err add_line(struct log_day *day, int64_t source, const char *tags, const struct log_line *line,
    uint64_t dropped, struct err_info *info)
{
    size_t length = line->text ? strnlen(line->text, LINE_MAX_BYTES) : 0;
    const char *text = line->text ? line->text : "";
    sqlite3_bind_int64(day->add_line, 1, line->at_us);
    sqlite3_bind_int64(day->add_line, 2, source);
    sqlite3_bind_int(day->add_line, 3, line->priority);
    sqlite3_bind_int(day->add_line, 4, line->is_stderr);
    sqlite3_bind_int64(day->add_line, 5, (int64_t)dropped);
    sqlite3_bind_text(day->add_line, 6, text, (int)length, SQLITE_STATIC);
    enum err result = sql_step_done(day->add_line, info);
    if (result != ERR_OK)
        return result;
    int64_t id = sqlite3_last_insert_rowid(day->db);
    sqlite3_bind_int64(day->index_line, 1, id);
    sql_bind_text(day->index_line, 2, tags);
    sqlite3_bind_text(day->index_line, 3, text, (int)length, SQLITE_STATIC);
    result = sql_step_done(day->index_line, info);
    return result == ERR_OK ? grow_span(day, id, line->at_us, info) : result;
}

enum err log_day_put_span(struct log_day *day, struct err_info *info)
{
    if (day->span.first_id == 0)
        return ERR_OK;
    sqlite3_bind_int64(day->put_span, 1, day->span.first_id);
    sqlite3_bind_int64(day->put_span, 2, day->span.last_id);
    sqlite3_bind_int64(day->put_span, 3, day->span.min_at_us);
    sqlite3_bind_int64(day->put_span, 4, day->span.max_at_us);
    return sql_step_done(day->put_span, info);
}

enum err log_day_put_cursor(struct log_day *day, const struct log_cursor *cursor, struct err_info *info)
{
    sql_bind_text(day->put_cursor, 1, cursor->host);
    sql_bind_text(day->put_cursor, 2, cursor->source);
    sql_bind_text(day->put_cursor, 3, cursor->cursor);
    sqlite3_bind_int64(day->put_cursor, 4, cursor->sequence);
    sqlite3_bind_int64(day->put_cursor, 5, cursor->at_us);
    return sql_step_done(day->put_cursor, info);
}

enum err log_day_add(
    struct log_day *day, const struct log_batch *batch, uint64_t dropped, int64_t sequence, struct err_info *info)
{
    int64_t source, now_us = clock_wall_us();
    char tags[TAGS_SIZE];
    enum err result = source_id(day, batch, &source, tags, info);
    if (result == ERR_OK && dropped > 0) {
        struct log_line gap = {.at_us = batch->count ? batch->lines[0].at_us : now_us, .priority = UINT8_MAX};
        result = add_line(day, source, tags, &gap, dropped, info);
    }
    for (size_t i = 0; i < batch->count && result == ERR_OK; i++)
        result = add_line(day, source, tags, &batch->lines[i], 0, info);
    if (result != ERR_OK || batch->cursor[0] == '\0')
        return result;
    struct log_cursor cursor = {batch->host, batch->source, batch->cursor, sequence, now_us};
    return log_day_put_cursor(day, &cursor, info);
}

enum err log_day_cursors(
    sqlite3 *db, void (*each)(void *arg, const struct log_cursor *cursor), void *arg, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, "SELECT host, source, cursor, sequence, at_us FROM cursor", &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct log_cursor cursor = {sql_column_text(statement, 0), sql_column_text(statement, 1),
            sql_column_text(statement, 2), sqlite3_column_int64(statement, 3), sqlite3_column_int64(statement, 4)};
        each(arg, &cursor);
    }
    if (code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the cursors");
    sqlite3_finalize(statement);
    return result;
}
