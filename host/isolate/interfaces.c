/* A veth on the host bears the ID of the network namespace in which its other end is (IFLA_LINK_NETNSID, rtnetlink(7));
 * the kernel tells which ID a namespace has (RTM_GETNSID). So it does not matter how interfaces are called or numbered
 * inside, nor what is mounted there. The namespaces are those of all processes in the container's control group: one
 * that has made a namespace of its own and moved its interface there is found as well. */
#include "host/isolate/interfaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "host/containers/stored.h"
#include "host/path.h"

#define MOST_NAMESPACES 64 /* of one container */
#define GROUPS_CEILING (64u * 1024)
#define DEVICES_CEILING (256u * 1024)

/* --- rtnetlink ------------------------------------------------------------------------------------------------------
 */

/* A veth of this host and the namespace of its other end. */
struct veth {
    char name[IFNAMSIZ];
    int peer; /* namespace ID */
};
struct veths {
    VEC(struct veth) list;
};

static enum err open_route(int *fd, struct err_info *info)
{
    const struct timeval limit = {.tv_sec = 2};
    *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (*fd < 0)
        return err_errno(info, ERR_IO, errno, "cannot ask the kernel for network interfaces");
    setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return ERR_OK;
}

/* Attributes one after the other; RTA_NEXT(3) mixes signs. */
struct attributes {
    const char *at;
    size_t left;
};

static struct attributes attributes_of(const struct nlmsghdr *message, size_t head_size)
{
    size_t skipped = NLMSG_SPACE(head_size);
    if (message->nlmsg_len < skipped)
        return (struct attributes){0};
    return (struct attributes){(const char *)message + skipped, message->nlmsg_len - skipped};
}

static const struct rtattr *next_attribute(struct attributes *attributes)
{
    const struct rtattr *attribute = (const void *)attributes->at;
    if (attributes->left < sizeof *attribute || attribute->rta_len < sizeof *attribute ||
        attribute->rta_len > attributes->left)
        return NULL;
    size_t step = (attribute->rta_len + RTA_ALIGNTO - 1) & ~(size_t)(RTA_ALIGNTO - 1);
    step = step < attributes->left ? step : attributes->left;
    attributes->at += step;
    attributes->left -= step;
    return attribute;
}

static size_t size_of(const struct rtattr *attribute)
{
    return attribute->rta_len - RTA_LENGTH(0);
}

/* Kinds of links are told as text in a nested attribute. */
static bool is_veth(const struct rtattr *link_info)
{
    struct attributes nested = {RTA_DATA(link_info), size_of(link_info)};
    for (const struct rtattr *at; (at = next_attribute(&nested));)
        if (at->rta_type == IFLA_INFO_KIND)
            return size_of(at) >= 4 && strncmp(RTA_DATA(at), "veth", size_of(at)) == 0;
    return false;
}

static void take_link(const struct nlmsghdr *message, struct veths *veths)
{
    struct veth veth = {.peer = -1};
    bool right_kind = false;
    struct attributes attributes = attributes_of(message, sizeof(struct ifinfomsg));
    for (const struct rtattr *at; (at = next_attribute(&attributes));) {
        if (at->rta_type == IFLA_IFNAME && size_of(at) <= sizeof veth.name)
            memcpy(veth.name, RTA_DATA(at), size_of(at)); /* with its NUL */
        else if (at->rta_type == IFLA_LINK_NETNSID && size_of(at) == sizeof veth.peer)
            memcpy(&veth.peer, RTA_DATA(at), sizeof veth.peer);
        else if ((at->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
            right_kind = is_veth(at);
    }
    veth.name[sizeof veth.name - 1] = '\0';
    if (right_kind && veth.peer >= 0 && veth.name[0])
        vec_push(&veths->list, veth);
}

/* One datagram of the dump; false at its end, *why then an errno or 0. */
static bool take_answer(const char *bytes, size_t length, struct veths *veths, int *why)
{
    for (const struct nlmsghdr *message = (const void *)bytes; NLMSG_OK(message, length);
         message = NLMSG_NEXT(message, length)) {
        if (message->nlmsg_type == NLMSG_ERROR)
            *why = -((const struct nlmsgerr *)NLMSG_DATA(message))->error;
        if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
            return false;
        if (message->nlmsg_type == RTM_NEWLINK)
            take_link(message, veths);
    }
    return true;
}

static enum err list_veths(int fd, struct veths *veths, struct err_info *info)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } ask = {.head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    _Alignas(struct nlmsghdr) char bytes[32768];
    int why = 0;
    if (send(fd, &ask, sizeof ask, 0) < 0)
        return err_errno(info, ERR_IO, errno, "cannot ask the kernel for network interfaces");
    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            return err_errno(info, ERR_IO, got < 0 ? errno : EPIPE, "the kernel does not list network interfaces");
        if (!take_answer(bytes, (size_t)got, veths, &why))
            break;
    }
    return why ? err_errno(info, ERR_IO, why, "the kernel does not list network interfaces") : ERR_OK;
}

