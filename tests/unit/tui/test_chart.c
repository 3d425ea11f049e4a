/* Charts: unknown is a gap, peaks survive, every size is drawn. */
#include "tests/unit/tui/screen.h"

#include <math.h>

#include "base/clock.h"
#include "tui/chart.h"

enum { COUNT = 120 };
static const int64_t start_us = INT64_C(1767323045) * USEC_PER_SEC; /* 2026-01-02 03:04:05 UTC */

static struct chart wave(double *values, double *other)
{
    for (int i = 0; i < COUNT; i++) {
        values[i] = 40 + 35 * sin(i / 9.0);
        other[i] = i / 4.0;
        if (i >= 50 && i < 70)
            values[i] = other[i] = NAN;
    }
    return (struct chart){.title = "CPU",
        .unit = "%",
        .series = {{NULL, values, COUNT, ROLE_CHART1}},
        .series_count = 1,
        .start_us = start_us,
        .step_us = 10 * USEC_PER_SEC,
        .min = 0,
        .max = 100,
        .format = format_pct};
}

static void draw_golden(const char *name, const struct chart *chart, int width, int height, enum glyphs glyphs)
{
    struct cells *cells = cells_new(width, height);
    cells_set_glyphs(cells, glyphs);
    chart_draw(cells_area(cells), chart);
    golden_cells(name, cells);
    cells_free(cells);
}

static void charts_look_as_they_should(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct chart chart = wave(values, other);
    draw_golden("chart-line", &chart, 60, 10, GLYPHS_BRAILLE);
    draw_golden("chart-blocks", &chart, 60, 10, GLYPHS_BLOCK);
    draw_golden("chart-ascii", &chart, 60, 10, GLYPHS_ASCII);
    chart.filled = true;
    chart.cursor_us = start_us + 300 * USEC_PER_SEC;
    draw_golden("chart-cursor", &chart, 60, 10, GLYPHS_BRAILLE);
    chart.cursor_us = 0;
    chart.series[0].label = "rx";
    chart.series[1] = (struct chart_series){"tx", other, COUNT, ROLE_CHART2};
    chart.series_count = 2;
    draw_golden("chart-two", &chart, 60, 10, GLYPHS_BRAILLE);
}

static void unknown_is_a_gap_and_never_zero(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct chart chart = wave(values, other);
    chart.filled = true;
    struct cells *cells = cells_new(60, 1); /* the plot alone: one row, 60 columns for 120 values */
    for (int glyphs = GLYPHS_BRAILLE; glyphs <= GLYPHS_ASCII; glyphs++) {
        cells_set_glyphs(cells, (enum glyphs)glyphs);
        chart_draw(cells_area(cells), &chart);
        for (int x = 25; x < 35; x++) {
            assert_string_equal(cells_at(cells, x, 0)->text, glyphs == GLYPHS_ASCII ? "." : "·");
            assert_int_equal(cells_at(cells, x, 0)->style, ROLE_UNKNOWN);
        }
        assert_int_equal(cells_at(cells, 24, 0)->style, ROLE_CHART1);
        assert_int_equal(cells_at(cells, 35, 0)->style, ROLE_CHART1);
    }
    double zeros[COUNT] = {0};
    chart.series[0].values = zeros;
    chart_draw(cells_area(cells), &chart);
    assert_int_equal(cells_at(cells, 30, 0)->style, ROLE_CHART1); /* zero is known and drawn */
    cells_free(cells);
}

/* The middle of 0…193 is 96.5: wider than both ends. */
static void no_axis_label_is_cut(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct cells *cells = cells_new(60, 9);
    struct buf text = BUF(1 << 20);
    struct chart chart = wave(values, other);
    chart.max = 19.3;
    chart.min = 10;
    chart_draw(cells_area(cells), &chart);
    cells_to_text(cells, &text);
    assert_non_null(strstr(buf_text(&text), "15│"));
    assert_null(strstr(buf_text(&text), "…"));
    buf_clear(&text);
    cells_clear(cells);
    chart.min = 0;
    chart.max = 193;
    chart_draw(cells_area(cells), &chart);
    cells_to_text(cells, &text);
    assert_null(strstr(buf_text(&text), "…"));
    buf_free(&text);
    cells_free(cells);
}

static void a_chart_without_values_says_so(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct cells *cells = cells_new(60, 9);
    struct buf text = BUF(1 << 20);
    struct chart chart = wave(values, other);
    for (int i = 0; i < COUNT; i++)
        values[i] = NAN;
    chart_draw(cells_area(cells), &chart);
    cells_to_text(cells, &text);
    assert_non_null(strstr(buf_text(&text), "nothing known of this time"));
    assert_null(strstr(buf_text(&text), "100")); /* no axis of invented values */
    assert_null(strstr(buf_text(&text), "now "));
    buf_free(&text);
    cells_free(cells);
}

