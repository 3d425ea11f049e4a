/* What log lines cost through the real writer: log_store_append → queue → writer thread → SQLite with its index; and
 * what finding them costs. Argument: lines (default 500,000). */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/scratch.h"
#include "store/logs.h"

#define BATCH_LINES 200
#define SOURCES 500

static uint32_t random_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static struct log_batch *make_batch(int64_t number, int64_t at_us, uint32_t *seed)
{
    static const char *const methods[] = {"GET", "POST", "HEAD"};
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    unsigned source = random_number(seed) % SOURCES;
    str_format(batch->host, sizeof batch->host, "mosh%02u", source / 10);
    str_format(batch->container, sizeof batch->container, "site%u-web", source);
    str_format(batch->site, sizeof batch->site, "site%u.example", source);
    str_format(batch->source, sizeof batch->source, "podman/site%u-web", source);
    str_copy(batch->unit, sizeof batch->unit, batch->container);
    str_format(batch->cursor, sizeof batch->cursor, "%lld", (long long)number);
    batch->lines = xcalloc(BATCH_LINES, sizeof *batch->lines);
    for (batch->count = 0; batch->count < BATCH_LINES; batch->count++) {
        uint32_t r = random_number(seed);
        batch->lines[batch->count] = (struct log_line){
            .at_us = at_us,
            .priority = 6,
            .text =
                xasprintf("192.0.2.%u - - \"%s /page/%u/article-%u HTTP/1.1\" %d %u \"-\" \"agent/%u.%u\" rt=0.%03u%s",
                    r % 256, methods[r % 3], r % 97, random_number(seed) % 100000, r % 4 ? 200 : 404, r % 65536, r % 7,
                    r % 31, r % 1000, number == 7 && batch->count == 7 ? " needle" : ""),
        };
    }
    return batch;
}

static bool count_line(void *arg, const struct log_entry *entry)
{
    (void)entry;
    (*(size_t *)arg)++;
    return true;
}

static void time_query(struct log_reader *reader, const char *what, struct log_filter filter)
{
    size_t count = 0;
    int64_t started = clock_mono_us();
    log_query(reader, &filter, count_line, &count, NULL);
    printf("  find       %-32s %8.2f ms for %zu lines\n", what, (double)(clock_mono_us() - started) / 1e3, count);
}

static double write_lines(struct log_store *logs, int64_t lines)
{
    uint32_t seed = 1;
    int64_t started = clock_mono_us(), now_us = clock_wall_us();
    struct log_store_stats stats;
    for (int64_t i = 0; i < lines / BATCH_LINES; i++) {
        log_store_append(logs, make_batch(i, now_us + i * 1000, &seed));
        if (i % 256 == 255) { /* stay below the limit of what may wait */
            log_store_stats(logs, &stats);
            if (stats.queued_bytes > 64 << 20)
                log_store_flush(logs, 600 * USEC_PER_SEC);
        }
    }
    log_store_flush(logs, 600 * USEC_PER_SEC);
    return (double)(clock_mono_us() - started) / 1e6;
}

int main(int argc, char **argv)
{
    int64_t lines = 500000;
    struct log_store *logs;
    struct log_reader *reader;
    struct log_store_stats stats;
    if (argc > 1 && !str_to_i64(argv[1], 1000, 100000000, &lines))
        return 2;
    char *dir = scratch_new();
    if (log_store_open(dir, 30, &logs, NULL) != ERR_OK)
        return 1;
    double took = write_lines(logs, lines);
    log_store_stats(logs, &stats);
    printf("log lines through the real writer (raw SQLite, the same index: 129,000–143,000 lines/s, 191 MB per "
           "million)\n");
    printf("  write      %.0f lines/s, %.0f MB per million lines, %.2f s of CPU per million (making them included), "
           "%llu dropped\n",
        (double)stats.written / took, (double)stats.total_bytes / (double)stats.written,
        scratch_cpu_seconds() * 1e6 / (double)stats.written, (unsigned long long)stats.dropped);
    if (log_reader_open(dir, &reader, NULL) != ERR_OK)
        return 1;
    time_query(reader, "newest 100", (struct log_filter){.limit = 100});
    time_query(reader, "newest 100 of one host", (struct log_filter){.host = "mosh07", .limit = 100});
    time_query(reader, "newest 100 of one container", (struct log_filter){.container = "site77-web", .limit = 100});
    time_query(reader, "a rare word", (struct log_filter){.words = "needle"});
    time_query(reader, "a common word, newest 100", (struct log_filter){.words = "404", .limit = 100});
    time_query(reader, "a common word, all", (struct log_filter){.words = "404"});
    time_query(reader, "a phrase, newest 100", (struct log_filter){.words = "\"GET /page/5\"", .limit = 100});
    log_reader_close(reader);
    log_store_close(logs);
    scratch_free(dir);
    return 0;
}
