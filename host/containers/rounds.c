/* A token bucket and three due times. A burst of ten events is followed at once, a steady stream every ten seconds.
 * No state but the caller's. */
#include "host/containers/rounds.h"

#include "base/clock.h"

#define SETTLE_US (250 * USEC_PER_MSEC) /* one start or stop makes several events */
#define FOLLOW_UP_US (2 * USEC_PER_SEC)
#define TOKEN_US (10 * USEC_PER_SEC) /* of steady events per round */
#define MOST_TOKENS_US (10 * TOKEN_US)
#define FIRST_RETRY_US (10 * USEC_PER_SEC)
#define LAST_RETRY_US (60 * USEC_PER_SEC)

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void rounds_init(struct rounds *rounds, int64_t every_us, int64_t now_us)
{
    *rounds = (struct rounds){.due_us = now_us, .every_us = every_us, .tokens_us = MOST_TOKENS_US};
    rounds->filled_us = now_us;
}

static int64_t tokens_at(const struct rounds *rounds, int64_t now_us)
{
    return least_of(rounds->tokens_us + now_us - rounds->filled_us, MOST_TOKENS_US);
}

void rounds_note_event(struct rounds *rounds, int64_t now_us)
{
    int64_t due_us = now_us + SETTLE_US, lacking_us = TOKEN_US - tokens_at(rounds, now_us);
    if (lacking_us > 0)
        due_us = now_us + lacking_us;
    if (rounds->due_us == 0 || due_us < rounds->due_us)
        rounds->due_us = due_us;
    rounds->follow_up_us = rounds->due_us + FOLLOW_UP_US;
}

void rounds_note_job(struct rounds *rounds, int64_t now_us)
{
    if (tokens_at(rounds, now_us) < TOKEN_US) {
        rounds->tokens_us = TOKEN_US;
        rounds->filled_us = now_us;
    }
    rounds_note_event(rounds, now_us);
}

void rounds_set_pace(struct rounds *rounds, int64_t usual_us, bool failed)
{
    rounds->every_us = usual_us;
    if (!failed)
        rounds->retry_us = 0;
    else if (!rounds->retry_us)
        rounds->retry_us = FIRST_RETRY_US;
}

int64_t rounds_next_us(const struct rounds *rounds, int64_t now_us)
{
    int64_t pause_us = rounds->retry_us ? rounds->retry_us : rounds->every_us;
    int64_t next_us = rounds->last_us ? rounds->last_us + pause_us : now_us;
    if (rounds->due_us)
        next_us = least_of(next_us, rounds->due_us);
    if (rounds->follow_up_us)
        next_us = least_of(next_us, rounds->follow_up_us);
    return next_us;
}

bool rounds_take(struct rounds *rounds, int64_t now_us)
{
    if (now_us < rounds_next_us(rounds, now_us))
        return false;
    if (rounds->due_us && now_us >= rounds->due_us) {
        rounds->tokens_us = tokens_at(rounds, now_us) - TOKEN_US;
        rounds->filled_us = now_us;
        rounds->due_us = 0;
    }
    if (rounds->follow_up_us && now_us >= rounds->follow_up_us)
        rounds->follow_up_us = 0;
    rounds->last_us = now_us;
    rounds->retry_us = least_of(2 * rounds->retry_us, LAST_RETRY_US);
    return true;
}
