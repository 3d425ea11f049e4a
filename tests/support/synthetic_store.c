/* Inventing a fleet. Arithmetic instead of random numbers, so that goldens stay the same. */
#include "tests/support/synthetic_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/logs.h"
#include "store/series.h"
#include "store/store.h"

#define GIB (1024.0 * 1024 * 1024)
#define MIB (1024.0 * 1024)
enum { HISTORY_STEPS = 12 * 60 /* minutes */, DOWN_HOST = 1 };

/* 0 … 1, the same for the same numbers. */
static double noise(unsigned a, unsigned b)
{
    unsigned mixed = (a * 2654435761u) ^ (b * 40503u + 977u);
    mixed ^= mixed >> 13;
    mixed *= 1274126177u;
    return (double)(mixed >> 8 & 0xffff) / 65535.0;
}

static void fill_host(struct host_state *host, unsigned i, const struct synthetic *what)
{
    metrics_clear(host->metrics, HOST_METRIC_COUNT);
    str_format(host->name, sizeof host->name, "host%02u", i + 1);
    str_format(host->address, sizeof host->address, "198.18.0.%u", i % 250 + 1);
    str_copy(host->roles, sizeof host->roles, i == 0 ? "proxy" : "compute");
    bool down = i == DOWN_HOST;
    host->status = down ? HOST_UNKNOWN : HOST_UP;
    host->reason_code = down ? ERR_TIMEOUT : ERR_OK;
    str_copy(host->reason, sizeof host->reason, down ? "no answer within 10 s while connecting" : "");
    host->since_us = what->now_us - (int64_t)(i + 1) * 3600 * USEC_PER_SEC;
    host->seen_us = what->now_us - (down ? 260 : 4) * USEC_PER_SEC;
    str_copy(host->os, sizeof host->os, "Debian GNU/Linux 12 (bookworm)");
    str_copy(host->kernel, sizeof host->kernel, "6.1.0-18-amd64");
    str_copy(host->runtimes, sizeof host->runtimes, i % 3 == 2 ? "docker 20.10.24" : "podman 4.3.1");
    double *m = host->metrics;
    m[HOST_CPU] = 3 + 60 * noise(i, 1);
    m[HOST_CPU_IOWAIT] = 2 * noise(i, 2);
    m[HOST_CORES] = 8;
    m[HOST_LOAD1] = 4 * noise(i, 3);
    m[HOST_MEM_TOTAL] = 32 * GIB;
    m[HOST_MEM_USED] = (4 + 20 * noise(i, 4)) * GIB;
    m[HOST_SWAP_USED] = 0;
    m[HOST_SWAP_TOTAL] = 2 * GIB;
    m[HOST_PSI_IO] = 3 * noise(i, 5);
    m[HOST_DISK_TOTAL] = 900 * GIB;
    m[HOST_DISK_USED] = (200 + 500 * noise(i, 6)) * GIB;
    m[HOST_DISK_WORST] = i == 2 ? 93 : 30 + 40 * noise(i, 7);
    m[HOST_NET_RX] = 900 * 1024 * noise(i, 8);
    m[HOST_NET_TX] = 4 * MIB * noise(i, 9);
    m[HOST_UPTIME] = 86400.0 * (3 + i);
    m[HOST_FAILED_UNITS] = 0;
}

static unsigned host_of(unsigned site, const struct synthetic *what)
{
    return what->hosts > 1 ? 1 + site % (what->hosts - 1) : 0;
}

