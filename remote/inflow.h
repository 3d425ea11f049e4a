/* Bytes a host sends: the channel `stream WORD` of a connection (docs/protocol.md), read piece by piece. Runs in the
 * connection's thread; the helper of the same connection may be asked between two reads. */
#ifndef REMOTE_INFLOW_H
#define REMOTE_INFLOW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "remote/connection.h"

struct inflow;

/* Open it: the host has said that this is the stream that was asked for. *out is NULL unless ERR_OK; free it before its
 * connection. ERR_DENIED with the host's reason, ERR_GARBAGE, ERR_TIMEOUT, ERR_CLOSED, ERR_CANCELLED. */
enum err inflow_open(
    struct connection *connection, const char *word, int64_t timeout_us, struct inflow **out, struct err_info *info);

/* Wait at most silence_us for more. Bytes read; 0 at the end, where the sender's end was good; -1: `info` says why. */
ssize_t inflow_read(struct inflow *inflow, void *data, size_t size, int64_t silence_us, struct err_info *info);

void inflow_free(struct inflow *inflow); /* NULL allowed; the host's end ends */

#endif
