/* Archives are made by tar(1) of the host straight from the directories: no process of the container is needed,
 * symbolic links, sockets, pipes and devices are kept as what they are, nothing is followed or opened, and times of
 * access stay as they are. One thread per request. */
#include "host/evidence/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/evidence/process.h"
#include "host/volumes/walk.h"

#define TAR_EXTRA_PER_FILE 1536 /* header, padding and extended header of an ordinary file, rounded up */
#define MOST_TMPFS 32
#define MOST_MOUNT_POINT 1000

static const char *const tar_programs[] = {"/usr/bin/tar", "/bin/tar", NULL};

static bool rest_of_walk(int64_t busy_us, void *context)
{
    (void)busy_us;
    return evidence_tick(context);
}

/* Whether the tree fits; where it does not it is left out whole, so that others that fit find room. */
static enum err check_room(
    struct evidence *evidence, const char *path, const char *name, bool *fits, struct err_info *info)
{
    struct walk_result size;
    struct err_info why = {0};
    *fits = false;
    enum err result = walk_measure(path, rest_of_walk, evidence, &size, &why);
    if (result == ERR_CANCELLED)
        return evidence_given_up(info);
    if (result != ERR_OK) {
        evidence_leave_out(evidence, name, "%s", why.message);
        return ERR_OK;
    }
    int64_t needs = size.used_bytes + size.files * TAR_EXTRA_PER_FILE, room = vault_room_bytes(&evidence->vault);
    *fits = needs <= room;
    if (!*fits)
        evidence_leave_out(evidence, name,
            "no room: it needs %lld bytes and there are %lld (a tenth of the disk, at least 1 GiB, stays free)",
            (long long)needs, (long long)room);
    return ERR_OK;
}

static enum err run_tar(
    struct evidence *evidence, const char *directory, const char *member, const char *name, struct err_info *info)
{
    char tar[HOST_PATH_SIZE];
    if (!evidence_program(tar_programs, tar)) {
        evidence_leave_out(evidence, name, "tar is not installed on this host");
        return ERR_OK;
    }
    const char *const argv[] = {tar, "--create", "--file=-", "--format=posix", "--one-file-system", "--sparse",
        "--numeric-owner", "--xattrs", "--acls", "--atime-preserve=system", "--warning=no-file-ignored", "--directory",
        directory, "--", member, NULL};
    return output_program(
        evidence, &(struct output_run){.argv = argv, .name = name, .limit = ARCHIVE_MOST_BYTES, .accept = 1}, info);
}

enum err archive_keep(struct evidence *evidence, const char *path, const char *name, struct err_info *info)
{
    char parent[HOST_PATH_SIZE], member[HOST_PATH_SIZE] = ".";
    struct stat seen;
    bool fits;
    if (lstat(path, &seen) != 0 || !(S_ISDIR(seen.st_mode) || S_ISREG(seen.st_mode))) {
        evidence_leave_out(evidence, name, "%s is neither a directory nor a file", path);
        return ERR_OK;
    }
    enum err result = check_room(evidence, path, name, &fits, info);
    if (result != ERR_OK || !fits)
        return result;
    str_copy(parent, sizeof parent, path);
    if (S_ISREG(seen.st_mode)) {
        char *slash = strrchr(parent, '/');
        str_format(member, sizeof member, "./%s", slash + 1);
        slash[slash == parent] = '\0';
    }
    return run_tar(evidence, parent, member, name, info);
}

/* --- temporary file systems -----------------------------------------------------------------------------------------
 */

/* Where it stands inside, of a line of /proc/PID/mountinfo (proc(5)): a whole tmpfs that is the container's own. */
static bool take_tmpfs(const char *line, char out[MOST_MOUNT_POINT])
{
    char root[8], kind[16];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(rest, " - %15s", kind) != 1 || strcmp(kind, "tmpfs") != 0 ||
        sscanf(line, "%*s %*s %*s %7s %999s", root, out) != 2 || strcmp(root, "/") != 0)
        return false;
    bool is_systems = strcmp(out, "/dev") == 0 || str_starts(out, "/proc/") || str_starts(out, "/sys/");
    return out[0] == '/' && out[1] && !strchr(out, '\\') && !is_systems;
}

/* Looked up inside the container's root with every symbolic link refused: it cannot lead out. -1: errno says why. */
static int open_inside(int root, const char *mount_point)
{
    const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct statfs seen;
    int fd = (int)syscall(SYS_openat2, root, mount_point + 1, &how, sizeof how);
    if (fd < 0 || (fstatfs(fd, &seen) == 0 && seen.f_type == TMPFS_MAGIC))
        return fd;
    close(fd);
    errno = ENOTSUP;
    return -1;
}

static enum err keep_mount(
    struct evidence *evidence, int root, const char *mount_point, const char *name, struct err_info *info)
{
    char path[64];
    bool fits;
    int fd = open_inside(root, mount_point);
    if (fd < 0) {
        evidence_leave_out(evidence, name, "%s inside cannot be opened: %s", mount_point, strerror(errno));
        return ERR_OK;
    }
    str_format(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(), fd); /* for tar: ours stays open meanwhile */
    enum err result = check_room(evidence, path, name, &fits, info);
    if (result == ERR_OK && fits)
        result = run_tar(evidence, path, ".", name, info);
    close(fd);
    return result;
}

static enum err keep_mounts(
    struct evidence *evidence, const char *label, int root, char *mounts, json_t *index, struct err_info *info)
{
    enum err result = ERR_OK;
    for (char *line; result == ERR_OK && (line = strsep(&mounts, "\n")) != NULL;) {
        char mount_point[MOST_MOUNT_POINT], name[OUTPUT_NAME_SIZE];
        if (!take_tmpfs(line, mount_point))
            continue;
        if (json_array_size(index) == MOST_TMPFS) {
            evidence_leave_out(evidence, label, "more than %d temporary file systems", MOST_TMPFS);
            break;
        }
        str_format(name, sizeof name, "filesystem/%s.tmpfs-%02zu.tar", label, json_array_size(index) + 1);
        result = keep_mount(evidence, root, mount_point, name, info);
        json_t *entry = json_object();
        json_put_text(entry, "mount_point", mount_point);
        json_put_text(entry, "file", name);
        json_array_append_new(index, entry);
    }
    return result;
}

enum err archive_keep_tmpfs(struct evidence *evidence, const json_t *container, struct err_info *info)
{
    char path[HOST_PATH_SIZE], label[EVIDENCE_LABEL_SIZE], name[OUTPUT_NAME_SIZE];
    struct buf mounts = BUF((size_t)1 << 20);
    int64_t pid = 0;
    if (!json_get_i64(container, "pid", &pid) || pid <= 0)
        return ERR_OK;
    host_path_format(path, sizeof path, "/proc/%lld", (long long)pid);
    int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int root = proc >= 0 ? openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    json_t *index = json_array();
    enum err result = ERR_OK;
    evidence_label(container, label);
    if (root >= 0 && process_read(proc, "mountinfo", &mounts) && mounts.length)
        result = keep_mounts(evidence, label, root, mounts.data, index, info);
    str_format(name, sizeof name, "filesystem/%s.tmpfs.json", label);
    if (result == ERR_OK && json_array_size(index))
        result = output_json(evidence, name, index, info);
    json_decref(index);
    buf_free(&mounts);
    if (root >= 0)
        close(root);
    if (proc >= 0)
        close(proc);
    return result;
}
