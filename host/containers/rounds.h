/* When to ask an engine: soon after something happened, again a little later (engines take a moment to know it
 * themselves), every few minutes, and never so often that a container in a crash loop makes us a load. An engine that
 * failed is asked again after 10, 20, 40 and from then on every 60 seconds. Pure, per engine; times are CLOCK_MONOTONIC
 * microseconds. One thread at a time. */
#ifndef HOST_CONTAINERS_ROUNDS_H
#define HOST_CONTAINERS_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct rounds {
    int64_t due_us;       /* because something happened; 0: nothing did */
    int64_t follow_up_us; /* 0: none */
    int64_t every_us;     /* without any event */
    int64_t retry_us;     /* the same while it fails; 0: it does not */
    int64_t last_us;
    int64_t tokens_us; /* allowance for rounds by events, as time */
    int64_t filled_us; /* when it was last filled up */
};

void rounds_init(struct rounds *rounds, int64_t every_us, int64_t now_us);
void rounds_note_event(struct rounds *rounds, int64_t now_us);
/* A job came to its end: what it did is looked at soon, however much happened before. Jobs are rare, people ask for
 * them. */
void rounds_note_job(struct rounds *rounds, int64_t now_us);
/* How often to ask from now on: every `usual_us`, or as becomes an engine that failed in its last round. */
void rounds_set_pace(struct rounds *rounds, int64_t usual_us, bool failed);
/* When rounds_take will say yes if nothing more happens. */
int64_t rounds_next_us(const struct rounds *rounds, int64_t now_us);
/* True where a round is to begin now. */
bool rounds_take(struct rounds *rounds, int64_t now_us);

#endif
