/* base/clock: times as text, strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

/* 2026-01-02T03:04:05Z */
#define EXAMPLE_US (INT64_C(1767323045) * USEC_PER_SEC)

static void assert_reads(const char *text, int64_t expected_us)
{
    int64_t at_us = -1;
    if (!clock_parse_rfc3339(text, &at_us))
        fail_msg("refused: %s", text);
    assert_int_equal(at_us, expected_us);
}

static void rfc3339_is_written_with_the_asked_decimals(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    assert_string_equal(clock_rfc3339(EXAMPLE_US + 123456, 0, out), "2026-01-02T03:04:05Z");
    assert_string_equal(clock_rfc3339(EXAMPLE_US + 123456, 3, out), "2026-01-02T03:04:05.123Z");
    assert_string_equal(clock_rfc3339(EXAMPLE_US + 123456, 6, out), "2026-01-02T03:04:05.123456Z");
    assert_string_equal(clock_rfc3339(EXAMPLE_US + 7, 6, out), "2026-01-02T03:04:05.000007Z");
}

static void never_and_absurd_times_are_written_as_nothing(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    assert_string_equal(clock_rfc3339(0, 6, out), "");
    assert_string_equal(clock_rfc3339(INT64_MAX, 6, out), "");
    assert_string_equal(clock_rfc3339(INT64_MIN, 6, out), "");
    assert_string_equal(clock_rfc3339(-1, 6, out), "1969-12-31T23:59:59.999999Z");
}

static void rfc3339_is_read_with_offsets_and_fractions(void **state)
{
    (void)state;
    assert_reads("2026-01-02T03:04:05Z", EXAMPLE_US);
    assert_reads("2026-01-02t03:04:05z", EXAMPLE_US);
    assert_reads("2026-01-02T04:04:05+01:00", EXAMPLE_US);
    assert_reads("2026-01-01T21:34:05-05:30", EXAMPLE_US);
    assert_reads("2026-01-02T03:04:05.5Z", EXAMPLE_US + 500000);
    assert_reads("2026-01-02T03:04:05.123456789Z", EXAMPLE_US + 123456);
    assert_reads("2024-02-29T00:00:00Z", INT64_C(1709164800) * USEC_PER_SEC);
    assert_reads("2016-12-31T23:59:60Z", INT64_C(1483228800) * USEC_PER_SEC);
}

static void zero_time_of_container_engines_is_never(void **state)
{
    (void)state;
    assert_reads("0001-01-01T00:00:00Z", 0);
}

static void rfc3339_refuses_all_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "2026-01-02", "2026-01-02T03:04:05", "2026-1-2T03:04:05Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:00Z", "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05 Z", "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05+0100", " 2026-01-02T03:04:05Z", "-026-01-02T03:04:05Z", "99999-01-02T03:04:05Z",
        "2026-01-02T03:04:05.12x4Z", NULL};
    int64_t at_us = 7;
    for (size_t i = 0; bad[i]; i++)
        if (clock_parse_rfc3339(bad[i], &at_us))
            fail_msg("taken: %s", bad[i]);
    assert_false(clock_parse_rfc3339(NULL, &at_us));
    assert_int_equal(at_us, 7);
}

static void written_times_read_back(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    for (int64_t at_us = 1; at_us < INT64_C(4000000000) * USEC_PER_SEC; at_us += INT64_C(40000003000001))
        assert_reads(clock_rfc3339(at_us, 6, out), at_us);
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expected_us;
    } good[] = {
        {"500ms", 500000},
        {"10s", 10000000},
        {"90", 90000000},
        {"5m", 300000000},
        {"24h", INT64_C(86400000000)},
        {"7d", INT64_C(604800000000)},
    };
    static const char *const bad[] = {"", "0", "0s", "-1s", "1.5h", "1 h", "1hh", "h", "10S", "99999999999999999999s",
        "9223372036855d", "9223372036854775807", "1s ", NULL};
    int64_t duration_us = 7;
    for (size_t i = 0; bad[i]; i++)
        if (clock_parse_duration(bad[i], &duration_us))
            fail_msg("taken: %s", bad[i]);
    assert_false(clock_parse_duration(NULL, &duration_us));
    assert_int_equal(duration_us, 7);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(clock_parse_duration(good[i].text, &duration_us));
        assert_int_equal(duration_us, good[i].expected_us);
    }
}

