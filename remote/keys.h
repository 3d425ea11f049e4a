/* The engine's own two keys, STATE/keys/viewer and STATE/keys/operator: ed25519, made once, mode 0600. */
#ifndef REMOTE_KEYS_H
#define REMOTE_KEYS_H

#include "base/err.h"

/* Make the key of this role ("viewer", "operator") unless it is there. Two processes may race: both get the same key.
 * *path (the private key, for remote_target.identity_file) and *public_line ("ssh-ed25519 AAAA…", without comment) are
 * the caller's to free; either may be NULL. ERR_IO, ERR_CORRUPT, ERR_DENIED (others can read the private key). */
enum err keys_ensure(const char *state_dir, const char *role, char **path, char **public_line, struct err_info *info);

#endif
