/* How long to leave a host alone after a failure: doubling from one second to five minutes, with a fifth of jitter.
 * What a quick retry cannot cure begins later: authentication and host keys at 60 s (newer sshd bans who fails often),
 * a missing or old helper at 15 s. */
#ifndef REMOTE_BACKOFF_H
#define REMOTE_BACKOFF_H

#include <stdint.h>

#include "base/err.h"

#define BACKOFF_MAX_US (INT64_C(300) * 1000000)

struct backoff {     /* {0} to begin with */
    int64_t last_us; /* without jitter; 0 after success */
};

/* The delay before the next attempt, never above BACKOFF_MAX_US. */
int64_t backoff_next_us(struct backoff *backoff, enum err reason);
void backoff_reset(struct backoff *backoff); /* after success */

#endif
