/* What the writer thread does: one batch of puts, one transaction, all or nothing. Every changed row carries the number
 * of the transaction that changed it, and every kind a count of removals: that is how readers re-read only what
 * changed. Runs in the writer thread alone. */
#include "store/writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "store/sql.h"

#define EVENTS_KEPT 1000000
#define EVENTS_PRUNE_EVERY 1000

#define ENGINE_SET(id, key, unit, in_rrd, title) ", " #key " = excluded." #key
#define ENGINE_NAME(id, key, unit, in_rrd, title) ", " #key
#define ENGINE_MARK(id, key, unit, in_rrd, title) ", ?"

static const char engine_sql[] =
    "INSERT INTO engine (one, at_us" ENGINE_METRICS(ENGINE_NAME) ") VALUES (1, ?" ENGINE_METRICS(
        ENGINE_MARK) ") ON CONFLICT (one) DO UPDATE SET at_us = excluded.at_us" ENGINE_METRICS(ENGINE_SET);
static const char fleet_sql[] =
    "INSERT INTO fleet (one, name, environment, interval_us) VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET"
    " name = excluded.name, environment = excluded.environment, interval_us = excluded.interval_us";
static const char event_sql[] = "INSERT INTO event (at_us, severity, kind, object_kind, object, host, site, text)"
                                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
static const char event_prune_sql[] = "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?";
static const char counter_sql[] =
    "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

static enum err prepare_objects(struct writer *writer, struct err_info *info)
{
    enum err result = ERR_OK;
    for (int kind = 0; kind < OBJECT_KINDS && result == ERR_OK; kind++) {
        const struct object_table *table = object_table((enum object_kind)kind);
        struct object_statements *statements = &writer->objects[kind];
        result = sql_prepare(writer->db, table->upsert_sql, &statements->upsert, info);
        if (result == ERR_OK)
            result = sql_prepare(writer->db, table->delete_sql, &statements->remove, info);
        if (result == ERR_OK)
            result = sql_prepare(writer->db, table->keys_sql, &statements->keys, info);
    }
    return result;
}

static int64_t read_counter(struct writer *writer, const char *name)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = 0;
    if (sql_prepare(writer->db, "SELECT value FROM counter WHERE name = ?", &statement, NULL) != ERR_OK)
        return 0;
    sql_bind_text(statement, 1, name);
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static enum err write_counter(struct writer *writer, const char *name, int64_t value, struct err_info *info)
{
    sql_bind_text(writer->counter, 1, name);
    sqlite3_bind_int64(writer->counter, 2, value);
    return sql_step_done(writer->counter, info);
}

enum err writer_open(struct writer *writer, sqlite3 *db, struct err_info *info)
{
    const struct {
        const char *text;
        sqlite3_stmt **out;
    } statements[] = {{engine_sql, &writer->engine}, {fleet_sql, &writer->fleet}, {event_sql, &writer->event},
        {event_prune_sql, &writer->event_prune}, {counter_sql, &writer->counter}};
    *writer = (struct writer){.db = db};
    enum err result = prepare_objects(writer, info);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && result == ERR_OK; i++)
        result = sql_prepare(db, statements[i].text, statements[i].out, info);
    if (result != ERR_OK)
        return result;
    writer->revision = read_counter(writer, "revision");
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        writer->removals[kind] = read_counter(writer, object_table((enum object_kind)kind)->name);
    if (read_counter(writer, "store") == 0) /* tells this file from one that may take its place */
        result = write_counter(writer, "store", clock_wall_us(), info);
    return result;
}

void writer_close(struct writer *writer)
{
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        sqlite3_finalize(writer->objects[kind].upsert);
        sqlite3_finalize(writer->objects[kind].remove);
        sqlite3_finalize(writer->objects[kind].keys);
    }
    sqlite3_finalize(writer->engine);
    sqlite3_finalize(writer->fleet);
    sqlite3_finalize(writer->event);
    sqlite3_finalize(writer->event_prune);
    sqlite3_finalize(writer->counter);
    sql_close(writer->db);
    *writer = (struct writer){0};
}

static enum err put_row(struct writer *writer, const struct put *put, struct err_info *info)
{
    sqlite3_stmt *upsert = writer->objects[put->kind].upsert;
    object_bind(object_table(put->kind), upsert, put->payload, writer->revision);
    return sql_step_done(upsert, info);
}

static enum err remove_key(struct writer *writer, enum object_kind kind, const char *key, struct err_info *info)
{
    sqlite3_stmt *statement = writer->objects[kind].remove;
    sql_bind_text(statement, 1, key);
    enum err result = sql_step_done(statement, info);
    if (result == ERR_OK && sqlite3_changes(writer->db) > 0)
        writer->removals[kind]++;
    return result;
}

