/* Log lines: what is appended is found by host, word and time; cursors and lines never disagree, also after kill -9. */
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
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/log_cursors.h"
#include "store/log_day.h"
#include "store/log_words.h"
#include "store/logs.h"
#include "tests/unit/store/temp_dir.h"

#define DEADLINE_US (20 * USEC_PER_SEC)
#define NOON (INT64_C(1790000000) / 86400 * DAY_US + DAY_US / 2) /* of some day */

struct fixture {
    char *dir;
    struct log_store *logs;
    struct log_reader *reader;
    struct buf found; /* "text|text|" */
};

static void open_logs(struct fixture *f, int keep_days)
{
    struct err_info info = {0};
    if (log_store_open(f->dir, keep_days, &f->logs, &info) != ERR_OK)
        fail_msg("%s", info.message);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    clock_freeze_wall(NOON);
    f->dir = temp_dir_new();
    f->found = BUF(1 << 20);
    open_logs(f, 30);
    assert_int_equal(log_reader_open(f->dir, &f->reader, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_reader_close(f->reader);
    log_store_close(f->logs);
    temp_dir_free(f->dir);
    buf_free(&f->found);
    free(f);
    clock_freeze_wall(0);
    return 0;
}

static struct log_batch *a_batch(const char *host, const char *container, const char *cursor)
{
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    str_copy(batch->host, sizeof batch->host, host);
    str_copy(batch->container, sizeof batch->container, container);
    str_copy(batch->unit, sizeof batch->unit, container);
    str_copy(batch->site, sizeof batch->site, "example.org");
    str_format(batch->source, sizeof batch->source, "podman/%s", container);
    str_copy(batch->cursor, sizeof batch->cursor, cursor);
    return batch;
}

static void add_line(struct log_batch *batch, int64_t at_us, const char *text)
{
    batch->lines = xreallocarray(batch->lines, batch->count + 1, sizeof *batch->lines);
    batch->lines[batch->count++] = (struct log_line){.at_us = at_us, .text = xstrdup(text), .priority = 6};
}

static void append(struct fixture *f, const char *host, const char *container, int64_t at_us, const char *text)
{
    struct log_batch *batch = a_batch(host, container, text);
    add_line(batch, at_us, text);
    log_store_append(f->logs, batch);
}

static void flush(struct fixture *f)
{
    assert_true(log_store_flush(f->logs, DEADLINE_US));
}

static bool gather(void *arg, const struct log_entry *entry)
{
    struct fixture *f = arg;
    if (entry->dropped)
        buf_printf(&f->found, "(%d)|", (int)entry->dropped);
    else
        buf_printf(&f->found, "%s|", entry->text);
    return true;
}

static const char *query(struct fixture *f, struct log_filter filter)
{
    struct err_info info = {0};
    buf_clear(&f->found);
    if (log_query(f->reader, &filter, gather, f, &info) != ERR_OK)
        fail_msg("%s", info.message);
    return buf_text(&f->found);
}

static void test_lines_are_found_by_host_container_words_and_time(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON + 1, "GET /index.html 200");
    append(f, "a", "db", NOON + 2, "connection refused by 10.0.0.7");
    append(f, "b", "web", NOON + 3, "GET /admin.php 404 Refused");
    append(f, "b", "web", NOON + 4, "Ärger mit GET");
    flush(f);
    assert_string_equal(query(f, (struct log_filter){.limit = 2}), "Ärger mit GET|GET /admin.php 404 Refused|");
    assert_string_equal(
        query(f, (struct log_filter){.host = "a"}), "connection refused by 10.0.0.7|GET /index.html 200|");
    assert_string_equal(query(f, (struct log_filter){.host = "b", .container = "web", .words = "get php"}),
        "GET /admin.php 404 Refused|");
    assert_string_equal(query(f, (struct log_filter){.words = "refused"}),
        "GET /admin.php 404 Refused|connection refused by 10.0.0.7|");
    assert_string_equal(query(f, (struct log_filter){.words = "10.0.0.7"}), "connection refused by 10.0.0.7|");
    assert_string_equal(query(f, (struct log_filter){.words = "0.0.7.10"}), "");
    assert_string_equal(query(f, (struct log_filter){.words = "\"refused by\""}), "connection refused by 10.0.0.7|");
    assert_string_equal(query(f, (struct log_filter){.words = "\"by refused\""}), "");
    assert_string_equal(query(f, (struct log_filter){.words = "Ärger"}), "Ärger mit GET|");
    assert_string_equal(query(f, (struct log_filter){.words = "refuse"}), "");
    assert_string_equal(query(f, (struct log_filter){.words = "connec*"}), "connection refused by 10.0.0.7|");
    assert_string_equal(query(f, (struct log_filter){.since_us = NOON + 2, .until_us = NOON + 3}),
        "GET /admin.php 404 Refused|connection refused by 10.0.0.7|");
    assert_string_equal(
        query(f, (struct log_filter){.site = "example.org", .unit = "db"}), "connection refused by 10.0.0.7|");
    assert_string_equal(query(f, (struct log_filter){.host = "nobody"}), "");
}

static void test_a_line_cannot_pretend_to_be_of_another_host(void **state)
{
    struct fixture *f = *state;
    append(f, "honest", "web", NOON, "mine");
    append(f, "evil", "web", NOON, "dwh1 dwh2 dws2 dwc3 forged");
    flush(f);
    assert_string_equal(query(f, (struct log_filter){.host = "honest"}), "mine|");
    assert_string_equal(query(f, (struct log_filter){.words = "dwh1"}), "dwh1 dwh2 dws2 dwc3 forged|");
}

static void test_words_with_query_syntax_are_only_words(void **state)
{
    static const char *const hostile[] = {
        "NEAR(a b)", "tags : dwh1", "a AND", "^x", "-", "'; DROP TABLE line", "(", "a* OR *", "+ + {}"};
    struct fixture *f = *state;
    append(f, "a", "web", NOON, "NEAR(a b) tags : dwh1 a AND ^x - '; DROP TABLE line ( a* OR * + + {}");
    flush(f);
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        assert_int_not_equal(strlen(query(f, (struct log_filter){.words = hostile[i]})), 0);
    struct err_info info = {0};
    struct log_filter unclosed = {.words = "a \"b c"};
    assert_int_equal(log_query(f->reader, &unclosed, gather, f, &info), ERR_INVALID);
    assert_string_equal(info.message, "a quote is not closed in the words to look for: \"b c");
}

static void test_lines_go_to_the_day_of_their_own_time_unless_it_is_absurd(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON - DAY_US + 1, "yesterday");
    append(f, "a", "web", NOON, "today");
    append(f, "a", "web", 5, "1970");
    append(f, "a", "web", NOON * 2, "far future");
    flush(f);
    struct day_list list;
    char *dir = paths_join(f->dir, "logs");
    assert_int_equal(log_days(dir, &list, NULL), ERR_OK);
    assert_int_equal(list.days.count, 2);
    assert_int_equal(list.days.items[1] - list.days.items[0], 1);
    assert_int_equal(list.days.items[1], log_day_of(NOON));
    vec_free(&list.days);
    free(dir);
    assert_string_equal(query(f, (struct log_filter){0}), "far future|1970|today|yesterday|");
    assert_string_equal(query(f, (struct log_filter){.until_us = 6}), "1970|");
}

