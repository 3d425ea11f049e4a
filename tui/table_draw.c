/* Drawing a table: which columns fit and how wide they are, the heading, the rows on screen, the last line. Asks the
 * source only for the rows and columns that are seen. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tui/chart.h"
#include "tui/layout.h"
#include "tui/table_private.h"

enum { PLACE_MAX = 64, GUTTER = 1 };

struct place {
    size_t column;
    int x, width, least;
    bool dropped;
};

struct places {
    struct place list[PLACE_MAX];
    size_t count;
    int gap;
};

/* --- columns */

static void heading(const struct table *table, size_t column, char *out, size_t out_size)
{
    const struct table_column *description = &table->columns[column];
    const char *arrow = table->sort_column != (int)column ? "" : table->descending ? "▼" : "▲";
    const char *unit = description->unit ? description->unit : "";
    str_format(out, out_size, "%s%s%s%s", description->title, *unit ? " " : "", unit, arrow);
}

static int least_width(const struct table *table, size_t column)
{
    char title[128];
    heading(table, column, title, sizeof title);
    int width = text_columns(title);
    return width > table->columns[column].min_width ? width : table->columns[column].min_width;
}

static int wanted_width(const struct table *table, const struct place *place)
{
    int most = table->columns[place->column].max_width;
    int wanted = table->seen[place->column] < most ? table->seen[place->column] : most;
    return wanted > place->least ? wanted : place->least;
}

/* The first column, then all others from the scrolled-to one on. */
static void list_columns(const struct table *table, struct places *places)
{
    for (size_t i = 0; i < table->column_count && places->count < PLACE_MAX; i++) {
        if (i > 0 && i <= table->scroll)
            continue;
        places->list[places->count++] = (struct place){.column = i, .least = least_width(table, i)};
    }
}

/* The column to leave out next: largest priority, the rightmost of equals; NULL where all must stay. */
static struct place *least_important(const struct table *table, struct places *places)
{
    struct place *found = NULL;
    for (size_t i = 1; i < places->count; i++) {
        struct place *place = &places->list[i];
        int priority = table->columns[place->column].priority;
        if (!place->dropped && priority > 0 && (!found || priority >= table->columns[found->column].priority))
            found = place;
    }
    return found;
}

static int needed_width(const struct places *places)
{
    int width = GUTTER - places->gap;
    for (size_t i = 0; i < places->count; i++)
        width += places->list[i].dropped ? 0 : places->list[i].width + places->gap;
    return width;
}

static void drop_by_priority(const struct table *table, struct places *places, int width)
{
    while (needed_width(places) > width) {
        struct place *place = least_important(table, places);
        if (!place)
            return;
        place->dropped = true;
    }
}

/* Hand out the room that is left, from the left, up to what each column wants. */
static void widen(const struct table *table, struct places *places, int width)
{
    int room = width - needed_width(places);
    for (size_t i = 0; i < places->count && room > 0; i++) {
        struct place *place = &places->list[i];
        if (place->dropped)
            continue;
        int more = wanted_width(table, place) - place->width;
        more = more < room ? more : room;
        place->width += more;
        room -= more;
    }
}

/* Give positions; what starts outside, or would show less than 3 columns of itself, is dropped. */
static size_t set_positions(struct places *places, int width)
{
    size_t hidden = 0;
    int x = GUTTER;
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = &places->list[i];
        int room = width - x;
        place->dropped = place->dropped || (i > 0 && room < (place->width < 3 ? place->width : 3));
        hidden += place->dropped ? 1 : 0;
        if (place->dropped)
            continue;
        place->x = x;
        place->width = place->width < room ? place->width : room;
        x += place->width + places->gap;
    }
    return hidden;
}

static void place_columns(struct table *table, struct places *places, int width)
{
    places->count = 0;
    places->gap = 1;
    list_columns(table, places);
    for (size_t i = 0; i < places->count; i++)
        places->list[i].width = places->list[i].least;
    if (table->scroll == 0)
        drop_by_priority(table, places, width);
    widen(table, places, width);
    places->gap = 2;
    if (needed_width(places) > width)
        places->gap = 1;
    table->drawn_hidden = set_positions(places, width);
}

/* --- rows */

static void read_cell(const struct table *table, size_t row, size_t column, unsigned style, struct table_cell *cell)
{
    cell->text[0] = '\0';
    cell->style = style;
    cell->spark = NULL;
    cell->spark_count = 0;
    cell->spark_max = NAN;
    table->source.cell(table->source.context, row, column, cell);
}

/* How wide the texts on screen are. Only ever growing, so that columns do not jump while scrolling. */
static void measure(struct table *table, size_t rows)
{
    struct table_cell cell;
    for (size_t i = table->top; i < table->top + rows && i < table->shown; i++)
        for (size_t column = 0; column < table->column_count; column++) {
            if (table->seen[column] >= table->columns[column].max_width)
                continue;
            read_cell(table, table->order[i], column, ROLE_NORMAL, &cell);
            int columns = cell.spark ? table->columns[column].max_width : text_columns(cell.text);
            table->seen[column] = columns > table->seen[column] ? columns : table->seen[column];
        }
}

