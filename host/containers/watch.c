/* Groups of containers are made and removed with mkdir(2) and rmdir(2), and frozen with write(2), by the engines'
 * runtimes or systemd: inotify reports these on v1 and on v2 (it does not report what the kernel itself does in them).
 * A container that ends by itself is noticed by its pidfd, even before its engine does. Containers that are made or
 * removed without running, and named volumes, are directories in the engines' stores. No timers: idle costs nothing.
 * Belongs to the inventory's thread. */
#include "host/containers/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/containers/cgroup.h"
#include "host/containers/health_watch.h"
#include "host/site/lease.h"
#include "host/site/mark.h"

#define LOOK_AT_PIDS_US USEC_PER_SEC /* where pidfd_open(2) is missing (Linux < 5.3) */
#define ID_LENGTH (RUNTIME_ID_SIZE - 1)
#define MOST_STORES 12

struct watched {
    struct watch_event about;
    pid_t pid;
    int pidfd;   /* -1: none, or its end was reported */
    bool ended;  /* reported */
    int freezer; /* watch descriptor, -1: none */
    bool wanted;
};

/* A directory of an engine in which containers or volumes appear. */
struct store {
    enum runtime_kind kind;
    bool of_containers;
    int descriptor;
};

struct watch {
    int wake_fd;
    int inotify_fd; /* -1: none */
    struct cgroup_mounts mounts;
    int root_descriptor;              /* of the hierarchy's root: new parents appear there */
    int marks_descriptor;             /* of the directory of marks; -1: none */
    struct store stores[MOST_STORES]; /* those that are there */
    size_t store_count;
    struct health_watch *health;
    VEC(struct watched) containers;
};

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

struct watch *watch_new(void)
{
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch->root_descriptor = watch->marks_descriptor = -1;
    watch->health = health_watch_new();
    if (watch->inotify_fd < 0)
        log_warning("new containers are noticed late: no inotify: %s", strerror(errno));
    return watch;
}

static void stop_watching(struct watch *watch, struct watched *container)
{
    if (container->pidfd >= 0)
        close(container->pidfd);
    if (container->freezer >= 0)
        inotify_rm_watch(watch->inotify_fd, container->freezer);
    container->pidfd = container->freezer = -1;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    vec_each (&watch->containers, struct watched, container)
        stop_watching(watch, container);
    vec_free(&watch->containers);
    health_watch_free(watch->health);
    if (watch->inotify_fd >= 0)
        close(watch->inotify_fd);
    close(watch->wake_fd);
    free(watch);
}

bool watch_sees_starts(const struct watch *watch)
{
    return watch->inotify_fd >= 0 && watch->root_descriptor >= 0;
}

static bool has_store(const struct watch *watch, enum runtime_kind kind)
{
    for (size_t i = 0; i < watch->store_count; i++)
        if (watch->stores[i].kind == kind && watch->stores[i].of_containers)
            return true;
    return false;
}

bool watch_sees_all(const struct watch *watch, enum runtime_kind kind)
{
    vec_each (&watch->containers, const struct watched, container)
        if (container->about.kind == kind && container->ended)
            return false;
    return watch_sees_starts(watch) && has_store(watch, kind) && !health_watch_misses(watch->health, kind);
}

void watch_wake(struct watch *watch)
{
    uint64_t one = 1;
    ssize_t ignored = write(watch->wake_fd, &one, sizeof one);
    (void)ignored;
}

/* --- what to watch --------------------------------------------------------------------------------------------------
 */

static int watch_directory(struct watch *watch, const char *path)
{
    return inotify_add_watch(watch->inotify_fd, path, IN_CREATE | IN_DELETE | IN_ONLYDIR);
}

/* Where engines make groups, besides where the known containers have theirs. */
static const char *const usual_parents[] = {"libpod_parent", "machine.slice", "docker", "system.slice"};

static void watch_parents(struct watch *watch)
{
    char root[HOST_PATH_SIZE], path[HOST_PATH_SIZE];
    const char *controller;
    if (watch->mounts.count == 0)
        cgroup_mounts_load(&watch->mounts);
    if (watch->inotify_fd < 0 || !cgroup_watch_root(&watch->mounts, &controller, root))
        return;
    watch->root_descriptor = watch_directory(watch, root);
    for (size_t i = 0; i < sizeof usual_parents / sizeof *usual_parents; i++)
        if (str_format(path, sizeof path, "%s/%s", root, usual_parents[i]))
            watch_directory(watch, path);
    for (size_t i = 0; i < watch->containers.count; i++) {
        const struct watched *container = &watch->containers.items[i];
        if (cgroup_find(&watch->mounts, container->pid, container->about.id, controller, path)) {
            *strrchr(path, '/') = '\0';
            watch_directory(watch, path);
        }
    }
}

