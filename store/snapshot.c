/* Snapshots: the present state of everything in sorted arrays, read in one transaction. A refresh reads only rows whose
 * `rev` is above what the snapshot has and merges them; where something was removed, that kind is read whole again.
 * Runs in the reader's thread. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/sql.h"

/* A growing array of rows of one kind. */
struct row_array {
    char *rows;
    size_t count, capacity;
};

/* Where the snapshot keeps the array of that kind. `rows` points to a `struct x_state *`, so it is read and written as
 * bytes, which keeps to the aliasing rules. */
struct kind_view {
    void *rows;
    size_t *count;
};

static struct kind_view view_of(struct snapshot *snapshot, enum object_kind kind)
{
    struct kind_view views[OBJECT_KINDS] = {
        [KIND_HOST] = {&snapshot->hosts, &snapshot->host_count},
        [KIND_SITE] = {&snapshot->sites, &snapshot->site_count},
        [KIND_CONTAINER] = {&snapshot->containers, &snapshot->container_count},
        [KIND_VOLUME] = {&snapshot->volumes, &snapshot->volume_count},
    };
    return views[kind];
}

static struct row_array rows_of(struct kind_view view)
{
    struct row_array array = {.count = *view.count, .capacity = *view.count};
    memcpy(&array.rows, view.rows, sizeof array.rows);
    return array;
}

static void set_rows(struct kind_view view, const struct row_array *array)
{
    memcpy(view.rows, &array->rows, sizeof array->rows);
    *view.count = array->count;
}

static char *next_row(struct row_array *array, size_t row_size)
{
    if (array->count == array->capacity) {
        array->capacity = array->capacity ? array->capacity * 2 : 64;
        array->rows = xreallocarray(array->rows, array->capacity, row_size);
    }
    return array->rows + row_size * array->count++;
}

/* Rows changed after `revision`, sorted by key. */
static enum err read_rows(
    sqlite3 *db, const struct object_table *table, int64_t revision, struct row_array *out, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, table->select_sql, &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    sqlite3_bind_int64(statement, 1, revision);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        object_read(table, statement, next_row(out, table->row_size));
    if (code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the store");
    sqlite3_finalize(statement);
    return result;
}

static int compare_rows(const struct object_table *table, const char *a, const char *b)
{
    return strcmp(a + table->key_offset, b + table->key_offset);
}

/* Both are sorted; a changed row replaces the one of its key. The result replaces `into`. */
static void merge_rows(const struct object_table *table, struct row_array *into, const struct row_array *changed)
{
    struct row_array merged = {.capacity = into->count + changed->count};
    merged.rows = xreallocarray(NULL, merged.capacity ? merged.capacity : 1, table->row_size);
    size_t size = table->row_size, i = 0, j = 0;
    while (i < into->count || j < changed->count) {
        const char *old = into->rows + size * i, *new = changed->rows + size *j;
        int order = i == into->count ? 1 : j == changed->count ? -1 : compare_rows(table, old, new);
        memcpy(merged.rows + size * merged.count++, order < 0 ? old : new, size);
        i += order <= 0;
        j += order >= 0;
    }
    free(into->rows);
    *into = merged;
}

/* Replace in place as long as no key is new; false (having changed nothing that is wrong) where one is. */
static bool replace_rows(const struct object_table *table, struct row_array *into, const struct row_array *changed)
{
    size_t size = table->row_size, i = 0;
    for (size_t j = 0; j < changed->count; j++) {
        const char *new = changed->rows + size *j;
        while (i < into->count && compare_rows(table, into->rows + size * i, new) < 0)
            i++;
        if (i == into->count || compare_rows(table, into->rows + size * i, new) != 0)
            return false;
        memcpy(into->rows + size * i, new, size);
    }
    return true;
}

struct counters {
    int64_t store_id, revision, removals[OBJECT_KINDS];
};

static enum err read_counters(sqlite3 *db, struct counters *out, struct err_info *info)
{
    sqlite3_stmt *statement;
    *out = (struct counters){0};
    enum err result = sql_prepare(db, "SELECT name, value FROM counter", &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = sql_column_text(statement, 0);
        int64_t value = sqlite3_column_int64(statement, 1);
        if (strcmp(name, "store") == 0)
            out->store_id = value;
        else if (strcmp(name, "revision") == 0)
            out->revision = value;
        for (int kind = 0; kind < OBJECT_KINDS; kind++)
            if (strcmp(name, object_table((enum object_kind)kind)->name) == 0)
                out->removals[kind] = value;
    }
    if (code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the store");
    sqlite3_finalize(statement);
    return result;
}

#define ENGINE_COLUMN(id, key, unit, in_rrd, title) ", " #key

static enum err read_engine(sqlite3 *db, struct snapshot *snapshot, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, "SELECT at_us" ENGINE_METRICS(ENGINE_COLUMN) " FROM engine", &statement, info);
    if (result != ERR_OK)
        return result;
    snapshot->engine_at_us = 0;
    metrics_clear(snapshot->engine, ENGINE_METRIC_COUNT);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        snapshot->engine_at_us = sqlite3_column_int64(statement, 0);
        for (int i = 0; i < ENGINE_METRIC_COUNT; i++)
            snapshot->engine[i] = sql_column_real(statement, 1 + i);
    }
    sqlite3_finalize(statement);
    return ERR_OK;
}

