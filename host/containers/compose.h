/* What the engines know, made into one inventory (docs/protocol.md). Pure: no file, no program. Any thread. */
#ifndef HOST_CONTAINERS_COMPOSE_H
#define HOST_CONTAINERS_COMPOSE_H

#include "host/containers/known.h"

/* A new object with "runtimes", "containers" (oldest first) and "volumes"; the views stay the caller's. Named volumes
 * get the site of the container that mounts them; bind mounts of containers with a site become volumes named
 * SITE:DESTINATION. Where it would not fit into a line of the protocol, labels are left out first, then containers
 * (with "truncated":true). */
json_t *compose_inventory(const struct known_view views[RUNTIME_COUNT]);

#endif
