/* An engine that dies at any moment of a job, and the one that comes after it: the site runs, nobody holds it, and the
 * job says what happened. Every step of the plan is taken from the journal, so a new one is tested without new code. */
#include "tests/unit/actions/job_bench.h"

#include <stdatomic.h>

static char crash_step[48];
static bool crash_before;

static void crash_there(const char *step, bool before)
{
    if (before == crash_before && strcmp(step, crash_step) == 0)
        _exit(CRASHED);
}

/* Leaves the store to the next engine. */
static void engine_dies_at(struct bench *bench, const char *step, bool before)
{
    int status = 0;
    str_copy(crash_step, sizeof crash_step, step);
    crash_before = before;
    pid_t pid = bench_engine_in_child(bench, crash_there);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CRASHED);
}

static const char *const steps[] = {"lease", "note", "restart", "gate", "release"};

static void an_engine_killed_at_any_step_leaves_a_job_that_is_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int before = 0; before < 2; before++) {
            struct bench *bench = bench_new();
            engine_dies_at(bench, steps[i], before);
            bench_resume(bench);
            if (strcmp(steps[i], "restart") == 0 && before)
                bench_expect(bench, JOB_FAILED, "the engine ended, and mosh01 has not begun it");
            else
                bench_expect(bench, JOB_DONE, "finished after the engine was started anew");
            assert_true(bench_heard(bench, "site.restart") <= 1);
            assert_true(bench_all_run(bench));
            assert_int_equal((int)bench->steps.items.count, sizeof steps / sizeof *steps);
            bench_expect_free(bench);
            bench_free(bench);
        }
}

static void an_engine_killed_while_going_back_leaves_a_job_that_goes_back(void **state)
{
    (void)state;
    static const char *const undone[] = {"undo restart", "undo lease"};
    for (size_t i = 0; i < sizeof undone / sizeof *undone; i++)
        for (int before = 0; before < 2; before++) {
            struct bench *bench = bench_new();
            bench->host->web_status = 502;
            engine_dies_at(bench, undone[i], before);
            bench->host->web_status = 200; /* it must not go forward again for that */
            bench_resume(bench);
            bench_expect(bench, JOB_FAILED, "answers HTTP 502, wanted 200");
            assert_true(bench_all_run(bench));
            bench_expect_free(bench);
            bench_free(bench);
        }
}

