/* The bounded queue between threads: a ring of pointers under one mutex.
 *
 * A producer never waits: where the ring is full the oldest item makes room and is counted. Items are destroyed outside
 * the lock, in the thread that pushed (or freed the queue). Any number of producers and consumers. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* an item came, or the queue was closed; on CLOCK_MONOTONIC */
    void (*drop)(void *item);
    void **ring;
    size_t capacity;
    size_t first; /* index of the oldest item */
    size_t depth;
    uint64_t pushed;
    uint64_t dropped;
    bool closed;
};

struct queue *queue_new(size_t capacity, void (*drop)(void *item))
{
    struct queue *queue = xcalloc(1, sizeof *queue);
    queue->capacity = capacity ? capacity : 1;
    queue->ring = xcalloc(queue->capacity, sizeof *queue->ring);
    queue->drop = drop;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return queue;
}

/* The caller holds the mutex, and depth is not 0. */
static void *take_oldest(struct queue *queue)
{
    void *item = queue->ring[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->depth--;
    return item;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    while (queue->depth > 0) {
        void *item = take_oldest(queue);
        if (queue->drop)
            queue->drop(item);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->ring);
    free(queue);
}

void queue_push(struct queue *queue, void *item)
{
    void *victim = NULL;
    pthread_mutex_lock(&queue->mutex);
    bool closed = queue->closed;
    bool dropping = closed || queue->depth == queue->capacity;
    if (dropping)
        victim = closed ? item : take_oldest(queue);
    if (!closed)
        queue->ring[(queue->first + queue->depth++) % queue->capacity] = item;
    queue->pushed++;
    queue->dropped += dropping;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    if (dropping && queue->drop)
        queue->drop(victim);
}

/* Wait until there is an item, the queue is closed, or the timeout has passed. The caller holds the mutex. */
static void wait_for_item(struct queue *queue, int64_t timeout_us)
{
    int64_t now_us = clock_mono_us();
    bool forever = timeout_us < 0 || timeout_us > INT64_MAX - now_us;
    struct timespec deadline = clock_timespec(forever ? 0 : now_us + timeout_us);
    int result = 0;
    while (queue->depth == 0 && !queue->closed && result != ETIMEDOUT)
        result = forever ? pthread_cond_wait(&queue->changed, &queue->mutex)
                         : pthread_cond_timedwait(&queue->changed, &queue->mutex, &deadline);
}

size_t queue_pop(struct queue *queue, void **items, size_t max, int64_t timeout_us)
{
    size_t count = 0;
    pthread_mutex_lock(&queue->mutex);
    if (timeout_us != 0)
        wait_for_item(queue, timeout_us);
    while (count < max && queue->depth > 0)
        items[count++] = take_oldest(queue);
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

bool queue_is_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->mutex);
    return closed;
}

struct queue_stats queue_stats(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct queue_stats stats = {
        .depth = queue->depth,
        .capacity = queue->capacity,
        .pushed = queue->pushed,
        .dropped = queue->dropped,
    };
    pthread_mutex_unlock(&queue->mutex);
    return stats;
}
