/* base/format: figures stay narrow, and unknown never reads as zero. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"

#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)

static char out[FORMAT_SIZE];

static void bytes_move_to_the_next_unit_before_they_get_wide(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *expected;
    } cases[] = {
        {0, "0B"},
        {1, "1B"},
        {1023, "1023B"},
        {1023.6, "1.0K"},
        {1024, "1.0K"},
        {1536, "1.5K"},
        {12.0 * KIB, "12.0K"},
        {99.9 * KIB, "99.9K"},
        {99.96 * KIB, "100K"},
        {1023 * KIB, "1023K"},
        {1023.6 * KIB, "1.0M"},
        {1.5 * GIB, "1.5G"},
        {1024 * GIB, "1.0T"},
        {1024 * 1024 * GIB, "1.0P"},
        {1e300, ">999E"},
        {-1536, "-1.5K"},
        {-0.1, "0B"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(format_bytes(cases[i].bytes, out), cases[i].expected);
}

static void no_amount_of_bytes_is_wider_than_five_columns(void **state)
{
    (void)state;
    for (double bytes = 0.3; bytes < 1e30; bytes *= 1.003)
        if (strlen(format_bytes(bytes, out)) > 5)
            fail_msg("%f: %s", bytes, out);
}

static void rates_are_bytes_per_second(void **state)
{
    (void)state;
    assert_string_equal(format_rate(12.0 * KIB, out), "12.0K/s");
    assert_string_equal(format_rate(0, out), "0B/s");
}

static void percentages_have_a_decimal_only_where_small(void **state)
{
    (void)state;
    assert_string_equal(format_pct(0, out), "0.0");
    assert_string_equal(format_pct(0.44, out), "0.4");
    assert_string_equal(format_pct(9.94, out), "9.9");
    assert_string_equal(format_pct(9.96, out), "10");
    assert_string_equal(format_pct(42.4, out), "42");
    assert_string_equal(format_pct(1600, out), "1600");
    assert_string_equal(format_pct(-0.01, out), "0.0");
    assert_string_equal(format_pct(-12, out), "-12");
    assert_true(strlen(format_pct(1e300, out)) <= 6);
}

static void counts_are_exact_up_to_four_digits(void **state)
{
    (void)state;
    assert_string_equal(format_count(0, out), "0");
    assert_string_equal(format_count(1234, out), "1234");
    assert_string_equal(format_count(9999, out), "9999");
    assert_string_equal(format_count(10000, out), "10.0K");
    assert_string_equal(format_count(1.2e6, out), "1.2M");
    assert_string_equal(format_count(999.96e3, out), "1.0M");
    assert_string_equal(format_count(-3, out), "-3");
}

static void unknown_is_a_dash_in_every_format(void **state)
{
    (void)state;
    const double unknown[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(format_bytes(unknown[i], out), "–");
        assert_string_equal(format_rate(unknown[i], out), "–");
        assert_string_equal(format_pct(unknown[i], out), "–");
        assert_string_equal(format_count(unknown[i], out), "–");
    }
    assert_string_equal(format_age(-1, out), "–");
    assert_string_equal(format_duration(-1, out), "–");
}

static void ages_use_the_largest_whole_unit(void **state)
{
    (void)state;
    assert_string_equal(format_age(0, out), "0s");
    assert_string_equal(format_age(8 * USEC_PER_SEC, out), "8s");
    assert_string_equal(format_age(59999999, out), "59s");
    assert_string_equal(format_age(60 * USEC_PER_SEC, out), "1m");
    assert_string_equal(format_age(3599 * USEC_PER_SEC, out), "59m");
    assert_string_equal(format_age(3 * 3600 * USEC_PER_SEC, out), "3h");
    assert_string_equal(format_age(12 * 86400 * USEC_PER_SEC, out), "12d");
    assert_string_equal(format_age(INT64_MAX, out), "106751991d");
}

static void durations_show_two_units(void **state)
{
    (void)state;
    assert_string_equal(format_duration(0, out), "0ms");
    assert_string_equal(format_duration(850 * USEC_PER_MSEC, out), "850ms");
    assert_string_equal(format_duration(2449999, out), "2.4s");
    assert_string_equal(format_duration(59999999, out), "59.9s");
    assert_string_equal(format_duration(65 * USEC_PER_SEC, out), "1m05s");
    assert_string_equal(format_duration(3900 * USEC_PER_SEC, out), "1h05m");
    assert_string_equal(format_duration((2 * 86400 + 3 * 3600) * USEC_PER_SEC, out), "2d03h");
    assert_true(strlen(format_duration(INT64_MAX, out)) < FORMAT_SIZE);
}

static void amounts_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"1", 1}, {"500K", 512000}, {"10M", INT64_C(10) << 20}, {"10M/s", INT64_C(10) << 20},
        {"3G", INT64_C(3) << 30}, {"2T", INT64_C(2) << 40}};
    static const char *const bad[] = {
        "", "0", "M", "-1", "1.5G", "10m", "10MB", "10M/h", "10 M", "9999999999T", "99999999999999999999", NULL};
    int64_t bytes = -7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(format_parse_bytes(cases[i].text, &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
    bytes = -7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(format_parse_bytes(bad[i], &bytes));
    assert_int_equal(bytes, -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_read_as_they_are_written),
        cmocka_unit_test(bytes_move_to_the_next_unit_before_they_get_wide),
        cmocka_unit_test(no_amount_of_bytes_is_wider_than_five_columns),
        cmocka_unit_test(rates_are_bytes_per_second),
        cmocka_unit_test(percentages_have_a_decimal_only_where_small),
        cmocka_unit_test(counts_are_exact_up_to_four_digits),
        cmocka_unit_test(unknown_is_a_dash_in_every_format),
        cmocka_unit_test(ages_use_the_largest_whole_unit),
        cmocka_unit_test(durations_show_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