static void a_single_peak_among_thousands_is_drawn(void **state)
{
    (void)state;
    enum { MANY = 8640 };
    double *values = xcalloc(MANY, sizeof *values);
    values[4000] = 100;
    struct chart chart = {.series = {{NULL, values, MANY, ROLE_CHART1}},
        .series_count = 1,
        .start_us = start_us,
        .step_us = USEC_PER_SEC,
        .min = 0,
        .max = 100};
    struct cells *cells = cells_new(40, 3); /* a title and two rows of plot */
    chart_draw(cells_area(cells), &chart);
    int drawn_above = 0;
    for (int x = 0; x < 40; x++)
        drawn_above += cells_at(cells, x, 1)->style == ROLE_CHART1 && strcmp(cells_at(cells, x, 1)->text, " ") != 0;
    assert_in_range(drawn_above, 1, 2);
    cells_clear(cells);
    sparkline_draw(cells_area(cells), 0, 0, 20, ROLE_CHART1, values, MANY, NAN);
    assert_non_null(strpbrk(cells_at(cells, 9, 0)->text, "\xa1\xa2\xa3")); /* upper dots in the tenth cell */
    cells_free(cells);
    free(values);
}

static void sparklines_stand_at_the_right_and_show_gaps(void **state)
{
    (void)state;
    static const double values[] = {0, 4, NAN, NAN, 8, 2};
    struct cells *cells = cells_new(10, 3);
    struct area area = cells_area(cells);
    sparkline_draw(area, 0, 0, 6, ROLE_CHART1, values, 6, 8);
    cells_set_glyphs(cells, GLYPHS_BLOCK);
    sparkline_draw(area, 0, 1, 8, ROLE_CHART1, values, 6, 8);
    cells_set_glyphs(cells, GLYPHS_ASCII);
    sparkline_draw(area, 0, 2, 8, ROLE_CHART1, values, 6, 8);
    assert_row(cells, 0, "   ⣠ ⣇");
    assert_row(cells, 1, "  ▁▄  █▂");
    assert_row(cells, 2, "  _=  %.");
    cells_free(cells);
}

static void gauges_tell_unknown_from_nothing(void **state)
{
    (void)state;
    struct cells *cells = cells_new(20, 4);
    gauge_draw(cells_area(cells), 0, 0.5, ROLE_OK, "50 %");
    gauge_draw(cells_area(cells), 1, 0, ROLE_OK, "0 %");
    gauge_draw(cells_area(cells), 2, NAN, ROLE_OK, "?");
    gauge_draw(cells_area(cells), 3, 7, ROLE_OK, NULL);
    assert_row(cells, 0, "[███████░░░░░░] 50 %");
    assert_row(cells, 1, "[░░░░░░░░░░░░░░] 0 %");
    assert_row(cells, 2, "[················] ?");
    assert_row(cells, 3, "[██████████████████]");
    cells_free(cells);
}

static void values_are_read_at_a_moment(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct chart chart = wave(values, other);
    assert_true(chart_value_at(&chart, 0, start_us) == values[0]);
    assert_true(chart_value_at(&chart, 0, start_us + 104 * USEC_PER_SEC) == values[10]);
    assert_true(isnan(chart_value_at(&chart, 0, start_us + 600 * USEC_PER_SEC))); /* in the gap */
    assert_true(isnan(chart_value_at(&chart, 0, start_us - 60 * USEC_PER_SEC)));
    assert_true(isnan(chart_value_at(&chart, 0, start_us + 9999 * USEC_PER_SEC)));
    assert_true(isnan(chart_value_at(&chart, 1, start_us)));
}

static void the_cursor_stays_inside(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct chart chart = wave(values, other);
    struct cells *cells = cells_new(60, 10);
    struct area area = cells_area(cells);
    int64_t end_us = start_us + (COUNT - 1) * 10 * USEC_PER_SEC;
    chart_move_cursor(&chart, area, -1);
    assert_in_range(chart.cursor_us, end_us - 60 * USEC_PER_SEC, end_us - USEC_PER_SEC);
    chart_move_cursor(&chart, area, 1000);
    assert_true(chart.cursor_us == end_us);
    chart_move_cursor(&chart, area, -1000);
    assert_true(chart.cursor_us == start_us);
    cells_free(cells);
}

static void every_size_and_shape_is_drawn(void **state)
{
    (void)state;
    double values[COUNT], other[COUNT];
    struct chart chart = wave(values, other);
    chart.min = chart.max = NAN;
    chart.series[1] = (struct chart_series){"short", other, 3, ROLE_CHART2};
    chart.series[2] = (struct chart_series){"empty", NULL, 0, ROLE_CHART3};
    chart.cursor_us = start_us + 55 * USEC_PER_SEC;
    for (size_t series = 0; series <= 3; series++)
        for (int width = 1; width <= 300; width += width < 24 ? 1 : 69)
            for (int height = 1; height <= 100; height += height < 12 ? 1 : 44) {
                struct cells *cells = cells_new(width, height);
                chart.series_count = series;
                chart_draw(cells_area(cells), &chart);
                cells_free(cells);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charts_look_as_they_should),
        cmocka_unit_test(unknown_is_a_gap_and_never_zero),
        cmocka_unit_test(no_axis_label_is_cut),
        cmocka_unit_test(a_chart_without_values_says_so),
        cmocka_unit_test(a_single_peak_among_thousands_is_drawn),
        cmocka_unit_test(sparklines_stand_at_the_right_and_show_gaps),
        cmocka_unit_test(gauges_tell_unknown_from_nothing),
        cmocka_unit_test(values_are_read_at_a_moment),
        cmocka_unit_test(the_cursor_stays_inside),
        cmocka_unit_test(every_size_and_shape_is_drawn),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