/* The ID by which this host's namespace knows that one; -1 where it has none: then nothing leads there. */
static int namespace_id(int route_fd, int namespace_fd)
{
    struct {
        struct nlmsghdr head;
        struct rtgenmsg family;
        char padding[NLMSG_ALIGN(sizeof(struct rtgenmsg)) - sizeof(struct rtgenmsg)];
        struct rtattr attribute;
        int fd;
    } ask = {.head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETNSID, .nlmsg_flags = NLM_F_REQUEST},
        .attribute = {.rta_len = RTA_LENGTH(sizeof(int)), .rta_type = NETNSA_FD},
        .fd = namespace_fd};
    _Alignas(struct nlmsghdr) char bytes[4096];
    int id = -1;
    if (send(route_fd, &ask, sizeof ask, 0) < 0)
        return -1;
    ssize_t got = recv(route_fd, bytes, sizeof bytes, 0);
    const struct nlmsghdr *message = (const void *)bytes;
    if (got <= 0 || !NLMSG_OK(message, (size_t)got) || message->nlmsg_type != RTM_NEWNSID)
        return -1;
    struct attributes attributes = attributes_of(message, sizeof(struct rtgenmsg));
    for (const struct rtattr *at; (at = next_attribute(&attributes));)
        if (at->rta_type == NETNSA_NSID && size_of(at) == sizeof id)
            memcpy(&id, RTA_DATA(at), sizeof id);
    return id;
}

/* --- namespaces of a container --------------------------------------------------------------------------------------
 */

struct network {
    ino_t inode;
    int fd;
    pid_t pid; /* a process in it */
};
struct networks {
    VEC(struct network) list;
};

static bool network_inode(const char *pid, ino_t *inode)
{
    char path[HOST_PATH_SIZE];
    struct stat facts;
    host_path_format(path, sizeof path, "/proc/%s/ns/net", pid);
    if (stat(path, &facts) != 0)
        return false;
    *inode = facts.st_ino;
    return true;
}

static bool has_network(const struct networks *networks, ino_t inode)
{
    for (size_t i = 0; i < networks->list.count; i++)
        if (networks->list.items[i].inode == inode)
            return true;
    return false;
}

static bool is_in_group(const char *pid, const char *id)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(GROUPS_CEILING);
    host_path_format(path, sizeof path, "/proc/%s/cgroup", pid);
    bool found = buf_read_file(&text, path, NULL) == ERR_OK && strstr(buf_text(&text), id);
    buf_free(&text);
    return found;
}

static void add_network(struct networks *networks, const char *pid, ino_t inode)
{
    char path[HOST_PATH_SIZE];
    int64_t number = 0;
    host_path_format(path, sizeof path, "/proc/%s/ns/net", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && str_to_i64(pid, 1, INT32_MAX, &number))
        vec_push(&networks->list, ((struct network){inode, fd, (pid_t)number}));
    else if (fd >= 0)
        close(fd);
}

/* All processes of the host are looked at, but only those in a network that is neither the host's nor known already
 * closer: a few milliseconds. */
