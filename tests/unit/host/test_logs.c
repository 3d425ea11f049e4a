/* Lines as they are written, and the way out: formats, pieces, rate, sizes. What is hostile comes out as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/logs/batch.h"
#include "host/logs/journal.h"
#include "host/logs/record.h"

#define NOW_US (INT64_C(1795235000) * USEC_PER_SEC) /* 2026-11-21T04:23:20Z */

static char line_buffer[1u << 18];

static void parse(enum record_format format, const char *line, struct record *record)
{
    str_copy(line_buffer, sizeof line_buffer, line);
    record_parse(format, line_buffer, strlen(line), NOW_US, record);
}

static void assert_text(const struct record *record, const char *expected)
{
    assert_int_equal(record->length, strlen(expected));
    assert_memory_equal(record->text, expected, record->length);
}

static void test_podman_lines_have_time_stream_and_completeness(void **state)
{
    (void)state;
    struct record record;
    parse(RECORD_K8S, "2026-01-02T03:04:05.123456789+01:00 stderr P half a", &record);
    assert_int_equal(record.t_us, INT64_C(1767319445123456));
    assert_int_equal(record.stream, RECORD_STDERR);
    assert_true(record.is_partial);
    assert_text(&record, "half a");
    parse(RECORD_K8S, "2026-01-02T03:04:05.123456789+01:00 stdout F ", &record);
    assert_false(record.is_partial);
    assert_text(&record, "");
    parse(RECORD_K8S, "2026-01-02T03:04:05.123456789+01:00 stdout F", &record);
    assert_text(&record, "");
}

static void test_a_line_that_breaks_its_format_is_text(void **state)
{
    (void)state;
    static const char *const lines[] = {"", " ", "x", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z stdout",
        "2026-01-02T03:04:05Z stdout X text", "2026-01-02T03:04:05Z nowhere F text", "{\"log\":\"cut", "{}",
        "{\"log\":7}", "[[[[", "Nov 31 99:99:99 h x", "Xyz 21 04:00:00 h x"};
    struct record record;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (enum record_format format = RECORD_K8S; format <= RECORD_PLAIN; format++) {
            parse(format, lines[i], &record);
            if (format != RECORD_SYSLOG || i < 3 || i > 6) {
                assert_text(&record, lines[i]);
                assert_int_equal(record.t_us, 0);
            }
            record_release(&record);
        }
    }
}

static void test_docker_lines_are_unescaped_and_long_ones_are_pieces(void **state)
{
    (void)state;
    struct record record;
    parse(RECORD_JSON_FILE,
        "{\"log\":\"a \\\"b\\\" \\u0000\\\\u0000\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.5Z\"}",
        &record);
    assert_text(&record, "a \"b\" \xEF\xBF\xBD\\u0000");
    assert_int_equal(record.stream, RECORD_STDERR);
    assert_int_equal(record.t_us, INT64_C(1767323045500000));
    record_release(&record);
    parse(
        RECORD_JSON_FILE, "{\"log\":\"last words\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}", &record);
    assert_false(record.is_partial);
    record_release(&record);
    char piece[16385];
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    char *line = xasprintf("{\"log\":\"%s\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}", piece);
    parse(RECORD_JSON_FILE, line, &record);
    assert_true(record.is_partial);
    record_release(&record);
    free(line);
}

static void test_syslog_stamps_of_both_kinds(void **state)
{
    (void)state;
    struct record record;
    parse(RECORD_SYSLOG, "2026-11-21T04:00:00.250000+00:00 host sshd[7]: in", &record);
    assert_int_equal(record.t_us, INT64_C(1795233600250000));
    assert_text(&record, "sshd[7]: in");
    parse(RECORD_SYSLOG, "Nov 21 04:00:00 host authpriv.warn sshd[7]: in", &record);
    assert_int_equal(record.t_us, INT64_C(1795233600000000));
    assert_int_equal(record.priority, 4);
    assert_text(&record, "sshd[7]: in");
    parse(RECORD_SYSLOG, "Dec  1 04:00:00 host cron: a", &record); /* of last year: it is November */
    assert_int_equal(record.t_us, INT64_C(1764561600000000));
    assert_text(&record, "cron: a");
    assert_int_equal(record.priority, -1);
}