static void fill_site(struct site_state *site, unsigned i, const struct synthetic *what)
{
    static const char *const words[] = {"garden", "choir", "union", "library", "radio", "bakery", "school"};
    metrics_clear(site->metrics, SITE_METRIC_COUNT);
    str_format(site->name, sizeof site->name, "%s%04u.example", words[i % 7], i);
    str_format(site->host, sizeof site->host, "host%02u", host_of(i, what) + 1);
    bool down = host_of(i, what) == DOWN_HOST;
    site->host_count = 1;
    site->declared = i % 5 != 4;
    str_copy(site->desired, sizeof site->desired, site->declared ? "running" : "");
    str_copy(site->member, sizeof site->member, "Example Coalition");
    str_copy(site->domains, sizeof site->domains, site->name);
    site->status = down ? SITE_UNKNOWN : i % 11 == 3 ? SITE_DEGRADED : i % 23 == 5 ? SITE_STOPPED : SITE_RUNNING;
    str_copy(site->drift, sizeof site->drift, i % 11 == 3 ? "runs image web:41, wants web:42" : "");
    site->health = i % 11 == 3 ? HEALTH_UNHEALTHY : HEALTH_HEALTHY;
    str_copy(site->image, sizeof site->image, "localhost/infra/3f2c/web:42");
    site->containers_total = i % 3 == 0 ? 2 : 1;
    site->containers_running = site->status == SITE_STOPPED    ? 0
                               : site->status == SITE_DEGRADED ? site->containers_total - 1
                                                               : site->containers_total;
    site->since_us = what->now_us - (int64_t)(i + 1) * 600 * USEC_PER_SEC;
    site->seen_us = what->now_us - (down ? 260 : 4) * USEC_PER_SEC;
    site->metrics[SITE_CPU] = i == 8 ? 187.4 : 6 * noise(i, 11);
    site->metrics[SITE_MEM_USED] = (20 + 200 * noise(i, 12)) * MIB;
    site->metrics[SITE_MEM_LIMIT] = 256 * MIB;
    site->metrics[SITE_NET_RX] = 30 * 1024 * noise(i, 13);
    site->metrics[SITE_NET_TX] = 300 * 1024 * noise(i, 14);
    site->metrics[SITE_DISK_USED] = 3 * GIB * noise(i, 15);
    site->metrics[SITE_RESTARTS] = i % 11 == 3 ? 7 : 0;
}

static void fill_container(struct container_state *container, const struct site_state *site, unsigned i, unsigned part)
{
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
    str_copy(container->host, sizeof container->host, site->host);
    str_format(container->name, sizeof container->name, "%s-%s", site->name, part ? "db" : "web");
    str_format(container->key, sizeof container->key, "%s/%s", site->host, container->name);
    str_copy(container->site, sizeof container->site, site->name);
    str_copy(container->role, sizeof container->role, part ? "db" : "web");
    str_copy(container->runtime, sizeof container->runtime, "podman");
    str_format(container->id, sizeof container->id, "%08x%08x", i * 2654435761u, part + 77u);
    str_copy(container->image, sizeof container->image, site->image);
    str_copy(container->image_id, sizeof container->image_id, "9c1b6dd6c1e6");
    container->stale = site->status == SITE_UNKNOWN;
    bool stopped =
        site->status == SITE_STOPPED || (site->status == SITE_DEGRADED && part + 1 == site->containers_total);
    container->state = stopped ? RUN_EXITED : RUN_RUNNING;
    container->exit_code = stopped ? 137 : 0;
    container->health = stopped ? HEALTH_NONE : HEALTH_HEALTHY;
    container->started_us = site->since_us;
    container->seen_us = site->seen_us;
    str_copy(container->ports, sizeof container->ports, "8080→80/tcp");
    str_copy(container->mounts, sizeof container->mounts, "data→/var/www");
    if (stopped)
        return;
    container->metrics[CONTAINER_CPU] = site->metrics[SITE_CPU] / site->containers_total;
    container->metrics[CONTAINER_MEM_USED] = site->metrics[SITE_MEM_USED] / site->containers_total;
    container->metrics[CONTAINER_MEM_LIMIT] = 256 * MIB;
    container->metrics[CONTAINER_NET_RX] = site->metrics[SITE_NET_RX];
    container->metrics[CONTAINER_NET_TX] = site->metrics[SITE_NET_TX];
    container->metrics[CONTAINER_PROCESSES] = 4 + part;
    container->metrics[CONTAINER_RESTARTS] = site->metrics[SITE_RESTARTS];
}

