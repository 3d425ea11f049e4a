/* A present with a recorder behind it, and reports in one line: for the tests of the model. */
#ifndef TESTS_UNIT_ENGINE_MODEL_BENCH_H
#define TESTS_UNIT_ENGINE_MODEL_BENCH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/present.h"
#include "engine/timeline.h"

#define T0 INT64_C(1700000000000000)

struct bench {
    struct present *present;
    struct fleet fleet;
    int64_t now_us;
    VEC(struct event) events;
    VEC(struct host_state) hosts; /* the newest of each, as a store would have them */
    VEC(struct site_state) sites;
    VEC(struct container_state) containers;
    VEC(struct volume_state) volumes;
    size_t samples;
    int64_t sampled_us;
};

/* Keep the newest record of each key. */
#define RECORD(list, member, record)                                                                                   \
    do {                                                                                                               \
        size_t at_ = 0;                                                                                                \
        while (at_ < (list)->count && strcmp((list)->items[at_].member, (record)->member) != 0)                        \
            at_++;                                                                                                     \
        if (at_ == (list)->count)                                                                                      \
            (void)vec_add(list);                                                                                       \
        (list)->items[at_] = *(record);                                                                                \
    } while (0)

static inline void bench_host(void *owner, const struct host_state *host)
{
    RECORD(&((struct bench *)owner)->hosts, name, host);
}

static inline void bench_site(void *owner, const struct site_state *site)
{
    RECORD(&((struct bench *)owner)->sites, name, site);
}

static inline void bench_container(void *owner, const struct container_state *container)
{
    RECORD(&((struct bench *)owner)->containers, key, container);
}

static inline void bench_volume(void *owner, const struct volume_state *volume)
{
    RECORD(&((struct bench *)owner)->volumes, key, volume);
}

#define FORGET(list, member, wanted)                                                                                   \
    for (size_t at_ = 0; at_ < (list)->count; at_++)                                                                   \
        if (strcmp((list)->items[at_].member, (wanted)) == 0) {                                                        \
            (list)->items[at_] = (list)->items[--(list)->count];                                                       \
            break;                                                                                                     \
        }

static inline void bench_remove(void *owner, enum object_kind kind, const char *key)
{
    struct bench *bench = owner;
    if (kind == KIND_HOST)
        FORGET(&bench->hosts, name, key);
    if (kind == KIND_SITE)
        FORGET(&bench->sites, name, key);
    if (kind == KIND_CONTAINER)
        FORGET(&bench->containers, key, key);
    if (kind == KIND_VOLUME)
        FORGET(&bench->volumes, key, key);
}

static inline void bench_event(void *owner, const struct event *event)
{
    vec_push(&((struct bench *)owner)->events, *event);
}

static inline void bench_sample(
    void *owner, enum object_kind kind, const char *key, int64_t at_us, const double *metrics)
{
    struct bench *bench = owner;
    (void)kind;
    (void)key;
    (void)metrics;
    bench->samples++;
    bench->sampled_us = at_us;
}

static inline void bench_new_present(struct bench *bench)
{
    struct present_writer writer = {
        bench, bench_host, bench_site, bench_container, bench_volume, bench_remove, bench_event, bench_sample};
    present_free(bench->present);
    bench->present = present_new(&writer);
}

static inline struct host_def *bench_add_host(struct bench *bench, const char *name)
{
    struct host_def *host = vec_add(&bench->fleet.hosts);
    *host = (struct host_def){.name = xstrdup(name),
        .address = xstrdup("192.0.2.1"),
        .user = xstrdup("dogwatch"),
        .port = 22,
        .roles = ROLE_COMPUTE};
    return host;
}

/* A declared site with one container "web" from image "web:1". */
static inline struct site_def *bench_add_site(struct bench *bench, const char *name)
{
    struct site_def *site = vec_add(&bench->fleet.sites);
    *site = (struct site_def){.name = xstrdup(name)};
    struct container_def *container = vec_add(&site->containers);
    *container = (struct container_def){.name = xstrdup("web"), .image = xstrdup("web:1")};
    return site;
}

static inline void bench_apply_fleet(struct bench *bench)
{
    present_set_fleet(bench->present, &bench->fleet, bench->now_us);
}

static inline struct bench *bench_new(void)
{
    struct bench *bench = xcalloc(1, sizeof *bench);
    bench->now_us = T0;
    bench->fleet = (struct fleet){.name = xstrdup("test"),
        .environment = xstrdup("test"),
        .interval_us = 10 * USEC_PER_SEC,
        .directory = xstrdup("/nowhere")};
    bench_new_present(bench);
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    present_free(bench->present);
    vec_each (&bench->fleet.hosts, struct host_def, host) {
        free(host->name);
        free(host->address);
        free(host->user);
    }
    vec_each (&bench->fleet.sites, struct site_def, site) {
        vec_each (&site->containers, struct container_def, container) {
            free(container->name);
            free(container->image);
        }
        vec_free(&site->containers);
        vec_each (&site->domains, char *, domain)
            free(*domain);
        vec_free(&site->domains);
        free(site->name);
    }
    vec_free(&bench->fleet.hosts);
    vec_free(&bench->fleet.sites);
    free(bench->fleet.name);
    free(bench->fleet.environment);
    free(bench->fleet.directory);
    vec_free(&bench->events);
    vec_free(&bench->hosts);
    vec_free(&bench->sites);
    vec_free(&bench->containers);
    vec_free(&bench->volumes);
    free(bench);
}

