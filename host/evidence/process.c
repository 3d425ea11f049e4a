/* Which processes are a container's: the kernel's own words, /proc/PID/cgroup and /proc/PID/ns/pid. The second finds
 * what moved to another control group, the first what made a PID namespace of its own. Any thread. */
#include "host/evidence/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "host/containers/runtime.h"
#include "host/path.h"

#define LINK_SIZE 64

bool process_read(int proc, const char *name, struct buf *out)
{
    char piece[1024];
    ssize_t got = -1;
    int fd = openat(proc, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    while ((got = read(fd, piece, sizeof piece)) > 0 && buf_append(out, piece, (size_t)got) == ERR_OK)
        continue;
    close(fd);
    return got >= 0;
}

bool process_link(int proc, const char *name, char *out, size_t out_size)
{
    ssize_t length = readlinkat(proc, name, out, out_size - 1);
    out[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static int open_proc(pid_t pid)
{
    char path[HOST_PATH_SIZE];
    host_path_format(path, sizeof path, "/proc/%d", (int)pid);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct sought {
    const char *id;
    char pid_namespace[LINK_SIZE]; /* "": that of the host, or unknown */
};

static void find_namespace(const json_t *container, struct sought *sought)
{
    int64_t pid = 0;
    char own[LINK_SIZE], path[HOST_PATH_SIZE];
    sought->pid_namespace[0] = '\0';
    if (!json_get_i64(container, "pid", &pid) || pid <= 0)
        return;
    int proc = open_proc((pid_t)pid);
    if (proc < 0)
        return;
    if (process_link(proc, "ns/pid", sought->pid_namespace, sizeof sought->pid_namespace)) {
        host_path(path, sizeof path, "/proc/self/ns/pid");
        ssize_t length = readlink(path, own, sizeof own - 1);
        own[length > 0 ? length : 0] = '\0';
        if (length <= 0 || strcmp(own, sought->pid_namespace) == 0)
            sought->pid_namespace[0] = '\0';
    }
    close(proc);
}

static bool is_sought(int proc, const struct sought *sought)
{
    char namespace[LINK_SIZE];
    struct buf groups = BUF(16384);
    bool found = process_read(proc, "cgroup", &groups) && strstr(buf_text(&groups), sought->id);
    buf_free(&groups);
    return found || (sought->pid_namespace[0] && process_link(proc, "ns/pid", namespace, sizeof namespace) &&
                        strcmp(namespace, sought->pid_namespace) == 0);
}

static int compare_pids(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

struct pids {
    pid_t *items;
    size_t count, capacity;
};

static enum err list_pids(struct pids *pids, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    int64_t pid;
    DIR *directory = opendir(host_path(path, sizeof path, "/proc"));
    if (!directory)
        return err_errno(info, err_from_errno(errno), errno, "cannot list the processes of this host");
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (str_to_i64(entry->d_name, 1, INT32_MAX, &pid))
            vec_push(pids, (pid_t)pid);
    closedir(directory);
    if (pids->count)
        qsort(pids->items, pids->count, sizeof *pids->items, compare_pids);
    return ERR_OK;
}

enum err process_each(struct evidence *evidence, const json_t *container, process_visitor *visit, void *context,
    size_t *count, struct err_info *info)
{
    char label[EVIDENCE_LABEL_SIZE];
    struct pids pids = {0};
    struct sought sought = {.id = json_get_text(container, "id")};
    size_t visited = 0;
    if (!runtime_id_is_valid(sought.id))
        return ERR_OK;
    find_namespace(container, &sought);
    enum err result = list_pids(&pids, info);
    for (size_t i = 0; i < pids.count && result == ERR_OK; i++) {
        int proc = open_proc(pids.items[i]);
        if (proc < 0)
            continue;
        if (is_sought(proc, &sought) && ++visited <= PROCESS_MOST)
            result = visit(evidence, container, pids.items[i], proc, context, info);
        close(proc);
        if (result == ERR_OK && !evidence_tick(evidence))
            result = evidence_given_up(info);
    }
    vec_free(&pids);
    if (visited > PROCESS_MOST)
        evidence_leave_out(evidence, evidence_label(container, label),
            "%zu of its %zu processes: the first %d are taken", visited - PROCESS_MOST, visited, PROCESS_MOST);
    if (count)
        *count = visited < PROCESS_MOST ? visited : PROCESS_MOST;
    return result;
}
