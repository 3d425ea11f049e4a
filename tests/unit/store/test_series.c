/* Time series: what was appended comes back, gaps stay unknown, replays change nothing, and files follow the table. */
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
#include <rrd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fleet/state.h"
#include "store/series.h"
#include "store/series_file.h"
#include "tests/unit/store/temp_dir.h"

#define DEADLINE_US (20 * USEC_PER_SEC)
#define S USEC_PER_SEC
#define T0 (INT64_C(1790000000) / 86400 * 86400 * S) /* some midnight */

struct fixture {
    char *dir;
    struct series *series;
};

static void open_series(struct fixture *f, int64_t interval_us)
{
    struct err_info info = {0};
    if (series_open(f->dir, interval_us, &f->series, &info) != ERR_OK)
        fail_msg("%s", info.message);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = temp_dir_new();
    clock_freeze_wall(T0 + 86400 * S);
    open_series(f, 10 * S);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    series_close(f->series);
    temp_dir_free(f->dir);
    free(f);
    clock_freeze_wall(0);
    return 0;
}

static void append_host(struct fixture *f, const char *name, int64_t at_us, double cpu)
{
    double values[HOST_METRIC_COUNT];
    for (int i = 0; i < HOST_METRIC_COUNT; i++)
        values[i] = (double)NAN;
    values[HOST_CPU] = cpu;
    values[HOST_MEM_USED] = 123456789012.0;
    series_append(f->series, KIND_HOST, name, at_us, values);
}

static void append_site(struct fixture *f, const char *name, int64_t at_us, double cpu)
{
    double values[SITE_METRIC_COUNT] = {0};
    values[SITE_CPU] = cpu;
    series_append(f->series, KIND_SITE, name, at_us, values);
}

static void flush(struct fixture *f)
{
    assert_true(series_flush(f->series, DEADLINE_US));
}

static struct series_points fetch(struct fixture *f, enum object_kind kind, const char *key, int metric,
    enum series_cf cf, int64_t start_us, int64_t end_us, size_t max_points)
{
    struct series_points points;
    struct err_info info = {0};
    if (series_fetch(f->dir, kind, key, metric, cf, start_us, end_us, max_points, &points, &info) != ERR_OK)
        fail_msg("%s", info.message);
    return points;
}

static void test_samples_come_back_with_their_time_and_gaps_stay_unknown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i <= 30; i++)
        if (i < 10 || i > 15) /* a minute and more is missing */
            append_host(f, "mosh01", T0 + i * 10 * S, i);
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "mosh01", HOST_CPU, SERIES_AVERAGE, T0, T0 + 300 * S, 0);
    assert_int_equal(p.step_us, 10 * S);
    assert_int_equal(p.columns, 1);
    assert_int_equal(p.metrics[0], HOST_CPU);
    assert_int_equal(p.first_us, T0 + 10 * S);
    assert_int_equal(p.count, 30);
    for (size_t i = 0; i < p.count; i++) {
        double step = (double)i + 1;
        if (step > 9 && step < 17)
            assert_true(isnan(p.values[i]));
        else
            assert_true(fabs(p.values[i] - step) < 1e-9);
    }
    series_points_free(&p);
}

static void test_all_metrics_come_in_the_order_of_the_table(void **state)
{
    struct fixture *f = *state;
    append_host(f, "h", T0 + 10 * S, 1);
    append_host(f, "h", T0 + 20 * S, 2);
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", -1, SERIES_AVERAGE, T0 + 10 * S, T0 + 20 * S, 0);
    assert_int_equal(p.count, 1);
    for (size_t i = 0; i < p.columns; i++) {
        double value = p.values[i];
        assert_true(metric_table(KIND_HOST)->metrics[p.metrics[i]].in_rrd);
        if (p.metrics[i] == HOST_CPU)
            assert_true(value == 2);
        else if (p.metrics[i] == HOST_MEM_USED)
            assert_true(value == 123456789012.0);
        else
            assert_true(isnan(value));
    }
    series_points_free(&p);
}

