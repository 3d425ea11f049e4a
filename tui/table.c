/* The table's state: which rows, in which order, which one is selected, which are marked. Guarantee: the selection is
 * an ID; it changes only when the person moves, filters, or a view selects; when its object vanishes there is none. One
 * thread. */
#include "tui/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/keys.h"
#include "tui/table_private.h"

enum command {
    TABLE_UP = 1,
    TABLE_DOWN,
    TABLE_PAGE_UP,
    TABLE_PAGE_DOWN,
    TABLE_TOP,
    TABLE_END,
    TABLE_LEFT,
    TABLE_RIGHT,
    TABLE_MARK,
    TABLE_SORT_LEFT,
    TABLE_SORT_RIGHT,
    TABLE_SORT_INVERT,
};

static const struct key_binding table_bindings[] = {
    {KEYS_UP, TABLE_UP, "table-up", NULL, "One row up", 9},
    {'k', TABLE_UP, "table-up", NULL, NULL, 9},
    {KEYS_DOWN, TABLE_DOWN, "table-down", NULL, "One row down", 9},
    {'j', TABLE_DOWN, "table-down", NULL, NULL, 9},
    {KEYS_PAGE_UP, TABLE_PAGE_UP, "table-page-up", NULL, "One page up", 9},
    {KEYS_CTRL('b'), TABLE_PAGE_UP, "table-page-up", NULL, NULL, 9},
    {KEYS_PAGE_DOWN, TABLE_PAGE_DOWN, "table-page-down", NULL, "One page down", 9},
    {KEYS_CTRL('f'), TABLE_PAGE_DOWN, "table-page-down", NULL, NULL, 9},
    {KEYS_HOME, TABLE_TOP, "table-top", NULL, "To the first row", 9},
    {'g', TABLE_TOP, "table-top", NULL, NULL, 9},
    {KEYS_END, TABLE_END, "table-end", NULL, "To the last row", 9},
    {'G', TABLE_END, "table-end", NULL, NULL, 9},
    {KEYS_LEFT, TABLE_LEFT, "table-left", NULL, "Scroll columns to the left", 9},
    {KEYS_RIGHT, TABLE_RIGHT, "table-right", NULL, "Scroll columns to the right", 9},
    {KEYS_SPACE, TABLE_MARK, "table-mark", "mark",
        "Mark the row, or take the mark back: actions that can are for all marked rows", 6},
    {'<', TABLE_SORT_LEFT, "table-sort-left", NULL, "Sort by the column to the left", 9},
    {'>', TABLE_SORT_RIGHT, "table-sort-right", "sort", "Sort by the column to the right", 7},
    {'~', TABLE_SORT_INVERT, "table-sort-invert", NULL, "Turn the sort order round", 9},
};
const struct keymap table_keymap = KEYMAP("Table", table_bindings);

/* --- life */

struct table *table_new(const struct table_column *columns, size_t column_count, const struct table_source *source)
{
    struct table *table = xcalloc(1, sizeof *table);
    table->columns = columns;
    table->column_count = column_count;
    table->source = *source;
    table->sort_column = -1;
    table->focused = true;
    table->marks = idset_new();
    table->seen = xcalloc(column_count + 1, sizeof *table->seen);
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    table_filter_forget(table);
    table_filter_free(table->filter);
    idset_free(table->marks);
    free(table->sorted);
    free(table->passes);
    free(table->order);
    free(table->filter_text);
    free(table->filter_error);
    free(table->seen);
    free(table->empty);
    free(table);
}

const char *table_row_id(const struct table *table, size_t row, char number[24])
{
    if (table->source.id)
        return table->source.id(table->source.context, row);
    str_format(number, 24, "%lld", (long long)table->source.number_id(table->source.context, row));
    return number;
}

static bool row_has_id(const struct table *table, size_t row, const char *id)
{
    char number[24];
    return strncmp(table_row_id(table, row, number), id, TABLE_ID_SIZE - 1) == 0;
}

/* --- selection */

static void select_position(struct table *table, size_t position)
{
    char number[24];
    table->vanished = false;
    table->has_selection = table->shown > 0;
    if (!table->has_selection)
        return;
    table->position = position < table->shown ? position : table->shown - 1;
    str_copy(table->selected, sizeof table->selected, table_row_id(table, table->order[table->position], number));
}

static bool find_id(const struct table *table, const char *id, size_t *position)
{
    for (size_t i = 0; i < table->shown; i++)
        if (row_has_id(table, table->order[i], id)) {
            *position = i;
            return true;
        }
    return false;
}

