/* The present state of objects as table rows: which member of which struct is which column, once. From it come the
 * SQL texts (constants), binding and reading.
 *
 * Tables host, site, container, volume: `key` (primary), `rev` (number of the last change), the columns below, then one
 * REAL column for each metric of fleet/metrics.h, NULL = unknown. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include <sqlite3.h>
#include <stddef.h>

#include "base/err.h"
#include "fleet/metrics.h"
#include "fleet/state.h"

enum column_type { COLUMN_TEXT, COLUMN_INT, COLUMN_UINT, COLUMN_BOOL, COLUMN_TIME };

struct column {
    enum column_type type;
    size_t offset, size; /* in the struct */
};

#define OBJECT_KINDS 4 /* KIND_HOST … KIND_VOLUME have tables of objects */

struct object_table {
    const char *name;
    size_t row_size; /* sizeof the struct */
    size_t key_offset, key_size;
    const struct column *columns;
    size_t column_count;
    size_t metrics_offset, metric_count;
    const char *create_sql;
    const char *upsert_sql; /* ?1 key, ?2 rev, columns, metrics */
    const char *delete_sql; /* ?1 key */
    const char *select_sql; /* rows with rev > ?1, sorted by key: key, rev, columns, metrics */
    const char *keys_sql;   /* all keys; where ?1 is not NULL: of that host */
};

const struct object_table *object_table(enum object_kind kind); /* NULL for kinds without */

void object_bind(const struct object_table *table, sqlite3_stmt *upsert, const void *row, int64_t revision);
/* Fill a struct from a row of select_sql. Everything is bounded by the struct's own sizes. */
void object_read(const struct object_table *table, sqlite3_stmt *select, void *row);

#define OBJECT_REV_COLUMN 1

#endif
