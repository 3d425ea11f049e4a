/* The present state of objects as table rows. The lists below are the only place that names the columns; metrics come
 * from fleet/metrics.h. Column order in every SQL text: key, rev, columns, metrics. No state; any thread. */
#include "store/rows.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "store/sql.h"

/* C(struct, member, TYPE) */
#define HOST_ROW(C)                                                                                                    \
    C(host_state, address, TEXT)                                                                                       \
    C(host_state, roles, TEXT)                                                                                         \
    C(host_state, status, INT)                                                                                         \
    C(host_state, reason_code, INT)                                                                                    \
    C(host_state, reason, TEXT)                                                                                        \
    C(host_state, since_us, TIME)                                                                                      \
    C(host_state, seen_us, TIME)                                                                                       \
    C(host_state, boot_id, TEXT)                                                                                       \
    C(host_state, os, TEXT)                                                                                            \
    C(host_state, kernel, TEXT)                                                                                        \
    C(host_state, helper_version, TEXT)                                                                                \
    C(host_state, runtimes, TEXT)                                                                                      \
    C(host_state, containers_running, UINT)                                                                            \
    C(host_state, containers_total, UINT)

#define SITE_ROW(C)                                                                                                    \
    C(site_state, host, TEXT)                                                                                          \
    C(site_state, host_count, UINT)                                                                                    \
    C(site_state, declared, BOOL)                                                                                      \
    C(site_state, desired, TEXT)                                                                                       \
    C(site_state, member, TEXT)                                                                                        \
    C(site_state, drift, TEXT)                                                                                         \
    C(site_state, domains, TEXT)                                                                                       \
    C(site_state, status, INT)                                                                                         \
    C(site_state, mark, INT)                                                                                           \
    C(site_state, mark_job, TEXT)                                                                                      \
    C(site_state, mark_since_us, TIME)                                                                                 \
    C(site_state, kept_host, TEXT)                                                                                     \
    C(site_state, kept_until_us, TIME)                                                                                 \
    C(site_state, health, INT)                                                                                         \
    C(site_state, image, TEXT)                                                                                         \
    C(site_state, containers_running, UINT)                                                                            \
    C(site_state, containers_total, UINT)                                                                              \
    C(site_state, since_us, TIME)                                                                                      \
    C(site_state, seen_us, TIME)

#define CONTAINER_ROW(C)                                                                                               \
    C(container_state, host, TEXT)                                                                                     \
    C(container_state, name, TEXT)                                                                                     \
    C(container_state, site, TEXT)                                                                                     \
    C(container_state, role, TEXT)                                                                                     \
    C(container_state, runtime, TEXT)                                                                                  \
    C(container_state, id, TEXT)                                                                                       \
    C(container_state, image, TEXT)                                                                                    \
    C(container_state, image_id, TEXT)                                                                                 \
    C(container_state, state, INT)                                                                                     \
    C(container_state, mark, INT)                                                                                      \
    C(container_state, starts_at_boot, BOOL)                                                                           \
    C(container_state, health, INT)                                                                                    \
    C(container_state, exit_code, INT)                                                                                 \
    C(container_state, oom_killed, BOOL)                                                                               \
    C(container_state, created_us, TIME)                                                                               \
    C(container_state, started_us, TIME)                                                                               \
    C(container_state, finished_us, TIME)                                                                              \
    C(container_state, ports, TEXT)                                                                                    \
    C(container_state, mounts, TEXT)                                                                                   \
    C(container_state, seen_us, TIME)                                                                                  \
    C(container_state, stale, BOOL)

#define VOLUME_ROW(C)                                                                                                  \
    C(volume_state, name, TEXT)                                                                                        \
    C(volume_state, site, TEXT)                                                                                        \
    C(volume_state, host, TEXT)                                                                                        \
    C(volume_state, driver, TEXT)                                                                                      \
    C(volume_state, runtime, TEXT)                                                                                     \
    C(volume_state, path, TEXT)                                                                                        \
    C(volume_state, measured_us, TIME)                                                                                 \
    C(volume_state, seen_us, TIME)                                                                                     \
    C(volume_state, stale, BOOL)

