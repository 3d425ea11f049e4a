/* Telling where a site is. Whatever is missing in the answer is left out; a host that did not answer is never counted
 * among those that have nothing. */
#include "views/where.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

enum { LINE_CEILING = 4096, NAMES_MOST = 8 };

static bool did_answer(const json_t *host)
{
    bool answered = false;
    json_get_bool(host, "answered", &answered);
    return answered;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_get_text(object, key);
    return text ? text : "";
}

static bool has_state(const json_t *host, const char *state)
{
    return did_answer(host) && strcmp(text_of(host, "state"), state) == 0;
}

static size_t count_state(const json_t *where, const char *state)
{
    size_t count = 0, i;
    const json_t *host;
    json_array_foreach (json_object_get(where, "hosts"), i, host)
        count += has_state(host, state);
    return count;
}

static size_t count_silent(const json_t *where)
{
    size_t count = 0, i;
    const json_t *host;
    json_array_foreach (json_object_get(where, "hosts"), i, host)
        count += !did_answer(host);
    return count;
}

enum concern where_concern(const json_t *where)
{
    size_t active = count_state(where, "active");
    if (active > 1)
        return CONCERN_CONFLICT;
    if (count_state(where, "quarantined") > 0)
        return CONCERN_QUARANTINED;
    if (count_silent(where) > 0)
        return CONCERN_UNKNOWN;
    return active == 1 ? CONCERN_OK : count_state(where, "stopped") == 1 ? CONCERN_WARNING : CONCERN_CRITICAL;
}

/* --- one host ----------------------------------------------------------------------------------------------------- */

static enum concern host_concern(const json_t *host, bool conflict)
{
    static const struct {
        const char *state;
        enum concern concern;
    } states[] = {{"active", CONCERN_OK}, {"quarantined", CONCERN_QUARANTINED}, {"stopped", CONCERN_WARNING},
        {"incoming", CONCERN_ACTIVE}, {"leaving", CONCERN_ACTIVE}, {"fenced", CONCERN_NONE}, {"kept", CONCERN_NONE}};
    if (!did_answer(host))
        return CONCERN_UNKNOWN;
    if (conflict && has_state(host, "active"))
        return CONCERN_CONFLICT;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (has_state(host, states[i].state))
            return states[i].concern;
    return CONCERN_UNKNOWN;
}

/* "web", or "web (exited)" of what is an object with a name and a state. */
static void put_containers(struct buf *line, const json_t *host)
{
    size_t i;
    const json_t *container;
    json_array_foreach (json_object_get(host, "containers"), i, container) {
        const char *name = json_is_string(container) ? json_string_value(container) : text_of(container, "name");
        const char *state = json_is_object(container) ? text_of(container, "state") : "";
        buf_printf(line, "%s%s%s%s%s", i ? ", " : ": ", name, state[0] ? " (" : "", state, state[0] ? ")" : "");
    }
}

static void put_mark(struct buf *line, const json_t *host, int64_t now_us)
{
    int64_t since_us = 0, until_us = 0;
    char age[FORMAT_SIZE];
    json_get_i64(host, "since_us", &since_us);
    json_get_i64(host, "until_us", &until_us);
    if (since_us > 0)
        buf_printf(line, "; since %s ago", format_age(now_us > since_us ? now_us - since_us : 0, age));
    if (text_of(host, "job")[0])
        buf_printf(line, " by job %s", text_of(host, "job"));
    if (text_of(host, "peer")[0])
        buf_printf(line, ", other side %s", text_of(host, "peer"));
    if (until_us > now_us)
        buf_printf(line, ", removed in %s", format_age(until_us - now_us, age));
    else if (until_us > 0)
        buf_puts(line, ", to be removed now");
}

static void tell_host(const json_t *host, bool conflict, int64_t now_us, where_line *tell, void *owner)
{
    struct buf line = BUF(LINE_CEILING);
    int64_t running = 0;
    bool answered = did_answer(host);
    enum concern concern = host_concern(host, conflict);
    buf_printf(&line, "%s %-16s %-12s", concern_symbol(concern), text_of(host, "host"),
        answered ? text_of(host, "state") : "no answer");
    if (!answered) {
        buf_printf(&line, " %s", text_of(host, "why"));
    } else {
        if (json_get_i64(host, "running", &running))
            buf_printf(&line, " %lld running", (long long)running);
        put_containers(&line, host);
        put_mark(&line, host, now_us);
    }
    tell(owner, concern, buf_text(&line));
    buf_free(&line);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void tell_absent(const json_t *where, where_line *tell, void *owner)
{
    struct buf line = BUF(LINE_CEILING);
    size_t count = count_state(where, "absent"), i, named = 0;
    const json_t *host;
    if (count > 0)
        buf_printf(&line, "· nothing of it on %zu other %s that answered", count, count == 1 ? "host" : "hosts");
    json_array_foreach (json_object_get(where, "hosts"), i, host)
        if (count > 0 && count <= NAMES_MOST && has_state(host, "absent"))
            buf_printf(&line, "%s%s", named++ ? ", " : ": ", text_of(host, "host"));
    if (count > 0)
        tell(owner, CONCERN_NONE, buf_text(&line));
    buf_free(&line);
}

static void tell_way_out(const json_t *where, where_line *tell, void *owner)
{
    const json_t *way_out = json_object_get(where, "way_out"), *command;
    size_t i;
    if (json_is_string(way_out) && json_string_length(way_out) > 0) {
        tell(owner, CONCERN_NONE, "");
        tell(owner, CONCERN_ACTIVE, "The way out:");
        tell(owner, CONCERN_NONE, json_string_value(way_out));
    }
    json_array_foreach (way_out, i, command) {
        char *line = xasprintf("  %s", json_is_string(command) ? json_string_value(command) : "");
        if (i == 0) {
            tell(owner, CONCERN_NONE, "");
            tell(owner, CONCERN_ACTIVE, "The way out:");
        }
        tell(owner, CONCERN_NONE, line);
        free(line);
    }
}

void where_tell(const json_t *where, int64_t now_us, where_line *tell, void *owner)
{
    enum concern concern = where_concern(where);
    const char *verdict = text_of(where, "verdict");
    const json_t *host;
    size_t i;
    char *line = xasprintf("%s %s", concern_symbol(concern), verdict[0] ? verdict : "no verdict");
    tell(owner, concern, line);
    free(line);
    tell(owner, CONCERN_NONE, "");
    json_array_foreach (json_object_get(where, "hosts"), i, host)
        if (!has_state(host, "absent"))
            tell_host(host, concern == CONCERN_CONFLICT, now_us, tell, owner);
    tell_absent(where, tell, owner);
    tell_way_out(where, tell, owner);
}
