/* The store: what is put is what is read, also after errors, with a damaged or newer file, and when nobody may write.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/audit.h"
#include "store/database.h"
#include "store/lock.h"
#include "store/reader.h"
#include "store/store.h"
#include "tests/unit/store/temp_dir.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

struct fixture {
    char *dir;
    struct store *store;
    struct store_reader *reader;
};

static void open_store(struct fixture *f)
{
    struct err_info info = {0};
    if (store_open(f->dir, &f->store, &info) != ERR_OK)
        fail_msg("%s", info.message);
}

static void open_reader(struct fixture *f)
{
    struct err_info info = {0};
    if (store_reader_open(f->dir, &f->reader, &info) != ERR_OK)
        fail_msg("%s", info.message);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = temp_dir_new();
    open_store(f);
    open_reader(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_reader_close(f->reader);
    store_close(f->store);
    temp_dir_free(f->dir);
    free(f);
    return 0;
}

static void flush(struct fixture *f)
{
    assert_true(store_flush(f->store, DEADLINE_US));
}

static struct snapshot *snapshot(struct fixture *f)
{
    struct err_info info = {0};
    struct snapshot *out;
    if (store_read_snapshot(f->reader, &out, &info) != ERR_OK)
        fail_msg("%s", info.message);
    return out;
}

static struct host_state a_host(const char *name)
{
    struct host_state host = {
        .status = HOST_UP, .since_us = 11, .seen_us = 12, .containers_running = 3, .containers_total = 4};
    str_copy(host.name, sizeof host.name, name);
    str_copy(host.address, sizeof host.address, "192.0.2.1");
    str_copy(host.os, sizeof host.os, "Debian \"12\"; DROP TABLE host;--");
    metrics_clear(host.metrics, HOST_METRIC_COUNT);
    host.metrics[HOST_CPU] = 12.5;
    host.metrics[HOST_LAG] = 7;
    return host;
}

static struct container_state a_container(const char *host, const char *name)
{
    struct container_state container = {
        .state = RUN_RUNNING, .health = HEALTH_HEALTHY, .exit_code = -3, .oom_killed = true};
    str_format(container.key, sizeof container.key, "%s/%s", host, name);
    str_copy(container.host, sizeof container.host, host);
    str_copy(container.name, sizeof container.name, name);
    metrics_clear(container.metrics, CONTAINER_METRIC_COUNT);
    container.metrics[CONTAINER_RESTARTS] = 2;
    return container;
}

static struct site_state a_site(const char *name)
{
    struct site_state site = {.declared = true, .host_count = 1, .status = SITE_DEGRADED, .health = HEALTH_STARTING};
    str_copy(site.name, sizeof site.name, name);
    str_copy(site.member, sizeof site.member, "Größe & Söhne");
    metrics_clear(site.metrics, SITE_METRIC_COUNT);
    return site;
}

static void test_every_field_of_a_host_comes_back(void **state)
{
    struct fixture *f = *state;
    struct host_state host = a_host("mosh01");
    host.reason_code = ERR_HOST_KEY;
    store_put_host(f->store, &host);
    flush(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->host_count, 1);
    struct host_state got = s->hosts[0];
    assert_true(isnan(got.metrics[HOST_CPU_IOWAIT]));
    for (int i = 0; i < HOST_METRIC_COUNT; i++)
        if (isnan(host.metrics[i])) {
            assert_true(isnan(got.metrics[i]));
            got.metrics[i] = host.metrics[i] = 0;
        }
    assert_memory_equal(&got, &host, sizeof host);
    snapshot_free(s);
}

static void test_every_kind_comes_back_sorted_by_key(void **state)
{
    struct fixture *f = *state;
    struct container_state containers[] = {a_container("b", "x"), a_container("a", "z"), a_container("a", "y")};
    for (size_t i = 0; i < 3; i++)
        store_put_container(f->store, &containers[i]);
    struct site_state site = a_site("example.org");
    store_put_site(f->store, &site);
    struct volume_state volume = {.key = "a/data", .name = "data", .host = "a", .driver = "local", .stale = true};
    metrics_clear(volume.metrics, VOLUME_METRIC_COUNT);
    volume.metrics[VOLUME_USED] = 1e12;
    store_put_volume(f->store, &volume);
    flush(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->container_count, 3);
    assert_string_equal(s->containers[0].key, "a/y");
    assert_string_equal(s->containers[1].key, "a/z");
    assert_string_equal(s->containers[2].key, "b/x");
    assert_int_equal(s->containers[0].exit_code, -3);
    assert_true(s->containers[0].oom_killed);
    assert_string_equal(s->sites[0].member, "Größe & Söhne");
    assert_true(s->volumes[0].stale);
    assert_true(s->volumes[0].metrics[VOLUME_USED] == 1e12);
    assert_non_null(snapshot_container(s, "a/z"));
    assert_null(snapshot_container(s, "a/zz"));
    assert_null(snapshot_site(s, ""));
    snapshot_free(s);
}

static void test_the_last_put_wins_and_removal_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    struct host_state host = a_host("h");
    for (uint32_t i = 0; i < 5000; i++) {
        host.containers_total = i;
        store_put_host(f->store, &host);
    }
    struct container_state gone = a_container("h", "gone"), back = a_container("h", "back");
    store_put_container(f->store, &gone);
    store_remove(f->store, KIND_CONTAINER, "h/gone");
    store_put_container(f->store, &back);
    store_remove(f->store, KIND_CONTAINER, "h/back");
    store_put_container(f->store, &back);
    flush(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->hosts[0].containers_total, 4999);
    assert_int_equal(s->container_count, 1);
    assert_string_equal(s->containers[0].name, "back");
    snapshot_free(s);
}

static void test_keep_only_removes_what_vanished_of_that_host_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"a/two", "a/one"};
    struct container_state all[] = {
        a_container("a", "one"), a_container("a", "two"), a_container("a", "three"), a_container("b", "four")};
    for (size_t i = 0; i < 4; i++)
        store_put_container(f->store, &all[i]);
    store_keep_only(f->store, KIND_CONTAINER, "a", keys, 2);
    store_put_container(f->store, &all[2]); /* came back after that */
    flush(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->container_count, 4);
    store_keep_only(f->store, KIND_CONTAINER, "a", NULL, 0);
    flush(f);
    struct err_info info = {0};
    assert_int_equal(store_refresh_snapshot(f->reader, &s, &info), ERR_OK);
    assert_int_equal(s->container_count, 1);
    assert_string_equal(s->containers[0].key, "b/four");
    snapshot_free(s);
}

