/* Following files: exactly what was written, in order, no gap and no double, over rotations of every kind and over
 * reconnects at any moment; what is lost is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/vec.h"
#include "host/logs/follow.h"
#include "host/logs/tail.h"
#include "host/path.h"
#include "tests/unit/host/tree.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_ID "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LOG_PATH "/logs/ctr.log"
#define STAMP "2026-01-02T03:04:05Z stdout "
#define RATE 100000
#define LIMIT_US (20 * USEC_PER_SEC)

static struct tree tree;

/* What was heard of all sources. */
static struct heard {
    VEC(char *) texts;
    json_t *cursors; /* as the console would keep them */
    int64_t dropped;
    size_t messages;
} heard;

static void hear(void *context, json_t *message)
{
    (void)context;
    int64_t dropped = 0;
    const json_t *lines = json_object_get(message, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++)
        vec_push(&heard.texts, xstrdup(json_get_text(json_array_get(lines, i), "text")));
    assert_true(json_get_i64(message, "dropped", &dropped));
    heard.dropped += dropped;
    heard.messages++;
    json_object_set(heard.cursors, json_get_text(message, "source"), json_object_get(message, "cursor"));
    json_decref(message);
}

static void forget_texts(void)
{
    for (size_t i = 0; i < heard.texts.count; i++)
        free(heard.texts.items[i]);
    vec_clear(&heard.texts);
    heard.dropped = 0;
    heard.messages = 0;
}

static int fresh(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    tree_dir(&tree, "/logs");
    heard.cursors = json_object();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    forget_texts();
    vec_free(&heard.texts);
    json_decref(heard.cursors);
    tree_remove(&tree);
    return 0;
}

static json_t *inventory_of(
    const char *runtime, const char *driver, const char *id, const char *path, int64_t created_us)
{
    return json_pack("{s:[{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}]}", "containers", "id", id, "name", "web", "runtime",
        runtime, "site", "example.org", "state", "running", "log_driver", driver, "log_path", path, "created_us",
        (json_int_t)created_us);
}

static struct follower *follow_with(const json_t *cursors, json_t *inventory)
{
    struct follower *follower = follower_new(cursors, RATE, hear, NULL);
    follower_set_inventory(follower, inventory);
    json_decref(inventory);
    return follower;
}

static struct follower *follow(const json_t *cursors)
{
    return follow_with(cursors, inventory_of("podman", "k8s-file", ID, LOG_PATH, 1));
}

