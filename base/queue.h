/* A bounded queue between threads: many producers, one or more consumers, items are pointers the queue never looks
 * into. A full queue never blocks a producer: the oldest item is dropped through the destructor and counted. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t capacity, void (*drop)(void *item)); /* drop: frees an item that nobody will take */
void queue_free(struct queue *queue);                               /* drops what is left */

void queue_push(struct queue *queue, void *item); /* takes ownership; after queue_close the item is dropped at once */
/* Up to `max` items, oldest first; waits until one is there, the timeout passed (returns 0) or the queue was closed and
 * is empty (returns 0; ask queue_is_closed). timeout_us < 0 waits without limit. */
size_t queue_pop(struct queue *queue, void **items, size_t max, int64_t timeout_us);
void queue_close(struct queue *queue); /* wakes the consumers; what is queued can still be taken */
bool queue_is_closed(struct queue *queue);

struct queue_stats {
    size_t depth;
    size_t capacity;
    uint64_t pushed;
    uint64_t dropped;
};
struct queue_stats queue_stats(struct queue *queue);

#endif
