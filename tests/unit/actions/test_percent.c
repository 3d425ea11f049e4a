/* How much of a job is done: by what takes long, by bytes while it is copied, never all of it before the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actions/percent.h"
#include "actions/step.h"

#define MIB(count) (INT64_C(count) << 20)

enum { STEPS = 4, COPY = 1 };

struct job {
    struct plan plan;
    struct job_step_record steps[STEPS];
};

/* A lease, a copy of so many bytes, two short steps. */
static struct job some_job(int64_t bytes, int64_t limit_bytes_s)
{
    struct job job = {.plan = {.cut_us = -1}};
    json_t *copy = json_object();
    if (bytes)
        json_put_i64(copy, "bytes", bytes);
    if (limit_bytes_s)
        json_put_i64(copy, "limit_bytes_s", limit_bytes_s);
    plan_add_step(&job.plan, &step_lease, "mosh01", NULL, NULL, "take the lease");
    plan_add_step(&job.plan, &step_copy, "mosh01", copy, NULL, "copy");
    plan_add_step(&job.plan, &step_stop, "mosh01", NULL, NULL, "stop");
    plan_add_step(&job.plan, &step_start, "mosh02", NULL, NULL, "start");
    return job;
}

static int percent(const struct job *job)
{
    return percent_done(&job->plan, job->steps);
}

static void begin(struct job *job, size_t index)
{
    for (size_t i = 0; i < index; i++)
        job->steps[i].state = STEP_DONE;
    job->steps[index].state = STEP_RUNNING;
}

static void steps_count_alike_where_nothing_is_copied(void **state)
{
    (void)state;
    struct job job = some_job(0, 0);
    for (size_t i = 0; i < STEPS; i++) {
        begin(&job, i);
        assert_int_equal(percent(&job), 25 * (int)i);
    }
    plan_free(&job.plan);
}

/* 1 GB takes longer than everything else together: half of it copied is about half of the job. */
static void a_copy_counts_by_its_bytes_while_it_runs(void **state)
{
    (void)state;
    struct job job = some_job(MIB(1024), 0);
    begin(&job, COPY);
    assert_in_range(percent(&job), 1, 5);
    job.steps[COPY].pass = 1;
    job.steps[COPY].total_bytes = MIB(1024);
    job.steps[COPY].done_bytes = MIB(512);
    assert_in_range(percent(&job), 38, 50);
    begin(&job, COPY + 1);
    assert_in_range(percent(&job), 90, 98);
    plan_free(&job.plan);
}

static void a_limit_makes_the_copy_a_larger_part(void **state)
{
    (void)state;
    struct job free_job = some_job(MIB(64), 0), limited = some_job(MIB(64), MIB(1));
    begin(&free_job, COPY + 1);
    begin(&limited, COPY + 1);
    assert_true(percent(&limited) > percent(&free_job));
    assert_in_range(percent(&limited), 95, 99);
    plan_free(&free_job.plan);
    plan_free(&limited.plan);
}

/* Each pass begins at nothing again; the job does not. */
static void passes_never_go_back_and_never_end_the_step(void **state)
{
    (void)state;
    struct job job = some_job(MIB(1024), 0);
    int before = 0;
    begin(&job, COPY);
    for (int pass = 1; pass <= 6; pass++)
        for (int part = 0; part <= 5; part++) { /* more than was said, too */
            job.steps[COPY].pass = pass;
            job.steps[COPY].total_bytes = MIB(1024) >> pass;
            job.steps[COPY].done_bytes = job.steps[COPY].total_bytes * part / 4;
            assert_true(percent(&job) >= before);
            before = percent(&job);
        }
    begin(&job, COPY + 1);
    assert_true(percent(&job) >= before);
    plan_free(&job.plan);
}

static void without_a_total_the_plan_says_how_much_it_is(void **state)
{
    (void)state;
    struct job job = some_job(MIB(1024), 0);
    begin(&job, COPY);
    job.steps[COPY].total_bytes = -1;
    job.steps[COPY].done_bytes = MIB(512);
    assert_in_range(percent(&job), 40, 55);
    plan_free(&job.plan);
}

static void all_of_it_is_only_done_at_the_end(void **state)
{
    (void)state;
    struct job job = some_job(MIB(100000), 0);
    for (size_t i = 0; i < STEPS; i++)
        job.steps[i].state = STEP_DONE;
    assert_int_equal(percent(&job), 99);
    plan_free(&job.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_count_alike_where_nothing_is_copied),
        cmocka_unit_test(a_copy_counts_by_its_bytes_while_it_runs),
        cmocka_unit_test(a_limit_makes_the_copy_a_larger_part),
        cmocka_unit_test(passes_never_go_back_and_never_end_the_step),
        cmocka_unit_test(without_a_total_the_plan_says_how_much_it_is),
        cmocka_unit_test(all_of_it_is_only_done_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
