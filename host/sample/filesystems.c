/* Space and inodes of the real file systems.
 *
 * statfs(2) on a network file system whose server is away may take for ever, so the sampler never calls it: it orders a
 * round from a worker thread and takes the answers that are there. A worker that hangs in one mount is left behind with
 * that mount, which nobody is asked about again until the call returns; the others go on with the next worker.
 *
 *     sampler: read mountinfo (only when it changed) → order a round → wait a moment → report what is fresh
 *     worker:  for each mount that does not hang: statfs → store
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/sample/sections.h"
#include "host/thread.h"

#define FILE_CEILING 4194304 /* hundreds of containers have long lines */
#define MOST_MOUNTS 256
#define MOST_HUNG 8 /* threads left behind; with more, all answers are late */
#define WORD_SIZE 1024

struct mount {
    uint64_t id; /* never used again: a late answer finds its mount, or nobody */
    char *path, *type;
    char device[24]; /* "254:0" */
    bool hung;
    int64_t answered_us; /* 0: never yet */
    int failed_errno;
    struct statfs figures;
};

struct worker {
    struct filesystems *owner;
    bool left_behind;
    uint64_t asking; /* mount id; 0: none */
    int64_t asking_since_us;
};

struct filesystems {
    struct filesystems_setup setup;
    struct proc_file file; /* the sampler's, as is buf */
    struct buf buf;
    uint64_t last_id;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t ordered, answered;
    VEC(struct mount) mounts; /* changed by the sampler alone */
    uint64_t round_ordered, round_done;
    struct worker *worker; /* NULL: none could be started */
    size_t hung_count;
    bool slow; /* the last round was not done in time: do not wait for this one */
};

/* --- which mounts ---------------------------------------------------------------------------------------------------
 */

