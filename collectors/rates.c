/* Counters to rates, per object: the CPU of the host, each disk, each network interface, each container. Each keeps the
 * time of its own last figures, so that a section that was late makes its next rate over a longer time and not a wrong
 * one. Guarantees: a rate is NaN or ≥ 0; a counter that went backwards, a reboot or a container's new start make NaN
 * once and a new beginning. One thread at a time. */
#include "collectors/rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* Below this, two samples are too near for the clock's and the counters' grain (10 ms ticks). */
#define SPAN_MIN_US (100 * USEC_PER_MSEC)

/* Above this (or three intervals), an average says nothing about the present. */
#define GAP_MAX_US (60 * USEC_PER_SEC)

struct parts_base {
    int64_t mono_us;           /* 0: none yet */
    struct sample_part *items; /* a VEC */
    size_t count, capacity;
};

struct container_base {
    char id[ID_SIZE];
    int64_t started_us;
    double counters[CONTAINER_COUNTER_COUNT];
};

struct rates {
    int64_t gap_max_us;
    int64_t seq; /* of the last sample of this helper process; -1: none yet */
    char boot_id[sizeof((struct parse_stamp *)NULL)->boot_id];
    int64_t cpu_mono_us;
    double cpu[CPU_STATE_COUNT];
    struct parts_base disks, networks;
    int64_t containers_mono_us, containers_epoch_us;
    VEC(struct container_base) containers; /* sorted by id */
};

struct rates *rates_new(int64_t interval_us)
{
    struct rates *rates = xcalloc(1, sizeof *rates);
    rates->gap_max_us = 3 * interval_us > GAP_MAX_US ? 3 * interval_us : GAP_MAX_US;
    rates->seq = -1;
    return rates;
}

/* Forget all counters. */
static void forget(struct rates *rates)
{
    rates->cpu_mono_us = rates->disks.mono_us = rates->networks.mono_us = rates->containers_mono_us = 0;
    vec_clear(&rates->disks);
    vec_clear(&rates->networks);
    vec_clear(&rates->containers);
}

void rates_free(struct rates *rates)
{
    if (!rates)
        return;
    vec_free(&rates->disks);
    vec_free(&rates->networks);
    vec_free(&rates->containers);
    free(rates);
}

void rates_begin_stream(struct rates *rates)
{
    rates->seq = -1;
}

/* Seconds between two samples, NaN where they do not go together. */
static double span_s(const struct rates *rates, int64_t before_mono_us, int64_t mono_us)
{
    int64_t span_us = mono_us - before_mono_us;
    if (before_mono_us == 0 || span_us < SPAN_MIN_US || span_us > rates->gap_max_us)
        return NAN;
    return (double)span_us / (double)USEC_PER_SEC;
}

/* How much a counter grew; NaN where it went backwards or either end is unknown. */
static double growth(double before, double now)
{
    return now >= before ? now - before : (double)NAN;
}

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

/* --- the host's CPU --- */

/* Shares of the time of all cores. A state that a kernel does not tell counts as no time. iowait may step back
 * (proc(5)): it is then unknown, and the rest goes on; any other state that does makes all unknown. */
static void put_cpu(double *metrics, const double *before, const double *now)
{
    double part[CPU_STATE_COUNT], total = 0;
    for (size_t i = 0; i < CPU_STATE_COUNT; i++) {
        part[i] = growth(before[i], now[i]);
        if (isnan(part[i]) && i != CPU_IOWAIT && (i <= CPU_IDLE || !isnan(now[i])))
            return;
        total += or_zero(part[i]);
    }
    if (total <= 0)
        return;
    double share = 100 / total;
    metrics[HOST_CPU] = share * (total - part[CPU_IDLE] - or_zero(part[CPU_IOWAIT]));
    metrics[HOST_CPU_IOWAIT] = share * part[CPU_IOWAIT];
    metrics[HOST_CPU_STEAL] = share * part[CPU_STEAL];
    metrics[HOST_CPU_USER] = share * (part[CPU_USER] + part[CPU_NICE]);
    metrics[HOST_CPU_SYSTEM] = share * (part[CPU_SYSTEM] + or_zero(part[CPU_IRQ]) + or_zero(part[CPU_SOFTIRQ]));
}

static void apply_cpu(struct rates *rates, struct sample *sample)
{
    if (isnan(sample->cpu[CPU_IDLE]))
        return; /* late: the next rate reaches back to the last known */
    if (!isnan(span_s(rates, rates->cpu_mono_us, sample->stamp.mono_us)))
        put_cpu(sample->metrics, rates->cpu, sample->cpu);
    memcpy(rates->cpu, sample->cpu, sizeof rates->cpu);
    rates->cpu_mono_us = sample->stamp.mono_us;
}

/* --- disks and networks --- */

static const struct sample_part *find_part(const struct parts_base *base, const char *name)
{
    for (size_t i = 0; i < base->count; i++)
        if (strcmp(base->items[i].name, name) == 0)
            return &base->items[i];
    return NULL;
}

/* The sums over the parts that were there before. A new part has no rate yet and is left out of the sum; one whose
 * counter stepped back makes the sum unknown. */
