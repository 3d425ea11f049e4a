/* The sample's "containers": one probe per running container, opened when the inventory first shows it and kept until
 * it ends. A sample runs no program and opens nothing but /proc/PID/net/dev: a kept descriptor of that file would hold
 * the container's network namespace alive. Called by the sampler; a mutex makes it safe from anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "host/containers/cgroup.h"
#include "host/containers/runtime.h"
#include "host/inventory.h"
#include "host/path.h"

#define NET_DEV_BYTES 8192 /* about 120 bytes an interface */
#define NET_DEV_RX_BYTES 0 /* fields behind the interface's name, proc(5) */
#define NET_DEV_TX_BYTES 8

struct probe {
    char id[RUNTIME_ID_SIZE];
    pid_t pid;
    int process_fd;      /* /proc/PID: never becomes another process with the same number; -1: gone */
    ino_t net_namespace; /* 0: unknown */
    bool counts_network; /* not the host's, nor one that another container is counted with */
    bool wanted;         /* by the newest inventory */
    struct cgroup *group;
};

static struct {
    pthread_mutex_t mutex;
    VEC(struct probe) probes;
    struct cgroup_mounts mounts;
    uint64_t generation; /* of the inventory the probes were made for */
} sampled = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* --- network --------------------------------------------------------------------------------------------------------
 */

/* "  eth0: 1 2 3 4 5 6 7 8 9 …": adds received and sent bytes of all interfaces but lo. */
static bool sum_net_dev(const char *text, int64_t *rx_bytes, int64_t *tx_bytes)
{
    bool any = false;
    *rx_bytes = *tx_bytes = 0;
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon, ':')) {
        const char *name = colon;
        while (name > text && name[-1] != ' ' && name[-1] != '\n')
            name--;
        bool is_loopback = colon - name == 2 && strncmp(name, "lo", 2) == 0;
        char *at = (char *)(uintptr_t)(colon + 1);
        for (int field = 0; field <= NET_DEV_TX_BYTES; field++) {
            unsigned long long number = strtoull(at, &at, 10);
            if (!is_loopback && field == NET_DEV_RX_BYTES)
                *rx_bytes += (int64_t)number;
            if (!is_loopback && field == NET_DEV_TX_BYTES)
                *tx_bytes += (int64_t)number;
        }
        any = any || !is_loopback;
        colon = at > colon ? at : colon + 1;
    }
    return any;
}

static ssize_t read_at(int directory, const char *path, char *text, size_t size)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got;
}

static void put_network(json_t *figures, const struct probe *probe)
{
    char text[NET_DEV_BYTES];
    int64_t rx_bytes, tx_bytes;
    if (!probe->counts_network || read_at(probe->process_fd, "net/dev", text, sizeof text) <= 0 ||
        !sum_net_dev(text, &rx_bytes, &tx_bytes))
        return;
    json_put_i64(figures, "net_rx_bytes", rx_bytes);
    json_put_i64(figures, "net_tx_bytes", tx_bytes);
}

static ino_t net_namespace_at(int directory, const char *path)
{
    struct stat seen;
    return fstatat(directory, path, &seen, 0) == 0 ? seen.st_ino : 0;
}

/* Containers of a pod share one network: it is counted with the first of them. */
static void decide_networks(void)
{
    char path[HOST_PATH_SIZE];
    ino_t own = net_namespace_at(AT_FDCWD, host_path(path, sizeof path, "/proc/self/ns/net"));
    for (size_t i = 0; i < sampled.probes.count; i++) {
        struct probe *probe = &sampled.probes.items[i];
        probe->counts_network = probe->net_namespace != own;
        for (size_t j = 0; j < i && probe->net_namespace; j++)
            if (sampled.probes.items[j].net_namespace == probe->net_namespace)
                probe->counts_network = false;
    }
}

/* --- probes ---------------------------------------------------------------------------------------------------------
 */

static void close_probe(struct probe *probe)
{
    cgroup_close(probe->group);
    if (probe->process_fd >= 0)
        close(probe->process_fd);
}

