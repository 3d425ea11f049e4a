/* One sample of a host: JSON to checked, typed values. A figure that is absent, of another type or out of bounds is
 * NaN; an entry of a list that cannot be told apart (no name, no id, twice the same) is left out and counted; only a
 * sample without its stamp, or with a section of another type, is refused whole. No state; any thread. */
#include "collectors/parse_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WHAT "sample"

static const char *const cpu_keys[CPU_STATE_COUNT] = {
    [CPU_USER] = "user",
    [CPU_NICE] = "nice",
    [CPU_SYSTEM] = "system",
    [CPU_IDLE] = "idle",
    [CPU_IOWAIT] = "iowait",
    [CPU_IRQ] = "irq",
    [CPU_SOFTIRQ] = "softirq",
    [CPU_STEAL] = "steal",
};

static const char *const counter_keys[CONTAINER_COUNTER_COUNT] = {
    [COUNTER_CPU_US] = "cpu_us",
    [COUNTER_THROTTLED_US] = "throttled_us",
    [COUNTER_IO_READ] = "io_read_bytes",
    [COUNTER_IO_WRITE] = "io_write_bytes",
    [COUNTER_NET_RX] = "net_rx_bytes",
    [COUNTER_NET_TX] = "net_tx_bytes",
};

/* --- the host itself --- */

static enum err parse_cpu(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *cpu;
    enum err err = parse_section(json, WHAT, "cpu", JSON_OBJECT, &cpu, info);
    for (size_t i = 0; i < CPU_STATE_COUNT; i++)
        sample->cpu[i] = parse_quantity(cpu, cpu_keys[i]);
    double cores = parse_quantity(cpu, "cores");
    sample->metrics[HOST_CORES] = cores >= 1 ? cores : (double)NAN;
    return err;
}

static enum err parse_load(const json_t *json, struct sample *sample, struct err_info *info)
{
    static const enum host_metric loads[] = {HOST_LOAD1, HOST_LOAD5, HOST_LOAD15};
    const json_t *load;
    enum err err = parse_section(json, WHAT, "load", JSON_ARRAY, &load, info);
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(load, i);
        if (json_is_number(value) && json_number_value(value) >= 0)
            sample->metrics[loads[i]] = json_number_value(value);
    }
    return err;
}

/* used = total − what is left of it, where both are known and fit together */
static void put_used(double *metrics, enum host_metric used, enum host_metric total, double all, double left)
{
    metrics[total] = all;
    if (left <= all)
        metrics[used] = all - left;
}

static enum err parse_memory(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *mem, *swap;
    enum err err = parse_section(json, WHAT, "mem", JSON_OBJECT, &mem, info);
    if (err == ERR_OK)
        err = parse_section(json, WHAT, "swap", JSON_OBJECT, &swap, info);
    if (err != ERR_OK)
        return err;
    put_used(sample->metrics, HOST_MEM_USED, HOST_MEM_TOTAL, parse_quantity(mem, "total_bytes"),
        parse_quantity(mem, "available_bytes"));
    put_used(sample->metrics, HOST_SWAP_USED, HOST_SWAP_TOTAL, parse_quantity(swap, "total_bytes"),
        parse_quantity(swap, "free_bytes"));
    return ERR_OK;
}

static enum err parse_pressure(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *psi;
    enum err err = parse_section(json, WHAT, "psi", JSON_OBJECT, &psi, info);
    sample->metrics[HOST_PSI_CPU] = parse_percentage(psi, "cpu_some_avg10");
    sample->metrics[HOST_PSI_MEM] = parse_percentage(psi, "memory_some_avg10");
    sample->metrics[HOST_PSI_IO] = parse_percentage(psi, "io_some_avg10");
    return err;
}

/* A sum that leaves out what is unknown, and is unknown where all of it is. */
static void add_to(double *sum, double value)
{
    if (isfinite(value))
        *sum = isfinite(*sum) ? *sum + value : value;
}