static void watch_store(struct watch *watch, enum runtime_kind kind, bool of_containers, const char *store)
{
    char path[HOST_PATH_SIZE];
    int descriptor = watch_directory(watch, host_path(path, sizeof path, store));
    if (descriptor >= 0 && watch->store_count < MOST_STORES)
        watch->stores[watch->store_count++] = (struct store){kind, of_containers, descriptor};
}

/* Anew each time: watching a directory again gives the same descriptor, and one that came since is found. */
static void watch_stores(struct watch *watch)
{
    watch->store_count = 0;
    for (enum runtime_kind kind = 0; watch->inotify_fd >= 0 && kind < RUNTIME_COUNT; kind++) {
        for (const char *const *store = runtime_container_stores(kind); *store; store++)
            watch_store(watch, kind, true, *store);
        watch_store(watch, kind, false, runtime_volume_store(kind));
    }
}

/* The directory is made where it is missing: the first mark is to be seen as well. */
static void watch_marks(struct watch *watch)
{
    char path[HOST_PATH_SIZE];
    host_path(path, sizeof path, MARK_DIRECTORY);
    if (watch->inotify_fd >= 0 && paths_make_dir(path, NULL) == ERR_OK)
        watch->marks_descriptor = inotify_add_watch(watch->inotify_fd, path, IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
}

static void watch_freezer(struct watch *watch, struct watched *container)
{
    char path[HOST_PATH_SIZE];
    bool v2 = cgroup_is_v2(&watch->mounts);
    if (watch->inotify_fd < 0 ||
        !cgroup_find(&watch->mounts, container->pid, container->about.id, v2 ? "" : "freezer", path))
        return;
    size_t length = strlen(path);
    if (str_format(path + length, sizeof path - length, v2 ? "/cgroup.freeze" : "/freezer.state"))
        container->freezer = inotify_add_watch(watch->inotify_fd, path, IN_MODIFY);
}

static void want(struct watch *watch, const json_t *entry)
{
    int64_t pid;
    const char *id = json_get_text(entry, "id");
    enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
    if (!id || kind == RUNTIME_COUNT || !json_get_i64(entry, "pid", &pid) || pid <= 0 || pid > INT32_MAX)
        return;
    vec_each (&watch->containers, struct watched, known) {
        if (known->pid == (pid_t)pid && strcmp(known->about.id, id) == 0) {
            known->wanted = true;
            return;
        }
    }
    struct watched *container = vec_add(&watch->containers);
    *container = (struct watched){.about.kind = kind, .pid = (pid_t)pid, .freezer = -1, .wanted = true};
    str_copy(container->about.id, sizeof container->about.id, id);
    container->pidfd = open_pidfd(container->pid);
    watch_freezer(watch, container);
}

void watch_follow(struct watch *watch, const json_t *inventory)
{
    const json_t *containers = json_object_get(inventory, "containers");
    if (watch->mounts.count == 0)
        cgroup_mounts_load(&watch->mounts);
    vec_each (&watch->containers, struct watched, container)
        container->wanted = false;
    for (size_t i = 0; i < json_array_size(containers); i++)
        want(watch, json_array_get(containers, i));
    size_t kept = 0;
    for (size_t i = 0; i < watch->containers.count; i++) {
        if (watch->containers.items[i].wanted)
            watch->containers.items[kept++] = watch->containers.items[i];
        else
            stop_watching(watch, &watch->containers.items[i]);
    }
    watch->containers.count = kept;
    watch_parents(watch);
    watch_stores(watch);
    watch_marks(watch);
    health_watch_follow(watch->health, inventory);
}

/* --- what happened --------------------------------------------------------------------------------------------------
 */

bool watch_parse_group(const char *name, struct watch_event *event)
{
    static const struct {
        const char *before, *behind;
        enum runtime_kind kind;
    } shapes[] = {{"libpod-", "", RUNTIME_PODMAN}, {"libpod-", ".scope", RUNTIME_PODMAN},
        {"docker-", ".scope", RUNTIME_DOCKER}, {"", "", RUNTIME_COUNT}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t before = strlen(shapes[i].before);
        if (!str_starts(name, shapes[i].before) || strlen(name) < before + ID_LENGTH ||
            strcmp(name + before + ID_LENGTH, shapes[i].behind) != 0)
            continue;
        *event = (struct watch_event){.kind = shapes[i].kind};
        memcpy(event->id, name + before, ID_LENGTH);
        return runtime_id_is_valid(event->id);
    }
    return false;
}

struct taking {
    struct watch_event *events;
    size_t count, max;
};

/* More than there is room for, and what is known already, is not lost: a look sees everything that changed. */
static void put_event(struct taking *taking, const struct watch_event *event)
{
    for (size_t i = 0; i < taking->count; i++)
        if (taking->events[i].kind == event->kind && taking->events[i].health == event->health &&
            taking->events[i].marks == event->marks && taking->events[i].job == event->job &&
            strcmp(taking->events[i].id, event->id) == 0)
            return;
    if (taking->count < taking->max)
        taking->events[taking->count++] = *event;
}

static bool is_usual_parent(const char *name)
{
    for (size_t i = 0; i < sizeof usual_parents / sizeof *usual_parents; i++)
        if (strcmp(usual_parents[i], name) == 0)
            return true;
    return false;
}

static const struct store *find_store(const struct watch *watch, int descriptor)
{
    for (size_t i = 0; i < watch->store_count; i++)
        if (watch->stores[i].descriptor == descriptor)
            return &watch->stores[i];
    return NULL;
}

/* Besides its containers a store has files of its own, which come and go. */
static void take_from_store(const struct store *store, const char *name, struct taking *taking)
{
    struct watch_event event = {.kind = store->kind};
    if (store->of_containers && runtime_id_is_valid(name))
        str_copy(event.id, sizeof event.id, name);
    if (event.id[0] || !store->of_containers)
        put_event(taking, &event);
}

static void take_notice(struct watch *watch, const struct inotify_event *notice, struct taking *taking)
{
    struct watch_event event = {.kind = RUNTIME_COUNT};
    if (notice->mask & IN_Q_OVERFLOW) {
        put_event(taking, &event);
    } else if (notice->mask & IN_IGNORED) {
        vec_each (&watch->containers, struct watched, container)
            if (container->freezer == notice->wd)
                container->freezer = -1;
    } else if (notice->mask & IN_MODIFY) {
        vec_each (&watch->containers, struct watched, container)
            if (container->freezer == notice->wd)
                put_event(taking, &container->about);
    } else if (notice->len && notice->wd == watch->marks_descriptor) {
        event.marks = str_ends(notice->name, MARK_SUFFIX);
        event.job = (notice->mask & IN_DELETE) && str_ends(notice->name, LEASE_SUFFIX);
        if (event.marks || event.job)
            put_event(taking, &event);
    } else if (notice->len && find_store(watch, notice->wd)) {
        take_from_store(find_store(watch, notice->wd), notice->name, taking);
    } else if (notice->len && watch_parse_group(notice->name, &event)) {
        put_event(taking, &event);
    } else if (notice->len && notice->wd == watch->root_descriptor && is_usual_parent(notice->name)) {
        watch_parents(watch);
        put_event(taking, &event);
    }
}

static void take_notices(struct watch *watch, struct taking *taking)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t got;
    while ((got = read(watch->inotify_fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *notice = (const void *)(bytes + at);
            take_notice(watch, notice, taking);
            at += (ssize_t)(sizeof *notice + notice->len);
        }
    }
}

static void take_ends(struct watch *watch, const struct pollfd *polled, struct taking *taking)
{
    for (size_t i = 0; i < watch->containers.count; i++) {
        struct watched *container = &watch->containers.items[i];
        bool is_gone = container->pidfd >= 0 ? polled[i].revents != 0 : kill(container->pid, 0) != 0 && errno == ESRCH;
        if (!is_gone || container->ended)
            continue;
        container->ended = true;
        if (container->pidfd >= 0)
            close(container->pidfd);
        container->pidfd = -1;
        put_event(taking, &container->about);
    }
}

static void take_health(struct watch *watch, struct taking *taking)
{
    struct health_change changes[16];
    size_t room = taking->max - taking->count, most = sizeof changes / sizeof *changes;
    size_t count = health_watch_take(watch->health, clock_mono_us(), changes, room < most ? room : most);
    for (size_t i = 0; i < count; i++) {
        struct watch_event event = {.kind = changes[i].kind, .health = changes[i].health};
        str_copy(event.id, sizeof event.id, changes[i].id);
        put_event(taking, &event);
    }
}

static bool needs_looking_at_pids(const struct watch *watch)
{
    vec_each (&watch->containers, const struct watched, container)
        if (container->pidfd < 0 && !container->ended)
            return true;
    return false;
}

size_t watch_wait(struct watch *watch, int64_t timeout_us, struct watch_event *events, size_t max)
{
    struct taking taking = {.events = events, .max = max};
    size_t count = watch->containers.count;
    struct pollfd *polled = xcalloc(count + 3, sizeof *polled);
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = watch->containers.items[i].pidfd, .events = POLLIN};
    polled[count] = (struct pollfd){.fd = watch->wake_fd, .events = POLLIN};
    polled[count + 1] = (struct pollfd){.fd = watch->inotify_fd, .events = POLLIN};
    if (needs_looking_at_pids(watch) && timeout_us > LOOK_AT_PIDS_US)
        timeout_us = LOOK_AT_PIDS_US;
    polled[count + 2] = (struct pollfd){.events = POLLIN};
    polled[count + 2].fd = health_watch_poll(watch->health, clock_mono_us(), &timeout_us);
    poll(polled, count + 3, (int)((timeout_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
    uint64_t ignored;
    while (read(watch->wake_fd, &ignored, sizeof ignored) > 0)
        continue;
    take_ends(watch, polled, &taking);
    if (watch->inotify_fd >= 0)
        take_notices(watch, &taking);
    take_health(watch, &taking);
    free(polled);
    return taking.count;
}
