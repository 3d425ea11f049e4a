/* collectors/parse_log: lines, cursors, hostile content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collectors/parse_log.h"
#include "tests/unit/collectors/fixture.h"

#define NOW_US INT64_C(1760000000000000)

static struct log_batch *taken(json_t *json)
{
    struct log_batch *batch;
    struct err_info info = {0};
    if (parse_log(json, "mosh01", NOW_US, &batch, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(json);
    return batch;
}

static json_t *good(void)
{
    return message("{'source':'podman/example.org-web','container':'example.org-web','site':'example.org',"
                   "'unit':'example.org-web','cursor':'file:1:2:300','dropped':5,'lines':["
                   "{'t':1759999999000000,'text':'GET /','stream':'stdout','priority':6},"
                   "{'t':1759999999500000,'text':'boom','stream':'stderr','priority':3}]}");
}

static void a_batch_is_read_whole(void **state)
{
    (void)state;
    struct log_batch *batch = taken(good());
    assert_string_equal(batch->host, "mosh01");
    assert_string_equal(batch->source, "podman/example.org-web");
    assert_string_equal(batch->container, "example.org-web");
    assert_string_equal(batch->site, "example.org");
    assert_string_equal(batch->unit, "example.org-web");
    assert_string_equal(batch->cursor, "file:1:2:300");
    assert_int_equal(batch->dropped, 5);
    assert_int_equal(batch->count, 2);
    assert_int_equal(batch->lines[0].at_us, 1759999999000000);
    assert_string_equal(batch->lines[1].text, "boom");
    assert_true(batch->lines[1].is_stderr && !batch->lines[0].is_stderr);
    assert_int_equal(batch->lines[1].priority, 3);
    log_batch_free(batch);
}

static void system_logs_have_no_container(void **state)
{
    (void)state;
    struct log_batch *batch =
        taken(message("{'source':'journal','unit':'sshd.service','cursor':'s=1;i=2','lines':[{'text':'x'}]}"));
    assert_string_equal(batch->container, "");
    assert_string_equal(batch->site, "");
    assert_string_equal(batch->unit, "sshd.service");
    assert_int_equal(batch->dropped, 0);
    assert_int_equal(batch->lines[0].priority, 255);
    log_batch_free(batch);
}

static void lines_without_a_believable_time_get_that_of_arrival(void **state)
{
    (void)state;
    struct log_batch *batch = taken(message("{'source':'journal','cursor':'c','lines':["
                                            "{'text':'none'},{'text':'negative','t':-1},{'text':'wrong','t':'x'},"
                                            "{'text':'in a year','t':1791536000000000},"
                                            "{'text':'in an hour','t':1760003600000000}]}"));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(batch->lines[i].at_us, NOW_US);
    assert_int_equal(batch->lines[4].at_us, 1760003600000000); /* clocks differ */
    log_batch_free(batch);
}

static void a_giant_line_is_cut_at_a_character(void **state)
{
    (void)state;
    json_t *json = good();
    char *giant = xmalloc(20001);
    for (size_t i = 0; i < 20000; i += 2)
        memcpy(giant + i, "\xc3\xa4", 2);
    giant[20000] = '\0';
    json_t *line = json_array_get(json_object_get(json, "lines"), 0);
    char *shifted = xasprintf("x%s", giant); /* the cut falls into a character */
    json_object_set_new(line, "text", json_string(shifted));
    struct log_batch *batch = taken(json);
    assert_int_equal(strlen(batch->lines[0].text), 8191);
    log_batch_free(batch);
    free(giant);
    free(shifted);
}

static void unusable_lines_count_as_dropped(void **state)
{
    (void)state;
    struct log_batch *batch = taken(message(
        "{'source':'journal','cursor':'c','dropped':2,'lines':[7,null,{},{'text':7},{'text':'good','priority':99}]}"));
    assert_int_equal(batch->count, 1);
    assert_int_equal(batch->dropped, 6);
    assert_int_equal(batch->lines[0].priority, 255);
    log_batch_free(batch);
}

static void lines_above_the_ceiling_count_as_dropped(void **state)
{
    (void)state;
    json_t *json = message("{'source':'journal','cursor':'c','lines':[]}");
    for (int i = 0; i < PARSE_LINES_MAX + 44; i++)
        json_array_append_new(json_object_get(json, "lines"), json_pack("{s:s}", "text", "x"));
    struct log_batch *batch = taken(json);
    assert_int_equal(batch->count, PARSE_LINES_MAX);
    assert_int_equal(batch->dropped, 44);
    log_batch_free(batch);
}

static void only_drops_are_a_batch_too(void **state)
{
    (void)state;
    struct log_batch *batch = taken(message("{'source':'journal','cursor':'c','dropped':9}"));
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->dropped, 9);
    log_batch_free(batch);
}

static void invalid_names_are_left_empty(void **state)
{
    (void)state;
    struct log_batch *batch = taken(message(
        "{'source':'journal','cursor':'c','container':'../x','site':'A B','dropped':-4,'lines':[{'text':'x'}]}"));
    assert_string_equal(batch->container, "");
    assert_string_equal(batch->site, "");
    assert_int_equal(batch->dropped, 0);
    log_batch_free(batch);
}

static void batches_that_could_not_be_continued_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"source", NULL}, {"source", "''"}, {"source", "'a b'"},
        {"source", "'a\\u001b'"}, {"source", "7"}, {"cursor", NULL}, {"cursor", "''"}, {"cursor", "{}"},
        {"lines", "{}"}, {"lines", "'x'"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *json = good();
        set(json, wrong[i][0], wrong[i][1]);
        struct log_batch *batch = (struct log_batch *)1;
        struct err_info info = {0};
        assert_int_equal(parse_log(json, "mosh01", NOW_US, &batch, &info), ERR_GARBAGE);
        assert_null(batch);
        assert_non_null(strstr(info.message, wrong[i][0]));
        json_decref(json);
    }
    json_t *json = good();
    json_object_set_new(json, "cursor", json_sprintf("%0600d", 1));
    struct log_batch *batch;
    assert_int_equal(parse_log(json, "mosh01", NOW_US, &batch, NULL), ERR_GARBAGE);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_read_whole),
        cmocka_unit_test(system_logs_have_no_container),
        cmocka_unit_test(lines_without_a_believable_time_get_that_of_arrival),
        cmocka_unit_test(a_giant_line_is_cut_at_a_character),
        cmocka_unit_test(unusable_lines_count_as_dropped),
        cmocka_unit_test(lines_above_the_ceiling_count_as_dropped),
        cmocka_unit_test(only_drops_are_a_batch_too),
        cmocka_unit_test(invalid_names_are_left_empty),
        cmocka_unit_test(batches_that_could_not_be_continued_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
