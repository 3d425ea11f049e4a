/* Time series, writing side. One thread takes samples off the queue and holds them per file until one crosses a
 * step of the file's finest archive (10 s or 1 min): librrd shows nothing of a step before it is over, so holding hides
 * nothing and makes one call of many. At most the unfinished step is lost by a kill -9.
 *
 * A file that cannot be written is tried again every few seconds; it keeps its newest samples, the rest is dropped and
 * counted. */
#include "store/series.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/database.h"
#include "store/intake.h"
#include "store/series_file.h"
#include "store/series_room.h"

#define TAKE_ITEMS 8192
#define WAITING_ITEMS 262144
#define WAITING_BYTES ((size_t)128 << 20)
#define LINGER_US (20 * USEC_PER_MSEC)
#define RETRY_US (3 * USEC_PER_SEC)
#define HELD_SAMPLES 720 /* of one file */
#define MIN_HEARTBEAT_S 30
#define FUTURE_US (3600 * USEC_PER_SEC) /* a sample from farther ahead would make all until then "past" */

enum message_type { MESSAGE_SAMPLE, MESSAGE_REMOVE, MESSAGE_FLUSH };

struct message {
    struct intake_item item;
    enum message_type type;
    enum object_kind kind;
    struct series_sample sample;
    char owner[NAME_SIZE]; /* the host it counts for; "": none */
    char key[];
};

/* A file as the thread knows it. */
struct file {
    struct file *chain;
    uint32_t hash;
    enum object_kind kind;
    char *key, *path;
    char owner[NAME_SIZE];
    bool checked; /* exists and fits, as far as known */
    bool due;
    int64_t retry_mono_us; /* not before; 0: not failing */
    int64_t written_us;    /* time of the newest sample written; 0: none in this run */
    struct series_sample *held;
    size_t held_count, held_capacity;
};

struct series {
    char *state_dir;
    struct intake *intake;
    pthread_t thread;
    _Atomic int heartbeat_s;
    /* the thread's */
    int checked_heartbeat_s; /* what checked files have */
    struct file **slots;
    size_t slot_count, file_count;
    struct series_room *room;
    size_t files_most; /* of a host, of a kind */
    struct file **due;
    size_t due_count, due_capacity;
    int64_t failing_until_mono_us; /* some file fails: look at all again then */

    pthread_mutex_t stats_mutex;
    struct series_stats stats;
    uint64_t held; /* all files */
};

static void release_message(void *owner, struct intake_item *item, bool lost)
{
    (void)owner;
    (void)lost;
    free(item);
}

/* --- the table of files --- */

static uint32_t hash_of(enum object_kind kind, const char *key)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

static void grow_table(struct series *series)
{
    size_t old_count = series->slot_count;
    struct file **old = series->slots;
    series->slot_count = old_count ? old_count * 2 : 256;
    series->slots = xcalloc(series->slot_count, sizeof(struct file *));
    for (size_t i = 0; i < old_count; i++) {
        for (struct file *file = old[i], *next; file; file = next) {
            next = file->chain;
            struct file **slot = &series->slots[file->hash & (series->slot_count - 1)];
            file->chain = *slot;
            *slot = file;
        }
    }
    free(old);
}

/* Where the pointer to that file is, or would be. */
static struct file **find_link(struct series *series, enum object_kind kind, const char *key)
{
    uint32_t hash = hash_of(kind, key);
    struct file **link = &series->slots[hash & (series->slot_count - 1)];
    while (*link && ((*link)->hash != hash || (*link)->kind != kind || strcmp((*link)->key, key) != 0))
        link = &(*link)->chain;
    return link;
}

static struct file *file_of(struct series *series, enum object_kind kind, const char *key, const char *owner)
{
    struct file **link = find_link(series, kind, key);
    if (*link)
        return *link;
    struct file *file = xcalloc(1, sizeof *file);
    file->hash = hash_of(kind, key);
    file->kind = kind;
    file->key = xstrdup(key);
    file->path = series_path(series->state_dir, kind, key);
    str_copy(file->owner, sizeof file->owner, owner);
    *link = file;
    if (++series->file_count > series->slot_count)
        grow_table(series);
    return file;
}

static void free_file(struct file *file)
{
    free(file->key);
    free(file->path);
    free(file->held);
    free(file);
}

/* --- figures --- */

