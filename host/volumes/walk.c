/* A walk with openat(2) and getdents64(2): one descriptor and one buffer of 4 KiB per level, no path is ever put
 * together, so that names and depth that somebody else chose can neither lead out of the volume nor cost much memory.
 * Runs in the measuring thread (host/volumes/volumes.c). */
#include "host/volumes/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define MOST_LEVELS 100
#define STEP_ENTRIES 2000
#define STEP_US (20 * USEC_PER_MSEC) /* a step ends earlier where the disk is slow */
#define MOST_LINKED 65536            /* inodes remembered because they have several names: 1 MiB */
#define LEVEL_BYTES 4096

/* As getdents64(2) writes it. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct level {
    int fd;
    size_t at, filled;
    _Alignas(struct directory_entry) char entries[LEVEL_BYTES];
};

/* Inodes with several names that were counted already: open addressing, 0 is empty. All on one device. */
struct linked {
    uint64_t *slots;
    size_t count, capacity; /* capacity: a power of two */
};

struct walk {
    walk_rest *rest;
    void *context;
    dev_t device;
    struct level *levels[MOST_LEVELS];
    size_t depth; /* how many of them are open */
    struct linked linked;
    int64_t step_began_us;
    size_t step_entries;
    struct walk_result *result;
};

/* --- several names for one file -------------------------------------------------------------------------------------
 */

static size_t slot_of(const struct linked *linked, uint64_t inode)
{
    size_t slot = (size_t)((inode * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (linked->capacity - 1);
    while (linked->slots[slot] && linked->slots[slot] != inode)
        slot = (slot + 1) & (linked->capacity - 1);
    return slot;
}

static void enlarge(struct linked *linked)
{
    struct linked larger = {.capacity = linked->capacity ? linked->capacity * 2 : 256};
    larger.slots = xcalloc(larger.capacity, sizeof *larger.slots);
    for (size_t i = 0; i < linked->capacity; i++)
        if (linked->slots[i])
            larger.slots[slot_of(&larger, linked->slots[i])] = linked->slots[i];
    larger.count = linked->count;
    free(linked->slots);
    *linked = larger;
}

/* True the first time an inode is seen. Beyond MOST_LINKED it may be counted again: too much rather than too little. */
static bool is_first_name(struct linked *linked, uint64_t inode)
{
    if (linked->count * 2 >= linked->capacity && linked->count < MOST_LINKED)
        enlarge(linked);
    size_t slot = slot_of(linked, inode);
    if (linked->slots[slot])
        return false;
    if (linked->count < MOST_LINKED) {
        linked->slots[slot] = inode;
        linked->count++;
    }
    return true;
}

/* --- steps ----------------------------------------------------------------------------------------------------------
 */

static bool end_step(struct walk *walk)
{
    int64_t busy_us = clock_mono_us() - walk->step_began_us;
    walk->result->busy_us += busy_us;
    bool go_on = !walk->rest || walk->rest(busy_us, walk->context);
    walk->step_began_us = clock_mono_us();
    walk->step_entries = 0;
    return go_on;
}

static bool count_entry(struct walk *walk)
{
    bool is_step = ++walk->step_entries >= STEP_ENTRIES;
    if (!is_step && walk->step_entries % 64 == 0)
        is_step = clock_mono_us() - walk->step_began_us > STEP_US;
    return !is_step || end_step(walk);
}

/* --- walking --------------------------------------------------------------------------------------------------------
 */

static void count_file(struct walk *walk, const struct stat *seen)
{
    bool is_directory = S_ISDIR(seen->st_mode);
    if (!is_directory && seen->st_nlink > 1 && !is_first_name(&walk->linked, seen->st_ino))
        return;
    walk->result->used_bytes += (int64_t)seen->st_blocks * 512;
    walk->result->files += !is_directory;
}

static void push_level(struct walk *walk, int fd)
{
    if (!walk->levels[walk->depth])
        walk->levels[walk->depth] = xmalloc(sizeof *walk->levels[0]);
    struct level *level = walk->levels[walk->depth++];
    level->fd = fd;
    level->at = level->filled = 0;
}

/* O_NOATIME: measuring must not write to the disk; refused where the files are not ours. */
static int open_directory(int parent, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(parent, name, flags | O_NOATIME);
    return fd < 0 && errno == EPERM ? openat(parent, name, flags) : fd;
}

static void visit(struct walk *walk, int parent, const char *name)
{
    struct stat seen;
    if (fstatat(parent, name, &seen, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 || seen.st_dev != walk->device)
        return;
    count_file(walk, &seen);
    if (!S_ISDIR(seen.st_mode) || walk->depth == MOST_LEVELS)
        return;
    int fd = open_directory(parent, name);
    if (fd >= 0 && fstat(fd, &seen) == 0 && seen.st_dev == walk->device)
        push_level(walk, fd);
    else if (fd >= 0)
        close(fd);
}

/* The next entry of the deepest level; NULL at its end. */
static const struct directory_entry *next_entry(struct level *level)
{
    if (level->at >= level->filled) {
        long got = syscall(SYS_getdents64, level->fd, level->entries, sizeof level->entries);
        level->at = 0;
        level->filled = got > 0 ? (size_t)got : 0;
    }
    if (level->at >= level->filled)
        return NULL;
    const struct directory_entry *entry = (const void *)(level->entries + level->at);
    level->at += entry->length;
    return entry;
}

static bool walk_all(struct walk *walk)
{
    while (walk->depth > 0) {
        struct level *level = walk->levels[walk->depth - 1];
        const struct directory_entry *entry = next_entry(level);
        if (!entry) {
            close(level->fd);
            walk->depth--;
        } else if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0) {
            visit(walk, level->fd, entry->name);
            if (!count_entry(walk))
                return false;
        }
    }
    return true;
}

static void free_walk(struct walk *walk)
{
    while (walk->depth > 0)
        close(walk->levels[--walk->depth]->fd);
    for (size_t i = 0; i < MOST_LEVELS; i++)
        free(walk->levels[i]);
    free(walk->linked.slots);
}

enum err walk_measure(
    const char *path, walk_rest *rest, void *context, struct walk_result *result, struct err_info *info)
{
    struct stat seen;
    struct walk walk = {.rest = rest, .context = context, .result = result, .step_began_us = clock_mono_us()};
    *result = (struct walk_result){0};
    if (stat(path, &seen) != 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot measure %s", path);
    walk.device = seen.st_dev;
    count_file(&walk, &seen);
    if (S_ISDIR(seen.st_mode)) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return err_errno(info, err_from_errno(errno), errno, "cannot read %s", path);
        push_level(&walk, fd);
    }
    bool whole = walk_all(&walk) && end_step(&walk);
    free_walk(&walk);
    return whole ? ERR_OK : err_set(info, ERR_CANCELLED, "measuring %s was given up", path);
}
