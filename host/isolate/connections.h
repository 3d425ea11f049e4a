/* Connections that a drop has only stalled: they are ended, so that none goes on when the drop is taken away. Any
 * thread. */
#ifndef HOST_ISOLATE_CONNECTIONS_H
#define HOST_ISOLATE_CONNECTIONS_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/* End the TCP and UDP connections in the network of each of these containers (entries of an inventory) that runs or is
 * paused; listening sockets stay. *killed: how many were ended, *left: how many could not be. Those on the host's own
 * network are passed over. */
enum err connections_kill(const json_t *containers, int64_t *killed, int64_t *left, struct err_info *info);

#endif