static void test_an_interval_of_one_second_is_consolidated(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i <= 60; i++) {
        append_host(f, "h", T0 + i * S + 250000, i % 10);
        append_site(f, "s", T0 + i * S, 50 + i % 2);
    }
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0 + 10 * S, T0 + 60 * S, 0);
    assert_int_equal(p.count, 5);
    for (size_t i = 0; i < p.count; i++)
        assert_true(fabs(p.values[i] - 4.5) < 0.6);
    series_points_free(&p);
    p = fetch(f, KIND_SITE, "s", SITE_CPU, SERIES_AVERAGE, T0, T0 + 60 * S, 0);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.step_us, 60 * S);
    assert_true(fabs(p.values[0] - 50.5) < 0.1);
    series_points_free(&p);
}

static void test_samples_of_one_step_are_one_update(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i <= 12; i++)
        append_site(f, "s", T0 + i * 10 * S, 1);
    flush(f);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_int_equal(stats.written, 13);
    assert_in_range(stats.updates, 1, 3);
    assert_int_equal(stats.depth, 0);
    assert_int_equal(stats.files, 1);
}

static void test_a_replay_changes_nothing(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i <= 6; i++)
            append_host(f, "h", T0 + i * 10 * S, round == 0 ? i : 1000);
        flush(f);
    }
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0, T0 + 60 * S, 0);
    assert_int_equal(p.count, 6);
    assert_true(fabs(p.values[5] - 6) < 1e-9);
    series_points_free(&p);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_string_equal(stats.last_error, "");
}

static void test_a_long_time_is_reduced_to_few_points_with_its_maximum(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i <= 6 * 60 * 6; i++) /* six hours */
        append_host(f, "h", T0 + i * 10 * S, i == 1000 ? 99 : 1);
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0, T0 + 6 * 3600 * S, 100);
    assert_in_range(p.count, 30, 100);
    assert_int_equal(p.first_us % p.step_us, 0);
    series_points_free(&p);
    p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_MAX, T0, T0 + 6 * 3600 * S, 20);
    assert_in_range(p.count, 5, 20);
    double highest = 0;
    for (size_t i = 0; i < p.count; i++)
        highest = p.values[i] > highest ? p.values[i] : highest;
    assert_true(highest > 98);
    series_points_free(&p);
}

static void test_hostile_keys_stay_in_their_directory(void **state)
{
    static const char *const keys[] = {
        "../../../etc/passwd", "a/b", "a%2Fb", ".hidden", "a\nb c", "host/SITE:/var/www"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        for (int j = 0; j <= 3; j++)
            append_site(f, keys[i], T0 + j * 20 * S, (double)i);
    }
    flush(f);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *path = series_path(f->dir, KIND_SITE, keys[i]), *directory = series_directory(f->dir, KIND_SITE);
        assert_true(str_starts(path, directory));
        assert_null(strchr(path + strlen(directory) + 1, '/'));
        assert_int_not_equal(path[strlen(directory) + 1], '.');
        struct series_points p = fetch(f, KIND_SITE, keys[i], SITE_CPU, SERIES_AVERAGE, T0, T0 + 60 * S, 0);
        assert_true(p.count == 1 && p.values[0] == (double)i);
        series_points_free(&p);
        free(path);
        free(directory);
    }
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_int_equal(stats.files, sizeof keys / sizeof keys[0]);
}

static void test_very_long_keys_have_files_of_their_own(void **state)
{
    (void)state;
    char a[400], b[400];
    memset(a, '/', sizeof a);
    a[399] = '\0';
    memcpy(b, a, sizeof b);
    b[398] = 'x';
    char *first = series_path("d", KIND_VOLUME, a), *second = series_path("d", KIND_VOLUME, b);
    assert_true(strlen(strrchr(first, '/') + 1) <= 250);
    assert_string_not_equal(first, second);
    free(first);
    free(second);
}

static void test_no_history_is_said_so(void **state)
{
    struct fixture *f = *state;
    struct series_points points;
    struct err_info info = {0};
    assert_int_equal(
        series_fetch(f->dir, KIND_HOST, "nobody", -1, SERIES_AVERAGE, T0, T0 + S, 0, &points, &info), ERR_NOT_FOUND);
    assert_string_equal(info.message, "there is no history of the host nobody yet");
    assert_int_equal(
        series_fetch(f->dir, KIND_HOST, "nobody", HOST_CORES, SERIES_AVERAGE, T0, T0 + S, 0, &points, &info),
        ERR_INVALID);
}

