/* When to ask an engine: soon after something happened, again a little later (engines take a moment to know it
 * themselves), once a minute, and never so often that a container in a crash loop makes us a load. Pure, per engine;
 * times are CLOCK_MONOTONIC microseconds. One thread at a time. */
#ifndef HOST_CONTAINERS_ROUNDS_H
#define HOST_CONTAINERS_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct rounds {
    int64_t due_us;       /* because something happened; 0: nothing did */
    int64_t follow_up_us; /* 0: none */
    int64_t every_us;     /* without any event */
    int64_t last_us;
    int64_t tokens_us; /* allowance for rounds by events, as time */
    int64_t filled_us; /* when it was last filled up */
};

void rounds_init(struct rounds *rounds, int64_t every_us, int64_t now_us);
void rounds_note_event(struct rounds *rounds, int64_t now_us);
/* When rounds_take will say yes if nothing more happens. */
int64_t rounds_next_us(const struct rounds *rounds, int64_t now_us);
/* True where a round is to begin now. */
bool rounds_take(struct rounds *rounds, int64_t now_us);

#endif
