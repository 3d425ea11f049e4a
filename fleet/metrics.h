/* Every figure dogwatch keeps, once. From these tables come: the enum used as array index, the SQLite column, the data
 * source in RRD, the JSON and CSV key of reports, and the heading on screens. A value that is not known is NaN, never
 * zero.
 *
 * X(ID, key, unit, in_rrd, title)
 *   key     lower case with its unit, at most 19 bytes (the limit of an RRD data source name, rrdcreate(1))
 *   in_rrd  1 where its history is kept, 0 where only the present value is
 */
#ifndef FLEET_METRICS_H
#define FLEET_METRICS_H

#include <stddef.h>

enum metric_unit { UNIT_PCT, UNIT_BYTES, UNIT_BYTES_S, UNIT_COUNT, UNIT_SECONDS, UNIT_MS };

/* 100 % of CPU is one core for sites and containers, all cores for hosts. */
#define HOST_METRICS(X)                                                                                                \
    X(HOST_CPU, cpu_pct, UNIT_PCT, 1, "CPU%")                                                                          \
    X(HOST_CPU_IOWAIT, cpu_iowait_pct, UNIT_PCT, 1, "IOWAIT%")                                                         \
    X(HOST_CPU_STEAL, cpu_steal_pct, UNIT_PCT, 0, "STEAL%")                                                            \
    X(HOST_CPU_USER, cpu_user_pct, UNIT_PCT, 0, "USER%")                                                               \
    X(HOST_CPU_SYSTEM, cpu_system_pct, UNIT_PCT, 0, "SYS%")                                                            \
    X(HOST_CORES, cores, UNIT_COUNT, 0, "CORES")                                                                       \
    X(HOST_LOAD1, load1, UNIT_COUNT, 1, "LOAD")                                                                        \
    X(HOST_LOAD5, load5, UNIT_COUNT, 0, "LOAD5")                                                                       \
    X(HOST_LOAD15, load15, UNIT_COUNT, 0, "LOAD15")                                                                    \
    X(HOST_MEM_USED, mem_used_bytes, UNIT_BYTES, 1, "MEM")                                                             \
    X(HOST_MEM_TOTAL, mem_total_bytes, UNIT_BYTES, 0, "MEMTOTAL")                                                      \
    X(HOST_SWAP_USED, swap_used_bytes, UNIT_BYTES, 0, "SWAP")                                                          \
    X(HOST_SWAP_TOTAL, swap_total_bytes, UNIT_BYTES, 0, "SWAPTOTAL")                                                   \
    X(HOST_PSI_CPU, psi_cpu_pct, UNIT_PCT, 0, "PSI-C%")                                                                \
    X(HOST_PSI_MEM, psi_mem_pct, UNIT_PCT, 0, "PSI-M%")                                                                \
    X(HOST_PSI_IO, psi_io_pct, UNIT_PCT, 1, "PSI-I%")                                                                  \
    X(HOST_DISK_USED, disk_used_bytes, UNIT_BYTES, 1, "DISK") /* sum over real file systems */                         \
    X(HOST_DISK_TOTAL, disk_total_bytes, UNIT_BYTES, 0, "DISKTOTAL")                                                   \
    X(HOST_DISK_WORST, disk_worst_pct, UNIT_PCT, 1, "DISK%")       /* the fullest file system */                       \
    X(HOST_INODES_WORST, inodes_worst_pct, UNIT_PCT, 0, "INODES%") /* the fullest file system */                       \
    X(HOST_DISK_READ, disk_read_bytes_s, UNIT_BYTES_S, 1, "READ/s")                                                    \
    X(HOST_DISK_WRITE, disk_write_bytes_s, UNIT_BYTES_S, 1, "WRITE/s")                                                 \
    X(HOST_NET_RX, net_rx_bytes_s, UNIT_BYTES_S, 1, "RX/s")                                                            \
    X(HOST_NET_TX, net_tx_bytes_s, UNIT_BYTES_S, 1, "TX/s")                                                            \
    X(HOST_PROCESSES, processes, UNIT_COUNT, 0, "PROCS")                                                               \
    X(HOST_FAILED_UNITS, failed_units, UNIT_COUNT, 0, "FAILED") /* of systemd, where it runs */                        \
    X(HOST_UPTIME, uptime_s, UNIT_SECONDS, 0, "UPTIME")                                                                \
    X(HOST_CLOCK_OFFSET, clock_offset_ms, UNIT_MS, 0, "CLOCK") /* host minus engine, half a round trip off */          \
    X(HOST_LAG, lag_ms, UNIT_MS, 0, "LAG")                     /* sample taken → stored by the engine */

#define SITE_METRICS(X)                                                                                                \
    X(SITE_CPU, cpu_pct, UNIT_PCT, 1, "CPU%")                                                                          \
    X(SITE_MEM_USED, mem_used_bytes, UNIT_BYTES, 1, "MEM")                                                             \
    X(SITE_NET_RX, net_rx_bytes_s, UNIT_BYTES_S, 1, "RX/s")                                                            \
    X(SITE_NET_TX, net_tx_bytes_s, UNIT_BYTES_S, 1, "TX/s")                                                            \
    X(SITE_MEM_LIMIT, mem_limit_bytes, UNIT_BYTES, 0, "LIMIT")                                                         \
    X(SITE_DISK_USED, disk_used_bytes, UNIT_BYTES, 0, "DISK") /* sum over its volumes */                               \
    X(SITE_PROCESSES, processes, UNIT_COUNT, 0, "PROCS")                                                               \
    X(SITE_RESTARTS, restarts, UNIT_COUNT, 0, "RESTARTS")

