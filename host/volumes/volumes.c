/* One thread at the lowest priority measures one volume after the other, at most 5 % of the time, and keeps the results
 * over inventories. A file system that hangs holds that thread fast: then the volume is left alone, another thread goes
 * on with the rest, and the held one ends when (if ever) it comes back. The sampler only reads results. */
#include "host/volumes/volumes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/thread.h"
#include "host/volumes/walk.h"

#define RESTS_PER_WORK 19 /* 5 % */
#define COST_INVERSE 2000 /* all volumes together: 0.05 % of a core */
#define LEAST_PERIOD_US (60 * USEC_PER_SEC)
#define MOST_PERIOD_US (3600 * USEC_PER_SEC)
#define AFTER_FAILURE_US (900 * USEC_PER_SEC)
#define SPACE_EVERY_US (60 * USEC_PER_SEC)
#define LOOK_EVERY_US (5 * USEC_PER_SEC)   /* for new volumes */
#define HANGS_AFTER_US (30 * USEC_PER_SEC) /* one step is 20 ms on a disk that answers */
#define MOST_HELD 4
#define IOPRIO_WHO_PROCESS 1 /* ioprio_set(2) */
#define IOPRIO_IDLE (3 << 13)

struct volume {
    char *name, *runtime, *path;
    int64_t used_bytes, files;       /* -1: not measured yet */
    int64_t measured_us;             /* wall clock */
    int64_t free_bytes, total_bytes; /* -1: unknown */
    int64_t due_mono_us, space_due_mono_us;
    bool held;   /* a thread hangs in it */
    bool wanted; /* by the newest inventory */
};

static struct {
    pthread_mutex_t mutex;
    VEC(struct volume *) volumes;
    struct session *session;
    uint64_t generation;   /* of the inventory the list was made from */
    uint64_t worker;       /* the number of the thread that is at work; others are held */
    int64_t busy_since_us; /* 0: it rests */
    struct volume *busy_with;
    size_t held_count;
} measured = {.mutex = PTHREAD_MUTEX_INITIALIZER};

int64_t volumes_period_us(int64_t busy_us, size_t count)
{
    int64_t cost = COST_INVERSE * (int64_t)(count ? count : 1);
    if (busy_us > MOST_PERIOD_US / cost)
        return MOST_PERIOD_US;
    int64_t period_us = busy_us * cost;
    return period_us < LEAST_PERIOD_US ? LEAST_PERIOD_US : period_us;
}

/* --- the list -------------------------------------------------------------------------------------------------------
 */

static void free_volume(struct volume *volume)
{
    free(volume->name);
    free(volume->runtime);
    free(volume->path);
    free(volume);
}

static struct volume *find_volume_locked(const char *name, const char *runtime, const char *path)
{
    for (size_t i = 0; i < measured.volumes.count; i++) {
        struct volume *volume = measured.volumes.items[i];
        if (strcmp(volume->name, name) == 0 && strcmp(volume->runtime, runtime) == 0 && strcmp(volume->path, path) == 0)
            return volume;
    }
    return NULL;
}

static void want_locked(const json_t *entry)
{
    const char *name = json_get_text(entry, "name"), *runtime = json_get_text(entry, "runtime");
    const char *path = json_get_text(entry, "path");
    if (!name || !runtime || !path)
        return;
    struct volume *volume = find_volume_locked(name, runtime, path);
    if (!volume) {
        volume = xcalloc(1, sizeof *volume);
        volume->name = xstrdup(name);
        volume->runtime = xstrdup(runtime);
        volume->path = xstrdup(path);
        volume->used_bytes = volume->files = volume->free_bytes = volume->total_bytes = -1;
        vec_push(&measured.volumes, volume);
    }
    volume->wanted = true;
}

/* A volume that a thread is in stays until that thread has left it. */
static void drop_unwanted_locked(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < measured.volumes.count; i++) {
        struct volume *volume = measured.volumes.items[i];
        if (volume->wanted || volume->held || volume == measured.busy_with)
            measured.volumes.items[kept++] = volume;
        else
            free_volume(volume);
    }
    measured.volumes.count = kept;
}

static void follow_inventory(void)
{
    uint64_t generation = inventory_generation();
    pthread_mutex_lock(&measured.mutex);
    bool is_new = generation != measured.generation;
    measured.generation = generation;
    pthread_mutex_unlock(&measured.mutex);
    if (!is_new)
        return;
    json_t *inventory = inventory_current();
    const json_t *volumes = json_object_get(inventory, "volumes");
    pthread_mutex_lock(&measured.mutex);
    for (size_t i = 0; i < measured.volumes.count; i++)
        measured.volumes.items[i]->wanted = false;
    for (size_t i = 0; i < json_array_size(volumes); i++)
        want_locked(json_array_get(volumes, i));
    drop_unwanted_locked();
    pthread_mutex_unlock(&measured.mutex);
    json_decref(inventory);
}

/* --- measuring ------------------------------------------------------------------------------------------------------
 */

struct worker {
    uint64_t number;
    struct session *session;
};

/* Mark this worker busy (now) or at rest (0). False where it was given up as held. */
static bool mark(const struct worker *worker, int64_t busy_since_us)
{
    pthread_mutex_lock(&measured.mutex);
    bool is_current = measured.worker == worker->number;
    if (is_current)
        measured.busy_since_us = busy_since_us;
    pthread_mutex_unlock(&measured.mutex);
    return is_current;
}

static bool rest(int64_t busy_us, void *context)
{
    const struct worker *worker = context;
    if (!mark(worker, 0) || session_wait(worker->session, busy_us * RESTS_PER_WORK))
        return false;
    return mark(worker, clock_mono_us());
}

