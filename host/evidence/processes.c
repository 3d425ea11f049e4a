/* What each process is doing, from /proc alone: nothing that belongs to the container is run or trusted. For each a
 * directory with the kernel's files as they are, and for each container one table to read. One thread per request. */
#include "host/evidence/process.h"
#include "host/evidence/stages.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filetree.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define FILE_LIMIT ((int64_t)4 << 20)
#define PROGRAM_LIMIT ((int64_t)256 << 20)
#define MEMORY_LIMIT_US (3 * USEC_PER_SEC)
#define MOST_OPEN_FILES 4096
#define LISTING_CEILING ((size_t)2 << 20)
#define SHOWN_COMMAND 1024

/* The command line is what the process says of itself; the rest is the kernel's. Reading what lies in its memory can
 * make the kernel wait for the process (a page of a FUSE file it serves itself, userfaultfd): a program does it that
 * can be killed. */
static const struct {
    const char *name;
    bool is_memory;
} kept_files[] = {{"status", false}, {"stat", false}, {"cmdline", true}, {"environ", true}, {"maps", false},
    {"cgroup", false}, {"mountinfo", false}};
static const char *const cat_programs[] = {"/usr/bin/cat", "/bin/cat", NULL};
static const char *const kept_links[] = {
    "exe", "cwd", "root", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", NULL};

/* --- files ----------------------------------------------------------------------------------------------------------
 */

static enum err keep_with_program(struct evidence *evidence, const char *cat, int proc, const char *file, int64_t limit,
    const char *name, struct err_info *info)
{
    char path[80];
    str_format(path, sizeof path, "/proc/%ld/fd/%d/%s", (long)getpid(), proc, file); /* this process, not its number */
    const char *const argv[] = {cat, "--", path, NULL};
    return output_program(evidence,
        &(struct output_run){.argv = argv, .name = name, .limit = limit, .silence_us = MEMORY_LIMIT_US, .keep = true},
        info);
}

static enum err keep_file(
    struct evidence *evidence, int proc, const char *file, const char *name, struct err_info *info)
{
    int fd = openat(proc, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ERR_OK; /* gone meanwhile: the table says so */
    enum err result = output_copy(evidence, fd, FILE_LIMIT, name, info);
    close(fd);
    return result;
}

static enum err keep_files(struct evidence *evidence, const char *directory, int proc, struct err_info *info)
{
    char cat[HOST_PATH_SIZE];
    bool has_cat = evidence_program(cat_programs, cat);
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof kept_files / sizeof *kept_files && result == ERR_OK; i++) {
        char name[OUTPUT_NAME_SIZE];
        const char *file = kept_files[i].name;
        str_format(name, sizeof name, "%s/%s", directory, file);
        if (!kept_files[i].is_memory || !has_cat)
            result = keep_file(evidence, proc, file, name, info);
        else if (faccessat(proc, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            result = keep_with_program(evidence, cat, proc, file, FILE_LIMIT, name, info);
    }
    return result;
}

static void put_link(struct buf *text, int proc, const char *name)
{
    char *target = xmalloc(PATH_MAX);
    buf_printf(text, "%s -> ", name);
    if (process_link(proc, name, target, PATH_MAX))
        output_escape(text, target, strlen(target));
    else
        buf_puts(text, "?");
    buf_putc(text, '\n');
    free(target);
}

static void list_open_files(struct buf *text, int proc, size_t *count)
{
    char name[32];
    int64_t number;
    int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    *count = 0;
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        if (!str_to_i64(entry->d_name, 0, INT32_MAX, &number) || ++*count > MOST_OPEN_FILES)
            continue;
        str_format(name, sizeof name, "fd/%d", (int)number);
        put_link(text, proc, name);
    }
    if (directory)
        closedir(directory);
}

/* Links and open files as text, one a line. */
static enum err keep_links(
    struct evidence *evidence, const char *directory, int proc, size_t *open_files, struct err_info *info)
{
    char name[OUTPUT_NAME_SIZE];
    struct buf text = BUF(LISTING_CEILING);
    for (size_t i = 0; kept_links[i]; i++)
        put_link(&text, proc, kept_links[i]);
    list_open_files(&text, proc, open_files);
    str_format(name, sizeof name, "%s/links", directory);
    enum err result = output_text(evidence, name, buf_text(&text), text.length, info);
    buf_free(&text);
    return result;
}

/* A program that has no name in the file system any more, or never had one (memfd), is only here. */
static enum err keep_program(
    struct evidence *evidence, const char *directory, int proc, const char *target, struct err_info *info)
{
    char name[OUTPUT_NAME_SIZE], cat[HOST_PATH_SIZE];
    if (!str_ends(target, " (deleted)") && !str_starts(target, "/memfd:"))
        return ERR_OK;
    str_format(name, sizeof name, "%s/exe", directory);
    if (evidence_program(cat_programs, cat))
        return keep_with_program(evidence, cat, proc, "exe", PROGRAM_LIMIT, name, info);
    evidence_leave_out(evidence, name, "the deleted program is not read: cat is not installed on this host");
    return ERR_OK;
}

/* --- the table ------------------------------------------------------------------------------------------------------
 */

/* The value of a line "Key:\tvalue" of /proc/PID/status. */
static bool status_value(const char *status, const char *key, char *out, size_t out_size)
{
    size_t length = strlen(key);
    for (const char *line = status; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " \t");
            sanitize(out, out_size, value, strcspn(value, "\n"));
            return true;
        }
    return false;
}

static void put_status(json_t *row, const char *status)
{
    static const struct {
        const char *key, *member;
    } members[] = {{"Name", "name"}, {"State", "state"}, {"Uid", "uids"}, {"Gid", "gids"}, {"NSpid", "pids_inside"},
        {"CapEff", "capabilities"}, {"Seccomp", "seccomp"}, {"VmRSS", "resident"}, {"TracerPid", "traced_by"}};
    char value[128];
    int64_t parent = 0;
    if (status_value(status, "PPid", value, sizeof value) && str_to_i64(value, 0, INT32_MAX, &parent))
        json_put_i64(row, "parent", parent);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (status_value(status, members[i].key, value, sizeof value))
            json_put_text(row, members[i].member, value);
}

/* When it began, in clock ticks since boot: field 22 of /proc/PID/stat, behind the name in parentheses (proc(5)). */
static void put_start(json_t *row, int proc)
{
    struct buf stat = BUF(4096);
    int64_t ticks = 0;
    char *at = process_read(proc, "stat", &stat) ? strrchr(stat.data ? stat.data : "", ')') : NULL;
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (at) {
        at[strcspn(at, " \n")] = '\0';
        if (str_to_i64(at, 0, INT64_MAX, &ticks))
            json_put_i64(row, "start_ticks", ticks);
    }
    buf_free(&stat);
}

/* As it was kept: it is not read twice. */
static void put_command(json_t *row, const struct evidence *evidence, const char *directory)
{
    char *name = xasprintf("%s/cmdline", directory), *clean = xmalloc(SHOWN_COMMAND * 4), bytes[SHOWN_COMMAND];
    int fd = filetree_open_file(evidence->vault.fd, name);
    ssize_t length = fd >= 0 ? read(fd, bytes, sizeof bytes) : 0;
    for (ssize_t i = 0; i < length; i++)
        if (bytes[i] == '\0')
            bytes[i] = ' ';
    sanitize(clean, SHOWN_COMMAND * 4, bytes, length > 0 ? (size_t)length : 0);
    json_put_text(row, "command", clean);
    if (fd >= 0)
        close(fd);
    free(clean);
    free(name);
}

static void put_target(json_t *row, const char *member, const char *target)
{
    char clean[1024];
    sanitize(clean, sizeof clean, target, strlen(target));
    json_put_text(row, member, clean);
}

/* --- one process ----------------------------------------------------------------------------------------------------
 */

static enum err keep_process(
    struct evidence *evidence, const json_t *container, pid_t pid, int proc, void *context, struct err_info *info)
{
    json_t *table = context, *row = json_object();
    char label[EVIDENCE_LABEL_SIZE], directory[OUTPUT_NAME_SIZE - 32];
    char *target = xcalloc(1, PATH_MAX);
    struct buf status = BUF(65536);
    size_t open_files = 0;
    json_put_i64(row, "pid", pid);
    if (process_read(proc, "status", &status))
        put_status(row, buf_text(&status));
    put_start(row, proc);
    str_format(directory, sizeof directory, "processes/%s/%d", evidence_label(container, label), (int)pid);
    enum err result = keep_files(evidence, directory, proc, info);
    put_command(row, evidence, directory);
    if (result == ERR_OK)
        result = keep_links(evidence, directory, proc, &open_files, info);
    if (process_link(proc, "cwd", target, PATH_MAX))
        put_target(row, "working_directory", target);
    if (process_link(proc, "exe", target, PATH_MAX)) {
        put_target(row, "program", target);
        if (result == ERR_OK)
            result = keep_program(evidence, directory, proc, target, info);
    } else {
        json_put_bool(row, "gone", faccessat(proc, "status", F_OK, 0) != 0);
    }
    json_put_i64(row, "open_files", (int64_t)open_files);
    json_array_append_new(table, row);
    buf_free(&status);
    free(target);
    return result;
}

enum err stage_processes(struct evidence *evidence, struct err_info *info)
{
    json_t *container;
    size_t i;
    enum err result = ERR_OK;
    json_array_foreach (evidence->containers, i, container) {
        char label[EVIDENCE_LABEL_SIZE], name[OUTPUT_NAME_SIZE];
        json_t *table = json_array();
        result = process_each(evidence, container, keep_process, table, NULL, info);
        str_format(name, sizeof name, "processes/%s.json", evidence_label(container, label));
        if (result == ERR_OK)
            result = output_json(evidence, name, table, info);
        json_decref(table);
        if (result != ERR_OK)
            break;
    }
    return result;
}
