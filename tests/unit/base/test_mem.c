/* base/mem: fixed strings that never overflow, numbers that parse whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void null_text_is_copied_as_empty(void **state)
{
    (void)state;
    char *copy = xstrdup(NULL);
    assert_string_equal(copy, "");
    free(copy);
    copy = xstrndup(NULL, 5);
    assert_string_equal(copy, "");
    free(copy);
}

static void bounded_copy_stops_at_the_bound_and_at_nul(void **state)
{
    (void)state;
    char *copy = xstrndup("restart", 4);
    assert_string_equal(copy, "rest");
    free(copy);
    copy = xstrndup("ab\0cd", 5);
    assert_string_equal(copy, "ab");
    free(copy);
}

static void empty_allocations_are_real(void **state)
{
    (void)state;
    free(xmalloc(0));
    free(xcalloc(0, 8));
    free(xreallocarray(NULL, 0, 8));
}

static void slot_can_be_set_from_itself(void **state)
{
    (void)state;
    char *slot = NULL;
    xstr_set(&slot, "example.org");
    xstr_set(&slot, slot + 8);
    assert_string_equal(slot, "org");
    xstr_set(&slot, NULL);
    assert_null(slot);
}

static void copy_is_cut_at_a_character_and_says_so(void **state)
{
    (void)state;
    char out[6];
    assert_true(str_copy(out, sizeof out, "12345"));
    assert_string_equal(out, "12345");
    assert_false(str_copy(out, sizeof out, "123456"));
    assert_string_equal(out, "12345");
    assert_false(str_copy(out, sizeof out, "123€")); /* 6 bytes */
    assert_string_equal(out, "123");
    assert_false(str_copy(out, sizeof out, "12€4"));
    assert_string_equal(out, "12€");
    assert_false(str_copy(out, 0, "x"));
    assert_false(str_copy(out, 1, "x"));
    assert_string_equal(out, "");
    assert_true(str_copy(out, sizeof out, NULL));
    assert_string_equal(out, "");
}

static void formatting_is_cut_at_a_character_and_says_so(void **state)
{
    (void)state;
    char out[6];
    assert_true(str_format(out, sizeof out, "%d", 12345));
    assert_false(str_format(out, sizeof out, "%d%s", 123, "€"));
    assert_string_equal(out, "123");
    out[0] = 'k';
    assert_false(str_format(out, 0, "x"));
    assert_int_equal(out[0], 'k');
}

static void integers_parse_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "-0", "1x", "0x10", "1.0", "1e3", "--1", "101",
        "99999999999999999999", "９", "1\n", NULL};
    int64_t value = 7;
    for (size_t i = 0; bad[i]; i++)
        assert_false(str_to_i64(bad[i], 0, 100, &value));
    assert_false(str_to_i64(NULL, 0, 100, &value));
    assert_int_equal(value, 7);
    assert_true(str_to_i64("100", 0, 100, &value));
    assert_int_equal(value, 100);
    assert_true(str_to_i64("0042", 0, 100, &value));
    assert_int_equal(value, 42);
}

static void negative_integers_need_a_negative_minimum(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MIN);
    assert_false(str_to_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &value));
    assert_false(str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_false(str_to_i64("-", INT64_MIN, INT64_MAX, &value));
    assert_false(str_to_i64("-6", -5, 5, &value));
}

static void unsigned_integers_reach_their_maximum(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_false(str_to_u64("18446744073709551616", &value));
    assert_false(str_to_u64("-1", &value));
    assert_false(str_to_u64("", &value));
    assert_true(value == 7);
    assert_true(str_to_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
}

static void decimals_parse_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "1.", ".5", "nan", "inf", "-inf", "0x1p3", " 1", "1 ", "+1", "1,5", "1e",
        "1e+", "1e999", "1.5.2", "-", NULL};
    double value = 7;
    for (size_t i = 0; bad[i]; i++)
        assert_false(str_to_double(bad[i], &value));
    assert_false(str_to_double(NULL, &value));
    assert_true(value > 6.9 && value < 7.1);
    assert_true(str_to_double("-12.25", &value));
    assert_true(value < -12.24 && value > -12.26);
    assert_true(str_to_double("1.5e-3", &value));
    assert_true(value > 0.00149 && value < 0.00151);
}

static void prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(str_starts("--fleet=x", "--fleet="));
    assert_false(str_starts("--fl", "--fleet="));
    assert_true(str_ends("a.yaml", ".yaml"));
    assert_false(str_ends("yaml", ".yaml"));
    assert_true(str_ends("x", ""));
}

int main(void)
{
    setlocale(LC_ALL, "");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_text_is_copied_as_empty),
        cmocka_unit_test(bounded_copy_stops_at_the_bound_and_at_nul),
        cmocka_unit_test(empty_allocations_are_real),
        cmocka_unit_test(slot_can_be_set_from_itself),
        cmocka_unit_test(copy_is_cut_at_a_character_and_says_so),
        cmocka_unit_test(formatting_is_cut_at_a_character_and_says_so),
        cmocka_unit_test(integers_parse_whole_or_not_at_all),
        cmocka_unit_test(negative_integers_need_a_negative_minimum),
        cmocka_unit_test(unsigned_integers_reach_their_maximum),
        cmocka_unit_test(decimals_parse_strictly),
        cmocka_unit_test(prefix_and_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
