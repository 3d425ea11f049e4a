/* Time series, reading side: librrd picks the archive that covers the time and comes nearest to the wanted step; what
 * is still finer than wanted is reduced here, on multiples of the new step, so that a chart does not flicker as time
 * goes on. No state; any process, any thread. */
#include <math.h>
#include <rrd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/series.h"
#include "store/series_file.h"

/* What rrd_fetch_r gave. Row i is the interval that ends at start + (i + 1) × step. */
struct fetched {
    time_t start, end;
    unsigned long step, width;
    char **names;
    rrd_value_t *data;
    size_t rows;
};

static void free_fetched(struct fetched *fetched)
{
    for (unsigned long i = 0; fetched->names && i < fetched->width; i++)
        rrd_freemem(fetched->names[i]);
    rrd_freemem(fetched->names);
    rrd_freemem(fetched->data);
}

static enum err fetch(
    const char *path, enum series_cf cf, int64_t end_us, struct fetched *fetched, struct err_info *info)
{
    rrd_clear_error();
    if (rrd_fetch_r(path, cf == SERIES_MAX ? "MAX" : "AVERAGE", &fetched->start, &fetched->end, &fetched->step,
            &fetched->width, &fetched->names, &fetched->data) != 0) {
        enum err result = err_set(info, ERR_CORRUPT, "cannot read the history %s: %.400s", path, rrd_get_error());
        rrd_clear_error();
        *fetched = (struct fetched){0};
        return result;
    }
    fetched->rows = (size_t)(fetched->end - fetched->start) / fetched->step;
    /* An interval that is not over has no value yet: leave it out rather than show a gap. */
    while (fetched->rows > 0 &&
           ((int64_t)fetched->start + (int64_t)(fetched->rows * fetched->step)) * USEC_PER_SEC > end_us)
        fetched->rows--;
    return ERR_OK;
}

static int find_name(const struct fetched *fetched, const char *name)
{
    for (unsigned long i = 0; i < fetched->width; i++)
        if (strcmp(fetched->names[i], name) == 0)
            return (int)i;
    return -1;
}

static void choose_columns(enum object_kind kind, int metric, struct series_points *out)
{
    int sources[SERIES_MAX_SOURCES];
    size_t count = series_sources(kind, sources);
    for (size_t i = 0; i < count; i++)
        if (metric < 0 || sources[i] == metric)
            out->metrics[out->columns++] = sources[i];
}

/* One value of several rows: their mean or maximum, of those that are known. */
static double reduce(const struct fetched *fetched, int column, size_t first, size_t end, enum series_cf cf)
{
    double sum = 0, highest = (double)-INFINITY;
    size_t known = 0;
    for (size_t row = first; column >= 0 && row < end; row++) {
        double value = fetched->data[row * fetched->width + (size_t)column];
        if (isnan(value))
            continue;
        known++;
        sum += value;
        highest = value > highest ? value : highest;
    }
    if (known == 0)
        return (double)NAN;
    return cf == SERIES_MAX ? highest : sum / (double)known;
}

/* How many rows go into one point. Groups begin at multiples of their length, so there may be one more than rows /
 * group. */
static size_t group_size(const struct fetched *fetched, size_t max_points)
{
    size_t group = 1;
    if (max_points == 0)
        return 1;
    while (fetched->rows / group + 1 > max_points && group < fetched->rows)
        group++;
    return group;
}

static void reduce_all(const struct fetched *fetched, enum object_kind kind, enum series_cf cf, size_t max_points,
    struct series_points *out)
{
    size_t group = fetched->rows <= max_points ? 1 : group_size(fetched, max_points);
    int64_t step_s = (int64_t)(group * fetched->step);
    int64_t first_group = (int64_t)fetched->start / step_s;
    int64_t last_s = (int64_t)fetched->start + (int64_t)(fetched->rows * fetched->step); /* the end of the last row */
    out->step_us = step_s * USEC_PER_SEC;
    out->first_us = (first_group + 1) * out->step_us;
    out->count = fetched->rows ? (size_t)((last_s - 1) / step_s - first_group) + 1 : 0;
    int sources[SERIES_MAX_SOURCES];
    for (size_t column = 0; column < out->columns; column++)
        sources[column] = find_name(fetched, metric_table(kind)->metrics[out->metrics[column]].key);
    out->values = xreallocarray(NULL, out->count * out->columns + 1, sizeof *out->values);
    for (size_t i = 0; i < out->count; i++) {
        int64_t begin_s = (first_group + (int64_t)i) * step_s - (int64_t)fetched->start;
        size_t first = begin_s > 0 ? (size_t)begin_s / fetched->step : 0;
        size_t end = (size_t)(begin_s + step_s) / fetched->step;
        end = end < fetched->rows ? end : fetched->rows;
        for (size_t column = 0; column < out->columns; column++)
            out->values[i * out->columns + column] = reduce(fetched, sources[column], first, end, cf);
    }
}

enum err series_fetch(const char *state_dir, enum object_kind kind, const char *key, int metric, enum series_cf cf,
    int64_t start_us, int64_t end_us, size_t max_points, struct series_points *out, struct err_info *info)
{
    *out = (struct series_points){0};
    choose_columns(kind, metric, out);
    if (out->columns == 0 || end_us <= start_us || start_us < 0)
        return err_set(info, ERR_INVALID, "no such history: metric %d of %ss", metric, metric_table(kind)->kind);
    char *path = series_path(state_dir, kind, key);
    if (access(path, F_OK) != 0) {
        free(path);
        return err_set(info, ERR_NOT_FOUND, "there is no history of the %s %s yet", metric_table(kind)->kind, key);
    }
    int64_t wanted_s = max_points ? (end_us - start_us) / USEC_PER_SEC / (int64_t)max_points : 1;
    struct fetched fetched = {.start = (time_t)(start_us / USEC_PER_SEC),
        .end = (time_t)(end_us / USEC_PER_SEC),
        .step = wanted_s > 0 ? (unsigned long)wanted_s : 1};
    enum err result = fetch(path, cf, end_us, &fetched, info);
    if (result == ERR_OK)
        reduce_all(&fetched, kind, cf, max_points ? max_points : SIZE_MAX, out);
    free_fetched(&fetched);
    free(path);
    return result;
}

void series_points_free(struct series_points *points)
{
    free(points->values);
    *points = (struct series_points){0};
}
