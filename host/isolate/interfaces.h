/* Where a container's packets enter the host: the host's side of its interfaces, found from the kernel alone (no
 * program is run, nothing inside the container is believed). Any thread. */
#ifndef HOST_ISOLATE_INTERFACES_H
#define HOST_ISOLATE_INTERFACES_H

#include <net/if.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/name.h"
#include "base/vec.h"

/* One veth of this host whose other end is in a network namespace of the container's processes. */
struct isolate_interface {
    char container[CONTAINER_NAME_SIZE];
    char name[IFNAMSIZ];
};

/* A container whose network cannot be cut at such an interface, or not all of it. */
struct isolate_uncut {
    char container[CONTAINER_NAME_SIZE];
    char id[65];
    char why[160];
};

/* How many interfaces of a container were found: at least as many as networks its engine says it is in, unless one was
 * moved into a namespace that no process shows (a socket or a mount holds such a one). */
struct isolate_count {
    char id[65];
    size_t interfaces; /* on the host's side, also those of a network it shares with another container */
};

struct isolate_found {
    VEC(struct isolate_interface) interfaces; /* each once */
    VEC(struct isolate_uncut) uncut;
    VEC(struct isolate_count) counts; /* of each that was looked at */
};

void isolate_add_uncut(struct isolate_found *found, const char *name, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Of the containers (entries of an inventory) that run or are paused. `found` begins zeroed and is freed by the caller
 * in any case. */
enum err isolate_find(const json_t *containers, struct isolate_found *found, struct err_info *info);
/* The running containers of a site without asking their engines, as entries of an inventory with "name", "id",
 * "runtime", "pid" (of any of their processes) and "state"; a new array. Those on the host's own network are missing,
 * and those of an engine that keeps its state elsewhere: a beginning that takes a few milliseconds, never the whole
 * truth. */
json_t *isolate_glance(const char *site);

void isolate_found_free(struct isolate_found *found);

#endif