static void fill_volume(struct volume_state *volume, const struct site_state *site, unsigned i)
{
    metrics_clear(volume->metrics, VOLUME_METRIC_COUNT);
    str_format(volume->name, sizeof volume->name, "%s-data", site->name);
    str_copy(volume->site, sizeof volume->site, site->name);
    str_copy(volume->host, sizeof volume->host, site->host);
    str_format(volume->key, sizeof volume->key, "%s/%s", site->host, volume->name);
    str_copy(volume->driver, sizeof volume->driver, "local");
    str_copy(volume->runtime, sizeof volume->runtime, "podman");
    str_format(volume->path, sizeof volume->path, "/var/lib/containers/storage/volumes/%s/_data", volume->name);
    volume->measured_us = site->seen_us - 3000 * USEC_PER_SEC;
    volume->seen_us = site->seen_us;
    volume->stale = site->status == SITE_UNKNOWN;
    volume->metrics[VOLUME_USED] = site->metrics[SITE_DISK_USED];
    volume->metrics[VOLUME_FILES] = floor(40000 * noise(i, 21));
    volume->metrics[VOLUME_FREE] = (i == 12 ? 9 : 200) * GIB;
    volume->metrics[VOLUME_TOTAL] = 900 * GIB;
}

static int compare_sites(const void *a, const void *b)
{
    return strcmp(((const struct site_state *)a)->name, ((const struct site_state *)b)->name);
}
static int compare_containers(const void *a, const void *b)
{
    return strcmp(((const struct container_state *)a)->key, ((const struct container_state *)b)->key);
}
static int compare_volumes(const void *a, const void *b)
{
    return strcmp(((const struct volume_state *)a)->key, ((const struct volume_state *)b)->key);
}

static void count_containers(struct snapshot *snapshot)
{
    for (size_t c = 0; c < snapshot->container_count; c++)
        for (size_t h = 0; h < snapshot->host_count; h++)
            if (strcmp(snapshot->hosts[h].name, snapshot->containers[c].host) == 0) {
                snapshot->hosts[h].containers_total++;
                snapshot->hosts[h].containers_running += snapshot->containers[c].state == RUN_RUNNING;
            }
}

struct snapshot *synthetic_snapshot(const struct synthetic *what)
{
    struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    str_copy(snapshot->fleet, sizeof snapshot->fleet, "example-coop");
    str_copy(snapshot->environment, sizeof snapshot->environment, what->environment);
    snapshot->interval_us = 10 * USEC_PER_SEC;
    snapshot->engine_at_us = snapshot->read_us = what->now_us - 2 * USEC_PER_SEC;
    metrics_clear(snapshot->engine, ENGINE_METRIC_COUNT);
    snapshot->host_count = what->hosts;
    snapshot->site_count = snapshot->volume_count = what->sites;
    snapshot->hosts = xcalloc(what->hosts + 1, sizeof *snapshot->hosts);
    snapshot->sites = xcalloc(what->sites + 1, sizeof *snapshot->sites);
    snapshot->volumes = xcalloc(what->sites + 1, sizeof *snapshot->volumes);
    snapshot->containers = xcalloc(2 * (size_t)what->sites + 1, sizeof *snapshot->containers);
    for (unsigned i = 0; i < what->hosts; i++)
        fill_host(&snapshot->hosts[i], i, what);
    for (unsigned i = 0; i < what->sites; i++) {
        struct site_state *site = &snapshot->sites[i];
        fill_site(site, i, what);
        fill_volume(&snapshot->volumes[i], site, i);
        for (unsigned part = 0; part < site->containers_total; part++)
            fill_container(&snapshot->containers[snapshot->container_count++], site, i, part);
    }
    count_containers(snapshot);
    qsort(snapshot->sites, snapshot->site_count, sizeof *snapshot->sites, compare_sites);
    qsort(snapshot->containers, snapshot->container_count, sizeof *snapshot->containers, compare_containers);
    qsort(snapshot->volumes, snapshot->volume_count, sizeof *snapshot->volumes, compare_volumes);
    return snapshot;
}

/* --- on disk --- */

