/* What the engine begins by itself: the removal of a kept copy whose time is over. Its loop only says that it is time
 * to look; whoever has to be waited for is waited for elsewhere. */
#include "tests/unit/actions/job_bench.h"

/* The fleet files are held for planning: in whose thread, and not before the test lets it. */
static struct {
    pthread_t loop;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open, asked, asked_in_loop;
} planning = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const struct fleet *hold_when_open(void *owner)
{
    pthread_mutex_lock(&planning.mutex);
    planning.asked = true;
    pthread_cond_broadcast(&planning.changed);
    if (pthread_equal(pthread_self(), planning.loop))
        planning.asked_in_loop = true;
    while (!planning.open && !planning.asked_in_loop)
        pthread_cond_wait(&planning.changed, &planning.mutex);
    pthread_mutex_unlock(&planning.mutex);
    return owner;
}

static void open_planning(void)
{
    pthread_mutex_lock(&planning.mutex);
    planning.open = true;
    pthread_cond_broadcast(&planning.changed);
    pthread_mutex_unlock(&planning.mutex);
}

static void await_planning(void)
{
    pthread_mutex_lock(&planning.mutex);
    while (!planning.asked)
        pthread_cond_wait(&planning.changed, &planning.mutex);
    pthread_mutex_unlock(&planning.mutex);
}

/* The site is on mosh02, and the time of the copy on mosh01 is over. */
static void keep_an_old_copy(struct bench *bench)
{
    struct host_state elsewhere = {.name = "mosh02", .status = HOST_UP};
    struct site_state site = {.name = "example.org",
        .host = "mosh02",
        .host_count = 1,
        .declared = true,
        .status = SITE_RUNNING,
        .containers_running = BOXES,
        .containers_total = BOXES,
        .kept_host = "mosh01",
        .kept_until_us = clock_wall_us() - USEC_PER_SEC};
    store_put_host(bench->store, &elsewhere);
    store_put_site(bench->store, &site);
    assert_true(store_flush(bench->store, PATIENCE_US));
}

/* A job on the site has ended just now, and its host has not been heard of since. */
static void end_a_job_unheard_of(struct bench *bench, const char *action)
{
    struct host_state host = {.name = "mosh01", .status = HOST_UP, .seen_us = 1};
    struct job_record job = {.action = "",
        .object_kind = KIND_SITE,
        .object = "example.org",
        .site = "example.org",
        .host = "mosh01",
        .who = "anna",
        .state = JOB_DONE,
        .ended_us = clock_wall_us()};
    struct job_step_record step = {.name = "restart", .host = "mosh01", .state = STEP_DONE};
    str_copy(job.action, sizeof job.action, action);
    store_put_host(bench->store, &host);
    assert_ok(store_job_create(bench->store, &job, &bench->info), &bench->info);
    assert_ok(store_job_update(bench->store, &job, &bench->info), &bench->info);
    step.job_id = job.id;
    assert_ok(store_job_step_put(bench->store, &step, &bench->info), &bench->info);
    assert_true(store_flush(bench->store, PATIENCE_US));
}

static size_t count_jobs(struct bench *bench)
{
    struct job_list list = {0};
    assert_ok(store_jobs(bench->store, 0, &list, &bench->info), &bench->info);
    size_t count = list.items.count;
    job_list_free(&list);
    return count;
}

static void await_jobs(struct bench *bench, size_t count)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (count_jobs(bench) < count && clock_mono_us() < until_us)
        usleep(2000);
    assert_int_equal(count_jobs(bench), count);
}

static void the_engine_s_loop_waits_for_no_host(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    keep_an_old_copy(bench);
    end_a_job_unheard_of(bench, "restart");
    jobs_free(bench->jobs);
    planning.loop = pthread_self();
    bench->jobs = jobs_new(&(struct jobs_config){.store = bench->store,
        .state_dir = bench->state_dir,
        .fleet_owner = bench->fleet,
        .fleet_hold = hold_when_open,
        .fleet_release = script_let_go,
        .hurry = HURRY});
    jobs_look_after(bench->jobs);
    jobs_look_after(bench->jobs); /* it is at it already */
    await_planning();
    open_planning();
    assert_false(planning.asked_in_loop);
    await_jobs(bench, 2);
    bench->job = 2;
    bench_wait(bench);
    bench_expect(bench, JOB_DONE, "expire of example.org is done");
    assert_int_equal(bench_heard(bench, "site.remove"), 1);
    bench_free(bench);
}

static void an_engine_that_ends_begins_nothing_more(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    keep_an_old_copy(bench);
    end_a_job_unheard_of(bench, "restart");
    jobs_look_after(bench->jobs); /* waits for news that never come */
    bench_engine_stop(bench);
    bench_engine(bench, NULL);
    assert_int_equal(count_jobs(bench), 1);
    bench_free(bench);
}

static int plannings;

static const struct fleet *hold_and_count(void *owner)
{
    plannings++;
    return owner;
}

static enum err plan(struct bench *bench, const char *action)
{
    json_t *json = NULL;
    struct buf text = BUF(1 << 16);
    plannings = 0;
    enum err err = jobs_plan(bench->jobs, action, "example.org", NULL, &json, &text, &bench->info);
    json_decref(json);
    buf_free(&text);
    return err;
}

/* Who cuts off an attacker is kept waiting by nothing. Where a site has just moved, it is not known yet what to cut
 * off. */
static void an_isolation_waits_for_no_news_but_of_a_move(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    jobs_free(bench->jobs);
    bench->jobs = jobs_new(&(struct jobs_config){.store = bench->store,
        .state_dir = bench->state_dir,
        .fleet_owner = bench->fleet,
        .fleet_hold = hold_and_count,
        .fleet_release = script_let_go,
        .hurry = HURRY});
    end_a_job_unheard_of(bench, "restart");
    assert_ok(plan(bench, "isolate"), &bench->info);
    assert_int_equal(plannings, 1);
    assert_ok(plan(bench, "restart"), &bench->info);
    assert_true(plannings > 1);
    end_a_job_unheard_of(bench, "migrate");
    assert_ok(plan(bench, "isolate"), &bench->info);
    assert_true(plannings > 1);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_engine_s_loop_waits_for_no_host),
        cmocka_unit_test(an_engine_that_ends_begins_nothing_more),
        cmocka_unit_test(an_isolation_waits_for_no_news_but_of_a_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
