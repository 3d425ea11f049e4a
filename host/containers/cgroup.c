/* Which file of which controller says what: one table for v1 (Documentation/admin-guide/cgroup-v1) and one for v2
 * (cgroup-v2.rst), each row with the member it fills and how its text is read. Kernel files are read with one pread
 * into a buffer on the stack. A struct cgroup belongs to one thread at a time; the rest is stateless. */
#include "host/containers/cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define FILE_BYTES 4096 /* memory.stat of v1 has about 1 KB, of v2 1.5 KB; io.stat grows with the disks */
#define LISTING_CEILING (1u << 20)
#define NO_LIMIT (INT64_C(1) << 60) /* v1 says "none" as a multiple of the page size below 2^63 */
#define FDS_LEFT_FREE 256           /* descriptors for everything else the helper does */

/* --- reading values -------------------------------------------------------------------------------------------------
 */

/* Digits at `text`; false where there are none or too many. */
static bool read_number(const char *text, int64_t *out)
{
    uint64_t number = 0;
    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++) {
        if (number > (UINT64_C(1) << 59))
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *out = (int64_t)number;
    return number <= INT64_MAX;
}

/* The number behind `key` at the beginning of a line: "throttled_time 0". */
static bool read_keyed(const char *text, const char *key, int64_t *out)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return read_number(line + length + 1, out);
    }
    return false;
}

/* The sum of the numbers behind `key` anywhere: "8:0 Read 123" (v1), "8:0 rbytes=123 wbytes=4" (v2). An empty file
 * means that nothing was read or written yet. */
static bool read_summed(const char *text, const char *key, int64_t *out)
{
    int64_t sum = 0, number;
    size_t length = strlen(key);
    for (const char *at = strstr(text, key); at; at = strstr(at + length, key))
        if (read_number(at + length, &number))
            sum += number;
    *out = sum;
    return true;
}

enum reading {
    READ_PLAIN,    /* the whole file is one number ("max" is none) */
    READ_KEYED,    /* `key` at the beginning of a line */
    READ_SUMMED,   /* all numbers behind `key` */
    READ_SUBTRACT, /* keyed, and taken off what is there already */
    READ_LIMIT,    /* plain; a huge number is none */
};

/* A row whose file is the same as that of the row before shares its text. */
struct value_row {
    const char *controller; /* NULL ends the table */
    const char *file;
    enum reading reading;
    const char *key;
    int64_t divisor; /* to the member's unit */
    size_t offset;   /* of the member of struct cgroup_usage */
};

#define MEMBER(name) offsetof(struct cgroup_usage, name)

static const struct value_row v1_rows[] = {
    {"cpuacct", "cpuacct.usage", READ_PLAIN, NULL, 1000, MEMBER(cpu_us)},
    {"cpu", "cpu.stat", READ_KEYED, "throttled_time", 1000, MEMBER(throttled_us)},
    {"memory", "memory.usage_in_bytes", READ_PLAIN, NULL, 1, MEMBER(mem_bytes)},
    {"memory", "memory.stat", READ_SUBTRACT, "total_inactive_file", 1, MEMBER(mem_bytes)},
    {"memory", "memory.limit_in_bytes", READ_LIMIT, NULL, 1, MEMBER(mem_limit_bytes)},
    {"memory", "memory.oom_control", READ_KEYED, "oom_kill", 1, MEMBER(oom_kills)},
    {"blkio", "blkio.throttle.io_service_bytes", READ_SUMMED, " Read ", 1, MEMBER(io_read_bytes)},
    {"blkio", "blkio.throttle.io_service_bytes", READ_SUMMED, " Write ", 1, MEMBER(io_write_bytes)},
    {"pids", "pids.current", READ_PLAIN, NULL, 1, MEMBER(processes)},
    {0},
};

