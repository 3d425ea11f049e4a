/* The containers and volumes of this host as last known, shared between threads: the inventory thread writes, the
 * sampler, the log followers and the verbs read. */
#ifndef HOST_INVENTORY_H
#define HOST_INVENTORY_H

#include "base/json.h"
#include "host/session.h"

/* Begin watching (a thread: control groups, the engines' stores and the files of podman's health checks by inotify; the
 * engines' CLI is called when something changed, else every three minutes, or once a minute where something of the
 * engine's cannot be watched). Each new inventory is pushed to the session. Once per process. */
void inventory_start(struct session *session);

/* A copy of the newest inventory object (docs/protocol.md "inventory"), the caller's; NULL before the first. Fetch it
 * when inventory_generation changed, not at each use. */
json_t *inventory_current(void);

/* Make a fresh one now (calls the CLIs, own deadlines) and publish it. */
enum err inventory_refresh(json_t **fresh, struct err_info *info);

/* A number that grows whenever the published inventory changed; 0 before the first. */
uint64_t inventory_generation(void);

/* Add the sample's "containers" array (from cgroup and /proc files only, no program is run), or nothing where no
 * inventory is known yet. */
void containers_sample(json_t *sample);

/* Add the sample's "volumes" array; measuring goes on in a low-priority thread in small steps, here only results are
 * read. */
void volumes_sample(json_t *sample);

#endif