/* As df(1): of what an ordinary user may fill, so that 100 is full although root has a reserve left. */
static void add_filesystem(double *metrics, const json_t *entry)
{
    double used = parse_quantity(entry, "used_bytes"), available = parse_quantity(entry, "available_bytes");
    add_to(&metrics[HOST_DISK_USED], used);
    add_to(&metrics[HOST_DISK_TOTAL], parse_quantity(entry, "total_bytes"));
    if (used + available > 0)
        metrics[HOST_DISK_WORST] = fmax(metrics[HOST_DISK_WORST], 100 * used / (used + available));
    double inodes = parse_quantity(entry, "inodes"), left = parse_quantity(entry, "inodes_free");
    if (inodes > 0 && left <= inodes) /* btrfs and the like have no number of inodes */
        metrics[HOST_INODES_WORST] = fmax(metrics[HOST_INODES_WORST], 100 * (inodes - left) / inodes);
}

static enum err parse_filesystems(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "filesystems", JSON_ARRAY, &list, info);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (i < PARSE_PARTS_MAX && json_is_object(entry))
            add_filesystem(sample->metrics, entry);
        else
            left_out_add(&sample->left_out, "file system", "not usable", entry);
    }
    return err;
}

static void parse_scalars(const json_t *json, struct sample *sample)
{
    sample->metrics[HOST_PROCESSES] = parse_quantity(json, "processes");
    sample->metrics[HOST_FAILED_UNITS] = parse_quantity(json, "failed_units");
    sample->metrics[HOST_UPTIME] = parse_quantity(json, "uptime_s");
}

/* --- its disks and networks --- */

struct part_kind {
    const char *key, *in_key, *out_key;
};
static const struct part_kind disk_kind = {"disks", "read_bytes", "write_bytes"};
static const struct part_kind network_kind = {"networks", "rx_bytes", "tx_bytes"};

static bool has_part(const struct sample_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->items[i].name, name) == 0)
            return true;
    return false;
}

/* False where it cannot be told apart from the others. */
static bool add_part(const json_t *entry, const struct part_kind *kind, struct sample_parts *parts)
{
    struct sample_part part;
    if (!json_copy_text(entry, "name", part.name, sizeof part.name) || part.name[0] == '\0')
        return false;
    if (parts->count >= PARSE_PARTS_MAX || has_part(parts, part.name))
        return false;
    part.in_bytes = parse_quantity(entry, kind->in_key);
    part.out_bytes = parse_quantity(entry, kind->out_key);
    vec_push(parts, part);
    return true;
}

static enum err parse_parts(const json_t *json, const struct part_kind *kind, struct sample_parts *parts,
    struct left_out *left_out, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, kind->key, JSON_ARRAY, &list, info);
    parts->known = list != NULL;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!add_part(json_array_get(list, i), kind, parts))
            left_out_add(left_out, kind->key, "entry not usable", json_array_get(list, i));
    return err;
}

static enum err parse_disks(const json_t *json, struct sample *sample, struct err_info *info)
{
    return parse_parts(json, &disk_kind, &sample->disks, &sample->left_out, info);
}

static enum err parse_networks(const json_t *json, struct sample *sample, struct err_info *info)
{
    return parse_parts(json, &network_kind, &sample->networks, &sample->left_out, info);
}

/* --- its containers and volumes --- */

static int compare_containers(const void *a, const void *b)
{
    return strcmp(((const struct sample_container *)a)->id, ((const struct sample_container *)b)->id);
}

static void read_container(const json_t *entry, struct sample_container *container)
{
    for (size_t i = 0; i < CONTAINER_COUNTER_COUNT; i++)
        container->counters[i] = parse_quantity(entry, counter_keys[i]);
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
    container->metrics[CONTAINER_MEM_USED] = parse_quantity(entry, "mem_bytes");
    container->metrics[CONTAINER_MEM_LIMIT] = parse_quantity(entry, "mem_limit_bytes");
    container->metrics[CONTAINER_OOM_KILLS] = parse_quantity(entry, "oom_kills");
    container->metrics[CONTAINER_PROCESSES] = parse_quantity(entry, "processes");
}

