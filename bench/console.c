/* What the console costs on its drawing thread with 50,000 sites and 500 hosts: taking over a new snapshot, and from a
 * key to a finished buffer. The budget for a key is 16 ms. Median and worst of several runs, in milliseconds of wall
 * clock; reading the store happens in another thread and is shown apart. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/support/synthetic_store.h"
#include "tui/keys.h"
#include "views/console/core.h"

enum { RUNS = 25, WIDTH = 140, HEIGHT = 45 };

static void ask(void *owner, int64_t ticket, json_t *request)
{
    (void)owner;
    (void)ticket;
    json_decref(request);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void report(const char *what, double *times)
{
    qsort(times, RUNS, sizeof *times, compare);
    printf("  %-46s median %7.2f ms   worst %7.2f ms\n", what, times[RUNS / 2], times[RUNS - 1]);
}

static double since(int64_t start_us)
{
    return (double)(clock_mono_us() - start_us) / 1000.0;
}

/* Each run begins with `before` (not counted), then `key` and the buffer it leads to. */
static void measure_key(struct console *console, struct cells *cells, const char *what, const int *before, int key)
{
    double times[RUNS];
    for (int run = 0; run < RUNS; run++) {
        for (const int *at = before; *at; at++)
            console_key(console, *at);
        console_draw(console, cells);
        int64_t start_us = clock_mono_us();
        console_key(console, key);
        console_draw(console, cells);
        times[run] = since(start_us);
    }
    report(what, times);
}

static void measure_snapshots(struct console *console, struct cells *cells, const struct synthetic *what)
{
    double times[RUNS];
    struct picture fresh = {.snapshot = synthetic_snapshot(what)};
    for (int run = 0; run < RUNS; run++) { /* the former one comes back each time, as from the data thread */
        int64_t start_us = clock_mono_us();
        console_update(console, &fresh);
        console_draw(console, cells);
        times[run] = since(start_us);
    }
    picture_clear(&fresh);
    report("a new snapshot, sorted and drawn", times);
}

int main(void)
{
    static const int none[] = {0}, filter[] = {KEYS_ESC, '2', '/', 'c', 'h', 'o', 'i', 0}, to_sites[] = {'2', 0};
    const struct synthetic what = {
        .environment = "test", .hosts = 500, .sites = 50000, .now_us = clock_wall_us() + 3600 * USEC_PER_SEC};
    setlocale(LC_ALL, "C.UTF-8");
    clock_freeze_wall(what.now_us);
    struct cells *cells = cells_new(WIDTH, HEIGHT);
    struct console *console = console_new(ask, NULL);
    struct picture first = {.snapshot = synthetic_snapshot(&what)};
    console_update(console, &first);
    picture_clear(&first);
    printf("console, 50,000 sites, %dx%d:\n", WIDTH, HEIGHT);
    measure_snapshots(console, cells, &what);
    measure_key(console, cells, "j: one row down", none, 'j');
    measure_key(console, cells, "G: to the end", none, 'G');
    measure_key(console, cells, "C: sort by CPU", none, 'C');
    measure_key(console, cells, "N: sort by name", none, 'N');
    measure_key(console, cells, "/choir: the last letter of a filter", filter, 'r');
    console_key(console, KEYS_ESC);
    measure_key(console, cells, "Enter: the page of a site", to_sites, KEYS_ENTER);
    measure_key(console, cells, "3: all containers", to_sites, '3');
    console_free(console);
    cells_free(cells);
    return 0;
}
