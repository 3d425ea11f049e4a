/* The helper's "sample" (docs/protocol.md) as typed values: counters still, made rates of by collectors/rates.h.
 * Unknown is NaN. */
#ifndef COLLECTORS_PARSE_SAMPLE_H
#define COLLECTORS_PARSE_SAMPLE_H

#include "base/vec.h"
#include "collectors/parse.h"

enum cpu_state { /* of /proc/stat, proc(5); guest time is contained in user and nice */
    CPU_USER,
    CPU_NICE,
    CPU_SYSTEM,
    CPU_IDLE,
    CPU_IOWAIT,
    CPU_IRQ,
    CPU_SOFTIRQ,
    CPU_STEAL,
    CPU_STATE_COUNT
};

#define PART_NAME_SIZE 64
struct sample_part { /* a disk or a network interface */
    char name[PART_NAME_SIZE];
    double in_bytes, out_bytes; /* read and written; received and sent; counters */
};

struct sample_parts {
    bool known;                /* false: late, or not told */
    struct sample_part *items; /* a VEC */
    size_t count, capacity;
};

enum container_counter {
    COUNTER_CPU_US,
    COUNTER_THROTTLED_US,
    COUNTER_IO_READ,
    COUNTER_IO_WRITE,
    COUNTER_NET_RX,
    COUNTER_NET_TX,
    CONTAINER_COUNTER_COUNT
};

struct sample_container {
    char id[ID_SIZE];
    int64_t started_us; /* the host's clock; from the inventory, 0 where unknown: not the parser's */
    double counters[CONTAINER_COUNTER_COUNT];
    double metrics[CONTAINER_METRIC_COUNT]; /* those that need no rate; the others are NaN until rates_apply */
};

struct sample_volume {
    char name[CONTAINER_NAME_SIZE];
    char runtime[16];
    double used_bytes, files, free_bytes, total_bytes;
    int64_t measured_us;
};

struct sample {
    struct parse_stamp stamp;
    double cpu[CPU_STATE_COUNT];       /* ticks since boot */
    double metrics[HOST_METRIC_COUNT]; /* those that need no rate; the others are NaN until rates_apply */
    struct sample_parts disks, networks;
    bool has_containers, has_volumes;        /* false: late, or not told */
    VEC(struct sample_container) containers; /* sorted by id, each once */
    VEC(struct sample_volume) volumes;       /* sorted by name and runtime, each once */
    struct left_out left_out;
};

/* *sample is overwritten; call sample_free in any case. ERR_GARBAGE. */
enum err parse_sample(const json_t *json, struct sample *sample, struct err_info *info);
void sample_free(struct sample *sample);

struct sample_container *sample_find_container(const struct sample *sample, const char *id); /* NULL: none */
const struct sample_volume *sample_find_volume(const struct sample *sample, const char *name, const char *runtime);

#endif