static void test_dropped_lines_are_rows_of_their_own(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON, "before");
    struct log_batch *batch = a_batch("a", "web", "c9");
    batch->dropped = 412;
    add_line(batch, NOON + 5, "after");
    log_store_append(f->logs, batch);
    flush(f);
    assert_string_equal(query(f, (struct log_filter){.host = "a"}), "after|(412)|before|");
}

static void test_cursors_are_those_of_all_accepted_lines_and_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON, "w1");
    append(f, "a", "db", NOON, "d1");
    append(f, "a", "web", NOON, "w2");
    append(f, "ab", "web", NOON, "other");
    char *now = log_store_cursors(f->logs, "a");
    assert_string_equal(now, "{\"podman/db\":\"d1\",\"podman/web\":\"w2\"}");
    log_store_close(f->logs);
    open_logs(f, 30);
    char *later = log_store_cursors(f->logs, "a");
    assert_string_equal(later, now);
    char *none = log_store_cursors(f->logs, "unknown");
    assert_string_equal(none, "{}");
    free(none);
    free(now);
    free(later);
}

static void test_the_newest_cursor_counts_whichever_day_it_is_in(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON, "first, today");
    flush(f);
    append(f, "a", "web", NOON - DAY_US + 1, "second, yesterday");
    log_store_close(f->logs);
    open_logs(f, 30);
    char *cursors = log_store_cursors(f->logs, "a");
    assert_string_equal(cursors, "{\"podman/web\":\"second, yesterday\"}");
    free(cursors);
}

