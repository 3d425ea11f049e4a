/* The model of the fleet: hosts with their containers and volumes (sites: present_sites.c; what is worth telling:
 * timeline.c). A report is complete: arrays are sorted by key and merged with what was known, so that every object is
 * written, told of, or removed in one pass. Runs in the engine's model thread. */
#include "engine/present.h"

#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "engine/present_private.h"
#include "engine/timeline.h"

#define FILE_SYSTEMS_MAX 64
#define SILENCE_LEAST_US (30 * USEC_PER_SEC)

int present_compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct present *present_new(const struct present_writer *writer)
{
    struct present *present = xcalloc(1, sizeof *present);
    present->writer = *writer;
    return present;
}

static void host_free(void *node)
{
    struct present_host *host = node;
    vec_free(&host->containers);
    vec_free(&host->volumes);
    vec_free(&host->unsure);
    vec_free(&host->low);
    vec_free(&host->marks);
    free(host);
}

static void site_free(void *node)
{
    struct present_site *site = node;
    vec_free(&site->hosts);
    free(site);
}

void present_free(struct present *present)
{
    if (!present)
        return;
    tdestroy(present->hosts, host_free);
    tdestroy(present->sites, site_free);
    free(present);
}

static struct present_host *find_host(const struct present *present, const char *name)
{
    void *found = tfind(name, (void *const *)&present->hosts, present_compare_names);
    return found ? *(struct present_host **)found : NULL;
}

static struct present_host *add_host(struct present *present, const char *name)
{
    struct present_host *host = find_host(present, name);
    if (host)
        return host;
    host = xcalloc(1, sizeof *host);
    str_copy(host->state.name, sizeof host->state.name, name);
    metrics_clear(host->state.metrics, HOST_METRIC_COUNT);
    str_copy(host->state.reason, sizeof host->state.reason, "not reached yet");
    if (!tsearch(host, &present->hosts, present_compare_names))
        abort();
    return host;
}

/* --- objects of a host -------------------------------------------------------------------------------------------- */

static int compare_containers(const void *a, const void *b)
{
    return strcmp(((const struct container_state *)a)->key, ((const struct container_state *)b)->key);
}

static int compare_volumes(const void *a, const void *b)
{
    return strcmp(((const struct volume_state *)a)->key, ((const struct volume_state *)b)->key);
}

static void put_container(struct present *present, const struct container_state *container, int64_t sampled_us)
{
    present->writer.container(present->writer.owner, container);
    if (sampled_us)
        present->writer.sample(present->writer.owner, KIND_CONTAINER, container->key, sampled_us, container->metrics);
}

/* What to compare a container with: what was last known of it, where its engine did not answer meanwhile. */
static const struct container_state *last_known(const struct present_host *host, const struct container_state *before)
{
    if (!before || before->state != RUN_UNKNOWN || !host->unsure.count)
        return before;
    const struct container_state *known =
        bsearch(before, host->unsure.items, host->unsure.count, sizeof *before, compare_containers);
    return known ? known : before;
}

static void remove_container(
    struct present *present, struct present_host *host, const struct container_state *container, int64_t now_us)
{
    timeline_container(&present->writer, last_known(host, container), NULL, now_us);
    present->writer.remove(present->writer.owner, KIND_CONTAINER, container->key);
}

/* The containers of the report become the host's. */
static void take_containers(
    struct present_host *host, struct host_report *report, struct container_state *unsure, size_t unsure_count)
{
    vec_clear(&host->containers);
    for (size_t i = 0; i < report->container_count; i++)
        vec_push(&host->containers, report->containers[i]);
    vec_clear(&host->unsure);
    for (size_t i = 0; i < unsure_count; i++)
        vec_push(&host->unsure, unsure[i]);
}

/* Its host was started anew and it runs as before: the reboot is told, that is the one cause. */
static bool came_back_with_its_host(
    const struct present_host *host, const struct container_state *before, const struct container_state *after)
{
    bool rebooted = host->listed_boot_id[0] && strcmp(host->listed_boot_id, host->state.boot_id) != 0;
    return rebooted && before && before->state == RUN_RUNNING && after->state == RUN_RUNNING &&
           strcmp(before->id, after->id) == 0;
}