static enum err read_fleet(sqlite3 *db, struct snapshot *snapshot, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, "SELECT name, environment, interval_us FROM fleet", &statement, info);
    if (result != ERR_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        str_copy(snapshot->fleet, sizeof snapshot->fleet, sql_column_text(statement, 0));
        str_copy(snapshot->environment, sizeof snapshot->environment, sql_column_text(statement, 1));
        snapshot->interval_us = sqlite3_column_int64(statement, 2);
    }
    sqlite3_finalize(statement);
    return ERR_OK;
}

/* Bring one kind up to date. */
static enum err refresh_kind(
    sqlite3 *db, struct snapshot *snapshot, enum object_kind kind, const struct counters *now, struct err_info *info)
{
    const struct object_table *table = object_table(kind);
    struct kind_view view = view_of(snapshot, kind);
    bool whole =
        *view.count == 0 || snapshot->store_id != now->store_id || snapshot->removals[kind] != now->removals[kind];
    struct row_array changed = {0}, rows = rows_of(view);
    enum err result = read_rows(db, table, whole ? -1 : snapshot->revision, &changed, info);
    if (result != ERR_OK) {
        free(changed.rows);
        return result;
    }
    if (whole) {
        free(rows.rows);
        rows = changed;
        changed = (struct row_array){0};
    } else if (!replace_rows(table, &rows, &changed)) {
        merge_rows(table, &rows, &changed);
    }
    free(changed.rows);
    set_rows(view, &rows);
    snapshot->removals[kind] = now->removals[kind];
    return ERR_OK;
}

static enum err refresh_all(sqlite3 *db, struct snapshot *snapshot, struct err_info *info)
{
    struct counters now;
    enum err result = read_counters(db, &now, info);
    bool unchanged = result == ERR_OK && snapshot->store_id == now.store_id && snapshot->revision == now.revision;
    if (result != ERR_OK)
        return result;
    if (!unchanged) {
        result = read_engine(db, snapshot, info);
        if (result == ERR_OK)
            result = read_fleet(db, snapshot, info);
        for (int kind = 0; kind < OBJECT_KINDS && result == ERR_OK; kind++)
            result = refresh_kind(db, snapshot, (enum object_kind)kind, &now, info);
    }
    if (result == ERR_OK) {
        snapshot->store_id = now.store_id;
        snapshot->revision = now.revision;
        snapshot->read_us = clock_wall_us();
    }
    return result;
}

enum err store_refresh_snapshot(struct store_reader *reader, struct snapshot **snapshot, struct err_info *info)
{
    sqlite3 *db = store_reader_db(reader);
    struct snapshot *target = *snapshot ? *snapshot : xcalloc(1, sizeof *target);
    enum err result = sql_run(db, "BEGIN", info);
    if (result == ERR_OK) {
        result = refresh_all(db, target, info);
        sql_run(db, "COMMIT", NULL);
    }
    if (result == ERR_OK)
        *snapshot = target;
    else if (!*snapshot)
        snapshot_free(target);
    return result;
}

enum err store_read_snapshot(struct store_reader *reader, struct snapshot **out, struct err_info *info)
{
    *out = NULL;
    return store_refresh_snapshot(reader, out, info);
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->hosts);
    free(snapshot->sites);
    free(snapshot->containers);
    free(snapshot->volumes);
    free(snapshot);
}

static const void *find_row(const void *rows, size_t count, enum object_kind kind, const char *key)
{
    const struct object_table *table = object_table(kind);
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *row = (const char *)rows + table->row_size * middle;
        int order = strcmp(key, row + table->key_offset);
        if (order == 0)
            return row;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct host_state *snapshot_host(const struct snapshot *snapshot, const char *key)
{
    return find_row(snapshot->hosts, snapshot->host_count, KIND_HOST, key);
}

const struct site_state *snapshot_site(const struct snapshot *snapshot, const char *key)
{
    return find_row(snapshot->sites, snapshot->site_count, KIND_SITE, key);
}

const struct container_state *snapshot_container(const struct snapshot *snapshot, const char *key)
{
    return find_row(snapshot->containers, snapshot->container_count, KIND_CONTAINER, key);
}

const struct volume_state *snapshot_volume(const struct snapshot *snapshot, const char *key)
{
    return find_row(snapshot->volumes, snapshot->volume_count, KIND_VOLUME, key);
}
