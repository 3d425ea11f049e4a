/* How to reach a host of the fleet files with a key of the engine's: the remote_target with all its jump hosts, known
 * host files and key, owned in one piece. */
#ifndef COLLECTORS_HOST_ROUTE_H
#define COLLECTORS_HOST_ROUTE_H

#include "fleet/fleet.h"
#include "remote/connection.h"

struct host_route;

/* `role` is that of the key, STATE/keys/ROLE (see keys_ensure): "viewer", "operator". *out is the caller's
 * (host_route_free), NULL unless ERR_OK; it keeps nothing of `fleet`. ERR_INVALID: jump hosts that are unknown, too
 * many, or a ring. Touches no file. */
enum err host_route_new(const struct fleet *fleet, const struct host_def *host, const char *state_dir, const char *role,
    struct host_route **out, struct err_info *info);
void host_route_free(struct host_route *route); /* NULL allowed */

const struct remote_target *host_route_target(const struct host_route *route);
const char *host_route_jump(const struct host_route *route); /* the nearest jump host's name, for pace_enter; or NULL */

#endif
