/* From a host of the fleet files to somebody remote_dial can reach: address, jumps, the engine's key for a role,
 * known_hosts. All texts are copied, so that the fleet may be reloaded meanwhile. Any thread. */
#ifndef REMOTE_TARGET_H
#define REMOTE_TARGET_H

#include "base/err.h"
#include "fleet/fleet.h"
#include "remote/connection.h"

struct target;

/* Who logs in. */
struct target_login {
    const char *user;          /* NULL: the user in the fleet files, for each host on the way its own */
    const char *identity_file; /* NULL: keys of the agent */
};

/* As the engine: with the key of `role` ("viewer", "operator"), made where it is not there yet. *out is the caller's.
 * ERR_INVALID where a jump is not in the fleet or jumps go in a circle; what keys_ensure says. */
enum err target_for_engine(const struct fleet *fleet, const struct host_def *host, const char *state_dir,
    const char *role, struct target **out, struct err_info *info);
/* As the person; `host` need not be in the fleet, its jumps must. */
enum err target_for_person(const struct fleet *fleet, const struct host_def *host, const char *state_dir,
    const struct target_login *login, struct target **out, struct err_info *info);
void target_free(struct target *target); /* NULL allowed */

/* For remote_dial; lives as long as the target. */
const struct remote_target *target_address(const struct target *target);
/* Accept exactly this host key of the host itself (not of its jumps), or NULL: back to known_hosts. Copied. */
void target_pin(struct target *target, const char *fingerprint);
const char *target_jump(const struct target *target); /* the name for pace_enter: the nearest jump, or NULL */

#endif
