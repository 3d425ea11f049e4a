/* fleet/state and fleet/metrics: words and tables that are stored and reported, so they may not change by accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fleet/state.h"

static void states_of_containers_survive_being_written_as_words(void **state)
{
    (void)state;
    for (int i = RUN_UNKNOWN; i <= RUN_DEAD; i++)
        assert_int_equal(run_state_parse(run_state_word((enum run_state)i)), i);
    for (int i = HEALTH_NONE; i <= HEALTH_UNHEALTHY; i++)
        assert_int_equal(health_parse(health_word((enum health)i)), i);
    assert_string_equal(run_state_word(RUN_RUNNING), "running");
    assert_string_equal(run_state_word(RUN_EXITED), "exited");
}

static void marks_read_back_as_written_and_an_unknown_one_is_none_of_them(void **state)
{
    (void)state;
    enum site_mark mark;
    for (int i = MARK_NONE; i <= MARK_QUARANTINED; i++) {
        assert_true(site_mark_parse(site_mark_word((enum site_mark)i), &mark));
        assert_int_equal(mark, i);
    }
    mark = MARK_KEPT;
    assert_false(site_mark_parse("fenced", &mark));
    assert_false(site_mark_parse(NULL, &mark));
    assert_int_equal(mark, MARK_KEPT);
    assert_string_equal(site_mark_word((enum site_mark)99), "unknown");
}

static void words_nobody_knows_are_unknown_and_never_fine(void **state)
{
    (void)state;
    assert_int_equal(run_state_parse("Running"), RUN_UNKNOWN);
    assert_int_equal(run_state_parse(""), RUN_UNKNOWN);
    assert_int_equal(run_state_parse(NULL), RUN_UNKNOWN);
    assert_int_equal(health_parse("fine"), HEALTH_NONE);
    assert_string_equal(run_state_word((enum run_state)99), "unknown");
    assert_string_equal(site_status_word((enum site_status)99), "unknown");
    assert_string_equal(host_status_word((enum host_status)99), "unknown");
    assert_string_equal(object_kind_word((enum object_kind)99), "unknown");
}

static void the_other_words_are_as_documented(void **state)
{
    (void)state;
    assert_string_equal(host_status_word(HOST_UP), "up");
    assert_string_equal(host_status_word(HOST_UNKNOWN), "unknown");
    assert_string_equal(site_status_word(SITE_DEGRADED), "degraded");
    assert_string_equal(site_status_word(SITE_CONFLICT), "conflict");
    assert_string_equal(site_status_word(SITE_QUARANTINED), "quarantined");
    assert_string_equal(severity_word(SEVERITY_CRITICAL), "critical");
    assert_string_equal(object_kind_word(KIND_VOLUME), "volume");
}

static void every_figure_is_found_by_its_key_which_fits_rrd(void **state)
{
    (void)state;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct metric_table *table = metric_table((enum object_kind)kind);
        assert_true(table->count > 0);
        for (size_t i = 0; i < table->count; i++) {
            const struct metric *metric = &table->metrics[i];
            assert_int_equal(metric_find((enum object_kind)kind, metric->key), (int)i);
            assert_true(strlen(metric->key) >= 1 && strlen(metric->key) <= 19);
            assert_int_equal(strspn(metric->key, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(metric->key));
            assert_non_null(metric->title);
        }
    }
    assert_int_equal(metric_find(KIND_HOST, "no_such_figure"), -1);
    assert_int_equal(metric_find(KIND_HOST, "cpu_pct"), HOST_CPU);
    assert_int_equal(metric_find(KIND_SITE, "mem_limit_bytes"), SITE_MEM_LIMIT);
    assert_string_equal(metric_table(KIND_VOLUME)->plural, "volumes");
}

static void cleared_figures_are_unknown_not_zero(void **state)
{
    (void)state;
    double metrics[3] = {1, 0, 2};
    metrics_clear(metrics, 2);
    assert_true(isnan(metrics[0]) && isnan(metrics[1]));
    assert_true(metrics[2] > 1.9);
}

static void a_batch_of_lines_is_freed_with_its_lines(void **state)
{
    (void)state; /* the address sanitiser tells where not */
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    batch->count = 2;
    batch->lines = xcalloc(batch->count, sizeof *batch->lines);
    batch->lines[0].text = xstrdup("one");
    log_batch_free(batch);
    log_batch_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_containers_survive_being_written_as_words),
        cmocka_unit_test(marks_read_back_as_written_and_an_unknown_one_is_none_of_them),
        cmocka_unit_test(words_nobody_knows_are_unknown_and_never_fine),
        cmocka_unit_test(the_other_words_are_as_documented),
        cmocka_unit_test(every_figure_is_found_by_its_key_which_fits_rrd),
        cmocka_unit_test(cleared_figures_are_unknown_not_zero),
        cmocka_unit_test(a_batch_of_lines_is_freed_with_its_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
