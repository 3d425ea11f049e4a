/* The files of one log in the order of their writing. logrotate renames (syslog.1, messages-20260102) or copies and
 * truncates, dockerd renames (…-json.log.1), conmon puts a new file in the old one's place. Compressed ones are gone
 * for us. Stateless; any thread. */
#include "host/logs/rotation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "host/path.h"

#define MOST_SIBLINGS 64
#define MOST_NAME 255

struct sibling {
    char name[MOST_NAME + 1];
    struct stat facts;
    int64_t number; /* NAME.3: 3; 0 for the log itself; -1 for any other name */
};

struct siblings {
    struct sibling *items;
    size_t count;
    size_t capacity;
};

uint32_t rotation_print(const char *bytes, size_t length)
{
    uint32_t print = 2166136261u;
    for (size_t i = 0; i < length; i++)
        print = (print ^ (unsigned char)bytes[i]) * 16777619u;
    return print;
}

int rotation_open(const char *path)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* --- the files beside it --------------------------------------------------------------------------------------------
 */

static bool is_sibling_name(const char *name, const char *base, int64_t *number)
{
    static const char *const others[] = {".gz", ".xz", ".bz2", ".zst", ".tmp", ".swp", "~"};
    size_t length = strlen(base);
    *number = -1;
    if (strncmp(name, base, length) != 0 || strlen(name) > MOST_NAME)
        return false;
    if (name[length] == '\0') {
        *number = 0;
        return true;
    }
    if (name[length] != '.' && name[length] != '-')
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_ends(name, others[i]))
            return false;
    if (!str_to_i64(name + length + 1, 1, 100000, number))
        *number = -1;
    return true;
}

/* Oldest first; the log itself last. */
static int compare(const void *one, const void *other)
{
    const struct sibling *a = one, *b = other;
    if ((a->number == 0) != (b->number == 0))
        return a->number == 0 ? 1 : -1;
    if (a->number > 0 && b->number > 0)
        return a->number > b->number ? -1 : 1;
    if (a->facts.st_mtim.tv_sec != b->facts.st_mtim.tv_sec)
        return a->facts.st_mtim.tv_sec < b->facts.st_mtim.tv_sec ? -1 : 1;
    if (a->facts.st_mtim.tv_nsec != b->facts.st_mtim.tv_nsec)
        return a->facts.st_mtim.tv_nsec < b->facts.st_mtim.tv_nsec ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Returns the directory's descriptor or -1; vec_free the list in any case. */
static int list_siblings(const char *path, struct siblings *siblings)
{
    char parent[HOST_PATH_SIZE];
    *siblings = (struct siblings){0};
    str_copy(parent, sizeof parent, path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    const char *base = path + (slash - parent) + 1;
    DIR *directory = opendir(*parent ? parent : "/");
    if (!directory)
        return -1;
    const struct dirent *found;
    while (siblings->count < MOST_SIBLINGS && (found = readdir(directory)) != NULL) {
        struct sibling sibling = {0};
        if (!is_sibling_name(found->d_name, base, &sibling.number) ||
            fstatat(dirfd(directory), found->d_name, &sibling.facts, 0) != 0 || !S_ISREG(sibling.facts.st_mode))
            continue;
        str_copy(sibling.name, sizeof sibling.name, found->d_name);
        vec_push(siblings, sibling);
    }
    int fd = fcntl(dirfd(directory), F_DUPFD_CLOEXEC, 0);
    closedir(directory);
    if (siblings->count)
        qsort(siblings->items, siblings->count, sizeof *siblings->items, compare);
    return fd;
}

static int open_sibling(int directory, const struct sibling *sibling)
{
    int fd = openat(directory, sibling->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat facts;
    if (fd < 0)
        return -1;
    if (fstat(fd, &facts) == 0 && facts.st_ino == sibling->facts.st_ino && facts.st_dev == sibling->facts.st_dev)
        return fd;
    close(fd); /* renamed meanwhile: the next look finds it */
    return -1;
}

/* --- finding --------------------------------------------------------------------------------------------------------
 */

static bool holds_mark(int fd, const struct rotation_mark *mark)
{
    char bytes[ROTATION_PRINT_BYTES];
    size_t before = mark->offset < sizeof bytes ? (size_t)mark->offset : sizeof bytes;
    ssize_t got = pread(fd, bytes, before, (off_t)(mark->offset - before));
    return got == (ssize_t)before && rotation_print(bytes, before) == mark->print;
}

static bool is_inode(const struct sibling *sibling, uint64_t device, uint64_t inode)
{
    return sibling->facts.st_dev == device && sibling->facts.st_ino == inode;
}

/* The newest that fits: `same` inode, or not. */
static int find_among(const struct siblings *siblings, int directory, const struct rotation_mark *mark, bool same)
{
    for (size_t i = siblings->count; i-- > 0;) {
        const struct sibling *sibling = &siblings->items[i];
        if (is_inode(sibling, mark->device, mark->inode) != same)
            continue;
        int fd = open_sibling(directory, sibling);
        if (fd >= 0 && holds_mark(fd, mark))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

int rotation_find(const char *path, const struct rotation_mark *mark)
{
    struct siblings siblings;
    int directory = list_siblings(path, &siblings);
    int fd = directory < 0 ? -1 : find_among(&siblings, directory, mark, true);
    if (fd < 0 && directory >= 0 && mark->offset > 0)
        fd = find_among(&siblings, directory, mark, false);
    if (directory >= 0)
        close(directory);
    vec_free(&siblings);
    return fd;
}

static bool is_older(const struct stat *facts, const struct stat *than)
{
    if (facts->st_mtim.tv_sec != than->st_mtim.tv_sec)
        return facts->st_mtim.tv_sec < than->st_mtim.tv_sec;
    return facts->st_mtim.tv_nsec < than->st_mtim.tv_nsec;
}

/* Behind ours; where that has no name any more, the first that was written to later; else the log itself. */
static size_t next_index(const struct siblings *siblings, const struct stat *ours)
{
    for (size_t i = 0; i < siblings->count; i++)
        if (is_inode(&siblings->items[i], ours->st_dev, ours->st_ino))
            return i + 1;
    for (size_t i = 0; i < siblings->count; i++)
        if (siblings->items[i].number == 0 || !is_older(&siblings->items[i].facts, ours))
            return i;
    return siblings->count;
}

/* A log without a line: whoever writes may still have the old one open, and a position at its beginning would have
 * nothing to know the file by. */
static bool has_line(int fd)
{
    char bytes[4096];
    ssize_t got = pread(fd, bytes, sizeof bytes, 0);
    return got == (ssize_t)sizeof bytes || (got > 0 && memchr(bytes, '\n', (size_t)got));
}

int rotation_next(const char *path, const struct stat *ours, bool *is_waiting)
{
    struct siblings siblings;
    int fd = -1, directory = list_siblings(path, &siblings);
    size_t i = directory < 0 ? 0 : next_index(&siblings, ours);
    if (directory >= 0 && i < siblings.count)
        fd = open_sibling(directory, &siblings.items[i]);
    if (fd >= 0 && siblings.items[i].number == 0 && !has_line(fd)) {
        close(fd);
        fd = -1;
    }
    *is_waiting = fd < 0;
    if (directory >= 0)
        close(directory);
    vec_free(&siblings);
    return fd;
}
