/* Filters: plain text, regular expressions, inverted ones, fuzzy ones. The texts of all rows are read once per refresh
 * and kept with a lower-case copy, so that a key typed into the filter line costs one pass over memory. Case matters
 * only where the pattern has an upper-case letter. */
#include <ctype.h>
#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tui/table_private.h"

enum filter_kind { FILTER_PLAIN, FILTER_REGEX, FILTER_FUZZY };

struct table_filter {
    enum filter_kind kind;
    bool inverted;
    bool lowered; /* look at the lower-case texts */
    char *pattern;
    regex_t regex;
};

/* Letters after a backslash are classes (\W), not text. */
static bool has_upper(const char *pattern)
{
    for (const char *at = pattern; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        else if (isupper((unsigned char)*at))
            return true;
    }
    return false;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* A pattern of ASCII only means the same byte by byte, and glibc matches bytes many times faster than UTF-8. */
static int compile_regex(regex_t *regex, const char *pattern)
{
    locale_t bytes = is_ascii(pattern) ? newlocale(LC_CTYPE_MASK, "C", (locale_t)0) : (locale_t)0;
    locale_t before = bytes ? uselocale(bytes) : (locale_t)0;
    int failure = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (bytes) {
        uselocale(before);
        freelocale(bytes);
    }
    return failure;
}

struct table_filter *table_filter_compile(const char *text, struct err_info *info)
{
    struct table_filter *filter = xcalloc(1, sizeof *filter);
    const char *pattern = text;
    filter->inverted = *pattern == '!';
    pattern += filter->inverted ? 1 : 0;
    bool fuzzy = *pattern == '~';
    pattern += fuzzy ? 1 : 0;
    filter->lowered = !has_upper(pattern);
    filter->pattern = xstrdup(pattern);
    filter->kind = fuzzy ? FILTER_FUZZY : strpbrk(pattern, "\\^$.[]|()*+?{}") ? FILTER_REGEX : FILTER_PLAIN;
    if (filter->kind != FILTER_REGEX)
        return filter;
    int failure = compile_regex(&filter->regex, pattern);
    if (!failure)
        return filter;
    char why[128];
    regerror(failure, &filter->regex, why, sizeof why);
    err_set(info, ERR_INVALID, "\"%s\" is not a pattern: %s", pattern, why);
    filter->kind = FILTER_PLAIN; /* nothing to regfree */
    table_filter_free(filter);
    return NULL;
}

void table_filter_free(struct table_filter *filter)
{
    if (!filter)
        return;
    if (filter->kind == FILTER_REGEX)
        regfree(&filter->regex);
    free(filter->pattern);
    free(filter);
}

static bool fuzzy_match(const char *pattern, const char *text)
{
    for (; *pattern; pattern++) {
        text = strchr(text, *pattern);
        if (!text)
            return false;
        text++;
    }
    return true;
}

static bool passes(const struct table_filter *filter, const char *text)
{
    bool found = false;
    switch (filter->kind) {
    case FILTER_PLAIN:
        found = strstr(text, filter->pattern) != NULL;
        break;
    case FILTER_REGEX:
        found = regexec(&filter->regex, text, 0, NULL, 0) == 0;
        break;
    case FILTER_FUZZY:
        found = fuzzy_match(filter->pattern, text);
        break;
    }
    return found != filter->inverted;
}

/* --- the texts */

static const char *row_text(const struct table *table, size_t row, char *buffer, size_t buffer_size)
{
    if (!table->source.filter_text) {
        char number[24];
        str_copy(buffer, buffer_size, table_row_id(table, row, number));
        return buffer;
    }
    const char *text = table->source.filter_text(table->source.context, row, buffer, buffer_size);
    return text ? text : "";
}

/* Layout: for each row its text, NUL, the text in lower case, NUL. haystack_at[row] is where the first begins. */
static void read_texts(struct table *table)
{
    size_t used = 0, capacity = 64 * 1024;
    char buffer[1024];
    table->haystack = xmalloc(capacity);
    table->haystack_at = xcalloc(table->total + 1, sizeof *table->haystack_at);
    for (size_t row = 0; row < table->total; row++) {
        const char *text = row_text(table, row, buffer, sizeof buffer);
        size_t length = strnlen(text, 4095);
        if (used + 2 * (length + 1) > capacity) {
            capacity = 2 * capacity + 2 * (length + 1);
            table->haystack = xreallocarray(table->haystack, capacity, 1);
        }
        char *at = table->haystack + used;
        memcpy(at, text, length);
        at[length] = at[2 * length + 1] = '\0';
        for (size_t i = 0; i < length; i++)
            at[length + 1 + i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
        table->haystack_at[row] = (uint32_t)used;
        used += 2 * (length + 1);
    }
    table->haystack_at[table->total] = (uint32_t)used;
}

void table_filter_forget(struct table *table)
{
    free(table->haystack);
    free(table->haystack_at);
    table->haystack = NULL;
    table->haystack_at = NULL;
}

static const char *text_of(struct table *table, size_t row, bool lowered)
{
    if (!table->haystack)
        read_texts(table);
    size_t begin = table->haystack_at[row], length = table->haystack_at[row + 1] - begin;
    return table->haystack + begin + (lowered ? length / 2 : 0);
}

const char *table_filter_lowered(struct table *table, size_t row)
{
    return text_of(table, row, true);
}

void table_filter_run(struct table *table)
{
    const struct table_filter *filter = table->filter;
    for (size_t row = 0; row < table->total; row++)
        table->passes[row] = !filter || passes(filter, text_of(table, row, filter->lowered));
}
