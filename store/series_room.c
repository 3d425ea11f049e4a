/* The room of each host: how many files it has, kept in a tree by name; and which of them to give up for new ones. A
 * file whose object is still there is written to every minute, so none of those is ever given up. */
#include "store/series_room.h"

#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

#define LOOK_AGAIN_US (600 * USEC_PER_SEC)
#define GONE_S 86400

struct owner {
    char name[NAME_SIZE]; /* first: the tree compares by it */
    size_t files[KIND_COUNT];
    int64_t looked_mono_us[KIND_COUNT]; /* 0: never */
};

struct series_room {
    void *owners; /* tsearch(3), by name */
};

static int compare_owners(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct series_room *series_room_new(void)
{
    return xcalloc(1, sizeof(struct series_room));
}

void series_room_free(struct series_room *room)
{
    if (!room)
        return;
    tdestroy(room->owners, free);
    free(room);
}

static struct owner *find_owner(const struct series_room *room, const char *name)
{
    void *found = tfind(name, (void *const *)&room->owners, compare_owners);
    return found ? *(struct owner **)found : NULL;
}

static struct owner *ensure_owner(struct series_room *room, const char *name)
{
    struct owner *owner = find_owner(room, name);
    if (owner)
        return owner;
    owner = xcalloc(1, sizeof *owner);
    str_copy(owner->name, sizeof owner->name, name);
    if (!tsearch(owner, &room->owners, compare_owners))
        abort();
    return owner;
}

/* --- whose it is --- */

static void take_before(const char *text, const char *separator, char owner[NAME_SIZE])
{
    const char *end = strstr(text, separator);
    owner[0] = '\0';
    if (end && (size_t)(end - text) < NAME_SIZE)
        str_format(owner, NAME_SIZE, "%.*s", (int)(end - text), text);
}

void series_room_owner(const char *key, char owner[NAME_SIZE])
{
    take_before(key, "/", owner);
}

void series_room_owner_of_file(const char *file_name, char owner[NAME_SIZE])
{
    take_before(file_name, "%2F", owner); /* as series_path writes a slash; names of hosts need no encoding */
}

/* --- how many --- */

void series_room_count(struct series_room *room, enum object_kind kind, const char *owner, int change)
{
    if (!owner[0])
        return;
    size_t *files = &ensure_owner(room, owner)->files[kind];
    if (change > 0)
        ++*files;
    else if (*files > 0)
        --*files;
}

size_t series_room_files(const struct series_room *room, enum object_kind kind, const char *owner)
{
    const struct owner *found = find_owner(room, owner);
    return found ? found->files[kind] : 0;
}

/* --- making room --- */

struct old_file {
    int64_t written_s;
    char *name;
};

struct old_files {
    VEC(struct old_file) list;
};

static int compare_ages(const void *a, const void *b)
{
    int64_t one = ((const struct old_file *)a)->written_s, other = ((const struct old_file *)b)->written_s;
    return (one > other) - (one < other);
}

static void gather(DIR *dir, const char *owner, struct old_files *old)
{
    int64_t gone_s = clock_wall_us() / USEC_PER_SEC - GONE_S;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char whose[NAME_SIZE];
        struct stat status;
        series_room_owner_of_file(entry->d_name, whose);
        if (strcmp(whose, owner) != 0 || !str_ends(entry->d_name, ".rrd") ||
            fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || status.st_mtime > gone_s)
            continue;
        vec_push(&old->list, ((struct old_file){.written_s = status.st_mtime, .name = xstrdup(entry->d_name)}));
    }
}

static size_t delete_oldest(DIR *dir, struct old_files *old, size_t most)
{
    size_t deleted = 0;
    if (old->list.count)
        qsort(old->list.items, old->list.count, sizeof *old->list.items, compare_ages);
    vec_each (&old->list, struct old_file, file) {
        if (deleted < most && unlinkat(dirfd(dir), file->name, 0) == 0)
            deleted++;
        free(file->name);
    }
    vec_free(&old->list);
    return deleted;
}

size_t series_room_make(
    struct series_room *room, enum object_kind kind, const char *owner, const char *directory, size_t most)
{
    struct owner *entry = ensure_owner(room, owner);
    struct old_files old = {0};
    int64_t now_us = clock_mono_us();
    if (entry->looked_mono_us[kind] && now_us - entry->looked_mono_us[kind] < LOOK_AGAIN_US)
        return 0;
    entry->looked_mono_us[kind] = now_us;
    DIR *dir = opendir(directory);
    if (!dir)
        return 0;
    gather(dir, owner, &old);
    size_t deleted = delete_oldest(dir, &old, most / 8 + 1);
    closedir(dir);
    entry->files[kind] -= deleted < entry->files[kind] ? deleted : entry->files[kind];
    if (!deleted)
        log_warning("%s has %zu histories of one kind (%s), what is new there gets none until others are a day old",
            owner, entry->files[kind], metric_table(kind)->kind);
    return deleted;
}