static void merge_containers(
    struct present *present, struct present_host *host, struct host_report *report, int64_t now_us, int64_t sampled_us)
{
    VEC(struct container_state) unsure = {0};
    if (report->container_count)
        qsort(report->containers, report->container_count, sizeof *report->containers, compare_containers);
    size_t old = 0;
    for (size_t i = 0; i < report->container_count; i++) {
        struct container_state *after = &report->containers[i];
        int order = 1;
        while (old < host->containers.count && (order = strcmp(host->containers.items[old].key, after->key)) < 0)
            remove_container(present, host, &host->containers.items[old++], now_us);
        struct container_state *same =
            old < host->containers.count && order == 0 ? &host->containers.items[old++] : NULL;
        const struct container_state *before = last_known(host, same);
        after->stale = false;
        after->seen_us = after->state == RUN_UNKNOWN && same ? same->seen_us : now_us;
        if (host->known && !came_back_with_its_host(host, before, after))
            timeline_container(&present->writer, before, after, now_us);
        if (after->state == RUN_UNKNOWN && before && before->state != RUN_UNKNOWN)
            vec_push(&unsure, *before);
        put_container(present, after, sampled_us);
    }
    while (old < host->containers.count)
        remove_container(present, host, &host->containers.items[old++], now_us);
    take_containers(host, report, unsure.items, unsure.count);
    vec_free(&unsure);
}

static size_t find_low(const struct present_host *host, double total)
{
    size_t at = 0;
    while (at < host->low.count && fabs(host->low.items[at] - total) > 0.5)
        at++;
    return at;
}

static void note_low(struct present_host *host, double total)
{
    if (host->low.count < FILE_SYSTEMS_MAX && find_low(host, total) == host->low.count)
        vec_push(&host->low, total);
}

/* Many volumes lie on one file system: what runs full is that, and it is told once. Its size stands for its name. */
static void check_room(
    struct present *present, struct present_host *host, const struct volume_state *volume, int64_t now_us)
{
    double total = volume->metrics[VOLUME_TOTAL];
    if (isnan(total))
        return;
    size_t at = find_low(host, total);
    if (at == FILE_SYSTEMS_MAX)
        return;
    bool was_low = at < host->low.count, is_low = timeline_volume(&present->writer, was_low, volume, now_us);
    if (was_low && !is_low)
        host->low.items[at] = host->low.items[--host->low.count];
    else if (is_low && !was_low)
        note_low(host, total);
}

static void merge_volumes(
    struct present *present, struct present_host *host, struct host_report *report, int64_t now_us, int64_t sampled_us)
{
    const struct present_writer *writer = &present->writer;
    if (report->volume_count)
        qsort(report->volumes, report->volume_count, sizeof *report->volumes, compare_volumes);
    size_t old = 0;
    for (size_t i = 0; i < report->volume_count; i++) {
        struct volume_state *after = &report->volumes[i];
        int order = 1;
        while (old < host->volumes.count && (order = strcmp(host->volumes.items[old].key, after->key)) < 0)
            writer->remove(writer->owner, KIND_VOLUME, host->volumes.items[old++].key);
        old += old < host->volumes.count && order == 0;
        after->stale = false;
        after->seen_us = now_us;
        check_room(present, host, after, now_us);
        writer->volume(writer->owner, after);
        if (sampled_us)
            writer->sample(writer->owner, KIND_VOLUME, after->key, sampled_us, after->metrics);
    }
    for (; old < host->volumes.count; old++)
        writer->remove(writer->owner, KIND_VOLUME, host->volumes.items[old].key);
    vec_clear(&host->volumes);
    for (size_t i = 0; i < report->volume_count; i++)
        vec_push(&host->volumes, report->volumes[i]);
}

/* --- what collectors say ------------------------------------------------------------------------------------------ */

/* When the sample was taken, on the engine's clock: the host's clock less its offset. Without an offset, when it came.
 */
static int64_t sampled_at(const struct host_report *report, int64_t now_us)
{
    double offset_ms = report->host.metrics[HOST_CLOCK_OFFSET];
    if (!report->taken_us || isnan(offset_ms))
        return now_us;
    int64_t at_us = report->taken_us - (int64_t)(offset_ms * 1000);
    return at_us > now_us || at_us < now_us - 3600 * USEC_PER_SEC ? now_us : at_us;
}

static void count_containers(struct present_host *host)
{
    host->state.containers_total = (uint32_t)host->containers.count;
    host->state.containers_running = 0;
    vec_each (&host->containers, struct container_state, container)
        host->state.containers_running += container->state == RUN_RUNNING;
}

static void take_host_state(struct present_host *host, const struct host_report *report, int64_t now_us)
{
    struct host_state before = host->state;
    host->state = report->host;
    str_copy(host->state.name, sizeof host->state.name, before.name);
    if (!host->state.address[0])
        str_copy(host->state.address, sizeof host->state.address, before.address);
    str_copy(host->state.roles, sizeof host->state.roles, before.roles);
    host->state.status = HOST_UP;
    host->state.reason_code = ERR_OK;
    host->state.reason[0] = '\0';
    if (!host->state.boot_id[0])
        str_copy(host->state.boot_id, sizeof host->state.boot_id, before.boot_id);
    host->state.seen_us = now_us;
    host->state.since_us = host->told_up ? before.since_us : now_us;
    host->told_up = true;
    double offset_ms = report->host.metrics[HOST_CLOCK_OFFSET];
    if (report->taken_us && !isnan(offset_ms))
        host->state.metrics[HOST_LAG] = fmax(0, (double)(now_us - sampled_at(report, now_us)) / 1000);
}

