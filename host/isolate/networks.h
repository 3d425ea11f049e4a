/* Networks of containers as their engines tell them; docker's are taken away while a site is contained: what runs
 * cannot be bolted (host/site/bolt.h), so docker would start it again, with a new interface that no drop is on; one
 * without networks gets none. podman refuses to start it (host/site/guard.h). Any thread. */
#ifndef HOST_ISOLATE_NETWORKS_H
#define HOST_ISOLATE_NETWORKS_H

#include "base/err.h"
#include "base/json.h"
#include "host/containers/runtime.h"

/* How many networks the engine says a container is in; -1 where it does not say. */
int networks_count(enum runtime_kind kind, const char *id);

/* Add what docker says of the networks of these containers to the list (an array; each network of each container once):
 * network, aliases and chosen addresses. */
enum err networks_note(const json_t *containers, json_t *list, struct err_info *info);

/* Take each container on the list out of its networks; those it is not in are passed over. */
enum err networks_disconnect(const json_t *list, struct err_info *info);
/* Put them back with what was noted; containers and networks that are gone are passed over. */
enum err networks_connect(const json_t *list, struct err_info *info);

#endif