static void test_a_refresh_is_the_same_as_reading_anew(void **state)
{
    struct fixture *f = *state;
    struct snapshot *s = NULL;
    char name[NAME_SIZE];
    unsigned seed = 7;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 20; i++) {
            seed = seed * 1103515245u + 12345u;
            str_format(name, sizeof name, "site%u.example", (seed >> 16) % 100);
            struct site_state site = a_site(name);
            site.seen_us = seed;
            if ((seed >> 8) % 7 == 0)
                store_remove(f->store, KIND_SITE, name);
            else
                store_put_site(f->store, &site);
        }
        flush(f);
        assert_int_equal(store_refresh_snapshot(f->reader, &s, NULL), ERR_OK);
        struct snapshot *fresh = snapshot(f);
        assert_int_equal(s->site_count, fresh->site_count);
        for (size_t i = 0; i < s->site_count; i++) {
            assert_string_equal(s->sites[i].name, fresh->sites[i].name);
            assert_int_equal(s->sites[i].seen_us, fresh->sites[i].seen_us);
        }
        snapshot_free(fresh);
    }
    snapshot_free(s);
}

static void test_a_reader_notices_changes_and_only_changes(void **state)
{
    struct fixture *f = *state;
    assert_true(store_reader_changed(f->reader));
    assert_false(store_reader_changed(f->reader));
    store_put_fleet(f->store, "example-coop", "test", 10000000);
    double metrics[ENGINE_METRIC_COUNT];
    metrics_clear(metrics, ENGINE_METRIC_COUNT);
    metrics[ENGINE_MEM] = 5e6;
    store_put_engine(f->store, metrics);
    flush(f);
    assert_true(store_reader_changed(f->reader));
    struct snapshot *s = snapshot(f);
    assert_string_equal(s->fleet, "example-coop");
    assert_string_equal(s->environment, "test");
    assert_int_equal(s->interval_us, 10000000);
    assert_true(s->engine_at_us > 0 && s->engine[ENGINE_MEM] == 5e6 && isnan(s->engine[ENGINE_CPU]));
    snapshot_free(s);
}