static void test_a_host_has_its_share_of_a_day_and_no_other_pays(void **state)
{
    struct fixture *f = *state;
    struct log_store_stats stats;
    log_store_limit(f->logs, 20000);
    for (int i = 0; i < 1000; i++)
        append(f, "bad", "web", NOON, "flood");
    append(f, "good", "web", NOON, "calm");
    flush(f);
    log_store_stats(f->logs, &stats);
    assert_in_range(stats.written, 2, 30);
    assert_int_equal(stats.written + stats.dropped, 1001);
    clock_freeze_wall(NOON + DAY_US);
    append(f, "bad", "web", NOON + DAY_US, "tomorrow"); /* tells what was left out before it */
    flush(f);
    uint64_t left_out = stats.dropped;
    log_store_stats(f->logs, &stats);
    assert_int_equal(stats.dropped, left_out);
}

static void test_a_host_that_makes_up_sources_is_remembered_boundedly(void **state)
{
    (void)state;
    struct log_cursors *cursors = log_cursors_new();
    struct log_batch *good = a_batch("good", "web", "c-good"), *kept = a_batch("bad", "kept", "c-kept");
    log_cursors_accept(cursors, good);
    for (int i = 0; i < 3 * LOG_SOURCES_MOST; i++) {
        char name[64];
        str_format(name, sizeof name, "made-up-%d", i);
        struct log_batch *batch = a_batch("bad", name, "c");
        log_cursors_accept(cursors, batch);
        log_batch_free(batch);
        if (i % 100 == 0)
            log_cursors_accept(cursors, kept); /* it is not silent */
    }
    char *text = log_cursors_json(cursors, "bad"), *other = log_cursors_json(cursors, "good");
    size_t count = 0;
    for (const char *at = text; (at = strchr(at, ',')); at++)
        count++;
    assert_in_range(count + 1, LOG_SOURCES_MOST / 2, LOG_SOURCES_MOST);
    assert_non_null(strstr(text, "c-kept"));
    assert_non_null(strstr(other, "c-good"));
    free(text);
    free(other);
    log_batch_free(good);
    log_batch_free(kept);
    log_cursors_free(cursors);
}

static void test_old_days_are_deleted_but_their_cursors_are_kept(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "quiet", NOON, "long ago");
    flush(f);
    log_store_close(f->logs);
    clock_freeze_wall(NOON + 10 * DAY_US);
    open_logs(f, 3);
    append(f, "a", "web", NOON + 10 * DAY_US, "new");
    flush(f);
    log_store_close(f->logs); /* the housekeeping comes after writing */
    open_logs(f, 3);
    assert_string_equal(query(f, (struct log_filter){0}), "new|");
    char *cursors = log_store_cursors(f->logs, "a");
    assert_string_equal(cursors, "{\"podman/quiet\":\"long ago\",\"podman/web\":\"new\"}");
    free(cursors);
}

static void test_following_gives_each_line_once_over_midnight(void **state)
{
    struct fixture *f = *state;
    struct log_place place;
    struct log_filter filter = {.container = "web"};
    append(f, "a", "web", NOON, "old");
    flush(f);
    assert_int_equal(log_place_now(f->reader, &place, NULL), ERR_OK);
    buf_clear(&f->found);
    append(f, "a", "web", NOON + 1, "1");
    append(f, "a", "db", NOON + 1, "not asked for");
    flush(f);
    assert_int_equal(log_follow(f->reader, &filter, &place, gather, f, NULL), ERR_OK);
    clock_freeze_wall(NOON + DAY_US / 2 + 10);
    append(f, "a", "web", NOON + DAY_US / 2 + 9, "3");
    append(f, "a", "web", NOON + DAY_US / 2 - 9, "2");
    flush(f);
    assert_int_equal(log_follow(f->reader, &filter, &place, gather, f, NULL), ERR_OK);
    assert_int_equal(log_follow(f->reader, &filter, &place, gather, f, NULL), ERR_OK);
    assert_string_equal(buf_text(&f->found), "1|2|3|");
}

