/* Where every source goes on. An array sorted by host and source; a few thousand entries, searched once a batch. One
 * mutex; any thread. */
#include "store/log_cursors.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

struct source {
    char *host, *source, *cursor; /* cursor NULL: none known */
    int64_t sequence;
    uint64_t lost;    /* lines given up and not yet told by a row */
    uint64_t touched; /* the higher, the later it was last loaded, accepted or lost */
};

struct log_cursors {
    pthread_mutex_t mutex;
    VEC(struct source) sources;
    int64_t sequence;
    uint64_t lost_ever;
    uint64_t touches;
};

struct log_cursors *log_cursors_new(void)
{
    struct log_cursors *cursors = xcalloc(1, sizeof *cursors);
    pthread_mutex_init(&cursors->mutex, NULL);
    return cursors;
}

static void free_source(struct source *source)
{
    free(source->host);
    free(source->source);
    free(source->cursor);
}

void log_cursors_free(struct log_cursors *cursors)
{
    if (!cursors)
        return;
    vec_each (&cursors->sources, struct source, source)
        free_source(source);
    vec_free(&cursors->sources);
    pthread_mutex_destroy(&cursors->mutex);
    free(cursors);
}

static int compare(const struct source *entry, const char *host, const char *source)
{
    int order = strcmp(entry->host, host);
    return order ? order : strcmp(entry->source, source);
}

/* The first entry that is not below. */
static size_t position(const struct log_cursors *cursors, const char *host, const char *source)
{
    size_t low = 0, high = cursors->sources.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&cursors->sources.items[middle], host, source) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Forget about an eighth of what the host has in [first, end), the longest silent; several at once, so that a host that
 * makes up sources pays for looking at all of them seldom. */
static void forget_silent(struct log_cursors *cursors, size_t first, size_t end)
{
    struct source *items = cursors->sources.items;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = first; i < end; i++)
        oldest = items[i].touched < oldest ? items[i].touched : oldest;
    uint64_t limit = oldest + (cursors->touches - oldest) / 8;
    size_t kept = first;
    for (size_t i = first; i < end; i++) {
        if (items[i].touched <= limit)
            free_source(&items[i]);
        else
            items[kept++] = items[i];
    }
    memmove(items + kept, items + end, (cursors->sources.count - end) * sizeof *items);
    cursors->sources.count -= end - kept;
}

static void keep_bounded(struct log_cursors *cursors, const char *host)
{
    size_t first = position(cursors, host, ""), end = first;
    if (first + LOG_SOURCES_MOST > cursors->sources.count ||
        strcmp(cursors->sources.items[first + LOG_SOURCES_MOST - 1].host, host) != 0)
        return;
    while (end < cursors->sources.count && strcmp(cursors->sources.items[end].host, host) == 0)
        end++;
    forget_silent(cursors, first, end);
}

static struct source *touch(struct log_cursors *cursors, size_t at)
{
    cursors->sources.items[at].touched = ++cursors->touches;
    return &cursors->sources.items[at];
}

/* The entry, made where there is none. The caller holds the mutex. */
static struct source *entry_of(struct log_cursors *cursors, const char *host, const char *source)
{
    size_t at = position(cursors, host, source);
    if (at < cursors->sources.count && compare(&cursors->sources.items[at], host, source) == 0)
        return touch(cursors, at);
    keep_bounded(cursors, host);
    at = position(cursors, host, source);
    vec_add(&cursors->sources);
    struct source *items = cursors->sources.items;
    memmove(items + at + 1, items + at, (cursors->sources.count - 1 - at) * sizeof *items);
    items[at] = (struct source){.host = xstrdup(host), .source = xstrdup(source)};
    return touch(cursors, at);
}

void log_cursors_load(struct log_cursors *cursors, const struct log_cursor *cursor)
{
    pthread_mutex_lock(&cursors->mutex);
    struct source *entry = entry_of(cursors, cursor->host, cursor->source);
    if (!entry->cursor || cursor->sequence > entry->sequence) {
        xstr_set(&entry->cursor, cursor->cursor);
        entry->sequence = cursor->sequence;
    }
    if (cursor->sequence > cursors->sequence)
        cursors->sequence = cursor->sequence;
    pthread_mutex_unlock(&cursors->mutex);
}

int64_t log_cursors_next_sequence(struct log_cursors *cursors)
{
    pthread_mutex_lock(&cursors->mutex);
    int64_t sequence = ++cursors->sequence;
    pthread_mutex_unlock(&cursors->mutex);
    return sequence;
}

void log_cursors_accept(struct log_cursors *cursors, const struct log_batch *batch)
{
    if (batch->cursor[0] == '\0')
        return;
    pthread_mutex_lock(&cursors->mutex);
    xstr_set(&entry_of(cursors, batch->host, batch->source)->cursor, batch->cursor);
    pthread_mutex_unlock(&cursors->mutex);
}

void log_cursors_lose(struct log_cursors *cursors, const struct log_batch *batch)
{
    pthread_mutex_lock(&cursors->mutex);
    entry_of(cursors, batch->host, batch->source)->lost += batch->count + batch->dropped;
    cursors->lost_ever += batch->count;
    pthread_mutex_unlock(&cursors->mutex);
}

uint64_t log_cursors_take_lost(struct log_cursors *cursors, const struct log_batch *batch)
{
    pthread_mutex_lock(&cursors->mutex);
    struct source *entry = entry_of(cursors, batch->host, batch->source);
    uint64_t lost = entry->lost;
    entry->lost = 0;
    pthread_mutex_unlock(&cursors->mutex);
    return lost;
}

void log_cursors_return_lost(struct log_cursors *cursors, const struct log_batch *batch, uint64_t count)
{
    pthread_mutex_lock(&cursors->mutex);
    entry_of(cursors, batch->host, batch->source)->lost += count;
    pthread_mutex_unlock(&cursors->mutex);
}

uint64_t log_cursors_lost_ever(struct log_cursors *cursors)
{
    pthread_mutex_lock(&cursors->mutex);
    uint64_t lost = cursors->lost_ever;
    pthread_mutex_unlock(&cursors->mutex);
    return lost;
}

char *log_cursors_json(struct log_cursors *cursors, const char *host)
{
    json_t *object = json_object();
    pthread_mutex_lock(&cursors->mutex);
    for (size_t i = position(cursors, host, ""); i < cursors->sources.count; i++) {
        const struct source *entry = &cursors->sources.items[i];
        if (strcmp(entry->host, host) != 0)
            break;
        if (entry->cursor)
            json_put_text(object, entry->source, entry->cursor);
    }
    pthread_mutex_unlock(&cursors->mutex);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text ? text : xstrdup("{}");
}
