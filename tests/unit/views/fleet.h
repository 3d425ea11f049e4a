/* A small fleet at a frozen moment, as a snapshot and as a store on disk: one host is up, one too busy, one unknown;
 * sites run, are degraded, stopped, missing and in conflict; some text is hostile. */
#ifndef TESTS_UNIT_VIEWS_FLEET_H
#define TESTS_UNIT_VIEWS_FLEET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/reader.h"
#include "store/store.h"
#include "tests/unit/store/temp_dir.h"

#define FLEET_NOW (INT64_C(1767323045) * USEC_PER_SEC) /* 2026-01-02T03:04:05Z */
#define HOSTILE "a\x1b[2Jb\xE2\x80\xAEr\xC2\x9B"       /* escape sequence, right-to-left override, C1 CSI */

static inline struct host_state fleet_host(const char *name, double cpu_pct, double disk_pct)
{
    struct host_state host = {.status = HOST_UP, .since_us = FLEET_NOW - 86400 * USEC_PER_SEC};
    str_copy(host.name, sizeof host.name, name);
    str_copy(host.address, sizeof host.address, "192.0.2.11");
    str_copy(host.roles, sizeof host.roles, "compute");
    host.seen_us = FLEET_NOW - 4 * USEC_PER_SEC;
    host.containers_running = 2;
    host.containers_total = 3;
    metrics_clear(host.metrics, HOST_METRIC_COUNT);
    host.metrics[HOST_CPU] = cpu_pct;
    host.metrics[HOST_DISK_WORST] = disk_pct;
    host.metrics[HOST_MEM_USED] = 3.0 * (1 << 30);
    host.metrics[HOST_MEM_TOTAL] = 8.0 * (1 << 30);
    return host;
}

static inline struct site_state fleet_site(const char *name, enum site_status status, const char *drift)
{
    struct site_state site = {.status = status, .declared = true, .host_count = 1};
    str_copy(site.name, sizeof site.name, name);
    str_copy(site.host, sizeof site.host, status == SITE_MISSING ? "" : "mosh01");
    str_copy(site.desired, sizeof site.desired, "running");
    str_copy(site.drift, sizeof site.drift, drift);
    str_copy(site.image, sizeof site.image, "localhost/web:1");
    site.containers_running = status == SITE_RUNNING;
    site.containers_total = 1;
    site.seen_us = status == SITE_MISSING ? 0 : FLEET_NOW - 4 * USEC_PER_SEC;
    metrics_clear(site.metrics, SITE_METRIC_COUNT);
    site.metrics[SITE_CPU] = status == SITE_RUNNING ? 12.34 : (double)NAN;
    return site;
}

static inline struct container_state fleet_container(const char *host, const char *name, enum run_state state)
{
    struct container_state container = {.state = state, .seen_us = FLEET_NOW - 4 * USEC_PER_SEC};
    str_format(container.key, sizeof container.key, "%s/%s", host, name);
    str_copy(container.host, sizeof container.host, host);
    str_copy(container.name, sizeof container.name, name);
    str_copy(container.site, sizeof container.site, "example.org");
    str_copy(container.runtime, sizeof container.runtime, "podman");
    str_copy(container.image_id, sizeof container.image_id, "cafe");
    str_copy(container.ports, sizeof container.ports, "8080→80/tcp");
    metrics_clear(container.metrics, CONTAINER_METRIC_COUNT);
    container.metrics[CONTAINER_CPU] = 1.5;
    return container;
}

static inline struct volume_state fleet_volume(const char *host, const char *name)
{
    struct volume_state volume = {.seen_us = FLEET_NOW - 4 * USEC_PER_SEC};
    str_format(volume.key, sizeof volume.key, "%s/%s", host, name);
    str_copy(volume.host, sizeof volume.host, host);
    str_copy(volume.name, sizeof volume.name, name);
    str_copy(volume.site, sizeof volume.site, "example.org");
    str_copy(volume.driver, sizeof volume.driver, "local");
    metrics_clear(volume.metrics, VOLUME_METRIC_COUNT);
    volume.metrics[VOLUME_USED] = 4096;
    volume.metrics[VOLUME_FILES] = 12;
    return volume;
}

enum { FLEET_HOSTS = 3, FLEET_SITES = 6 };

static inline void fleet_hosts(struct host_state hosts[FLEET_HOSTS])
{
    hosts[0] = fleet_host("mosh01", 12, 41);
    hosts[1] = fleet_host("mosh02", 98.7, 88);
    hosts[2] = fleet_host("nas1", (double)NAN, (double)NAN);
    hosts[2].status = HOST_UNKNOWN;
    hosts[2].reason_code = ERR_TIMEOUT;
    str_copy(hosts[2].reason, sizeof hosts[2].reason, "no answer within 10 s " HOSTILE);
    hosts[2].seen_us = FLEET_NOW - 600 * USEC_PER_SEC;
}