/* --- reports --------------------------------------------------------------------------------------------------------
 */

struct box { /* a report in the making; containers are added to it */
    struct host_report report;
    VEC(struct container_state) containers;
    VEC(struct volume_state) volumes;
};

static inline struct box box_of(const char *host)
{
    struct box box = {.report = {.host = {.status = HOST_UP, .boot_id = "boot-1"}, .has_inventory = true}};
    str_copy(box.report.host.name, sizeof box.report.host.name, host);
    metrics_clear(box.report.host.metrics, HOST_METRIC_COUNT);
    return box;
}

static inline struct container_state *box_add(struct box *box, const char *name, const char *site)
{
    struct container_state *container = vec_add(&box->containers);
    str_copy(container->host, sizeof container->host, box->report.host.name);
    str_copy(container->name, sizeof container->name, name);
    str_copy(container->site, sizeof container->site, site);
    str_copy(container->role, sizeof container->role, "web");
    str_copy(container->runtime, sizeof container->runtime, "podman");
    str_copy(container->image, sizeof container->image, "web:1");
    str_copy(container->image_id, sizeof container->image_id, "aaaaaaaaaaaaaaaa");
    str_copy(container->id, sizeof container->id, "1111111111111111");
    str_format(container->key, sizeof container->key, "%s/%s", container->host, name);
    container->state = RUN_RUNNING;
    container->started_us = T0 - 1000;
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
    return container;
}

static inline struct volume_state *box_add_volume(struct box *box, const char *name, const char *site)
{
    struct volume_state *volume = vec_add(&box->volumes);
    str_copy(volume->host, sizeof volume->host, box->report.host.name);
    str_copy(volume->name, sizeof volume->name, name);
    str_copy(volume->site, sizeof volume->site, site);
    str_format(volume->key, sizeof volume->key, "%s/%s", volume->host, name);
    metrics_clear(volume->metrics, VOLUME_METRIC_COUNT);
    return volume;
}

/* Ten seconds later the host says this. */
static inline void bench_report(struct bench *bench, struct box *box)
{
    bench->now_us += 10 * USEC_PER_SEC;
    box->report.containers = box->containers.items;
    box->report.container_count = box->containers.count;
    box->report.volumes = box->volumes.items;
    box->report.volume_count = box->volumes.count;
    present_report(bench->present, &box->report, bench->now_us);
    vec_free(&box->containers);
    vec_free(&box->volumes);
}

/* A host with one running container "NAME" of site SITE. */
static inline void bench_report_one(struct bench *bench, const char *host, const char *name, const char *site)
{
    struct box box = box_of(host);
    box_add(&box, name, site);
    bench_report(bench, &box);
}

static inline void bench_lose(struct bench *bench, const char *host, enum err code, const char *reason)
{
    bench->now_us += 10 * USEC_PER_SEC;
    present_lost(bench->present, host, code, reason, bench->now_us);
}

/* --- what came of it ------------------------------------------------------------------------------------------------
 */

/* The kinds of all events since the last call, "a b c". */
static inline const char *bench_told(struct bench *bench)
{
    static char text[4096];
    text[0] = '\0';
    vec_each (&bench->events, const struct event, event) {
        char before[sizeof text];
        str_copy(before, sizeof before, text);
        str_format(text, sizeof text, "%s%s%s", before, before[0] ? " " : "", event->kind);
    }
    vec_clear(&bench->events);
    return text;
}

static inline const struct site_state *bench_get_site(struct bench *bench, const char *name)
{
    vec_each (&bench->sites, const struct site_state, site)
        if (strcmp(site->name, name) == 0)
            return site;
    return NULL;
}

static inline const struct container_state *bench_get_container(struct bench *bench, const char *key)
{
    vec_each (&bench->containers, const struct container_state, container)
        if (strcmp(container->key, key) == 0)
            return container;
    return NULL;
}

static inline const struct host_state *bench_get_host(struct bench *bench, const char *name)
{
    vec_each (&bench->hosts, const struct host_state, host)
        if (strcmp(host->name, name) == 0)
            return host;
    return NULL;
}

static int compare_keys_of_records(const void *a, const void *b) __attribute__((unused));
static int compare_keys_of_records(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The engine ends (in whatever way) and another one begins with what the store has. */
static inline void bench_restart(struct bench *bench)
{
    struct snapshot snapshot = {0};
    VEC(struct host_state) hosts = {0};
    VEC(struct site_state) sites = {0};
    VEC(struct container_state) containers = {0};
    VEC(struct volume_state) volumes = {0};
#define COPY(to, from, type)                                                                                           \
    vec_each (&bench->from, const type, item)                                                                          \
        vec_push(&to, *item);                                                                                          \
    if (to.count)                                                                                                      \
        qsort(to.items, to.count, sizeof *to.items, compare_keys_of_records); /* each begins with its key */           \
    snapshot.from = to.items
    COPY(hosts, hosts, struct host_state);
    COPY(sites, sites, struct site_state);
    COPY(containers, containers, struct container_state);
    COPY(volumes, volumes, struct volume_state);
#undef COPY
    snapshot.host_count = hosts.count;
    snapshot.site_count = sites.count;
    snapshot.container_count = containers.count;
    snapshot.volume_count = volumes.count;
    bench_new_present(bench);
    present_load(bench->present, &snapshot);
    bench_apply_fleet(bench);
    vec_free(&hosts);
    vec_free(&sites);
    vec_free(&containers);
    vec_free(&volumes);
}

#endif
