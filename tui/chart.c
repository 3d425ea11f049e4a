/* Charts: a plot of braille dots (2x4 a cell), half blocks or ASCII, with axes around it. Guarantees: NaN leaves a gap,
 * marked by a dotted base line; a peak is never averaged away; any size of area is drawn. Pure; allocates nothing. */
#include "tui/chart.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

struct values {
    const double *items;
    size_t count;
};

/* The largest known value of group `slot`, where `total` places (of which the first `count` are filled) are cut into
 * `slots` equal groups; with fewer places than groups, neighbours share one. NaN where all are unknown. */
static double group_max(struct values values, size_t total, size_t slot, size_t slots)
{
    size_t begin = slot * total / slots, end = (slot + 1) * total / slots;
    if (end == begin)
        end = begin + 1;
    double most = NAN;
    for (size_t i = begin; i < end && i < values.count; i++)
        if (isfinite(values.items[i]) && !(values.items[i] <= most))
            most = values.items[i];
    return most;
}

static double largest(const double *values, size_t count)
{
    return count ? group_max((struct values){values, count}, count, 0, 1) : NAN;
}

static double smallest(const double *values, size_t count)
{
    double least = NAN;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]) && !(values[i] >= least))
            least = values[i];
    return least;
}

/* 0 … steps; any value above zero shows at least 1. */
static int level(double value, double min, double max, int steps)
{
    double fraction = max > min ? (value - min) / (max - min) : 0;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    int result = (int)lround(fraction * steps);
    return result == 0 && value > min ? 1 : result;
}

/* --- sparkline */

static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char ascii_levels[] = "_.-=+*#%";

/* Bits of a braille cell, from the bottom row upwards (Unicode: dots 7 3 2 1 and 8 6 5 4). */
static const unsigned char braille_left[4] = {0x40, 0x04, 0x02, 0x01};
static const unsigned char braille_right[4] = {0x80, 0x20, 0x10, 0x08};

static const char *braille(unsigned bits, char out[4])
{
    out[0] = (char)0xE2; /* U+2800 + bits */
    out[1] = (char)(0xA0 | bits >> 6);
    out[2] = (char)(0x80 | (bits & 0x3F));
    out[3] = '\0';
    return out;
}

/* Slot `slot` of `slots`, newest at the right; NaN left of the oldest. */
static double spark_value(const double *values, size_t count, size_t slot, size_t slots)
{
    if (count >= slots)
        return group_max((struct values){values, count}, count, slot, slots);
    size_t missing = slots - count;
    return slot < missing ? NAN : values[slot - missing];
}

static unsigned spark_dots(double value, double max, const unsigned char bits[4])
{
    if (!isfinite(value))
        return 0;
    int height = level(value, 0, max, 4);
    unsigned dots = bits[0]; /* zero is a dot on the base line: it is known */
    for (int i = 1; i < height; i++)
        dots |= bits[i];
    return dots;
}

static void spark_braille(
    struct area area, int x, int y, int width, unsigned style, const double *values, size_t count, double max)
{
    size_t slots = (size_t)width * 2;
    char text[4];
    for (int i = 0; i < width; i++) {
        unsigned dots = spark_dots(spark_value(values, count, (size_t)i * 2, slots), max, braille_left) |
                        spark_dots(spark_value(values, count, (size_t)i * 2 + 1, slots), max, braille_right);
        if (dots)
            area_text(area, x + i, y, style, braille(dots, text));
    }
}

static void spark_blocks(
    struct area area, int x, int y, int width, unsigned style, const double *values, size_t count, double max)
{
    char ascii[2] = "";
    for (int i = 0; i < width; i++) {
        double value = spark_value(values, count, (size_t)i, (size_t)width);
        if (!isfinite(value))
            continue;
        int height = level(value, 0, max, 8), step = height > 0 ? height - 1 : 0;
        ascii[0] = ascii_levels[step];
        area_text(area, x + i, y, style, area_glyphs(area) == GLYPHS_ASCII ? ascii : blocks[step]);
    }
}

void sparkline_draw(
    struct area area, int x, int y, int width, unsigned style, const double *values, size_t count, double max)
{
    if (width < 1)
        return;
    double top = isfinite(max) ? max : largest(values, count);
    area_repeat(area, x, y, width, style, " ");
    if (area_glyphs(area) == GLYPHS_BRAILLE)
        spark_braille(area, x, y, width, style, values, count, top);
    else
        spark_blocks(area, x, y, width, style, values, count, top);
}

