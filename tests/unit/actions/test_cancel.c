/* A person cancels at any step: the site runs, nobody holds it, the job says who cancelled it. */
#include "tests/unit/actions/job_bench.h"

#include <semaphore.h>

static const char *const steps[] = {"lease", "note", "restart", "gate", "release"};

/* The job's thread stops at a step until the test has cancelled. */
static struct {
    const char *step;
    bool before;
    sem_t reached, go_on;
} stop;

static void stop_there(const char *step, bool before)
{
    if (before != stop.before || strcmp(step, stop.step) != 0)
        return;
    sem_post(&stop.reached);
    sem_wait(&stop.go_on);
}

static void cancel_at(struct bench *bench, const char *step, bool before)
{
    stop.step = step;
    stop.before = before;
    sem_init(&stop.reached, 0, 0);
    sem_init(&stop.go_on, 0, 0);
    bench_engine_stop(bench);
    bench_engine(bench, stop_there);
    assert_ok(bench_run(bench), &bench->info);
    sem_wait(&stop.reached);
    assert_ok(jobs_cancel(bench->jobs, bench->job, "bert", 1001, &bench->info), &bench->info);
    sem_post(&stop.go_on);
}

static void a_job_cancelled_at_any_step_leaves_the_site_running_and_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int before = 0; before < 2; before++) {
            struct bench *bench = bench_new();
            cancel_at(bench, steps[i], before);
            bench_wait(bench);
            bool too_late = i > 3 || (i == 3 && !before);
            if (too_late)
                bench_expect(bench, JOB_DONE, "it was through already when cancelled by bert");
            else
                bench_expect(bench, JOB_CANCELLED, "cancelled by bert");
            if (i < 2)
                assert_int_equal(bench_heard(bench, "site.restart"), 0);
            assert_true(bench_all_run(bench));
            bench_expect_free(bench);
            bench_free(bench);
        }
}

static void a_cancel_survives_the_death_of_the_engine(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench_engine_stop(bench);
    bench->job = 1;
    bench->host->hangs = true;
    pid_t pid = fork();
    if (pid == 0) {
        bench_engine(bench, NULL);
        bench_run(bench);
        bench_until(bench, bench->host->is_hanging);
        _exit(jobs_cancel(bench->jobs, 1, "bert", 1001, NULL) == ERR_OK ? CRASHED : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), CRASHED);
    bench->host->hangs = false;
    bench_resume(bench);
    bench_expect(bench, JOB_CANCELLED, "cancelled by bert");
    assert_says(bench->record.message, "running now: example.org-web, example.org-db");
    assert_true(bench_all_run(bench));
    bench_expect_free(bench);
    bench_free(bench);
}

static void an_undo_waits_for_a_host_that_is_still_at_it(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->host->web_status = 502;
    cancel_at(bench, "gate", true);
    bench->host->busy_times = 3;
    bench_wait(bench);
    bench_expect(bench, JOB_CANCELLED, "cancelled by bert");
    assert_int_equal(bench->host->busy_times, 0);
    bench_expect_free(bench);
    bench_free(bench);
}

static void a_job_that_has_ended_cannot_be_cancelled(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    assert_ok(bench_run(bench), &bench->info);
    bench_wait(bench);
    assert_int_equal(jobs_cancel(bench->jobs, bench->job, "bert", 1001, &bench->info), ERR_NOT_FOUND);
    assert_says(bench->info.message, "job 1 is not running");
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_cancelled_at_any_step_leaves_the_site_running_and_free),
        cmocka_unit_test(a_cancel_survives_the_death_of_the_engine),
        cmocka_unit_test(an_undo_waits_for_a_host_that_is_still_at_it),
        cmocka_unit_test(a_job_that_has_ended_cannot_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
