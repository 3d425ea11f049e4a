/* How a page is laid out. Narrow or low: state, fields, charts side by side, then the pane with the focus under a line
 * of tabs. Wide and high: figures and charts at the left, all panes at the right. Pure drawing. */
#include <math.h>
#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "tui/chart.h"
#include "views/pages/page_private.h"

enum {
    WIDE_COLUMNS = 110,
    WIDE_ROWS = 24,
    TWO_FIELD_COLUMNS = 60,
    CHART_ROWS = 6,
    FIELDS_MAX = 24,
    FIELD_SIZE = 2 * COLUMN_TEXT_SIZE + 16,
    POINTS_MAX = 1024
};

/* --- state and fields --- */

static struct shown_state state_of(const struct page *page, const void *object)
{
    struct freshness freshness = console_freshness(page->view.console);
    switch (page->subject.kind) {
    case KIND_HOST:
        return shown_host(object, freshness);
    case KIND_SITE:
        return shown_site(object, freshness);
    case KIND_CONTAINER:
        return shown_container(object, freshness);
    default:
        return shown_volume(object, freshness);
    }
}

static void draw_state(const struct page *page, const void *object, struct area row)
{
    struct shown_state state = state_of(page, object);
    struct freshness freshness = console_freshness(page->view.console);
    unsigned style = concern_style(state.concern);
    char age[COLUMN_TEXT_SIZE];
    int x = area_textf(row, 0, 0, style | STYLE_BOLD, "%s %s", state.symbol, state.word) + 2;
    x += area_text(row, x, 0, ROLE_TITLE, page->subject.key) + 2;
    column_text(column_find(page->screen->rows, "age_s"), object, freshness, age);
    bool stale = state.concern == CONCERN_UNKNOWN;
    if (strcmp(age, "–") == 0)
        area_text(row, x, 0, ROLE_UNKNOWN, "never seen yet");
    else
        area_textf(row, x, 0, stale ? ROLE_UNKNOWN : ROLE_DIM, stale ? "figures are %s old" : "seen %s ago", age);
}

static const char *unit_after(const struct column *column)
{
    return column->unit == UNIT_PCT ? " %" : column->unit == UNIT_BYTES_S ? "/s" : "";
}

static bool is_unknown(const struct value *value)
{
    switch (value->kind) {
    case VALUE_TEXT:
        return !value->text || !value->text[0];
    case VALUE_TIME:
        return value->time_us == 0;
    case VALUE_BOOL:
        return false;
    default:
        return isnan(value->number);
    }
}

/* False where there is nothing to say: the row is left out. */
static bool field_value(const struct page *page, const void *object, const struct page_field *field,
    struct layout_field *out, char text[FIELD_SIZE])
{
    struct freshness freshness = console_freshness(page->view.console);
    const struct column *column = column_find(page->screen->rows, field->key);
    const struct column *of = field->of_key ? column_find(page->screen->rows, field->of_key) : NULL;
    char value[COLUMN_TEXT_SIZE], total[COLUMN_TEXT_SIZE];
    struct value raw = column_value(column, object, freshness), raw_of = {0};
    if (is_unknown(&raw))
        return false;
    if (of)
        raw_of = column_value(of, object, freshness);
    bool has_of = of && !is_unknown(&raw_of);
    bool cores = has_of && strcmp(field->of_key, "cores") == 0;
    str_format(text, FIELD_SIZE, "%s%s%s%s%s", column_text(column, object, freshness, value), unit_after(column),
        has_of ? " of " : "", has_of ? column_text(of, object, freshness, total) : "", cores ? " cores" : "");
    unsigned style = column_style(column, object, freshness);
    bool stale = state_of(page, object).concern == CONCERN_UNKNOWN && strcmp(field->key, "reason") != 0;
    *out = (struct layout_field){.name = field->name, .value = text, .style = stale ? ROLE_DIM : style};
    return true;
}

/* Words that have to be read whole: a row of their own. */
static bool is_words(const struct page_field *field)
{
    return strcmp(field->key, "reason") == 0 || strcmp(field->key, "drift") == 0;
}

static int draw_words(const struct page *page, const void *object, struct area area)
{
    int y = 0;
    for (const struct page_field *field = page->screen->fields; field->name && y < area.height; field++) {
        struct layout_field value;
        char text[FIELD_SIZE];
        if (is_words(field) && field_value(page, object, field, &value, text))
            y += layout_fields(area_row(area, y), &value, 1);
    }
    return y;
}

