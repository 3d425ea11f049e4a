/* Log lines, reading side. A query walks the days from the newest, in each the rows from the newest: the spans bound
 * the ids by time, the full-text index finds rows by words and by the tokens of host, site, container and unit, and
 * what it finds is checked on the row: text of a host can contain anything, also what looks like a token. One thread at
 * a time per reader; files are opened read-only. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/log_day.h"
#include "store/log_words.h"
#include "store/logs.h"
#include "store/sql.h"

#define READER_BUSY_MS 2000
#define KEPT_OPEN 4 /* the newest days, asked again and again while following */

struct open_file {
    int32_t day;
    sqlite3 *db;
};

struct log_reader {
    char *directory;
    struct open_file kept[KEPT_OPEN];
};

/* A query on its way through one day. */
struct day_query {
    sqlite3 *db;
    int32_t day;
    const struct log_filter *filter;
    const struct log_words *words;
    int64_t first_id, last_id; /* inclusive */
    bool newest_first;
    log_each *each;
    void *arg;
    size_t left; /* lines that may still be given */
    bool stopped;
    int64_t given_id; /* of the last line given */
};

enum err log_reader_open(const char *state_dir, struct log_reader **out, struct err_info *info)
{
    *out = NULL;
    struct day_list list;
    char *directory = paths_join(state_dir, LOG_DIRECTORY);
    enum err result = log_days(directory, &list, info);
    vec_free(&list.days);
    if (result != ERR_OK) {
        free(directory);
        return result == ERR_NOT_FOUND ? err_set(info, result, "no log lines at %s: start `dogwatch engine`", state_dir)
                                       : result;
    }
    *out = xcalloc(1, sizeof **out);
    (*out)->directory = directory;
    return ERR_OK;
}

void log_reader_close(struct log_reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < KEPT_OPEN; i++)
        sql_close(reader->kept[i].db);
    free(reader->directory);
    free(reader);
}

/* --- files --- */

/* *out stays the reader's. Takes the place of the oldest day that is kept open. A file that is still being made reads
 * as NULL: nothing in it yet. */
static enum err open_day(struct log_reader *reader, int32_t day, sqlite3 **out, struct err_info *info)
{
    struct open_file *place = &reader->kept[0];
    *out = NULL;
    for (size_t i = 0; i < KEPT_OPEN; i++) {
        struct open_file *candidate = &reader->kept[i];
        if (candidate->db && candidate->day == day) {
            *out = candidate->db;
            return ERR_OK;
        }
        if (!candidate->db || (place->db && candidate->day < place->day))
            place = candidate;
    }
    sqlite3 *db;
    char *path = log_day_path(reader->directory, day);
    enum err result = sql_open(path, SQL_READ_ONLY, &db, info);
    free(path);
    if (result != ERR_OK)
        return result;
    sqlite3_busy_timeout(db, READER_BUSY_MS);
    int64_t version = sql_integer(db, "PRAGMA user_version", -1);
    if (version < 0)
        result = sql_fail(info, db, "cannot read the log lines of that day");
    if (version <= 0) {
        sql_close(db);
        return result;
    }
    sql_close(place->db);
    *place = (struct open_file){day, db};
    *out = db;
    return ERR_OK;
}

/* Files that are no longer there need not be held open. */
static void forget_removed(struct log_reader *reader, const struct day_list *list)
{
    for (size_t i = 0; i < KEPT_OPEN; i++) {
        bool there = false;
        for (size_t j = 0; j < list->days.count; j++)
            there = there || list->days.items[j] == reader->kept[i].day;
        if (reader->kept[i].db && !there) {
            sql_close(reader->kept[i].db);
            reader->kept[i] = (struct open_file){0};
        }
    }
}

/* --- one day --- */

/* Narrow first_id and last_id to the spans that can hold lines of that time. */
static enum err narrow_by_time(struct day_query *query, struct err_info *info)
{
    sqlite3_stmt *statement;
    if (query->filter->since_us == 0 && query->filter->until_us == 0)
        return ERR_OK;
    enum err result = sql_prepare(query->db,
        "SELECT min(first_id), max(last_id) FROM span WHERE max_at_us >= ?1 AND (?2 = 0 OR min_at_us <= ?2)",
        &statement, info);
    if (result != ERR_OK)
        return result;
    sqlite3_bind_int64(statement, 1, query->filter->since_us);
    sqlite3_bind_int64(statement, 2, query->filter->until_us);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        int64_t first = sqlite3_column_int64(statement, 0), last = sqlite3_column_int64(statement, 1);
        query->first_id = first > query->first_id ? first : query->first_id;
        query->last_id = last < query->last_id ? last : query->last_id; /* no span: 0, so nothing */
    }
    sqlite3_finalize(statement);
    return ERR_OK;
}