static void draw_heading(const struct table *table, const struct places *places, struct area row)
{
    char title[128];
    area_fill(row, ROLE_HEADER);
    for (size_t i = 0; i < places->count; i++) {
        const struct place *place = &places->list[i];
        if (place->dropped)
            continue;
        bool sorted = table->sort_column == (int)place->column;
        heading(table, place->column, title, sizeof title);
        area_fit(row, place->x, 0, place->width, table->columns[place->column].align,
            sorted ? (ROLE_ACCENT | STYLE_UNDERLINE) : ROLE_HEADER, title);
    }
}

static unsigned row_flags(const struct table *table, size_t position, const char *id)
{
    unsigned flags = idset_has(table->marks, id) ? STYLE_MARKED : 0;
    if (table->has_selection && position == table->position)
        flags |= table->focused ? STYLE_SELECTED : STYLE_UNDERLINE;
    return flags;
}

static void draw_row(const struct table *table, const struct places *places, struct area line, size_t position)
{
    size_t row = table->order[position];
    char number[24];
    struct table_cell cell;
    unsigned style = table->source.row_style ? table->source.row_style(table->source.context, row) : ROLE_NORMAL;
    unsigned flags = row_flags(table, position, table_row_id(table, row, number));
    area_fill(line, ROLE_NORMAL | flags);
    if (flags & STYLE_MARKED)
        area_text(line, 0, 0, ROLE_MARKED | flags, "•");
    for (size_t i = 0; i < places->count; i++) {
        const struct place *place = &places->list[i];
        if (place->dropped)
            continue;
        read_cell(table, row, place->column, style, &cell);
        if (cell.spark)
            sparkline_draw(
                line, place->x, 0, place->width, cell.style | flags, cell.spark, cell.spark_count, cell.spark_max);
        else
            area_fit(
                line, place->x, 0, place->width, table->columns[place->column].align, cell.style | flags, cell.text);
    }
}

/* --- the last line, and nothing to show */

static void draw_last_line(const struct table *table, struct area row)
{
    char position[TABLE_POSITION_SIZE];
    struct buf left = BUF(2000), right = BUF(200);
    unsigned style = ROLE_DIM;
    if (table->filter_error) {
        (void)buf_puts(&left, table->filter_error);
        style = ROLE_CRITICAL;
    } else if (table->vanished) {
        (void)buf_puts(&left, "the selected row is gone");
        style = ROLE_WARNING;
    } else if (table->filter_text) {
        (void)buf_printf(&left, "/%s", table->filter_text);
        style = ROLE_ACCENT;
    }
    if (idset_count(table->marks) > 0)
        (void)buf_printf(&right, "%zu marked  ", idset_count(table->marks));
    if (table->scroll > 0)
        (void)buf_printf(&right, "‹%zu ", table->scroll);
    if (table->drawn_hidden > 0)
        (void)buf_printf(&right, "+%zu› ", table->drawn_hidden);
    (void)buf_puts(&right, table_position(table, position));
    if (text_columns(buf_text(&right)) > row.width) { /* the place in the list stays longest */
        buf_clear(&right);
        (void)buf_puts(&right, position);
    }
    layout_status(row, style, buf_text(&left), ROLE_DIM, buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

static void draw_nothing(const struct table *table, struct area area)
{
    char message[600];
    if (table->total > 0 && table->filter_text)
        str_format(message, sizeof message, "nothing matches /%.400s", table->filter_text);
    else
        str_copy(message, sizeof message, table->empty ? table->empty : "nothing here");
    layout_empty(area, ROLE_DIM, message);
}

/* The selection stays on screen, and the last page is full. */
static void scroll_rows(struct table *table, size_t rows)
{
    if (rows == 0)
        return;
    if (table->position < table->top)
        table->top = table->position;
    if (table->position >= table->top + rows)
        table->top = table->position - rows + 1;
    size_t last = table->shown > rows ? table->shown - rows : 0;
    table->top = table->top > last ? last : table->top;
}

void table_draw(struct table *table, struct area area)
{
    struct places places;
    bool has_heading = area.height >= 2, has_last_line = area.height >= 4;
    int rows = area.height - has_heading - has_last_line;
    if (area.width < 1 || rows < 1)
        return;
    area_fill(area, ROLE_NORMAL);
    if (area.width != table->drawn_width)
        memset(table->seen, 0, table->column_count * sizeof *table->seen);
    table->drawn_width = area.width;
    table->drawn_rows = (size_t)rows;
    scroll_rows(table, table->drawn_rows);
    measure(table, table->drawn_rows);
    place_columns(table, &places, area.width);
    if (has_heading)
        draw_heading(table, &places, area_row(area, 0));
    struct area body = area_sub(area, 0, has_heading, area.width, rows);
    for (size_t i = 0; i < table->drawn_rows && table->top + i < table->shown; i++)
        draw_row(table, &places, area_row(body, (int)i), table->top + i);
    if (table->shown == 0)
        draw_nothing(table, body);
    if (has_last_line)
        draw_last_line(table, area_row(area, area.height - 1));
}
