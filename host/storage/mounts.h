/* What is mounted on this host (proc_pid_mountinfo(5)), and mounting and unmounting what /etc/fstab names, by mount(8)
 * and umount(8). Any thread. */
#ifndef HOST_STORAGE_MOUNTS_H
#define HOST_STORAGE_MOUNTS_H

#include <stdbool.h>

#include "base/err.h"

/* Whether `path` is `above` or lies in it. Pure. */
bool mounts_is_at_or_below(const char *path, const char *above);

/* A file system is mounted at exactly this path. A trigger of systemd's (autofs), which mounts when somebody looks, is
 * none. */
bool mounts_has(const char *path);
/* The same, or below it. A trigger counts: who empties the directory would empty what it mounts. */
bool mounts_has_below(const char *path);

/* Mount by /etc/fstab; unmount the topmost of what is mounted there. Both look afterwards. ERR_FAILED with the words of
 * the program, ERR_TIMEOUT, ERR_MISSING. */
enum err mounts_mount(const char *path, struct err_info *info);
enum err mounts_unmount(const char *path, struct err_info *info);

#endif