#define CONTAINER_METRICS(X)                                                                                           \
    X(CONTAINER_CPU, cpu_pct, UNIT_PCT, 1, "CPU%")                                                                     \
    X(CONTAINER_MEM_USED, mem_used_bytes, UNIT_BYTES, 1, "MEM")                                                        \
    X(CONTAINER_NET_RX, net_rx_bytes_s, UNIT_BYTES_S, 1, "RX/s")                                                       \
    X(CONTAINER_NET_TX, net_tx_bytes_s, UNIT_BYTES_S, 1, "TX/s")                                                       \
    X(CONTAINER_MEM_LIMIT, mem_limit_bytes, UNIT_BYTES, 0, "LIMIT") /* NaN: no limit, or not known */                  \
    X(CONTAINER_THROTTLED, throttled_pct, UNIT_PCT, 0, "THROTTLE%")                                                    \
    X(CONTAINER_IO_READ, io_read_bytes_s, UNIT_BYTES_S, 0, "READ/s")                                                   \
    X(CONTAINER_IO_WRITE, io_write_bytes_s, UNIT_BYTES_S, 0, "WRITE/s")                                                \
    X(CONTAINER_PROCESSES, processes, UNIT_COUNT, 0, "PROCS")                                                          \
    X(CONTAINER_OOM_KILLS, oom_kills, UNIT_COUNT, 0, "OOM")                                                            \
    X(CONTAINER_RESTARTS, restarts, UNIT_COUNT, 0, "RESTARTS")

#define VOLUME_METRICS(X)                                                                                              \
    X(VOLUME_USED, used_bytes, UNIT_BYTES, 1, "USED")                                                                  \
    X(VOLUME_FILES, files, UNIT_COUNT, 1, "FILES")                                                                     \
    X(VOLUME_FREE, free_bytes, UNIT_BYTES, 1, "FREE")    /* on the file system below it */                             \
    X(VOLUME_TOTAL, total_bytes, UNIT_BYTES, 0, "TOTAL") /* of the file system below it */

/* The engine itself is a row like any other. */
#define ENGINE_METRICS(X)                                                                                              \
    X(ENGINE_LAG_WORST, lag_worst_ms, UNIT_MS, 1, "LAG")       /* the slowest reachable host */                        \
    X(ENGINE_QUEUE, queue_depth, UNIT_COUNT, 1, "QUEUE")       /* all queues together */                               \
    X(ENGINE_DROPPED, dropped, UNIT_COUNT, 1, "DROPPED")       /* samples, rows and lines since its start */           \
    X(ENGINE_SQLITE, sqlite_write_ms, UNIT_MS, 1, "SQLITE ms") /* the last batch */                                    \
    X(ENGINE_RRD, rrd_write_ms, UNIT_MS, 1, "RRD ms")          /* the last batch */                                    \
    X(ENGINE_DB_SIZE, db_bytes, UNIT_BYTES, 1, "DB")                                                                   \
    X(ENGINE_RRD_SIZE, rrd_bytes, UNIT_BYTES, 0, "RRD")                                                                \
    X(ENGINE_LOG_SIZE, log_bytes, UNIT_BYTES, 0, "LOGS")                                                               \
    X(ENGINE_CPU, cpu_pct, UNIT_PCT, 1, "CPU%")                                                                        \
    X(ENGINE_MEM, mem_used_bytes, UNIT_BYTES, 1, "MEM")                                                                \
    X(ENGINE_HOSTS_UP, hosts_up, UNIT_COUNT, 1, "UP")                                                                  \
    X(ENGINE_HOSTS_UNKNOWN, hosts_unknown, UNIT_COUNT, 1, "UNKNOWN")

#define METRIC_ENUM(id, key, unit, in_rrd, title) id,
enum host_metric { HOST_METRICS(METRIC_ENUM) HOST_METRIC_COUNT };
enum site_metric { SITE_METRICS(METRIC_ENUM) SITE_METRIC_COUNT };
enum container_metric { CONTAINER_METRICS(METRIC_ENUM) CONTAINER_METRIC_COUNT };
enum volume_metric { VOLUME_METRICS(METRIC_ENUM) VOLUME_METRIC_COUNT };
enum engine_metric { ENGINE_METRICS(METRIC_ENUM) ENGINE_METRIC_COUNT };

enum object_kind { KIND_HOST, KIND_SITE, KIND_CONTAINER, KIND_VOLUME, KIND_ENGINE, KIND_COUNT };

struct metric {
    const char *key;
    enum metric_unit unit;
    int in_rrd;
    const char *title;
};

struct metric_table {
    const char *kind;   /* "host", … */
    const char *plural; /* "hosts", … */
    const struct metric *metrics;
    size_t count;
};

const struct metric_table *metric_table(enum object_kind kind);
/* Index of the metric with that key, or -1. */
int metric_find(enum object_kind kind, const char *key);

#endif
