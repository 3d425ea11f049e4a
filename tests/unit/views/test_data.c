/* The data thread against a real store on disk: what is written comes to the drawing thread, and only then. Conditions
 * are waited for with a deadline. */
#include "tests/unit/views/console_stage.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/logs.h"
#include "store/store.h"
#include "tests/support/ssh_server.h"
#include "views/console/data.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

struct reading {
    char *dir;
    struct data *data;
    struct picture picture;
    struct wish wish;
    int wake_fd;
};

static struct reading *reading_new(bool with_store)
{
    struct reading *reading = xcalloc(1, sizeof *reading);
    reading->dir = test_dir_new();
    reading->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct synthetic what = {.environment = "test", .hosts = 3, .sites = 4, .now_us = clock_wall_us()};
    if (with_store)
        synthetic_store_write(reading->dir, &what);
    reading->data = data_start(reading->dir, NULL, reading->wake_fd);
    return reading;
}

static void reading_free(struct reading *reading)
{
    data_stop(reading->data);
    picture_clear(&reading->picture);
    close(reading->wake_fd);
    test_dir_free(reading->dir);
    free(reading);
}

/* Take what comes until the condition holds. */
static bool until(struct reading *reading, bool (*holds)(const struct picture *picture))
{
    int64_t end_us = clock_mono_us() + DEADLINE_US;
    uint64_t count;
    while (clock_mono_us() < end_us) {
        struct pollfd fd = {.fd = reading->wake_fd, .events = POLLIN};
        if (holds(&reading->picture))
            return true;
        if (poll(&fd, 1, 1000) > 0 && read(reading->wake_fd, &count, sizeof count) > 0)
            (void)data_take(reading->data, &reading->picture);
    }
    return false;
}

static bool has_snapshot(const struct picture *picture)
{
    return picture->snapshot && picture->snapshot->site_count == 4 && picture->jobs;
}

static bool has_fifth_site(const struct picture *picture)
{
    return picture->snapshot && snapshot_site(picture->snapshot, "new.example");
}

static bool has_sixth_site(const struct picture *picture)
{
    return has_fifth_site(picture) && snapshot_site(picture->snapshot, "newer.example");
}

static void put_site(struct store *store, const char *name)
{
    struct site_state site = {.status = SITE_RUNNING, .seen_us = clock_wall_us()};
    metrics_clear(site.metrics, SITE_METRIC_COUNT);
    str_copy(site.name, sizeof site.name, name);
    store_put_site(store, &site);
    assert_true(store_flush(store, DEADLINE_US));
}

static void changes_of_the_store_arrive_one_after_the_other(void **state)
{
    (void)state;
    struct reading *reading = reading_new(true);
    struct store *store;
    assert_true(until(reading, has_snapshot));
    assert_int_equal(store_open(reading->dir, &store, NULL), ERR_OK);
    put_site(store, "new.example");
    assert_true(until(reading, has_fifth_site));
    put_site(store, "newer.example"); /* by now both snapshots went back and forth */
    assert_true(until(reading, has_sixth_site));
    store_close(store);
    reading_free(reading);
}

static bool has_wishes(const struct picture *picture)
{
    const struct spark *spark = sparks_find(picture->sparks, KIND_SITE, "garden0000.example");
    bool history = picture->history && picture->history->points.count > 0;
    bool logs = picture->logs && picture->logs->lines.count >= 40;
    bool events = picture->events && picture->events->list.items.count > 0;
    return spark && spark->count > 0 && history && logs && events && picture->job && picture->job->found;
}

static void wish_for(struct reading *reading, const char *site)
{
    struct wish *wish = &reading->wish;
    memset(wish, 0, sizeof *wish);
    wish->spark_kind = KIND_SITE;
    wish->spark_count = 1;
    str_copy(wish->spark_keys[0], sizeof wish->spark_keys[0], site);
    wish->history = wish->events = wish->logs = true;
    wish->history_of = wish->events_of = wish->logs_of = subject_of(KIND_SITE, site);
    wish->range_us = 3 * 3600 * USEC_PER_SEC;
    wish->job = 1;
    str_copy(wish->log_site, sizeof wish->log_site, site);
    wish->log_lines = 100;
    data_wish(reading->data, wish);
}

static void what_is_wished_for_comes(void **state)
{
    (void)state;
    struct reading *reading = reading_new(true);
    wish_for(reading, "garden0000.example");
    assert_true(until(reading, has_wishes));
    assert_string_equal(reading->picture.logs->of.key, "garden0000.example");
    const struct log_tail_line *lines = reading->picture.logs->lines.items;
    assert_true(lines[0].at_us <= lines[reading->picture.logs->lines.count - 1].at_us);
    reading_free(reading);
}

static bool has_new_line(const struct picture *picture)
{
    const struct log_tail *tail = picture->logs;
    return tail && tail->lines.count > 0 &&
           strcmp(tail->lines.items[tail->lines.count - 1].text, "the newest line") == 0;
}

static void log_is_followed(void **state)
{
    (void)state;
    struct reading *reading = reading_new(true);
    wish_for(reading, "garden0000.example");
    assert_true(until(reading, has_wishes));
    struct log_store *logs;
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    assert_int_equal(log_store_open(reading->dir, 7, &logs, NULL), ERR_OK);
    str_copy(batch->host, sizeof batch->host, "host02");
    str_copy(batch->site, sizeof batch->site, "garden0000.example");
    str_copy(batch->container, sizeof batch->container, "web");
    str_copy(batch->source, sizeof batch->source, "podman/web");
    str_copy(batch->cursor, sizeof batch->cursor, "2");
    batch->lines = xcalloc(1, sizeof *batch->lines);
    batch->lines[batch->count++] = (struct log_line){.at_us = clock_wall_us(), .text = xstrdup("the newest line")};
    log_store_append(logs, batch);
    assert_true(log_store_flush(logs, DEADLINE_US));
    assert_true(until(reading, has_new_line));
    log_store_close(logs);
    reading_free(reading);
}

static bool has_problem(const struct picture *picture)
{
    return picture->problem && picture->problem[0];
}

static bool has_recovered(const struct picture *picture)
{
    return picture->problem && !picture->problem[0] && picture->snapshot;
}

static void store_that_is_made_later_is_found(void **state)
{
    (void)state;
    struct reading *reading = reading_new(false);
    assert_true(until(reading, has_problem));
    struct synthetic what = {.environment = "test", .hosts = 1, .sites = 1, .now_us = clock_wall_us()};
    synthetic_store_write(reading->dir, &what);
    assert_true(until(reading, has_recovered));
    reading_free(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_of_the_store_arrive_one_after_the_other),
        cmocka_unit_test(what_is_wished_for_comes),
        cmocka_unit_test(log_is_followed),
        cmocka_unit_test(store_that_is_made_later_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