static void count_held(struct series *series, int64_t change)
{
    pthread_mutex_lock(&series->stats_mutex);
    series->held = (uint64_t)((int64_t)series->held + change);
    pthread_mutex_unlock(&series->stats_mutex);
}

static void count_dropped(struct series *series, uint64_t count)
{
    pthread_mutex_lock(&series->stats_mutex);
    series->stats.dropped += count;
    pthread_mutex_unlock(&series->stats_mutex);
}

static void count_file(struct series *series, const char *path, bool added)
{
    struct stat status;
    uint64_t bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
    pthread_mutex_lock(&series->stats_mutex);
    series->stats.files += added ? 1 : (uint64_t)-1;
    series->stats.total_bytes += added ? bytes : (uint64_t)0 - bytes;
    pthread_mutex_unlock(&series->stats_mutex);
}

static void count_deleted(struct series *series, enum object_kind kind, size_t count)
{
    uint64_t bytes = series_predicted_bytes(kind, count);
    pthread_mutex_lock(&series->stats_mutex);
    series->stats.files -= count < series->stats.files ? count : series->stats.files;
    series->stats.total_bytes -= bytes < series->stats.total_bytes ? bytes : series->stats.total_bytes;
    pthread_mutex_unlock(&series->stats_mutex);
}

static void note_error(struct series *series, const char *message)
{
    pthread_mutex_lock(&series->stats_mutex);
    bool is_new = series->stats.last_error[0] == '\0';
    str_copy(series->stats.last_error, sizeof series->stats.last_error, message);
    pthread_mutex_unlock(&series->stats_mutex);
    if (is_new)
        log_error("time series cannot be written, the newest samples are kept in memory: %s", message);
}

/* --- writing one file --- */

static enum err make_file(struct series *series, struct file *file, struct err_info *info)
{
    enum err result =
        series_file_create(file->path, file->kind, file->held[0].at_us, atomic_load(&series->heartbeat_s), info);
    if (result == ERR_OK)
        count_file(series, file->path, true);
    return result;
}

static enum err replace_damaged(struct series *series, struct file *file, struct err_info *info)
{
    char aside[4096];
    log_error("a time series was damaged, a fresh one is begun: %s", info ? info->message : file->path);
    count_file(series, file->path, false);
    enum err result = database_set_aside(file->path, aside, sizeof aside, info);
    return result == ERR_OK ? make_file(series, file, info) : result;
}

static enum err check_file(struct series *series, struct file *file, struct err_info *info)
{
    if (file->checked)
        return ERR_OK;
    enum err result = series_file_check(file->path, file->kind, atomic_load(&series->heartbeat_s), info);
    if (result == ERR_NOT_FOUND)
        result = make_file(series, file, info);
    else if (result == ERR_CORRUPT)
        result = replace_damaged(series, file, info);
    file->checked = result == ERR_OK;
    return result;
}

static enum err update_file(struct series *series, struct file *file, struct err_info *info)
{
    enum err result = check_file(series, file, info);
    if (result == ERR_OK)
        result = series_file_update(file->path, file->kind, file->held, file->held_count, info);
    if (result == ERR_NOT_FOUND || result == ERR_CORRUPT) { /* changed under us: look again */
        file->checked = false;
        result = check_file(series, file, info);
        if (result == ERR_OK)
            result = series_file_update(file->path, file->kind, file->held, file->held_count, info);
    }
    return result;
}

static void write_file(struct series *series, struct file *file)
{
    struct err_info info = {0};
    if (file->held_count == 0)
        return;
    if (update_file(series, file, &info) != ERR_OK) {
        note_error(series, info.message);
        file->checked = false;
        file->retry_mono_us = clock_mono_us() + RETRY_US;
        if (series->failing_until_mono_us == 0)
            series->failing_until_mono_us = file->retry_mono_us;
        return;
    }
    file->written_us = file->held[file->held_count - 1].at_us;
    file->retry_mono_us = 0;
    pthread_mutex_lock(&series->stats_mutex);
    series->stats.written += file->held_count;
    series->stats.updates++;
    series->held -= file->held_count;
    pthread_mutex_unlock(&series->stats_mutex);
    file->held_count = 0;
}

/* --- messages --- */

static void mark_due(struct series *series, struct file *file)
{
    if (file->due)
        return;
    if (series->due_count == series->due_capacity) {
        series->due_capacity = series->due_capacity ? series->due_capacity * 2 : 256;
        series->due = xreallocarray(series->due, series->due_capacity, sizeof(struct file *));
    }
    file->due = true;
    series->due[series->due_count++] = file;
}