static void test_removing_deletes_the_file_and_what_waits(void **state)
{
    struct fixture *f = *state;
    struct series_points points;
    append_site(f, "gone", T0, 1);
    append_site(f, "gone", T0 + 60 * S, 1);
    flush(f);
    append_site(f, "gone", T0 + 70 * S, 1);
    series_remove(f->series, KIND_SITE, "gone");
    flush(f);
    assert_int_equal(
        series_fetch(f->dir, KIND_SITE, "gone", -1, SERIES_AVERAGE, T0, T0 + S, 0, &points, NULL), ERR_NOT_FOUND);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_true(stats.files == 0 && stats.total_bytes == 0 && stats.depth == 0);
}

static void test_histories_of_objects_long_gone_are_deleted_others_kept(void **state)
{
    struct fixture *f = *state;
    int64_t now_us = clock_wall_us();
    append_host(f, "gone", now_us - 20 * USEC_PER_SEC, 1);
    append_host(f, "kept", now_us - 20 * USEC_PER_SEC, 1);
    flush(f);
    series_close(f->series);
    char *gone = xasprintf("%s/rrd/host/gone.rrd", f->dir), *kept = xasprintf("%s/rrd/host/kept.rrd", f->dir);
    int64_t long_ago_s = now_us / USEC_PER_SEC - (SERIES_KEPT_DAYS + 1) * INT64_C(86400);
    const struct timespec times[2] = {{.tv_sec = long_ago_s}, {.tv_sec = long_ago_s}};
    assert_int_equal(utimensat(AT_FDCWD, gone, times, 0), 0);
    open_series(f, 10 * USEC_PER_SEC);
    assert_int_equal(access(gone, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    free(gone);
    free(kept);
}

static void append_container(struct fixture *f, const char *host, int number, int64_t at_us)
{
    double values[CONTAINER_METRIC_COUNT] = {0};
    char key[KEY_SIZE];
    str_format(key, sizeof key, "%s/made-up-%d", host, number);
    series_append(f->series, KIND_CONTAINER, key, at_us, values);
}

static uint64_t files_there(struct fixture *f)
{
    struct series_stats stats;
    series_stats(f->series, &stats);
    return stats.files;
}

static void test_a_host_that_makes_up_containers_has_no_more_files_than_its_room(void **state)
{
    struct fixture *f = *state;
    series_limit_files(f->series, 8);
    for (int i = 0; i < 100; i++)
        append_container(f, "bad", i, T0 + S);
    append_container(f, "good", 0, T0 + S);
    flush(f);
    assert_int_equal(files_there(f), 9);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_int_equal(stats.dropped, 92);
    series_close(f->series);
    open_series(f, 10 * S); /* what is there is counted again */
    series_limit_files(f->series, 8);
    append_container(f, "bad", 200, T0 + S);
    append_container(f, "bad", 3, T0 + 100 * S);
    flush(f);
    assert_int_equal(files_there(f), 9);
}

static void test_made_up_sites_count_for_the_host_that_reports_them(void **state)
{
    struct fixture *f = *state;
    double values[SITE_METRIC_COUNT] = {0};
    char key[KEY_SIZE];
    series_limit_files(f->series, 8);
    for (int i = 0; i < 100; i++) {
        str_format(key, sizeof key, "site-%d", i);
        series_append_from(f->series, "bad", KIND_SITE, key, T0 + S, values);
    }
    series_append_from(f->series, "good", KIND_SITE, "example.org", T0 + S, values);
    flush(f);
    assert_int_equal(files_there(f), 9);
}

static void test_the_oldest_of_what_is_gone_makes_room(void **state)
{
    struct fixture *f = *state;
    int64_t days_ago_s = clock_wall_us() / S - 3 * 86400;
    const struct timespec times[2] = {{.tv_sec = days_ago_s}, {.tv_sec = days_ago_s}};
    series_limit_files(f->series, 8);
    for (int i = 0; i < 8; i++)
        append_container(f, "busy", i, T0 + S);
    flush(f);
    char *gone = series_path(f->dir, KIND_CONTAINER, "busy/made-up-5");
    assert_int_equal(utimensat(AT_FDCWD, gone, times, 0), 0);
    append_container(f, "busy", 100, T0 + S);
    flush(f);
    assert_int_equal(access(gone, F_OK), -1);
    assert_int_equal(files_there(f), 8);
    char *fresh = series_path(f->dir, KIND_CONTAINER, "busy/made-up-100");
    assert_int_equal(access(fresh, F_OK), 0);
    free(gone);
    free(fresh);
}

static void test_the_predicted_size_is_the_size(void **state)
{
    struct fixture *f = *state;
    append_host(f, "h", T0, 1);
    append_site(f, "s", T0, 1);
    flush(f);
    struct series_stats stats;
    series_stats(f->series, &stats);
    double predicted = (double)(series_predicted_bytes(KIND_HOST, 1) + series_predicted_bytes(KIND_SITE, 1));
    assert_true(fabs(predicted - (double)stats.total_bytes) < 4096);
}

static int heartbeat_of(const char *path, const char *source)
{
    char key[64];
    int found = -1;
    str_format(key, sizeof key, "ds[%s].minimal_heartbeat", source);
    rrd_info_t *first = rrd_info_r(path);
    for (const rrd_info_t *at = first; at; at = at->next)
        if (strcmp(at->key, key) == 0)
            found = (int)at->value.u_cnt;
    rrd_info_free(first);
    return found;
}

/* A file as an older dogwatch would have made it: fewer sources, in another order. */
static void test_a_file_of_an_older_table_is_extended_and_keeps_its_history(void **state)
{
    struct fixture *f = *state;
    const char *arguments[] = {
        "DS:mem_used_bytes:GAUGE:30:U:U", "DS:cpu_pct:GAUGE:30:U:U", "RRA:AVERAGE:0.5:1:10080", "RRA:MAX:0.5:5:8928"};
    char *path = series_path(f->dir, KIND_SITE, "old");
    assert_int_equal(rrd_create_r2(path, 60, T0 / S - 1, 1, NULL, NULL, 4, arguments), 0);
    char first[64], second[64];
    str_format(first, sizeof first, "%lld:7:8", (long long)(T0 / S));
    str_format(second, sizeof second, "%lld:7:8", (long long)(T0 / S + 20));
    const char *updates[] = {first, second};
    assert_int_equal(rrd_update_r(path, NULL, 2, updates), 0);
    for (int i = 4; i <= 18; i++)
        append_site(f, "old", T0 + i * 10 * S, 8);
    flush(f);
    struct series_points p = fetch(f, KIND_SITE, "old", -1, SERIES_AVERAGE, T0, T0 + 180 * S, 0);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.metrics[0], SITE_CPU);
    assert_true(p.values[0] == 8);
    assert_true(p.values[2 * p.columns] == 8);
    assert_true(p.values[2 * p.columns + 2] == 0); /* net_rx: a source that was added */
    series_points_free(&p);
    free(path);
}

static void test_a_longer_interval_moves_the_heartbeat_of_existing_files(void **state)
{
    struct fixture *f = *state;
    char *path = series_path(f->dir, KIND_HOST, "h");
    append_host(f, "h", T0, 1);
    flush(f);
    assert_int_equal(heartbeat_of(path, "cpu_pct"), 30);
    series_set_interval(f->series, 60 * S);
    append_host(f, "h", T0 + 60 * S, 5);
    append_host(f, "h", T0 + 120 * S, 5);
    flush(f);
    assert_int_equal(heartbeat_of(path, "cpu_pct"), 180);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0 + 60 * S, T0 + 120 * S, 0);
    assert_int_equal(p.count, 6);
    assert_true(p.values[3] == 5);
    series_points_free(&p);
    free(path);
}

