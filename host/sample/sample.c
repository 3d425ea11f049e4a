/* The sampler: one thread that wakes at the interval, asks each section, and pushes one line. What may take long has
 * threads of its own behind the sections; here nothing waits for a disk, a network or a program.
 *
 * `subscribe` sets the interval (the thread that reads requests); the first one starts the thread and the inventory. */
#include "host/sample/sample.h"

#include <malloc.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/facts.h"
#include "host/inventory.h"
#include "host/sample/sections.h"
#include "host/thread.h"
#include "host/verbs.h"

#define LEAST_INTERVAL_MS 1000
#define MOST_INTERVAL_MS 600000

static const struct section *const sections[] = {
    &section_system, &section_disks, &section_networks, &section_filesystems, &section_failed_units};
#define SECTION_COUNT (sizeof sections / sizeof *sections)

struct sampler {
    struct session *session;
    void *states[SECTION_COUNT];
    int64_t seq;
    uint64_t inventory_seen;
};

/* What the verb tells the thread. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t interval_us;
    bool running;
} subscription = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct sampler *sampler_new(struct session *session)
{
    struct sampler *sampler = xcalloc(1, sizeof *sampler);
    sampler->session = session;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        sampler->states[i] = sections[i]->begin(session);
    return sampler;
}

json_t *sampler_take(struct sampler *sampler, int64_t interval_us)
{
    json_t *sample = json_object(), *late = json_array();
    json_put_i64(sample, "seq", ++sampler->seq);
    json_put_text(sample, "boot_id", *host_boot_id() ? host_boot_id() : NULL);
    host_put_times(sample);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (!sections[i]->sample(sampler->states[i], sample, interval_us))
            json_array_append_new(late, json_string(sections[i]->name));
    containers_sample(sample);
    volumes_sample(sample);
    json_object_set_new(sample, "late", late);
    return sample;
}

int64_t sample_due_us(int64_t now_us, int64_t interval_us)
{
    int64_t due_us = (now_us / interval_us + 1) * interval_us;
    return due_us - now_us < interval_us / 2 ? due_us + interval_us : due_us;
}

/* A new inventory leaves a large hole in the heap: give it back. */
static void tidy(struct sampler *sampler)
{
    uint64_t generation = inventory_generation();
    if (generation == sampler->inventory_seen)
        return;
    sampler->inventory_seen = generation;
    malloc_trim(0);
}

/* Until the next sample is due by the interval that holds then; returns that interval. */
static int64_t await_due(void)
{
    int64_t taken_us = clock_mono_us();
    pthread_mutex_lock(&subscription.mutex);
    int outcome = 0;
    while (outcome == 0) {
        struct timespec due = clock_timespec(sample_due_us(taken_us, subscription.interval_us));
        outcome = pthread_cond_clockwait(&subscription.changed, &subscription.mutex, CLOCK_MONOTONIC, &due);
    }
    int64_t interval_us = subscription.interval_us;
    pthread_mutex_unlock(&subscription.mutex);
    return interval_us;
}

static void *run(void *argument)
{
    struct sampler *sampler = argument;
    pthread_mutex_lock(&subscription.mutex);
    int64_t interval_us = subscription.interval_us;
    pthread_mutex_unlock(&subscription.mutex);
    while (!session_is_ending(sampler->session)) {
        session_push(sampler->session, "sample", sampler_take(sampler, interval_us));
        tidy(sampler);
        interval_us = await_due();
    }
    return NULL;
}

enum err verb_subscribe(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    int64_t interval_ms = 0;
    if (!json_get_i64(args, "interval_ms", &interval_ms) || interval_ms < LEAST_INTERVAL_MS ||
        interval_ms > MOST_INTERVAL_MS)
        return err_set(
            info, ERR_INVALID, "subscribe needs interval_ms, from %d to %d", LEAST_INTERVAL_MS, MOST_INTERVAL_MS);
    pthread_mutex_lock(&subscription.mutex);
    subscription.interval_us = interval_ms * USEC_PER_MSEC;
    pthread_cond_signal(&subscription.changed);
    pthread_mutex_unlock(&subscription.mutex);
    *ok = json_object();
    json_put_i64(*ok, "interval_ms", interval_ms);
    return ERR_OK;
}

void subscribe_begin(struct session *session)
{
    if (subscription.running) /* touched by the reading thread only */
        return;
    subscription.running = true;
    inventory_start(session);
    if (!thread_start(run, sampler_new(session))) {
        struct err_info info;
        err_set(&info, ERR_IO, "there is no room for another thread on this host");
        session_end(session, &info);
    }
}