void gauge_draw(struct area area, int y, double fraction, unsigned style, const char *label)
{
    int text = label ? text_columns(label) + 1 : 0;
    if (area.width - text < 6)
        text = 0;
    int inside = area.width - text - 2;
    if (inside < 1)
        return;
    double shown = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    int filled = isfinite(fraction) ? (int)(shown * inside + 0.5) : 0;
    area_text(area, 0, y, ROLE_BORDER, "[");
    area_repeat(area, 1, y, filled, style, "█");
    area_repeat(area, 1 + filled, y, inside - filled, ROLE_DIM, isfinite(fraction) ? "░" : "·");
    area_text(area, 1 + inside, y, ROLE_BORDER, "]");
    if (text)
        area_text(area, inside + 3, y, ROLE_NORMAL, label);
}

/* --- chart: scale and text */

struct scale {
    double min, max;
};

/* Up to 1, 2, 2.5 or 5 times a power of ten, so that labels are round. */
static double round_up(double value)
{
    static const double steps[] = {1, 2, 2.5, 5, 10};
    if (!(value > 0))
        return 1;
    double power = pow(10, floor(log10(value)));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (value <= steps[i] * power * (1 + 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static struct scale scale_of(const struct chart *chart)
{
    double most = NAN, least = NAN;
    for (size_t i = 0; i < chart->series_count; i++) {
        double high = largest(chart->series[i].values, chart->series[i].count);
        double low = smallest(chart->series[i].values, chart->series[i].count);
        most = isfinite(high) && !(high <= most) ? high : most;
        least = isfinite(low) && !(low >= least) ? low : least;
    }
    struct scale scale = {chart->min, chart->max};
    if (!isfinite(scale.min))
        scale.min = least < 0 ? -round_up(-least) : 0;
    if (!isfinite(scale.max))
        scale.max = isfinite(most) ? round_up(most) : 1;
    if (!(scale.max > scale.min))
        scale.max = scale.min + 1;
    return scale;
}

static const char *format_value(const struct chart *chart, double value, char out[FORMAT_SIZE])
{
    return isfinite(value) && chart->format ? chart->format(value, out) : format_count(value, out);
}

static double newest(const struct chart_series *series)
{
    return series->count ? series->values[series->count - 1] : NAN;
}

double chart_value_at(const struct chart *chart, size_t series, int64_t at_us)
{
    if (series >= chart->series_count || chart->step_us <= 0)
        return NAN;
    int64_t from_first = at_us - chart->start_us + chart->step_us / 2;
    if (from_first < 0 || (uint64_t)(from_first / chart->step_us) >= chart->series[series].count)
        return NAN;
    return chart->series[series].values[from_first / chart->step_us];
}

enum time_form { TIME_MINUTES, TIME_SECONDS, TIME_DATE, TIME_FULL };

static void local_text(int64_t at_us, enum time_form form, char *out, size_t out_size)
{
    time_t seconds = (time_t)(at_us / USEC_PER_SEC);
    struct tm at;
    char date[32], time[32];
    out[0] = '\0';
    if (!localtime_r(&seconds, &at))
        return;
    str_format(date, sizeof date, "%02d-%02d", at.tm_mon + 1, at.tm_mday);
    str_format(
        time, sizeof time, form == TIME_MINUTES ? "%02d:%02d" : "%02d:%02d:%02d", at.tm_hour, at.tm_min, at.tm_sec);
    if (form == TIME_FULL)
        str_format(out, out_size, "%s %s", date, time);
    else
        str_copy(out, out_size, form == TIME_DATE ? date : time);
}

static size_t longest(const struct chart *chart)
{
    size_t count = 0;
    for (size_t i = 0; i < chart->series_count; i++)
        count = chart->series[i].count > count ? chart->series[i].count : count;
    return count;
}

/* Of one series: all that fits into `room` columns, at least what it is now. */
static void title_values(
    const struct chart *chart, const struct chart_series *series, size_t index, int room, struct buf *out)
{
    char now[FORMAT_SIZE], low[FORMAT_SIZE], high[FORMAT_SIZE];
    format_value(chart, chart->cursor_us ? chart_value_at(chart, index, chart->cursor_us) : newest(series), now);
    format_value(chart, smallest(series->values, series->count), low);
    format_value(chart, largest(series->values, series->count), high);
    bool one = chart->series_count == 1, known = isfinite(largest(series->values, series->count));
    if (known && !chart->cursor_us)
        (void)buf_printf(out, one ? "now %s  min %s  max %s" : "%s (%s–%s)", now, low, high);
    if (out->length > 0 && text_columns(buf_text(out)) <= room)
        return;
    buf_clear(out);
    (void)buf_puts(out, known ? now : "–");
}

/* What is left for this series: each that follows wants its label and a figure too. */
static int title_room(const struct chart *chart, size_t index, int left)
{
    enum { FIGURE_COLUMNS = 7, BLANKS = 3 };
    for (size_t i = index + 1; i < chart->series_count; i++)
        left -= text_columns(chart->series[i].label ? chart->series[i].label : "") + FIGURE_COLUMNS + BLANKS;
    return left;
}

static void draw_title(const struct chart *chart, struct area row)
{
    int x = area_text(row, 0, 0, ROLE_TITLE, chart->title ? chart->title : "");
    if (chart->unit)
        x += area_textf(row, x, 0, ROLE_DIM, " %s", chart->unit);
    if (chart->cursor_us) {
        char when[32];
        local_text(chart->cursor_us, TIME_FULL, when, sizeof when);
        x += area_textf(row, x, 0, ROLE_ACCENT, "  at %s", when);
    }
    for (size_t i = 0; i < chart->series_count; i++) {
        struct buf values = BUF(200);
        x += area_text(row, x, 0, ROLE_NORMAL, "  ");
        if (chart->series[i].label)
            x += area_textf(row, x, 0, chart->series[i].style, "%s ", chart->series[i].label);
        title_values(chart, &chart->series[i], i, title_room(chart, i, row.width - x), &values);
        x += area_text(row, x, 0, ROLE_NORMAL, buf_text(&values));
        buf_free(&values);
    }
}

/* --- chart: the plot */

struct plot {
    struct area area;
    struct scale scale;
    const struct chart *chart;
    int dots_x, dots_y; /* a cell's */
    size_t total;       /* values of the longest series */
    size_t columns;     /* dot columns */
    int rows;           /* dot rows */
};

static double plot_value(const struct plot *plot, const struct chart_series *series, size_t column)
{
    return group_max((struct values){series->values, series->count}, plot->total, column, plot->columns);
}

static int dot_row(const struct plot *plot, double value)
{
    return level(value, plot->scale.min, plot->scale.max, plot->rows - 1);
}

/* The dots [*low, *high] of one dot column: from its own value towards its left neighbour, so that the line is
 * connected. */
static bool dot_span(const struct plot *plot, const struct chart_series *series, size_t column, int *low, int *high)
{
    double value = plot_value(plot, series, column);
    if (!isfinite(value))
        return false;
    *low = *high = dot_row(plot, value);
    double left = column > 0 ? plot_value(plot, series, column - 1) : NAN;
    if (isfinite(left)) {
        int other = dot_row(plot, left);
        if (other < *low)
            *low = other + 1;
        else if (other > *high)
            *high = other - 1;
    }
    if (plot->chart->filled && series == &plot->chart->series[0])
        *low = 0;
    return true;
}

static unsigned span_bits(const struct plot *plot, const struct chart_series *series, int cell_x, int cell_y)
{
    unsigned bits = 0;
    for (int dx = 0; dx < 2; dx++) {
        int low = 0, high = 0;
        if (!dot_span(plot, series, (size_t)cell_x * 2 + (size_t)dx, &low, &high))
            continue;
        for (int dy = 0; dy < 4; dy++) {
            int row = cell_y * 4 + dy;
            if (row >= low && row <= high)
                bits |= dx ? braille_right[dy] : braille_left[dy];
        }
    }
    return bits;
}

/* cell_y counts from the bottom. */
static void plot_braille_cell(const struct plot *plot, int cell_x, int cell_y)
{
    unsigned bits = 0, style = ROLE_NORMAL;
    for (size_t i = 0; i < plot->chart->series_count; i++) {
        unsigned mine = span_bits(plot, &plot->chart->series[i], cell_x, cell_y);
        style = mine ? plot->chart->series[i].style : style;
        bits = mine && plot->chart->filled ? mine : bits | mine; /* a line over an area must stay visible */
    }
    char text[4];
    if (bits)
        area_text(plot->area, cell_x, plot->area.height - 1 - cell_y, style, braille(bits, text));
}

static void plot_coarse_cell(const struct plot *plot, int cell_x, int cell_y)
{
    static const char *const marks[CHART_SERIES_MAX] = {"*", "+", "o", "x"};
    bool ascii = area_glyphs(plot->area) == GLYPHS_ASCII;
    for (size_t i = 0; i < plot->chart->series_count; i++) {
        const struct chart_series *series = &plot->chart->series[i];
        int low = 0, high = 0, dots = 0;
        if (!dot_span(plot, series, (size_t)cell_x, &low, &high))
            continue;
        for (int dy = 0; dy < plot->dots_y; dy++) {
            int row = cell_y * plot->dots_y + dy;
            dots |= row >= low && row <= high ? 1 << dy : 0;
        }
        static const char *const halves[] = {"", "▄", "▀", "█"};
        if (dots)
            area_text(plot->area, cell_x, plot->area.height - 1 - cell_y, series->style,
                ascii ? marks[i % CHART_SERIES_MAX] : halves[dots]);
    }
}

/* Columns where every series is unknown get a dotted base line: nothing is known here, which is not the same as zero.
 */
static void plot_gaps(const struct plot *plot)
{
    for (int x = 0; x < plot->area.width; x++) {
        bool known = false;
        for (size_t i = 0; i < plot->chart->series_count && !known; i++)
            for (int dx = 0; dx < plot->dots_x && !known; dx++) {
                size_t column = (size_t)(x * plot->dots_x + dx);
                known = isfinite(plot_value(plot, &plot->chart->series[i], column));
            }
        if (!known)
            area_text(plot->area, x, plot->area.height - 1, ROLE_UNKNOWN, "·");
    }
}

static int64_t span_us(const struct chart *chart)
{
    size_t count = longest(chart);
    return count > 1 ? (int64_t)(count - 1) * chart->step_us : 0;
}

static int cursor_column(const struct chart *chart, int width)
{
    int64_t span = span_us(chart);
    if (chart->cursor_us < chart->start_us || span <= 0 || chart->cursor_us > chart->start_us + span)
        return -1;
    double fraction = (double)(chart->cursor_us - chart->start_us) / (double)span;
    return (int)lround(fraction * (width - 1));
}

static void plot_cursor(const struct plot *plot)
{
    int x = plot->chart->cursor_us ? cursor_column(plot->chart, plot->area.width) : -1;
    for (int y = 0; x >= 0 && y < plot->area.height; y++) {
        const struct cell *cell = cells_at(plot->area.cells, plot->area.x + x, plot->area.y + y);
        if (strcmp(cell->text, " ") == 0)
            area_text(plot->area, x, y, ROLE_ACCENT, "│");
        else
            area_restyle(plot->area, x, y, 1, -1, STYLE_REVERSE);
    }
}

static void draw_plot(const struct chart *chart, struct area area, struct scale scale)
{
    bool fine = area_glyphs(area) == GLYPHS_BRAILLE;
    struct plot plot = {area, scale, chart, fine ? 2 : 1,
        fine                                ? 4
        : area_glyphs(area) == GLYPHS_BLOCK ? 2
                                            : 1,
        longest(chart), 0, 0};
    plot.columns = (size_t)(area.width * plot.dots_x);
    plot.rows = area.height * plot.dots_y;
    if (plot.columns == 0 || plot.rows == 0)
        return;
    plot_gaps(&plot);
    for (int y = 0; y < area.height; y++)
        for (int x = 0; x < area.width; x++)
            fine ? plot_braille_cell(&plot, x, y) : plot_coarse_cell(&plot, x, y);
    plot_cursor(&plot);
}

static bool is_empty(const struct chart *chart)
{
    for (size_t i = 0; i < chart->series_count; i++)
        if (isfinite(largest(chart->series[i].values, chart->series[i].count)))
            return false;
    return true;
}

/* Nothing is known: say so; an axis of invented values would say that there was nothing. */
static void draw_nothing(struct area plot)
{
    if (plot.height > 1)
        area_fit(plot, 0, (plot.height - 1) / 2, plot.width, CELLS_CENTER, ROLE_UNKNOWN, "nothing known of this time");
}

/* --- chart: axes */

/* The values with a label, from the top of the axis down. */
enum { AXIS_TOP, AXIS_MIDDLE, AXIS_BOTTOM, AXIS_LABELS };

static const char *axis_label(const struct chart *chart, struct scale scale, int label, char out[FORMAT_SIZE])
{
    const double values[AXIS_LABELS] = {scale.max, scale.min + (scale.max - scale.min) / 2, scale.min};
    return format_value(chart, values[label], out);
}

static int axis_columns(const struct chart *chart, struct scale scale)
{
    char text[FORMAT_SIZE];
    int widest = 0;
    for (int label = 0; label < AXIS_LABELS; label++) {
        int columns = text_columns(axis_label(chart, scale, label, text));
        widest = columns > widest ? columns : widest;
    }
    return widest + 1; /* and the axis itself */
}

/* In the middle only where there is one, and where it says something else than the ends. */
static bool has_middle(const struct chart *chart, struct area area, struct scale scale)
{
    char top[FORMAT_SIZE], middle[FORMAT_SIZE], bottom[FORMAT_SIZE];
    axis_label(chart, scale, AXIS_TOP, top);
    axis_label(chart, scale, AXIS_MIDDLE, middle);
    axis_label(chart, scale, AXIS_BOTTOM, bottom);
    return area.height >= 7 && area.height % 2 == 1 && strcmp(top, middle) != 0 && strcmp(bottom, middle) != 0;
}

static void draw_y_axis(const struct chart *chart, struct area area, struct scale scale)
{
    const int rows[AXIS_LABELS] = {0, (area.height - 1) / 2, area.height - 1};
    char text[FORMAT_SIZE];
    int width = area.width - 1;
    for (int y = 0; y < area.height; y++)
        area_text(area, width, y, ROLE_BORDER, "│");
    for (int label = 0; label < AXIS_LABELS; label++) {
        bool shown = label == AXIS_TOP || (label == AXIS_BOTTOM ? area.height > 1 : has_middle(chart, area, scale));
        if (shown)
            area_fit(area, 0, rows[label], width, CELLS_RIGHT, ROLE_DIM, axis_label(chart, scale, label, text));
    }
}

static void draw_time_axis(const struct chart *chart, struct area row)
{
    enum { LABEL_EVERY = 16 };
    int64_t span = span_us(chart);
    enum time_form form = span > 2 * 86400 * USEC_PER_SEC ? TIME_DATE
                          : span < 600 * USEC_PER_SEC     ? TIME_SECONDS
                                                          : TIME_MINUTES;
    int labels = row.width / LABEL_EVERY;
    for (int i = 0; i <= labels && span > 0; i++) {
        char text[32];
        int at = labels ? i * (row.width - 1) / labels : 0;
        local_text(chart->start_us + (int64_t)((double)span * at / (row.width > 1 ? row.width - 1 : 1)), form, text,
            sizeof text);
        int columns = text_columns(text);
        int x = i == 0 ? 0 : i == labels ? row.width - columns : at - columns / 2;
        area_text(row, x, 0, ROLE_DIM, text);
    }
}

struct chart_parts {
    int title, time_axis, y_axis;
};

/* What an area of that size has room for. */
static struct chart_parts parts_of(const struct chart *chart, struct area area, struct scale scale)
{
    int axis = axis_columns(chart, scale);
    struct chart_parts parts = {area.height >= 2, area.height >= 4, 0};
    parts.y_axis = area.height >= 3 && area.width >= axis + 10 && !is_empty(chart) ? axis : 0;
    return parts;
}

static struct area plot_area(struct area area, struct chart_parts parts)
{
    return area_sub(
        area, parts.y_axis, parts.title, area.width - parts.y_axis, area.height - parts.title - parts.time_axis);
}

void chart_draw(struct area area, const struct chart *chart)
{
    struct scale scale = scale_of(chart);
    struct chart_parts parts = parts_of(chart, area, scale);
    struct area plot = plot_area(area, parts);
    area_fill(area, ROLE_NORMAL);
    if (parts.title)
        draw_title(chart, area_row(area, 0));
    if (parts.y_axis)
        draw_y_axis(chart, area_sub(area, 0, parts.title, parts.y_axis, plot.height), scale);
    if (parts.time_axis)
        draw_time_axis(chart, area_sub(area, parts.y_axis, area.height - 1, plot.width, 1));
    draw_plot(chart, plot, scale);
    if (is_empty(chart))
        draw_nothing(plot);
}

void chart_move_cursor(struct chart *chart, struct area area, int columns)
{
    int width = plot_area(area, parts_of(chart, area, scale_of(chart))).width;
    int64_t span = span_us(chart);
    if (span <= 0 || width < 2)
        return;
    int column = chart->cursor_us ? cursor_column(chart, width) : width - 1;
    column = (column < 0 ? width - 1 : column) + columns;
    column = column < 0 ? 0 : column > width - 1 ? width - 1 : column;
    chart->cursor_us = chart->start_us + (int64_t)((double)span * column / (width - 1));
}