/* After the order changed. `by_person`: a key did it, so a hidden selection may move on to what is visible. */
static void restore_selection(struct table *table, bool by_person)
{
    size_t position = 0;
    if (table->has_selection && find_id(table, table->selected, &position)) {
        table->position = position;
        return;
    }
    bool lost = table->has_selection || table->vanished;
    if (by_person || !lost) {
        select_position(table, by_person ? 0 : table->position);
        return;
    }
    if (table->vanished && find_id(table, table->selected, &position)) { /* it came back */
        select_position(table, position);
        return;
    }
    table->has_selection = false;
    table->vanished = true;
    if (table->position >= table->shown)
        table->position = table->shown ? table->shown - 1 : 0;
}

/* --- rows */

static void rebuild_order(struct table *table)
{
    table->shown = 0;
    for (size_t i = 0; i < table->total; i++)
        if (table->passes[table->sorted[i]])
            table->order[table->shown++] = table->sorted[i];
}

static void keep_mark(void *context, const char *id)
{
    idset_add(context, id);
}

static void drop_lost_marks(struct table *table)
{
    char number[24];
    if (idset_count(table->marks) == 0)
        return;
    struct idset *kept = idset_new();
    for (size_t row = 0; row < table->total; row++) {
        const char *id = table_row_id(table, row, number);
        if (idset_has(table->marks, id))
            keep_mark(kept, id);
    }
    idset_free(table->marks);
    table->marks = kept;
}

void table_refresh(struct table *table, size_t count)
{
    table->total = count > UINT32_MAX / 2 ? UINT32_MAX / 2 : count;
    size_t room = table->total ? table->total : 1;
    table->sorted = xreallocarray(table->sorted, room, sizeof *table->sorted);
    table->passes = xreallocarray(table->passes, room, sizeof *table->passes);
    table->order = xreallocarray(table->order, room, sizeof *table->order);
    table_filter_forget(table);
    table_order_sort(table);
    table_filter_run(table);
    rebuild_order(table);
    drop_lost_marks(table);
    restore_selection(table, false);
}

static void resort(struct table *table)
{
    table_order_sort(table);
    rebuild_order(table);
    restore_selection(table, false);
}

void table_sort(struct table *table, const char *column_id, bool descending)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].id, column_id) == 0 && table->columns[i].compare != TABLE_UNSORTED) {
            table->sort_column = (int)i;
            table->descending = descending;
            resort(table);
            return;
        }
}

void table_sort_toggle(struct table *table, size_t column)
{
    if (column >= table->column_count || table->columns[column].compare == TABLE_UNSORTED)
        return;
    bool again = table->sort_column == (int)column;
    table->descending = again ? !table->descending : table->columns[column].largest_first;
    table->sort_column = (int)column;
    resort(table);
}

const char *table_sort_column(const struct table *table, bool *descending)
{
    *descending = table->descending;
    return table->sort_column < 0 ? NULL : table->columns[table->sort_column].id;
}

static void sort_neighbour(struct table *table, int step)
{
    int count = (int)table->column_count;
    for (int tried = 0, at = table->sort_column; tried < count; tried++) {
        at = at < 0 && step < 0 ? count - 1 : (at + step + count) % count;
        if (table->columns[at].compare != TABLE_UNSORTED) {
            if (at != table->sort_column)
                table_sort_toggle(table, (size_t)at);
            return;
        }
    }
}

/* --- filter */

enum err table_set_filter(struct table *table, const char *filter, struct err_info *info)
{
    struct err_info problem = {0};
    struct table_filter *compiled = NULL;
    if (filter && *filter) {
        compiled = table_filter_compile(filter, &problem);
        if (!compiled) {
            xstr_set(&table->filter_error, problem.message);
            return err_set(info, problem.code, "%s", problem.message);
        }
    }
    xstr_set(&table->filter_error, NULL);
    xstr_set(&table->filter_text, compiled ? filter : NULL);
    table_filter_free(table->filter);
    table->filter = compiled;
    table_filter_run(table);
    rebuild_order(table);
    restore_selection(table, true);
    return ERR_OK;
}

const char *table_filter(const struct table *table)
{
    return table->filter_text ? table->filter_text : "";
}

const char *table_filter_error(const struct table *table)
{
    return table->filter_error;
}

/* --- selection and marks, for views */

const char *table_selected_id(const struct table *table)
{
    return table->has_selection ? table->selected : NULL;
}

bool table_selected_row(const struct table *table, size_t *row)
{
    *row = table->has_selection ? table->order[table->position] : 0;
    return table->has_selection;
}