static void test_pieces_of_two_streams_are_put_together_apart(void **state)
{
    (void)state;
    struct record_joiner joiner;
    struct record record;
    record_joiner_init(&joiner);
    parse(RECORD_K8S, "2026-01-02T03:04:05Z stdout P one ", &record);
    assert_false(record_join(&joiner, &record, 100));
    parse(RECORD_K8S, "2026-01-02T03:04:06Z stderr F other", &record);
    assert_true(record_join(&joiner, &record, 140));
    assert_text(&record, "other");
    assert_int_equal(record_joiner_pending(&joiner, 200), 100);
    parse(RECORD_K8S, "2026-01-02T03:04:07Z stdout F two", &record);
    assert_true(record_join(&joiner, &record, 200));
    assert_text(&record, "one two");
    assert_int_equal(record.t_us, INT64_C(1767323045000000));
    assert_int_equal(record_joiner_pending(&joiner, 240), 240);
    record_joiner_free(&joiner);
}

static void test_endless_pieces_are_cut_at_8_kib(void **state)
{
    (void)state;
    struct record_joiner joiner;
    char text[1000];
    memset(text, 'y', sizeof text);
    record_joiner_init(&joiner);
    struct record record = {.stream = RECORD_STDOUT, .is_partial = true};
    for (int i = 0; i < 10000; i++) {
        record.text = text;
        record.length = sizeof text;
        assert_false(record_join(&joiner, &record, 0));
    }
    record.is_partial = false;
    assert_true(record_join(&joiner, &record, 0));
    assert_int_equal(record.length, RECORD_TEXT_MOST);
    record_joiner_free(&joiner);
}

static void test_any_bytes_make_a_valid_line_of_8_kib(void **state)
{
    (void)state;
    size_t bytes;
    struct buf out = BUF(1u << 20);
    char *noise = xmalloc(20000);
    for (size_t i = 0; i < 20000; i++)
        noise[i] = (char)(i * 7 % 256);
    struct record record = {.text = noise, .length = 20000, .priority = -1, .t_us = 1};
    json_t *line = record_json(&record, &bytes);
    assert_int_equal(json_write(&out, line), ERR_OK);
    assert_true(out.length <= bytes);
    assert_true(strlen(json_get_text(line, "text")) >= RECORD_TEXT_MOST / 2);
    json_decref(line);
    buf_free(&out);
    free(noise);
}

static void add_lines(struct batch *batch, int count, int64_t at_us, int64_t step_us)
{
    for (int i = 0; i < count; i++) {
        struct record record = {.text = "x", .length = 1, .priority = -1, .t_us = at_us + i * step_us};
        batch_add(batch, &record, NOW_US);
    }
}

static size_t take(struct batch *batch, int64_t *dropped)
{
    static const struct log_identity identity = {.source = "podman/a", .unit = "a"};
    json_t *message = batch_take(batch, &identity, "c");
    size_t count = json_array_size(json_object_get(message, "lines"));
    *dropped = -1;
    json_get_i64(message, "dropped", dropped);
    json_decref(message);
    return count;
}

static void test_a_flood_is_cut_and_counted_and_a_backlog_passes(void **state)
{
    (void)state;
    int64_t dropped;
    struct batch batch;
    batch_init(&batch, 10);
    add_lines(&batch, 1000, NOW_US - 3600 * USEC_PER_SEC, 0);
    assert_int_equal(take(&batch, &dropped), 100); /* ten seconds' worth */
    assert_int_equal(dropped, 900);
    assert_true(batch_is_empty(&batch));
    add_lines(&batch, 1000, NOW_US - 3500 * USEC_PER_SEC, USEC_PER_SEC / 10); /* written slowly, read at once */
    assert_int_equal(take(&batch, &dropped), 1000);
    assert_int_equal(dropped, 0);
    batch_free(&batch);
}

static void test_stamps_of_the_future_buy_nothing(void **state)
{
    (void)state;
    int64_t dropped;
    struct batch batch;
    batch_init(&batch, 10);
    add_lines(&batch, 1000, NOW_US + 3600 * USEC_PER_SEC, 1000 * USEC_PER_SEC);
    assert_int_equal(take(&batch, &dropped), 100);
    assert_int_equal(dropped, 900);
    batch_free(&batch);
}

static void test_lines_dated_to_and_fro_are_a_flood_all_the_same(void **state)
{
    (void)state;
    int64_t dropped;
    struct batch batch;
    batch_init(&batch, 10);
    for (int i = 0; i < 500; i++) {
        add_lines(&batch, 1, NOW_US - 3600 * USEC_PER_SEC, 0);
        add_lines(&batch, 1, NOW_US - 1800 * USEC_PER_SEC, 0);
    }
    size_t taken = take(&batch, &dropped);
    assert_in_range(taken, 100, 200); /* ten seconds' worth, and once more for the half hour */
    assert_int_equal(dropped, 1000 - taken);
    batch_free(&batch);
}