static const struct value_row v2_rows[] = {
    {"", "cpu.stat", READ_KEYED, "usage_usec", 1, MEMBER(cpu_us)},
    {"", "cpu.stat", READ_KEYED, "throttled_usec", 1, MEMBER(throttled_us)},
    {"", "memory.current", READ_PLAIN, NULL, 1, MEMBER(mem_bytes)},
    {"", "memory.stat", READ_SUBTRACT, "inactive_file", 1, MEMBER(mem_bytes)},
    {"", "memory.max", READ_LIMIT, NULL, 1, MEMBER(mem_limit_bytes)},
    {"", "memory.events", READ_KEYED, "oom_kill", 1, MEMBER(oom_kills)},
    {"", "io.stat", READ_SUMMED, "rbytes=", 1, MEMBER(io_read_bytes)},
    {"", "io.stat", READ_SUMMED, "wbytes=", 1, MEMBER(io_write_bytes)},
    {"", "pids.current", READ_PLAIN, NULL, 1, MEMBER(processes)},
    {0},
};

#define MOST_ROWS (sizeof v1_rows / sizeof *v1_rows)
_Static_assert(sizeof v2_rows <= sizeof v1_rows, "struct cgroup has room for the rows of v1");

static void take_value(const struct value_row *row, const char *text, struct cgroup_usage *usage)
{
    int64_t number, *member = (int64_t *)(void *)((char *)usage + row->offset);
    bool found = row->reading == READ_KEYED || row->reading == READ_SUBTRACT ? read_keyed(text, row->key, &number)
                 : row->reading == READ_SUMMED                               ? read_summed(text, row->key, &number)
                                                                             : read_number(text, &number);
    if (!found || (row->reading == READ_LIMIT && number >= NO_LIMIT))
        return;
    if (row->reading != READ_SUBTRACT)
        *member = number / row->divisor;
    else if (*member != CGROUP_UNKNOWN)
        *member = *member > number ? *member - number : 0;
}

/* --- where they are -------------------------------------------------------------------------------------------------
 */

/* The n-th (from 0) blank-separated field of a line, cut at its end; false where it is missing or does not fit. */
static bool copy_field(const char *line, size_t index, char *out, size_t out_size)
{
    for (; index > 0; index--) {
        line += strcspn(line, " \n");
        if (*line++ != ' ')
            return false;
    }
    size_t length = strcspn(line, " \n");
    if (length == 0 || length >= out_size)
        return false;
    memcpy(out, line, length);
    out[length] = '\0';
    return true;
}

/* The controllers among a v1 mount's options: "rw,cpu,cpuacct" → "cpu,cpuacct". */
static bool copy_controllers(const char *options, char *out, size_t out_size)
{
    static const char *const others[] = {"rw", "ro", "xattr", "noprefix", "clone_children"};
    size_t length = 0;
    out[0] = '\0';
    while (*options) {
        size_t word = strcspn(options, ",");
        bool skipped = false;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            skipped = skipped || (strlen(others[i]) == word && strncmp(options, others[i], word) == 0);
        if (!skipped) {
            if (!str_format(out + length, out_size - length, "%s%.*s", length ? "," : "", (int)word, options))
                return false;
            length = strlen(out);
        }
        options += word + (options[word] == ',');
    }
    return length > 0;
}

/* "36 35 0:33 / /sys/fs/cgroup/memory rw,nosuid shared:12 - cgroup cgroup rw,memory" (proc(5)) */
static void take_mount(struct cgroup_mounts *mounts, const char *line)
{
    char type[16], options[256];
    size_t line_length = strcspn(line, "\n");
    const char *separator = memmem(line, line_length, " - ", 3);
    if (!separator || mounts->count == CGROUP_MOST_MOUNTS || !copy_field(separator + 3, 0, type, sizeof type))
        return;
    struct cgroup_mount *mount = &mounts->items[mounts->count];
    bool v1 = strcmp(type, "cgroup") == 0;
    if (!v1 && strcmp(type, "cgroup2") != 0)
        return;
    if (!copy_field(line, 3, mount->root, sizeof mount->root) ||
        !copy_field(line, 4, mount->point, sizeof mount->point) ||
        !copy_field(separator + 3, 2, options, sizeof options))
        return;
    mount->controllers[0] = '\0';
    if (!v1 || copy_controllers(options, mount->controllers, sizeof mount->controllers))
        mounts->count++;
}

