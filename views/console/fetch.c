/* Reading jobs, events and history for the data thread. A piece that has nothing to show is still a piece: "nothing
 * there" is not the same as "not looked yet". */
#include "views/console/fetch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* An hour at ten seconds, three at a minute, a day at five minutes, a week at an hour: as fine as it is stored. */
enum { HISTORY_POINTS = 360 };
enum { JOBS_KEPT = 200, EVENTS_OF_ALL = 1000, EVENTS_OF_ONE = 50 };

struct job_list *fetch_jobs(struct store_reader *reader)
{
    struct job_list *jobs = xcalloc(1, sizeof *jobs);
    if (store_read_jobs(reader, JOBS_KEPT, jobs, NULL) == ERR_OK)
        return jobs;
    job_list_free(jobs);
    free(jobs);
    return NULL;
}

struct events *fetch_events(struct store_reader *reader, const struct subject *of)
{
    struct event_filter filter = {.object_kind = -1, .limit = EVENTS_OF_ONE};
    struct events *events = xcalloc(1, sizeof *events);
    events->of = *of;
    if (of->kind == KIND_HOST) {
        filter.host = of->key;
    } else if (of->kind == KIND_SITE) {
        filter.site = of->key;
    } else if (of->kind == KIND_COUNT) {
        filter.limit = EVENTS_OF_ALL;
    } else {
        filter.object_kind = (int)of->kind;
        filter.object = of->key;
    }
    if (store_read_events(reader, &filter, &events->list, NULL) == ERR_OK)
        return events;
    events_free(events);
    return NULL;
}

struct job_detail *fetch_job(struct store_reader *reader, int64_t id)
{
    struct job_detail *detail = xcalloc(1, sizeof *detail);
    detail->id = id;
    enum err result = store_read_job(reader, id, &detail->job, &detail->steps, NULL);
    detail->found = result == ERR_OK;
    if (result == ERR_OK || result == ERR_NOT_FOUND)
        return detail;
    job_detail_free(detail);
    return NULL;
}

struct history *fetch_history(const char *state_dir, struct newest *newest, const struct subject *of, int64_t range_us)
{
    int64_t now_us = clock_wall_us();
    struct history *history = xcalloc(1, sizeof *history);
    history->of = *of;
    history->range_us = range_us;
    if (series_fetch(state_dir, of->kind, of->key, -1, SERIES_AVERAGE, now_us - range_us, now_us, HISTORY_POINTS,
            &history->points, NULL) != ERR_OK) {
        series_points_free(&history->points);
        history->points = (struct series_points){0};
    }
    newest_merge(newest, of->kind, of->key, -1, range_us, now_us, &history->points);
    return history;
}

/* --- sparklines --- */

#define SPARK_STEP_US (SPARK_RANGE_US / SPARK_POINTS)

/* Means over whole minutes, the last one begun: a line that moves once a minute, not with every sample. */
static void condense(const struct series_points *points, int64_t now_us, struct spark *spark)
{
    double sums[SPARK_POINTS] = {0};
    size_t counts[SPARK_POINTS] = {0};
    int64_t last = now_us / SPARK_STEP_US;
    for (size_t i = 0; i < points->count; i++) {
        int64_t slot = SPARK_POINTS - 1 + (points->first_us + (int64_t)i * points->step_us - 1) / SPARK_STEP_US - last;
        double value = points->values[i * points->columns];
        slot = slot == SPARK_POINTS ? SPARK_POINTS - 1 : slot; /* a step may end a little after now */
        if (slot < 0 || slot > SPARK_POINTS || !isfinite(value))
            continue;
        sums[slot] += value;
        counts[slot]++;
    }
    for (size_t i = 0; i < SPARK_POINTS; i++)
        spark->values[i] = counts[i] ? sums[i] / (double)counts[i] : (double)NAN;
    spark->count = SPARK_POINTS;
}

static void fetch_spark(const char *state_dir, struct newest *newest, enum object_kind kind, struct spark *spark)
{
    struct series_points points = {0};
    int64_t now_us = clock_wall_us();
    int metric = metric_find(kind, "cpu_pct");
    if (metric < 0)
        return;
    (void)series_fetch(
        state_dir, kind, spark->key, metric, SERIES_AVERAGE, now_us - SPARK_RANGE_US, now_us, 0, &points, NULL);
    newest_merge(newest, kind, spark->key, metric, SPARK_RANGE_US, now_us, &points);
    if (points.count > 0)
        condense(&points, now_us, spark);
    series_points_free(&points);
}

struct sparks *fetch_sparks(
    const char *state_dir, struct newest *newest, const struct wish *wish, const struct sparks *known, bool again)
{
    struct sparks *sparks = xcalloc(1, sizeof *sparks);
    sparks->kind = wish->spark_kind;
    for (size_t i = 0; i < wish->spark_count; i++) {
        const struct spark *before = again ? NULL : sparks_find(known, wish->spark_kind, wish->spark_keys[i]);
        struct spark *spark = vec_add(&sparks->items);
        if (before) {
            *spark = *before;
            continue;
        }
        str_copy(spark->key, sizeof spark->key, wish->spark_keys[i]);
        fetch_spark(state_dir, newest, wish->spark_kind, spark);
    }
    return sparks;
}