static void test_events_are_filtered_and_paged_newest_first(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 10; i++) {
        struct event event = {
            .at_us = i * 100, .severity = SEVERITY_NOTICE, .kind = "container.died", .object_kind = KIND_CONTAINER};
        str_format(event.object, sizeof event.object, "h%d/web", i % 2);
        str_format(event.host, sizeof event.host, "h%d", i % 2);
        str_format(event.text, sizeof event.text, "number %d", i);
        store_add_event(f->store, &event);
    }
    flush(f);
    struct event_list list;
    struct event_filter filter = {.object_kind = KIND_CONTAINER, .object = "h1/web", .since_us = 300, .limit = 2};
    assert_int_equal(store_read_events(f->reader, &filter, &list, NULL), ERR_OK);
    assert_int_equal(list.items.count, 2);
    assert_string_equal(list.items.items[0].text, "number 9");
    filter.before_id = list.items.items[1].id;
    event_list_free(&list);
    filter.limit = 0;
    assert_int_equal(store_read_events(f->reader, &filter, &list, NULL), ERR_OK);
    assert_int_equal(list.items.count, 2); /* 5 and 3 */
    assert_string_equal(list.items.items[1].text, "number 3");
    event_list_free(&list);
}

static void test_a_job_with_a_shorter_plan_has_no_steps_of_the_longer_one(void **state)
{
    struct fixture *f = *state;
    struct err_info info;
    struct job_record read, job = {.action = "restart", .object_kind = KIND_SITE, .object = "example.org"};
    struct job_step_list steps;
    assert_int_equal(store_job_create(f->store, &job, &info), ERR_OK);
    for (int i = 0; i < 5; i++) {
        struct job_step_record step = {.job_id = job.id, .index = i, .name = "stop"};
        assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_OK);
    }
    assert_int_equal(store_job_steps_cut(f->store, job.id, 2, &info), ERR_OK);
    assert_int_equal(store_job(f->store, job.id, &read, &steps, &info), ERR_OK);
    assert_int_equal(steps.items.count, 2);
    assert_int_equal(steps.items.items[1].index, 1);
    job_step_list_free(&steps);
    job_record_free(&read);
}

