/* Reach a host over SSH. A connection belongs to one thread at a time, together with everything opened on it; every
 * call has a deadline and may be cancelled from outside through a descriptor that becomes readable (an eventfd nobody
 * drains). Nothing is read from ssh_config files.
 */
#ifndef REMOTE_CONNECTION_H
#define REMOTE_CONNECTION_H

#include <stdint.h>

#include "base/err.h"
#include "remote/known_hosts.h"

#define REMOTE_JUMP_MAX 4 /* hosts between here and there */
#define REMOTE_NO_CANCEL (-1)

/* Who to reach and as whom. All texts are the caller's and must live as long as remote_dial runs. */
struct remote_target {
    const char *name;    /* the host's name in the fleet: used in messages and in our known_hosts */
    const char *address; /* host name, IPv4 or IPv6 literal */
    uint16_t port;       /* 0: 22 */
    const char *user;
    const char *identity_file; /* the one private key to offer; NULL: the keys of the agent at $SSH_AUTH_SOCK */
    struct known_hosts_files known_hosts;
    const char
        *pinned_fingerprint; /* "SHA256:…": accept exactly this host key, known or not (never a revoked one); or NULL */
    const struct remote_target *jump; /* reach it through this one; NULL: directly */
};

struct connection;

/* Resolve, connect, shake hands, check the host key, log in; `timeout_us` is for all of it together, jumps included.
 * *out is NULL unless ERR_OK; the caller frees it with connection_free.
 *   ERR_UNREACHABLE ERR_REFUSED ERR_TIMEOUT ERR_CLOSED ERR_GARBAGE (no SSH there) ERR_BUSY (sshd drops connections)
 *   ERR_HOST_KEY ERR_AUTH ERR_NOT_FOUND/ERR_INVALID (the key file) ERR_CANCELLED
 * The message names the host and says what to do. */
enum err remote_dial(const struct remote_target *target, int64_t timeout_us, int cancel_fd, struct connection **out,
    struct err_info *info);

/* Shake hands only and say which key the host shows and what is known about it; ERR_OK whatever the verdict. */
enum err remote_host_key(
    const struct remote_target *target, int64_t timeout_us, int cancel_fd, struct host_key *key, struct err_info *info);

void connection_free(struct connection *connection); /* NULL allowed; whatever was opened on it must be closed before */

const char *connection_name(const struct connection *connection);
/* The key the host showed while dialling. */
const struct host_key *connection_host_key(const struct connection *connection);

#endif
