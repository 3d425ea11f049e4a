/* One connection: requests in, answers and pushes out (docs/protocol.md). Created by main, lives as long as the process.
 * Writing is thread-safe and bounded: a peer that does not read for 30 s, or a failed write, ends the helper. */
#ifndef HOST_SESSION_H
#define HOST_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct session;

/* All take ownership of `value`. Any thread. */
void session_push(struct session *session, const char *kind, json_t *value); /* {"kind":value} */
void session_progress(struct session *session, int64_t request_id, json_t *value);

bool session_is_ending(struct session *session); /* long work looks here now and then and gives up */
/* Wait up to timeout_us or until the session ends; returns session_is_ending. For threads that poll. */
bool session_wait(struct session *session, int64_t timeout_us);

#endif