static enum err parse_containers(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "containers", JSON_ARRAY, &list, info);
    sample->has_containers = list != NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct sample_container container = {0};
        if (i >= PARSE_CONTAINERS_MAX || !parse_hex_id(entry, "id", container.id, sizeof container.id)) {
            left_out_add(&sample->left_out, "container", i < PARSE_CONTAINERS_MAX ? "without id" : "too many", entry);
            continue;
        }
        read_container(entry, &container);
        vec_push(&sample->containers, container);
    }
    return err;
}

static int compare_volumes(const void *a, const void *b)
{
    const struct sample_volume *one = a, *other = b;
    int by_name = strcmp(one->name, other->name);
    return by_name != 0 ? by_name : strcmp(one->runtime, other->runtime);
}

static void read_volume(const json_t *entry, struct sample_volume *volume)
{
    parse_words(entry, "runtime", volume->runtime, sizeof volume->runtime);
    volume->used_bytes = parse_quantity(entry, "used_bytes");
    volume->files = parse_quantity(entry, "files");
    volume->free_bytes = parse_quantity(entry, "free_bytes");
    volume->total_bytes = parse_quantity(entry, "total_bytes");
    volume->measured_us = parse_time_us(entry, "measured_us");
}

static enum err parse_volumes(const json_t *json, struct sample *sample, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "volumes", JSON_ARRAY, &list, info);
    sample->has_volumes = list != NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct sample_volume volume = {0};
        if (i >= PARSE_VOLUMES_MAX || !json_copy_text(entry, "name", volume.name, sizeof volume.name)) {
            left_out_add(&sample->left_out, "volume", i < PARSE_VOLUMES_MAX ? "without name" : "too many", entry);
            continue;
        }
        read_volume(entry, &volume);
        vec_push(&sample->volumes, volume);
    }
    return err;
}

static void sort_lists(struct sample *sample)
{
    struct parse_list containers = {
        sample->containers.items, sample->containers.count, sizeof *sample->containers.items};
    struct parse_list volumes = {sample->volumes.items, sample->volumes.count, sizeof *sample->volumes.items};
    parse_sort_unique(&containers, compare_containers, &sample->left_out, "container");
    parse_sort_unique(&volumes, compare_volumes, &sample->left_out, "volume");
    sample->containers.count = containers.count;
    sample->volumes.count = volumes.count;
}

enum err parse_sample(const json_t *json, struct sample *sample, struct err_info *info)
{
    static enum err (*const sections[])(const json_t *, struct sample *, struct err_info *) = {parse_cpu, parse_load,
        parse_memory, parse_pressure, parse_filesystems, parse_disks, parse_networks, parse_containers, parse_volumes};
    *sample = (struct sample){0};
    metrics_clear(sample->metrics, HOST_METRIC_COUNT);
    enum err err = parse_stamp(json, WHAT, &sample->stamp, info);
    for (size_t i = 0; err == ERR_OK && i < sizeof sections / sizeof sections[0]; i++)
        err = sections[i](json, sample, info);
    if (err != ERR_OK)
        return err;
    parse_scalars(json, sample);
    sort_lists(sample);
    return ERR_OK;
}

void sample_free(struct sample *sample)
{
    vec_free(&sample->disks);
    vec_free(&sample->networks);
    vec_free(&sample->containers);
    vec_free(&sample->volumes);
}

struct sample_container *sample_find_container(const struct sample *sample, const char *id)
{
    struct sample_container wanted;
    if (sample->containers.count == 0 || !str_copy(wanted.id, sizeof wanted.id, id))
        return NULL;
    return bsearch(&wanted, sample->containers.items, sample->containers.count, sizeof wanted, compare_containers);
}

const struct sample_volume *sample_find_volume(const struct sample *sample, const char *name, const char *runtime)
{
    struct sample_volume wanted;
    if (sample->volumes.count == 0 || !str_copy(wanted.name, sizeof wanted.name, name) ||
        !str_copy(wanted.runtime, sizeof wanted.runtime, runtime))
        return NULL;
    return bsearch(&wanted, sample->volumes.items, sample->volumes.count, sizeof wanted, compare_volumes);
}
