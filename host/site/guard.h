/* The guard: an OCI hook that podman's runtime calls before any container starts. It refuses those whose site bears a
 * mark (host/site/mark.h), and those whose storage is missing (host/storage/needed.h). It is there while at least one
 * site is marked or needs such storage. Any thread, any process. */
#ifndef HOST_SITE_GUARD_H
#define HOST_SITE_GUARD_H

#include "base/err.h"

/* Put the hook where podman of this host looks for it, if it is not there yet. Before the first mark. */
enum err guard_install(struct err_info *info);
/* Take it away where it is not needed for any site any more. */
enum err guard_remove_unused(struct err_info *info);

/* `dogwatch-host --hook`: reads the runtime's description of the container that is about to start from in_fd. The exit
 * status: 0 lets it start, 1 does not; the reason goes to standard error and to syslog. Whatever cannot be read or
 * understood lets it start. Runs no program, takes no lock. */
int guard_run(int in_fd);

#endif