/* How each type is declared in SQL, and which C type it must have. */
#define SQL_TEXT "TEXT NOT NULL DEFAULT ''"
#define SQL_INT "INTEGER NOT NULL DEFAULT 0"
#define SQL_UINT SQL_INT
#define SQL_BOOL SQL_INT
#define SQL_TIME SQL_INT
#define SIZE_OK_TEXT(size) ((size) > 1)
#define SIZE_OK_INT(size) ((size) == sizeof(int))
#define SIZE_OK_UINT(size) ((size) == sizeof(uint32_t))
#define SIZE_OK_BOOL(size) ((size) == sizeof(bool))
#define SIZE_OK_TIME(size) ((size) == sizeof(int64_t))

#define COLUMN_CHECK(s, member, type)                                                                                  \
    static_assert(SIZE_OK_##type(sizeof((struct s *)0)->member), #member " has another type than its column");
#define COLUMN_ENTRY(s, member, type) {COLUMN_##type, offsetof(struct s, member), sizeof((struct s *)0)->member},
#define COLUMN_DDL(s, member, type) ", " #member " " SQL_##type
#define COLUMN_NAME(s, member, type) ", " #member
#define COLUMN_MARK(s, member, type) ", ?"
#define COLUMN_SET(s, member, type) ", " #member " = excluded." #member
#define METRIC_NAME(id, key, unit, in_rrd, title) ", " #key
#define METRIC_MARK(id, key, unit, in_rrd, title) ", ?"
#define METRIC_SET(id, key, unit, in_rrd, title) ", " #key " = excluded." #key

/* Metric columns are added by add_metrics in database.c, so that a new metric needs no migration. */
#define TABLE(table, row_struct, key_member, ROW, METRICS, HOST_COLUMN)                                                \
    {                                                                                                                  \
        .name = #table, .row_size = sizeof(struct row_struct), .key_offset = offsetof(struct row_struct, key_member),  \
        .key_size = sizeof((struct row_struct *)0)->key_member, .columns = table##_columns,                            \
        .column_count = sizeof table##_columns / sizeof table##_columns[0],                                            \
        .metrics_offset = offsetof(struct row_struct, metrics),                                                        \
        .metric_count = sizeof((struct row_struct *)0)->metrics / sizeof(double),                                      \
        .create_sql = "CREATE TABLE " #table                                                                           \
                      " (key TEXT PRIMARY KEY NOT NULL, rev INTEGER NOT NULL" ROW(COLUMN_DDL) ") WITHOUT ROWID;",      \
        .upsert_sql =                                                                                                  \
            "INSERT INTO " #table " (key, rev" ROW(COLUMN_NAME) METRICS(METRIC_NAME) ") VALUES (?, ?" ROW(COLUMN_MARK) \
                METRICS(METRIC_MARK) ") ON CONFLICT (key) DO UPDATE SET rev = excluded.rev" ROW(COLUMN_SET)            \
                    METRICS(METRIC_SET),                                                                               \
        .delete_sql = "DELETE FROM " #table " WHERE key = ?",                                                          \
        .select_sql =                                                                                                  \
            "SELECT key, rev" ROW(COLUMN_NAME) METRICS(METRIC_NAME) " FROM " #table " WHERE rev > ? ORDER BY key",     \
        .keys_sql = "SELECT key FROM " #table " WHERE ?1 IS NULL OR " #HOST_COLUMN " = ?1",                            \
    }

HOST_ROW(COLUMN_CHECK)
SITE_ROW(COLUMN_CHECK)
CONTAINER_ROW(COLUMN_CHECK)
VOLUME_ROW(COLUMN_CHECK)

static const struct column host_columns[] = {HOST_ROW(COLUMN_ENTRY)};
static const struct column site_columns[] = {SITE_ROW(COLUMN_ENTRY)};
static const struct column container_columns[] = {CONTAINER_ROW(COLUMN_ENTRY)};
static const struct column volume_columns[] = {VOLUME_ROW(COLUMN_ENTRY)};

static const struct object_table tables[OBJECT_KINDS] = {
    [KIND_HOST] = TABLE(host, host_state, name, HOST_ROW, HOST_METRICS, key),
    [KIND_SITE] = TABLE(site, site_state, name, SITE_ROW, SITE_METRICS, host),
    [KIND_CONTAINER] = TABLE(container, container_state, key, CONTAINER_ROW, CONTAINER_METRICS, host),
    [KIND_VOLUME] = TABLE(volume, volume_state, key, VOLUME_ROW, VOLUME_METRICS, host),
};

const struct object_table *object_table(enum object_kind kind)
{
    return (size_t)kind < OBJECT_KINDS ? &tables[kind] : NULL;
}

static void bind_column(sqlite3_stmt *statement, int index, const struct column *column, const char *member)
{
    int number;
    uint32_t natural;
    bool truth;
    int64_t time_us;
    switch (column->type) {
    case COLUMN_TEXT:
        sqlite3_bind_text(statement, index, member, (int)strnlen(member, column->size), SQLITE_STATIC);
        break;
    case COLUMN_INT:
        memcpy(&number, member, sizeof number);
        sqlite3_bind_int(statement, index, number);
        break;
    case COLUMN_UINT:
        memcpy(&natural, member, sizeof natural);
        sqlite3_bind_int64(statement, index, natural);
        break;
    case COLUMN_BOOL:
        memcpy(&truth, member, sizeof truth);
        sqlite3_bind_int(statement, index, truth);
        break;
    case COLUMN_TIME:
        memcpy(&time_us, member, sizeof time_us);
        sqlite3_bind_int64(statement, index, time_us);
        break;
    }
}

void object_bind(const struct object_table *table, sqlite3_stmt *upsert, const void *row, int64_t revision)
{
    const char *bytes = row;
    int index = 1;
    sqlite3_bind_text(upsert, index++, bytes + table->key_offset, -1, SQLITE_STATIC);
    sqlite3_bind_int64(upsert, index++, revision);
    for (size_t i = 0; i < table->column_count; i++)
        bind_column(upsert, index++, &table->columns[i], bytes + table->columns[i].offset);
    for (size_t i = 0; i < table->metric_count; i++) {
        double value;
        memcpy(&value, bytes + table->metrics_offset + i * sizeof value, sizeof value);
        sql_bind_real(upsert, index++, value);
    }
}

/* Only what the text needs is written: the row was zeroed. */
static void read_text(sqlite3_stmt *select, int index, char *member, size_t size)
{
    const char *text = sql_column_text(select, index);
    size_t length = (size_t)sqlite3_column_bytes(select, index);
    if (length < size)
        memcpy(member, text, length);
    else
        str_copy(member, size, text);
}

static void read_column(sqlite3_stmt *select, int index, const struct column *column, char *member)
{
    if (column->type == COLUMN_TEXT) {
        read_text(select, index, member, column->size);
        return;
    }
    int64_t value = sqlite3_column_int64(select, index);
    int number = (int)value;
    uint32_t natural = (uint32_t)value;
    bool truth = value != 0;
    const void *sources[] = {
        [COLUMN_INT] = &number, [COLUMN_UINT] = &natural, [COLUMN_BOOL] = &truth, [COLUMN_TIME] = &value};
    memcpy(member, sources[column->type], column->size);
}

void object_read(const struct object_table *table, sqlite3_stmt *select, void *row)
{
    char *bytes = row;
    int index = OBJECT_REV_COLUMN + 1;
    memset(row, 0, table->row_size);
    read_text(select, 0, bytes + table->key_offset, table->key_size);
    for (size_t i = 0; i < table->column_count; i++)
        read_column(select, index++, &table->columns[i], bytes + table->columns[i].offset);
    for (size_t i = 0; i < table->metric_count; i++) {
        double value = sql_column_real(select, index++);
        memcpy(bytes + table->metrics_offset + i * sizeof value, &value, sizeof value);
    }
}