static void moments_are_absolute_local_or_long_ago(void **state)
{
    (void)state;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    int64_t hour_us = 3600 * USEC_PER_SEC;
    /* Where no time zone database is installed, Berlin is UTC. */
    struct tm noon = {.tm_year = 126, .tm_mon = 0, .tm_mday = 2, .tm_hour = 12, .tm_isdst = -1};
    int64_t noon_us = (int64_t)mktime(&noon) * USEC_PER_SEC, at_us = 0;
    assert_true(clock_parse_moment("2026-01-02 12:00", EXAMPLE_US, &at_us));
    assert_int_equal(at_us, noon_us);
    assert_true(clock_parse_moment("2026-01-02 12:00:07", EXAMPLE_US, &at_us));
    assert_int_equal(at_us, noon_us + 7 * USEC_PER_SEC);
    assert_true(clock_parse_moment("2026-01-02", EXAMPLE_US, &at_us));
    assert_int_equal(at_us, noon_us - 12 * hour_us);
    assert_true(clock_parse_moment("2026-01-02T03:04:05Z", 1, &at_us));
    assert_int_equal(at_us, EXAMPLE_US);
    assert_true(clock_parse_moment("2h", EXAMPLE_US, &at_us));
    assert_int_equal(at_us, EXAMPLE_US - 2 * hour_us);
}

static void moments_refuse_all_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "yesterday", "2026-01-02 ", "2026-01-02 3:04", "2026-01-02 03:04:05x",
        "2026-02-30", "2026-01", "12:00", NULL};
    int64_t at_us = 7;
    for (size_t i = 0; bad[i]; i++)
        if (clock_parse_moment(bad[i], EXAMPLE_US, &at_us))
            fail_msg("taken: %s", bad[i]);
    assert_false(clock_parse_moment(NULL, EXAMPLE_US, &at_us));
    assert_int_equal(at_us, 7);
}

static void frozen_wall_clock_stands_still_until_thawed(void **state)
{
    (void)state;
    clock_freeze_wall(EXAMPLE_US);
    assert_int_equal(clock_wall_us(), EXAMPLE_US);
    assert_int_equal(clock_wall_us(), EXAMPLE_US);
    clock_freeze_wall(0);
    assert_true(clock_wall_us() != EXAMPLE_US);
}

static void monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = clock_mono_us();
    assert_true(before > 0);
    assert_true(clock_mono_us() >= before);
    before = clock_mono_us();
    assert_true(clock_boot_us() >= before); /* it counts the time asleep as well */
    struct timespec deadline = clock_timespec(INT64_C(12345678901));
    assert_int_equal(deadline.tv_sec, 12345);
    assert_int_equal(deadline.tv_nsec, 678901000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_is_written_with_the_asked_decimals),
        cmocka_unit_test(never_and_absurd_times_are_written_as_nothing),
        cmocka_unit_test(rfc3339_is_read_with_offsets_and_fractions),
        cmocka_unit_test(zero_time_of_container_engines_is_never),
        cmocka_unit_test(rfc3339_refuses_all_else),
        cmocka_unit_test(written_times_read_back),
        cmocka_unit_test(durations),
        cmocka_unit_test(moments_are_absolute_local_or_long_ago),
        cmocka_unit_test(moments_refuse_all_else),
        cmocka_unit_test(frozen_wall_clock_stands_still_until_thawed),
        cmocka_unit_test(monotonic_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