static struct series_sample *add_held(struct series *series, struct file *file)
{
    if (file->held_count == HELD_SAMPLES && file->retry_mono_us == 0)
        write_file(series, file);
    if (file->held_count == HELD_SAMPLES) {
        memmove(file->held, file->held + 1, (HELD_SAMPLES - 1) * sizeof *file->held);
        file->held_count--;
        count_dropped(series, 1);
        count_held(series, -1);
    }
    if (file->held_count == file->held_capacity) {
        file->held_capacity = file->held_capacity ? file->held_capacity * 2 : 2;
        file->held = xreallocarray(file->held, file->held_capacity, sizeof *file->held);
    }
    count_held(series, 1);
    return &file->held[file->held_count++];
}

/* Whether the newest sample held ends a step that was not over before. */
static bool crosses_step(const struct file *file)
{
    int64_t step_us = series_layout(file->kind)->step_s * USEC_PER_SEC;
    int64_t before_us = file->written_us ? file->written_us : file->held[0].at_us;
    return file->held[file->held_count - 1].at_us / step_us > before_us / step_us;
}

/* Forget files that were deleted to make room: nothing is held for them, or it is newer than they. */
static void forget_deleted(struct series *series, enum object_kind kind, const char *owner)
{
    for (size_t i = 0; i < series->slot_count; i++) {
        struct file **link = &series->slots[i];
        while (*link) {
            struct file *file = *link;
            bool deleted = file->kind == kind && file->checked && !file->due && !file->held_count &&
                           strcmp(file->owner, owner) == 0 && access(file->path, F_OK) != 0;
            if (!deleted) {
                link = &file->chain;
                continue;
            }
            *link = file->chain;
            series->file_count--;
            free_file(file);
        }
    }
}

/* May there be a file for it? One that is there already was counted when it was made, or when the store was opened. */
static bool has_room(struct series *series, const struct message *message)
{
    if (!message->owner[0] || *find_link(series, message->kind, message->key))
        return true;
    char *path = series_path(series->state_dir, message->kind, message->key);
    bool is_there = access(path, F_OK) == 0;
    free(path);
    if (is_there)
        return true;
    if (series_room_files(series->room, message->kind, message->owner) >= series->files_most) {
        char *directory = series_directory(series->state_dir, message->kind);
        size_t made = series_room_make(series->room, message->kind, message->owner, directory, series->files_most);
        free(directory);
        if (!made)
            return false;
        forget_deleted(series, message->kind, message->owner);
        count_deleted(series, message->kind, made);
    }
    series_room_count(series->room, message->kind, message->owner, 1);
    return true;
}

static void take_sample(struct series *series, const struct message *message)
{
    bool is_sensible = message->sample.at_us > 0 && message->sample.at_us <= clock_wall_us() + FUTURE_US;
    if (!is_sensible || !has_room(series, message)) {
        count_dropped(series, 1);
        return;
    }
    struct file *file = file_of(series, message->kind, message->key, message->owner);
    if (file->held_count && message->sample.at_us <= file->held[file->held_count - 1].at_us)
        return; /* the file would skip it too */
    *add_held(series, file) = message->sample;
    if (file->retry_mono_us == 0 && crosses_step(file))
        mark_due(series, file);
}

static void remove_file(struct series *series, const struct message *message)
{
    struct file **link = find_link(series, message->kind, message->key), *file = *link;
    char *path = series_path(series->state_dir, message->kind, message->key);
    if (access(path, F_OK) == 0) {
        count_file(series, path, false);
        unlink(path);
    }
    free(path);
    if (!file)
        return;
    for (size_t i = 0; i < series->due_count; i++)
        if (series->due[i] == file)
            series->due[i] = series->due[--series->due_count];
    count_held(series, -(int64_t)file->held_count);
    *link = file->chain;
    series->file_count--;
    series_room_count(series->room, file->kind, file->owner, -1);
    free_file(file);
}

static void each_file(struct series *series, void (*visit)(struct series *, struct file *))
{
    for (size_t i = 0; i < series->slot_count; i++)
        for (struct file *file = series->slots[i]; file; file = file->chain)
            visit(series, file);
}