/* File systems that keep nothing on a disk of their own, or show again what another one keeps. */
static bool is_pseudo(const char *type)
{
    static const char *const types[] = {"proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "ramfs", "rootfs", "cgroup",
        "cgroup2", "cpuset", "overlay", "aufs", "squashfs", "erofs", "iso9660", "cramfs", "autofs", "mqueue",
        "hugetlbfs", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs", "fusectl", "binfmt_misc", "nsfs",
        "rpc_pipefs", "nfsd", "efivarfs", "selinuxfs", "smackfs", "apparmorfs", "resctrl", "pipefs", "sockfs",
        "anon_inodefs", "usbfs", "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal", "fuse.snapfuse", "fuse.squashfuse",
        "fuse.fuse-overlayfs", "fuse.archivemount", "fuse.rar2fs"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* Blanks, backslashes and newlines stand as three octal digits. */
static void decode_octal(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' && in[3] >= '0' &&
            in[3] <= '7') {
            *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
}

struct mount_line {
    char device[24], path[WORD_SIZE], type[64];
};

/* "36 35 98:0 /root-in-fs /mount/point rw,noatime [optional…] - ext3 /dev/root rw,errors=continue"
 * (proc_pid_mountinfo(5)) */
static bool parse_line(const char *at, struct mount_line *line)
{
    char word[WORD_SIZE];
    if (!proc_skip(&at, 2) || !proc_take_word(&at, line->device, sizeof line->device) || !proc_skip(&at, 1) ||
        !proc_take_word(&at, line->path, sizeof line->path) || !proc_skip(&at, 1))
        return false;
    do {
        if (!proc_take_word(&at, word, sizeof word))
            return false;
    } while (strcmp(word, "-") != 0);
    decode_octal(line->path);
    return proc_take_word(&at, line->type, sizeof line->type) &&
           (!is_pseudo(line->type) || strcmp(line->path, "/") == 0);
}

static struct mount *find_by_device(struct filesystems *all, const char *device, size_t until)
{
    for (size_t i = 0; i < until; i++)
        if (strcmp(all->mounts.items[i].device, device) == 0)
            return &all->mounts.items[i];
    return NULL;
}

static void free_mount(struct mount *mount)
{
    free(mount->path);
    free(mount->type);
}

/* Of several mounts of one device (bind mounts, subvolumes) the one with the shortest path stands for all. */
static void add_line(struct filesystems *all, const struct mount_line *line)
{
    struct mount *mount = find_by_device(all, line->device, all->mounts.count);
    if (mount && strlen(mount->path) <= strlen(line->path))
        return;
    if (!mount && all->mounts.count == MOST_MOUNTS)
        return;
    if (!mount)
        mount = vec_add(&all->mounts);
    free_mount(mount);
    *mount = (struct mount){.id = ++all->last_id, .path = xstrdup(line->path), .type = xstrdup(line->type)};
    str_copy(mount->device, sizeof mount->device, line->device);
}

/* What is known of a mount is kept as long as it stays the same one. Takes over its content. */
static void keep_known(struct mount *mount, struct mount *known)
{
    if (strcmp(known->path, mount->path) != 0 || strcmp(known->type, mount->type) != 0)
        return;
    struct mount swapped = *mount;
    *mount = *known;
    *known = swapped;
}

/* The caller holds the mutex. */
static void parse_mounts(struct filesystems *all)
{
    size_t known_count = all->mounts.count;
    struct mount *known = all->mounts.items;
    struct mount_line line;
    all->mounts.items = NULL;
    all->mounts.count = all->mounts.capacity = 0;
    for (const char *at = buf_text(&all->buf); at; at = proc_next_line(at))
        if (parse_line(at, &line))
            add_line(all, &line);
    for (size_t i = 0; i < known_count; i++) {
        struct mount *mount = find_by_device(all, known[i].device, all->mounts.count);
        if (mount)
            keep_known(mount, &known[i]);
        free_mount(&known[i]);
    }
    free(known);
}

/* The kernel says so when the table of mounts changed since it was read; an ordinary file (below --root) does not. */
static bool mounts_changed(struct filesystems *all)
{
    struct stat facts;
    struct pollfd table = {.fd = all->file.fd, .events = POLLPRI};
    if (all->file.fd < 0 || fstat(all->file.fd, &facts) != 0 || facts.st_size > 0)
        return true;
    return poll(&table, 1, 0) > 0 && (table.revents & (POLLPRI | POLLERR));
}

static void refresh_mounts(struct filesystems *all)
{
    if (!mounts_changed(all))
        return;
    proc_file_read(&all->file, &all->buf);
    pthread_mutex_lock(&all->mutex);
    parse_mounts(all);
    pthread_mutex_unlock(&all->mutex);
    buf_free(&all->buf); /* large and rarely needed */
}

/* --- the worker -----------------------------------------------------------------------------------------------------
 */

static struct mount *find_by_id(struct filesystems *all, uint64_t id)
{
    vec_each (&all->mounts, struct mount, mount)
        if (mount->id == id)
            return mount;
    return NULL;
}

/* The caller holds the mutex, which is given away meanwhile. The mount may be gone or another one afterwards. */
static void query(struct filesystems *all, struct worker *worker, const struct mount *mount)
{
    char path[HOST_PATH_SIZE];
    uint64_t id = mount->id;
    struct statfs figures;
    host_path(path, sizeof path, mount->path);
    worker->asking = id;
    worker->asking_since_us = clock_mono_us();
    pthread_mutex_unlock(&all->mutex);
    int failed = all->setup.query(path, &figures) == 0 ? 0 : errno;
    pthread_mutex_lock(&all->mutex);
    worker->asking = 0;
    struct mount *answered = find_by_id(all, id);
    if (!answered)
        return;
    answered->hung = false;
    answered->answered_us = clock_mono_us();
    answered->failed_errno = failed;
    if (!failed)
        answered->figures = figures;
}

/* The caller holds the mutex. Mounts may come and go meanwhile, so the next one is found by its number. */
static void do_round(struct filesystems *all, struct worker *worker)
{
    uint64_t after = 0;
    while (!worker->left_behind) {
        const struct mount *next = NULL;
        vec_each (&all->mounts, const struct mount, mount) {
            if (!mount->hung && mount->id > after && (!next || mount->id < next->id))
                next = mount;
        }
        if (!next)
            return;
        after = next->id;
        query(all, worker, next);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct filesystems *all = worker->owner;
    pthread_mutex_lock(&all->mutex);
    while (!worker->left_behind) {
        if (all->round_done == all->round_ordered) {
            pthread_cond_wait(&all->ordered, &all->mutex);
            continue;
        }
        uint64_t round = all->round_ordered;
        do_round(all, worker);
        if (worker->left_behind)
            break;
        all->round_done = round;
        pthread_cond_signal(&all->answered);
    }
    all->hung_count--;
    pthread_mutex_unlock(&all->mutex);
    free(worker);
    return NULL;
}

/* The caller holds the mutex. */
static void start_worker(struct filesystems *all)
{
    if (all->hung_count >= MOST_HUNG)
        return;
    struct worker *worker = xcalloc(1, sizeof *worker);
    worker->owner = all;
    if (thread_start(work, worker))
        all->worker = worker;
    else
        free(worker);
}

/* The caller holds the mutex. A worker that hangs is left behind with its mount. */
static void check_worker(struct filesystems *all)
{
    struct worker *worker = all->worker;
    if (worker && worker->asking && clock_mono_us() - worker->asking_since_us >= all->setup.hung_us) {
        struct mount *mount = find_by_id(all, worker->asking);
        if (mount)
            mount->hung = true;
        worker->left_behind = true;
        all->hung_count++;
        all->worker = NULL;
        all->slow = false; /* the next worker does not meet that mount */
    }
    if (!all->worker)
        start_worker(all);
}

/* --- the sample -----------------------------------------------------------------------------------------------------
 */

/* The caller holds the mutex. */
static void await_round(struct filesystems *all)
{
    struct timespec deadline = clock_timespec(clock_mono_us() + all->setup.wait_us);
    int outcome = 0;
    while (all->worker && !all->slow && all->round_done != all->round_ordered && outcome == 0)
        outcome = pthread_cond_clockwait(&all->answered, &all->mutex, CLOCK_MONOTONIC, &deadline);
    all->slow = all->round_done != all->round_ordered;
}

static void put_figures(json_t *object, const struct statfs *figures)
{
    uint64_t block = figures->f_frsize > 0 ? (uint64_t)figures->f_frsize : (uint64_t)figures->f_bsize;
    proc_put_u64(object, "total_bytes", figures->f_blocks * block);
    if (figures->f_blocks >= figures->f_bfree)
        proc_put_u64(object, "used_bytes", (figures->f_blocks - figures->f_bfree) * block);
    proc_put_u64(object, "available_bytes", figures->f_bavail * block);
    if (figures->f_files == 0)
        return; /* makes inodes as it needs them (btrfs), or does not tell */
    proc_put_u64(object, "inodes", figures->f_files);
    proc_put_u64(object, "inodes_free", figures->f_ffree);
}

/* The caller holds the mutex. False where a mount has not answered within the last interval. */
static bool put_mounts(const struct filesystems *all, json_t *list, int64_t oldest_us)
{
    bool complete = true;
    vec_each (&all->mounts, const struct mount, mount) {
        json_t *object = json_object();
        json_put_text(object, "mount", mount->path);
        json_put_text(object, "type", mount->type);
        bool is_fresh = !mount->hung && mount->answered_us > oldest_us;
        if (is_fresh && !mount->failed_errno)
            put_figures(object, &mount->figures);
        complete &= is_fresh;
        json_array_append_new(list, object);
    }
    return complete;
}

static bool sample_filesystems(void *state, json_t *sample, int64_t interval_us)
{
    struct filesystems *all = state;
    refresh_mounts(all);
    pthread_mutex_lock(&all->mutex);
    check_worker(all);
    all->round_ordered++;
    pthread_cond_broadcast(&all->ordered);
    await_round(all);
    json_t *list = json_array();
    bool complete = put_mounts(all, list, clock_mono_us() - interval_us - all->setup.hung_us);
    pthread_mutex_unlock(&all->mutex);
    json_object_set_new(sample, "filesystems", list);
    return complete;
}

void *filesystems_begin(const struct filesystems_setup *setup)
{
    struct filesystems *all = xcalloc(1, sizeof *all);
    all->setup = *setup;
    all->file = PROC_FILE("/proc/self/mountinfo");
    all->buf = BUF(FILE_CEILING);
    pthread_mutex_init(&all->mutex, NULL);
    pthread_cond_init(&all->ordered, NULL);
    pthread_cond_init(&all->answered, NULL);
    return all;
}

static void *begin(struct session *session)
{
    (void)session;
    return filesystems_begin(
        &(struct filesystems_setup){.query = statfs, .wait_us = 200 * USEC_PER_MSEC, .hung_us = 2 * USEC_PER_SEC});
}

const struct section section_filesystems = {.name = "filesystems", .begin = begin, .sample = sample_filesystems};
