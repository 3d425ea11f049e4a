/* Figures for a person. Each format keeps to a small width by rounding, and moves to the next unit before rounding
 * would need another column. What is not a number, or not finite, is unknown and says so. No state; any thread. */
#include "base/format.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define UNKNOWN "–"

#define SECONDS_PER_MINUTE 60
#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY 86400

static const char *put(char *out, const char *text)
{
    str_copy(out, FORMAT_SIZE, text);
    return out;
}

/* One decimal below 100, none above, and the unit's letter. `value` is not negative and starts in units[0]. */
static void put_scaled(char *out, const char *sign, double value, double base, const char *units)
{
    while (value >= base - 0.5 && units[1] != '\0') {
        value /= base;
        units++;
    }
    if (value >= base - 0.5)
        str_format(out, FORMAT_SIZE, "%s>999%c", sign, *units);
    else
        str_format(out, FORMAT_SIZE, value < 99.95 ? "%s%.1f%c" : "%s%.0f%c", sign, value, *units);
}

const char *format_bytes(double bytes, char out[FORMAT_SIZE])
{
    if (!isfinite(bytes))
        return put(out, UNKNOWN);
    const char *sign = bytes <= -0.5 ? "-" : "";
    double size = fabs(bytes);
    if (size < 1023.5)
        str_format(out, FORMAT_SIZE, "%s%.0fB", sign, size);
    else
        put_scaled(out, sign, size / 1024, 1024, "KMGTPE");
    return out;
}

const char *format_rate(double bytes_s, char out[FORMAT_SIZE])
{
    char amount[FORMAT_SIZE];
    if (!isfinite(bytes_s))
        return put(out, UNKNOWN);
    str_format(out, FORMAT_SIZE, "%.24s/s", format_bytes(bytes_s, amount));
    return out;
}

const char *format_pct(double pct, char out[FORMAT_SIZE])
{
    if (!isfinite(pct))
        return put(out, UNKNOWN);
    if (fabs(pct) >= 9999.5)
        return format_count(pct, out);
    const char *sign = pct <= -0.05 ? "-" : "";
    str_format(out, FORMAT_SIZE, fabs(pct) < 9.95 ? "%s%.1f" : "%s%.0f", sign, fabs(pct));
    return out;
}

const char *format_count(double count, char out[FORMAT_SIZE])
{
    if (!isfinite(count))
        return put(out, UNKNOWN);
    const char *sign = count <= -0.5 ? "-" : "";
    double size = fabs(count);
    if (size < 9999.5)
        str_format(out, FORMAT_SIZE, "%s%.0f", sign, size);
    else
        put_scaled(out, sign, size / 1000, 1000, "KMGTPE");
    return out;
}

const char *format_age(int64_t age_us, char out[FORMAT_SIZE])
{
    if (age_us < 0)
        return put(out, UNKNOWN);
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{SECONDS_PER_DAY, 'd'}, {SECONDS_PER_HOUR, 'h'}, {SECONDS_PER_MINUTE, 'm'}, {1, 's'}};
    int64_t seconds = age_us / USEC_PER_SEC;
    size_t i = 0;
    while (units[i].seconds > 1 && seconds < units[i].seconds)
        i++;
    str_format(out, FORMAT_SIZE, "%lld%c", (long long)(seconds / units[i].seconds), units[i].letter);
    return out;
}

/* Two neighbouring units: "1m05s", "2d03h". */
static void put_pair(char *out, int64_t seconds, int64_t unit, char letter, int64_t part, char part_letter)
{
    str_format(out, FORMAT_SIZE, "%lld%c%02lld%c", (long long)(seconds / unit), letter,
        (long long)(seconds % unit / part), part_letter);
}

const char *format_duration(int64_t duration_us, char out[FORMAT_SIZE])
{
    if (duration_us < 0)
        return put(out, UNKNOWN);
    int64_t seconds = duration_us / USEC_PER_SEC;
    if (seconds < 1)
        str_format(out, FORMAT_SIZE, "%lldms", (long long)(duration_us / USEC_PER_MSEC));
    else if (seconds < SECONDS_PER_MINUTE)
        str_format(out, FORMAT_SIZE, "%lld.%llds", (long long)seconds,
            (long long)(duration_us % USEC_PER_SEC / (USEC_PER_SEC / 10)));
    else if (seconds < SECONDS_PER_HOUR)
        put_pair(out, seconds, SECONDS_PER_MINUTE, 'm', 1, 's');
    else if (seconds < SECONDS_PER_DAY)
        put_pair(out, seconds, SECONDS_PER_HOUR, 'h', SECONDS_PER_MINUTE, 'm');
    else
        put_pair(out, seconds, SECONDS_PER_DAY, 'd', SECONDS_PER_HOUR, 'h');
    return out;
}

bool format_parse_bytes(const char *text, int64_t *bytes)
{
    static const char units[] = "KMGT";
    char digits[20];
    size_t length = text ? strspn(text, "0123456789") : 0;
    if (length == 0 || length >= sizeof digits)
        return false;
    str_format(digits, sizeof digits, "%.*s", (int)length, text);
    const char *rest = text + length, *unit = *rest ? strchr(units, *rest) : NULL;
    int64_t scale = 1, count;
    for (const char *at = units; unit && at <= unit; at++)
        scale *= 1024;
    rest += unit != NULL;
    if ((*rest && strcmp(rest, "/s") != 0) || !str_to_i64(digits, 1, INT64_MAX / scale, &count))
        return false;
    *bytes = count * scale;
    return true;
}