static void test_a_batch_is_full_by_lines_and_by_bytes(void **state)
{
    (void)state;
    int64_t dropped;
    int count = 0;
    struct batch batch;
    char text[RECORD_TEXT_MOST];
    memset(text, 1, sizeof text); /* each becomes six bytes */
    struct record record = {.text = text, .length = sizeof text, .priority = -1, .t_us = NOW_US};
    batch_init(&batch, 500);
    do
        count++;
    while (!batch_add(&batch, &record, NOW_US));
    assert_int_equal(count, 11);
    take(&batch, &dropped);
    record.length = 1;
    count = 0;
    do
        count++;
    while (!batch_add(&batch, &record, NOW_US));
    assert_int_equal(count, BATCH_MOST_LINES);
    batch_free(&batch);
}

/* --- the journal ----------------------------------------------------------------------------------------------------
 */

static bool parse_entry(const char *line, struct journal_entry *entry)
{
    str_copy(line_buffer, sizeof line_buffer, line);
    return journal_entry_parse(line_buffer, strlen(line_buffer), entry);
}

static void test_journal_entries_name_their_speaker_or_container(void **state)
{
    (void)state;
    struct journal_entry entry;
    assert_true(
        parse_entry("{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1795233600250000\",\"PRIORITY\":\"4\","
                    "\"SYSLOG_IDENTIFIER\":\"sshd\",\"_PID\":\"9\",\"_UID\":\"0\",\"MESSAGE\":\"in\"}",
            &entry));
    assert_null(entry.id);
    assert_text(&entry.record, "sshd[9]: in");
    assert_int_equal(entry.record.priority, 4);
    assert_int_equal(entry.record.t_us, INT64_C(1795233600250000));
    journal_entry_release(&entry);
    assert_true(parse_entry("{\"__CURSOR\":\"c\",\"_UID\":\"0\",\"_COMM\":\"conmon\",\"PRIORITY\":\"3\","
                            "\"CONTAINER_ID_FULL\":\"ab\",\"CONTAINER_NAME\":\"web\",\"MESSAGE\":[104,105,255]}",
        &entry));
    assert_string_equal(entry.id, "ab");
    assert_text(&entry.record, "hi\xFF");
    assert_int_equal(entry.record.stream, RECORD_STDERR);
    journal_entry_release(&entry);
}

static void test_a_user_cannot_speak_for_a_container(void **state)
{
    (void)state;
    struct journal_entry entry;
    assert_true(parse_entry("{\"__CURSOR\":\"c\",\"_UID\":\"1000\",\"CONTAINER_ID_FULL\":\"ab\",\"CONTAINER_NAME\":"
                            "\"web\",\"MESSAGE\":\"forged\"}",
        &entry));
    assert_null(entry.id);
    journal_entry_release(&entry);
    assert_false(parse_entry("{\"MESSAGE\":\"no cursor\"}", &entry));
    journal_entry_release(&entry);
    assert_false(parse_entry("{\"__CURSOR\":\"c\"", &entry));
    journal_entry_release(&entry);
}

static void test_journal_cursors_are_compared_by_number_or_time(void **state)
{
    (void)state;
    assert_true(journal_cursor_is_covered("s=a;i=f;b=1;t=9", "s=a;i=10;b=1;t=1"));
    assert_false(journal_cursor_is_covered("s=a;i=11;b=1;t=1", "s=a;i=10;b=1;t=9"));
    assert_true(journal_cursor_is_covered("s=b;i=11;b=1;t=8", "s=a;i=10;b=1;t=9"));
    assert_false(journal_cursor_is_covered("garbage", "s=a;i=10;b=1;t=9"));
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_podman_lines_have_time_stream_and_completeness),
        cmocka_unit_test(test_a_line_that_breaks_its_format_is_text),
        cmocka_unit_test(test_docker_lines_are_unescaped_and_long_ones_are_pieces),
        cmocka_unit_test(test_syslog_stamps_of_both_kinds),
        cmocka_unit_test(test_pieces_of_two_streams_are_put_together_apart),
        cmocka_unit_test(test_endless_pieces_are_cut_at_8_kib),
        cmocka_unit_test(test_any_bytes_make_a_valid_line_of_8_kib),
        cmocka_unit_test(test_a_flood_is_cut_and_counted_and_a_backlog_passes),
        cmocka_unit_test(test_stamps_of_the_future_buy_nothing),
        cmocka_unit_test(test_lines_dated_to_and_fro_are_a_flood_all_the_same),
        cmocka_unit_test(test_a_batch_is_full_by_lines_and_by_bytes),
        cmocka_unit_test(test_journal_entries_name_their_speaker_or_container),
        cmocka_unit_test(test_a_user_cannot_speak_for_a_container),
        cmocka_unit_test(test_journal_cursors_are_compared_by_number_or_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
