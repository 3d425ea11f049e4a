/* Jobs: what a restart does and says when it goes well, when the site is not well afterwards, when somebody else has
 * it, and when the connection breaks at any step. */
#include "tests/unit/actions/job_bench.h"

static void run_to_end(struct bench *bench)
{
    assert_ok(bench_run(bench), &bench->info);
    bench_wait(bench);
}

static void a_good_restart_is_told_step_by_step(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    int64_t before_us = bench->host->boxes[0].started_us;
    run_to_end(bench);
    bench_expect(bench, JOB_DONE, "restart of example.org is done");
    bench_expect_free(bench);
    assert_true(bench->host->boxes[0].started_us > before_us);
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    assert_true(str_starts(bench->host->lease_holder, "anna@"));
    vec_each (&bench->steps.items, const struct job_step_record, step)
        assert_int_equal(step->state, STEP_DONE);
    assert_says(bench->steps.items.items[3].outcome, "answer as they should, 3 times in a row");
    bench_free(bench);
}

static void evidence_is_kept_before_anything_changes(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    run_to_end(bench);
    struct buf text = BUF(65536);
    char *log = xasprintf("%s/jobs/1/example.org-web.log", bench->state_dir);
    char *before = xasprintf("%s/jobs/1/before.json", bench->state_dir);
    assert_ok(buf_read_file(&text, log, &bench->info), &bench->info);
    assert_says(buf_text(&text), "bind");
    assert_ok(buf_read_file(&text, before, &bench->info), &bench->info);
    assert_says(buf_text(&text), "\"containers\"");
    const char *noted = strstr(bench->host->heard, "logs.tail"),
               *restarted = strstr(bench->host->heard, "site.restart");
    assert_true(noted && restarted && noted < restarted);
    free(log);
    free(before);
    buf_free(&text);
    bench_free(bench);
}

static void the_gate_says_which_answer_was_wrong(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->web_status = 502;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "answers HTTP 502, wanted 200");
    assert_says(bench->record.message, "last line of example.org-web: cannot");
    assert_null(strchr(bench->record.message, '\x1b'));
    assert_says(bench->record.message, "dogwatch log --site example.org");
    assert_says(bench->record.message, "running now: example.org-web, example.org-db");
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_container_that_dies_shuts_the_gate_long_before_its_deadline(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->after_restart = DIES;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "example.org-web exited 3.0 s after its start with exit code 1");
    assert_true(bench_heard(bench, "site.status") < 12);
    assert_true(bench_all_run(bench)); /* it was started once more */
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_container_that_no_restart_policy_brings_back_does_not_hold_the_gate_for_its_minute(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    str_copy(bench->host->boxes[0].policy, sizeof bench->host->boxes[0].policy, "always");
    bench->host->after_restart = DIES;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "example.org-web exited 3.0 s after its start with exit code 1");
    assert_true(bench_heard(bench, "site.status") < 30); /* of 60 in a minute */
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_left_over_container_does_not_pass_the_gate(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->after_restart = COMES_AS_ANOTHER;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "example.org-web is another container (ffffffffffff)");
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_container_that_was_never_restarted_does_not_pass_the_gate(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->after_restart = SLEEPS_ON;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "runs since before the restart");
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_container_that_dies_and_comes_back_between_two_looks_does_not_pass_the_gate(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->after_restart = LOOPS;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "do not stay up");
    bench_expect_free(bench);
    bench_free(bench);
}

static void the_lease_is_renewed_while_a_long_command_runs(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->waits_for_renewal = true;
    run_to_end(bench);
    bench_expect(bench, JOB_DONE, "is done");
    assert_int_equal(bench->host->unanswered, 0);
    bench_expect_free(bench);
    bench_free(bench);
}

static void containers_exchanged_since_the_plan_are_not_restarted(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    memset(bench->host->boxes[0].id, 'e', 64);
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "not the container that was shown any more; nothing was changed");
    assert_int_equal(bench_heard(bench, "site.restart"), 0);
    bench_expect_free(bench);
    bench_free(bench);
}

