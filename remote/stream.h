/* Inside remote/: one exec channel of a connection, in small steps that never block. */
#ifndef REMOTE_STREAM_H
#define REMOTE_STREAM_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "remote/session.h"

#define STREAM_EXIT_UNKNOWN (-1)

/* Open a session channel and start the command. *out is the caller's (stream_close). */
enum err stream_exec(struct connection *connection, const char *command, const struct wait *wait, ssh_channel *out,
    struct err_info *info);
/* Open a way from the host to address:port. *out likewise. */
enum err stream_forward(struct connection *connection, const char *address, int port, const struct wait *wait,
    ssh_channel *out, struct err_info *info);
void stream_close(ssh_channel channel); /* NULL allowed */

enum { STREAM_ENDED = -1, STREAM_BROKEN = -2 };
/* Bytes read; 0: nothing now; STREAM_ENDED after the last byte; STREAM_BROKEN: the session failed. */
ssize_t stream_read(ssh_channel channel, bool from_stderr, void *data, size_t size);
/* Bytes taken, as many as the peer has room for; 0: none now; STREAM_BROKEN. */
ssize_t stream_write(struct connection *connection, ssh_channel channel, const void *data, size_t length);

/* After the end of output: wait for the exit status; STREAM_EXIT_UNKNOWN where none comes (a signal, or the deadline).
 */
int stream_exit_status(struct connection *connection, ssh_channel channel, const struct wait *wait);

#endif
