/* What a volume's directory is, which decides how it can be moved. Any thread. */
#ifndef HOST_DEFINITION_VOLUME_KIND_H
#define HOST_DEFINITION_VOLUME_KIND_H

#include <stdbool.h>

#include "base/json.h"

/* Whether nobody but root can put anything beside the directory, or another one in its place: neither a user of this
 * host, nor a container that mounts what it lies in (`containers` of the inventory; NULL: none are known). Root's in a
 * container is root's on the host. `path` as the host names it. */
bool volume_is_apart(const char *path, const json_t *containers);

/* "btrfs": a subvolume apart from others, sent as such. "mount": the storage is elsewhere (a network or FUSE file
 * system, or one that /etc/fstab names) and mounted at the directory, or, for a named volume, at the one above it.
 * "dir": anything else. `path` as the host names it. */
const char *volume_driver(const char *path, bool is_named, const json_t *containers);

#endif
