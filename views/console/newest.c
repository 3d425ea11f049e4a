/* Asking for the newest hour and laying it over what is on disk. An answer comes from outside this process: its size,
 * step and end are checked before anything is computed with them. Data thread. */
#include "views/console/newest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { POINTS_MAX = 1000 };
#define LEFT_ALONE_US (30 * USEC_PER_SEC)
#define LATE_STEPS 2 /* so many steps the newest sample may be behind without being a gap */

struct newest {
    const struct console_link *link;
    int64_t not_before_us; /* monotonic; an engine that failed is left alone until then */
};

struct newest *newest_new(const struct console_link *link)
{
    struct newest *newest = xcalloc(1, sizeof *newest);
    newest->link = link;
    return newest;
}

void newest_free(struct newest *newest)
{
    free(newest);
}

/* --- asking --- */

static json_t *ask(struct newest *newest, enum object_kind kind, const char *key, int metric)
{
    const struct metric_table *table = metric_table(kind);
    struct err_info info = {0};
    json_t *request = json_object(), *answer = NULL;
    json_put_text(request, "command", "recent");
    json_put_text(request, "kind", table->kind);
    json_put_text(request, "key", key);
    if (metric >= 0)
        json_put_text(request, "metric", table->metrics[metric].key);
    enum err result = newest->link->look(newest->link->owner, request, &answer, &info);
    if (result != ERR_OK && result != ERR_NOT_FOUND)
        newest->not_before_us = clock_mono_us() + LEFT_ALONE_US;
    return answer;
}

static bool may_ask(const struct newest *newest, enum object_kind kind)
{
    bool kept = kind == KIND_SITE || kind == KIND_CONTAINER || kind == KIND_VOLUME;
    return kept && newest->link && newest->link->look && clock_mono_us() >= newest->not_before_us;
}

/* --- the answer --- */

struct memory { /* value j of a list ends at end_us − (count − 1 − j) × step_us */
    const json_t *series;
    int64_t step_us, end_us, count;
    int64_t first; /* of the values that are known */
};

static int64_t first_known(const json_t *list, int64_t count)
{
    int64_t index = 0;
    while (index < count && !json_is_number(json_array_get(list, (size_t)index)))
        index++;
    return index;
}

static bool read_answer(const json_t *answer, struct memory *out)
{
    const char *key;
    json_t *list;
    *out = (struct memory){.series = json_object_get(answer, "series"), .first = POINTS_MAX};
    if (!json_get_i64(answer, "step_us", &out->step_us) || !json_get_i64(answer, "end_us", &out->end_us))
        return false;
    json_object_foreach ((json_t *)out->series, key, list) {
        int64_t count = (int64_t)json_array_size(list);
        int64_t first = first_known(list, count);
        if (out->count && count != out->count)
            return false;
        out->count = count;
        out->first = first < out->first ? first : out->first;
    }
    return out->count > 0 && out->count <= POINTS_MAX && out->step_us >= USEC_PER_SEC &&
           out->step_us <= NEWEST_RANGE_US && out->end_us > 0;
}

/* --- laying one over the other --- */

static size_t column_of(const struct series_points *points, int metric)
{
    size_t column = 0;
    while (column < points->columns && points->metrics[column] != metric)
        column++;
    return column;
}

/* Of the interval in which the moment lies. */
static double value_on_disk(const struct series_points *disk, int metric, int64_t at_us)
{
    size_t column = column_of(disk, metric);
    if (column == disk->columns || disk->step_us <= 0 || at_us <= disk->first_us - disk->step_us)
        return NAN;
    int64_t after = at_us - disk->first_us;
    size_t row = after <= 0 ? 0 : (size_t)((after + disk->step_us - 1) / disk->step_us);
    return row < disk->count ? disk->values[row * disk->columns + column] : (double)NAN;
}

static double value_at(
    const struct memory *memory, const json_t *list, const struct series_points *disk, int metric, int64_t at_us)
{
    int64_t behind = memory->end_us - at_us;
    int64_t index = memory->count - 1 - behind / memory->step_us;
    if (behind < 0)
        return NAN;
    if (index < memory->first)
        return value_on_disk(disk, metric, at_us);
    const json_t *value = json_array_get(list, (size_t)index);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The end of the newest sample where that is no older than it should be; else now, and what is missing is a gap. */
static int64_t last_end(const struct memory *memory, int64_t now_us)
{
    int64_t ahead_us = memory->end_us - now_us;
    bool near = ahead_us <= memory->step_us && -ahead_us <= LATE_STEPS * memory->step_us;
    return near ? memory->end_us : memory->end_us - ahead_us / memory->step_us * memory->step_us;
}

static void lay_over(const struct memory *memory, enum object_kind kind, int metric, int64_t range_us, int64_t now_us,
    struct series_points *points)
{
    const struct metric_table *table = metric_table(kind);
    struct series_points whole = {.step_us = memory->step_us, .count = (size_t)(range_us / memory->step_us)};
    for (size_t i = 0; i < table->count; i++)
        if (metric < 0 ? table->metrics[i].in_rrd != 0 : (int)i == metric)
            whole.metrics[whole.columns++] = (int)i;
    if (whole.count < 2 || whole.columns == 0)
        return;
    whole.first_us = last_end(memory, now_us) - (int64_t)(whole.count - 1) * whole.step_us;
    whole.values = xcalloc(whole.count * whole.columns, sizeof *whole.values);
    for (size_t column = 0; column < whole.columns; column++) {
        int which = whole.metrics[column];
        const json_t *list = json_object_get(memory->series, table->metrics[which].key);
        for (size_t row = 0; row < whole.count; row++)
            whole.values[row * whole.columns + column] =
                value_at(memory, list, points, which, whole.first_us + (int64_t)row * whole.step_us);
    }
    series_points_free(points);
    *points = whole;
}

void newest_merge(struct newest *newest, enum object_kind kind, const char *key, int metric, int64_t range_us,
    int64_t now_us, struct series_points *points)
{
    struct memory memory;
    if (!may_ask(newest, kind) || range_us > NEWEST_RANGE_US)
        return;
    json_t *answer = ask(newest, kind, key, metric);
    if (answer && read_answer(answer, &memory))
        lay_over(&memory, kind, metric, range_us, now_us, points);
    json_decref(answer);
}