static struct probe *find_probe(const char *id)
{
    vec_each (&sampled.probes, struct probe, probe)
        if (strcmp(probe->id, id) == 0)
            return probe;
    return NULL;
}

static void add_probe(const char *id, pid_t pid)
{
    char path[HOST_PATH_SIZE];
    struct cgroup *group = cgroup_open(&sampled.mounts, pid, id);
    if (!group)
        return;
    struct probe *probe = vec_add(&sampled.probes);
    str_copy(probe->id, sizeof probe->id, id);
    probe->pid = pid;
    probe->group = group;
    probe->wanted = true;
    host_path_format(path, sizeof path, "/proc/%d", (int)pid);
    probe->process_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    probe->net_namespace = probe->process_fd < 0 ? 0 : net_namespace_at(probe->process_fd, "ns/net");
}

static void want(const json_t *container)
{
    int64_t pid;
    const char *id = json_get_text(container, "id");
    if (!id || !json_get_i64(container, "pid", &pid) || pid <= 0 || pid > INT32_MAX)
        return;
    struct probe *probe = find_probe(id);
    if (probe && probe->pid == (pid_t)pid)
        probe->wanted = true;
    else
        add_probe(id, (pid_t)pid);
}

static void drop_unwanted(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < sampled.probes.count; i++) {
        if (sampled.probes.items[i].wanted)
            sampled.probes.items[kept++] = sampled.probes.items[i];
        else
            close_probe(&sampled.probes.items[i]);
    }
    sampled.probes.count = kept;
}

static void follow_inventory(const json_t *inventory)
{
    const json_t *containers = json_object_get(inventory, "containers");
    if (sampled.mounts.count == 0)
        cgroup_mounts_load(&sampled.mounts);
    vec_each (&sampled.probes, struct probe, probe)
        probe->wanted = false;
    for (size_t i = 0; i < json_array_size(containers); i++)
        want(json_array_get(containers, i));
    drop_unwanted();
    decide_networks();
}

/* --- the sample -----------------------------------------------------------------------------------------------------
 */

static void put_known(json_t *figures, const char *key, int64_t value)
{
    if (value != CGROUP_UNKNOWN)
        json_put_i64(figures, key, value);
}

/* NULL where nothing could be read: the container has ended. */
static json_t *figures_of(struct probe *probe)
{
    struct cgroup_usage usage;
    cgroup_read(probe->group, &usage);
    if (usage.cpu_us == CGROUP_UNKNOWN && usage.mem_bytes == CGROUP_UNKNOWN && usage.processes == CGROUP_UNKNOWN)
        return NULL;
    json_t *figures = json_object();
    json_put_text(figures, "id", probe->id);
    put_known(figures, "cpu_us", usage.cpu_us);
    put_known(figures, "throttled_us", usage.throttled_us);
    put_known(figures, "mem_bytes", usage.mem_bytes);
    put_known(figures, "mem_limit_bytes", usage.mem_limit_bytes);
    put_known(figures, "oom_kills", usage.oom_kills);
    put_known(figures, "io_read_bytes", usage.io_read_bytes);
    put_known(figures, "io_write_bytes", usage.io_write_bytes);
    put_known(figures, "processes", usage.processes);
    put_network(figures, probe);
    return figures;
}

void containers_sample(json_t *sample)
{
    uint64_t generation = inventory_generation();
    if (generation == 0)
        return;
    pthread_mutex_lock(&sampled.mutex);
    if (generation != sampled.generation) {
        json_t *inventory = inventory_current();
        follow_inventory(inventory);
        json_decref(inventory);
    }
    sampled.generation = generation;
    json_t *containers = json_array();
    vec_each (&sampled.probes, struct probe, probe) {
        json_t *figures = figures_of(probe);
        if (figures)
            json_array_append_new(containers, figures);
    }
    pthread_mutex_unlock(&sampled.mutex);
    json_object_set_new(sample, "containers", containers);
}
