/* ss(8) asks the kernel to destroy sockets (sock_diag(7), Linux 4.9 with INET_DIAG_DESTROY); it works on those of
 * frozen processes too. What is left afterwards is counted by ss again. The host's own ss runs in the container's
 * network, and in nothing else of it. */
#include "host/isolate/connections.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"
#include "host/run.h"

#define SS_LIMIT_US (10 * USEC_PER_SEC)
#define LIST_CEILING (4u * 1024 * 1024)

static const char *const enter_programs[] = {"/usr/bin/nsenter", "/bin/nsenter", "/usr/sbin/nsenter", NULL};
static const char *const ss_programs[] = {"/usr/bin/ss", "/bin/ss", "/usr/sbin/ss", "/sbin/ss", NULL};

static bool find(const char *const *candidates, char out[HOST_PATH_SIZE])
{
    for (; *candidates; candidates++) {
        const char *const one[] = {host_path(out, HOST_PATH_SIZE, *candidates), NULL};
        if (run_find(one))
            return true;
    }
    return false;
}

static int64_t count_lines(const struct buf *text)
{
    int64_t count = 0;
    for (const char *at = buf_text(text); (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static bool is_own_network(int64_t pid)
{
    char path[HOST_PATH_SIZE];
    struct stat own, other;
    return stat(host_path(path, sizeof path, "/proc/self/ns/net"), &own) == 0 &&
           stat(host_path_format(path, sizeof path, "/proc/%lld/ns/net", (long long)pid), &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* How many lines ss says of connections in that network; with `kill` it ends them. */
static enum err ask_ss(int64_t pid, bool kill, int64_t *count, struct err_info *info)
{
    char enter[HOST_PATH_SIZE], ss[HOST_PATH_SIZE], number[24];
    struct buf said = BUF(LIST_CEILING);
    int status;
    *count = 0;
    if (!find(enter_programs, enter) || !find(ss_programs, ss))
        return err_set(info, ERR_NOT_FOUND, "nsenter (util-linux) or ss (iproute2) is not installed on this host");
    str_format(number, sizeof number, "%lld", (long long)pid);
    const char *const argv[] = {enter, "-t", number, "-n", "--", ss, kill ? "-HntuK" : "-Hntu", "state", "connected",
        "exclude", "time-wait", NULL};
    enum err result = run_program(argv, SS_LIMIT_US, &said, NULL, &status, info);
    if (result == ERR_OK && status == 0)
        *count = count_lines(&said);
    buf_free(&said);
    return result;
}

enum err connections_kill(const json_t *containers, int64_t *killed, int64_t *left, struct err_info *info)
{
    enum err result = ERR_OK;
    *killed = *left = 0;
    for (size_t i = 0; i < json_array_size(containers) && result == ERR_OK; i++) {
        const json_t *container = json_array_get(containers, i);
        int64_t pid = 0, before, after;
        if (!json_get_i64(container, "pid", &pid) || pid <= 0 || is_own_network(pid))
            continue;
        result = ask_ss(pid, true, &before, info);
        if (result == ERR_OK)
            result = ask_ss(pid, false, &after, info);
        if (result != ERR_OK)
            continue;
        *killed += before;
        *left += after;
    }
    return result;
}
