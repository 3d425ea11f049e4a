/* Allocation that cannot fail, fixed strings that cannot overflow, numbers that parse whole or not at all.
 *
 * Out of memory ends the process with a message written without allocating. No state; any thread. */
#include "base/mem.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitize.h"

static _Noreturn void out_of_memory(void)
{
    static const char message[] = "dogwatch: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    abort();
}

void *xmalloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *xcalloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *xreallocarray(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, text ? strlen(text) : 0);
}

char *xstrndup(const char *text, size_t length)
{
    size_t real = text ? strnlen(text, length) : 0;
    char *copy = xmalloc(real + 1);
    if (real)
        memcpy(copy, text, real);
    copy[real] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        out_of_memory();
    return text;
}

void xstr_set(char **slot, const char *text)
{
    char *copy = text ? xstrdup(text) : NULL; /* before the free: text may be *slot or lie in it */
    free(*slot);
    *slot = copy;
}

bool str_copy(char *out, size_t out_size, const char *text)
{
    if (out_size == 0)
        return false;
    size_t length = text ? strlen(text) : 0;
    bool fits = length < out_size;
    if (!fits)
        length = utf8_whole_length(text, out_size - 1);
    if (length)
        memmove(out, text, length);
    out[length] = '\0';
    return fits;
}

bool str_format(char *out, size_t out_size, const char *format, ...)
{
    if (out_size == 0)
        return false;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(out, out_size, format, args);
    va_end(args);
    if (length < 0) {
        out[0] = '\0';
        return false;
    }
    if ((size_t)length < out_size)
        return true;
    out[utf8_whole_length(out, out_size - 1)] = '\0';
    return false;
}

/* One digit or more and nothing else. */
static bool is_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool str_to_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!text || !is_digits(text + (text[0] == '-' && min < 0)))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool str_to_u64(const char *text, uint64_t *out)
{
    if (!text || !is_digits(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno)
        return false;
    *out = value;
    return true;
}

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* -?digits[.digits][e[+-]digits]: none of strtod's hexadecimal, inf, nan, blanks or plus sign. */
static bool is_decimal(const char *text)
{
    const char *at = text + (*text == '-');
    const char *end = skip_digits(at);
    if (end == at)
        return false;
    if (*end == '.') {
        at = end + 1;
        end = skip_digits(at);
        if (end == at)
            return false;
    }
    if (*end == 'e' || *end == 'E') {
        at = end + 1 + (end[1] == '-' || end[1] == '+');
        end = skip_digits(at);
        if (end == at)
            return false;
    }
    return *end == '\0';
}

bool str_to_double(const char *text, double *out)
{
    if (!text || !is_decimal(text))
        return false;
    /* The point is a point whatever LC_NUMERIC says. glibc's "C" locale is static: nothing is allocated. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = strtod_l(text, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t length = strlen(text), suffix_length = strlen(suffix);
    return length >= suffix_length && memcmp(text + length - suffix_length, suffix, suffix_length) == 0;
}
