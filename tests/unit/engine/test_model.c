/* The model's thread with a real store behind it: reports in, rows out, from several threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "engine/model.h"
#include "tests/unit/engine/state_dir.h"

struct fixture {
    char *dir;
    struct model_outputs outputs;
    struct fleet_box *fleets;
    struct model *model;
};

static struct fleet *load(struct fixture *f, const char *const *hosts)
{
    struct complaints complaints = {0};
    struct fleet *fleet;
    write_fleet(f->dir, "x", hosts);
    assert_int_equal(fleet_load(f->dir, &fleet, &complaints, NULL), ERR_OK);
    complaints_free(&complaints);
    return fleet;
}

static const char *const alpha[] = {"alpha", NULL};
static const char *const alpha_and_beta[] = {"alpha", "beta", NULL};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = state_dir_new();
    assert_int_equal(store_open(f->dir, &f->outputs.store, NULL), ERR_OK);
    assert_int_equal(series_open(f->dir, USEC_PER_SEC, &f->outputs.series, NULL), ERR_OK);
    assert_int_equal(log_store_open(f->dir, 0, &f->outputs.logs, NULL), ERR_OK);
    f->outputs.recent = recent_new(USEC_PER_SEC, 1 << 20);
    f->fleets = fleet_box_new(load(f, alpha_and_beta));
    assert_int_equal(model_start(&f->outputs, f->fleets, NULL, &f->model, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    model_stop(f->model);
    series_close(f->outputs.series);
    log_store_close(f->outputs.logs);
    store_close(f->outputs.store);
    recent_free(f->outputs.recent);
    fleet_box_free(f->fleets);
    state_dir_free(f->dir);
    free(f);
    return 0;
}

static struct host_report *new_report(const char *host)
{
    struct host_report *report = xcalloc(1, sizeof *report);
    report->host.status = HOST_UP;
    str_copy(report->host.name, sizeof report->host.name, host);
    metrics_clear(report->host.metrics, HOST_METRIC_COUNT);
    report->has_inventory = true;
    report->containers = xcalloc(1, sizeof *report->containers);
    report->container_count = 1;
    struct container_state *container = report->containers;
    str_copy(container->host, sizeof container->host, host);
    str_format(container->key, sizeof container->key, "%s/web", host);
    str_copy(container->name, sizeof container->name, "web");
    str_format(container->site, sizeof container->site, "site-%s", host);
    container->state = RUN_RUNNING;
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
    container->metrics[CONTAINER_CPU] = 7;
    return report;
}

static struct snapshot *read_store(struct fixture *f)
{
    struct store_reader *reader;
    struct snapshot *snapshot = NULL;
    if (store_reader_open(f->dir, &reader, NULL) == ERR_OK)
        store_read_snapshot(reader, &snapshot, NULL);
    store_reader_close(reader);
    return snapshot;
}

static bool site_is(struct fixture *f, const char *name, enum site_status status)
{
    struct snapshot *snapshot = read_store(f);
    const struct site_state *site = snapshot ? snapshot_site(snapshot, name) : NULL;
    bool is = site && site->status == status;
    snapshot_free(snapshot);
    return is;
}

static void report_reaches_the_store_and_the_newest_hour(void **state)
{
    struct fixture *f = *state;
    const struct sink *sink = model_sink(f->model);
    sink->report(sink->owner, new_report("alpha"));
    WAIT_UNTIL(site_is(f, "site-alpha", SITE_RUNNING));
    json_t *recent = recent_read(f->outputs.recent, KIND_CONTAINER, "alpha/web");
    assert_non_null(recent);
    json_decref(recent);
    WAIT_UNTIL(model_stats(f->model).totals.hosts_up == 1);
    assert_int_equal(model_stats(f->model).totals.hosts_untried, 1);
    sink->lost(sink->owner, "alpha", ERR_TIMEOUT, "silent");
    WAIT_UNTIL(site_is(f, "site-alpha", SITE_UNKNOWN));
}

static void *flood(void *arg)
{
    const struct sink *sink = arg;
    for (int i = 0; i < 2000; i++) {
        sink->report(sink->owner, new_report("alpha"));
        sink->lost(sink->owner, "beta", ERR_TIMEOUT, "silent");
    }
    return NULL;
}

static void flood_from_two_threads_is_bounded_and_ends_with_the_newest(void **state)
{
    struct fixture *f = *state;
    const struct sink *sink = model_sink(f->model);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, (void *)(uintptr_t)sink), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(model_stats(f->model).depth <= 2); /* one a host */
    sink->lost(sink->owner, "alpha", ERR_REFUSED, "refused");
    WAIT_UNTIL(site_is(f, "site-alpha", SITE_UNKNOWN));
}

static void reports_of_hosts_that_left_the_files_are_ignored(void **state)
{
    struct fixture *f = *state;
    const struct sink *sink = model_sink(f->model);
    sink->report(sink->owner, new_report("beta"));
    WAIT_UNTIL(site_is(f, "site-beta", SITE_RUNNING));
    fleet_box_replace(f->fleets, load(f, alpha));
    model_fleet_changed(f->model);
    sink->report(sink->owner, new_report("beta"));
    sink->report(sink->owner, new_report("alpha"));
    WAIT_UNTIL(site_is(f, "site-alpha", SITE_RUNNING));
    struct snapshot *snapshot = read_store(f);
    assert_null(snapshot_host(snapshot, "beta"));
    assert_null(snapshot_site(snapshot, "site-beta"));
    assert_null(snapshot_container(snapshot, "beta/web"));
    snapshot_free(snapshot);
    assert_null(recent_read(f->outputs.recent, KIND_CONTAINER, "beta/web"));
}

static void what_waits_at_the_end_is_still_written(void **state)
{
    struct fixture *f = *state;
    const struct sink *sink = model_sink(f->model);
    sink->report(sink->owner, new_report("alpha"));
    sink->report(sink->owner, new_report("beta"));
    model_stop(f->model);
    f->model = NULL;
    assert_true(store_flush(f->outputs.store, DEADLINE_US));
    assert_true(site_is(f, "site-alpha", SITE_RUNNING));
    assert_true(site_is(f, "site-beta", SITE_RUNNING));
}

static void cursors_of_logs_come_from_the_log_store(void **state)
{
    struct fixture *f = *state;
    const struct sink *sink = model_sink(f->model);
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    str_copy(batch->host, sizeof batch->host, "alpha");
    str_copy(batch->source, sizeof batch->source, "podman/web");
    str_copy(batch->cursor, sizeof batch->cursor, "c-17");
    batch->lines = xcalloc(1, sizeof *batch->lines);
    batch->count = 1;
    batch->lines[0] = (struct log_line){.at_us = clock_wall_us(), .text = xstrdup("hello"), .priority = 6};
    sink->logs(sink->owner, batch);
    char *cursors = sink->log_cursors(sink->owner, "alpha");
    assert_non_null(strstr(cursors, "c-17"));
    free(cursors);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(report_reaches_the_store_and_the_newest_hour),
        TEST(flood_from_two_threads_is_bounded_and_ends_with_the_newest),
        TEST(reports_of_hosts_that_left_the_files_are_ignored),
        TEST(what_waits_at_the_end_is_still_written),
        TEST(cursors_of_logs_come_from_the_log_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
