/* From an engine's `inspect` to an entry of the inventory (docs/protocol.md). Everything is checked by rule and
 * bounded: a container's labels come from whoever made the image. Pure functions; any thread. */
#ifndef HOST_CONTAINERS_INSPECT_H
#define HOST_CONTAINERS_INSPECT_H

#include <stdbool.h>

#include "base/name.h"
#include "host/containers/runtime.h"

/* A new entry of "containers", with "log_driver", "log_path" and "health_path" (podman, see health.h); NULL where the
 * description has no valid ID or name. */
json_t *inspect_container(enum runtime_kind kind, const json_t *description);

/* A new entry of "volumes" for a named volume, without its site where no label says it; NULL where it has no valid name
 * or mount point. */
json_t *inspect_volume(enum runtime_kind kind, const json_t *description);

/* The site by labels and name; false, *out empty, where none of them is a valid name. */
bool inspect_site(const json_t *labels, const char *container_name, char out[NAME_SIZE]);

/* Whether a bind mount is a site's data rather than a piece of the system handed in (sockets, /etc/localtime, …). */
bool inspect_bind_is_data(const char *source);

#endif