static void test_a_job_and_its_steps_survive_the_engine(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    struct job_record job = {.action = "restart",
        .object_kind = KIND_SITE,
        .object = "example.org",
        .who = "anna",
        .state = JOB_PLANNED,
        .progress_pct = -1,
        .plan_json = xstrdup("{\"steps\":[]}")};
    assert_int_equal(store_job_create(f->store, &job, &info), ERR_OK);
    assert_true(job.id > 0 && job.created_us > 0);
    job.state = JOB_RUNNING;
    job.progress_pct = 40;
    assert_int_equal(store_job_update(f->store, &job, &info), ERR_OK);
    struct job_step_record step = {
        .job_id = job.id, .index = 1, .name = "stop", .state = STEP_RUNNING, .command = xstrdup("podman stop -- web")};
    assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_OK);
    step.state = STEP_DONE;
    step.outcome = xstrdup("ended by TERM");
    step.pass = 2;
    step.done_bytes = INT64_C(5) << 40;
    step.total_bytes = -1;
    step.bytes_s = 1234567;
    step.alive_us = job.created_us + 17;
    assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_OK);
    store_close(f->store);
    open_store(f);

    struct job_list unfinished;
    assert_int_equal(store_jobs_unfinished(f->store, &unfinished, &info), ERR_OK);
    assert_int_equal(unfinished.items.count, 1);
    struct job_record read;
    struct job_step_list steps;
    assert_int_equal(store_read_job(f->reader, job.id, &read, &steps, &info), ERR_OK);
    assert_string_equal(read.plan_json, "{\"steps\":[]}");
    assert_int_equal(read.progress_pct, 40);
    assert_int_equal(steps.items.count, 1);
    assert_int_equal(steps.items.items[0].state, STEP_DONE);
    assert_string_equal(steps.items.items[0].outcome, "ended by TERM");
    assert_string_equal(steps.items.items[0].undo, "");
    assert_int_equal(steps.items.items[0].pass, 2);
    assert_int_equal(steps.items.items[0].done_bytes, INT64_C(5) << 40);
    assert_int_equal(steps.items.items[0].total_bytes, -1);
    assert_int_equal(steps.items.items[0].bytes_s, 1234567);
    assert_int_equal(steps.items.items[0].alive_us, job.created_us + 17);
    job_record_free(&read);
    job_step_list_free(&steps);
    job_list_free(&unfinished);

    job.state = JOB_DONE;
    assert_int_equal(store_job_update(f->store, &job, &info), ERR_OK);
    assert_int_equal(store_jobs_unfinished(f->store, &unfinished, &info), ERR_OK);
    assert_int_equal(unfinished.items.count, 0);
    job_list_free(&unfinished);
    job_record_free(&job);
    job_step_record_free(&step);
}

static void test_a_step_or_state_of_an_unknown_job_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    struct job_step_record step = {.job_id = 99, .name = "stop"};
    struct job_record job = {.id = 99}, out;
    assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_NOT_FOUND);
    assert_int_equal(store_job_update(f->store, &job, &info), ERR_NOT_FOUND);
    assert_int_equal(store_read_job(f->reader, 99, &out, NULL, &info), ERR_NOT_FOUND);
    assert_string_equal(info.message, "there is no job 99");
}

