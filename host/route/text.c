/* Reading and editing of proxies' files as text. No state; any thread. */
#include "host/route/text.h"

#include <string.h>

#include "base/mem.h"

/* --- lines and words ---------------------------------------------------------------------------------------------- */

bool text_line(const char **rest, struct text_span *line, const char *text)
{
    if (!**rest)
        return false;
    size_t length = strcspn(*rest, "\n");
    *line = (struct text_span){(size_t)(*rest - text), length};
    *rest += length + ((*rest)[length] == '\n');
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

size_t text_words(const char *text, const struct text_span *line, struct text_span *words, size_t most)
{
    size_t count = 0, at = line->start, end = line->start + line->length;
    while (count < most) {
        while (at < end && is_blank(text[at]))
            at++;
        if (at == end || text[at] == '#')
            break;
        size_t start = at;
        while (at < end && !is_blank(text[at]))
            at++;
        words[count++] = (struct text_span){start, at - start};
    }
    return count;
}

bool text_is(const char *text, const struct text_span *span, const char *word)
{
    return strlen(word) == span->length && memcmp(text + span->start, word, span->length) == 0;
}

static bool copy_span(char *out, size_t out_size, const char *text, const struct text_span *span)
{
    if (span->length >= out_size)
        return false;
    memcpy(out, text + span->start, span->length);
    out[span->length] = '\0';
    return true;
}

enum err text_replace(struct buf *out, const char *text, const struct text_span *span, const char *by)
{
    enum err result = buf_append(out, text, span->start);
    if (result == ERR_OK)
        result = buf_puts(out, by);
    return result == ERR_OK ? buf_puts(out, text + span->start + span->length) : result;
}

/* --- HAProxy's configuration -------------------------------------------------------------------------------------- */

static bool begins_section(const char *text, const struct text_span *word)
{
    static const char *const sections[] = {"global", "defaults", "frontend", "backend", "listen", "peers", "resolvers",
        "mailers", "userlist", "program", "cache", "ring", "http-errors", "fcgi-app", "log-forward", "crt-store",
        "traces"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (text_is(text, word, sections[i]))
            return true;
    return false;
}

bool text_find_server(const char *text, const char *site, struct text_span *where, struct address *address)
{
    struct text_span line, words[3];
    bool is_inside = false;
    *address = (struct address){0};
    for (const char *rest = text; text_line(&rest, &line, text);) {
        size_t count = text_words(text, &line, words, 3);
        if (count && begins_section(text, &words[0]))
            is_inside = count > 1 && text_is(text, &words[0], "backend") && text_is(text, &words[1], site);
        if (!is_inside || count < 3 || !text_is(text, &words[0], "server") || !text_is(text, &words[1], "site"))
            continue;
        *where = words[2];
        return address_parse(address, text + words[2].start, words[2].length);
    }
    return false;
}

/* HAProxy's times: milliseconds where there is no unit (configuration manual, 2.5). */
static bool read_ms(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"us", 0}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1}};
    char digits[16];
    size_t count = strspn(text, "0123456789");
    int64_t number;
    if (count >= sizeof digits)
        return false;
    memcpy(digits, text, count);
    digits[count] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text + count, units[i].unit) == 0 && str_to_i64(digits, 0, INT32_MAX, &number)) {
            *out = number * units[i].ms;
            return true;
        }
    return false;
}

static void take_option(
    const char *text, const struct text_span *words, size_t count, bool on, struct hold_settings *settings)
{
    if (count > 0 && text_is(text, &words[0], "redispatch"))
        settings->redispatch = on && count > 1 && text_is(text, &words[1], "1");
    if (count > 0 && (text_is(text, &words[0], "http-server-close") || text_is(text, &words[0], "httpclose")))
        settings->server_close = on;
    if (count > 0 && on && text_is(text, &words[0], "http-keep-alive"))
        settings->server_close = false;
}

