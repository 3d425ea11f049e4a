/* Objects of one kind as the source of a table: views/columns.h turned into table columns, a sparkline among them, and
 * the objects of a snapshot within a scope. Drawing thread only. */
#ifndef VIEWS_CONSOLE_ROWS_H
#define VIEWS_CONSOLE_ROWS_H

#include "tui/table.h"
#include "views/columns.h"
#include "views/console/picture.h"

struct rows;

/* `hidden` (may be NULL, ends with NULL) names columns that say nothing within the scope. */
struct rows *rows_new(enum row_kind kind, const char *const *hidden);
void rows_free(struct rows *rows);
struct table *rows_table(struct rows *rows); /* the table over them; borrowed */

/* Take over the objects of the picture that lie within the scope (kind KIND_COUNT: all) and refresh the table. The
 * picture must live, unchanged, until the next call. */
void rows_update(
    struct rows *rows, const struct picture *picture, const struct subject *scope, struct freshness freshness);

/* The object under the selection; of a job or an event the one it is about. False where there is none. */
bool rows_selected(const struct rows *rows, struct subject *out);
const void *rows_selected_object(const struct rows *rows); /* NULL where there is none */
/* Keys of the rows whose sparkline was drawn since the last call. */
void rows_wish(struct rows *rows, struct wish *wish);

enum object_kind rows_object_kind(enum row_kind kind); /* KIND_COUNT for jobs and the timeline */

#endif