/* Change the file as somebody with sqlite3 at hand would. */
static void tamper(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    char *path = paths_join(f->dir, "dogwatch.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static bool count_entry(void *arg, const struct audit_entry *entry)
{
    *(int *)arg += entry->uid == 1000;
    return true;
}

static void test_the_audit_chain_finds_what_was_changed_by_hand(void **state)
{
    static const struct {
        const char *sql;
        int64_t first_bad;
    } cases[] = {
        {"UPDATE audit SET who = 'nobody' WHERE id = 3", 3},
        {"UPDATE audit SET who = 'anna1', uid = 0 WHERE id = 5", 5},
        {"DELETE FROM audit WHERE id = 2", 3},
        {"DELETE FROM audit WHERE id = 6", 6},
        {"UPDATE audit SET text = object || text, object = '' WHERE id = 4", 4},
    };
    struct fixture *f = *state;
    struct err_info info = {0};
    int64_t bad;
    for (int i = 0; i < 6; i++)
        assert_int_equal(store_audit_add(f->store, "anna", 1000, "restart", "example.org", "because", &info), ERR_OK);
    assert_int_equal(store_audit_verify(f->reader, &bad, &info), ERR_OK);
    int count = 0;
    assert_int_equal(store_read_audit(f->reader, 4, count_entry, &count, &info), ERR_OK);
    assert_int_equal(count, 4);
    tamper(f, "CREATE TABLE kept AS SELECT * FROM audit");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tamper(f, cases[i].sql);
        assert_int_equal(store_audit_verify(f->reader, &bad, &info), ERR_CORRUPT);
        assert_int_equal(bad, cases[i].first_bad);
        tamper(f, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept");
        assert_int_equal(store_audit_verify(f->reader, &bad, &info), ERR_OK);
    }
}

static void test_no_store_says_what_to_start(void **state)
{
    (void)state;
    struct err_info info = {0};
    struct store_reader *reader;
    assert_int_equal(store_reader_open("/nonexistent/dir", &reader, &info), ERR_NOT_FOUND);
    assert_null(reader);
    assert_string_equal(info.message, "no store at /nonexistent/dir: start `dogwatch engine`");
}

static void test_a_newer_schema_is_refused_untouched(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    struct store *store;
    struct store_reader *reader;
    tamper(f, "PRAGMA user_version = 99");
    assert_int_equal(store_open(f->dir, &store, &info), ERR_VERSION);
    assert_null(store);
    assert_non_null(strstr(info.message, "has schema version 99, this dogwatch knows up to "));
    assert_int_equal(store_reader_open(f->dir, &reader, &info), ERR_VERSION);
    char back[64];
    str_format(back, sizeof back, "PRAGMA user_version = %d", SCHEMA_VERSION);
    tamper(f, back);
}

/* Columns are only ever added, so a file of version 1 is one without those that came later. */
static void test_jobs_of_an_older_file_are_kept_and_get_the_new_columns(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    struct job_record job = {.action = "restart", .object = "example.org"}, read;
    struct job_step_record step = {.name = "lease", .state = STEP_DONE};
    struct job_step_list steps;
    assert_int_equal(store_job_create(f->store, &job, &info), ERR_OK);
    step.job_id = job.id;
    assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_OK);
    store_close(f->store);
    store_reader_close(f->reader);
    tamper(f, "ALTER TABLE job_step DROP COLUMN pass; ALTER TABLE job_step DROP COLUMN done_bytes;"
              "ALTER TABLE job_step DROP COLUMN total_bytes; ALTER TABLE job_step DROP COLUMN bytes_s;"
              "ALTER TABLE job_step DROP COLUMN alive_us; PRAGMA user_version = 1");
    assert_int_equal(store_reader_open(f->dir, &f->reader, &info), ERR_VERSION);
    assert_non_null(strstr(info.message, "written by an older dogwatch"));
    open_store(f);
    open_reader(f);
    step.bytes_s = 42;
    step.index = 1;
    assert_int_equal(store_job_step_put(f->store, &step, &info), ERR_OK);
    assert_int_equal(store_read_job(f->reader, job.id, &read, &steps, &info), ERR_OK);
    assert_int_equal(steps.items.count, 2);
    assert_string_equal(steps.items.items[0].name, "lease");
    assert_int_equal(steps.items.items[0].total_bytes, 0);
    assert_int_equal(steps.items.items[1].bytes_s, 42);
    job_record_free(&read);
    job_step_list_free(&steps);
}

static void test_sites_of_an_older_file_are_kept_and_get_marks(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    struct snapshot *snapshot;
    struct site_state site = {.name = "example.org", .host = "mosh01", .status = SITE_RUNNING};
    store_put_site(f->store, &site);
    store_close(f->store);
    store_reader_close(f->reader);
    tamper(f, "ALTER TABLE site DROP COLUMN mark; ALTER TABLE site DROP COLUMN mark_job;"
              "ALTER TABLE site DROP COLUMN mark_since_us; ALTER TABLE site DROP COLUMN kept_host;"
              "ALTER TABLE site DROP COLUMN kept_until_us; ALTER TABLE container DROP COLUMN mark;"
              "ALTER TABLE container DROP COLUMN starts_at_boot; PRAGMA user_version = 2");
    open_store(f);
    str_copy(site.name, sizeof site.name, "other.example");
    site.mark = MARK_QUARANTINED;
    str_copy(site.mark_job, sizeof site.mark_job, "12");
    site.kept_until_us = 77;
    store_put_site(f->store, &site);
    store_close(f->store);
    open_store(f);
    open_reader(f);
    assert_int_equal(store_read_snapshot(f->reader, &snapshot, &info), ERR_OK);
    assert_int_equal(snapshot_site(snapshot, "example.org")->mark, MARK_NONE);
    assert_string_equal(snapshot_site(snapshot, "example.org")->host, "mosh01");
    assert_int_equal(snapshot_site(snapshot, "other.example")->mark, MARK_QUARANTINED);
    assert_string_equal(snapshot_site(snapshot, "other.example")->mark_job, "12");
    assert_int_equal(snapshot_site(snapshot, "other.example")->kept_until_us, 77);
    snapshot_free(snapshot);
}

static void test_a_damaged_file_is_set_aside_and_said(void **state)
{
    struct fixture *f = *state;
    store_reader_close(f->reader);
    f->reader = NULL;
    struct host_state host = a_host("h");
    store_put_host(f->store, &host);
    store_close(f->store);
    char *path = paths_join(f->dir, "dogwatch.db");
    int fd = open(path, O_WRONLY);
    for (off_t at = 4096; at < 40960; at += 64)
        assert_int_equal(pwrite(fd, "garbage garbage garbage", 23, at), 23);
    close(fd);
    free(path);
    open_store(f);
    struct store_stats stats;
    store_stats(f->store, &stats);
    assert_non_null(strstr(stats.notice, "was damaged"));
    assert_non_null(strstr(stats.notice, "dogwatch.db.corrupt-"));
    store_put_host(f->store, &host);
    flush(f);
    open_reader(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->host_count, 1);
    snapshot_free(s);
}

static void test_a_reader_follows_when_the_file_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct host_state host = a_host("old");
    store_put_host(f->store, &host);
    flush(f);
    struct snapshot *s = snapshot(f);
    store_close(f->store);
    char *from = paths_join(f->dir, "dogwatch.db"), *to = paths_join(f->dir, "aside");
    assert_int_equal(rename(from, to), 0);
    char *wal = paths_join(f->dir, "dogwatch.db-wal"), *shm = paths_join(f->dir, "dogwatch.db-shm");
    unlink(wal);
    unlink(shm);
    open_store(f);
    host = a_host("new");
    store_put_host(f->store, &host);
    flush(f);
    assert_true(store_reader_changed(f->reader));
    assert_int_equal(store_refresh_snapshot(f->reader, &s, NULL), ERR_OK);
    assert_int_equal(s->host_count, 1);
    assert_string_equal(s->hosts[0].name, "new");
    snapshot_free(s);
    free(from);
    free(to);
    free(wal);
    free(shm);
}

