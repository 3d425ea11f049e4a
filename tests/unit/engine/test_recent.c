/* The newest hour in memory: slots, gaps, bounds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "engine/recent.h"
#include "fleet/state.h"

#define STEP (10 * USEC_PER_SEC)
#define T0 (INT64_C(1700000000) * USEC_PER_SEC)

static void add(struct recent *recent, const char *key, int64_t at_us, double cpu)
{
    double metrics[CONTAINER_METRIC_COUNT];
    metrics_clear(metrics, CONTAINER_METRIC_COUNT);
    metrics[CONTAINER_CPU] = cpu;
    recent_add(recent, KIND_CONTAINER, key, at_us, metrics);
}

/* The value `back` steps before the newest; NaN for null. */
static double value(struct recent *recent, const char *key, const char *metric, size_t back)
{
    json_t *answer = recent_read(recent, KIND_CONTAINER, key);
    const json_t *list = json_object_get(json_object_get(answer, "series"), metric);
    size_t count = json_array_size(list);
    assert_int_equal(count, 360);
    const json_t *item = json_array_get(list, count - 1 - back);
    double result = json_is_null(item) ? NAN : json_number_value(item);
    json_decref(answer);
    return result;
}

static void samples_are_read_back_and_unknown_ones_are_null(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    for (int i = 0; i < 400; i++)
        add(recent, "a/x", T0 + i * STEP, i);
    assert_float_equal(value(recent, "a/x", "cpu_pct", 0), 399, 0.01);
    assert_float_equal(value(recent, "a/x", "cpu_pct", 359), 40, 0.01);
    assert_true(isnan(value(recent, "a/x", "mem_used_bytes", 0)));
    recent_free(recent);
}

static void end_is_that_of_the_newest_step(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0 + 3 * USEC_PER_SEC, 1);
    json_t *answer = recent_read(recent, KIND_CONTAINER, "a/x");
    int64_t end_us = 0, step_us = 0;
    assert_true(json_get_i64(answer, "end_us", &end_us));
    assert_true(json_get_i64(answer, "step_us", &step_us));
    assert_int_equal(end_us, T0 + STEP);
    assert_int_equal(step_us, STEP);
    json_decref(answer);
    recent_free(recent);
}

static void one_metric_is_told_where_only_it_is_wanted(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0, 1);
    json_t *answer = recent_read(recent, KIND_CONTAINER, "a/x"), *series = json_object_get(answer, "series");
    recent_keep_metric(answer, NULL);
    assert_true(json_object_size(series) > 1);
    recent_keep_metric(answer, "cpu_pct");
    assert_int_equal(json_object_size(series), 1);
    assert_int_equal(json_array_size(json_object_get(series, "cpu_pct")), 360);
    recent_keep_metric(answer, "no_such");
    assert_int_equal(json_object_size(series), 0);
    json_decref(answer);
    recent_free(recent);
}

static void missing_samples_leave_a_gap(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0, 1);
    add(recent, "a/x", T0 + 4 * STEP, 5);
    assert_float_equal(value(recent, "a/x", "cpu_pct", 4), 1, 0.01);
    for (size_t back = 1; back < 4; back++)
        assert_true(isnan(value(recent, "a/x", "cpu_pct", back)));
    add(recent, "a/x", T0 + 10000 * STEP, 7); /* more than the ring */
    assert_float_equal(value(recent, "a/x", "cpu_pct", 0), 7, 0.01);
    for (size_t back = 1; back < 360; back++)
        assert_true(isnan(value(recent, "a/x", "cpu_pct", back)));
    recent_free(recent);
}

static void sample_a_little_late_makes_no_gap(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0 + STEP - 1000, 1);
    add(recent, "a/x", T0 + 2 * STEP + 1000, 2);
    assert_float_equal(value(recent, "a/x", "cpu_pct", 1), 2, 0.01);
    recent_free(recent);
}

static void older_samples_change_nothing(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0 + STEP, 1);
    add(recent, "a/x", T0, 2);
    assert_float_equal(value(recent, "a/x", "cpu_pct", 0), 1, 0.01);
    assert_true(isnan(value(recent, "a/x", "cpu_pct", 1)));
    recent_free(recent);
}

static void budget_is_never_passed_and_room_is_used_again(void **state)
{
    (void)state;
    size_t each = recent_bytes_each(KIND_CONTAINER, STEP);
    struct recent *recent = recent_new(STEP, 2 * each + 100);
    add(recent, "a/x", T0, 1);
    add(recent, "a/y", T0, 1);
    add(recent, "a/z", T0, 1);
    assert_null(recent_read(recent, KIND_CONTAINER, "a/z"));
    assert_int_equal(recent_stats(recent).refused, 1);
    assert_int_equal(recent_stats(recent).bytes, 2 * each);
    recent_remove(recent, KIND_CONTAINER, "a/x");
    add(recent, "a/z", T0, 1);
    assert_float_equal(value(recent, "a/z", "cpu_pct", 0), 1, 0.01);
    recent_free(recent);
}

static void another_interval_begins_anew(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    add(recent, "a/x", T0, 1);
    recent_set_interval(recent, STEP);
    assert_int_equal(recent_stats(recent).objects, 1);
    recent_set_interval(recent, 2 * STEP);
    assert_int_equal(recent_stats(recent).objects, 0);
    assert_null(recent_read(recent, KIND_CONTAINER, "a/x"));
    recent_free(recent);
}

static void site_and_container_of_one_name_are_two(void **state)
{
    (void)state;
    struct recent *recent = recent_new(STEP, 1 << 20);
    double metrics[SITE_METRIC_COUNT] = {0};
    add(recent, "x", T0, 5);
    recent_add(recent, KIND_SITE, "x", T0, metrics);
    assert_float_equal(value(recent, "x", "cpu_pct", 0), 5, 0.01);
    assert_int_equal(recent_stats(recent).objects, 2);
    recent_free(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_read_back_and_unknown_ones_are_null),
        cmocka_unit_test(end_is_that_of_the_newest_step),
        cmocka_unit_test(one_metric_is_told_where_only_it_is_wanted),
        cmocka_unit_test(missing_samples_leave_a_gap),
        cmocka_unit_test(sample_a_little_late_makes_no_gap),
        cmocka_unit_test(older_samples_change_nothing),
        cmocka_unit_test(budget_is_never_passed_and_room_is_used_again),
        cmocka_unit_test(another_interval_begins_anew),
        cmocka_unit_test(site_and_container_of_one_name_are_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