void cgroup_mounts_load(struct cgroup_mounts *mounts)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(LISTING_CEILING);
    mounts->count = 0;
    if (buf_read_file(&text, host_path(path, sizeof path, "/proc/self/mountinfo"), NULL) == ERR_OK)
        for (const char *line = buf_text(&text); line; line = (line = strchr(line, '\n')) ? line + 1 : NULL)
            take_mount(mounts, line);
    buf_free(&text);
}

/* Whether a word stands in a comma-separated list; "" stands only in the empty one. */
static bool list_has(const char *list, const char *word, size_t list_length)
{
    size_t length = strlen(word);
    if (length == 0)
        return list_length == 0;
    for (const char *at = list; at < list + list_length;) {
        size_t span = strcspn(at, ",:");
        if (span == length && strncmp(at, word, length) == 0)
            return true;
        at += span + 1;
    }
    return false;
}

static const struct cgroup_mount *find_mount(const struct cgroup_mounts *mounts, const char *controller)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const struct cgroup_mount *mount = &mounts->items[i];
        if (list_has(mount->controllers, controller, strlen(mount->controllers)))
            return mount;
    }
    return NULL;
}

bool cgroup_is_v2(const struct cgroup_mounts *mounts)
{
    return !find_mount(mounts, "memory") && !find_mount(mounts, "cpuacct") && find_mount(mounts, "");
}

bool cgroup_watch_root(const struct cgroup_mounts *mounts, const char **controller, char out[HOST_PATH_SIZE])
{
    static const char *const v1_controllers[] = {"memory", "pids", "name=systemd"};
    const struct cgroup_mount *mount = NULL;
    *controller = "";
    if (cgroup_is_v2(mounts))
        mount = find_mount(mounts, "");
    for (size_t i = 0; i < sizeof v1_controllers / sizeof *v1_controllers && !mount; i++)
        if ((mount = find_mount(mounts, v1_controllers[i])) != NULL)
            *controller = v1_controllers[i];
    if (!mount)
        return false;
    host_path(out, HOST_PATH_SIZE, mount->point);
    return true;
}

/* The path of /proc/PID/cgroup ("4:memory:/libpod_parent/…", v2 "0::/…") for one controller. */
static bool find_group(const char *listing, const char *controller, char *out, size_t out_size)
{
    for (const char *line = listing; line && *line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
        const char *list = line + strcspn(line, ":\n");
        if (*list++ != ':')
            continue;
        size_t list_length = strcspn(list, ":\n");
        if (list[list_length] == ':' && list_has(list, controller, list_length))
            return copy_field(list + list_length + 1, 0, out, out_size);
    }
    return false;
}

/* Cut the path behind the component that has the ID in it. */
static bool cut_behind_id(char *path, const char *id)
{
    char *at = strstr(path, id);
    if (!at)
        return false;
    at[strcspn(at, "/")] = '\0';
    return !strstr(path, "/../") && path[0] == '/';
}

/* `listing` is the text of /proc/PID/cgroup. */
static bool find_in_listing(const struct cgroup_mounts *mounts, const char *listing, const char *id,
    const char *controller, char out[HOST_PATH_SIZE])
{
    char group[HOST_PATH_SIZE];
    const struct cgroup_mount *mount = find_mount(mounts, controller);
    if (!mount || !find_group(listing, controller, group, sizeof group) || !cut_behind_id(group, id))
        return false;
    const char *below = group;
    size_t root_length = strlen(mount->root);
    if (root_length > 1 && strncmp(group, mount->root, root_length) == 0)
        below += root_length;
    host_path_format(out, HOST_PATH_SIZE, "%s%s", mount->point, below);
    return out[0] != '\0';
}

