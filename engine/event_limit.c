/* The ceiling on events. A host is in the list only during its minute, so that the list is as long as there are hosts
 * with changes in the last minute. A container that dies and starts in a loop, and a host that was broken into, cost
 * the timeline the same: 101 events a minute. */
#include "engine/event_limit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"

#define WINDOW_US (60 * USEC_PER_SEC)

struct window {
    char host[NAME_SIZE];
    int64_t began_us, newest_us;
    unsigned told;
    uint64_t untold;
    enum severity worst; /* of the untold */
};

struct event_limit {
    event_limit_put *put;
    void *owner;
    VEC(struct window) windows;
};

struct event_limit *event_limit_new(event_limit_put *put, void *owner)
{
    struct event_limit *limit = xcalloc(1, sizeof *limit);
    limit->put = put;
    limit->owner = owner;
    return limit;
}

void event_limit_free(struct event_limit *limit)
{
    if (!limit)
        return;
    vec_free(&limit->windows);
    free(limit);
}

static void tell_sum(struct event_limit *limit, const struct window *window)
{
    struct event event = {.at_us = window->newest_us, .object_kind = KIND_HOST};
    if (!window->untold)
        return;
    event.severity = window->worst > SEVERITY_WARNING ? window->worst : SEVERITY_WARNING;
    str_copy(event.kind, sizeof event.kind, "host.flood");
    str_copy(event.object, sizeof event.object, window->host);
    str_copy(event.host, sizeof event.host, window->host);
    str_format(event.text, sizeof event.text, "%" PRIu64 " more change%s on %s within a minute", window->untold,
        window->untold == 1 ? "" : "s", window->host);
    limit->put(limit->owner, &event);
}

/* A clock that was set back ends a minute, too. */
static bool is_over(const struct window *window, int64_t now_us)
{
    return now_us < window->began_us || now_us - window->began_us >= WINDOW_US;
}

void event_limit_check(struct event_limit *limit, int64_t now_us)
{
    for (size_t i = limit->windows.count; i-- > 0;) {
        struct window window = limit->windows.items[i];
        if (!is_over(&window, now_us))
            continue;
        limit->windows.items[i] = limit->windows.items[--limit->windows.count];
        tell_sum(limit, &window);
    }
}

static struct window *window_of(struct event_limit *limit, const char *host, int64_t now_us)
{
    vec_each (&limit->windows, struct window, window)
        if (strcmp(window->host, host) == 0)
            return window;
    struct window *window = vec_add(&limit->windows);
    *window = (struct window){.began_us = now_us};
    str_copy(window->host, sizeof window->host, host);
    return window;
}

void event_limit_add(struct event_limit *limit, const char *cause, const struct event *event)
{
    event_limit_check(limit, event->at_us);
    struct window *window = window_of(limit, cause, event->at_us);
    bool is_always_told = strcmp(event->kind, "host.up") == 0;
    window->newest_us = event->at_us;
    if (is_always_told || window->told < EVENT_LIMIT_MOST) {
        window->told += !is_always_told;
        limit->put(limit->owner, event);
        return;
    }
    if (window->untold++ == 0 || event->severity > window->worst)
        window->worst = event->severity;
}