/* Returns the rows used: at most `rows`, in one or two columns. */
static int draw_figures(const struct page *page, const void *object, struct area area, int rows)
{
    struct layout_field fields[FIELDS_MAX];
    char texts[FIELDS_MAX][FIELD_SIZE];
    size_t count = 0;
    for (const struct page_field *field = page->screen->fields; field->name && count < FIELDS_MAX; field++)
        count += !is_words(field) && field_value(page, object, field, &fields[count], texts[count]);
    size_t columns = area.width >= TWO_FIELD_COLUMNS ? 2 : 1;
    size_t each = (count + columns - 1) / columns;
    if (each > (size_t)rows)
        each = (size_t)rows;
    int width = area.width / (int)columns;
    for (size_t column = 0; column < columns && column * each < count; column++) {
        size_t first = column * each, number = count - first < each ? count - first : each;
        layout_fields(area_sub(area, (int)column * width, 0, width - 1, (int)each), &fields[first], number);
    }
    return (int)each;
}

static int draw_fields(const struct page *page, const void *object, struct area area)
{
    int words = draw_words(page, object, area), left = area.height - words;
    return words + draw_figures(page, object, area_sub(area, 0, words, area.width, left), left);
}

/* --- charts --- */

static size_t metric_column(const struct history *history, int metric)
{
    for (size_t i = 0; i < history->points.columns; i++)
        if (history->points.metrics[i] == metric)
            return i;
    return history->points.columns;
}

/* Copy one metric out of the rows of points. */
static size_t gather(const struct page *page, const struct history *history, const char *key, double values[POINTS_MAX])
{
    size_t column = metric_column(history, metric_find(page->subject.kind, key));
    size_t count = history->points.count < POINTS_MAX ? history->points.count : POINTS_MAX;
    if (column == history->points.columns)
        return 0;
    for (size_t i = 0; i < count; i++)
        values[i] = history->points.values[i * history->points.columns + column];
    return count;
}

static double axis_top(const struct page *page, const void *object, const struct page_chart *chart, double peak)
{
    struct freshness freshness = console_freshness(page->view.console);
    const struct column *column = chart->max_key ? column_find(page->screen->rows, chart->max_key) : NULL;
    double most = column ? column_value(column, object, freshness).number : NAN;
    if (!isnan(most) && peak <= most)
        return most;
    return isnan(peak) || peak < chart->least_max ? chart->least_max : NAN;
}

static void draw_chart(const struct page *page, const void *object, const struct page_chart *description,
    const struct history *history, struct area area)
{
    double values[2][POINTS_MAX], peak = NAN;
    struct chart chart = {.title = description->title,
        .unit = description->unit,
        .start_us = history->points.first_us,
        .step_us = history->points.step_us,
        .min = NAN,
        .format = description->format,
        .filled = true};
    for (size_t i = 0; i < 2 && description->metrics[i]; i++) {
        size_t count = gather(page, history, description->metrics[i], values[i]);
        for (size_t point = 0; point < count; point++)
            peak = fmax(peak, values[i][point]);
        chart.series[chart.series_count++] = (struct chart_series){.label = description->labels[i],
            .values = values[i],
            .count = count,
            .style = i ? ROLE_CHART2 : ROLE_CHART1};
    }
    chart.max = axis_top(page, object, description, peak);
    if (chart.max == 0)
        chart.max = NAN;
    chart_draw(area, &chart);
}

static const struct history *history_of(const struct page *page)
{
    const struct history *history = console_picture(page->view.console)->history;
    bool ours = history && subject_is(&history->of, &page->subject) &&
                history->range_us == page_range(page)->seconds * INT64_C(1000000);
    return ours ? history : NULL;
}

/* In a grid of `columns`, with a line above that names the range. */
static void draw_charts(const struct page *page, const void *object, struct area area, int columns)
{
    const struct history *history = history_of(page);
    int count = 0;
    while (page->screen->charts[count].title)
        count++;
    if (area.height < 2)
        return;
    area_hline(area, 0, ROLE_BORDER);
    area_textf(area, 2, 0, ROLE_DIM, " last %s  + − ", page_range(page)->name);
    struct area grid = area_sub(area, 0, 1, area.width, area.height - 1);
    if (!history || history->points.count == 0) {
        layout_empty(
            grid, ROLE_DIM, history ? "no history yet: it begins with the first samples" : "reading the history…");
        return;
    }
    int lines = (count + columns - 1) / columns;
    while (lines > 1 && grid.height / lines < 4)
        lines--;
    int width = grid.width / columns, height = grid.height / lines;
    for (int i = 0; i < count && i < lines * columns; i++) {
        struct area place =
            area_sub(grid, (i % columns) * width, (i / columns) * height, width - (columns > 1), height);
        draw_chart(page, object, &page->screen->charts[i], history, place);
    }
}

