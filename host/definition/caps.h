/* Sets of Linux capabilities, which podman and docker describe in different ways: podman says which a container has,
 * docker how they differ from its default. Here a set is the whole of it. Pure; any thread. */
#ifndef HOST_DEFINITION_CAPS_H
#define HOST_DEFINITION_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/containers/runtime.h"

typedef uint64_t caps_set; /* a bit for each known capability */

/* What the engine gives where nothing is asked for. */
caps_set caps_default(enum runtime_kind kind);

/* "NET_ADMIN", "CAP_NET_ADMIN", "ALL"; 0 where it is not known. */
caps_set caps_by_name(const char *name);
/* All names of a JSON array; those not known are left out. */
caps_set caps_of_array(const json_t *names);
/* A new array of names without "CAP_", in alphabetical order. */
json_t *caps_to_array(caps_set set);

size_t caps_count(void);
const char *caps_name(size_t index); /* in alphabetical order */
bool caps_has(caps_set set, size_t index);

/* What a site may have: nothing that reaches beyond its own container. */
caps_set caps_allowed(void);

#endif
