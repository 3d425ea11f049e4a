/* Ask many hosts the same thing at once, while a plan is made or a person waits: each over a connection of its own that
 * is closed again, in the viewer's role. One that does not answer in time is said, never left out. */
#ifndef ACTIONS_ASK_MANY_H
#define ACTIONS_ASK_MANY_H

#include "actions/action.h"

#define ASK_MANY_AT_ONCE 32

struct host_answer {
    const struct host_def *host; /* who to ask: the fleet's */
    enum err err;
    char why[REASON_SIZE]; /* where err: for a person, sanitised */
    json_t *ok;            /* the answer; NULL where err. Free with host_answers_free */
};

/* Fill `answers` (of which `host` is set) with what they say to `verb`. `args` (may be NULL) stays the caller's.
 * `deadline_us` is for each host: dialling, the helper's start and the answer together. Returns when all are through:
 * ceil(count / 32) × deadline at worst. request->asker must be there (else every answer is ERR_UNREACHABLE). */
void ask_many(const struct plan_request *request, const char *verb, const json_t *args, int64_t deadline_us,
    struct host_answer *answers, size_t count);
void host_answers_free(struct host_answer *answers, size_t count); /* what they own */

#endif