/* --- panes --- */

static void draw_pane(const struct page *page, size_t index, struct area area)
{
    const struct pane *pane = &page->panes[index];
    if (pane->kind == PANE_CHILDREN) {
        table_set_focus(page->children, index == page->focus);
        table_draw(page->children, area);
        return;
    }
    text_draw(pane->kind == PANE_LOG ? page->log : page->events, area);
}

static void draw_tabs(const struct page *page, struct area row)
{
    int x = 2;
    area_hline(row, 0, ROLE_BORDER);
    for (size_t i = 0; i < page->pane_count; i++) {
        bool focused = i == page->focus;
        x += area_textf(row, x, 0, focused ? ROLE_ACCENT | STYLE_REVERSE : ROLE_DIM, " %s ", page->panes[i].title) + 1;
    }
}

static void draw_framed_pane(const struct page *page, size_t index, struct area area)
{
    bool focused = index == page->focus;
    area_hline(area, 0, ROLE_BORDER);
    area_textf(area, 2, 0, focused ? ROLE_ACCENT : ROLE_TITLE, " %s ", page->panes[index].title);
    draw_pane(page, index, area_sub(area, 0, 1, area.width, area.height - 1));
}

/* All panes below one another: the rows of a table as many as it has, events few, the log what is left. */
static void draw_all_panes(const struct page *page, struct area area)
{
    int heights[PANES_MAX] = {0}, used = 0, largest = 0;
    for (size_t i = 0; i < page->pane_count; i++) {
        int children = page->panes[i].kind == PANE_CHILDREN ? (int)table_shown(page->children) + 3 : 0;
        heights[i] = children > area.height / 3 ? area.height / 3 : children < 5 && children ? 5 : children;
        if (page->panes[i].kind == PANE_EVENTS)
            heights[i] = area.height / 4;
        used += heights[i];
        largest = page->panes[i].kind == PANE_LOG ? (int)i : largest;
    }
    if (page->screen->has_log)
        heights[largest] = area.height - used;
    else
        heights[page->pane_count - 1] += area.height - used;
    for (size_t i = 0, y = 0; i < page->pane_count; y += (size_t)heights[i++])
        draw_framed_pane(page, i, area_sub(area, 0, (int)y, area.width, heights[i]));
}

/* --- the whole --- */

static void draw_wide(const struct page *page, const void *object, struct area area)
{
    int left = area.width * 9 / 20;
    struct area figures = area_sub(area, 0, 0, left - 1, area.height);
    draw_state(page, object, area_row(figures, 0));
    int rows = draw_fields(page, object, area_sub(figures, 0, 1, figures.width, 9)) + 1;
    draw_charts(page, object, area_sub(figures, 0, rows, figures.width, figures.height - rows), 1);
    draw_all_panes(page, area_sub(area, left + 1, 0, area.width - left - 1, area.height));
}

static void draw_narrow(const struct page *page, const void *object, struct area area)
{
    draw_state(page, object, area_row(area, 0));
    int room = area.height - 1, fields = room >= 16 ? 4 : room >= 10 ? 3 : room >= 6 ? 2 : 0;
    int y = 1 + draw_fields(page, object, area_sub(area, 0, 1, area.width, fields));
    int charts = area.height - y >= CHART_ROWS + 6 ? CHART_ROWS + 1 : 0;
    draw_charts(page, object, area_sub(area, 0, y, area.width, charts),
        area.width >= 90   ? 3
        : area.width >= 50 ? 2
                           : 1);
    y += charts;
    draw_tabs(page, area_sub(area, 0, y, area.width, 1));
    draw_pane(page, page->focus, area_sub(area, 0, y + 1, area.width, area.height - y - 1));
}

void page_draw(struct view *view, struct area area)
{
    const struct page *page = (const struct page *)view;
    const void *object = page_object(page);
    if (area.width < 1 || area.height < 1)
        return;
    if (!object) {
        char message[KEY_SIZE + 64];
        str_format(message, sizeof message, "%s is not there any more\n\nEsc goes back", page->subject.key);
        layout_empty(area, ROLE_WARNING, message);
    } else if (area.width >= WIDE_COLUMNS && area.height >= WIDE_ROWS) {
        draw_wide(page, object, area);
    } else {
        draw_narrow(page, object, area);
    }
}
