/* Inside remote/: what a connection is made of. Its libssh session is always in non-blocking mode; whoever waits does
 * so in session_wait, with a deadline. One thread at a time. */
#ifndef REMOTE_SESSION_H
#define REMOTE_SESSION_H

#include <libssh/libssh.h>

#include "base/err.h"
#include "remote/connection.h"
#include "remote/wait.h"

struct jump;

struct connection {
    ssh_session session;
    int fd;        /* to wait on: the session's own descriptor under a number of ours */
    int cancel_fd; /* of the dial; cancels everything on this connection; -1: none */
    char name[256];
    char user[64];
    struct host_key host_key;
    struct jump *jump; /* what carries this connection; NULL: TCP */
};

/* Until the session can go on: data came, or what it has to say can be sent. */
enum err session_wait(struct connection *connection, const struct wait *wait);

/* Fill info for a failed wait or a broken session: "NAME: WHAT: why". `err` is what session_wait said, or ERR_OK where
 * libssh reports the failure itself; returns the code that fits. */
enum err session_error(struct connection *connection, enum err err, const char *what, struct err_info *info);

/* remote/auth.c: log in as target->user. */
enum err auth_log_in(
    struct connection *connection, const struct remote_target *target, const struct wait *wait, struct err_info *info);

/* remote/jump.c: dial `target->jump` and open a way through it to the target; *fd is one end of a socket pair, the
 * caller's, non-blocking.
 */
enum err jump_open(const struct remote_target *target, const struct wait *wait, unsigned depth, struct jump **out,
    int *fd, struct err_info *info);
void jump_free(struct jump *jump); /* NULL allowed */

/* remote/connection.c: like remote_dial, for a jump `depth` hosts away from here. */
enum err connection_dial(const struct remote_target *target, const struct wait *wait, unsigned depth,
    struct connection **out, struct err_info *info);

#endif
