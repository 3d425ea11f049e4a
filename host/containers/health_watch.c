/* One watch per directory, not per file: the file is made by the first check, and a directory of the creator's choice
 * may hold many. Every check rewrites its file, mostly to say the same: files are read at most once a second, all that
 * were written together, so that fifty checks cost a few wake-ups and no program. Belongs to the inventory's thread. */
#include "host/containers/health_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/containers/health.h"

#define REST_US USEC_PER_SEC

struct checked {
    enum runtime_kind kind;
    char id[RUNTIME_ID_SIZE];
    char *path;         /* as the host names it; NULL: unknown */
    const char *health; /* as last told to us or by us, a constant */
    int directory;      /* watch descriptor, shared by all whose file is in it; -1: none */
    bool is_readable;   /* false: of a format that we do not know */
    bool unread;        /* written since it was last read */
    bool wanted;
};

struct health_watch {
    int inotify_fd; /* -1: none */
    int64_t rest_until_us;
    bool any_unread;
    VEC(struct checked) containers;
};

struct health_watch *health_watch_new(void)
{
    struct health_watch *watch = xcalloc(1, sizeof *watch);
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify_fd < 0)
        log_warning("health is noticed late: no inotify: %s", strerror(errno));
    return watch;
}

void health_watch_free(struct health_watch *watch)
{
    if (!watch)
        return;
    vec_each (&watch->containers, struct checked, container)
        free(container->path);
    vec_free(&watch->containers);
    if (watch->inotify_fd >= 0)
        close(watch->inotify_fd);
    free(watch);
}

/* --- what to watch --------------------------------------------------------------------------------------------------
 */

static void watch_directory(struct health_watch *watch, struct checked *container)
{
    char path[HOST_PATH_SIZE];
    if (watch->inotify_fd < 0 || !container->path || container->directory >= 0)
        return;
    host_path(path, sizeof path, container->path);
    char *slash = strrchr(path, '/');
    if (!slash)
        return;
    *slash = '\0';
    container->directory = inotify_add_watch(watch->inotify_fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
    container->unread = container->directory >= 0;
    watch->any_unread = watch->any_unread || container->unread;
}

static struct checked *find(struct health_watch *watch, enum runtime_kind kind, const char *id)
{
    vec_each (&watch->containers, struct checked, container)
        if (container->kind == kind && strcmp(container->id, id) == 0)
            return container;
    return NULL;
}

/* Which directory it was is forgotten where the file is another one: a container started in another place. */
static void set_path(struct checked *container, const char *path)
{
    if (container->path && path && strcmp(container->path, path) == 0)
        return;
    free(container->path);
    container->path = path ? xstrdup(path) : NULL;
    container->directory = -1;
}

static void want(struct health_watch *watch, const json_t *entry)
{
    int64_t pid;
    const char *id = json_get_text(entry, "id"), *path = json_get_text(entry, "health_path");
    const char *health = health_word(json_get_text(entry, "health"));
    enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
    if (!runtime_id_is_valid(id) || kind == RUNTIME_COUNT || !json_get_i64(entry, "pid", &pid) || (!path && !*health))
        return;
    struct checked *container = find(watch, kind, id);
    if (!container) {
        container = vec_add(&watch->containers);
        *container = (struct checked){.kind = kind, .directory = -1, .is_readable = true};
        str_copy(container->id, sizeof container->id, id);
    }
    container->wanted = true;
    container->health = health;
    set_path(container, path);
    watch_directory(watch, container);
}

static bool is_shared(const struct health_watch *watch, int directory)
{
    vec_each (&watch->containers, const struct checked, container)
        if (container->wanted && container->directory == directory)
            return true;
    return false;
}

static void drop_unwanted(struct health_watch *watch)
{
    size_t kept = 0;
    for (size_t i = 0; i < watch->containers.count; i++) {
        struct checked *container = &watch->containers.items[i];
        if (container->wanted) {
            watch->containers.items[kept++] = *container;
            continue;
        }
        if (container->directory >= 0 && !is_shared(watch, container->directory))
            inotify_rm_watch(watch->inotify_fd, container->directory);
        free(container->path);
        *container = (struct checked){.directory = -1};
    }
    watch->containers.count = kept;
}

void health_watch_follow(struct health_watch *watch, const json_t *inventory)
{
    const json_t *containers = json_object_get(inventory, "containers");
    vec_each (&watch->containers, struct checked, container)
        container->wanted = false;
    for (size_t i = 0; i < json_array_size(containers); i++)
        want(watch, json_array_get(containers, i));
    drop_unwanted(watch);
}

bool health_watch_misses(const struct health_watch *watch, enum runtime_kind kind)
{
    vec_each (&watch->containers, const struct checked, container)
        if (container->kind == kind && (container->directory < 0 || !container->is_readable))
            return true;
    return false;
}

/* --- what happened --------------------------------------------------------------------------------------------------
 */

int health_watch_poll(const struct health_watch *watch, int64_t now_us, int64_t *timeout_us)
{
    int64_t rest_us = watch->any_unread ? 0 : watch->rest_until_us - now_us;
    bool must_take = watch->any_unread || rest_us > 0;
    if (must_take && rest_us < *timeout_us)
        *timeout_us = rest_us;
    return must_take ? -1 : watch->inotify_fd;
}

static void note_written(struct health_watch *watch, const struct inotify_event *notice)
{
    bool all = notice->mask & IN_Q_OVERFLOW;
    vec_each (&watch->containers, struct checked, container) {
        if (!container->path || (!all && container->directory != notice->wd))
            continue;
        if (notice->mask & IN_IGNORED)
            container->directory = -1;
        else if (all || (notice->len && strcmp(strrchr(container->path, '/') + 1, notice->name) == 0))
            container->unread = watch->any_unread = true;
    }
}

static void take_notices(struct health_watch *watch, int64_t now_us)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t got;
    if (now_us < watch->rest_until_us || watch->inotify_fd < 0)
        return;
    while ((got = read(watch->inotify_fd, bytes, sizeof bytes)) > 0) {
        watch->rest_until_us = now_us + REST_US;
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *notice = (const void *)(bytes + at);
            note_written(watch, notice);
            at += (ssize_t)(sizeof *notice + notice->len);
        }
    }
}

/* True where it says something else than before. */
static bool read_again(struct checked *container)
{
    const char *word;
    enum health_reading reading = health_read(container->path, &word);
    container->unread = false;
    if (reading == HEALTH_UNREADABLE && container->is_readable)
        log_warning("the health of %s %.12s is noticed late: %s is no file of a known format",
            runtime_name(container->kind), container->id, container->path);
    container->is_readable = reading != HEALTH_UNREADABLE;
    if (reading != HEALTH_READ || word == container->health)
        return false;
    container->health = word;
    return true;
}

size_t health_watch_take(struct health_watch *watch, int64_t now_us, struct health_change *changes, size_t max)
{
    size_t count = 0;
    take_notices(watch, now_us);
    for (size_t i = 0; watch->any_unread && i < watch->containers.count && count < max; i++) {
        struct checked *container = &watch->containers.items[i];
        if (!container->unread || !read_again(container))
            continue;
        changes[count] = (struct health_change){.kind = container->kind, .health = container->health};
        str_copy(changes[count++].id, RUNTIME_ID_SIZE, container->id);
    }
    watch->any_unread = watch->any_unread && count == max;
    return count;
}
