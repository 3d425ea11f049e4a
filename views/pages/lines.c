/* Turning pieces of the picture into lines of text. Everything passes tui/text, which sanitises it. */
#include "views/pages/lines.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

const char *lines_time(int64_t at_us, int64_t now_us, char out[LINES_TIME_SIZE])
{
    struct tm at, now;
    time_t at_s = (time_t)(at_us / USEC_PER_SEC), now_s = (time_t)(now_us / USEC_PER_SEC);
    str_copy(out, LINES_TIME_SIZE, "");
    if (!at_us || !localtime_r(&at_s, &at) || !localtime_r(&now_s, &now))
        return out;
    bool today = at.tm_year == now.tm_year && at.tm_yday == now.tm_yday;
    if (strftime(out, LINES_TIME_SIZE, today ? "%H:%M:%S" : "%m-%d %H:%M", &at) == 0)
        out[0] = '\0';
    return out;
}

void lines_wish(struct console *console, const struct subject *of, size_t count, struct wish *wish)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    const struct container_state *container =
        snapshot && of->kind == KIND_CONTAINER ? snapshot_container(snapshot, of->key) : NULL;
    const struct volume_state *volume = snapshot && of->kind == KIND_VOLUME ? snapshot_volume(snapshot, of->key) : NULL;
    wish->logs = true;
    wish->logs_of = *of;
    wish->log_lines = count;
    wish->log_system = of->kind == KIND_HOST;
    if (of->kind == KIND_HOST)
        str_copy(wish->log_host, sizeof wish->log_host, of->key);
    if (of->kind == KIND_SITE)
        str_copy(wish->log_site, sizeof wish->log_site, of->key);
    if (container) {
        str_copy(wish->log_host, sizeof wish->log_host, container->host);
        str_copy(wish->log_container, sizeof wish->log_container, container->name);
    }
    if (volume && volume->site[0])
        str_copy(wish->log_site, sizeof wish->log_site, volume->site);
    bool any = wish->log_host[0] || wish->log_site[0] || wish->log_container[0];
    wish->logs = any; /* never everybody's lines under one object's name */
}

static unsigned priority_style(uint8_t priority)
{
    if (priority <= 3) /* emergency, alert, critical, error: syslog(3) */
        return ROLE_CRITICAL;
    return priority == 4 ? ROLE_WARNING : ROLE_NORMAL;
}

/* Colours of log lines (CSI sequences, ECMA-48 5.4) say nothing here: leave them out, so that the words can be read.
 * What is no such sequence stays, and is made harmless when it is added to the text. */
static char *without_colours(const char *text)
{
    char *out = xstrdup(text), *to = out;
    for (const char *at = text; *at;) {
        if (at[0] != '\x1b' || at[1] != '[') {
            *to++ = *at++;
            continue;
        }
        const char *end = at + 2;
        while (*end >= 0x20 && *end <= 0x3f) /* parameters and intermediates */
            end++;
        bool whole = *end >= 0x40 && *end <= 0x7e;
        if (!whole)
            *to++ = *at;
        at = whole ? end + 1 : at + 1;
    }
    *to = '\0';
    return out;
}

static void add_line(struct text *text, const struct log_tail_line *line, int64_t now_us, bool with_origin)
{
    char at[LINES_TIME_SIZE], head[LINES_TIME_SIZE + 160];
    bool origin = with_origin && line->origin && line->origin[0];
    str_format(head, sizeof head, "%s %s%s", lines_time(line->at_us, now_us, at), origin ? line->origin : "",
        origin ? " " : "");
    if (line->dropped > 0) {
        text_addf(text, ROLE_WARNING, "%s… %llu lines were left out here: too many at once", head,
            (unsigned long long)line->dropped);
        return;
    }
    char *words = without_colours(line->text);
    text_add_pair(text, ROLE_DIM, head, priority_style(line->priority), words);
    free(words);
}

bool lines_of_log(struct text *text, const struct picture *picture, const struct subject *of, bool with_origin)
{
    const struct log_tail *tail = picture->logs;
    int64_t now_us = clock_wall_us();
    if (!tail || !subject_is(&tail->of, of))
        return false;
    text_clear(text);
    vec_each (&tail->lines, const struct log_tail_line, line)
        add_line(text, line, now_us, with_origin);
    if (tail->problem[0])
        text_add(text, ROLE_CRITICAL, tail->problem);
    return true;
}

bool lines_of_events(
    struct text *text, const struct picture *picture, const struct subject *of, struct freshness freshness)
{
    const struct events *events = picture->events;
    char at[LINES_TIME_SIZE], head[LINES_TIME_SIZE + 16];
    if (!events || !subject_is(&events->of, of))
        return false;
    text_clear(text);
    vec_each (&events->list.items, const struct event, event) {
        struct shown_state state = shown_event(event);
        str_format(head, sizeof head, "%s %s ", lines_time(event->at_us, freshness.now_us, at), state.symbol);
        text_add_pair(text, ROLE_DIM, head, concern_style(state.concern), event->text);
    }
    return true;
}