static void another_identity_than_the_one_seen_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    json_t *expect = json_pack("[s]", "of another container");
    assert_int_equal(
        jobs_run(bench->jobs, "restart", "example.org", NULL, expect, "anna", 1000, "", &bench->job, &bench->info),
        ERR_INVALID);
    assert_says(bench->info.message, "not what was shown any more");
    assert_int_equal(bench_heard(bench, "hello"), 0);
    json_decref(expect);
    bench_free(bench);
}

static void a_site_somebody_else_holds_is_left_alone_and_the_holder_named(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    str_copy(bench->host->lease_job, sizeof bench->host->lease_job, "other.7");
    str_copy(bench->host->lease_holder, sizeof bench->host->lease_holder, "bert@console2");
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "held by job other.7 (bert@console2)");
    assert_string_equal(bench->host->lease_job, "other.7");
    assert_int_equal(bench_heard(bench, "site.restart") + bench_heard(bench, "site.start"), 0);
    assert_int_equal(bench_heard(bench, "lease.release"), 0);
    bench_free(bench);
}

static void a_second_job_on_a_site_waits_and_is_planned_anew(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hangs = true;
    assert_ok(bench_run(bench), &bench->info);
    bench_until(bench, bench->host->is_hanging);
    assert_ok(bench_run(bench), &bench->info);
    assert_int_equal(bench->job, 2);
    bool told = false;
    for (int64_t until_us = clock_mono_us() + PATIENCE_US; !told && clock_mono_us() < until_us; usleep(2000)) {
        assert_false(bench_has_ended(bench));
        told = strstr(bench->record.message, "waits for job 1 (restart of example.org by anna)") != NULL;
    }
    assert_true(told);
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    bench->host->hangs = false; /* the first one finds out what is true, and ends */
    bench_wait(bench);
    bench_expect(bench, JOB_DONE, "is done");
    assert_int_equal(bench_heard(bench, "site.restart"), 2);
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_job_that_waits_can_be_cancelled(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hangs = true;
    assert_ok(bench_run(bench), &bench->info);
    bench_until(bench, bench->host->is_hanging);
    assert_ok(bench_run(bench), &bench->info);
    assert_ok(jobs_cancel(bench->jobs, bench->job, "bert", 1001, &bench->info), &bench->info);
    bench_wait(bench);
    bench_expect(bench, JOB_CANCELLED, "cancelled by bert");
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    bench_free(bench);
}

static void a_finished_job_frees_its_site_at_once(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    for (int64_t i = 1; i <= 3; i++) {
        bench_fill_store(bench); /* the start times are others now */
        run_to_end(bench);
        bench_expect(bench, JOB_DONE, "is done");
        assert_int_equal(bench->job, i);
    }
    bench_free(bench);
}

/* --- broken connections --- */

static const char *const asked[] = {"lease.take", "site.status", "logs.tail", "site.restart", "lease.release"};

/* The connection may break at whatever is asked, before or after the host did it. */
static void a_connection_cut_once_anywhere_ends_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        for (enum fake_moment moment = FAKE_BEFORE; moment <= FAKE_AFTER; moment++) {
            bool restart = strcmp(asked[i], "site.restart") == 0;
            if (moment == FAKE_HALF)
                continue;
            struct bench *bench = bench_new();
            str_copy(bench->host->cut_verb, sizeof bench->host->cut_verb, asked[i]);
            bench->host->cut_at = moment;
            bench->host->cut_times = 1;
            run_to_end(bench);
            if (restart && moment == FAKE_BEFORE)
                bench_expect(bench, JOB_FAILED, "mosh01 has not begun it");
            else
                bench_expect(bench, JOB_DONE, "is done");
            assert_true(bench_heard(bench, "site.restart") == 1);
            assert_true(bench_all_run(bench));
            bench_expect_free(bench);
            bench_free(bench);
        }
}