static void test_a_damaged_file_is_set_aside_and_begun_anew(void **state)
{
    struct fixture *f = *state;
    char *path = series_path(f->dir, KIND_HOST, "h");
    append_host(f, "h", T0, 1);
    series_close(f->series);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "garbage", 7), 7);
    close(fd);
    open_series(f, 10 * S);
    append_host(f, "h", T0 + 10 * S, 3);
    append_host(f, "h", T0 + 20 * S, 3);
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0 + 10 * S, T0 + 20 * S, 0);
    assert_true(p.count == 1 && p.values[0] == 3);
    series_points_free(&p);
    free(path);
}

static void test_a_sample_from_the_future_does_not_block_those_after_it(void **state)
{
    struct fixture *f = *state;
    append_host(f, "h", T0, 1);
    append_host(f, "h", T0 + 30 * 86400 * S, 1);
    append_host(f, "h", T0 + 10 * S, 4);
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0, T0 + 10 * S, 0);
    assert_true(p.count == 1 && p.values[0] == 4);
    series_points_free(&p);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_int_equal(stats.dropped, 1);
}

static bool wait_until_failing(struct series *series, bool failing)
{
    struct series_stats stats;
    for (int64_t end = clock_mono_us() + DEADLINE_US; clock_mono_us() < end; usleep(5000)) {
        series_stats(series, &stats);
        if ((stats.last_error[0] != '\0') == failing)
            return true;
    }
    return false;
}

