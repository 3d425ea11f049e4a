/* From what an engine says of a container to its definition (docs/definition.md): the same words for podman and docker,
 * and only what differs from its image and from what an engine does anyway. Pure functions; any thread. */
#ifndef HOST_DEFINITION_DEFINE_H
#define HOST_DEFINITION_DEFINE_H

#include "host/containers/runtime.h"

#define DEFINITION_FORMAT 1

/* A new object. `description` and `image` are of `container inspect` and `image inspect` (NULL: unknown, then all the
 * image brings stands in the definition). What cannot be carried to another host stands in its "unsupported", in words
 * for a person. NULL where the description has no valid ID or name. */
json_t *define_container(
    enum runtime_kind kind, const json_t *description, const json_t *image, const char *site, const char *role);

/* A volume (`volume inspect`): name, labels, and "unsupported" where it is more than a directory. NULL as above. */
json_t *define_volume(const json_t *description, const char *site);
/* A network (`network inspect`) that is not the engine's own: name, internal, and "unsupported" as above. */
json_t *define_network(enum runtime_kind kind, const json_t *description, const char *site);

/* Names of the members in which two definitions of a container differ in a way that matters for what runs: a new array,
 * empty where they are equal. Names, images and engines may differ. */
json_t *define_differences(const json_t *wanted, const json_t *made);
/* Whether a container that differs in this member is another one: not to be used in place of what was asked for. */
bool define_is_vital(const char *member);

#endif
