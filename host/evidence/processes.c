/* What each process is doing, from /proc alone: nothing that belongs to the container is run or trusted. For each a
 * directory with the kernel's files as they are, and for each container one table to read. One thread per request. */
#include "host/evidence/process.h"
#include "host/evidence/stages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sanitize.h"

#define FILE_LIMIT ((int64_t)4 << 20)
#define PROGRAM_LIMIT ((int64_t)256 << 20)
#define MOST_OPEN_FILES 4096
#define LISTING_CEILING ((size_t)2 << 20)
#define SHOWN_COMMAND 1024

/* The command line is what the process says of itself; the rest is the kernel's. */
static const char *const kept_files[] = {"status", "stat", "cmdline", "environ", "maps", "cgroup", "mountinfo", NULL};
static const char *const kept_links[] = {
    "exe", "cwd", "root", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", NULL};

/* --- files ----------------------------------------------------------------------------------------------------------
 */

static enum err keep_files(struct evidence *evidence, const char *directory, int proc, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = 0; kept_files[i] && result == ERR_OK; i++) {
        char name[OUTPUT_NAME_SIZE];
        int fd = openat(proc, kept_files[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue; /* gone meanwhile: the table says so */
        str_format(name, sizeof name, "%s/%s", directory, kept_files[i]);
        result = output_copy(evidence, fd, FILE_LIMIT, name, info);
        close(fd);
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
    char name[OUTPUT_NAME_SIZE];
    struct stat seen;
    if (!str_ends(target, " (deleted)") && !str_starts(target, "/memfd:"))
        return ERR_OK;
    int fd = openat(proc, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    str_format(name, sizeof name, "%s/exe", directory);
    if (fd < 0 || fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) {
        evidence_leave_out(evidence, name, "the deleted program cannot be read: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_OK;
    }
    enum err result = output_copy(evidence, fd, PROGRAM_LIMIT, name, info);
    close(fd);
    return result;
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

static void put_command(json_t *row, int proc)
{
    struct buf command = BUF(SHOWN_COMMAND);
    char *clean = xmalloc(SHOWN_COMMAND * 4);
    process_read(proc, "cmdline", &command);
    for (size_t i = 0; i < command.length; i++)
        if (command.data[i] == '\0')
            command.data[i] = ' ';
    sanitize(clean, SHOWN_COMMAND * 4, buf_text(&command), command.length);
    json_put_text(row, "command", clean);
    free(clean);
    buf_free(&command);
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
    put_command(row, proc);
    str_format(directory, sizeof directory, "processes/%s/%d", evidence_label(container, label), (int)pid);
    enum err result = keep_files(evidence, directory, proc, info);
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