static void a_site_found_stopped_is_started_and_gated(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hangs = true;
    pid_t pid = bench_engine_in_child(bench, NULL);
    bench_until(bench, bench->host->is_hanging);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_false(bench_all_run(bench));
    bench->host->hangs = false;
    bench_resume(bench);
    bench_expect(bench, JOB_DONE, "finished after the engine was started anew");
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    assert_int_equal(bench_heard(bench, "site.start"), 1);
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_stop_that_was_half_done_is_done_whole(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    engine_dies_at(bench, "restart", true);
    str_copy(bench->host->boxes[0].state, sizeof bench->host->boxes[0].state, "exited"); /* the other still runs */
    bench_resume(bench);
    bench_expect(bench, JOB_DONE, "finished after the engine was started anew");
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_lease_that_ran_out_meanwhile_is_taken_again(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    engine_dies_at(bench, "gate", true);
    bench->host->lease_job[0] = '\0';
    bench_resume(bench);
    bench_expect(bench, JOB_DONE, "finished");
    assert_int_equal(bench_heard(bench, "lease.take"), 2);
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_site_another_engine_took_meanwhile_is_not_touched(void **state)
{
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        struct bench *bench = bench_new();
        engine_dies_at(bench, steps[i], true);
        bench->host->heard[0] = '\0';
        str_copy(bench->host->lease_job, sizeof bench->host->lease_job, "other.5");
        str_copy(bench->host->lease_holder, sizeof bench->host->lease_holder, "bert@console2");
        bench_resume(bench);
        bench_expect(bench, JOB_FAILED, "held by job other.5 (bert@console2)");
        assert_says(bench->record.message, "nothing more is touched");
        assert_string_equal(bench->host->lease_job, "other.5");
        assert_int_equal(bench_heard(bench, "site.start") + bench_heard(bench, "site.restart"), 0);
        assert_int_equal(bench_heard(bench, "lease.release"), 0);
        bench_free(bench);
    }
}

static void a_host_that_is_slow_to_come_back_is_waited_for(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    engine_dies_at(bench, "restart", false);
    bench->host->hellos_refused = 40; /* longer than one question is tried */
    bench_resume(bench);
    bench_expect(bench, JOB_DONE, "finished");
    assert_int_equal(bench->host->hellos_refused, 0);
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_job_that_changed_nothing_does_not_begin_out_of_the_blue_hours_later(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    engine_dies_at(bench, "note", true);
    clock_freeze_wall(clock_wall_us() + 3600 * USEC_PER_SEC);
    bench_resume(bench);
    clock_freeze_wall(0);
    bench_expect(bench, JOB_FAILED, "nothing had been changed yet");
    assert_int_equal(bench_heard(bench, "site.restart"), 0);
    bench_expect_free(bench);
    bench_free(bench);
}

/* It stood in a queue all that time: somebody still waits for it. */
static void a_job_asked_for_long_ago_begins_where_the_engine_was_away_for_a_moment(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    double metrics[ENGINE_METRIC_COUNT] = {0};
    engine_dies_at(bench, "note", true);
    clock_freeze_wall(clock_wall_us() + 3600 * USEC_PER_SEC);
    bench_engine(bench, NULL);
    store_put_engine(bench->store, metrics);
    assert_true(store_flush(bench->store, PATIENCE_US));
    bench_engine_stop(bench);
    bench_resume(bench);
    clock_freeze_wall(0);
    bench_expect(bench, JOB_DONE, "finished");
    bench_expect_free(bench);
    bench_free(bench);
}

static atomic_uint plannings;

static const struct fleet *hold_and_count(void *owner)
{
    plannings++;
    return owner;
}

static void record_waiting_job(struct bench *bench)
{
    json_t *plan = NULL;
    struct buf text = BUF(65536), json = BUF(65536);
    assert_ok(jobs_plan(bench->jobs, "restart", "example.org", NULL, &plan, &text, &bench->info), &bench->info);
    assert_int_equal(json_write(&json, plan), ERR_OK);
    struct job_record job = {.action = "restart",
        .object_kind = KIND_SITE,
        .object = "example.org",
        .site = "example.org",
        .host = "mosh01",
        .who = "anna",
        .plan_json = xstrdup(buf_text(&json))};
    assert_ok(store_job_create(bench->store, &job, &bench->info), &bench->info);
    bench->job = job.id;
    job_record_free(&job);
    json_decref(plan);
    buf_free(&json);
    buf_free(&text);
}

static void a_job_that_waited_is_not_refused_because_the_engine_has_just_started(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct host_state host = {.name = "mosh01", .status = HOST_UNKNOWN, .reason = "the engine has just started"};
    record_waiting_job(bench);
    jobs_free(bench->jobs);
    store_put_host(bench->store, &host);
    assert_true(store_flush(bench->store, PATIENCE_US));
    bench->jobs = jobs_new(&(struct jobs_config){.store = bench->store,
        .state_dir = bench->state_dir,
        .fleet_owner = bench->fleet,
        .fleet_hold = hold_and_count,
        .fleet_release = script_let_go,
        .hurry = 2});
    plannings = 0;
    assert_ok(jobs_resume(bench->jobs, &bench->info), &bench->info);
    while (plannings < 2 && !bench_has_ended(bench))
        usleep(2000);
    host.status = HOST_UP;
    store_put_host(bench->store, &host);
    bench_wait(bench);
    bench_expect(bench, JOB_DONE, "is done");
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_clean_stop_leaves_a_job_that_the_next_engine_finishes(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hangs = true;
    assert_ok(bench_run(bench), &bench->info);
    bench_until(bench, bench->host->is_hanging);
    bench_engine_stop(bench); /* does not wait for the answer that never comes */
    bench->host->hangs = false;
    bench_resume(bench);
    bench_expect(bench, JOB_DONE, "finished after the engine was started anew");
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_killed_at_any_step_leaves_a_job_that_is_ended),
        cmocka_unit_test(an_engine_killed_while_going_back_leaves_a_job_that_goes_back),
        cmocka_unit_test(a_site_found_stopped_is_started_and_gated),
        cmocka_unit_test(a_stop_that_was_half_done_is_done_whole),
        cmocka_unit_test(a_lease_that_ran_out_meanwhile_is_taken_again),
        cmocka_unit_test(a_site_another_engine_took_meanwhile_is_not_touched),
        cmocka_unit_test(a_host_that_is_slow_to_come_back_is_waited_for),
        cmocka_unit_test(a_job_that_changed_nothing_does_not_begin_out_of_the_blue_hours_later),
        cmocka_unit_test(a_job_asked_for_long_ago_begins_where_the_engine_was_away_for_a_moment),
        cmocka_unit_test(a_job_that_waited_is_not_refused_because_the_engine_has_just_started),
        cmocka_unit_test(a_clean_stop_leaves_a_job_that_the_next_engine_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
