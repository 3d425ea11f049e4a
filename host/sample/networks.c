/* The host's own network interfaces, from /proc/net/dev (proc_pid_net(5)). Where there are devices with hardware (or a
 * virtual machine's) behind them, only those count: bridges, bonds, VLANs and tunnels carry the same bytes again. A
 * host without any (it is itself a container) has its interfaces told apart by name. The sampler's thread. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/sample/sections.h"

#define FILE_CEILING 1048576
#define MOST_INTERFACES 256
#define NAME_BYTES 32 /* IFNAMSIZ is 16 */

struct interface {
    char name[NAME_BYTES];
    bool has_device;
    uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
};

struct networks {
    struct proc_file file;
    struct buf buf;
    VEC(struct interface) found; /* kept for its memory */
};

static void *begin(struct session *session)
{
    (void)session;
    struct networks *networks = xcalloc(1, sizeof *networks);
    networks->file = PROC_FILE("/proc/net/dev");
    networks->buf = BUF(FILE_CEILING);
    return networks;
}

/* The containers' side, and what carries again what another interface carried. */
static bool is_left_out(const char *name)
{
    static const char *const prefixes[] = {"veth", "docker", "br-", "cni", "podman", "virbr", "vnet", "lxcbr", "lxdbr",
        "ifb", "dummy", "tunl", "sit", "gre", "erspan", "ip6tnl", "ip_vti", "ip6_vti", "flannel", "cali", "wg"};
    if (strcmp(name, "lo") == 0)
        return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(name, prefixes[i]))
            return true;
    return false;
}

/* "  eth0: RX-BYTES packets ERRORS drop fifo frame compressed multicast TX-BYTES packets ERRORS …". The name may touch
 * its first figure. */
static bool parse_interface(const char *line, struct interface *interface)
{
    char path[HOST_PATH_SIZE];
    const char *name = line + strspn(line, " ");
    size_t length = strcspn(name, ":\n");
    if (name[length] != ':' || length == 0 || length >= sizeof interface->name)
        return false;
    memcpy(interface->name, name, length);
    interface->name[length] = '\0';
    if (is_left_out(interface->name) || strchr(interface->name, '/'))
        return false;
    const char *at = name + length + 1;
    if (!proc_take_u64(&at, &interface->rx_bytes) || !proc_skip(&at, 1) || !proc_take_u64(&at, &interface->rx_errors) ||
        !proc_skip(&at, 5) || !proc_take_u64(&at, &interface->tx_bytes) || !proc_skip(&at, 1) ||
        !proc_take_u64(&at, &interface->tx_errors))
        return false;
    host_path_format(path, sizeof path, "/sys/class/net/%s/device", interface->name);
    interface->has_device = access(path, F_OK) == 0;
    return true;
}

static void put_interface(json_t *list, const struct interface *interface)
{
    json_t *object = json_object();
    json_put_text(object, "name", interface->name);
    proc_put_u64(object, "rx_bytes", interface->rx_bytes);
    proc_put_u64(object, "tx_bytes", interface->tx_bytes);
    proc_put_u64(object, "rx_errors", interface->rx_errors);
    proc_put_u64(object, "tx_errors", interface->tx_errors);
    json_array_append_new(list, object);
}

static bool sample_networks(void *state, json_t *sample, int64_t interval_us)
{
    (void)interval_us;
    struct networks *networks = state;
    if (!proc_file_read(&networks->file, &networks->buf))
        return true;
    bool any_device = false;
    vec_clear(&networks->found);
    for (const char *line = buf_text(&networks->buf); line && networks->found.count < MOST_INTERFACES;
         line = proc_next_line(line)) {
        struct interface interface;
        if (!parse_interface(line, &interface))
            continue;
        vec_push(&networks->found, interface);
        any_device |= interface.has_device;
    }
    json_t *list = json_array();
    vec_each (&networks->found, const struct interface, interface) {
        if (interface->has_device == any_device)
            put_interface(list, interface);
    }
    json_object_set_new(sample, "networks", list);
    return true;
}

const struct section section_networks = {.name = "networks", .begin = begin, .sample = sample_networks};
