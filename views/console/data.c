/* The data thread. Sleeps until the store's files change (inotify), the drawing thread wishes for something else, or a
 * slow tick comes for file systems that do not tell. Two snapshots go back and forth: the drawing thread holds one, the
 * other is brought up to date, so that neither waits and nothing is copied. */
#include "views/console/data.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "views/console/fetch.h"

enum { TICK_MS = 10000, BLIND_TICK_MS = 2000 /* where nothing can be watched */, SETTLE_MS = 60 };
#define SERIES_AGAIN_US (10 * USEC_PER_SEC)

struct data {
    pthread_t thread;
    char *state_dir;
    int wake_fd;   /* theirs: something to take */
    int nudge_fd;  /* ours: a wish, or the end */
    int notify_fd; /* inotify; −1: none */
    bool watching_state, watching_logs;

    pthread_mutex_t mutex; /* held only to move pointers and copy a wish */
    struct wish wish;
    bool wish_is_new, stopping;
    struct picture ready;   /* not taken yet */
    struct snapshot *spare; /* given back */

    /* the thread's own */
    struct store_reader *reader;
    struct log_follower *logs;
    struct newest *newest;
    struct wish now;
    struct sparks *known; /* what was handed over last */
    int64_t sparks_mono_us, history_mono_us;
    char problem[1024];
};

static void nudge(int fd)
{
    const uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    (void)written; /* full means: already nudged */
}

/* --- handing over --- */

static void publish(struct data *data, struct picture *fresh)
{
    pthread_mutex_lock(&data->mutex);
    picture_merge(&data->ready, fresh);
    if (fresh->snapshot && !data->spare) { /* one that was never taken: use it again */
        data->spare = fresh->snapshot;
        fresh->snapshot = NULL;
    }
    pthread_mutex_unlock(&data->mutex);
    picture_clear(fresh);
    nudge(data->wake_fd);
}

bool data_take(struct data *data, struct picture *current)
{
    pthread_mutex_lock(&data->mutex);
    struct picture *ready = &data->ready;
    bool any = ready->snapshot || ready->jobs || ready->events || ready->job || ready->sparks || ready->history ||
               ready->logs || ready->problem;
    picture_merge(current, ready);
    if (ready->snapshot && !data->spare) {
        data->spare = ready->snapshot;
        ready->snapshot = NULL;
    }
    struct snapshot *left = ready->snapshot;
    ready->snapshot = NULL;
    pthread_mutex_unlock(&data->mutex);
    snapshot_free(left);
    return any;
}

void data_wish(struct data *data, const struct wish *wish)
{
    pthread_mutex_lock(&data->mutex);
    bool other = memcmp(&data->wish, wish, sizeof *wish) != 0;
    if (other) {
        data->wish = *wish;
        data->wish_is_new = true;
    }
    pthread_mutex_unlock(&data->mutex);
    if (other)
        nudge(data->nudge_fd);
}

/* --- reading --- */

/* The snapshot to bring up to date: one given back, or one that lies ready and was not taken. */
static struct snapshot *snapshot_at_hand(struct data *data)
{
    pthread_mutex_lock(&data->mutex);
    struct snapshot *snapshot = data->spare;
    data->spare = NULL;
    if (!snapshot) {
        snapshot = data->ready.snapshot;
        data->ready.snapshot = NULL;
    }
    pthread_mutex_unlock(&data->mutex);
    return snapshot;
}

static void say(struct data *data, struct picture *fresh, const char *problem)
{
    if (strcmp(data->problem, problem) == 0)
        return;
    str_copy(data->problem, sizeof data->problem, problem);
    fresh->problem = xstrdup(problem);
}

static bool ensure_reader(struct data *data, struct picture *fresh)
{
    struct err_info info = {0};
    if (data->reader)
        return true;
    if (store_reader_open(data->state_dir, &data->reader, &info) == ERR_OK)
        return true;
    say(data, fresh, info.message);
    return false;
}

static void read_state(struct data *data, struct picture *fresh)
{
    struct err_info info = {0};
    struct snapshot *snapshot = snapshot_at_hand(data);
    if (store_refresh_snapshot(data->reader, &snapshot, &info) == ERR_OK) {
        fresh->snapshot = snapshot;
        fresh->jobs = fetch_jobs(data->reader);
        say(data, fresh, "");
        return;
    }
    say(data, fresh, info.message);
    snapshot_free(snapshot);
    store_reader_close(data->reader); /* begin again at the next tick */
    data->reader = NULL;
}

static void read_sparks(struct data *data, bool changed, bool wish_is_new, struct picture *fresh)
{
    int64_t now_us = clock_mono_us();
    bool again = changed && now_us - data->sparks_mono_us >= SERIES_AGAIN_US;
    if (data->now.spark_count == 0 || (!again && !wish_is_new))
        return;
    fresh->sparks = fetch_sparks(data->state_dir, data->newest, &data->now, data->known, again);
    sparks_free(data->known);
    data->known = xcalloc(1, sizeof *data->known);
    data->known->kind = fresh->sparks->kind;
    vec_each (&fresh->sparks->items, const struct spark, spark)
        vec_push(&data->known->items, *spark);
    if (again)
        data->sparks_mono_us = now_us;
}

