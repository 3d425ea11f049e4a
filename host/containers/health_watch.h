/* Notices that a health check changed its mind, by inotify on the files of host/containers/health.h. One thread at a
 * time: a part of struct watch (host/containers/watch.h). */
#ifndef HOST_CONTAINERS_HEALTH_WATCH_H
#define HOST_CONTAINERS_HEALTH_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "host/containers/runtime.h"

struct health_watch;

struct health_watch *health_watch_new(void);
void health_watch_free(struct health_watch *watch);

/* Watch the running containers of this inventory from now on. A change between the inventory and this call is
 * reported by the next health_watch_take. */
void health_watch_follow(struct health_watch *watch, const json_t *inventory);

/* Whether a running container of this engine has a health check whose state is not seen here: only asking the engine
 * tells. */
bool health_watch_misses(const struct health_watch *watch, enum runtime_kind kind);

/* What to poll for input; -1: nothing, now. *timeout_us is shortened to when health_watch_take is to be called in any
 * case. */
int health_watch_poll(const struct health_watch *watch, int64_t now_us, int64_t *timeout_us);

struct health_change {
    enum runtime_kind kind;
    char id[RUNTIME_ID_SIZE];
    const char *health; /* a constant as of health_word: "" where the check says nothing (any more) */
};

/* The changes since last time; what does not fit is put next time. Each is told once, until another inventory is
 * followed that says otherwise. */
size_t health_watch_take(struct health_watch *watch, int64_t now_us, struct health_change *changes, size_t max);

#endif