static void write_history(struct series *series, enum object_kind kind, const char *key, const double *now,
    size_t count, unsigned seed, const struct synthetic *what)
{
    double values[HOST_METRIC_COUNT];
    for (unsigned minute = 0; minute < HISTORY_STEPS; minute++) {
        if (minute > 500 && minute < 540 && seed % 3 == 0)
            continue; /* a hole */
        double wave = 0.6 + 0.4 * sin((minute + seed * 37) / 40.0) + 0.3 * noise(seed, minute);
        for (size_t i = 0; i < count && i < HOST_METRIC_COUNT; i++)
            values[i] = now[i] * wave;
        series_append(series, kind, key, what->now_us - (int64_t)(HISTORY_STEPS - minute) * 60 * USEC_PER_SEC, values);
    }
}

static void write_log(struct log_store *logs, const struct container_state *container, const struct synthetic *what)
{
    static const char *const lines[] = {"GET / 200 0.004 s", "GET /news 200 0.012 s", "POST /contact 302 0.040 s",
        "\x1b[31mPHP Warning:\x1b[0m  Undefined array key \"lang\" in /var/www/html/index.php on line 12",
        "GET /wp-login.php 404 0.001 s"};
    enum { LINES = 40 };
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    str_copy(batch->host, sizeof batch->host, container->host);
    str_copy(batch->container, sizeof batch->container, container->name);
    str_copy(batch->site, sizeof batch->site, container->site);
    str_copy(batch->unit, sizeof batch->unit, container->name);
    str_format(batch->source, sizeof batch->source, "podman/%s", container->name);
    str_copy(batch->cursor, sizeof batch->cursor, "1");
    batch->lines = xcalloc(LINES, sizeof *batch->lines);
    for (unsigned i = 0; i < LINES; i++)
        batch->lines[batch->count++] = (struct log_line){.at_us = what->now_us - (LINES - i) * 7 * USEC_PER_SEC,
            .text = xstrdup(lines[i % 5]),
            .priority = i % 5 == 3 ? 4 : 6};
    log_store_append(logs, batch);
}

static void write_jobs(struct store *store, const struct snapshot *snapshot, const struct synthetic *what)
{
    static const char *const commands[] = {"take the lease of the site", "note state and last log lines",
        "restart the containers, grace 10 s", "wait until the site is healthy", "give the lease back"};
    static const enum job_state states[] = {JOB_DONE, JOB_FAILED, JOB_RUNNING};
    for (unsigned j = 0; j < 3; j++) {
        const struct site_state *site = &snapshot->sites[j * 3 % snapshot->site_count];
        struct job_record job = {.object_kind = KIND_SITE,
            .state = states[j],
            .created_us = what->now_us - (3 - j) * 900 * USEC_PER_SEC,
            .started_us = what->now_us - (3 - j) * 900 * USEC_PER_SEC,
            .progress_pct = -1};
        str_copy(job.action, sizeof job.action, "restart");
        str_copy(job.object, sizeof job.object, site->name);
        str_copy(job.site, sizeof job.site, site->name);
        str_copy(job.host, sizeof job.host, site->host);
        str_copy(job.who, sizeof job.who, "noor");
        str_copy(job.reason, sizeof job.reason, j == 0 ? "members see 502" : "");
        static const char *const messages[] = {"restarted, healthy after 2.1 s",
            "HTTP 502, wanted 200; the container ended 3 s after its start with status 1",
            "waiting: 2 of 3 good answers"};
        str_copy(job.message, sizeof job.message, messages[j]);
        if (store_job_create(store, &job, NULL) != ERR_OK)
            abort();
        if (j < 2)
            job.ended_us = job.created_us + 14 * USEC_PER_SEC;
        (void)store_job_update(store, &job, NULL);
        for (int s = 0; s < 5; s++) {
            enum step_state state = j == 0   ? STEP_DONE
                                    : s < 3  ? STEP_DONE
                                    : s > 3  ? STEP_PENDING
                                    : j == 1 ? STEP_FAILED
                                             : STEP_RUNNING;
            struct job_step_record step = {.job_id = job.id, .index = s, .state = state};
            str_copy(step.name, sizeof step.name, "step");
            str_copy(step.host, sizeof step.host, site->host);
            step.command = xstrdup(commands[s]);
            step.outcome = xstrdup(state == STEP_FAILED ? messages[1] : state == STEP_DONE ? "as planned" : "");
            step.progress = xstrdup(state == STEP_RUNNING ? "HTTP 200 twice, 4 s left" : "");
            step.started_us = state == STEP_PENDING ? 0 : job.created_us + s * 2 * USEC_PER_SEC;
            step.ended_us = state == STEP_DONE || state == STEP_FAILED ? step.started_us + 1700000 : 0;
            (void)store_job_step_put(store, &step, NULL);
            job_step_record_free(&step);
        }
    }
}