static void take_objects(
    struct present *present, struct present_host *host, struct host_report *report, int64_t now_us, int64_t at_us)
{
    struct site_names sites_before = {0};
    bool was_listed = host->listed;
    struct host_report whole = report->silent[0] ? present_with_silent(host, report) : *report;
    present_sites_of(host, &sites_before);
    merge_containers(present, host, &whole, now_us, at_us);
    merge_volumes(present, host, &whole, now_us, at_us);
    if (report->silent[0]) {
        free(whole.containers);
        free(whole.volumes);
    }
    present_take_marks(present, host, report, now_us);
    host->known = host->listed = true;
    str_copy(host->listed_boot_id, sizeof host->listed_boot_id, host->state.boot_id);
    present_update_host_sites(present, host, &sites_before, now_us, at_us);
    vec_free(&sites_before.list);
    if (!was_listed)
        present_update_declared(present, now_us);
}

void present_report(struct present *present, struct host_report *report, int64_t now_us)
{
    struct present_host *host = find_host(present, report->host.name);
    if (!host || !host->in_fleet)
        return; /* removed from the fleet while the report was under way */
    struct host_state before = host->state;
    if (host->told_up)
        before.status = HOST_UP; /* an engine that has just started: nothing to tell */
    int64_t at_us = sampled_at(report, now_us);
    take_host_state(host, report, now_us);
    timeline_host(&present->writer, &before, &host->state, now_us);
    if (report->has_inventory)
        take_objects(present, host, report, now_us, at_us);
    count_containers(host);
    present->writer.host(present->writer.owner, &host->state);
    present->writer.sample(present->writer.owner, KIND_HOST, host->state.name, at_us, host->state.metrics);
}

static void mark_stale(struct present *present, struct present_host *host, int64_t now_us)
{
    vec_each (&host->containers, struct container_state, container) {
        container->stale = true;
        put_container(present, container, 0);
    }
    vec_each (&host->volumes, struct volume_state, volume) {
        volume->stale = true;
        present->writer.volume(present->writer.owner, volume);
    }
    struct site_names sites = {0};
    present_sites_of(host, &sites);
    present_update_host_sites(present, host, &sites, now_us, 0);
    vec_free(&sites.list);
}

static void lose(struct present *present, struct present_host *host, enum err code, const char *reason, int64_t now_us)
{
    struct host_state before = host->state;
    bool was_up = before.status == HOST_UP;
    host->tried = true;
    host->state.status = HOST_UNKNOWN;
    host->state.reason_code = code;
    str_copy(host->state.reason, sizeof host->state.reason, reason);
    if (was_up || host->told_up || !before.since_us)
        host->state.since_us = now_us;
    host->told_up = false;
    metrics_clear(host->state.metrics, HOST_METRIC_COUNT);
    timeline_host(&present->writer, &before, &host->state, now_us);
    present->writer.host(present->writer.owner, &host->state);
    if (!was_up)
        return;
    host->listed = false;
    mark_stale(present, host, now_us);
    present_update_declared(present, now_us);
}

void present_lost(struct present *present, const char *name, enum err code, const char *reason, int64_t now_us)
{
    struct present_host *host = find_host(present, name);
    if (host && host->in_fleet)
        lose(present, host, code, reason, now_us);
}

void present_check_silence(struct present *present, int64_t now_us)
{
    struct present_nodes hosts = {0};
    int64_t patience_us = 3 * present->fleet->interval_us;
    if (patience_us < SILENCE_LEAST_US)
        patience_us = SILENCE_LEAST_US;
    present_all(present->hosts, &hosts);
    vec_each (&hosts.list, void *, node) {
        struct present_host *host = *node;
        char age[FORMAT_SIZE], reason[REASON_SIZE];
        if (host->state.status != HOST_UP || now_us - host->state.seen_us <= patience_us)
            continue;
        format_age(now_us - host->state.seen_us, age);
        str_format(reason, sizeof reason, "no sample came for %s", age);
        lose(present, host, ERR_TIMEOUT, reason, now_us);
    }
    vec_free(&hosts.list);
}

/* --- beginnings --------------------------------------------------------------------------------------------------- */

