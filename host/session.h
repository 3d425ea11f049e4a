/* One connection: requests in, answers and pushes out (docs/protocol.md). Created by main, lives as long as the
 * process. Writing is thread-safe and bounded: a peer that does not read for 30 s, or a failed write, ends the helper.
 */
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

/* --- for main and the dispatch of requests ------------------------------------------------------------------------ */

/* Called with each request, an object (borrowed), on the thread of session_run. */
typedef void session_handler(struct session *session, const json_t *request, void *context);

/* Takes the descriptors over (they become non-blocking until the end); they may be the same. */
struct session *session_new(int in_fd, int out_fd, session_handler *handle, void *context);
void *session_context(struct session *session); /* as given here */

/* Read requests until the end of input, a line that is no request, a failed write, the idle deadline, session_end, or a
 * byte on stop_fd (a signalfd, say; -1: none). Afterwards nothing is written any more. */
void session_run(struct session *session, int stop_fd);

/* The end of a request; `value` as above. Any thread. */
void session_answer(struct session *session, int64_t request_id, json_t *value);
void session_refuse(struct session *session, int64_t request_id, const struct err_info *why);

/* End it; the peer is told why, where there is something to tell (NULL: nothing). Any thread. */
void session_end(struct session *session, const struct err_info *why);

/* End it after hearing nothing for that long (default 120 s). */
void session_set_idle(struct session *session, int64_t idle_us);
/* How long one line may wait for the peer to read (default 30 s). */
void session_set_write_limit(struct session *session, int64_t limit_us);

#endif