static void test_following_with_a_limit_goes_on_where_it_stopped(void **state)
{
    struct fixture *f = *state;
    struct log_place place;
    struct log_filter filter = {.limit = 2};
    assert_int_equal(log_place_now(f->reader, &place, NULL), ERR_OK);
    for (int i = 0; i < 5; i++) {
        char text[16];
        str_format(text, sizeof text, "%d", i);
        append(f, "a", "web", NOON + i, text);
    }
    flush(f);
    buf_clear(&f->found);
    for (int i = 0; i < 4; i++)
        assert_int_equal(log_follow(f->reader, &filter, &place, gather, f, NULL), ERR_OK);
    assert_string_equal(buf_text(&f->found), "0|1|2|3|4|");
}

static void test_time_bounds_are_exact_over_many_spans(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 40; i++) { /* times run backwards within a batch and jump between batches */
        struct log_batch *batch = a_batch("a", "web", "c");
        for (int j = 0; j < 250; j++) {
            char text[32];
            int64_t at_us = NOON + ((i * 7) % 40) * 1000 - j;
            str_format(text, sizeof text, "%lld", (long long)(at_us - NOON));
            add_line(batch, at_us, text);
        }
        log_store_append(f->logs, batch);
    }
    flush(f);
    query(f, (struct log_filter){.since_us = NOON + 20000 - 2, .until_us = NOON + 20000});
    assert_string_equal(buf_text(&f->found), "19998|19999|20000|");
}

static void test_a_damaged_day_is_set_aside(void **state)
{
    struct fixture *f = *state;
    append(f, "a", "web", NOON, "lost");
    log_store_close(f->logs);
    char *dir = paths_join(f->dir, "logs"), *path = log_day_path(dir, log_day_of(NOON));
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "this is no database at all, not even nearly", 43), 43);
    close(fd);
    open_logs(f, 30);
    append(f, "a", "web", NOON, "kept");
    flush(f);
    assert_string_equal(query(f, (struct log_filter){0}), "kept|");
    free(path);
    free(dir);
}

static bool wait_for_error(struct log_store *logs)
{
    struct log_store_stats stats;
    for (int64_t end = clock_mono_us() + DEADLINE_US; clock_mono_us() < end; usleep(5000)) {
        log_store_stats(logs, &stats);
        if (stats.last_error[0])
            return true;
    }
    return false;
}

static bool sum_dropped(void *arg, const struct log_entry *entry)
{
    *(uint64_t *)arg += entry->dropped;
    return true;
}

/* Far more than may wait in memory, while the disk is full. */
static void test_what_a_full_disk_costs_is_told_by_the_rows(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, limit;
    append(f, "a", "web", NOON, "first");
    flush(f);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &limit);
    append(f, "a", "web", NOON, "waits, then makes room");
    assert_true(wait_for_error(f->logs));
    char *text = xmalloc(8001);
    memset(text, 'x', 8000);
    text[8000] = '\0';
    for (int i = 0; i < 80; i++) {
        struct log_batch *batch = a_batch("a", "web", "c");
        for (int j = 0; j < 256; j++)
            add_line(batch, NOON, text);
        log_store_append(f->logs, batch);
    }
    free(text);
    struct log_store_stats stats;
    log_store_stats(f->logs, &stats);
    assert_in_range(stats.queued_bytes, 1, 140 << 20);
    assert_true(stats.dropped >= 256);
    append(f, "a", "web", NOON, "last");
    log_store_stats(f->logs, &stats);
    uint64_t given_up = stats.dropped;
    setrlimit(RLIMIT_FSIZE, &before);
    flush(f);
    struct log_filter told = {.host = "a", .words = "last"};
    assert_string_equal(query(f, told), "last|");
    uint64_t told_dropped = 0;
    struct log_filter all = {.host = "a"};
    assert_int_equal(log_query(f->reader, &all, sum_dropped, &told_dropped, NULL), ERR_OK);
    assert_int_equal(told_dropped, given_up);
    log_store_stats(f->logs, &stats);
    assert_string_equal(stats.last_error, "");
    assert_int_equal(stats.dropped, given_up);
}