static void find_networks(const char *main_pid, const char *id, ino_t own, struct networks *networks)
{
    char path[HOST_PATH_SIZE];
    ino_t inode;
    if (network_inode(main_pid, &inode) && inode != own)
        add_network(networks, main_pid, inode);
    DIR *proc = opendir(host_path(path, sizeof path, "/proc"));
    for (const struct dirent *entry; proc && (entry = readdir(proc)) && networks->list.count < MOST_NAMESPACES;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !network_inode(entry->d_name, &inode))
            continue;
        if (inode != own && !has_network(networks, inode) && is_in_group(entry->d_name, id))
            add_network(networks, entry->d_name, inode);
    }
    if (proc)
        closedir(proc);
}

/* Interfaces but for the loopback one, and for those that the kernel makes in every namespace by itself and that lead
 * nowhere without another one. */
static size_t count_devices(pid_t pid)
{
    static const char *const harmless[] = {
        "lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip6gre0", "ip_vti0", "ip6_vti0"};
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(DEVICES_CEILING);
    size_t count = 0;
    host_path_format(path, sizeof path, "/proc/%d/net/dev", (int)pid);
    buf_read_file(&text, path, NULL);
    for (const char *line = buf_text(&text); line; line = strchr(line, '\n')) {
        line += strspn(line, " \n");
        const char *colon = line + strcspn(line, ":\n");
        bool counts = *colon == ':';
        for (size_t i = 0; counts && i < sizeof harmless / sizeof *harmless; i++)
            counts = strlen(harmless[i]) != (size_t)(colon - line) ||
                     strncmp(harmless[i], line, (size_t)(colon - line)) != 0;
        count += counts;
    }
    buf_free(&text);
    return count;
}

/* --- together -------------------------------------------------------------------------------------------------------
 */

void isolate_add_uncut(struct isolate_found *found, const char *name, const char *id, const char *format, ...)
{
    struct isolate_uncut *uncut = vec_add(&found->uncut);
    va_list args;
    struct buf text = BUF(sizeof uncut->why - 1);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    str_copy(uncut->container, sizeof uncut->container, name);
    str_copy(uncut->id, sizeof uncut->id, id);
    str_copy(uncut->why, sizeof uncut->why, buf_text(&text));
    buf_free(&text);
}

static void add_interface(struct isolate_found *found, const char *container, const char *name)
{
    vec_each (&found->interfaces, const struct isolate_interface, known)
        if (strcmp(known->name, name) == 0)
            return;
    struct isolate_interface *interface = vec_add(&found->interfaces);
    str_copy(interface->container, sizeof interface->container, container);
    str_copy(interface->name, sizeof interface->name, name);
}

static size_t add_veths(struct isolate_found *found, const char *container, const struct veths *veths, int namespace)
{
    size_t count = 0;
    vec_each (&veths->list, const struct veth, veth) {
        if (namespace < 0 || veth->peer != namespace)
            continue;
        add_interface(found, container, veth->name);
        count++;
    }
    return count;
}

struct search {
    int route_fd;
    ino_t own; /* the host's network */
    struct veths veths;
};

static void find_of_container(
    const struct search *search, const char *name, const char *id, int64_t pid, struct isolate_found *found)
{
    char main_pid[24];
    struct networks networks = {0};
    ino_t inode;
    str_format(main_pid, sizeof main_pid, "%lld", (long long)pid);
    if (!network_inode(main_pid, &inode))
        return; /* it has just ended */
    if (inode == search->own)
        isolate_add_uncut(
            found, name, id, "it uses the network of the host itself: it cannot be cut off, so it is frozen");
    struct isolate_count *count = vec_add(&found->counts);
    str_copy(count->id, sizeof count->id, id);
    find_networks(main_pid, id, search->own, &networks);
    vec_each (&networks.list, const struct network, network) {
        size_t cut = add_veths(found, name, &search->veths, namespace_id(search->route_fd, network->fd));
        size_t there = count_devices(network->pid);
        count->interfaces += cut;
        if (there > cut)
            isolate_add_uncut(found, name, id,
                "%zu of its interfaces have no end on the host to be cut at, so it is frozen", there - cut);
        close(network->fd);
    }
    vec_free(&networks.list);
}

