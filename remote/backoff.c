/* Exponential back-off with jitter (±20 %), so that a fleet that went away together does not come back together. Any
 * thread, each on its own struct. */
#include "remote/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"

static int64_t first_us(enum err reason)
{
    switch (reason) {
    case ERR_AUTH:
    case ERR_HOST_KEY:
    case ERR_DENIED:
        return 60 * USEC_PER_SEC;
    case ERR_MISSING:
    case ERR_VERSION:
    case ERR_GARBAGE:
        return 15 * USEC_PER_SEC;
    case ERR_BUSY:
        return 5 * USEC_PER_SEC;
    default:
        return USEC_PER_SEC;
    }
}

/* 0 … 1; without randomness in the middle: only the spreading suffers. */
static double fraction(void)
{
    uint32_t bits = UINT32_MAX / 2;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = UINT32_MAX / 2;
    return bits / (double)UINT32_MAX;
}

int64_t backoff_next_us(struct backoff *backoff, enum err reason)
{
    int64_t least = first_us(reason);
    int64_t next = backoff->last_us > 0 ? backoff->last_us * 2 : least;
    if (next < least)
        next = least;
    if (next > BACKOFF_MAX_US)
        next = BACKOFF_MAX_US;
    backoff->last_us = next;
    int64_t jittered = (int64_t)((double)next * (0.8 + 0.4 * fraction()));
    return jittered < BACKOFF_MAX_US ? jittered : BACKOFF_MAX_US;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->last_us = 0;
}