static void append_to(const char *path, const char *text, size_t length)
{
    char full[TREE_PATH_SIZE];
    FILE *file = fopen(tree_path(&tree, full, path), "a");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void append(const char *text)
{
    append_to(LOG_PATH, text, strlen(text));
}

static void move(const char *from, const char *to)
{
    char one[TREE_PATH_SIZE], other[TREE_PATH_SIZE];
    assert_int_equal(rename(tree_path(&tree, one, from), tree_path(&tree, other, to)), 0);
}

static void empty(const char *path)
{
    char full[TREE_PATH_SIZE];
    assert_int_equal(truncate(tree_path(&tree, full, path), 0), 0);
}

static void copy(const char *from, const char *to)
{
    char full[TREE_PATH_SIZE];
    struct buf text = BUF(64u << 20);
    assert_int_equal(buf_read_file(&text, tree_path(&tree, full, from), NULL), ERR_OK);
    unlink(tree_path(&tree, full, to));
    append_to(to, buf_text(&text), text.length);
    buf_free(&text);
}

static void assert_heard(const char *const *expected, size_t count)
{
    for (size_t i = 0; i < count && i < heard.texts.count; i++)
        assert_string_equal(heard.texts.items[i], expected[i]);
    assert_int_equal(heard.texts.count, count);
}
#define assert_heard_just(...)                                                                                         \
    assert_heard((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* --- one way at a time ----------------------------------------------------------------------------------------------
 */

static void test_without_a_cursor_it_begins_with_the_last_hundred_lines(void **state)
{
    (void)state;
    char line[64];
    for (int i = 0; i < 250; i++) {
        str_format(line, sizeof line, STAMP "F %d\n", i);
        append(line);
    }
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    assert_int_equal(heard.texts.count, FOLLOW_FIRST_LINES);
    assert_string_equal(heard.texts.items[0], "150");
    follower_free(follower);
}

static void test_a_container_made_meanwhile_begins_with_its_first_line(void **state)
{
    (void)state;
    char line[64];
    struct follower *follower = follower_new(NULL, RATE, hear, NULL);
    follower_set_inventory(follower, NULL);
    for (int i = 0; i < 250; i++) {
        str_format(line, sizeof line, STAMP "F %d\n", i);
        append(line);
    }
    json_t *inventory = inventory_of("podman", "k8s-file", ID, LOG_PATH, clock_wall_us() + USEC_PER_SEC);
    follower_set_inventory(follower, inventory);
    json_decref(inventory);
    follower_round(follower, 0);
    assert_int_equal(heard.texts.count, 250);
    follower_free(follower);
}

static void test_a_change_wakes_the_follower(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    append(STAMP "F two\n");
    follower_round(follower, LIMIT_US);
    assert_heard_just("one", "two");
    follower_free(follower);
}

static void test_a_line_is_told_when_it_is_whole(void **state)
{
    (void)state;
    struct follower *follower = follow(NULL);
    append(STAMP "F on");
    follower_round(follower, 0);
    assert_int_equal(heard.texts.count, 0);
    append("e\n");
    follower_round(follower, 0);
    assert_heard_just("one");
    follower_free(follower);
}

static void test_renaming_loses_nothing_written_before_and_after(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    append(STAMP "F two\n");
    move(LOG_PATH, LOG_PATH ".1");
    append_to(LOG_PATH ".1", STAMP "F three\n", strlen(STAMP "F three\n")); /* the writer has it still open */
    append_to(LOG_PATH, "", 0);
    follower_round(follower, 0);
    append_to(LOG_PATH ".1", STAMP "F four\n", strlen(STAMP "F four\n"));
    follower_round(follower, 0);
    append(STAMP "F five\n");
    follower_round(follower, 0);
    assert_heard_just("one", "two", "three", "four", "five");
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
}

static void test_rotations_while_away_are_read_in_their_order(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    follower_free(follower);
    append(STAMP "F two\n");
    move(LOG_PATH, LOG_PATH ".1");
    append(STAMP "F three\n");
    move(LOG_PATH ".1", LOG_PATH ".2");
    move(LOG_PATH, LOG_PATH ".1");
    append(STAMP "F four\n");
    follower = follow(heard.cursors);
    follower_round(follower, 0);
    assert_heard_just("one", "two", "three", "four");
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
}

static void test_copy_and_truncate_is_read_on_in_the_copy(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    append(STAMP "F two\n");
    copy(LOG_PATH, LOG_PATH ".1");
    empty(LOG_PATH);
    append(STAMP "F three is longer than what stood there before, by far\n");
    append(STAMP "F four\n");
    follower_round(follower, 0);
    assert_heard_just("one", "two", "three is longer than what stood there before, by far", "four");
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
}

static void test_what_is_nowhere_any_more_is_told_as_lost(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    empty(LOG_PATH);
    append(STAMP "F another beginning, longer than the first one was\n"); /* seen by the fingerprint alone */
    follower_round(follower, 0);
    assert_heard_just("one", "another beginning, longer than the first one was");
    assert_int_equal(heard.dropped, 1);
    follower_free(follower);
}

static void test_a_replaced_file_is_read_to_its_end(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    append(STAMP "F two\n");
    append_to("/logs/ctr.log.tmp", STAMP "F three\n", strlen(STAMP "F three\n"));
    move("/logs/ctr.log.tmp", LOG_PATH); /* as conmon does at its greatest size */
    follower_round(follower, 0);
    assert_heard_just("one", "two", "three");
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
}

static void test_pieces_survive_a_reconnect_between_them(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    append(STAMP "P begun, \n2026-01-02T03:04:05Z stderr F between\n");
    follower_round(follower, 0);
    assert_heard_just("one", "between");
    follower_free(follower);
    append(STAMP "F ended\n");
    follower = follow(heard.cursors);
    follower_round(follower, 0);
    assert_heard_just("one", "between", "begun, ended");
    follower_free(follower);
}

static void test_a_container_of_the_same_name_is_another_log(void **state)
{
    (void)state;
    append(STAMP "F one\n");
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    append(STAMP "F last words\n");
    append_to("/logs/other.log", STAMP "F two\n", strlen(STAMP "F two\n"));
    json_t *inventory = inventory_of("podman", "k8s-file", OTHER_ID, "/logs/other.log", clock_wall_us() + USEC_PER_SEC);
    follower_set_inventory(follower, inventory);
    json_decref(inventory);
    follower_round(follower, 0);
    assert_heard_just("one", "last words", "two");
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
}

static void test_a_line_of_ten_megabytes_is_cut_and_the_next_is_whole(void **state)
{
    (void)state;
    size_t length = 10u << 20;
    char *huge = xmalloc(length);
    memset(huge, 'x', length);
    struct follower *follower = follow(NULL);
    append(STAMP "F ");
    append_to(LOG_PATH, huge, length);
    follower_round(follower, 0);
    append("\n" STAMP "F next\n");
    follower_round(follower, 0);
    assert_int_equal(heard.texts.count, 2);
    assert_int_equal(strlen(heard.texts.items[0]), 8192);
    assert_string_equal(heard.texts.items[1], "next");
    follower_free(follower);
    free(huge);
}

static void test_hostile_cursors_are_no_cursors(void **state)
{
    (void)state;
    static const char *const cursors[] = {"", "file:", "file:1:2:3", "file:1:2:3:4:5", "file:1:2:3:ffffffffff",
        "file:-1:2:3:4", "file:ffffffffffffffffff:1:1:1", "/etc/shadow", "file:1:2:7fffffffffffffff:0",
        "file:1:2:ffffffffffffffff:0", "journal:s=1"};
    append(STAMP "F one\n");
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        json_t *given = json_pack("{s:s}", "podman/web", cursors[i]);
        struct follower *follower = follow(given);
        forget_texts();
        follower_round(follower, 0);
        assert_heard_just("one");
        follower_free(follower);
        json_decref(given);
    }
}

#define ENTRY(number, more)                                                                                            \
    "echo '{\"__CURSOR\":\"s=a;i=" number ";t=" number "\",\"_UID\":\"0\",\"MESSAGE\":\"m" number "\"" more "}'\n"

static void test_the_journal_goes_on_behind_each_sources_cursor(void **state)
{
    (void)state;
    char full[TREE_PATH_SIZE];
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    struct buf calls = BUF(4096);
    tree_write(&tree, "/run/systemd/journal/socket", "");
    char *script = xasprintf("#!/bin/sh\necho \"$*\" >> %s/calls\n%sexec sleep 100\n", tree.root,
        ENTRY("2", "") ENTRY("3", "") ENTRY("4", ",\"CONTAINER_ID_FULL\":\"" ID "\"")
            ENTRY("5", ",\"CONTAINER_ID_FULL\":\"" ID "\""));
    tree_script(&tree, "/usr/bin/journalctl", script);
    json_t *cursors = json_pack("{s:s,s:s}", "journal", "journal:s=a;i=2;t=2", "podman/web", "journal:s=a;i=4;t=4");
    struct follower *follower = follow_with(cursors, inventory_of("podman", "journald", ID, "", 1));
    while (heard.texts.count < 2 && clock_mono_us() < deadline_us)
        follower_round(follower, USEC_PER_SEC);
    assert_heard_just("m5", "m3"); /* source by source; the others were told before */
    assert_string_equal(json_get_text(heard.cursors, "podman/web"), "journal:s=a;i=5;t=5");
    assert_int_equal(buf_read_file(&calls, tree_path(&tree, full, "/calls"), NULL), ERR_OK);
    assert_non_null(strstr(buf_text(&calls), "--after-cursor=s=a;i=2;t=2\n"));
    follower_free(follower);
    json_decref(cursors);
    buf_free(&calls);
    free(script);
}

/* --- any way --------------------------------------------------------------------------------------------------------
 */

static uint32_t random_state;

static uint32_t chance(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

/* Numbered lines, some in pieces, some empty of a newline for a while; rotated this way and that. */
struct writer {
    struct buf waiting; /* not yet in the file */
    int next;
};

static void write_some(struct writer *writer)
{
    for (uint32_t count = chance(5); count > 0; count--) {
        if (chance(4) == 0)
            buf_printf(&writer->waiting, STAMP "P %d\n2026-01-02T03:04:05Z stdout F +\n", writer->next++);
        else
            buf_printf(&writer->waiting, STAMP "F %d+\n", writer->next++);
    }
    size_t length = chance(3) == 0 ? chance((uint32_t)writer->waiting.length + 1) : writer->waiting.length;
    append_to(LOG_PATH, buf_text(&writer->waiting), length);
    buf_consume(&writer->waiting, length);
}

static void rotate_some(struct writer *writer, int *rotations)
{
    char from[64], to[64], full[TREE_PATH_SIZE];
    append_to(LOG_PATH, buf_text(&writer->waiting), writer->waiting.length); /* writers rotate between lines */
    buf_clear(&writer->waiting);
    for (int i = (*rotations)++; i > 0; i--) {
        str_format(from, sizeof from, LOG_PATH ".%d", i);
        str_format(to, sizeof to, LOG_PATH ".%d", i + 1);
        if (access(tree_path(&tree, full, from), F_OK) == 0)
            move(from, to);
    }
    if (chance(2)) {
        move(LOG_PATH, LOG_PATH ".1");
    } else {
        copy(LOG_PATH, LOG_PATH ".1");
        empty(LOG_PATH);
    }
}

static void check_one_history(uint32_t seed)
{
    struct writer writer = {.waiting = BUF(1u << 20), .next = 1};
    int rotations = 0;
    char expected[32];
    random_state = seed;
    append(STAMP "F 0+\n"); /* a file without a line that is copied away has nothing to be known by */
    struct follower *follower = follow(NULL);
    follower_round(follower, 0);
    for (int step = 0; step < 150; step++) {
        write_some(&writer);
        if (chance(12) == 0 && rotations < 20)
            rotate_some(&writer, &rotations);
        if (chance(3) == 0)
            follower_round(follower, 0);
        if (chance(8) == 0 && json_object_size(heard.cursors)) {
            follower_free(follower);
            follower = follow(heard.cursors);
        }
    }
    append_to(LOG_PATH, buf_text(&writer.waiting), writer.waiting.length);
    append(STAMP "F end+\n");
    for (int i = 0; i < 3; i++)
        follower_round(follower, 0);
    assert_int_equal(heard.texts.count, writer.next + 1);
    for (int i = 0; i < writer.next; i++) {
        str_format(expected, sizeof expected, "%d+", i);
        assert_string_equal(heard.texts.items[i], expected);
    }
    assert_int_equal(heard.dropped, 0);
    follower_free(follower);
    buf_free(&writer.waiting);
}

static void test_no_gap_and_no_double_in_any_history(void **state)
{
    for (uint32_t seed = 1; seed <= 15; seed++) {
        check_one_history(seed);
        clean(state);
        fresh(state);
    }
}

/* --- the last lines -------------------------------------------------------------------------------------------------
 */

static json_t *tail(const char *runtime, const char *driver, size_t count)
{
    json_t *inventory = inventory_of(runtime, driver, ID, LOG_PATH, 1), *lines = NULL;
    struct source_list list;
    sources_list(inventory, &list);
    const struct source_facts *facts = sources_find_container(&list, inventory, "web");
    assert_non_null(facts);
    assert_null(sources_find_container(&list, inventory, "../web"));
    assert_int_equal(tail_lines(facts, count, &lines, NULL), ERR_OK);
    vec_free(&list);
    json_decref(inventory);
    return lines;
}

static void test_the_last_lines_are_the_last(void **state)
{
    (void)state;
    char line[64];
    for (int i = 0; i < 20000; i++) {
        str_format(line, sizeof line, STAMP "F %d\n", i);
        append(line);
    }
    json_t *lines = tail("podman", "k8s-file", 1000);
    assert_int_equal(json_array_size(lines), 1000);
    assert_string_equal(json_get_text(json_array_get(lines, 0), "text"), "19000");
    assert_string_equal(json_get_text(json_array_get(lines, 999), "text"), "19999");
    json_decref(lines);
}

static void test_the_last_lines_fit_into_a_message(void **state)
{
    (void)state;
    struct buf out = BUF(16u << 20);
    char noise[8192];
    memset(noise, 1, sizeof noise);
    for (int i = 0; i < 300; i++) {
        append(STAMP "F ");
        append_to(LOG_PATH, noise, sizeof noise);
        append("\n");
    }
    json_t *lines = tail("podman", "k8s-file", 1000);
    assert_int_equal(json_write(&out, lines), ERR_OK);
    assert_in_range(out.length, 800u << 10, 1000u << 10);
    json_decref(lines);
    buf_free(&out);
}

static void test_docker_logs_are_found_and_read(void **state)
{
    (void)state;
    append("{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.5Z\"}\n{\"log\":\"cut\n");
    json_t *lines = tail("docker", "json-file", 10);
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(json_get_text(json_array_get(lines, 0), "text"), "one");
    assert_string_equal(json_get_text(json_array_get(lines, 1), "text"), "{\"log\":\"cut");
    json_decref(lines);
}

#define ways(name) cmocka_unit_test_setup_teardown(name, fresh, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ways(test_without_a_cursor_it_begins_with_the_last_hundred_lines),
        ways(test_a_container_made_meanwhile_begins_with_its_first_line),
        ways(test_a_change_wakes_the_follower),
        ways(test_a_line_is_told_when_it_is_whole),
        ways(test_renaming_loses_nothing_written_before_and_after),
        ways(test_rotations_while_away_are_read_in_their_order),
        ways(test_copy_and_truncate_is_read_on_in_the_copy),
        ways(test_what_is_nowhere_any_more_is_told_as_lost),
        ways(test_a_replaced_file_is_read_to_its_end),
        ways(test_pieces_survive_a_reconnect_between_them),
        ways(test_a_container_of_the_same_name_is_another_log),
        ways(test_a_line_of_ten_megabytes_is_cut_and_the_next_is_whole),
        ways(test_hostile_cursors_are_no_cursors),
        ways(test_the_journal_goes_on_behind_each_sources_cursor),
        ways(test_no_gap_and_no_double_in_any_history),
        ways(test_the_last_lines_are_the_last),
        ways(test_the_last_lines_fit_into_a_message),
        ways(test_docker_logs_are_found_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
