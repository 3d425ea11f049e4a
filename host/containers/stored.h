/* Whose a container is, from what its engine has written on disk: no program, no lock, no waiting for an engine that is
 * stuck. A second source beside asking the engine (host/containers/runtime.h), for what must not wait. Any thread. */
#ifndef HOST_CONTAINERS_STORED_H
#define HOST_CONTAINERS_STORED_H

#include <stdbool.h>

#include "base/name.h"
#include "host/containers/runtime.h"

/* The site and the name of the container with this ID, by the rule of inspect_site. False where its engine keeps its
 * state elsewhere or in another form, or there is none of this ID. */
bool stored_find(enum runtime_kind kind, const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE]);

#endif
