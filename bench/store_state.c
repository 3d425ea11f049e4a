/* What the present state costs: putting 50,000 sites, reading them all, and bringing a screen up to date after a tenth
 * of them changed. Argument: sites (default 50,000). */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/scratch.h"
#include "store/jobs.h"
#include "store/reader.h"
#include "store/store.h"

static double ms_since(int64_t mono_us)
{
    return (double)(clock_mono_us() - mono_us) / 1e3;
}

static void put_sites(struct store *store, size_t first, size_t count, int64_t now_us)
{
    for (size_t i = first; i < first + count; i++) {
        struct site_state site = {.declared = true,
            .host_count = 1,
            .status = SITE_RUNNING,
            .health = HEALTH_HEALTHY,
            .containers_running = 2,
            .containers_total = 2,
            .since_us = now_us,
            .seen_us = now_us,
            .desired = "running"};
        str_format(site.name, sizeof site.name, "site%zu.example.org", i);
        str_format(site.host, sizeof site.host, "mosh%02zu", i % 75);
        str_format(site.domains, sizeof site.domains, "site%zu.example.org www.site%zu.example.org", i, i);
        str_copy(site.member, sizeof site.member, "Example Coalition");
        str_format(site.image, sizeof site.image, "localhost/infra/3f2c%zu/web", i % 100);
        for (size_t m = 0; m < SITE_METRIC_COUNT; m++)
            site.metrics[m] = (double)(i * m) + 0.5;
        store_put_site(store, &site);
    }
}

static void measure_puts(struct store *store, const char *what, size_t first, size_t count)
{
    int64_t started = clock_mono_us();
    put_sites(store, first, count, clock_wall_us());
    double called = ms_since(started);
    store_flush(store, 600 * USEC_PER_SEC);
    double took = ms_since(started);
    printf("  %-34s %8.0f rows/s (%.2f µs a call for the one who puts)\n", what, (double)count * 1e3 / took,
        called * 1e3 / (double)count);
}

static void measure_jobs(struct store *store)
{
    int64_t started = clock_mono_us();
    for (int i = 0; i < 50; i++) {
        struct job_record job = {.action = "restart", .object = "site1.example.org"};
        store_job_create(store, &job, NULL);
    }
    printf("  %-34s %8.2f ms\n", "one job record, fsynced", ms_since(started) / 50);
}

int main(int argc, char **argv)
{
    int64_t sites = 50000;
    struct store *store;
    struct store_reader *reader;
    struct snapshot *snapshot = NULL;
    if (argc > 1 && !str_to_i64(argv[1], 10, 1000000, &sites))
        return 2;
    char *dir = scratch_new();
    if (store_open(dir, &store, NULL) != ERR_OK)
        return 1;
    printf("present state, %lld sites\n", (long long)sites);
    measure_puts(store, "put, new rows", 0, (size_t)sites);
    measure_puts(store, "put, known rows", 0, (size_t)sites);
    measure_jobs(store);
    if (store_reader_open(dir, &reader, NULL) != ERR_OK)
        return 1;
    int64_t started = clock_mono_us();
    store_refresh_snapshot(reader, &snapshot, NULL);
    printf("  %-34s %8.1f ms\n", "read all, first time", ms_since(started));
    put_sites(store, 0, (size_t)sites / 10, clock_wall_us());
    store_flush(store, 600 * USEC_PER_SEC);
    started = clock_mono_us();
    store_refresh_snapshot(reader, &snapshot, NULL);
    printf("  %-34s %8.1f ms\n", "refresh, a tenth changed", ms_since(started));
    started = clock_mono_us();
    for (int i = 0; i < 1000; i++)
        store_reader_changed(reader);
    printf("  %-34s %8.1f µs\n", "asking whether anything changed", ms_since(started));
    snapshot_free(snapshot);
    snapshot = NULL;
    started = clock_mono_us();
    store_refresh_snapshot(reader, &snapshot, NULL);
    printf("  %-34s %8.1f ms\n", "read all, again", ms_since(started));
    snapshot_free(snapshot);
    store_reader_close(reader);
    store_close(store);
    scratch_free(dir);
    return 0;
}