struct task {
    struct volume *volume;
    char path[HOST_PATH_SIZE];
    bool measures; /* else only the space is looked at */
};

/* The volume that has been due longest; false, with *wait_us, where none is. */
static bool next_task(const struct worker *worker, struct task *task, int64_t *wait_us)
{
    int64_t now_us = clock_mono_us();
    *task = (struct task){0};
    pthread_mutex_lock(&measured.mutex);
    *wait_us = measured.generation ? LOOK_EVERY_US : USEC_PER_SEC;
    for (size_t i = 0; i < measured.volumes.count && measured.worker == worker->number; i++) {
        struct volume *volume = measured.volumes.items[i];
        int64_t due_us =
            volume->space_due_mono_us < volume->due_mono_us ? volume->space_due_mono_us : volume->due_mono_us;
        if (volume->held || due_us > now_us)
            continue;
        task->volume = volume;
        task->measures = volume->due_mono_us <= now_us;
        break;
    }
    if (task->volume) {
        host_path(task->path, sizeof task->path, task->volume->path);
        measured.busy_with = task->volume;
        measured.busy_since_us = now_us;
    }
    pthread_mutex_unlock(&measured.mutex);
    return task->volume;
}

static void take_space_locked(struct volume *volume, const struct statvfs *space)
{
    volume->free_bytes = (int64_t)space->f_bavail * (int64_t)space->f_frsize;
    volume->total_bytes = (int64_t)space->f_blocks * (int64_t)space->f_frsize;
}

static void take_result_locked(struct volume *volume, enum err result, const struct walk_result *walked)
{
    if (result != ERR_OK) {
        volume->due_mono_us = clock_mono_us() + AFTER_FAILURE_US;
        return;
    }
    volume->used_bytes = walked->used_bytes;
    volume->files = walked->files;
    volume->measured_us = clock_wall_us();
    volume->due_mono_us = clock_mono_us() + volumes_period_us(walked->busy_us, measured.volumes.count);
}

/* False where this thread was held meanwhile and another one is at work. */
static bool do_task(struct worker *worker, const struct task *task)
{
    struct statvfs space;
    struct walk_result walked;
    enum err result = ERR_OK;
    bool has_space = statvfs(task->path, &space) == 0;
    if (task->measures)
        result = walk_measure(task->path, rest, worker, &walked, NULL);
    pthread_mutex_lock(&measured.mutex);
    struct volume *volume = task->volume;
    bool is_current = measured.worker == worker->number;
    if (has_space)
        take_space_locked(volume, &space);
    if (task->measures)
        take_result_locked(volume, result, &walked);
    volume->space_due_mono_us = clock_mono_us() + SPACE_EVERY_US;
    if (is_current) {
        measured.busy_since_us = 0;
        measured.busy_with = NULL;
    } else {
        volume->held = false;
        measured.held_count--;
    }
    pthread_mutex_unlock(&measured.mutex);
    return is_current;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct task task;
    int64_t wait_us;
    bool is_current = true;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
    while (is_current && !session_is_ending(worker->session)) {
        follow_inventory();
        if (next_task(worker, &task, &wait_us))
            is_current = do_task(worker, &task);
        else
            session_wait(worker->session, wait_us);
    }
    free(worker);
    return NULL;
}

static bool start_worker_locked(void)
{
    struct worker *worker = xmalloc(sizeof *worker);
    *worker = (struct worker){++measured.worker, measured.session};
    if (thread_start(run_worker, worker))
        return true;
    free(worker);
    return false;
}

void volumes_start(struct session *session)
{
    pthread_mutex_lock(&measured.mutex);
    measured.session = session;
    if (!start_worker_locked())
        log_error("volumes are not measured: no thread could be started");
    pthread_mutex_unlock(&measured.mutex);
}

/* --- the sample -----------------------------------------------------------------------------------------------------
 */

/* A thread that has been in one step for too long hangs in a file system: go on without it. */
static void look_after_worker_locked(void)
{
    bool hangs = measured.busy_since_us && clock_mono_us() - measured.busy_since_us > HANGS_AFTER_US;
    if (!hangs || measured.held_count >= MOST_HELD)
        return;
    log_warning("the file system of volume %s does not answer: it is left alone", measured.busy_with->name);
    measured.busy_with->held = true;
    measured.held_count++;
    measured.busy_with = NULL;
    measured.busy_since_us = 0;
    start_worker_locked();
}

static void put_known(json_t *entry, const char *key, int64_t value)
{
    if (value >= 0)
        json_put_i64(entry, key, value);
}

void volumes_sample(json_t *sample)
{
    json_t *volumes = json_array();
    pthread_mutex_lock(&measured.mutex);
    look_after_worker_locked();
    for (size_t i = 0; i < measured.volumes.count; i++) {
        const struct volume *volume = measured.volumes.items[i];
        if (!volume->wanted || (volume->used_bytes < 0 && volume->total_bytes < 0))
            continue;
        json_t *entry = json_object();
        json_put_text(entry, "name", volume->name);
        json_put_text(entry, "runtime", volume->runtime);
        put_known(entry, "used_bytes", volume->used_bytes);
        put_known(entry, "files", volume->files);
        put_known(entry, "measured_us", volume->used_bytes < 0 ? -1 : volume->measured_us);
        put_known(entry, "free_bytes", volume->free_bytes);
        put_known(entry, "total_bytes", volume->total_bytes);
        json_array_append_new(volumes, entry);
    }
    pthread_mutex_unlock(&measured.mutex);
    json_object_set_new(sample, "volumes", volumes);
}