static void read_history(struct data *data, bool changed, bool wish_is_new, struct picture *fresh)
{
    int64_t now_us = clock_mono_us();
    bool again = changed && now_us - data->history_mono_us >= SERIES_AGAIN_US;
    if (!data->now.history || (!again && !wish_is_new))
        return;
    fresh->history = fetch_history(data->state_dir, data->newest, &data->now.history_of, data->now.range_us);
    data->history_mono_us = now_us;
}

static void read_wishes(struct data *data, bool changed, bool wish_is_new, struct picture *fresh)
{
    bool either = changed || wish_is_new;
    if (data->now.events && either && data->reader)
        fresh->events = fetch_events(data->reader, &data->now.events_of);
    if (data->now.job && either && data->reader)
        fresh->job = fetch_job(data->reader, data->now.job);
    read_history(data, changed, wish_is_new, fresh);
    read_sparks(data, changed, wish_is_new, fresh);
    if (data->now.logs)
        fresh->logs = log_follower_read(data->logs, &data->now);
}

static bool is_anything(const struct picture *picture)
{
    return picture->snapshot || picture->jobs || picture->events || picture->job || picture->sparks ||
           picture->history || picture->logs || picture->problem;
}

/* The present first: it is shown while the history is still being read. */
static void one_round(struct data *data, bool wish_is_new)
{
    struct picture fresh = {0};
    bool changed = ensure_reader(data, &fresh) && store_reader_changed(data->reader);
    if (changed)
        read_state(data, &fresh);
    if (is_anything(&fresh))
        publish(data, &fresh);
    read_wishes(data, changed, wish_is_new, &fresh);
    if (is_anything(&fresh))
        publish(data, &fresh);
}

/* --- sleeping --- */

/* Directories that are not there yet are tried again at each tick. */
static void watch_files(struct data *data)
{
    if (data->notify_fd < 0)
        return;
    const uint32_t events = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
    if (!data->watching_state)
        data->watching_state = inotify_add_watch(data->notify_fd, data->state_dir, events) >= 0;
    if (!data->watching_logs && data->now.logs) {
        char *logs = paths_join(data->state_dir, "logs");
        data->watching_logs = inotify_add_watch(data->notify_fd, logs, events) >= 0;
        free(logs);
    }
}

static void drain(int fd)
{
    char bytes[4096];
    while (fd >= 0 && read(fd, bytes, sizeof bytes) > 0)
        ;
}

static void sleep_until_something(struct data *data)
{
    struct pollfd fds[2] = {{.fd = data->nudge_fd, .events = POLLIN}, {.fd = data->notify_fd, .events = POLLIN}};
    bool blind = !data->watching_state || !data->reader || (data->now.logs && !data->watching_logs);
    int ready = poll(fds, 2, blind ? BLIND_TICK_MS : TICK_MS);
    if (ready > 0 && fds[1].revents && !fds[0].revents) /* a commit is several writes: let them all come */
        (void)poll(fds, 1, SETTLE_MS);
    drain(data->nudge_fd);
    drain(data->notify_fd);
}

/* Take over the newest wish; false: end. */
static bool take_wish(struct data *data, bool *is_new)
{
    pthread_mutex_lock(&data->mutex);
    *is_new = data->wish_is_new;
    data->wish_is_new = false;
    data->now = data->wish;
    bool going_on = !data->stopping;
    pthread_mutex_unlock(&data->mutex);
    return going_on;
}

static void *run(void *arg)
{
    struct data *data = arg;
    bool wish_is_new;
    while (take_wish(data, &wish_is_new)) {
        watch_files(data);
        one_round(data, wish_is_new);
        sleep_until_something(data);
    }
    return NULL;
}

struct data *data_start(const char *state_dir, const struct console_link *link, int wake_fd)
{
    struct data *data = xcalloc(1, sizeof *data);
    data->state_dir = xstrdup(state_dir);
    data->wake_fd = wake_fd;
    data->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    data->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    data->logs = log_follower_new(state_dir);
    data->newest = newest_new(link);
    pthread_mutex_init(&data->mutex, NULL);
    if (pthread_create(&data->thread, NULL, run, data) != 0)
        abort(); /* no threads: nothing could ever be shown */
    return data;
}

void data_stop(struct data *data)
{
    if (!data)
        return;
    pthread_mutex_lock(&data->mutex);
    data->stopping = true;
    pthread_mutex_unlock(&data->mutex);
    nudge(data->nudge_fd);
    pthread_join(data->thread, NULL);
    picture_clear(&data->ready);
    snapshot_free(data->spare);
    store_reader_close(data->reader);
    log_follower_free(data->logs);
    newest_free(data->newest);
    sparks_free(data->known);
    close(data->nudge_fd);
    if (data->notify_fd >= 0)
        close(data->notify_fd);
    pthread_mutex_destroy(&data->mutex);
    free(data->state_dir);
    free(data);
}
