/* The table of mounts, read afresh whenever it is asked for, and the two programs that change it. Any thread. */
#include "host/storage/mounts.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"
#include "host/run.h"

#define MOUNT_LIMIT_US (60 * USEC_PER_SEC)
#define LINE_SIZE 8192

bool mounts_is_at_or_below(const char *path, const char *above)
{
    size_t length = strlen(above);
    return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

typedef bool mount_test(const struct mntent *entry, const char *path);

static bool is_there(const struct mntent *entry, const char *path)
{
    return strcmp(entry->mnt_dir, path) == 0 && strcmp(entry->mnt_type, "autofs") != 0;
}

static bool is_in_it(const struct mntent *entry, const char *path)
{
    return mounts_is_at_or_below(entry->mnt_dir, path);
}

static bool any(mount_test *test, const char *path)
{
    char file[HOST_PATH_SIZE], text[LINE_SIZE];
    struct mntent entry;
    bool found = false;
    FILE *mounts = setmntent(host_path(file, sizeof file, "/proc/self/mounts"), "re");
    while (mounts && !found && getmntent_r(mounts, &entry, text, sizeof text))
        found = test(&entry, path);
    if (mounts)
        endmntent(mounts);
    return found;
}

bool mounts_has(const char *path)
{
    return any(is_there, path);
}

bool mounts_has_below(const char *path)
{
    return any(is_in_it, path);
}

static enum err run_mounter(const char *name, const char *path, struct err_info *info)
{
    char usr[HOST_PATH_SIZE], bin[HOST_PATH_SIZE];
    host_path_format(usr, sizeof usr, "/usr/bin/%s", name);
    host_path_format(bin, sizeof bin, "/bin/%s", name);
    const char *const argv[] = {run_find((const char *const[]){usr, bin, NULL}), "--", path, NULL};
    return run_told(name, argv, MOUNT_LIMIT_US, info);
}

enum err mounts_mount(const char *path, struct err_info *info)
{
    enum err result = run_mounter("mount", path, info);
    if (result == ERR_OK && !mounts_has(path))
        result = err_set(info, ERR_FAILED, "mount said that %s is mounted, but it is not", path);
    return result;
}

enum err mounts_unmount(const char *path, struct err_info *info)
{
    return run_mounter("umount", path, info);
}
