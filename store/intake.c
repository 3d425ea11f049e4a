/* What waits for a writer thread. A doubly linked list in order of arrival, and a hash table over the items that have a
 * key.
 *
 * A newer item takes the place of the waiting one of its key, unless a barrier was put in between: then it goes to the
 * end, so that no effect overtakes the barrier. One mutex; items are released outside it. */
#include "store/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define NOTHING_BUSY UINT64_MAX

struct intake {
    pthread_mutex_t mutex;
    pthread_cond_t came; /* an item, or the end */
    pthread_cond_t done; /* a batch was finished */
    void (*release)(void *owner, struct intake_item *item, bool lost);
    void *owner;
    size_t max_items, max_bytes;
    struct intake_item *first, *last;
    size_t count, bytes;
    struct intake_item **slots;
    size_t slot_count, keyed;
    uint64_t next_order;
    uint64_t barrier_order; /* of the newest barrier */
    uint64_t busy_order;    /* of the oldest item taken and not done */
    uint64_t dropped;
    bool closed;
};

static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct intake *intake_new(
    size_t max_items, size_t max_bytes, void (*release)(void *owner, struct intake_item *item, bool lost), void *owner)
{
    struct intake *intake = xcalloc(1, sizeof *intake);
    pthread_mutex_init(&intake->mutex, NULL);
    condition_init(&intake->came);
    condition_init(&intake->done);
    intake->release = release;
    intake->owner = owner;
    intake->max_items = max_items;
    intake->max_bytes = max_bytes;
    intake->slot_count = 64;
    intake->slots = xcalloc(intake->slot_count, sizeof(struct intake_item *));
    intake->next_order = 1;
    intake->busy_order = NOTHING_BUSY;
    return intake;
}

/* FNV-1a. */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261u;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

static struct intake_item **slot_of(struct intake *intake, uint32_t hash)
{
    return &intake->slots[hash & (intake->slot_count - 1)];
}

static struct intake_item *find(struct intake *intake, const char *key, uint32_t hash)
{
    struct intake_item *item = *slot_of(intake, hash);
    while (item && (item->hash != hash || strcmp(item->key, key) != 0))
        item = item->chain;
    return item;
}

static void table_grow(struct intake *intake)
{
    size_t old_count = intake->slot_count;
    struct intake_item **old = intake->slots;
    intake->slot_count *= 2;
    intake->slots = xcalloc(intake->slot_count, sizeof(struct intake_item *));
    for (size_t i = 0; i < old_count; i++) {
        for (struct intake_item *item = old[i], *next; item; item = next) {
            next = item->chain;
            struct intake_item **slot = slot_of(intake, item->hash);
            item->chain = *slot;
            *slot = item;
        }
    }
    free(old);
}

static void table_add(struct intake *intake, struct intake_item *item)
{
    if (!item->key)
        return;
    if (++intake->keyed > intake->slot_count)
        table_grow(intake);
    struct intake_item **slot = slot_of(intake, item->hash);
    item->chain = *slot;
    item->waiting = true;
    *slot = item;
}

static void table_remove(struct intake *intake, struct intake_item *item)
{
    if (!item->waiting)
        return;
    struct intake_item **link = slot_of(intake, item->hash);
    while (*link != item)
        link = &(*link)->chain;
    *link = item->chain;
    item->waiting = false;
    intake->keyed--;
}

static void link_before(struct intake *intake, struct intake_item *item, struct intake_item *next)
{
    item->next = next;
    item->previous = next ? next->previous : intake->last;
    *(item->previous ? &item->previous->next : &intake->first) = item;
    *(next ? &next->previous : &intake->last) = item;
    intake->count++;
    intake->bytes += item->bytes;
}

static void unlink_item(struct intake *intake, struct intake_item *item)
{
    *(item->previous ? &item->previous->next : &intake->first) = item->next;
    *(item->next ? &item->next->previous : &intake->last) = item->previous;
    intake->count--;
    intake->bytes -= item->bytes;
    table_remove(intake, item);
    item->next = NULL;
    item->previous = NULL;
}

/* Items that must go because there is no room for them: a chain by `next`. */
static struct intake_item *make_room(struct intake *intake)
{
    struct intake_item *victims = NULL;
    while (intake->count > 1 && (intake->count > intake->max_items || intake->bytes > intake->max_bytes)) {
        struct intake_item *oldest = intake->first;
        unlink_item(intake, oldest);
        oldest->next = victims;
        victims = oldest;
        intake->dropped++;
    }
    if (victims)
        pthread_cond_broadcast(&intake->done);
    return victims;
}

static void release_chain(struct intake *intake, struct intake_item *item, bool lost)
{
    while (item) {
        struct intake_item *next = item->next;
        intake->release(intake->owner, item, lost);
        item = next;
    }
}

/* Put `item` into the list; gives the one whose place it took, or NULL. */
static struct intake_item *insert(struct intake *intake, struct intake_item *item)
{
    struct intake_item *old = item->key ? find(intake, item->key, item->hash) : NULL;
    struct intake_item *next = NULL;
    item->order = intake->next_order++;
    if (old) {
        if (old->order > intake->barrier_order && !item->barrier) {
            item->order = old->order;
            next = old->next;
        }
        unlink_item(intake, old);
    }
    if (item->barrier)
        intake->barrier_order = item->order;
    link_before(intake, item, next);
    table_add(intake, item);
    return old;
}

