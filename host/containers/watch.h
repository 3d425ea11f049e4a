/* Notices, without running anything, that a container was made, started, ended, was paused or removed, and that its
 * health changed: by inotify on the groups' directories and freezer files, on the engines' stores and on the files of
 * health checks, and by a pidfd per container; and that a site was marked, or its lease given back. One thread at a
 * time, but watch_wake from any. */
#ifndef HOST_CONTAINERS_WATCH_H
#define HOST_CONTAINERS_WATCH_H

#include "host/containers/runtime.h"

struct watch;

struct watch_event {
    enum runtime_kind kind;   /* RUNTIME_COUNT: it could be any of them */
    char id[RUNTIME_ID_SIZE]; /* "" where it is not about one container */
    const char *health;       /* NULL, or that its check says this now (health_word) and nothing else happened */
    bool marks;               /* a site's mark came or went (host/site/mark.h), and nothing else happened */
    bool job;                 /* a site's lease was given back (host/site/lease.h): a job came to its end here */
};

struct watch *watch_new(void);
void watch_free(struct watch *watch);

/* Watch the containers of this inventory from now on. An end between the inventory and this call is reported by the
 * next watch_wait. */
void watch_follow(struct watch *watch, const json_t *inventory);

/* Wait until something happened, watch_wake was called or the time is over. Returns how many events were put. */
size_t watch_wait(struct watch *watch, int64_t timeout_us, struct watch_event *events, size_t max);
void watch_wake(struct watch *watch);

/* False where the kernel gives no inotify (its limits are used up): then only ends are noticed. */
bool watch_sees_starts(const struct watch *watch);

/* False where something of this engine's containers changes unnoticed, so that it must be asked more often: health
 * checks whose file is not known (docker), storage in another place than the usual, or an end that the engine, when it
 * was last asked, did not know of yet. */
bool watch_sees_all(const struct watch *watch, enum runtime_kind kind);

/* "libpod-ID", "libpod-ID.scope", "docker-ID.scope", "ID": whose group this directory is; false for any other. */
bool watch_parse_group(const char *name, struct watch_event *event);

#endif
