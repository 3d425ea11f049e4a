/* The table: 50,000 rows and more, sorted, filtered, selected and marked by object ID.
 *
 * The table keeps no data. It asks its source: IDs and sort keys of all rows when the data, the sort column or the
 * filter change (O(n log n) at worst, keys cached), texts only of the rows on screen. Row numbers are the source's, 0 …
 * count-1, and mean nothing after the next table_refresh; IDs stay. A selected object that vanishes leaves *no*
 * selection (never its neighbour) until the person moves. Single-threaded: the source's data do not change between
 * table_refresh calls. */
#ifndef TUI_TABLE_H
#define TUI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tui/cells.h"

#define TABLE_ID_SIZE 256 /* longer IDs are cut: keep them shorter */
#define TABLE_TEXT_SIZE 256

enum table_compare {
    TABLE_BY_TEXT,   /* natural order: host2 before host10, case ignored */
    TABLE_BY_NUMBER, /* NaN (unknown) is always last */
    TABLE_UNSORTED,  /* cannot be sorted by (a sparkline) */
};

/* One column; views keep const arrays of these. Reports use the same id, title and unit. */
struct table_column {
    const char *id;    /* "mem_used" */
    const char *title; /* "MEM" */
    const char *unit;  /* "%" – put after the title; NULL: none */
    int min_width, max_width;
    enum cells_align align;
    int priority; /* 0 stays always (the first column too); the larger, the sooner it vanishes as the terminal narrows
                   */
    enum table_compare compare;
    bool largest_first; /* the first press of a sort key puts the largest on top */
};

struct table_cell {
    char text[TABLE_TEXT_SIZE]; /* starts as "" */
    unsigned style;             /* starts as the row's style */
    /* For columns that draw themselves (sparklines, gauges): values to draw as a sparkline instead of the text;
     * borrowed until the next call. NaN is a gap. spark_max NaN: scale to the largest. */
    const double *spark;
    size_t spark_count;
    double spark_max;
};

struct table_key_value { /* what a row is sorted by */
    double number;       /* TABLE_BY_NUMBER */
    const char *text;    /* TABLE_BY_TEXT; borrowed during the call */
};

struct table_source {
    void *context;
    /* Exactly one of these two: the row's stable ID, borrowed during the call. */
    const char *(*id)(void *context, size_t row);
    int64_t (*number_id)(void *context, size_t row);
    void (*cell)(void *context, size_t row, size_t column, struct table_cell *out);
    void (*sort_key)(void *context, size_t row, size_t column, struct table_key_value *out);
    /* What the filter looks at, e.g. "example.org mosh01 running"; returns the text, borrowed during the call, or
     * writes it to `buffer` and returns that. NULL member: the ID. */
    const char *(*filter_text)(void *context, size_t row, char *buffer, size_t buffer_size);
    unsigned (*row_style)(void *context, size_t row); /* NULL: ROLE_NORMAL */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t column_count, const struct table_source *source);
void table_free(struct table *table);

/* The source's data are new (or other): take over `count` rows; sort, filter, find selection and marks again by ID.
 * Marks whose object is gone are dropped. */
void table_refresh(struct table *table, size_t count);

/* --- sorting and filtering */
void table_sort(struct table *table, const char *column_id, bool descending); /* unknown id: nothing */
void table_sort_toggle(struct table *table, size_t column); /* the same column again: the other direction */
const char *table_sort_column(
    const struct table *table, bool *descending); /* NULL while unsorted (the source's order) */

/* "" or NULL: all. "text" POSIX extended regex, case-insensitive unless it has upper case; "!text" those that do not
 * match;
 * "~text" fuzzy: all characters in that order. ERR_INVALID: bad regex, the last good filter stays, table_filter_error
 * says why. */
enum err table_set_filter(struct table *table, const char *filter, struct err_info *info);
const char *table_filter(const struct table *table);       /* "" where none */
const char *table_filter_error(const struct table *table); /* NULL where none */

/* --- selection and marks */
const char *table_selected_id(const struct table *table); /* NULL: none (empty, or the object vanished); borrowed */
bool table_selected_row(const struct table *table, size_t *row); /* the source's row number */
bool table_select_id(struct table *table, const char *id);       /* false where it is not shown; the selection stays */
bool table_selection_vanished(
    const struct table *table); /* the selected object went away since the person last moved */
size_t table_mark_count(const struct table *table);
bool table_is_marked(const struct table *table, const char *id);
void table_toggle_mark(struct table *table); /* the selected row */
void table_clear_marks(struct table *table);
/* Call for each marked ID, or for the selected one where none is marked: the targets of an action. Returns how many. */
size_t table_each_target(const struct table *table, void (*each)(void *context, const char *id), void *context);

/* Select the next row (from the selected one, going round) whose filter text contains `text`, ignoring case. */
bool table_find(struct table *table, const char *text);

size_t table_total(const struct table *table); /* rows of the source */
size_t table_shown(const struct table *table); /* rows that pass the filter */
/* The source's row at a place on the (sorted, filtered) list; false past the end. For reports in the person's order. */
bool table_row_at(const struct table *table, size_t position, size_t *row);

/* --- the screen */
struct keymap;
extern const struct keymap table_keymap; /* movement, Space, < > sort column, ~ invert, Left Right scroll columns */
bool table_key(struct table *table, int key); /* true where the key was used; afterwards draw again */

void table_set_empty(
    struct table *table, const char *message);           /* what to do when there is nothing; copied, sanitised */
void table_set_focus(struct table *table, bool focused); /* default true; without focus the selection is drawn dimmer */

/* Heading, rows, and (from a height of 4) a last line with filter, marks and "12/50000". */
void table_draw(struct table *table, struct area area);
/* "12/50000", with a filter "3/17 of 50000". Returns out. */
#define TABLE_POSITION_SIZE 64
const char *table_position(const struct table *table, char out[TABLE_POSITION_SIZE]);

#endif
