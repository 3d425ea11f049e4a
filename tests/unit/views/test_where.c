/* Telling where a site is: who did not answer is said, a conflict is never missed, and odd answers do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "views/where.h"

#define NOW_US INT64_C(1764000000000000)

static void add_line(void *owner, enum concern concern, const char *text)
{
    (void)concern;
    buf_printf(owner, "%s\n", text);
}

static json_t *parse(const char *text)
{
    json_t *where = NULL;
    assert_int_equal(json_parse(text, strlen(text), &where, NULL), ERR_OK);
    return where;
}

static enum concern concern_of(const char *text)
{
    json_t *where = parse(text);
    enum concern concern = where_concern(where);
    json_decref(where);
    return concern;
}

#define HOSTS(list) "{\"hosts\":[" list "],\"verdict\":\"v\"}"
#define HOST(name, state) "{\"host\":\"" name "\",\"answered\":true,\"state\":\"" state "\"}"
#define SILENT(name) "{\"host\":\"" name "\",\"answered\":false,\"why\":\"timeout\"}"

static void only_one_active_copy_and_all_answers_are_fine(void **state)
{
    (void)state;
    assert_int_equal(concern_of(HOSTS(HOST("a", "active") "," HOST("b", "absent"))), CONCERN_OK);
    assert_int_equal(concern_of(HOSTS(HOST("a", "active") "," HOST("b", "kept"))), CONCERN_OK);
    assert_int_equal(concern_of(HOSTS(HOST("a", "active") "," HOST("b", "active"))), CONCERN_CONFLICT);
    assert_int_equal(concern_of(HOSTS(HOST("a", "active") "," HOST("b", "active") "," SILENT("c"))), CONCERN_CONFLICT);
    assert_int_equal(concern_of(HOSTS(HOST("a", "active") "," SILENT("b"))), CONCERN_UNKNOWN);
    assert_int_equal(concern_of(HOSTS(HOST("a", "quarantined"))), CONCERN_QUARANTINED);
    assert_int_equal(concern_of(HOSTS(HOST("a", "stopped"))), CONCERN_WARNING);
    assert_int_equal(concern_of(HOSTS(HOST("a", "absent"))), CONCERN_CRITICAL);
    assert_int_equal(concern_of("{}"), CONCERN_CRITICAL);
}

static void hosts_without_an_answer_are_never_among_those_that_have_nothing(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 16);
    json_t *where = parse(HOSTS(HOST("a", "active") "," HOST("b", "absent") "," SILENT("c") "," HOST("d", "absent")));
    where_tell(where, NOW_US, add_line, &text);
    assert_non_null(strstr(buf_text(&text), "? c                no answer    timeout"));
    assert_non_null(strstr(buf_text(&text), "nothing of it on 2 other hosts that answered: b, d"));
    json_decref(where);
    buf_free(&text);
}

static void many_hosts_that_have_nothing_are_one_line(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 16);
    json_t *where = json_pack("{s:[],s:s}", "hosts", "verdict", "nowhere");
    for (int i = 0; i < 1000; i++)
        json_array_append_new(
            json_object_get(where, "hosts"), json_pack("{s:s,s:b,s:s}", "host", "h", "answered", 1, "state", "absent"));
    where_tell(where, NOW_US, add_line, &text);
    assert_non_null(strstr(buf_text(&text), "nothing of it on 1000 other hosts that answered\n"));
    json_decref(where);
    buf_free(&text);
}

static void marks_say_since_when_by_whom_and_until_when(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 16);
    json_t *where = json_pack("{s:[{s:s,s:b,s:s,s:i,s:[{s:s,s:s}],s:s,s:I,s:I,s:s}],s:s,s:s}", "hosts", "host", "a",
        "answered", 1, "state", "kept", "running", 0, "containers", "name", "web", "state", "exited", "job", "w.7",
        "since_us", (json_int_t)(NOW_US - 3600 * USEC_PER_SEC), "until_us",
        (json_int_t)(NOW_US + 2 * 86400 * USEC_PER_SEC), "peer", "b", "verdict", "v", "way_out", "dogwatch undo 7");
    where_tell(where, NOW_US, add_line, &text);
    assert_non_null(
        strstr(buf_text(&text), "0 running: web (exited); since 1h ago by job w.7, other side b, removed in 2d"));
    assert_non_null(strstr(buf_text(&text), "The way out:\ndogwatch undo 7\n"));
    json_decref(where);
    buf_free(&text);
}

static void answers_of_another_shape_do_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {"{}", "{\"hosts\":7}", "{\"hosts\":[1,null,\"x\",{}]}",
        "{\"hosts\":[{\"host\":[],\"answered\":\"yes\",\"containers\":{}}],\"way_out\":[7]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct buf text = BUF(1 << 16);
        json_t *where = parse(odd[i]);
        where_tell(where, NOW_US, add_line, &text);
        assert_non_null(strstr(buf_text(&text), "no verdict"));
        json_decref(where);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_active_copy_and_all_answers_are_fine),
        cmocka_unit_test(hosts_without_an_answer_are_never_among_those_that_have_nothing),
        cmocka_unit_test(many_hosts_that_have_nothing_are_one_line),
        cmocka_unit_test(marks_say_since_when_by_whom_and_until_when),
        cmocka_unit_test(answers_of_another_shape_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
