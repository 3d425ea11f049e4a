/* What the engine costs and how far it is behind: from the kernel, and from the statistics of its queues and writers.
 * Main thread. */
#include "engine/self.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

static double measure_cpu(struct self *self)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
        return (double)NAN;
    int64_t cpu_us = used.tv_sec * USEC_PER_SEC + used.tv_nsec / 1000, now_us = clock_mono_us();
    double pct = self->measured_mono_us && now_us > self->measured_mono_us
                     ? 100.0 * (double)(cpu_us - self->cpu_us) / (double)(now_us - self->measured_mono_us)
                     : (double)NAN;
    self->cpu_us = cpu_us;
    self->measured_mono_us = now_us;
    return pct;
}

/* The second figure of /proc/self/statm is the resident pages, proc(5). */
static double measure_memory(void)
{
    struct buf text = BUF(256);
    double bytes = (double)NAN;
    uint64_t pages;
    if (buf_read_file(&text, "/proc/self/statm", NULL) == ERR_OK && strchr(text.data, ' ')) {
        char *resident = strchr(text.data, ' ') + 1;
        resident[strcspn(resident, " \n")] = '\0';
        if (str_to_u64(resident, &pages))
            bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    }
    buf_free(&text);
    return bytes;
}

void self_measure(struct self *self, struct model *model, const struct model_outputs *outputs, double *metrics)
{
    struct model_stats reports = model_stats(model);
    struct store_stats store;
    struct series_stats series;
    struct log_store_stats logs;
    store_stats(outputs->store, &store);
    series_stats(outputs->series, &series);
    log_store_stats(outputs->logs, &logs);
    metrics_clear(metrics, ENGINE_METRIC_COUNT);
    metrics[ENGINE_LAG_WORST] = reports.totals.lag_worst_ms;
    metrics[ENGINE_QUEUE] = (double)(reports.depth + store.depth + series.depth + logs.depth);
    metrics[ENGINE_DROPPED] = (double)(reports.dropped + store.dropped + series.dropped + logs.dropped);
    metrics[ENGINE_SQLITE] = store.last_batch_ms;
    metrics[ENGINE_RRD] = series.last_ms;
    metrics[ENGINE_DB_SIZE] = (double)store.db_bytes;
    metrics[ENGINE_RRD_SIZE] = (double)series.total_bytes;
    metrics[ENGINE_LOG_SIZE] = (double)logs.total_bytes;
    metrics[ENGINE_CPU] = measure_cpu(self);
    metrics[ENGINE_MEM] = measure_memory();
    metrics[ENGINE_HOSTS_UP] = (double)reports.totals.hosts_up;
    metrics[ENGINE_HOSTS_UNKNOWN] = (double)reports.totals.hosts_unknown;
}
