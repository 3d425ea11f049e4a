/* Progress in words: what is known is said, what is not is left out, and silence is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "views/progress.h"

#define NOW_US INT64_C(1764000000000000)
#define MIB(count) (INT64_C(count) << 20)

static void what_is_known_of_a_copy_is_said(void **state)
{
    (void)state;
    char words[PROGRESS_SIZE];
    struct job_step_record step = {.state = STEP_RUNNING, .pass = 2, .done_bytes = MIB(512), .total_bytes = MIB(1024)};
    assert_string_equal(progress_words(&step, words), "pass 2, 512M of 1.0G");
    step.bytes_s = MIB(64);
    assert_string_equal(progress_words(&step, words), "pass 2, 512M of 1.0G, 64.0M/s, 8.0s left");
    assert_true(fabs(progress_fraction(&step) - 0.5) < 1e-9);
    step.total_bytes = -1; /* nobody knows of how much: no time left, no bar */
    assert_string_equal(progress_words(&step, words), "pass 2, 512M, 64.0M/s");
    assert_true(isnan(progress_fraction(&step)));
    step.state = STEP_DONE;
    assert_string_equal(progress_words(&step, words), "pass 2, 512M");
}

static void more_than_all_is_all_and_nothing_is_nothing(void **state)
{
    (void)state;
    char words[PROGRESS_SIZE];
    struct job_step_record step = {.state = STEP_RUNNING};
    assert_string_equal(progress_words(&step, words), "");
    assert_true(isnan(progress_fraction(&step)));
    step.done_bytes = MIB(30);
    step.total_bytes = MIB(20);
    step.bytes_s = MIB(1);
    assert_true(fabs(progress_fraction(&step) - 1) < 1e-9);
    assert_string_equal(progress_words(&step, words), "30.0M of 20.0M, 1.0M/s");
}

static void silence_grows_from_fine_to_critical(void **state)
{
    (void)state;
    static const struct {
        int64_t age_s;
        enum concern concern;
        const char *words;
    } cases[] = {{3, CONCERN_ACTIVE, "sign of life 3s ago"}, {20, CONCERN_WARNING, "no sign of life for 20s"},
        {120, CONCERN_CRITICAL, "no sign of life for 2m"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[PROGRESS_SIZE];
        struct job_step_record step = {.state = STEP_RUNNING,
            .started_us = NOW_US - 500 * USEC_PER_SEC,
            .alive_us = NOW_US - cases[i].age_s * USEC_PER_SEC};
        assert_int_equal(progress_alive(&step, NOW_US, words), cases[i].concern);
        assert_string_equal(words, cases[i].words);
        step.state = STEP_DONE;
        assert_int_equal(progress_alive(&step, NOW_US, words), CONCERN_NONE);
        assert_string_equal(words, "");
    }
}

static void a_job_says_what_it_is_about(void **state)
{
    (void)state;
    char words[PROGRESS_OBJECT_SIZE];
    struct job_record job = {.object_kind = KIND_SITE, .object = "a.example"};
    assert_string_equal(progress_object(&job, words), "a.example");
    job.plan_json = xstrdup("{\"options\":{\"more\":[\"b.example\",\"c.example\"]}}");
    assert_string_equal(progress_object(&job, words), "a.example and 2 more");
    xstr_set(&job.plan_json, "{\"to\":\"mosh02\"}");
    str_copy(job.host, sizeof job.host, "mosh01");
    assert_string_equal(progress_object(&job, words), "a.example from mosh01 to mosh02");
    xstr_set(&job.plan_json, "{broken");
    assert_string_equal(progress_object(&job, words), "a.example");
    job.object_kind = KIND_HOST;
    str_copy(job.object, sizeof job.object, "mosh01");
    assert_string_equal(progress_object(&job, words), "all sites on mosh01");
    job_record_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_of_a_copy_is_said),
        cmocka_unit_test(more_than_all_is_all_and_nothing_is_nothing),
        cmocka_unit_test(silence_grows_from_fine_to_critical),
        cmocka_unit_test(a_job_says_what_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