static void take_setting(const char *text, const struct text_span *words, size_t count, struct hold_settings *settings)
{
    char value[32];
    if (count > 1 && text_is(text, &words[0], "retries") && copy_span(value, sizeof value, text, &words[1]))
        str_to_i64(value, 0, INT32_MAX, &settings->retries);
    if (count > 2 && text_is(text, &words[0], "timeout") && text_is(text, &words[1], "connect") &&
        copy_span(value, sizeof value, text, &words[2]))
        read_ms(value, &settings->connect_ms);
    if (text_is(text, &words[0], "option"))
        take_option(text, words + 1, count - 1, true, settings);
    if (count > 1 && text_is(text, &words[0], "no") && text_is(text, &words[1], "option"))
        take_option(text, words + 2, count - 2, false, settings);
}

void text_read_hold_settings(const char *text, const char *site, struct hold_settings *settings)
{
    struct text_span line, words[4];
    bool is_read = false;
    for (const char *rest = text; text_line(&rest, &line, text);) {
        size_t count = text_words(text, &line, words, 4);
        if (count == 0)
            continue;
        if (!begins_section(text, &words[0])) {
            if (is_read)
                take_setting(text, words, count, settings);
            continue;
        }
        bool is_defaults = text_is(text, &words[0], "defaults");
        if (is_defaults) /* each such section begins afresh */
            *settings = HOLD_SETTINGS_START;
        is_read =
            is_defaults || (site && count > 1 && text_is(text, &words[0], "backend") && text_is(text, &words[1], site));
    }
}

/* --- HAProxy's maps ----------------------------------------------------------------------------------------------- */

bool map_find(const char *text, const char *key, char value[NAME_VALUE_SIZE])
{
    struct text_span line, words[2];
    value[0] = '\0';
    for (const char *rest = text; text_line(&rest, &line, text);)
        if (text_words(text, &line, words, 2) == 2 && text_is(text, &words[0], key))
            return copy_span(value, NAME_VALUE_SIZE, text, &words[1]);
    return false;
}

enum err map_set(struct buf *out, const char *text, const char *key, const char *value)
{
    struct text_span line, words[2];
    size_t done = 0;
    bool found = false;
    for (const char *rest = text; text_line(&rest, &line, text);) {
        if (text_words(text, &line, words, 2) < 2 || !text_is(text, &words[0], key))
            continue;
        found = true;
        buf_append(out, text + done, words[1].start - done);
        buf_puts(out, value);
        done = words[1].start + words[1].length;
    }
    buf_puts(out, text + done);
    if (!found) {
        size_t length = strlen(text);
        if (length && text[length - 1] != '\n')
            buf_putc(out, '\n');
        buf_printf(out, "%s %s\n", key, value);
    }
    return out->overflowed ? ERR_FULL : ERR_OK;
}

static bool has_domain(const struct route_domains *domains, const char *name)
{
    for (size_t i = 0; i < domains->count; i++)
        if (strcmp(domains->names[i], name) == 0)
            return true;
    return false;
}

bool route_add_domain(struct route_domains *domains, const char *text)
{
    char name[DOMAIN_SIZE];
    if (!domain_copy(name, text))
        return false;
    if (has_domain(domains, name))
        return true;
    if (domains->count == ROUTE_DOMAINS_MAX)
        return false;
    str_copy(domains->names[domains->count++], DOMAIN_SIZE, name);
    return true;
}

void map_add_keys(const char *text, const char *value, struct route_domains *domains)
{
    struct text_span line, words[2];
    char key[DOMAIN_SIZE];
    for (const char *rest = text; text_line(&rest, &line, text);)
        if (text_words(text, &line, words, 2) == 2 && text_is(text, &words[1], value) &&
            copy_span(key, sizeof key, text, &words[0]))
            route_add_domain(domains, key);
}

enum err map_from_runtime(struct buf *out, const char *answer)
{
    struct text_span line, words[3];
    for (const char *rest = answer; text_line(&rest, &line, answer);) {
        if (text_words(answer, &line, words, 3) < 3)
            continue;
        buf_append(out, answer + words[1].start, line.start + line.length - words[1].start);
        buf_putc(out, '\n');
    }
    return out->overflowed ? ERR_FULL : ERR_OK;
}

/* --- tables of HAProxy's admin socket ----------------------------------------------------------------------------- */

/* Cell number `wanted` of a line. */
static bool nth_cell(
    const char *text, const struct text_span *line, char separator, size_t wanted, struct text_span *cell)
{
    size_t at = line->start, end = line->start + line->length;
    for (size_t number = 0; at <= end; number++) {
        size_t start = at;
        while (at < end && text[at] != separator)
            at++;
        *cell = (struct text_span){start, at - start};
        if (number == wanted)
            return true;
        at++;
    }
    return false;
}