static enum err read_listing(pid_t pid, struct buf *listing)
{
    char path[HOST_PATH_SIZE];
    return buf_read_file(listing, host_path_format(path, sizeof path, "/proc/%d/cgroup", (int)pid), NULL);
}

bool cgroup_find(
    const struct cgroup_mounts *mounts, pid_t pid, const char *id, const char *controller, char out[HOST_PATH_SIZE])
{
    struct buf listing = BUF(65536);
    bool found = read_listing(pid, &listing) == ERR_OK && *id &&
                 find_in_listing(mounts, buf_text(&listing), id, controller, out);
    buf_free(&listing);
    return found;
}

/* --- one container --------------------------------------------------------------------------------------------------
 */

struct cgroup {
    const struct value_row *rows;
    struct {
        int fd;     /* -1: not kept open, or missing */
        char *path; /* NULL: no such hierarchy, or the same file as the row before */
    } files[MOST_ROWS];
};

static bool same_file_as_before(const struct value_row *rows, size_t i)
{
    return i > 0 && strcmp(rows[i].file, rows[i - 1].file) == 0;
}

static bool may_keep_open(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + FDS_LEFT_FREE < limit.rlim_cur;
}

static void open_file(struct cgroup *group, size_t i, const char *directory)
{
    group->files[i].path = xasprintf("%s/%s", directory, group->rows[i].file);
    int fd = open(group->files[i].path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !may_keep_open(fd)) {
        close(fd);
        fd = -1;
    }
    group->files[i].fd = fd;
}

struct cgroup *cgroup_open(const struct cgroup_mounts *mounts, pid_t pid, const char *id)
{
    char directory[HOST_PATH_SIZE];
    struct buf listing = BUF(65536);
    struct cgroup *group = xcalloc(1, sizeof *group);
    bool found = false;
    group->rows = cgroup_is_v2(mounts) ? v2_rows : v1_rows;
    bool readable = read_listing(pid, &listing) == ERR_OK && *id;
    for (size_t i = 0; i < MOST_ROWS; i++)
        group->files[i].fd = -1;
    for (size_t i = 0; readable && group->rows[i].controller; i++) {
        if (same_file_as_before(group->rows, i) ||
            !find_in_listing(mounts, buf_text(&listing), id, group->rows[i].controller, directory))
            continue;
        found = true;
        open_file(group, i, directory);
    }
    buf_free(&listing);
    if (found)
        return group;
    cgroup_close(group);
    return NULL;
}

void cgroup_close(struct cgroup *group)
{
    for (size_t i = 0; group && i < MOST_ROWS; i++) {
        if (group->files[i].fd >= 0)
            close(group->files[i].fd);
        free(group->files[i].path);
    }
    free(group);
}

static bool read_text(int kept_fd, const char *path, char text[FILE_BYTES])
{
    int fd = kept_fd >= 0 ? kept_fd : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = pread(fd, text, FILE_BYTES - 1, 0);
    if (kept_fd < 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got >= 0;
}

void cgroup_read(struct cgroup *group, struct cgroup_usage *usage)
{
    char text[FILE_BYTES];
    bool readable = false;
    *usage = (struct cgroup_usage){CGROUP_UNKNOWN, CGROUP_UNKNOWN, CGROUP_UNKNOWN, CGROUP_UNKNOWN, CGROUP_UNKNOWN,
        CGROUP_UNKNOWN, CGROUP_UNKNOWN, CGROUP_UNKNOWN};
    for (size_t i = 0; group->rows[i].controller; i++) {
        if (!same_file_as_before(group->rows, i))
            readable = group->files[i].path && read_text(group->files[i].fd, group->files[i].path, text);
        if (readable)
            take_value(&group->rows[i], text, usage);
    }
}