static inline void fleet_sites(struct site_state sites[FLEET_SITES])
{
    sites[0] = fleet_site("clash.example", SITE_CONFLICT, "runs on mosh01 and mosh02");
    sites[1] = fleet_site("example.org", SITE_RUNNING, "");
    sites[2] = fleet_site("gone.example", SITE_MISSING, "on no reachable host");
    sites[3] = fleet_site("half.example", SITE_DEGRADED, "=cmd|' /C calc'!A0 " HOSTILE);
    sites[4] = fleet_site("off.example", SITE_STOPPED, "stopped, desired running");
    sites[5] = fleet_site("wild", SITE_RUNNING, "");
    sites[5].declared = false;
    sites[5].desired[0] = '\0';
}

static inline struct snapshot *fleet_snapshot(void)
{
    struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    str_copy(snapshot->fleet, sizeof snapshot->fleet, "example-coop");
    str_copy(snapshot->environment, sizeof snapshot->environment, "production");
    snapshot->interval_us = 10 * USEC_PER_SEC;
    snapshot->engine_at_us = FLEET_NOW - 3 * USEC_PER_SEC;
    metrics_clear(snapshot->engine, ENGINE_METRIC_COUNT);
    snapshot->hosts = xcalloc(FLEET_HOSTS, sizeof *snapshot->hosts);
    snapshot->sites = xcalloc(FLEET_SITES, sizeof *snapshot->sites);
    snapshot->containers = xcalloc(2, sizeof *snapshot->containers);
    snapshot->volumes = xcalloc(1, sizeof *snapshot->volumes);
    fleet_hosts(snapshot->hosts);
    fleet_sites(snapshot->sites);
    snapshot->containers[0] = fleet_container("mosh01", "web", RUN_RUNNING);
    snapshot->containers[1] = fleet_container("mosh02", "=web", RUN_EXITED);
    snapshot->volumes[0] = fleet_volume("mosh01", "data");
    snapshot->host_count = FLEET_HOSTS;
    snapshot->site_count = FLEET_SITES;
    snapshot->container_count = 2;
    snapshot->volume_count = 1;
    return snapshot;
}

static inline void fleet_put_history(struct store *store)
{
    struct event event = {
        .at_us = FLEET_NOW - 60 * USEC_PER_SEC, .severity = SEVERITY_WARNING, .object_kind = KIND_HOST};
    str_copy(event.kind, sizeof event.kind, "host.unknown");
    str_copy(event.object, sizeof event.object, "nas1");
    str_copy(event.host, sizeof event.host, "nas1");
    str_copy(event.text, sizeof event.text, "no answer");
    store_add_event(store, &event);
    event.at_us = FLEET_NOW - 3 * 86400 * USEC_PER_SEC;
    str_copy(event.text, sizeof event.text, "three days ago");
    store_add_event(store, &event);
    struct job_record job = {.object_kind = KIND_SITE, .state = JOB_DONE, .progress_pct = 100};
    str_copy(job.action, sizeof job.action, "restart");
    str_copy(job.object, sizeof job.object, "example.org");
    str_copy(job.site, sizeof job.site, "example.org");
    str_copy(job.host, sizeof job.host, "mosh01");
    job.created_us = FLEET_NOW - 120 * USEC_PER_SEC;
    assert_int_equal(store_job_create(store, &job, NULL), ERR_OK);
    job.created_us = FLEET_NOW - 3 * 86400 * USEC_PER_SEC;
    job.state = JOB_FAILED;
    assert_int_equal(store_job_create(store, &job, NULL), ERR_OK);
}

/* The same as a store; with history: events and jobs of minutes and of three days ago. */
static inline void fleet_store(const char *dir)
{
    struct store *store;
    struct snapshot *snapshot = fleet_snapshot();
    clock_freeze_wall(FLEET_NOW);
    assert_int_equal(store_open(dir, &store, NULL), ERR_OK);
    store_put_fleet(store, snapshot->fleet, snapshot->environment, snapshot->interval_us);
    store_put_engine(store, snapshot->engine);
    for (size_t i = 0; i < snapshot->host_count; i++)
        store_put_host(store, &snapshot->hosts[i]);
    for (size_t i = 0; i < snapshot->site_count; i++)
        store_put_site(store, &snapshot->sites[i]);
    for (size_t i = 0; i < snapshot->container_count; i++)
        store_put_container(store, &snapshot->containers[i]);
    store_put_volume(store, &snapshot->volumes[0]);
    fleet_put_history(store);
    assert_true(store_flush(store, 20 * USEC_PER_SEC));
    store_close(store);
    snapshot_free(snapshot);
}

static inline void fleet_locale(void)
{
    if (!setlocale(LC_ALL, "C.UTF-8"))
        abort();
    setenv("TZ", "UTC", 1);
    unsetenv("DOGWATCH_THEME");
    clock_freeze_wall(FLEET_NOW);
}

#endif
