/* The helper's "inventory" (docs/protocol.md) as typed values: which containers and volumes a host has. Their metrics
 * are NaN, but for the restarts of a container; the sample knows the rest. */
#ifndef COLLECTORS_PARSE_INVENTORY_H
#define COLLECTORS_PARSE_INVENTORY_H

#include "base/vec.h"
#include "collectors/parse.h"

struct inventory {
    struct parse_stamp stamp;
    char runtimes[64];                      /* "podman 4.3.1, docker (no answer)" */
    char silent[64];                        /* "docker": those that did not answer */
    VEC(struct container_state) containers; /* sorted by name and runtime; each id and each key once */
    VEC(struct volume_state) volumes;       /* sorted by name and runtime; each key once */
    VEC(struct site_marking) marks;         /* sorted by site; each once */
    struct left_out left_out;
};

/* *inventory is overwritten; call inventory_free in any case. `host` is its name in the fleet. ERR_GARBAGE. */
enum err parse_inventory(const json_t *json, const char *host, struct inventory *inventory, struct err_info *info);
void inventory_free(struct inventory *inventory);

#endif