void intake_put(struct intake *intake, struct intake_item *item)
{
    struct intake_item *old = NULL, *victims = item;
    item->next = NULL;
    item->hash = item->key ? hash_of(item->key) : 0;
    pthread_mutex_lock(&intake->mutex);
    if (intake->closed) {
        intake->dropped++;
    } else {
        bool was_empty = intake->count == 0; /* one that lingers needs no word of each item */
        old = insert(intake, item);
        victims = make_room(intake);
        if (was_empty)
            pthread_cond_broadcast(&intake->came);
    }
    pthread_mutex_unlock(&intake->mutex);
    release_chain(intake, old, false);
    release_chain(intake, victims, true);
}

/* false where the time is over. The caller holds the mutex. */
static bool wait_on(struct intake *intake, pthread_cond_t *condition, int64_t deadline_mono_us)
{
    if (deadline_mono_us < 0)
        return pthread_cond_wait(condition, &intake->mutex) == 0;
    struct timespec deadline = clock_timespec(deadline_mono_us);
    return pthread_cond_timedwait(condition, &intake->mutex, &deadline) != ETIMEDOUT;
}

static int64_t deadline_after(int64_t timeout_us)
{
    return timeout_us < 0 ? -1 : clock_mono_us() + timeout_us;
}

static void all_done(struct intake *intake)
{
    intake->busy_order = NOTHING_BUSY;
    pthread_cond_broadcast(&intake->done);
}

/* The caller holds the mutex. */
static void wait_for_items(struct intake *intake, const struct intake_batch *batch)
{
    int64_t deadline = deadline_after(batch->timeout_us);
    while (!intake->first && !intake->closed && wait_on(intake, &intake->came, deadline))
        continue;
    if (!intake->first || batch->linger_us <= 0)
        return;
    deadline = deadline_after(batch->linger_us);
    while (intake->count < batch->items && intake->bytes < batch->bytes && !intake->closed &&
           wait_on(intake, &intake->came, deadline))
        continue;
}

size_t intake_take(struct intake *intake, struct intake_item **items, const struct intake_batch *batch)
{
    size_t count = 0, bytes = 0;
    pthread_mutex_lock(&intake->mutex);
    all_done(intake);
    wait_for_items(intake, batch);
    while (intake->first && count < batch->items && (count == 0 || bytes + intake->first->bytes <= batch->bytes)) {
        struct intake_item *item = intake->first;
        bytes += item->bytes;
        unlink_item(intake, item);
        items[count++] = item;
    }
    if (count > 0)
        intake->busy_order = items[0]->order;
    pthread_mutex_unlock(&intake->mutex);
    return count;
}

void intake_return(struct intake *intake, struct intake_item **items, size_t count)
{
    struct intake_item *superseded = NULL, *victims;
    pthread_mutex_lock(&intake->mutex);
    for (size_t i = count; i-- > 0;) {
        struct intake_item *item = items[i];
        if (item->key && find(intake, item->key, item->hash)) {
            item->next = superseded;
            superseded = item;
            continue;
        }
        link_before(intake, item, intake->first);
        table_add(intake, item);
    }
    victims = make_room(intake);
    all_done(intake);
    pthread_mutex_unlock(&intake->mutex);
    release_chain(intake, superseded, false);
    release_chain(intake, victims, true);
}

bool intake_wait_done(struct intake *intake, int64_t timeout_us)
{
    int64_t deadline = deadline_after(timeout_us);
    bool in_time = true;
    pthread_mutex_lock(&intake->mutex);
    uint64_t ticket = intake->next_order;
    while (in_time && ((intake->first && intake->first->order < ticket) || intake->busy_order < ticket))
        in_time = wait_on(intake, &intake->done, deadline);
    pthread_mutex_unlock(&intake->mutex);
    return in_time;
}

void intake_pause(struct intake *intake, int64_t timeout_us)
{
    int64_t deadline = deadline_after(timeout_us);
    pthread_mutex_lock(&intake->mutex);
    while (!intake->closed && wait_on(intake, &intake->came, deadline))
        continue;
    pthread_mutex_unlock(&intake->mutex);
}

void intake_close(struct intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    intake->closed = true;
    pthread_cond_broadcast(&intake->came);
    pthread_mutex_unlock(&intake->mutex);
}

bool intake_is_closed(struct intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    bool closed = intake->closed;
    pthread_mutex_unlock(&intake->mutex);
    return closed;
}

struct intake_stats intake_stats(struct intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    struct intake_stats stats = {
        .depth = intake->count, .capacity = intake->max_items, .bytes = intake->bytes, .dropped = intake->dropped};
    pthread_mutex_unlock(&intake->mutex);
    return stats;
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    release_chain(intake, intake->first, true);
    pthread_cond_destroy(&intake->came);
    pthread_cond_destroy(&intake->done);
    pthread_mutex_destroy(&intake->mutex);
    free(intake->slots);
    free(intake);
}