static enum err put_remove(struct writer *writer, const struct put *put, struct err_info *info)
{
    return remove_key(writer, put->kind, put->key, info);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Deleting while the SELECT runs would change what it walks: gather first. */
static enum err put_keep_only(struct writer *writer, const struct put *put, struct err_info *info)
{
    VEC(char *) gone = {0};
    sqlite3_stmt *keys = writer->objects[put->kind].keys;
    enum err result = ERR_OK;
    int code;
    if (put->host)
        sql_bind_text(keys, 1, put->host);
    while ((code = sqlite3_step(keys)) == SQLITE_ROW) {
        const char *key = sql_column_text(keys, 0);
        if (put->key_count == 0 || !bsearch(&key, put->keys, put->key_count, sizeof *put->keys, compare_texts))
            vec_push(&gone, xstrdup(key));
    }
    if (code != SQLITE_DONE)
        result = sql_fail(info, writer->db, "cannot read the database");
    sql_reset(keys);
    for (size_t i = 0; i < gone.count; i++) {
        if (result == ERR_OK)
            result = remove_key(writer, put->kind, gone.items[i], info);
        free(gone.items[i]);
    }
    vec_free(&gone);
    return result;
}

static enum err put_engine(struct writer *writer, const struct put *put, struct err_info *info)
{
    const double *metrics = (const double *)put->payload;
    sqlite3_bind_int64(writer->engine, 1, put->at_us);
    for (int i = 0; i < ENGINE_METRIC_COUNT; i++)
        sql_bind_real(writer->engine, 2 + i, metrics[i]);
    return sql_step_done(writer->engine, info);
}

static enum err put_fleet(struct writer *writer, const struct put *put, struct err_info *info)
{
    const struct fleet_row *row = (const struct fleet_row *)put->payload;
    sql_bind_text(writer->fleet, 1, row->name);
    sql_bind_text(writer->fleet, 2, row->environment);
    sqlite3_bind_int64(writer->fleet, 3, row->interval_us);
    return sql_step_done(writer->fleet, info);
}

static enum err prune_events(struct writer *writer, struct err_info *info)
{
    if (++writer->events_since_prune < EVENTS_PRUNE_EVERY)
        return ERR_OK;
    writer->events_since_prune = 0;
    sqlite3_bind_int64(writer->event_prune, 1, EVENTS_KEPT);
    return sql_step_done(writer->event_prune, info);
}

static enum err put_event(struct writer *writer, const struct put *put, struct err_info *info)
{
    const struct event *event = (const struct event *)put->payload;
    sqlite3_bind_int64(writer->event, 1, event->at_us);
    sqlite3_bind_int(writer->event, 2, (int)event->severity);
    sql_bind_text(writer->event, 3, event->kind);
    sqlite3_bind_int(writer->event, 4, (int)event->object_kind);
    sql_bind_text(writer->event, 5, event->object);
    sql_bind_text(writer->event, 6, event->host);
    sql_bind_text(writer->event, 7, event->site);
    sql_bind_text(writer->event, 8, event->text);
    enum err result = sql_step_done(writer->event, info);
    return result == ERR_OK ? prune_events(writer, info) : result;
}

static enum err (*const apply[])(struct writer *, const struct put *, struct err_info *) = {
    [PUT_ROW] = put_row,
    [PUT_REMOVE] = put_remove,
    [PUT_KEEP_ONLY] = put_keep_only,
    [PUT_ENGINE] = put_engine,
    [PUT_FLEET] = put_fleet,
    [PUT_EVENT] = put_event,
};

static enum err apply_all(
    struct writer *writer, struct intake_item *const *items, size_t count, size_t *bad, struct err_info *info)
{
    for (size_t i = 0; i < count; i++) {
        const struct put *put = (const struct put *)items[i];
        struct err_info why = {0};
        enum err result = apply[put->type](writer, put, &why);
        if (result == ERR_INVALID) {
            log_error("an item was left out of the store: %s", why.message);
            (*bad)++;
        } else if (result != ERR_OK) {
            return err_set(info, result, "%s", why.message);
        }
    }
    return ERR_OK;
}

static enum err write_counters(struct writer *writer, const int64_t *before, struct err_info *info)
{
    enum err result = write_counter(writer, "revision", writer->revision, info);
    for (int kind = 0; kind < OBJECT_KINDS && result == ERR_OK; kind++)
        if (writer->removals[kind] != before[kind])
            result = write_counter(writer, object_table((enum object_kind)kind)->name, writer->removals[kind], info);
    return result;
}

enum err writer_commit(
    struct writer *writer, struct intake_item *const *items, size_t count, size_t *bad, struct err_info *info)
{
    int64_t before[OBJECT_KINDS];
    memcpy(before, writer->removals, sizeof before);
    *bad = 0;
    enum err result = sql_run(writer->db, "BEGIN IMMEDIATE", info);
    if (result != ERR_OK)
        return result;
    writer->revision++;
    result = apply_all(writer, items, count, bad, info);
    if (result == ERR_OK)
        result = write_counters(writer, before, info);
    if (result == ERR_OK)
        result = sql_run(writer->db, "COMMIT", info);
    if (result != ERR_OK) {
        sql_run(writer->db, "ROLLBACK", NULL); /* may be rolled back already: then this says so, and nothing is lost */
        writer->revision--;
        memcpy(writer->removals, before, sizeof before);
    }
    return result;
}
