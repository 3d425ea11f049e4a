/* base/json: bounds, types, and unknown that stays unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct err_info info = {0};
    if (json_parse(text, strlen(text), &value, &info) != ERR_OK)
        fail_msg("%s", info.message);
    return value;
}

static void assert_refused(const char *text, size_t length, const char *reason)
{
    json_t *value = (json_t *)1;
    struct err_info info = {0};
    assert_int_equal(json_parse(text, length, &value, &info), ERR_GARBAGE);
    assert_null(value);
    if (!strstr(info.message, reason))
        fail_msg("\"%s\" lacks \"%s\"", info.message, reason);
}

#define REFUSED(text, reason) assert_refused(text, sizeof text - 1, reason)

static void garbage_is_refused_with_its_position(void **state)
{
    (void)state;
    REFUSED("", "at byte 0");
    REFUSED("{\"a\":1} x", "at byte 9");
    REFUSED("[1,", "invalid JSON");
    REFUSED("\"text\"", "invalid JSON"); /* neither object nor array */
    REFUSED("{\"a\":1,\"a\":2}", "duplicate");
    REFUSED("[\"\\u0000\"]", "\\u0000");
    REFUSED("[\"a\0b\"]", "invalid JSON");
    REFUSED("[\"\xc0\x80\"]", "invalid JSON");
    REFUSED("[\"\\ud800\"]", "invalid JSON");
    REFUSED("[99999999999999999999]", "invalid JSON");
    REFUSED("[1e999]", "invalid JSON");
    REFUSED("[NaN]", "invalid JSON");
}

static void error_text_quotes_no_control_characters(void **state)
{
    (void)state;
    json_t *value;
    struct err_info info;
    const char hostile[] = "[\x1b[31m\xe2\x80\xae]";
    assert_int_equal(json_parse(hostile, sizeof hostile - 1, &value, &info), ERR_GARBAGE);
    for (const char *c = info.message; *c; c++)
        assert_true((unsigned char)*c >= 0x20);
    assert_null(strstr(info.message, "\xe2\x80\xae"));
}

static void nest(struct buf *buf, size_t depth)
{
    buf_clear(buf);
    for (size_t i = 0; i < depth; i++)
        buf_putc(buf, '[');
    for (size_t i = 0; i < depth; i++)
        buf_putc(buf, ']');
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct buf buf = BUF(1 << 20);
    json_t *value;
    nest(&buf, 64);
    assert_int_equal(json_parse(buf.data, buf.length, &value, NULL), ERR_OK);
    json_decref(value);
    nest(&buf, 65);
    assert_refused(buf.data, buf.length, "deeper than 64 at byte 64");
    nest(&buf, 500000);
    assert_refused(buf.data, buf.length, "deeper than 64");
    buf_free(&buf);
}

static void brackets_in_text_are_not_nesting(void **state)
{
    (void)state;
    struct buf buf = BUF(4096);
    buf_puts(&buf, "[\"\\\"");
    for (int i = 0; i < 500; i++)
        buf_putc(&buf, '[');
    buf_puts(&buf, "\\\\\"]");
    json_decref(parse(buf_text(&buf)));
    buf_free(&buf);
}

static void getters_take_no_other_type(void **state)
{
    (void)state;
    json_t *object = parse("{\"text\":\"a\",\"int\":7,\"real\":1.5,\"yes\":true,\"null\":null}");
    int64_t number = 42;
    bool flag = true;
    assert_string_equal(json_get_text(object, "text"), "a");
    assert_null(json_get_text(object, "int"));
    assert_null(json_get_text(object, "absent"));
    assert_true(json_get_i64(object, "int", &number));
    assert_int_equal(number, 7);
    assert_false(json_get_i64(object, "real", &number));
    assert_false(json_get_i64(object, "text", &number));
    assert_false(json_get_i64(object, "null", &number));
    assert_int_equal(number, 7);
    assert_false(json_get_bool(object, "int", &flag));
    assert_true(flag);
    assert_true(json_get_bool(object, "yes", &flag));
    assert_true(json_get_number(object, "real") > 1.4);
    assert_true(json_get_number(object, "int") > 6.9);
    json_decref(object);
}

