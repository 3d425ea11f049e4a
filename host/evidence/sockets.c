/* Who talks to whom: the kernel's own tables of the container's network namespace, read through /proc/PID/net without
 * entering it, and the same as ss(8) tells it, with the processes. One thread per request. */
#include "host/evidence/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"

#define TABLE_LIMIT ((int64_t)64 << 20)

static const char *const tables[] = {"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix", "packet", "netlink", "route",
    "ipv6_route", "arp", "dev", "if_inet6", NULL};
static const char *const enter_programs[] = {"/usr/bin/nsenter", "/bin/nsenter", "/usr/sbin/nsenter", NULL};
static const char *const ss_programs[] = {"/usr/bin/ss", "/bin/ss", "/usr/sbin/ss", "/sbin/ss", NULL};

static enum err keep_table(
    struct evidence *evidence, int64_t pid, const char *label, const char *table, struct err_info *info)
{
    char path[HOST_PATH_SIZE], name[OUTPUT_NAME_SIZE];
    host_path_format(path, sizeof path, "/proc/%lld/net/%s", (long long)pid, table);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_OK; /* not every kernel has every table */
    str_format(name, sizeof name, "sockets/%s/net-%s", label, table);
    enum err result = output_copy(evidence, fd, TABLE_LIMIT, name, info);
    close(fd);
    return result;
}

/* ss is the host's own program with the container's network; -n: it asks no name server. */
static enum err keep_ss(struct evidence *evidence, int64_t pid, const char *label, struct err_info *info)
{
    char enter[HOST_PATH_SIZE], ss[HOST_PATH_SIZE], number[24], name[OUTPUT_NAME_SIZE];
    str_format(name, sizeof name, "sockets/%s/ss.txt", label);
    if (!evidence_program(enter_programs, enter) || !evidence_program(ss_programs, ss)) {
        evidence_leave_out(evidence, name, "nsenter (util-linux) or ss (iproute2) is not installed on this host");
        return ERR_OK;
    }
    str_format(number, sizeof number, "%lld", (long long)pid);
    const char *const argv[] = {enter, "-t", number, "-n", "--", ss, "-tuwxanpoei", NULL};
    return output_program(
        evidence, &(struct output_run){.argv = argv, .name = name, .limit = TABLE_LIMIT, .keep = true}, info);
}

enum err stage_sockets(struct evidence *evidence, struct err_info *info)
{
    json_t *container;
    size_t i;
    enum err result = ERR_OK;
    json_array_foreach (evidence->containers, i, container) {
        char label[EVIDENCE_LABEL_SIZE];
        int64_t pid = 0;
        evidence_label(container, label);
        if (!json_get_i64(container, "pid", &pid) || pid <= 0) {
            evidence_leave_out(evidence, label, "it does not run: it has no sockets");
            continue;
        }
        result = keep_ss(evidence, pid, label, info);
        for (size_t k = 0; tables[k] && result == ERR_OK; k++)
            result = keep_table(evidence, pid, label, tables[k], info);
        if (result != ERR_OK)
            break;
    }
    return result;
}
