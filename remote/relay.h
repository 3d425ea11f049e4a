/* Raw streams of bytes between hosts, through the console: each end is a channel of its own on a connection that is
 * open already, with the command `stream WORD` (docs/protocol.md, "Verbs that move a site"). A connection's streams
 * belong to the thread that owns the connection, together with its helper; the progress callback may ask the helpers
 * (to renew a lease, say), nothing else may meanwhile. */
#ifndef REMOTE_RELAY_H
#define REMOTE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "remote/connection.h"

struct relay_end {
    struct connection *connection;
    const char *word; /* what transfer.open or transfer.send answered on that host */
};

struct relay_options {
    int64_t limit_bytes_s; /* of what the source sends; 0: none */
    int64_t silence_us;    /* give up after nothing moved for so long; 0: two minutes */
    /* At most every 300 ms, also while nothing moves. Anything but ERR_OK ends it with that code (info filled). */
    enum err (*progress)(void *owner, int64_t bytes, struct err_info *info); /* NULL: none */
    void *owner;
};

/* Open both ends and carry bytes both ways until both ended. *bytes (may be NULL): what the source sent. The
 * connections stay usable whatever happens, unless one is lost; cancelled by either connection's cancel descriptor.
 *   ERR_DENIED (a host knows no such stream, or its helper is too old for any) ERR_FAILED (an end failed; the message
 * has its words) ERR_TIMEOUT ERR_CLOSED ERR_CANCELLED The message names the host. How a transfer ended is asked for
 * with transfer.result. */
enum err relay_between(const struct relay_end *source, const struct relay_end *target,
    const struct relay_options *options, int64_t *bytes, struct err_info *info);

/* Takes a piece of what comes; false: enough, or it cannot take more. */
typedef bool relay_sink(void *context, const void *data, size_t length);

/* Open one end and take what comes to its end. Where the sink says false: ERR_CANCELLED. */
enum err relay_pull(const struct relay_end *source, const struct relay_options *options, relay_sink *sink,
    void *context, int64_t *bytes, struct err_info *info);

#endif