/* --- kill -9 --- */

/* Append numbered lines behind the cursor, on both sides of midnight. */
static void append_until_killed(const char *dir, int64_t next, int ready)
{
    struct log_store *logs;
    if (log_store_open(dir, 30, &logs, NULL) != ERR_OK)
        _exit(1);
    if (write(ready, "r", 1) != 1)
        _exit(1);
    for (;; usleep(200)) {
        struct log_batch *batch = a_batch("a", "web", "");
        for (int i = 0; i < 7; i++) {
            char text[24];
            str_format(text, sizeof text, "%lld", (long long)next++);
            add_line(batch, NOON + (next % 5 ? 0 : DAY_US / 2), text);
        }
        str_format(batch->cursor, sizeof batch->cursor, "%lld", (long long)next - 1);
        log_store_append(logs, batch);
    }
}

static int64_t stored_cursor(struct fixture *f)
{
    int64_t cursor = 0;
    char *text = log_store_cursors(f->logs, "a");
    char *number = strrchr(text, ':');
    if (number) {
        number += 2;
        number[strcspn(number, "\"")] = '\0';
        str_to_i64(number, 0, INT64_MAX, &cursor);
    }
    free(text);
    return cursor;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

struct numbers {
    VEC(int64_t) list;
};

static bool gather_number(void *arg, const struct log_entry *entry)
{
    struct numbers *numbers = arg;
    int64_t number = -1;
    str_to_i64(entry->text, 0, INT64_MAX, &number);
    vec_push(&numbers->list, number);
    return true;
}

static void test_kill_9_leaves_lines_and_cursor_in_step(void **state)
{
    struct fixture *f = *state;
    log_store_close(f->logs);
    f->logs = NULL;
    int64_t cursor = 0;
    for (int round = 0; round < 10; round++) {
        int ends[2];
        char byte;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            append_until_killed(f->dir, cursor + 1, ends[1]);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        usleep((useconds_t)(60000 + round * 7919 % 50000)); /* where the kill falls */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ends[0]);
        open_logs(f, 30);
        cursor = stored_cursor(f);
        log_store_close(f->logs);
        f->logs = NULL;
    }
    struct numbers numbers = {0};
    struct log_filter all = {0};
    assert_int_equal(log_query(f->reader, &all, gather_number, &numbers, NULL), ERR_OK);
    assert_true(cursor > 0);
    assert_int_equal(numbers.list.count, cursor);
    qsort(numbers.list.items, numbers.list.count, sizeof(int64_t), compare_numbers);
    for (size_t i = 0; i < numbers.list.count; i++)
        assert_int_equal(numbers.list.items[i], (int64_t)i + 1);
    vec_free(&numbers.list);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_lines_are_found_by_host_container_words_and_time),
        CASE(test_a_line_cannot_pretend_to_be_of_another_host),
        CASE(test_words_with_query_syntax_are_only_words),
        CASE(test_lines_go_to_the_day_of_their_own_time_unless_it_is_absurd),
        CASE(test_dropped_lines_are_rows_of_their_own),
        CASE(test_cursors_are_those_of_all_accepted_lines_and_survive_a_restart),
        CASE(test_the_newest_cursor_counts_whichever_day_it_is_in),
        CASE(test_old_days_are_deleted_but_their_cursors_are_kept),
        CASE(test_a_host_has_its_share_of_a_day_and_no_other_pays),
        CASE(test_a_host_that_makes_up_sources_is_remembered_boundedly),
        CASE(test_following_gives_each_line_once_over_midnight),
        CASE(test_following_with_a_limit_goes_on_where_it_stopped),
        CASE(test_time_bounds_are_exact_over_many_spans),
        CASE(test_a_damaged_day_is_set_aside),
        CASE(test_what_a_full_disk_costs_is_told_by_the_rows),
        CASE(test_kill_9_leaves_lines_and_cursor_in_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