static void test_a_full_disk_is_said_and_samples_are_written_when_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, before;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &limit);
    append_host(f, "h", T0, 1);
    append_host(f, "h", T0 + 10 * S, 2);
    assert_true(wait_until_failing(f->series, true));
    append_host(f, "h", T0 + 20 * S, 3);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(wait_until_failing(f->series, false));
    flush(f);
    struct series_points p = fetch(f, KIND_HOST, "h", HOST_CPU, SERIES_AVERAGE, T0, T0 + 20 * S, 0);
    assert_true(p.count == 2 && p.values[0] == 2 && p.values[1] == 3);
    series_points_free(&p);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_int_equal(stats.dropped, 0);
}

static void append_until_killed(const char *dir, int64_t first, int ready)
{
    struct fixture f = {.dir = xstrdup(dir)};
    if (series_open(dir, 10 * S, &f.series, NULL) != ERR_OK)
        _exit(1);
    for (int64_t i = first;; i++) {
        char name[16];
        str_format(name, sizeof name, "h%d", (int)(i % 7));
        append_host(&f, name, T0 + i * 10 * S, 42);
        if (i == first && write(ready, "r", 1) != 1)
            _exit(1);
        usleep(100);
    }
}

static void test_kill_9_leaves_files_that_can_be_read_and_go_on(void **state)
{
    struct fixture *f = *state;
    series_close(f->series);
    for (int round = 0; round < 6; round++) {
        int ends[2];
        char byte;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            append_until_killed(f->dir, round * 1000, ends[1]);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        usleep((useconds_t)(5000 + round * 12347)); /* where the kill falls */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ends[0]);
    }
    open_series(f, 10 * S);
    for (int i = 0; i <= 2; i++)
        append_host(f, "h0", T0 + (8000 + i) * 10 * S, 7);
    flush(f);
    struct series_stats stats;
    series_stats(f->series, &stats);
    assert_string_equal(stats.last_error, "");
    struct series_points p = fetch(f, KIND_HOST, "h0", HOST_CPU, SERIES_AVERAGE, T0 + 80010 * S, T0 + 80020 * S, 0);
    assert_true(p.count == 1 && p.values[0] == 7);
    series_points_free(&p);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_samples_come_back_with_their_time_and_gaps_stay_unknown),
        CASE(test_all_metrics_come_in_the_order_of_the_table),
        CASE(test_an_interval_of_one_second_is_consolidated),
        CASE(test_samples_of_one_step_are_one_update),
        CASE(test_a_replay_changes_nothing),
        CASE(test_a_long_time_is_reduced_to_few_points_with_its_maximum),
        CASE(test_hostile_keys_stay_in_their_directory),
        CASE(test_very_long_keys_have_files_of_their_own),
        CASE(test_no_history_is_said_so),
        CASE(test_removing_deletes_the_file_and_what_waits),
        CASE(test_histories_of_objects_long_gone_are_deleted_others_kept),
        CASE(test_a_host_that_makes_up_containers_has_no_more_files_than_its_room),
        CASE(test_made_up_sites_count_for_the_host_that_reports_them),
        CASE(test_the_oldest_of_what_is_gone_makes_room),
        CASE(test_the_predicted_size_is_the_size),
        CASE(test_a_file_of_an_older_table_is_extended_and_keeps_its_history),
        CASE(test_a_longer_interval_moves_the_heartbeat_of_existing_files),
        CASE(test_a_damaged_file_is_set_aside_and_begun_anew),
        CASE(test_a_sample_from_the_future_does_not_block_those_after_it),
        CASE(test_a_full_disk_is_said_and_samples_are_written_when_there_is_room),
        CASE(test_kill_9_leaves_files_that_can_be_read_and_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