/* A host that is unknown for no reason but the start of an engine counts as up: that is what was told last. */
static void load_host(struct present *present, const struct host_state *state)
{
    struct present_host *host = add_host(present, state->name);
    host->state = *state;
    host->known = state->seen_us != 0;
    str_copy(host->listed_boot_id, sizeof host->listed_boot_id, state->boot_id);
    host->told_up = host->known && (state->status == HOST_UP || state->reason_code == ERR_OK);
    if (state->status == HOST_UP)
        str_copy(host->state.reason, sizeof host->state.reason, "the engine has just started");
    host->state.status = HOST_UNKNOWN;
    metrics_clear(host->state.metrics, HOST_METRIC_COUNT);
}

void present_load(struct present *present, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->host_count; i++)
        load_host(present, &snapshot->hosts[i]);
    for (size_t i = 0; i < snapshot->container_count; i++) {
        struct present_host *host = add_host(present, snapshot->containers[i].host);
        struct container_state *container = vec_add(&host->containers);
        *container = snapshot->containers[i];
        container->stale = true;
        put_container(present, container, 0);
    }
    for (size_t i = 0; i < snapshot->volume_count; i++) {
        struct present_host *host = add_host(present, snapshot->volumes[i].host);
        struct volume_state *volume = vec_add(&host->volumes);
        *volume = snapshot->volumes[i];
        volume->stale = true;
        present->writer.volume(present->writer.owner, volume);
        if (volume->metrics[VOLUME_FREE] < VOLUME_LOW_PCT / 100 * volume->metrics[VOLUME_TOTAL])
            note_low(host, volume->metrics[VOLUME_TOTAL]);
    }
    struct present_nodes hosts = {0};
    present_all(present->hosts, &hosts);
    vec_each (&hosts.list, void *, node)
        present_load_marks(*node);
    vec_free(&hosts.list);
    present_load_sites(present, snapshot);
}

/* tdelete while walking is undefined: gather first. */
static void gather(const void *node, VISIT visit, void *list)
{
    if (visit == postorder || visit == leaf)
        vec_push(&((struct present_nodes *)list)->list, *(void *const *)node);
}

void present_all(void *tree, struct present_nodes *out)
{
    twalk_r(tree, gather, out);
}

static void forget_host(struct present *present, struct present_host *host, int64_t now_us)
{
    const struct present_writer *writer = &present->writer;
    struct site_names sites = {0};
    present_sites_of(host, &sites);
    vec_each (&host->containers, struct container_state, container)
        writer->remove(writer->owner, KIND_CONTAINER, container->key);
    vec_each (&host->volumes, struct volume_state, volume)
        writer->remove(writer->owner, KIND_VOLUME, volume->key);
    vec_clear(&host->containers);
    vec_clear(&host->volumes);
    present_update_host_sites(present, host, &sites, now_us, 0);
    vec_free(&sites.list);
    writer->remove(writer->owner, KIND_HOST, host->state.name);
    tdelete(host, &present->hosts, present_compare_names);
    host_free(host);
}

void present_set_fleet(struct present *present, const struct fleet *fleet, int64_t now_us)
{
    struct present_nodes hosts = {0};
    present->fleet = fleet;
    present_declare_sites(present);
    vec_each (&fleet->hosts, const struct host_def, def) {
        struct present_host *host = add_host(present, def->name);
        host->in_fleet = true;
        str_copy(host->state.address, sizeof host->state.address, def->address);
        char roles[64];
        str_copy(host->state.roles, sizeof host->state.roles, roles_text(def->roles, roles));
        if (!host->state.since_us)
            host->state.since_us = now_us;
    }
    present_all(present->hosts, &hosts);
    vec_each (&hosts.list, void *, node) {
        struct present_host *host = *node;
        if (!fleet_host(fleet, host->state.name))
            forget_host(present, host, now_us);
        else
            present->writer.host(present->writer.owner, &host->state);
    }
    vec_free(&hosts.list);
    present_count_listed(present);
    present_update_all_sites(present, now_us);
}

static void add_to_totals(const void *node, VISIT visit, void *out)
{
    struct present_totals *totals = out;
    const struct present_host *host = *(struct present_host *const *)node;
    if (visit != postorder && visit != leaf)
        return;
    totals->hosts_up += host->state.status == HOST_UP;
    totals->hosts_unknown += host->state.status != HOST_UP;
    totals->hosts_untried += host->state.status != HOST_UP && !host->tried;
    if (host->state.status == HOST_UP)
        totals->lag_worst_ms = fmax(totals->lag_worst_ms, host->state.metrics[HOST_LAG]);
}

struct present_totals present_totals(const struct present *present)
{
    struct present_totals totals = {.lag_worst_ms = NAN};
    twalk_r(present->hosts, add_to_totals, &totals);
    return totals;
}
