/* Storage that must be mounted before a site's containers start: without it they would begin anew in the empty
 * directory below the mount point. What a move mounted here is remembered in /var/lib/dogwatch/sites/SITE.mounts, for
 * podman's hook (host/site/guard.h) to refuse; what else /etc/fstab names is looked at before we start a site. Any
 * thread, any process. */
#ifndef HOST_STORAGE_NEEDED_H
#define HOST_STORAGE_NEEDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

/* Remember that the site's containers need what is mounted at `path`, or forget it. On disk when they return; whoever
 * calls holds the site's lease. */
enum err needed_note(const char *site, const char *path, struct err_info *info);
enum err needed_forget(const char *site, const char *path, struct err_info *info);
void needed_forget_all(void); /* of all sites: nobody is to be asked any more */
bool needed_any(void);

/* Whether the container that the runtime describes in BUNDLE/config.json uses a directory at or below a remembered
 * mount point where nothing is mounted now; then `why` says it to a person. What cannot be read, or is not in
 * /etc/fstab any more, needs nothing. Reads small files only, runs no program. */
bool needed_is_missing(const char *bundle, char *why, size_t why_size);

/* Before these containers (entries of an inventory) are started by us: what /etc/fstab mounts at boot below them, and
 * is not mounted, is mounted now. ERR_DENIED where the row says that it is not mounted by itself (`noauto`): it may be
 * in use on another host. */
enum err needed_make_ready(const json_t *containers, struct err_info *info);

#endif
