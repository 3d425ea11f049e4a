/* Inside the table: table.c (state, selection, keys), table_order.c (sorting), table_filter.c (filters), table_draw.c.
 */
#ifndef TUI_TABLE_PRIVATE_H
#define TUI_TABLE_PRIVATE_H

#include "tui/idset.h"
#include "tui/table.h"

struct table_filter;

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct table_source source;

    size_t total;     /* rows of the source */
    uint32_t *sorted; /* all rows in the order of the sort column */
    uint8_t *passes;  /* by row: the filter lets it through */
    uint32_t *order;  /* sorted, only those that pass */
    size_t shown;

    int sort_column; /* -1: the source's order */
    bool descending;

    char *filter_text;           /* as typed; NULL: none */
    char *filter_error;          /* why the last one typed was not taken; NULL: it was */
    struct table_filter *filter; /* NULL: all */
    char *haystack;        /* filter texts of all rows, ASCII lowered copies after the originals; NULL: not read yet */
    uint32_t *haystack_at; /* by row: offset of its text; [total] is the end */

    char selected[TABLE_ID_SIZE];
    bool has_selection, vanished;
    size_t position; /* of the selection in `order`, or where it was */
    struct idset *marks;

    size_t top;                      /* first row on screen, in `order` */
    size_t scroll;                   /* columns after the first that are scrolled away */
    size_t drawn_rows, drawn_hidden; /* rows that fitted; columns that did not */
    int drawn_width;
    int *seen; /* by column: the widest text drawn so far at this width */
    bool focused;
    char *empty;
};

/* The row's ID; `number` holds the text of number IDs. */
const char *table_row_id(const struct table *table, size_t row, char number[24]);

/* Fill table->sorted for the current sort column. */
void table_order_sort(struct table *table);

/* Compile; NULL and *info on a bad pattern. */
struct table_filter *table_filter_compile(const char *text, struct err_info *info);
void table_filter_free(struct table_filter *filter);
/* Fill table->passes. */
void table_filter_run(struct table *table);
void table_filter_forget(struct table *table); /* the source's texts are new */
/* The row's filter text in lower case, read once per refresh; borrowed. */
const char *table_filter_lowered(struct table *table, size_t row);

#endif