static void write_events(struct store *store, const struct snapshot *snapshot, const struct synthetic *what)
{
    for (unsigned i = 0; i < 40; i++) {
        const struct container_state *container = &snapshot->containers[i * 3 % snapshot->container_count];
        struct event event = {.at_us = what->now_us - (int64_t)(40 - i) * 180 * USEC_PER_SEC,
            .severity = i % 7 == 3    ? SEVERITY_WARNING
                        : i % 13 == 6 ? SEVERITY_CRITICAL
                                      : SEVERITY_INFO,
            .object_kind = KIND_CONTAINER};
        str_copy(event.kind, sizeof event.kind, i % 7 == 3 ? "container.died" : "container.started");
        str_copy(event.object, sizeof event.object, container->key);
        str_copy(event.host, sizeof event.host, container->host);
        str_copy(event.site, sizeof event.site, container->site);
        str_format(
            event.text, sizeof event.text, "%s %s", container->name, i % 7 == 3 ? "ended with status 137" : "started");
        store_add_event(store, &event);
    }
}

static void write_state(struct store *store, const struct snapshot *snapshot)
{
    store_put_fleet(store, snapshot->fleet, snapshot->environment, snapshot->interval_us);
    for (size_t i = 0; i < snapshot->host_count; i++)
        store_put_host(store, &snapshot->hosts[i]);
    for (size_t i = 0; i < snapshot->site_count; i++)
        store_put_site(store, &snapshot->sites[i]);
    for (size_t i = 0; i < snapshot->container_count; i++)
        store_put_container(store, &snapshot->containers[i]);
    for (size_t i = 0; i < snapshot->volume_count; i++)
        store_put_volume(store, &snapshot->volumes[i]);
    store_put_engine(store, snapshot->engine);
}

void synthetic_store_write(const char *state_dir, const struct synthetic *what)
{
    struct snapshot *snapshot = synthetic_snapshot(what);
    struct store *store;
    struct series *series;
    struct log_store *logs;
    if (store_open(state_dir, &store, NULL) != ERR_OK || log_store_open(state_dir, 7, &logs, NULL) != ERR_OK ||
        series_open(state_dir, 60 * USEC_PER_SEC, &series, NULL) != ERR_OK)
        abort();
    write_state(store, snapshot);
    if (snapshot->site_count > 0) {
        write_events(store, snapshot, what);
        write_jobs(store, snapshot, what);
    }
    for (unsigned i = 0; i < snapshot->host_count && i < 20; i++)
        write_history(
            series, KIND_HOST, snapshot->hosts[i].name, snapshot->hosts[i].metrics, HOST_METRIC_COUNT, i, what);
    for (unsigned i = 0; i < snapshot->site_count && i < 40; i++)
        write_history(
            series, KIND_SITE, snapshot->sites[i].name, snapshot->sites[i].metrics, SITE_METRIC_COUNT, i, what);
    for (unsigned i = 0; i < snapshot->container_count && i < 40; i++)
        write_history(series, KIND_CONTAINER, snapshot->containers[i].key, snapshot->containers[i].metrics,
            CONTAINER_METRIC_COUNT, i, what);
    for (unsigned i = 0; i < snapshot->volume_count && i < 20; i++)
        write_history(
            series, KIND_VOLUME, snapshot->volumes[i].key, snapshot->volumes[i].metrics, VOLUME_METRIC_COUNT, i, what);
    for (size_t i = 0; i < snapshot->container_count && i < 40; i++)
        write_log(logs, &snapshot->containers[i], what);
    (void)store_flush(store, 30 * USEC_PER_SEC);
    (void)series_flush(series, 30 * USEC_PER_SEC);
    (void)log_store_flush(logs, 30 * USEC_PER_SEC);
    log_store_close(logs);
    series_close(series);
    store_close(store);
    snapshot_free(snapshot);
}
