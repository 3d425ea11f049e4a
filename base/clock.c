/* Clocks, and times as text.
 *
 * Text is parsed strictly: every field in its range, the day within its month, nothing before or behind. The frozen
 * wall clock is the only state, and atomic; any thread. */
#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

static _Atomic int64_t frozen_wall_us;

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_wall_us, memory_order_relaxed);
    return frozen ? frozen : read_clock_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
    return read_clock_us(CLOCK_BOOTTIME);
}

void clock_freeze_wall(int64_t at_us)
{
    atomic_store_explicit(&frozen_wall_us, at_us, memory_order_relaxed);
}

struct timespec clock_timespec(int64_t mono_us)
{
    return (struct timespec){.tv_sec = mono_us / USEC_PER_SEC, .tv_nsec = (mono_us % USEC_PER_SEC) * 1000};
}

const char *clock_rfc3339(int64_t at_us, int decimals, char out[CLOCK_RFC3339_SIZE])
{
    out[0] = '\0';
    time_t seconds = (time_t)(at_us / USEC_PER_SEC);
    int64_t fraction = at_us % USEC_PER_SEC;
    if (fraction < 0) { /* before 1970: C rounds towards zero, a calendar rounds down */
        fraction += USEC_PER_SEC;
        seconds--;
    }
    struct tm tm;
    if (at_us == 0 || !gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
        return out;
    char tail[sizeof ".123456"] = "";
    if (decimals == 3)
        str_format(tail, sizeof tail, ".%03d", (int)(fraction / 1000));
    else if (decimals == 6)
        str_format(tail, sizeof tail, ".%06d", (int)fraction);
    str_format(out, CLOCK_RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tail);
    return out;
}

/* Exactly `digits` digits within [min, max]; moves *at behind them. */
static bool take_number(const char **at, int digits, int min, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += digits;
    *out = value;
    return value >= min && value <= max;
}

static bool take_char(const char **at, const char *allowed)
{
    if (**at == '\0' || !strchr(allowed, **at))
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* YYYY-MM-DD */
static bool take_date(const char **at, struct tm *tm)
{
    int year, month;
    if (!take_number(at, 4, 0, 9999, &year) || !take_char(at, "-") || !take_number(at, 2, 1, 12, &month) ||
        !take_char(at, "-") || !take_number(at, 2, 1, days_in_month(year, month), &tm->tm_mday))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    return true;
}

/* HH:MM; a second of 60 is a leap second. */
static bool take_hour_minute(const char **at, struct tm *tm)
{
    return take_number(at, 2, 0, 23, &tm->tm_hour) && take_char(at, ":") && take_number(at, 2, 0, 59, &tm->tm_min);
}

/* Digits behind the point in microseconds; finer ones are read and dropped. */
static bool take_fraction(const char **at, int64_t *fraction_us)
{
    *fraction_us = 0;
    if (!take_char(at, "."))
        return true;
    const char *first = *at;
    for (int64_t unit = USEC_PER_SEC / 10; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        *fraction_us += (**at - '0') * unit;
    return *at > first;
}

/* "Z", "+hh:mm" or "-hh:mm", east of UTC counted positive. */
static bool take_zone(const char **at, int64_t *offset_us)
{
    *offset_us = 0;
    if (take_char(at, "Zz"))
        return true;
    int64_t sign = **at == '-' ? -1 : 1;
    int hours, minutes;
    if (!take_char(at, "+-") || !take_number(at, 2, 0, 23, &hours) || !take_char(at, ":") ||
        !take_number(at, 2, 0, 59, &minutes))
        return false;
    *offset_us = sign * (hours * 60 + minutes) * 60 * USEC_PER_SEC;
    return true;
}

bool clock_parse_rfc3339(const char *text, int64_t *at_us)
{
    struct tm tm = {0};
    int64_t fraction_us, offset_us;
    const char *at = text;
    if (!text || !take_date(&at, &tm) || !take_char(&at, "Tt ") || !take_hour_minute(&at, &tm) ||
        !take_char(&at, ":") || !take_number(&at, 2, 0, 60, &tm.tm_sec) || !take_fraction(&at, &fraction_us) ||
        !take_zone(&at, &offset_us) || *at != '\0')
        return false;
    /* Container engines write Go's zero time for "never". */
    bool never = str_starts(text, "0001-01-01");
    *at_us = never ? 0 : (int64_t)timegm(&tm) * USEC_PER_SEC + fraction_us - offset_us;
    return true;
}

bool clock_parse_duration(const char *text, int64_t *duration_us)
{
    static const struct {
        const char *suffix;
        int64_t unit_us;
    } units[] = {
        {"ms", USEC_PER_MSEC},
        {"s", USEC_PER_SEC},
        {"m", 60 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"d", 86400 * USEC_PER_SEC},
        {"", USEC_PER_SEC},
    };
    char digits[20];
    size_t length = text ? strspn(text, "0123456789") : 0;
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        int64_t count;
        if (strcmp(text + length, units[i].suffix) != 0)
            continue;
        if (!str_to_i64(digits, 1, INT64_MAX / units[i].unit_us, &count))
            return false;
        *duration_us = count * units[i].unit_us;
        return true;
    }
    return false;
}

/* "2026-01-02" or "2026-01-02 03:04[:05]" in local time. */
static bool parse_local(const char *text, int64_t *at_us)
{
    struct tm tm = {.tm_isdst = -1};
    const char *at = text;
    if (!take_date(&at, &tm))
        return false;
    if (*at != '\0' && (!take_char(&at, " T") || !take_hour_minute(&at, &tm)))
        return false;
    if (*at != '\0' && (!take_char(&at, ":") || !take_number(&at, 2, 0, 60, &tm.tm_sec) || *at != '\0'))
        return false;
    *at_us = (int64_t)mktime(&tm) * USEC_PER_SEC;
    return true;
}

bool clock_parse_moment(const char *text, int64_t now_us, int64_t *at_us)
{
    int64_t ago_us;
    if (!text)
        return false;
    if (clock_parse_duration(text, &ago_us)) {
        *at_us = now_us - ago_us;
        return true;
    }
    return clock_parse_rfc3339(text, at_us) || parse_local(text, at_us);
}