static void write_due(struct series *series)
{
    int64_t started_us = clock_mono_us();
    if (series->due_count == 0)
        return;
    for (size_t i = 0; i < series->due_count; i++) {
        series->due[i]->due = false;
        write_file(series, series->due[i]);
    }
    series->due_count = 0;
    pthread_mutex_lock(&series->stats_mutex);
    series->stats.last_ms = (double)(clock_mono_us() - started_us) / (double)USEC_PER_MSEC;
    series->stats.busy_ms += series->stats.last_ms;
    bool recovered = series->failing_until_mono_us == 0 && series->stats.last_error[0] != '\0';
    if (recovered)
        series->stats.last_error[0] = '\0';
    pthread_mutex_unlock(&series->stats_mutex);
    if (recovered)
        log_info("time series can be written again");
}

static void retry_file(struct series *series, struct file *file)
{
    if (file->retry_mono_us != 0 && file->held_count > 0)
        mark_due(series, file);
}

static void retry_failed(struct series *series)
{
    if (series->failing_until_mono_us == 0 || clock_mono_us() < series->failing_until_mono_us)
        return;
    series->failing_until_mono_us = 0;
    each_file(series, retry_file);
}

static void uncheck_file(struct series *series, struct file *file)
{
    (void)series;
    file->checked = false;
}

/* After a change of the interval every file gets the new heartbeat with its next write. */
static void follow_heartbeat(struct series *series)
{
    int heartbeat_s = atomic_load(&series->heartbeat_s);
    if (heartbeat_s == series->checked_heartbeat_s)
        return;
    series->checked_heartbeat_s = heartbeat_s;
    each_file(series, uncheck_file);
}

static void handle(struct series *series, struct message *message)
{
    switch (message->type) {
    case MESSAGE_SAMPLE:
        take_sample(series, message);
        break;
    case MESSAGE_REMOVE:
        remove_file(series, message);
        break;
    case MESSAGE_FLUSH:
        each_file(series, mark_due);
        write_due(series);
        break;
    }
}

/* How long to wait for messages: without limit, unless something must be tried again. */
static int64_t patience(const struct series *series)
{
    if (series->failing_until_mono_us == 0)
        return -1;
    int64_t left_us = series->failing_until_mono_us - clock_mono_us();
    return left_us > 0 ? left_us : 0;
}

static void *write_series(void *arg)
{
    struct series *series = arg;
    struct intake_item **items = xreallocarray(NULL, TAKE_ITEMS, sizeof(struct intake_item *));
    for (bool last = false; !last;) {
        bool closed = intake_is_closed(series->intake);
        const struct intake_batch batch = {TAKE_ITEMS, SIZE_MAX, patience(series), LINGER_US};
        size_t count = intake_take(series->intake, items, &batch);
        follow_heartbeat(series);
        for (size_t i = 0; i < count; i++) {
            handle(series, (struct message *)items[i]);
            free(items[i]);
        }
        last = closed && count == 0;
        if (last)
            each_file(series, mark_due);
        retry_failed(series);
        write_due(series);
    }
    free(items);
    return NULL;
}

/* --- opening and closing --- */

/* librrd makes a file under a name of its own ("x.rrd" and six characters) and renames it: what a crash left behind. */
static bool is_left_over(const char *name)
{
    const char *dot = strstr(name, ".rrd");
    return dot && strlen(dot) == sizeof ".rrd" - 1 + 6 && !strchr(dot + 1, '.');
}

/* Nothing was written to it for so long: its object is gone, or has another name now. */
static bool is_forgotten(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && clock_wall_us() / USEC_PER_SEC - status.st_mtime > SERIES_KEPT_DAYS * 86400;
}

static enum err scan_kind(struct series *series, enum object_kind kind, struct err_info *info)
{
    char *directory = series_directory(series->state_dir, kind);
    enum err result = paths_make_dir(directory, info);
    DIR *dir = result == ERR_OK ? opendir(directory) : NULL;
    if (result == ERR_OK && !dir) {
        int why = errno;
        result = err_errno(info, err_from_errno(why), why, "cannot read %s", directory);
    }
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *path = paths_join(directory, entry->d_name);
        bool is_series = str_ends(entry->d_name, ".rrd");
        if (is_series && !is_forgotten(path)) {
            char owner[NAME_SIZE];
            series_room_owner_of_file(entry->d_name, owner);
            series_room_count(series->room, kind, owner, 1);
            count_file(series, path, true);
        } else if (is_series || is_left_over(entry->d_name))
            unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(directory);
    return result;
}

