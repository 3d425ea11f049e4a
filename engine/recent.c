/* Rings of the newest hour. Time is cut into slots of one step; a ring remembers its newest slot, and slots without a
 * sample are NaN. A sample that came a little late, so that it skips one slot, fills both: a phase near the edge of a
 * slot must not look like gaps. One mutex; the model thread writes, the socket's threads read. */
#include "engine/recent.h"

#include <math.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/state.h"

#define HOUR_US (3600 * USEC_PER_SEC)
#define POINTS_MAX 720

struct ring {
    char key[KEY_SIZE + 2]; /* first: the tree compares by it; the kind as a character, then the object's key */
    size_t bytes;
    int64_t newest_slot;
    int64_t newest_us;
    float values[]; /* points × columns */
};

struct recent {
    pthread_mutex_t mutex;
    int64_t interval_us;
    size_t budget;
    void *rings; /* tsearch(3), by key */
    struct recent_stats stats;
};

/* Volumes are measured rarely. */
static int64_t step_of(enum object_kind kind, int64_t interval_us)
{
    int64_t least = kind == KIND_VOLUME ? 60 * USEC_PER_SEC : HOUR_US / POINTS_MAX;
    return interval_us > least ? interval_us : least;
}

static size_t points_of(enum object_kind kind, int64_t interval_us)
{
    return (size_t)(HOUR_US / step_of(kind, interval_us));
}

static size_t columns_of(enum object_kind kind)
{
    const struct metric_table *table = metric_table(kind);
    size_t columns = 0;
    for (size_t i = 0; i < table->count; i++)
        columns += table->metrics[i].in_rrd != 0;
    return columns;
}

static bool has_rings(enum object_kind kind)
{
    return kind == KIND_SITE || kind == KIND_CONTAINER || kind == KIND_VOLUME;
}

size_t recent_bytes_each(enum object_kind kind, int64_t interval_us)
{
    return has_rings(kind) ? sizeof(struct ring) + points_of(kind, interval_us) * columns_of(kind) * sizeof(float) : 0;
}