/* Append the token of a name; false where that name does not occur on that day. */
static bool match_name(struct day_query *query, char kind, const char *name, struct buf *expression)
{
    sqlite3_stmt *statement;
    char kind_text[2] = {kind, '\0'}, token[LOG_TOKEN_SIZE];
    bool found = false;
    if (!name)
        return true;
    if (sql_prepare(query->db, "SELECT id FROM name WHERE kind = ? AND name = ?", &statement, NULL) != ERR_OK)
        return false;
    sql_bind_text(statement, 1, kind_text);
    sql_bind_text(statement, 2, name);
    found = sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        buf_printf(expression, "%s\"%s\"", expression->length ? " AND " : "",
            log_day_token(kind, sqlite3_column_int64(statement, 0), token));
    sqlite3_finalize(statement);
    return found;
}

static bool match_names(struct day_query *query, struct buf *expression)
{
    const struct log_filter *filter = query->filter;
    return match_name(query, 'h', filter->host, expression) && match_name(query, 's', filter->site, expression) &&
           match_name(query, 'c', filter->container, expression) && match_name(query, 'u', filter->unit, expression);
}

#define ROW_COLUMNS                                                                                                    \
    "SELECT line.id, line.at_us, source.host, source.site, source.container, source.unit, source.source, "             \
    "line.priority,"                                                                                                   \
    " line.is_stderr, line.dropped, line.text "
#define FROM_INDEX                                                                                                     \
    "FROM line_fts CROSS JOIN line ON line.id = line_fts.rowid CROSS JOIN source ON source.id = line.source_id"        \
    " WHERE line_fts MATCH ?3 AND line_fts.rowid >= ?1 AND line_fts.rowid <= ?2 ORDER BY line_fts.rowid "
#define FROM_LINES                                                                                                     \
    "FROM line CROSS JOIN source ON source.id = line.source_id WHERE line.id >= ?1 AND line.id <= ?2 ORDER BY "        \
    "line.id "

static enum err prepare_rows(
    struct day_query *query, const struct buf *expression, sqlite3_stmt **out, struct err_info *info)
{
    static const char *const texts[2][2] = {
        {ROW_COLUMNS FROM_LINES "ASC", ROW_COLUMNS FROM_LINES "DESC"},
        {ROW_COLUMNS FROM_INDEX "ASC", ROW_COLUMNS FROM_INDEX "DESC"},
    };
    bool by_index = expression->length > 0;
    enum err result = sql_prepare(query->db, texts[by_index][query->newest_first], out, info);
    if (result != ERR_OK)
        return result;
    sqlite3_bind_int64(*out, 1, query->first_id);
    sqlite3_bind_int64(*out, 2, query->last_id);
    if (by_index)
        sqlite3_bind_text(*out, 3, expression->data, (int)expression->length, SQLITE_STATIC);
    return ERR_OK;
}

static struct log_entry read_entry(sqlite3_stmt *statement, int32_t day)
{
    return (struct log_entry){
        .day = day,
        .id = sqlite3_column_int64(statement, 0),
        .at_us = sqlite3_column_int64(statement, 1),
        .host = sql_column_text(statement, 2),
        .site = sql_column_text(statement, 3),
        .container = sql_column_text(statement, 4),
        .unit = sql_column_text(statement, 5),
        .source = sql_column_text(statement, 6),
        .priority = (uint8_t)sqlite3_column_int(statement, 7),
        .is_stderr = sqlite3_column_int(statement, 8) != 0,
        .dropped = (uint64_t)sqlite3_column_int64(statement, 9),
        .text = sql_column_text(statement, 10),
    };
}

static bool name_fits(const char *wanted, const char *name)
{
    return !wanted || strcmp(wanted, name) == 0;
}

static bool entry_fits(const struct day_query *query, const struct log_entry *entry)
{
    const struct log_filter *filter = query->filter;
    return name_fits(filter->host, entry->host) && name_fits(filter->site, entry->site) &&
           name_fits(filter->container, entry->container) && name_fits(filter->unit, entry->unit) &&
           entry->at_us >= filter->since_us && (filter->until_us == 0 || entry->at_us <= filter->until_us) &&
           log_words_in(query->words, entry->text);
}

static enum err give_rows(struct day_query *query, sqlite3_stmt *statement, struct err_info *info)
{
    int code = SQLITE_DONE;
    while (!query->stopped && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct log_entry entry = read_entry(statement, query->day);
        if (!entry_fits(query, &entry))
            continue;
        query->given_id = entry.id;
        query->stopped = !query->each(query->arg, &entry) || --query->left == 0;
    }
    return query->stopped || code == SQLITE_DONE ? ERR_OK : sql_fail(info, query->db, "cannot read log lines");
}

static enum err query_day(struct day_query *query, struct err_info *info)
{
    struct buf expression = BUF(65536);
    sqlite3_stmt *statement = NULL;
    enum err result = narrow_by_time(query, info);
    if (result == ERR_OK && query->first_id <= query->last_id && match_names(query, &expression)) {
        log_words_match(query->words, &expression);
        if (expression.overflowed)
            result = err_set(info, ERR_INVALID, "the words to look for are too long");
        else
            result = prepare_rows(query, &expression, &statement, info);
        if (result == ERR_OK)
            result = give_rows(query, statement, info);
    }
    sqlite3_finalize(statement);
    buf_free(&expression);
    return result;
}