bool table_select_id(struct table *table, const char *id)
{
    size_t position = 0;
    if (!find_id(table, id, &position))
        return false;
    select_position(table, position);
    return true;
}

bool table_selection_vanished(const struct table *table)
{
    return table->vanished;
}

size_t table_mark_count(const struct table *table)
{
    return idset_count(table->marks);
}

bool table_is_marked(const struct table *table, const char *id)
{
    return idset_has(table->marks, id);
}

void table_toggle_mark(struct table *table)
{
    if (!table->has_selection)
        return;
    if (idset_has(table->marks, table->selected))
        idset_remove(table->marks, table->selected);
    else
        idset_add(table->marks, table->selected);
}

void table_clear_marks(struct table *table)
{
    idset_clear(table->marks);
}

size_t table_each_target(const struct table *table, void (*each)(void *context, const char *id), void *context)
{
    size_t marked = idset_count(table->marks);
    if (marked > 0)
        idset_each(table->marks, each, context);
    else if (table->has_selection)
        each(context, table->selected);
    return marked > 0 ? marked : table->has_selection ? 1 : 0;
}

bool table_find(struct table *table, const char *text)
{
    char *lowered = xstrdup(text);
    bool found = false;
    for (char *at = lowered; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at);
    for (size_t step = 1; step <= table->shown && !found; step++) {
        size_t position = (table->position + step) % table->shown;
        found = strstr(table_filter_lowered(table, table->order[position]), lowered) != NULL;
        if (found)
            select_position(table, position);
    }
    free(lowered);
    return found;
}

size_t table_total(const struct table *table)
{
    return table->total;
}

size_t table_shown(const struct table *table)
{
    return table->shown;
}

bool table_row_at(const struct table *table, size_t position, size_t *row)
{
    *row = position < table->shown ? table->order[position] : 0;
    return position < table->shown;
}

void table_set_empty(struct table *table, const char *message)
{
    xstr_set(&table->empty, message);
}

void table_set_focus(struct table *table, bool focused)
{
    table->focused = focused;
}

/* --- keys */

static void move(struct table *table, int64_t rows)
{
    if (table->vanished) { /* the first key only takes hold again, where the row was */
        select_position(table, table->position);
        return;
    }
    int64_t target = (int64_t)table->position + rows;
    select_position(table, target < 0 ? 0 : (size_t)target);
}

static void scroll_columns(struct table *table, bool right)
{
    if (right && table->drawn_hidden > 0 && table->scroll + 2 < table->column_count)
        table->scroll++;
    else if (!right && table->scroll > 0)
        table->scroll--;
}

static void mark_and_move(struct table *table)
{
    table_toggle_mark(table);
    move(table, 1);
}

static void run_command(struct table *table, int command)
{
    int64_t page = table->drawn_rows > 1 ? (int64_t)table->drawn_rows - 1 : 1;
    switch ((enum command)command) {
    case TABLE_UP:
        move(table, -1);
        break;
    case TABLE_DOWN:
        move(table, 1);
        break;
    case TABLE_PAGE_UP:
        move(table, -page);
        break;
    case TABLE_PAGE_DOWN:
        move(table, page);
        break;
    case TABLE_TOP:
        select_position(table, 0);
        break;
    case TABLE_END:
        select_position(table, SIZE_MAX);
        break;
    case TABLE_LEFT:
    case TABLE_RIGHT:
        scroll_columns(table, command == TABLE_RIGHT);
        break;
    case TABLE_MARK:
        mark_and_move(table);
        break;
    case TABLE_SORT_LEFT:
        sort_neighbour(table, -1);
        break;
    case TABLE_SORT_RIGHT:
        sort_neighbour(table, 1);
        break;
    case TABLE_SORT_INVERT:
        if (table->sort_column >= 0)
            table_sort_toggle(table, (size_t)table->sort_column);
        break;
    }
}

bool table_key(struct table *table, int key)
{
    int command = keymap_command(&table_keymap, key);
    if (!command)
        return false;
    run_command(table, command);
    return true;
}

const char *table_position(const struct table *table, char out[TABLE_POSITION_SIZE])
{
    char at[24] = "–";
    if (table->has_selection)
        str_format(at, sizeof at, "%zu", table->position + 1);
    if (table->shown == 0)
        str_copy(at, sizeof at, "0");
    if (table->filter)
        str_format(out, TABLE_POSITION_SIZE, "%s/%zu of %zu", at, table->shown, table->total);
    else
        str_format(out, TABLE_POSITION_SIZE, "%s/%zu", at, table->shown);
    return out;
}
