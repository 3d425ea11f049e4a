/* Curves in cells: braille dots, else block characters, else ASCII, after the buffer's glyphs. NaN means unknown and is
 * drawn as a gap, never as zero and never bridged. Pure drawing: the values stay the caller's. */
#ifndef TUI_CHART_H
#define TUI_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/format.h"
#include "tui/cells.h"

/* One row, `width` columns, newest value at the right. Where there are more values than room the largest of each group
 * shows (a peak is never lost). max NaN: the largest value; the scale begins at 0. */
void sparkline_draw(
    struct area area, int x, int y, int width, unsigned style, const double *values, size_t count, double max);

/* A horizontal bar "[####----] 43" of `fraction` (0–1, NaN: unknown) in one row, with an optional label after it. */
void gauge_draw(struct area area, int y, double fraction, unsigned style, const char *label);

struct chart_series {
    const char *label; /* "rx"; NULL with one series */
    const double *values;
    size_t count;
    unsigned style; /* ROLE_CHART1 … */
};

#define CHART_SERIES_MAX 4

struct chart {
    const char *title;                            /* "CPU" */
    const char *unit;                             /* "%"; NULL: the formatter says it */
    struct chart_series series[CHART_SERIES_MAX]; /* all begin at start_us and have the same step */
    size_t series_count;
    int64_t start_us, step_us; /* wall time of values[0], and between values */
    double min, max; /* of the axis; NaN: from 0 (or the smallest, where negative) to the largest, rounded up */
    const char *(*format)(double value, char out[FORMAT_SIZE]); /* NULL: format_count */
    bool filled;                                                /* area below the first series */
    int64_t cursor_us;                                          /* a time line with the values there; 0: none */
};

/* Title line with now, min and max (or the values at the cursor), the plot with y labels at its left, the time axis
 * below. Gets along with any size: small areas lose the axis, then the labels, then all but a sparkline. */
void chart_draw(struct area area, const struct chart *chart);

/* The value nearest to a moment; NaN outside and in gaps. */
double chart_value_at(const struct chart *chart, size_t series, int64_t at_us);
/* Move the cursor by plot columns of an area as wide as the one drawn (from the newest value where there is no cursor),
 * kept inside. */
void chart_move_cursor(struct chart *chart, struct area area, int columns);

#endif