static bool find_column(
    const char *text, const struct text_span *header, char separator, const char *name, size_t *number)
{
    struct text_span cell;
    for (*number = 0; nth_cell(text, header, separator, *number, &cell); (*number)++)
        if (text_is(text, &cell, name))
            return true;
    return false;
}

/* Rows in which `column` is `is`, one after another: `other` is the cell of `other_column` there. */
static bool next_row(const char **rest, const char *table, char separator, const char *column, const char *is,
    const char *other_column, size_t numbers[2], struct text_span *other)
{
    struct text_span line, cell;
    while (text_line(rest, &line, table)) {
        if (str_starts(table + line.start, "# ")) {
            line.start += 2, line.length -= 2;
            if (!find_column(table, &line, separator, column, &numbers[0]) ||
                !find_column(table, &line, separator, other_column, &numbers[1]))
                numbers[0] = SIZE_MAX;
        } else if (numbers[0] != SIZE_MAX && nth_cell(table, &line, separator, numbers[0], &cell) &&
                   text_is(table, &cell, is) && nth_cell(table, &line, separator, numbers[1], other)) {
            return true;
        }
    }
    return false;
}

bool table_cell(const char *table, char separator, const char *key_column, const char *key, const char *column,
    char *out, size_t out_size)
{
    size_t numbers[2] = {SIZE_MAX, SIZE_MAX};
    struct text_span cell;
    const char *rest = table;
    out[0] = '\0';
    return next_row(&rest, table, separator, key_column, key, column, numbers, &cell) &&
           copy_span(out, out_size, table, &cell);
}

bool table_has(
    const char *table, char separator, const char *column, const char *is, const char *other_column, const char *other)
{
    size_t numbers[2] = {SIZE_MAX, SIZE_MAX};
    struct text_span cell;
    for (const char *rest = table; next_row(&rest, table, separator, column, is, other_column, numbers, &cell);)
        if (text_is(table, &cell, other))
            return true;
    return false;
}

/* --- nginx -------------------------------------------------------------------------------------------------------- */

#define SITE_WORDS "# the notice page; the site: "

/* A line of an upstream block: `server ADDRESS:PORT;` and perhaps a comment of ours. */
static bool take_upstream_line(
    const char *text, const struct text_span *line, const struct text_span *words, struct upstream *found)
{
    size_t end = line->start + line->length;
    found->line = (struct text_span){words[0].start, end - words[0].start};
    size_t length = words[1].length;
    if (length < 2 || text[words[1].start + length - 1] != ';' ||
        !address_parse(&found->leads, text + words[1].start, length - 1))
        return false;
    found->site = found->leads;
    const char *comment = memmem(text + line->start, line->length, SITE_WORDS, strlen(SITE_WORDS));
    if (!comment)
        return true;
    comment += strlen(SITE_WORDS);
    return address_parse(&found->site, comment, (size_t)(text + end - comment));
}

bool upstream_find(const char *text, const char *site, struct upstream *found)
{
    struct text_span line, words[3];
    bool is_inside = false;
    *found = (struct upstream){0};
    for (const char *rest = text; text_line(&rest, &line, text);) {
        size_t count = text_words(text, &line, words, 3);
        if (count == 3 && text_is(text, &words[0], "upstream") && text_is(text, &words[1], site))
            is_inside = text_is(text, &words[2], "{");
        else if (count && text_is(text, &words[0], "}"))
            is_inside = false;
        else if (is_inside && count >= 2 && text_is(text, &words[0], "server"))
            return take_upstream_line(text, &line, words, found);
    }
    return false;
}

enum err upstream_line(struct buf *out, const struct address *leads, const struct address *site)
{
    char leads_text[ADDRESS_TEXT_SIZE], site_text[ADDRESS_TEXT_SIZE];
    enum err result = buf_printf(out, "server %s;", address_text(leads, leads_text));
    if (result == ERR_OK && !address_equal(leads, site))
        result = buf_printf(out, " " SITE_WORDS "%s", address_text(site, site_text));
    return result;
}
