/* What waits for a writer thread: a bounded queue like base/queue, which also
 *   - replaces a waiting item by a newer one of the same key (present state: the last one wins),
 *   - is bounded by bytes as well as by items,
 *   - takes a batch back whose writing failed, at the front, in its order,
 *   - can be waited for until everything put before is done.
 * Any number of producers; one consumer. A full intake drops its oldest items and counts them. */
#ifndef STORE_INTAKE_H
#define STORE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first member of what is queued. */
struct intake_item {
    struct intake_item *next, *previous; /* the queue's */
    struct intake_item *chain;           /* the queue's: same hash slot */
    uint64_t order;                      /* the queue's */
    uint32_t hash;                       /* the queue's */
    bool waiting;                        /* the queue's: in the table of keys */
    const char *key;                     /* NULL: never replaced; borrowed from the item itself */
    bool barrier;                        /* later items of a key never take a place before this one */
    size_t bytes;
};

struct intake;

/* release: frees an item; lost is true where it was given up, false where a newer one took its place. Called without
 * locks held, in the putting thread (or in intake_free's). */
struct intake *intake_new(
    size_t max_items, size_t max_bytes, void (*release)(void *owner, struct intake_item *item, bool lost), void *owner);
void intake_free(struct intake *intake); /* what is left is lost */

void intake_put(struct intake *intake, struct intake_item *item); /* takes ownership; after intake_close it is lost */

/* How much to take: up to `items` and `bytes` (but at least one item); wait up to timeout_us (< 0: no limit) for the
 * first one, and then linger_us for more. */
struct intake_batch {
    size_t items, bytes;
    int64_t timeout_us, linger_us;
};
/* Oldest first; 0 where the time passed or the intake is closed and empty. What was taken before counts as done. */
size_t intake_take(struct intake *intake, struct intake_item **items, const struct intake_batch *batch);
/* The batch just taken could not be written: it waits again, before everything else. Items for which something newer
 * came meanwhile are released. */
void intake_return(struct intake *intake, struct intake_item **items, size_t count);

/* Until everything put before this call is done (or lost). */
bool intake_wait_done(struct intake *intake, int64_t timeout_us);
/* Wait at most so long, less where the intake is closed: a pause between tries. */
void intake_pause(struct intake *intake, int64_t timeout_us);
void intake_close(struct intake *intake); /* wakes the consumer; what waits can still be taken */
bool intake_is_closed(struct intake *intake);

struct intake_stats {
    size_t depth, capacity, bytes;
    uint64_t dropped;
};
struct intake_stats intake_stats(struct intake *intake);

#endif
