/* What a volume's directory is, which decides how it can be moved. Any thread. */
#ifndef HOST_DEFINITION_VOLUME_KIND_H
#define HOST_DEFINITION_VOLUME_KIND_H

#include <stdbool.h>

/* "btrfs": a subvolume, sent as such. "mount": the storage is elsewhere (a network or FUSE file system, or one that
 * /etc/fstab names) and mounted at the directory, or, for a named volume, at the one above it. "dir": anything else.
 * `path` as the host names it. */
const char *volume_driver(const char *path, bool is_named);

#endif