static bool is_alive(const json_t *container)
{
    const char *state = json_get_text(container, "state");
    return state && (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
                        strcmp(state, "restarting") == 0 || strcmp(state, "stopping") == 0);
}

enum err isolate_find(const json_t *containers, struct isolate_found *found, struct err_info *info)
{
    struct search search = {0};
    *found = (struct isolate_found){0};
    enum err result = open_route(&search.route_fd, info);
    if (result != ERR_OK)
        return result;
    result = list_veths(search.route_fd, &search.veths, info);
    if (result == ERR_OK && !network_inode("self", &search.own))
        result = err_errno(info, ERR_IO, errno, "cannot see the host's own network");
    for (size_t i = 0; result == ERR_OK && i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        const char *name = json_get_text(container, "name"), *id = json_get_text(container, "id");
        int64_t pid = 0;
        if (name && runtime_id_is_valid(id) && is_alive(container) && json_get_i64(container, "pid", &pid) && pid > 0)
            find_of_container(&search, name, id, pid, found);
    }
    vec_free(&search.veths.list);
    close(search.route_fd);
    return result;
}

/* --- a glance -------------------------------------------------------------------------------------------------------
 */

/* The first 64 hexadecimal digits in a row in the names of a process's control groups. */
static bool group_id(const char *pid, char id[RUNTIME_ID_SIZE])
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(GROUPS_CEILING);
    bool found = false;
    host_path_format(path, sizeof path, "/proc/%s/cgroup", pid);
    buf_read_file(&text, path, NULL);
    for (const char *at = buf_text(&text); *at && !found;) {
        size_t digits = strspn(at, "0123456789abcdef");
        found = digits == RUNTIME_ID_SIZE - 1;
        if (found)
            memcpy(id, at, digits);
        at += digits ? digits : 1;
    }
    id[RUNTIME_ID_SIZE - 1] = '\0';
    buf_free(&text);
    return found;
}

static bool is_listed(const json_t *list, const char *id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *known = json_get_text(json_array_get(list, i), "id");
        if (known && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

/* `seen` are the IDs that were looked up already, whosever they are. */
static void glance_at(const char *pid, const char *site, json_t *seen, json_t *containers)
{
    char id[RUNTIME_ID_SIZE], of[NAME_SIZE], name[CONTAINER_NAME_SIZE];
    int64_t number;
    if (!group_id(pid, id) || is_listed(seen, id) || !str_to_i64(pid, 1, INT32_MAX, &number))
        return;
    json_array_append_new(seen, json_pack("{s:s}", "id", id));
    enum runtime_kind kind = RUNTIME_PODMAN;
    while (kind < RUNTIME_COUNT && !stored_find(kind, id, of, name))
        kind++;
    if (kind < RUNTIME_COUNT && strcmp(of, site) == 0)
        json_array_append_new(containers, json_pack("{s:s,s:s,s:s,s:s,s:I}", "name", name, "id", id, "runtime",
                                              runtime_name(kind), "state", "running", "pid", (json_int_t)number));
}

json_t *isolate_glance(const char *site)
{
    char path[HOST_PATH_SIZE];
    ino_t own, inode;
    json_t *seen = json_array(), *containers = json_array();
    DIR *proc = network_inode("self", &own) ? opendir(host_path(path, sizeof path, "/proc")) : NULL;
    for (const struct dirent *entry; proc && (entry = readdir(proc));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && network_inode(entry->d_name, &inode) && inode != own)
            glance_at(entry->d_name, site, seen, containers);
    if (proc)
        closedir(proc);
    json_decref(seen);
    return containers;
}

void isolate_found_free(struct isolate_found *found)
{
    vec_free(&found->interfaces);
    vec_free(&found->uncut);
    vec_free(&found->counts);
}
