/* Inventory and sample of one host put together: the inventory says which containers and volumes there are, the sample
 * how they do. What the sample does not mention (a container that does not run, a section that was late) is unknown.
 * An inventory of another boot than the sample's says nothing. Runs in the collector's thread. */
#include "collectors/picture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "collectors/parse_inventory.h"
#include "collectors/parse_sample.h"
#include "collectors/rates.h"

struct picture {
    struct host_state host; /* what does not change with samples; the metrics are NaN */
    bool has_inventory;
    struct inventory inventory;
    struct rates *rates;
    size_t told_inventory, told_sample; /* how many entries the log was told to be left out */
};

struct picture *picture_new(const struct host_def *host, int64_t interval_us)
{
    struct picture *picture = xcalloc(1, sizeof *picture);
    struct host_state *state = &picture->host;
    str_copy(state->name, sizeof state->name, host->name);
    str_copy(state->address, sizeof state->address, host->address);
    roles_text(host->roles, state->roles);
    state->status = HOST_UP;
    metrics_clear(state->metrics, HOST_METRIC_COUNT);
    picture->rates = rates_new(interval_us);
    return picture;
}

void picture_free(struct picture *picture)
{
    if (!picture)
        return;
    inventory_free(&picture->inventory);
    rates_free(picture->rates);
    free(picture);
}

static void forget_inventory(struct picture *picture)
{
    inventory_free(&picture->inventory);
    picture->inventory = (struct inventory){0};
    picture->has_inventory = false;
    picture->host.runtimes[0] = '\0';
    picture->host.containers_running = picture->host.containers_total = 0;
}

void picture_begin(struct picture *picture, const json_t *hello)
{
    struct host_state *host = &picture->host;
    forget_inventory(picture);
    rates_begin_stream(picture->rates);
    parse_words(hello, "os", host->os, sizeof host->os);
    parse_words(hello, "kernel", host->kernel, sizeof host->kernel);
    parse_words(hello, "version", host->helper_version, sizeof host->helper_version);
}

/* Once for each new number of them: a host that is always wrong in the same way fills no log. */
static void tell_left_out(const char *host, const char *where, const struct left_out *left_out, size_t *told)
{
    if (left_out->count != *told && left_out->count > 0)
        log_warning("%s: %zu entries of its %s left out, the first: %s", host, left_out->count, where, left_out->first);
    *told = left_out->count;
}

enum err picture_take_inventory(struct picture *picture, const json_t *json, struct err_info *info)
{
    struct inventory fresh;
    struct host_state *host = &picture->host;
    enum err err = parse_inventory(json, host->name, &fresh, info);
    if (err != ERR_OK) {
        inventory_free(&fresh);
        return err;
    }
    forget_inventory(picture);
    picture->inventory = fresh;
    picture->has_inventory = true;
    str_copy(host->runtimes, sizeof host->runtimes, fresh.runtimes);
    host->containers_total = (uint32_t)fresh.containers.count;
    vec_each (&fresh.containers, const struct container_state, container)
        host->containers_running += container->state == RUN_RUNNING;
    tell_left_out(host->name, "inventory", &fresh.left_out, &picture->told_inventory);
    return ERR_OK;
}

/* When each container in the sample was started, as far as the inventory knows. */
static void tell_starts(const struct inventory *inventory, struct sample *sample)
{
    vec_each (&inventory->containers, const struct container_state, container) {
        struct sample_container *figures = sample_find_container(sample, container->id);
        if (figures)
            figures->started_us = container->started_us;
    }
}

static void merge_container(struct container_state *container, const struct sample *sample, int64_t now_us)
{
    const struct sample_container *figures = sample_find_container(sample, container->id);
    double restarts = container->metrics[CONTAINER_RESTARTS];
    if (figures)
        memcpy(container->metrics, figures->metrics, sizeof container->metrics);
    container->metrics[CONTAINER_RESTARTS] = restarts;
    container->seen_us = now_us;
}

static void merge_volume(struct volume_state *volume, const struct sample *sample, int64_t now_us)
{
    const struct sample_volume *figures = sample_find_volume(sample, volume->name, volume->runtime);
    volume->seen_us = now_us;
    if (!figures)
        return;
    volume->measured_us = figures->measured_us;
    volume->metrics[VOLUME_USED] = figures->used_bytes;
    volume->metrics[VOLUME_FILES] = figures->files;
    volume->metrics[VOLUME_FREE] = figures->free_bytes;
    volume->metrics[VOLUME_TOTAL] = figures->total_bytes;
}

static void *copy_of(const void *items, size_t count, size_t size)
{
    void *copy = xcalloc(count + 1, size);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static void add_objects(
    struct host_report *report, const struct inventory *inventory, const struct sample *sample, int64_t now_us)
{
    report->has_inventory = true;
    report->container_count = inventory->containers.count;
    report->containers = copy_of(inventory->containers.items, report->container_count, sizeof *report->containers);
    for (size_t i = 0; i < report->container_count; i++)
        merge_container(&report->containers[i], sample, now_us);
    report->volume_count = inventory->volumes.count;
    report->volumes = copy_of(inventory->volumes.items, report->volume_count, sizeof *report->volumes);
    for (size_t i = 0; i < report->volume_count; i++)
        merge_volume(&report->volumes[i], sample, now_us);
    str_copy(report->silent, sizeof report->silent, inventory->silent);
    report->mark_count = inventory->marks.count;
    report->marks = copy_of(inventory->marks.items, report->mark_count, sizeof *report->marks);
}

static struct host_report *make_report(
    const struct picture *picture, const struct sample *sample, double clock_offset_ms)
{
    struct host_report *report = xcalloc(1, sizeof *report);
    int64_t now_us = clock_wall_us();
    report->host = picture->host;
    report->host.seen_us = now_us;
    str_copy(report->host.boot_id, sizeof report->host.boot_id, sample->stamp.boot_id);
    memcpy(report->host.metrics, sample->metrics, sizeof report->host.metrics);
    report->host.metrics[HOST_CLOCK_OFFSET] = clock_offset_ms;
    report->taken_us = sample->stamp.epoch_us;
    if (picture->has_inventory)
        add_objects(report, &picture->inventory, sample, now_us);
    return report;
}

enum err picture_take_sample(struct picture *picture, const json_t *json, double clock_offset_ms,
    struct host_report **report, struct err_info *info)
{
    *report = NULL;
    struct sample sample;
    enum err err = parse_sample(json, &sample, info);
    if (err == ERR_OK) {
        if (picture->has_inventory && strcmp(picture->inventory.stamp.boot_id, sample.stamp.boot_id) != 0)
            forget_inventory(picture);
        tell_starts(&picture->inventory, &sample);
        rates_apply(picture->rates, &sample);
        tell_left_out(picture->host.name, "sample", &sample.left_out, &picture->told_sample);
        *report = make_report(picture, &sample, clock_offset_ms);
    }
    sample_free(&sample);
    return err;
}

void host_report_free(struct host_report *report)
{
    if (!report)
        return;
    free(report->containers);
    free(report->volumes);
    free(report->marks);
    free(report);
}
