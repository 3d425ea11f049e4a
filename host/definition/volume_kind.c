/* Kinds of volumes, by statfs(2), /proc/self/mountinfo and /etc/fstab. Any thread. */
#include "host/definition/volume_kind.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/buf.h"
#include "base/mem.h"
#include "host/definition/bind.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/storage/fstab.h"

#define BTRFS_MAGIC 0x9123683E /* linux/magic.h */
#define SUBVOLUME_INODE 256    /* BTRFS_FIRST_FREE_OBJECTID: the root directory of each subvolume */
#define FILE_CEILING (4u * 1024 * 1024)
#define WORD_SIZE 1024

static bool is_subvolume(const char *path)
{
    char full[HOST_PATH_SIZE];
    struct statfs figures;
    struct stat seen;
    host_path(full, sizeof full, path);
    return statfs(full, &figures) == 0 && (unsigned long)figures.f_type == BTRFS_MAGIC && stat(full, &seen) == 0 &&
           seen.st_ino == SUBVOLUME_INODE;
}

static bool is_remote(const char *type)
{
    static const char *const types[] = {"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs", "lustre",
        "ocfs2", "gfs2", "beegfs", "orangefs", "virtiofs"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return str_starts(type, "fuse.") || strcmp(type, "fuse") == 0 || strcmp(type, "fuseblk") == 0;
}

/* Blanks stand as three octal digits (proc_pid_mountinfo(5)). */
static bool is_path(const char *word, const char *path)
{
    for (; *word && *path; path++) {
        int step = 1;
        char c = *word;
        if (word[0] == '\\' && word[1] && word[2] && word[3]) {
            c = (char)((word[1] - '0') * 64 + (word[2] - '0') * 8 + (word[3] - '0'));
            step = 4;
        }
        if (c != *path)
            return false;
        word += step;
    }
    return !*word && !*path;
}

/* The type of what is mounted at exactly this path; the last one counts. */
static bool mounted_type(const char *path, char type[WORD_SIZE])
{
    char full[HOST_PATH_SIZE], word[WORD_SIZE];
    struct buf text = BUF(FILE_CEILING);
    bool found = false;
    buf_read_file(&text, host_path(full, sizeof full, "/proc/self/mountinfo"), NULL);
    for (const char *line = buf_text(&text); line; line = proc_next_line(line)) {
        const char *at = line;
        if (!proc_skip(&at, 4) || !proc_take_word(&at, word, sizeof word) || !is_path(word, path))
            continue;
        while (proc_take_word(&at, word, sizeof word) && strcmp(word, "-") != 0)
            continue;
        found = proc_take_word(&at, type, WORD_SIZE) || found;
    }
    buf_free(&text);
    return found;
}

static bool is_mounted_storage(const char *path)
{
    char type[WORD_SIZE];
    return mounted_type(path, type) && (is_remote(type) || fstab_when(path) != FSTAB_NEVER);
}

/* --- whose it is ----------------------------------------------------------------------------------------------------
 */

static bool lies_in_a_mount(const char *path, const json_t *container)
{
    const json_t *mounts = json_object_get(container, "mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *source = json_get_text(mount, "source");
        bool writable = true;
        json_get_bool(mount, "rw", &writable);
        if (source && writable && strcmp(source, path) != 0 && bind_is_at_or_below(path, source))
            return true;
    }
    return false;
}

static bool is_roots_alone(const char *directory)
{
    char full[HOST_PATH_SIZE];
    struct stat seen;
    return stat(host_path(full, sizeof full, directory), &seen) == 0 && seen.st_uid == 0 &&
           !(seen.st_mode & (S_IWGRP | S_IWOTH));
}

bool volume_is_apart(const char *path, const json_t *containers)
{
    char above[HOST_PATH_SIZE];
    for (size_t i = 0; i < json_array_size(containers); i++)
        if (lies_in_a_mount(path, json_array_get(containers, i)))
            return false;
    if (!str_copy(above, sizeof above, path))
        return false;
    for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
        *slash = '\0';
        if (!is_roots_alone(*above ? above : "/"))
            return false;
    }
    return true;
}

/* --- what it is -----------------------------------------------------------------------------------------------------
 */

const char *volume_driver(const char *path, bool is_named, const json_t *containers)
{
    char above[HOST_PATH_SIZE];
    if (is_subvolume(path) && volume_is_apart(path, containers))
        return "btrfs";
    if (is_mounted_storage(path))
        return "mount";
    str_copy(above, sizeof above, path);
    char *slash = strrchr(above, '/');
    if (is_named && slash && slash != above) {
        *slash = '\0';
        if (is_mounted_storage(above))
            return "mount";
    }
    return "dir";
}