static void sum_parts(const struct parts_base *base, const struct sample_parts *parts, double *in, double *out)
{
    bool any = false;
    double in_sum = 0, out_sum = 0;
    for (size_t i = 0; i < parts->count; i++) {
        const struct sample_part *now = &parts->items[i], *before = find_part(base, now->name);
        if (!before)
            continue;
        any = true;
        in_sum += growth(before->in_bytes, now->in_bytes);
        out_sum += growth(before->out_bytes, now->out_bytes);
    }
    *in = any ? in_sum : (double)NAN;
    *out = any ? out_sum : (double)NAN;
}

static void apply_parts(const struct rates *rates, struct parts_base *base, const struct sample_parts *parts,
    int64_t mono_us, double *in_rate, double *out_rate)
{
    if (!parts->known)
        return;
    double seconds = span_s(rates, base->mono_us, mono_us), in, out;
    sum_parts(base, parts, &in, &out);
    *in_rate = in / seconds; /* NaN where either is */
    *out_rate = out / seconds;
    vec_clear(base);
    for (size_t i = 0; i < parts->count; i++)
        vec_push(base, parts->items[i]);
    base->mono_us = mono_us;
}

/* --- containers --- */

static int compare_bases(const void *id, const void *base)
{
    return strcmp(id, ((const struct container_base *)base)->id);
}

/* The counters before, or NULL where there are none of this start. Only a start that is both another one than before
 * and later than the sample before counts: the inventory may tell of a start after the first sample of it. */
static const struct container_base *find_base(const struct rates *rates, const struct sample_container *container)
{
    if (rates->containers.count == 0)
        return NULL;
    const struct container_base *base = bsearch(container->id, rates->containers.items, rates->containers.count,
        sizeof *rates->containers.items, compare_bases);
    if (!base)
        return NULL;
    bool started_between =
        container->started_us != base->started_us && container->started_us > rates->containers_epoch_us;
    return started_between ? NULL : base;
}

/* Each figure, from which counter, and how much of it a second is 1. */
static const struct {
    enum container_counter counter;
    enum container_metric metric;
    double scale;
} container_rates[] = {
    {COUNTER_CPU_US, CONTAINER_CPU, 100.0 / 1e6}, /* 100 % is one core */
    {COUNTER_THROTTLED_US, CONTAINER_THROTTLED, 100.0 / 1e6},
    {COUNTER_IO_READ, CONTAINER_IO_READ, 1},
    {COUNTER_IO_WRITE, CONTAINER_IO_WRITE, 1},
    {COUNTER_NET_RX, CONTAINER_NET_RX, 1},
    {COUNTER_NET_TX, CONTAINER_NET_TX, 1},
};

/* A counter that went backwards tells of a new start that the inventory has not told of yet. */
static bool has_stepped_back(const struct container_base *base, const struct sample_container *container)
{
    for (size_t i = 0; i < CONTAINER_COUNTER_COUNT; i++)
        if (container->counters[i] < base->counters[i])
            return true;
    return false;
}

static void put_container(const struct container_base *base, struct sample_container *container, double seconds)
{
    if (isnan(seconds) || has_stepped_back(base, container))
        return;
    for (size_t i = 0; i < sizeof container_rates / sizeof container_rates[0]; i++) {
        double grown =
            growth(base->counters[container_rates[i].counter], container->counters[container_rates[i].counter]);
        container->metrics[container_rates[i].metric] = grown * container_rates[i].scale / seconds;
    }
}

static void remember_containers(struct rates *rates, const struct sample *sample)
{
    vec_clear(&rates->containers);
    vec_each (&sample->containers, const struct sample_container, container) {
        struct container_base *base = vec_add(&rates->containers);
        str_copy(base->id, sizeof base->id, container->id);
        base->started_us = container->started_us;
        memcpy(base->counters, container->counters, sizeof base->counters);
    }
    rates->containers_mono_us = sample->stamp.mono_us;
    rates->containers_epoch_us = sample->stamp.epoch_us;
}

static void apply_containers(struct rates *rates, struct sample *sample)
{
    if (!sample->has_containers)
        return;
    double seconds = span_s(rates, rates->containers_mono_us, sample->stamp.mono_us);
    vec_each (&sample->containers, struct sample_container, container) {
        const struct container_base *base = find_base(rates, container);
        if (base)
            put_container(base, container, seconds);
    }
    remember_containers(rates, sample);
}

void rates_apply(struct rates *rates, struct sample *sample)
{
    if (strcmp(rates->boot_id, sample->stamp.boot_id) != 0 || sample->stamp.seq <= rates->seq)
        forget(rates);
    str_copy(rates->boot_id, sizeof rates->boot_id, sample->stamp.boot_id);
    rates->seq = sample->stamp.seq;
    int64_t mono_us = sample->stamp.mono_us;
    double *metrics = sample->metrics;
    apply_cpu(rates, sample);
    apply_parts(rates, &rates->disks, &sample->disks, mono_us, &metrics[HOST_DISK_READ], &metrics[HOST_DISK_WRITE]);
    apply_parts(rates, &rates->networks, &sample->networks, mono_us, &metrics[HOST_NET_RX], &metrics[HOST_NET_TX]);
    apply_containers(rates, sample);
}