/* --- all days --- */

/* A day that cannot be read does not hide the others: the first such error is returned at the end. */
static void keep_first(enum err *result, struct err_info *info, enum err new_result, const struct err_info *why)
{
    if (*result == ERR_OK && new_result != ERR_OK)
        *result = err_set(info, new_result, "%s", why->message);
}

enum err log_query(
    struct log_reader *reader, const struct log_filter *filter, log_each *each, void *arg, struct err_info *info)
{
    struct log_words words;
    struct day_list list = {0};
    enum err result = log_words_parse(filter->words, &words, info);
    if (result != ERR_OK)
        return result;
    struct day_query query = {.filter = filter, .words = &words, .newest_first = true, .each = each, .arg = arg};
    query.left = filter->limit ? filter->limit : SIZE_MAX;
    result = log_days(reader->directory, &list, info);
    forget_removed(reader, &list);
    for (size_t i = list.days.count; i-- > 0 && !query.stopped && result != ERR_INVALID;) {
        struct err_info why = {0};
        query.day = list.days.items[i];
        query.first_id = 1;
        query.last_id = INT64_MAX;
        enum err one = open_day(reader, query.day, &query.db, &why);
        if (one == ERR_OK && query.db)
            one = query_day(&query, &why);
        keep_first(&result, info, one, &why);
    }
    vec_free(&list.days);
    log_words_free(&words);
    return result;
}

/* --- following --- */

static int64_t newest_id(sqlite3 *db)
{
    return db ? sql_integer(db, "SELECT max(id) FROM line", 0) : 0;
}

/* The place for the newest days: what `old` says of them, 0 for those it does not know. */
static void move_place(const struct day_list *list, const struct log_place *old, struct log_place *out)
{
    size_t slots = sizeof out->days / sizeof out->days[0];
    size_t first = list->days.count > slots ? list->days.count - slots : 0;
    *out = (struct log_place){0};
    for (size_t i = first; i < list->days.count; i++) {
        out->days[i - first].day = list->days.items[i];
        for (size_t j = 0; j < slots; j++)
            if (old->days[j].day == list->days.items[i])
                out->days[i - first].id = old->days[j].id;
    }
}

enum err log_place_now(struct log_reader *reader, struct log_place *out, struct err_info *info)
{
    struct day_list list;
    struct log_place nowhere = {0};
    *out = nowhere;
    enum err result = log_days(reader->directory, &list, info);
    if (result != ERR_OK)
        return result;
    forget_removed(reader, &list);
    move_place(&list, &nowhere, out);
    for (size_t i = 0; i < sizeof out->days / sizeof out->days[0] && out->days[i].day != 0; i++) {
        sqlite3 *db;
        struct err_info why = {0};
        enum err one = open_day(reader, out->days[i].day, &db, &why);
        keep_first(&result, info, one, &why);
        if (one == ERR_OK)
            out->days[i].id = newest_id(db);
    }
    vec_free(&list.days);
    return result;
}

/* What came into that day behind *id. One read transaction, so that *id is exactly what was looked at. */
static enum err follow_day(struct day_query *query, int64_t *id, struct err_info *info)
{
    enum err result = sql_run(query->db, "BEGIN", info);
    if (result != ERR_OK)
        return result;
    int64_t newest = newest_id(query->db);
    query->first_id = *id + 1;
    query->last_id = newest;
    if (newest > *id)
        result = query_day(query, info);
    sql_run(query->db, "COMMIT", NULL);
    if (result == ERR_OK && newest > *id)
        *id = query->stopped ? query->given_id : newest;
    return result;
}

enum err log_follow(struct log_reader *reader, const struct log_filter *filter, struct log_place *place, log_each *each,
    void *arg, struct err_info *info)
{
    struct log_words words;
    struct day_list list;
    enum err result = log_words_parse(filter->words, &words, info);
    if (result != ERR_OK)
        return result;
    struct day_query query = {.filter = filter, .words = &words, .each = each, .arg = arg};
    query.left = filter->limit ? filter->limit : SIZE_MAX;
    result = log_days(reader->directory, &list, info);
    forget_removed(reader, &list);
    struct log_place old = *place;
    if (result == ERR_OK)
        move_place(&list, &old, place);
    for (size_t i = 0; i < sizeof place->days / sizeof place->days[0] && place->days[i].day != 0 && !query.stopped;
         i++) {
        struct err_info why = {0};
        query.day = place->days[i].day;
        enum err one = open_day(reader, query.day, &query.db, &why);
        if (one == ERR_OK && query.db)
            one = follow_day(&query, &place->days[i].id, &why);
        keep_first(&result, info, one, &why);
    }
    vec_free(&list.days);
    log_words_free(&words);
    return result;
}