static void absent_number_is_unknown_and_never_zero(void **state)
{
    (void)state;
    json_t *object = parse("{\"text\":\"1\",\"null\":null,\"yes\":true}");
    assert_true(isnan(json_get_number(object, "text")));
    assert_true(isnan(json_get_number(object, "null")));
    assert_true(isnan(json_get_number(object, "yes")));
    assert_true(isnan(json_get_number(object, "absent")));
    assert_true(isnan(json_get_number(NULL, "absent")));
    json_decref(object);
    object = parse("[1]");
    assert_true(isnan(json_get_number(object, "x")));
    assert_null(json_get_text(object, "x"));
    json_decref(object);
}

static void text_that_does_not_fit_is_not_copied(void **state)
{
    (void)state;
    json_t *object = parse("{\"name\":\"mosh01\"}");
    char exact[7] = "x", small[6] = "x";
    assert_true(json_copy_text(object, "name", exact, sizeof exact));
    assert_string_equal(exact, "mosh01");
    assert_false(json_copy_text(object, "name", small, sizeof small));
    assert_string_equal(small, "x");
    assert_false(json_copy_text(object, "name", small, 0));
    assert_false(json_copy_text(object, "absent", exact, sizeof exact));
    json_decref(object);
}

static void unknown_members_are_not_written(void **state)
{
    (void)state;
    json_t *object = json_object();
    struct buf buf = BUF(1000);
    json_put_number(object, "nan", (double)NAN);
    json_put_number(object, "infinite", (double)INFINITY);
    json_put_text(object, "null", NULL);
    assert_int_equal(json_object_size(object), 0);
    json_put_number(object, "a", 0.1);
    json_put_i64(object, "b", INT64_MIN);
    json_put_bool(object, "c", false);
    json_put_text(object, "d", "x\n\t");
    assert_int_equal(json_write(&buf, object), ERR_OK);
    assert_string_equal(buf_text(&buf), "{\"a\":0.1,\"b\":-9223372036854775808,\"c\":false,\"d\":\"x\\n\\t\"}");
    buf_free(&buf);
    json_decref(object);
}

static void invalid_utf8_is_repaired_and_all_else_kept(void **state)
{
    (void)state;
    json_t *object = json_object();
    json_put_text(object, "bad", "a\xff\xc0\x80\tb\xe2\x80\xae");
    assert_string_equal(json_get_text(object, "bad"), "a\uFFFD\uFFFD\uFFFD\tb\xe2\x80\xae");
    json_put_text(object, "good", "Jörg\x1b");
    assert_string_equal(json_get_text(object, "good"), "Jörg\x1b");
    json_put_text(object, "empty", "");
    assert_string_equal(json_get_text(object, "empty"), "");
    json_decref(object);
}

static void writing_past_the_ceiling_leaves_no_half_message(void **state)
{
    (void)state;
    struct buf buf = BUF(20);
    json_t *object = parse("{\"key\":\"a rather long text for it\"}");
    buf_puts(&buf, "before");
    assert_int_equal(json_write(&buf, object), ERR_FULL);
    assert_string_equal(buf_text(&buf), "before");
    assert_int_equal(buf.length, 6);
    assert_int_equal(json_write(&buf, NULL), ERR_FULL);
    buf_clear(&buf);
    assert_int_equal(json_write(&buf, NULL), ERR_INVALID);
    buf_free(&buf);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_is_refused_with_its_position),
        cmocka_unit_test(error_text_quotes_no_control_characters),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(brackets_in_text_are_not_nesting),
        cmocka_unit_test(getters_take_no_other_type),
        cmocka_unit_test(absent_number_is_unknown_and_never_zero),
        cmocka_unit_test(text_that_does_not_fit_is_not_copied),
        cmocka_unit_test(unknown_members_are_not_written),
        cmocka_unit_test(invalid_utf8_is_repaired_and_all_else_kept),
        cmocka_unit_test(writing_past_the_ceiling_leaves_no_half_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
