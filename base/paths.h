/* Where things are, unless --fleet or --state say otherwise.
 *   fleet: $XDG_CONFIG_HOME/dogwatch (or ~/.config/dogwatch) if it has a fleet.yaml, else /etc/dogwatch if that has
 * one, else the former state: $XDG_STATE_HOME/dogwatch (or ~/.local/state/dogwatch) unless /var/lib/dogwatch exists and
 * the former does not
 */
#ifndef BASE_PATHS_H
#define BASE_PATHS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

char *paths_fleet_dir(const char *given);                  /* caller frees; absolute where possible */
char *paths_state_dir(const char *given);                  /* caller frees */
char *paths_join(const char *directory, const char *name); /* caller frees */

/* How many entries a directory has besides "." and "..", at most `most`; -1 where it cannot be read to its end: that is
 * no empty one. */
int paths_count_entries(const char *directory, int most);

/* mkdir -p with mode 0700 for what is made. */
enum err paths_make_dir(const char *path, struct err_info *info);

/* Write a file whole or not at all: temporary name beside it, fsync, rename, fsync of the directory. */
enum err paths_write_atomic(const char *path, const void *data, size_t length, mode_t mode, struct err_info *info);

/* Replace a file that is there, in the same way; where it is a symbolic link, what the link points to. Owner, mode and
 * extended attributes (access control lists, labels) stay. ERR_NOT_FOUND where it is not there. */
enum err paths_replace(const char *path, const void *data, size_t length, struct err_info *info);

#endif
