/* The newest hour: the engine's memory over what is on disk, whatever the engine answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "views/console/newest.h"

#define NOW (INT64_C(1764000000) * USEC_PER_SEC)
#define STEP (10 * USEC_PER_SEC)
#define RANGE (1800 * USEC_PER_SEC)

struct engine { /* what it will say, and what it was asked */
    json_t *answer;
    enum err result;
    int asked;
    char metric[32];
};

static enum err look(void *owner, json_t *request, json_t **answer, struct err_info *info)
{
    struct engine *engine = owner;
    engine->asked++;
    assert_string_equal(json_get_text(request, "command"), "recent");
    assert_string_equal(json_get_text(request, "kind"), "site");
    str_copy(engine->metric, sizeof engine->metric,
        json_get_text(request, "metric") ? json_get_text(request, "metric") : "");
    json_decref(request);
    *answer = json_incref(engine->answer);
    return engine->result == ERR_OK ? ERR_OK : err_set(info, engine->result, "no");
}

/* `known` values 1, 2, 3 … at the end of a list of 360, nulls before. */
static json_t *answer_of(int known, int64_t end_us)
{
    json_t *list = json_array(), *answer = json_object(), *series = json_object();
    for (int i = 0; i < 360; i++)
        json_array_append_new(list, i < 360 - known ? json_null() : json_real(i - (360 - known) + 1));
    json_object_set_new(series, "cpu_pct", list);
    json_put_i64(answer, "step_us", STEP);
    json_put_i64(answer, "end_us", end_us);
    json_object_set_new(answer, "series", series);
    return answer;
}

/* 30 minutes at one minute, all 50. */
static struct series_points disk_of_fifties(void)
{
    struct series_points points = {.first_us = NOW - RANGE + 60 * USEC_PER_SEC,
        .step_us = 60 * USEC_PER_SEC,
        .count = 30,
        .columns = 1,
        .metrics = {SITE_CPU}};
    points.values = xcalloc(30, sizeof *points.values);
    for (size_t i = 0; i < 30; i++)
        points.values[i] = 50;
    return points;
}

static struct series_points merged(struct engine *engine, struct series_points disk)
{
    struct console_link link = {.owner = engine, .look = look};
    struct newest *newest = newest_new(&link);
    newest_merge(newest, KIND_SITE, "example.org", SITE_CPU, RANGE, NOW, &disk);
    newest_free(newest);
    json_decref(engine->answer);
    return disk;
}

static void memory_lies_over_the_disk_and_the_disk_fills_what_was_before(void **state)
{
    (void)state;
    struct engine engine = {.answer = answer_of(12, NOW)};
    struct series_points points = merged(&engine, disk_of_fifties());
    assert_int_equal(points.step_us, STEP);
    assert_int_equal(points.count, 180);
    assert_int_equal(points.first_us + 179 * STEP, NOW);
    assert_float_equal(points.values[179], 12, 0.001);
    assert_float_equal(points.values[168], 1, 0.001);
    assert_float_equal(points.values[167], 50, 0.001);
    assert_float_equal(points.values[0], 50, 0.001);
    assert_string_equal(engine.metric, "cpu_pct");
    series_points_free(&points);
}

static void without_a_disk_what_was_before_is_unknown(void **state)
{
    (void)state;
    struct engine engine = {.answer = answer_of(3, NOW)};
    struct series_points points = merged(&engine, (struct series_points){0});
    assert_float_equal(points.values[179], 3, 0.001);
    assert_true(isnan(points.values[176]) && isnan(points.values[0]));
    series_points_free(&points);
}

static void a_sample_a_little_late_is_no_gap_and_silence_is_one(void **state)
{
    (void)state;
    struct engine late = {.answer = answer_of(3, NOW - STEP)}, silent = {.answer = answer_of(3, NOW - 10 * STEP)};
    struct series_points points = merged(&late, (struct series_points){0});
    assert_float_equal(points.values[179], 3, 0.001);
    series_points_free(&points);
    points = merged(&silent, disk_of_fifties());
    for (size_t i = 170; i < 180; i++)
        assert_true(isnan(points.values[i]));
    assert_float_equal(points.values[169], 3, 0.001);
    series_points_free(&points);
}

static void an_answer_that_makes_no_sense_changes_nothing(void **state)
{
    (void)state;
    static const char *const senseless[] = {"{}", "{\"step_us\":0,\"end_us\":1,\"series\":{\"cpu_pct\":[1]}}",
        "{\"step_us\":-10000000,\"end_us\":1764000000000000,\"series\":{\"cpu_pct\":[1]}}",
        "{\"step_us\":10000000,\"end_us\":1764000000000000,\"series\":{}}",
        "{\"step_us\":10000000,\"end_us\":1764000000000000,\"series\":[1,2]}",
        "{\"step_us\":10000000,\"end_us\":1764000000000000,\"series\":{\"cpu_pct\":7}}",
        "{\"step_us\":10000000,\"end_us\":-9223372036854775807,\"series\":{\"cpu_pct\":[1,2]}}",
        "{\"step_us\":10000000,\"end_us\":1764000000000000,\"series\":{\"cpu_pct\":[1,2],\"mem_used_bytes\":[1]}}"};
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        struct engine engine = {0};
        assert_int_equal(json_parse(senseless[i], strlen(senseless[i]), &engine.answer, NULL), ERR_OK);
        struct series_points points = merged(&engine, disk_of_fifties());
        assert_int_equal(points.count, 30);
        series_points_free(&points);
    }
}

static void an_engine_that_does_not_answer_is_left_alone_for_a_while(void **state)
{
    (void)state;
    struct engine engine = {.result = ERR_TIMEOUT};
    struct console_link link = {.owner = &engine, .look = look};
    struct newest *newest = newest_new(&link);
    struct series_points points = disk_of_fifties();
    for (int i = 0; i < 5; i++)
        newest_merge(newest, KIND_SITE, "example.org", -1, RANGE, NOW, &points);
    assert_int_equal(engine.asked, 1);
    assert_int_equal(points.count, 30);
    newest_free(newest);
    engine = (struct engine){.result = ERR_NOT_FOUND}; /* an answer like any other: the next object is asked about */
    newest = newest_new(&link);
    for (int i = 0; i < 5; i++)
        newest_merge(newest, KIND_SITE, "example.org", -1, RANGE, NOW, &points);
    assert_int_equal(engine.asked, 5);
    newest_free(newest);
    series_points_free(&points);
}

static void longer_times_and_hosts_are_not_asked_for(void **state)
{
    (void)state;
    struct engine engine = {0};
    struct console_link link = {.owner = &engine, .look = look};
    struct newest *newest = newest_new(&link);
    struct series_points points = disk_of_fifties();
    newest_merge(newest, KIND_SITE, "example.org", -1, NEWEST_RANGE_US + 1, NOW, &points);
    newest_merge(newest, KIND_HOST, "mosh01", -1, RANGE, NOW, &points);
    assert_int_equal(engine.asked, 0);
    newest_free(newest);
    series_points_free(&points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_lies_over_the_disk_and_the_disk_fills_what_was_before),
        cmocka_unit_test(without_a_disk_what_was_before_is_unknown),
        cmocka_unit_test(a_sample_a_little_late_is_no_gap_and_silence_is_one),
        cmocka_unit_test(an_answer_that_makes_no_sense_changes_nothing),
        cmocka_unit_test(an_engine_that_does_not_answer_is_left_alone_for_a_while),
        cmocka_unit_test(longer_times_and_hosts_are_not_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