static void free_series(struct series *series)
{
    for (size_t i = 0; i < series->slot_count; i++) {
        for (struct file *file = series->slots[i], *next; file; file = next) {
            next = file->chain;
            free_file(file);
        }
    }
    series_room_free(series->room);
    intake_free(series->intake);
    pthread_mutex_destroy(&series->stats_mutex);
    free(series->slots);
    free(series->due);
    free(series->state_dir);
    free(series);
}

void series_set_interval(struct series *series, int64_t interval_us)
{
    int64_t heartbeat_s = (3 * interval_us + USEC_PER_SEC - 1) / USEC_PER_SEC;
    atomic_store(&series->heartbeat_s, heartbeat_s > MIN_HEARTBEAT_S ? (int)heartbeat_s : MIN_HEARTBEAT_S);
}

enum err series_open(const char *state_dir, int64_t interval_us, struct series **out, struct err_info *info)
{
    enum err result = ERR_OK;
    *out = NULL;
    struct series *series = xcalloc(1, sizeof *series);
    series->state_dir = xstrdup(state_dir);
    series->intake = intake_new(WAITING_ITEMS, WAITING_BYTES, release_message, series);
    series->stats.last_ms = (double)NAN;
    pthread_mutex_init(&series->stats_mutex, NULL);
    grow_table(series);
    series->room = series_room_new();
    series->files_most = SERIES_FILES_MOST;
    series_set_interval(series, interval_us);
    series->checked_heartbeat_s = atomic_load(&series->heartbeat_s);
    for (int kind = 0; kind < KIND_COUNT && result == ERR_OK; kind++)
        result = scan_kind(series, (enum object_kind)kind, info);
    if (result == ERR_OK) {
        int why = pthread_create(&series->thread, NULL, write_series, series);
        if (why)
            result = err_errno(info, ERR_IO, why, "cannot start the thread that writes time series");
    }
    if (result != ERR_OK) {
        free_series(series);
        return result;
    }
    *out = series;
    return ERR_OK;
}

void series_close(struct series *series)
{
    if (!series)
        return;
    intake_close(series->intake);
    pthread_join(series->thread, NULL);
    free_series(series);
}

/* --- any thread --- */

static struct message *new_message(enum message_type type, enum object_kind kind, const char *key)
{
    size_t key_size = strlen(key) + 1;
    struct message *message = xmalloc(sizeof *message + key_size);
    memset(message, 0, sizeof *message);
    message->type = type;
    message->kind = kind;
    message->item.bytes = sizeof *message + key_size;
    memcpy(message->key, key, key_size);
    return message;
}

void series_append(struct series *series, enum object_kind kind, const char *key, int64_t at_us, const double *values)
{
    char owner[NAME_SIZE];
    series_room_owner(key, owner);
    series_append_from(series, owner, kind, key, at_us, values);
}

void series_limit_files(struct series *series, size_t files)
{
    series->files_most = files;
}

void series_append_from(struct series *series, const char *host, enum object_kind kind, const char *key, int64_t at_us,
    const double *values)
{
    struct message *message = new_message(MESSAGE_SAMPLE, kind, key);
    str_copy(message->owner, sizeof message->owner, host);
    int sources[SERIES_MAX_SOURCES];
    size_t count = series_sources(kind, sources);
    message->sample.at_us = at_us;
    for (size_t i = 0; i < count; i++)
        message->sample.values[i] = values[sources[i]];
    intake_put(series->intake, &message->item);
}

void series_remove(struct series *series, enum object_kind kind, const char *key)
{
    intake_put(series->intake, &new_message(MESSAGE_REMOVE, kind, key)->item);
}

bool series_flush(struct series *series, int64_t timeout_us)
{
    intake_put(series->intake, &new_message(MESSAGE_FLUSH, KIND_HOST, "")->item);
    bool in_time = intake_wait_done(series->intake, timeout_us);
    pthread_mutex_lock(&series->stats_mutex);
    bool failing = series->stats.last_error[0] != '\0';
    pthread_mutex_unlock(&series->stats_mutex);
    return in_time && !failing;
}

void series_stats(struct series *series, struct series_stats *out)
{
    struct intake_stats waiting = intake_stats(series->intake);
    pthread_mutex_lock(&series->stats_mutex);
    *out = series->stats;
    out->depth = waiting.depth + series->held;
    pthread_mutex_unlock(&series->stats_mutex);
    out->capacity = waiting.capacity;
    out->dropped += waiting.dropped;
}
