/* What time series cost through the real writer: series_append → queue → writer thread → librrd, on warm files.
 * Arguments: number of sites (default 2,000), seconds simulated (600). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/scratch.h"
#include "store/series.h"

struct run {
    struct series *series;
    int64_t start_us;
    size_t objects;
    enum object_kind kind;
};

static void append_all(struct run *run, int second, double value)
{
    double values[HOST_METRIC_COUNT];
    char key[32];
    for (size_t i = 0; i < HOST_METRIC_COUNT; i++)
        values[i] = value + (double)i;
    for (size_t i = 0; i < run->objects; i++) {
        str_format(key, sizeof key, "object%zu.example", i);
        series_append(run->series, run->kind, key, run->start_us + second * USEC_PER_SEC, values);
    }
}

static void wait_done(struct run *run)
{
    if (!series_flush(run->series, 600 * USEC_PER_SEC))
        exit(1);
}

static double seconds_since(int64_t mono_us)
{
    return (double)(clock_mono_us() - mono_us) / 1e6;
}

/* Every object every 10 s. Waiting after each round keeps hosts at one sample a call, as a real fleet gives; sites are
 * held for their minute by the writer itself. Time is that of the writer thread at work. */
static void measure(struct run *run, const char *what, int seconds, bool each_round)
{
    struct series_stats before, after;
    int64_t started = clock_mono_us();
    append_all(run, 0, 1);
    wait_done(run);
    printf(
        "  %-8s making %zu files %14.0f files/s\n", what, run->objects, (double)run->objects / seconds_since(started));
    append_all(run, 10, 1);
    wait_done(run); /* warm */
    series_stats(run->series, &before);
    double cpu_before = scratch_cpu_seconds();
    for (int second = 20; second <= seconds; second += 10) {
        append_all(run, second, second);
        if (each_round || second % 60 == 0)
            wait_done(run);
    }
    wait_done(run);
    series_stats(run->series, &after);
    double busy = (after.busy_ms - before.busy_ms) / 1e3, cpu = scratch_cpu_seconds() - cpu_before;
    double samples = (double)(after.written - before.written), updates = (double)(after.updates - before.updates);
    printf("  %-8s %8.0f updates/s, %.1f samples each: %.0f samples/s; %.1f µs of CPU a sample in the whole program, "
           "%llu dropped\n",
        what, updates / busy, samples / updates, samples / busy, cpu * 1e6 / samples,
        (unsigned long long)after.dropped);
}

static void measure_fetch(const char *dir, int64_t start_us)
{
    int64_t started = clock_mono_us();
    size_t values = 0;
    for (int i = 0; i < 100; i++) {
        struct series_points points;
        if (series_fetch(dir, KIND_HOST, "object0.example", -1, SERIES_AVERAGE, start_us,
                start_us + 86400 * USEC_PER_SEC, 0, &points, NULL) == ERR_OK)
            values = points.count * points.columns;
        series_points_free(&points);
    }
    printf(
        "  fetch    a day at 10 s, all metrics       %8.2f ms for %zu values\n", seconds_since(started) * 10, values);
}

int main(int argc, char **argv)
{
    int64_t sites = 2000, seconds = 600;
    if ((argc > 1 && !str_to_i64(argv[1], 1, 100000, &sites)) ||
        (argc > 2 && !str_to_i64(argv[2], 60, 86400, &seconds)))
        return 2;
    char *dir = scratch_new();
    struct run run = {.start_us = clock_wall_us() / (3600 * USEC_PER_SEC) * 3600 * USEC_PER_SEC - 86400 * USEC_PER_SEC};
    struct err_info info;
    if (series_open(dir, 10 * USEC_PER_SEC, &run.series, &info) != ERR_OK) {
        fprintf(stderr, "%s\n", info.message);
        return 1;
    }
    printf("time series through the real writer (raw librrd, one thread, warm: 30,000 updates/s;"
           " 6 samples a call: 120,000–155,000 samples/s)\n");
    run.kind = KIND_HOST;
    run.objects = (size_t)sites / 10 + 1;
    measure(&run, "hosts", (int)seconds, true);
    measure_fetch(dir, run.start_us - 43200 * USEC_PER_SEC);
    run.kind = KIND_SITE;
    run.objects = (size_t)sites;
    measure(&run, "sites", (int)seconds, false);
    printf("  disk     75 hosts %.2f GB, 3,750 sites %.2f GB, 3,750 containers %.2f GB, 3,750 volumes %.2f GB\n",
        (double)series_predicted_bytes(KIND_HOST, 75) / 1e9, (double)series_predicted_bytes(KIND_SITE, 3750) / 1e9,
        (double)series_predicted_bytes(KIND_CONTAINER, 3750) / 1e9,
        (double)series_predicted_bytes(KIND_VOLUME, 3750) / 1e9);
    series_close(run.series);
    scratch_free(dir);
    return 0;
}