static void test_a_reader_works_when_the_engine_is_dead(void **state)
{
    struct fixture *f = *state;
    struct host_state host = a_host("h");
    store_put_host(f->store, &host);
    store_close(f->store);
    f->store = NULL;
    store_reader_close(f->reader);
    open_reader(f);
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->host_count, 1);
    snapshot_free(s);
}

static bool wait_until_failing(struct store *store, bool failing)
{
    struct store_stats stats;
    for (int64_t end = clock_mono_us() + DEADLINE_US; clock_mono_us() < end; usleep(5000)) {
        store_stats(store, &stats);
        if ((stats.last_error[0] != '\0') == failing)
            return true;
    }
    return false;
}

/* A limit on the size of files makes the disk full for this process alone. */
static void test_a_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, before;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &limit);
    struct host_state host = a_host("h");
    store_put_host(f->store, &host);
    struct event event = {.kind = "host.up", .object_kind = KIND_HOST, .object = "h"};
    for (int i = 0; i < 1500; i++)
        store_add_event(f->store, &event);
    assert_true(wait_until_failing(f->store, true));
    struct store_stats stats;
    store_stats(f->store, &stats);
    assert_true(stats.failing_since_us > 0 && stats.depth > 0);
    struct job_record job = {.action = "restart"};
    struct err_info info = {0};
    assert_int_not_equal(store_job_create(f->store, &job, &info), ERR_OK);
    host.containers_total = 77; /* newer than what waits */
    store_put_host(f->store, &host);
    setrlimit(RLIMIT_FSIZE, &before);
    flush(f);
    assert_true(wait_until_failing(f->store, false));
    struct snapshot *s = snapshot(f);
    assert_int_equal(s->hosts[0].containers_total, 77);
    struct event_list list;
    struct event_filter filter = {.object_kind = -1, .limit = 5000};
    assert_int_equal(store_read_events(f->reader, &filter, &list, NULL), ERR_OK);
    assert_int_equal(list.items.count, 1500);
    event_list_free(&list);
    snapshot_free(s);
    store_stats(f->store, &stats);
    assert_int_equal(stats.dropped, 0);
}