static void a_restart_cut_in_its_middle_is_brought_to_its_end(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    str_copy(bench->host->cut_verb, sizeof bench->host->cut_verb, "site.restart");
    bench->host->cut_at = FAKE_HALF;
    bench->host->cut_times = 1;
    run_to_end(bench);
    bench_expect(bench, JOB_DONE, "is done");
    assert_int_equal(bench_heard(bench, "site.restart"), 1);
    assert_true(bench_heard(bench, "site.start") >= 1);
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_host_still_at_it_by_itself_is_waited_for(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    str_copy(bench->host->cut_verb, sizeof bench->host->cut_verb, "site.restart");
    bench->host->cut_at = FAKE_HALF;
    bench->host->cut_times = 1;
    bench->host->acts_late = true;
    run_to_end(bench);
    bench_expect(bench, JOB_DONE, "is done");
    assert_int_equal(bench_heard(bench, "site.start"), 5); /* each refused; then the truth was done */
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_host_that_comes_back_is_used_again(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hellos_refused = 5;
    run_to_end(bench);
    bench_expect(bench, JOB_DONE, "is done");
    assert_int_equal(bench->host->hellos_refused, 0);
    bench_free(bench);
}

static void a_host_that_stays_away_fails_the_job_before_anything_changed(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->hellos_refused = 1000000;
    run_to_end(bench);
    bench_expect(bench, JOB_FAILED, "lease: mosh01:");
    assert_int_equal(bench_heard(bench, "site.restart"), 0);
    bench_free(bench);
}

static void a_lease_given_to_somebody_else_meanwhile_ends_the_job_without_undo(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->web_status = 502;
    assert_ok(bench_run(bench), &bench->info);
    bench_until(bench, strstr(bench->host->heard, "site.restart") != NULL &&
                           str_copy(bench->host->lease_job, sizeof bench->host->lease_job, "other.9"));
    pthread_mutex_lock(&bench->host->mutex); /* break the link: the new one renews at once */
    str_copy(bench->host->cut_verb, sizeof bench->host->cut_verb, "site.status");
    bench->host->cut_at = FAKE_BEFORE;
    bench->host->cut_times = 1;
    pthread_mutex_unlock(&bench->host->mutex);
    bench_wait(bench);
    bench_expect(bench, JOB_FAILED, "held by job other.9");
    assert_string_equal(bench->host->lease_job, "other.9");
    assert_int_equal(bench_heard(bench, "site.start"), 0);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_restart_is_told_step_by_step),
        cmocka_unit_test(evidence_is_kept_before_anything_changes),
        cmocka_unit_test(the_gate_says_which_answer_was_wrong),
        cmocka_unit_test(a_container_that_dies_shuts_the_gate_long_before_its_deadline),
        cmocka_unit_test(a_container_that_no_restart_policy_brings_back_does_not_hold_the_gate_for_its_minute),
        cmocka_unit_test(a_left_over_container_does_not_pass_the_gate),
        cmocka_unit_test(a_container_that_was_never_restarted_does_not_pass_the_gate),
        cmocka_unit_test(a_container_that_dies_and_comes_back_between_two_looks_does_not_pass_the_gate),
        cmocka_unit_test(the_lease_is_renewed_while_a_long_command_runs),
        cmocka_unit_test(containers_exchanged_since_the_plan_are_not_restarted),
        cmocka_unit_test(another_identity_than_the_one_seen_is_refused),
        cmocka_unit_test(a_site_somebody_else_holds_is_left_alone_and_the_holder_named),
        cmocka_unit_test(a_second_job_on_a_site_waits_and_is_planned_anew),
        cmocka_unit_test(a_job_that_waits_can_be_cancelled),
        cmocka_unit_test(a_finished_job_frees_its_site_at_once),
        cmocka_unit_test(a_connection_cut_once_anywhere_ends_well),
        cmocka_unit_test(a_restart_cut_in_its_middle_is_brought_to_its_end),
        cmocka_unit_test(a_host_still_at_it_by_itself_is_waited_for),
        cmocka_unit_test(a_host_that_comes_back_is_used_again),
        cmocka_unit_test(a_host_that_stays_away_fails_the_job_before_anything_changed),
        cmocka_unit_test(a_lease_given_to_somebody_else_meanwhile_ends_the_job_without_undo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
