/* /etc/fstab (fstab(5)): the mount points an administrator has written down, and whether the host mounts them when it
 * starts. It is the administrator's file: only the option `noauto` is put into or taken out of a row, every other byte
 * stays as it is. Any thread; one change at a time on a host. */
#ifndef HOST_STORAGE_FSTAB_H
#define HOST_STORAGE_FSTAB_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "host/path.h"

enum fstab_when {
    FSTAB_NEVER,     /* no row has this mount point */
    FSTAB_AT_BOOT,   /* mounted by `mount -a` */
    FSTAB_BY_HAND,   /* `noauto` */
    FSTAB_ON_ACCESS, /* x-systemd.automount: by whoever looks into it first. Never changed */
    FSTAB_WITH_UNIT  /* x-systemd.wanted-by, x-systemd.required-by: when that unit starts. Never changed */
};

/* Of the row that `mount PATH` takes: the first with this mount point. */
enum fstab_when fstab_when(const char *path);

/* Whether the host's boot ends in systemd's emergency mode where this cannot be mounted: it runs systemd, which mounts
 * it at boot, as no storage of the network (its type, `_netdev`), and not `nofail` (systemd.mount(5)). */
bool fstab_stops_boot(const char *path);

/* The mount point at `path` or nearest above it ("/" does not count), with when it is mounted; FSTAB_NEVER, *point
 * empty, where there is none. */
enum fstab_when fstab_find_above(const char *path, char point[HOST_PATH_SIZE]);

/* A row has a mount point at `path` or below it. */
bool fstab_has_below(const char *path);

/* The mount points of all rows but "/", each once: a new array of texts, at most 1,000. */
json_t *fstab_points(void);

/* The text with `path` mounted at boot (the row that `mount PATH` takes, and rows that remount it), or in no row for
 * it. The same text where nothing is to be changed. Pure. ERR_FULL where `out` has no room. */
enum err fstab_rewrite(const struct buf *text, const char *path, bool at_boot, struct buf *out);

/* The same done to the file, which is replaced whole (paths_replace), and systemd, where it runs, told of it. Nothing
 * is written where nothing is to be changed. ERR_NOT_FOUND where there is no such row. */
enum err fstab_set_boot(const char *path, bool at_boot, struct err_info *info);

#endif