static void test_one_engine_per_state_directory(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    int first, second;
    char expected[64];
    assert_int_equal(store_lock_holder(f->dir), 0);
    assert_int_equal(store_lock(f->dir, &first, &info), ERR_OK);
    assert_int_equal(store_lock(f->dir, &second, &info), ERR_BUSY);
    assert_int_equal(second, -1);
    str_format(expected, sizeof expected, "another engine (process %ld)", (long)getpid());
    assert_non_null(strstr(info.message, expected));
    assert_int_equal(store_lock_holder(f->dir), getpid());
    close(first);
    assert_int_equal(store_lock_holder(f->dir), 0);
    assert_int_equal(store_lock(f->dir, &second, &info), ERR_OK);
    close(second);
}

static void put_until_killed(const char *dir, int ready)
{
    struct store *store;
    if (store_open(dir, &store, NULL) != ERR_OK)
        _exit(1);
    for (uint32_t i = 1;; i++) {
        struct host_state host = a_host("h");
        struct job_record job = {.action = "restart"};
        host.containers_total = i;
        store_put_host(store, &host);
        if (store_job_create(store, &job, NULL) != ERR_OK)
            _exit(1);
        if (write(ready, &job.id, sizeof job.id) != sizeof job.id)
            _exit(1);
    }
}

/* What was promised as durable before the kill is there after it; and the file opens. */
static void test_kill_9_leaves_a_store_that_opens_with_every_job(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    f->store = NULL;
    int64_t last = 0;
    for (int round = 0; round < 8; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            put_until_killed(f->dir, ends[1]);
        close(ends[1]);
        for (int i = 0; i <= round * 7; i++)
            assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
        kill(child, SIGKILL);
        while (read(ends[0], &last, sizeof last) == sizeof last)
            continue;
        close(ends[0]);
        waitpid(child, NULL, 0);
        open_store(f);
        struct store_stats stats;
        store_stats(f->store, &stats);
        assert_string_equal(stats.notice, "");
        struct job_list jobs;
        assert_int_equal(store_jobs(f->store, 0, &jobs, NULL), ERR_OK);
        assert_in_range(jobs.items.count, (size_t)last, (size_t)last + 1);
        job_list_free(&jobs);
        store_close(f->store);
        f->store = NULL;
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_every_field_of_a_host_comes_back),
        CASE(test_every_kind_comes_back_sorted_by_key),
        CASE(test_the_last_put_wins_and_removal_keeps_its_order),
        CASE(test_keep_only_removes_what_vanished_of_that_host_alone),
        CASE(test_a_refresh_is_the_same_as_reading_anew),
        CASE(test_a_reader_notices_changes_and_only_changes),
        CASE(test_events_are_filtered_and_paged_newest_first),
        CASE(test_a_job_and_its_steps_survive_the_engine),
        CASE(test_a_job_with_a_shorter_plan_has_no_steps_of_the_longer_one),
        CASE(test_a_step_or_state_of_an_unknown_job_is_refused),
        CASE(test_the_audit_chain_finds_what_was_changed_by_hand),
        CASE(test_no_store_says_what_to_start),
        CASE(test_a_newer_schema_is_refused_untouched),
        CASE(test_jobs_of_an_older_file_are_kept_and_get_the_new_columns),
        CASE(test_sites_of_an_older_file_are_kept_and_get_marks),
        CASE(test_a_damaged_file_is_set_aside_and_said),
        CASE(test_a_reader_follows_when_the_file_is_replaced),
        CASE(test_a_reader_works_when_the_engine_is_dead),
        CASE(test_a_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again),
        CASE(test_one_engine_per_state_directory),
        CASE(test_kill_9_leaves_a_store_that_opens_with_every_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
