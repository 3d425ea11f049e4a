/* A mount namespace of its own with a tmpfs as its root; into it /usr and its like are bound read-only, and the
 * directory with all that is mounted in it, for a sender sealed as a whole. Runs in a process of its own,
 * single-threaded, right before execve(2). */
#include "host/transfer/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"
#include "host/transfer/place.h"

#define CANNOT_RUN 126
#define NEW_ROOT "/run/dogwatch/root"
#define SEALED (MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)

static bool bind_to(const char *from, const char *to, unsigned long flags)
{
    return mount(from, to, NULL, MS_BIND, NULL) == 0 && (!flags || mount(NULL, to, NULL, flags, NULL) == 0);
}

/* One entry of the real root: a symbolic link is made again, a directory is bound; what there is none of is left out.
 */
static bool take_over(const char *name)
{
    char from[64], to[sizeof NEW_ROOT + 64], target[256] = "";
    struct stat facts;
    str_format(from, sizeof from, "/%s", name);
    str_format(to, sizeof to, NEW_ROOT "/%s", name);
    if (lstat(from, &facts) != 0)
        return errno == ENOENT;
    if (S_ISLNK(facts.st_mode))
        return readlink(from, target, sizeof target - 1) > 0 && symlink(target, to) == 0;
    return mkdir(to, 0755) == 0 && bind_to(from, to, SEALED);
}

static bool take_over_null(void)
{
    int fd = mkdir(NEW_ROOT "/dev", 0755) == 0 ? open(NEW_ROOT "/dev/null", O_CREAT | O_WRONLY | O_CLOEXEC, 0644) : -1;
    if (fd < 0)
        return false;
    close(fd);
    return bind_to("/dev/null", NEW_ROOT "/dev/null", 0);
}

static bool take_over_system(void)
{
    static const char *const names[] = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!take_over(names[i]))
            return false;
    return take_over_null();
}

static bool make_root(void)
{
    mkdir("/run/dogwatch", 0700);
    if (mkdir(NEW_ROOT, 0700) != 0 && errno != EEXIST)
        return false;
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") == 0;
}

/* With all mounts below it, where the kernel can (Linux 5.12). */
static bool seal(const char *path)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes) == 0)
        return true;
    return errno == ENOSYS && mount(NULL, path, NULL, SEALED, NULL) == 0;
}

/* By its descriptor: what was checked is what is bound. */
static bool take_data(int fd, bool to_read)
{
    char from[32];
    str_format(from, sizeof from, "/proc/self/fd/%d", fd);
    return mkdir(NEW_ROOT CONFINE_DATA, 0755) == 0 &&
           mount(from, NEW_ROOT CONFINE_DATA, NULL, MS_BIND | MS_REC, NULL) == 0 &&
           (!to_read || seal(NEW_ROOT CONFINE_DATA));
}

/* By its path, as it is in the new namespace: of another one it could not be bound. */
static bool take_helper(void)
{
    char own[HOST_PATH_SIZE] = "";
    int fd = open(NEW_ROOT CONFINE_HELPER, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    if (fd < 0 || close(fd) != 0 || readlink("/proc/self/exe", own, sizeof own - 1) <= 0)
        return false;
    return bind_to(own, NEW_ROOT CONFINE_HELPER, SEALED);
}

static bool enter(void)
{
    return mount(NULL, NEW_ROOT, NULL, SEALED, NULL) == 0 && chdir(NEW_ROOT) == 0 && chroot(".") == 0 &&
           chdir(CONFINE_DATA) == 0;
}

int confine_main(const char *directory, bool to_read, char **argv)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    struct err_info info;
    bool alone = make_root();
    int fd = place_open(directory, &info); /* of the new namespace: of another one it could not be bound */
    if (fd < 0) {
        fprintf(stderr, "%s\n", info.message);
        return CANNOT_RUN;
    }
    if (!alone || !take_over_system() || !take_data(fd, to_read) || (to_read && !take_helper()) || !enter()) {
        fprintf(stderr, "cannot confine %s to %s: %s\n", argv[0], directory, strerror(errno));
        return CANNOT_RUN;
    }
    close(fd);
    execve(argv[0], argv, environment);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    return CANNOT_RUN;
}