static int compare_rings(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct recent *recent_new(int64_t interval_us, size_t budget_bytes)
{
    struct recent *recent = xcalloc(1, sizeof *recent);
    pthread_mutex_init(&recent->mutex, NULL);
    recent->interval_us = interval_us;
    recent->budget = budget_bytes;
    return recent;
}

void recent_free(struct recent *recent)
{
    if (!recent)
        return;
    tdestroy(recent->rings, free);
    pthread_mutex_destroy(&recent->mutex);
    free(recent);
}

void recent_set_interval(struct recent *recent, int64_t interval_us)
{
    pthread_mutex_lock(&recent->mutex);
    if (recent->interval_us != interval_us) {
        tdestroy(recent->rings, free);
        recent->rings = NULL;
        recent->stats = (struct recent_stats){0};
        recent->interval_us = interval_us;
    }
    pthread_mutex_unlock(&recent->mutex);
}

/* --- under the mutex ---------------------------------------------------------------------------------------------- */

static void ring_key(char out[KEY_SIZE + 2], enum object_kind kind, const char *key)
{
    str_format(out, KEY_SIZE + 2, "%c%s", (char)('0' + (int)kind), key);
}

static struct ring *find_ring(const struct recent *recent, enum object_kind kind, const char *key)
{
    char text[KEY_SIZE + 2];
    ring_key(text, kind, key);
    void *found = tfind(text, (void *const *)&recent->rings, compare_rings);
    return found ? *(struct ring **)found : NULL;
}

/* NULL where the budget does not allow for it. */
static struct ring *add_ring(struct recent *recent, enum object_kind kind, const char *key)
{
    size_t bytes = recent_bytes_each(kind, recent->interval_us);
    if (recent->stats.bytes + bytes > recent->budget) {
        if (recent->stats.refused++ == 0)
            log_warning("no room for the newest hour of %s and what comes after it: %zu MiB are used for %zu objects",
                key, recent->stats.bytes >> 20, recent->stats.objects);
        return NULL;
    }
    struct ring *ring = xmalloc(bytes);
    memset(ring, 0, sizeof *ring);
    ring_key(ring->key, kind, key);
    ring->bytes = bytes;
    ring->newest_slot = -1;
    size_t values = points_of(kind, recent->interval_us) * columns_of(kind);
    for (size_t i = 0; i < values; i++)
        ring->values[i] = NAN;
    if (!tsearch(ring, &recent->rings, compare_rings))
        abort();
    recent->stats.bytes += bytes;
    recent->stats.objects++;
    return ring;
}

struct shape {
    enum object_kind kind;
    int64_t step_us, points;
    size_t columns;
};

static struct shape shape_of(const struct recent *recent, enum object_kind kind)
{
    return (struct shape){
        kind, step_of(kind, recent->interval_us), (int64_t)points_of(kind, recent->interval_us), columns_of(kind)};
}

static float *slot_values(struct ring *ring, const struct shape *shape, int64_t slot)
{
    return &ring->values[(size_t)(slot % shape->points) * shape->columns];
}

static void fill_slot(struct ring *ring, const struct shape *shape, int64_t slot, const double *metrics)
{
    const struct metric_table *table = metric_table(shape->kind);
    float *values = slot_values(ring, shape, slot);
    for (size_t i = 0, column = 0; i < table->count; i++)
        if (table->metrics[i].in_rrd)
            values[column++] = metrics ? (float)metrics[i] : NAN;
}

static void put_sample(struct ring *ring, const struct shape *shape, int64_t at_us, const double *metrics)
{
    int64_t slot = at_us / shape->step_us;
    if (slot < ring->newest_slot)
        return;
    bool late = ring->newest_slot >= 0 && slot == ring->newest_slot + 2 &&
                at_us - ring->newest_us < shape->step_us + shape->step_us / 2;
    int64_t empty = ring->newest_slot + 1 > slot - shape->points ? ring->newest_slot + 1 : slot - shape->points + 1;
    for (; ring->newest_slot >= 0 && empty < slot; empty++)
        fill_slot(ring, shape, empty, late ? metrics : NULL);
    fill_slot(ring, shape, slot, metrics);
    ring->newest_slot = slot;
    ring->newest_us = at_us;
}

static json_t *read_column(struct ring *ring, const struct shape *shape, size_t column)
{
    json_t *list = json_array();
    for (int64_t slot = ring->newest_slot - shape->points + 1; slot <= ring->newest_slot; slot++) {
        float value = slot >= 0 ? slot_values(ring, shape, slot)[column] : NAN;
        json_array_append_new(list, isfinite(value) ? json_real((double)value) : json_null());
    }
    return list;
}

static json_t *read_ring(struct ring *ring, const struct shape *shape)
{
    const struct metric_table *table = metric_table(shape->kind);
    json_t *answer = json_object(), *series = json_object();
    json_put_i64(answer, "step_us", shape->step_us);
    json_put_i64(answer, "end_us", (ring->newest_slot + 1) * shape->step_us);
    for (size_t i = 0, column = 0; i < table->count; i++)
        if (table->metrics[i].in_rrd)
            json_object_set_new(series, table->metrics[i].key, read_column(ring, shape, column++));
    json_object_set_new(answer, "series", series);
    return answer;
}

/* ------------------------------------------------------------------------------------------------------------------ */

void recent_add(struct recent *recent, enum object_kind kind, const char *key, int64_t at_us, const double *metrics)
{
    if (!has_rings(kind) || at_us <= 0)
        return;
    pthread_mutex_lock(&recent->mutex);
    struct ring *ring = find_ring(recent, kind, key);
    if (!ring)
        ring = add_ring(recent, kind, key);
    struct shape shape = shape_of(recent, kind);
    if (ring)
        put_sample(ring, &shape, at_us, metrics);
    pthread_mutex_unlock(&recent->mutex);
}

void recent_remove(struct recent *recent, enum object_kind kind, const char *key)
{
    pthread_mutex_lock(&recent->mutex);
    struct ring *ring = find_ring(recent, kind, key);
    if (ring) {
        tdelete(ring, &recent->rings, compare_rings);
        recent->stats.objects--;
        recent->stats.bytes -= ring->bytes;
        recent->stats.refused = 0;
    }
    pthread_mutex_unlock(&recent->mutex);
    free(ring);
}

json_t *recent_read(struct recent *recent, enum object_kind kind, const char *key)
{
    if (!has_rings(kind))
        return NULL;
    pthread_mutex_lock(&recent->mutex);
    struct ring *ring = find_ring(recent, kind, key);
    struct shape shape = shape_of(recent, kind);
    json_t *answer = ring ? read_ring(ring, &shape) : NULL;
    pthread_mutex_unlock(&recent->mutex);
    return answer;
}

void recent_keep_metric(json_t *answer, const char *metric)
{
    json_t *series = json_object_get(answer, "series");
    if (!metric)
        return;
    json_t *one = json_incref(json_object_get(series, metric));
    json_object_clear(series);
    if (one)
        json_object_set_new(series, metric, one);
}

struct recent_stats recent_stats(struct recent *recent)
{
    pthread_mutex_lock(&recent->mutex);
    struct recent_stats stats = recent->stats;
    pthread_mutex_unlock(&recent->mutex);
    return stats;
}
