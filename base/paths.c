/* Where the fleet and the state are, and writing there safely: a file is replaced whole or not at all, also when the
 * power fails (rename(2), fsync(2) of the directory). HOME comes from the environment only: looking it up in the
 * password database cannot be linked statically. Any thread; umask does not matter. */
#include "base/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"

#define SYSTEM_FLEET "/etc/dogwatch"
#define SYSTEM_STATE "/var/lib/dogwatch"
#define ATTRIBUTES_SIZE 65536 /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */

char *paths_join(const char *directory, const char *name)
{
    bool separated = directory[0] == '\0' || str_ends(directory, "/");
    return xasprintf("%s%s%s", directory, separated ? "" : "/", name);
}

/* A path that exists resolved, another one under the working directory. */
static char *absolute(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved)
        return resolved;
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *joined = here ? paths_join(here, path) : xstrdup(path);
    free(here);
    return joined;
}

/* $VARIABLE/dogwatch, else ~/FALLBACK/dogwatch; NULL where neither is set. Relative ones are to be ignored (XDG base
 * directory specification). */
static char *personal_dir(const char *variable, const char *fallback)
{
    const char *xdg = getenv(variable);
    if (xdg && xdg[0] == '/')
        return paths_join(xdg, "dogwatch");
    const char *home = getenv("HOME");
    return home && home[0] == '/' ? xasprintf("%s/%s/dogwatch", home, fallback) : NULL;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool has_fleet(const char *directory)
{
    char *file = paths_join(directory, "fleet.yaml");
    bool found = access(file, F_OK) == 0;
    free(file);
    return found;
}

char *paths_fleet_dir(const char *given)
{
    if (given)
        return absolute(given);
    char *personal = personal_dir("XDG_CONFIG_HOME", ".config");
    if (personal && (has_fleet(personal) || !has_fleet(SYSTEM_FLEET)))
        return personal;
    free(personal);
    return xstrdup(SYSTEM_FLEET);
}

char *paths_state_dir(const char *given)
{
    if (given)
        return absolute(given);
    char *personal = personal_dir("XDG_STATE_HOME", ".local/state");
    if (personal && (is_directory(personal) || !is_directory(SYSTEM_STATE)))
        return personal;
    free(personal);
    return xstrdup(SYSTEM_STATE);
}

int paths_count_entries(const char *directory, int most)
{
    int count = 0;
    DIR *entries = opendir(directory);
    if (!entries)
        return -1;
    errno = 0;
    for (const struct dirent *entry; count < most && (entry = readdir(entries)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (errno)
        count = -1;
    closedir(entries);
    return count;
}

/* Make one directory; one that is there already is fine. */
static enum err make_one(const char *path, struct err_info *info)
{
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    int why = errno;
    if (is_directory(path))
        return ERR_OK;
    if (why == EEXIST || why == ENOTDIR)
        return err_set(info, ERR_EXISTS, "cannot make the directory %s: a file is in the way", path);
    return err_errno(info, err_from_errno(why), why, "cannot make the directory %s", path);
}

enum err paths_make_dir(const char *path, struct err_info *info)
{
    if (path[0] == '\0')
        return err_set(info, ERR_INVALID, "cannot make a directory without a name");
    char *partial = xstrdup(path);
    enum err result = ERR_OK;
    for (char *slash = partial + 1; result == ERR_OK && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        result = make_one(partial, info);
        *slash = '/';
    }
    if (result == ERR_OK)
        result = make_one(partial, info);
    free(partial);
    return result;
}

/* 0 or an errno value. */
static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        data += written;
        length -= (size_t)written;
    }
    return 0;
}

/* Content, mode and durability of the temporary file. 0 or an errno value; fd is closed. */
static int fill(int fd, const void *data, size_t length, mode_t mode)
{
    int why = write_all(fd, data, length);
    if (!why && fchmod(fd, mode) != 0)
        why = errno;
    if (!why && fsync(fd) != 0)
        why = errno;
    if (close(fd) != 0 && !why)
        why = errno;
    return why;
}

/* The rename is durable once the directory is. */
static int sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int why = fsync(fd) == 0 || errno == EINVAL ? 0 : errno; /* EINVAL: a file system that has nothing to sync */
    close(fd);
    return why;
}

/* What a replaced file leaves to its successor. Sums of its content are not valid for another content; labels of a
 * security module that may not be set are what its policy says. 0 or an errno value. */
static int copy_attribute(const char *path, int fd, const char *name, char *value)
{
    if (strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0)
        return 0;
    ssize_t length = getxattr(path, name, value, ATTRIBUTES_SIZE);
    if (length >= 0 && fsetxattr(fd, name, value, (size_t)length, 0) == 0)
        return 0;
    return str_starts(name, "security.") ? 0 : errno;
}

static int copy_attributes(const char *path, int fd)
{
    char *names = xmalloc(ATTRIBUTES_SIZE), *value = xmalloc(ATTRIBUTES_SIZE);
    ssize_t length = listxattr(path, names, ATTRIBUTES_SIZE);
    int why = length < 0 && errno != ENOTSUP ? errno : 0;
    for (ssize_t at = 0; at < length && !why; at += (ssize_t)strlen(names + at) + 1)
        why = copy_attribute(path, fd, names + at, value);
    free(value);
    free(names);
    return why;
}

static int succeed_to(const char *path, int fd, const struct stat *facts)
{
    if ((facts->st_uid != geteuid() || facts->st_gid != getegid()) && fchown(fd, facts->st_uid, facts->st_gid) != 0)
        return errno;
    return copy_attributes(path, fd);
}

/* `replaced`: what was there, which is succeeded to; NULL: whatever was there. */
static enum err write_whole(
    const char *path, const void *data, size_t length, mode_t mode, const struct stat *replaced, struct err_info *info)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *directory = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
    char *hidden = xasprintf(".%s.XXXXXX", name);
    char *temporary = paths_join(directory, hidden);
    int why = 0;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        why = errno;
        goto out;
    }
    why = replaced ? succeed_to(path, fd, replaced) : 0;
    if (why)
        close(fd);
    else
        why = fill(fd, data, length, mode);
    if (!why && rename(temporary, path) != 0)
        why = errno;
    if (why)
        unlink(temporary);
    else
        why = sync_directory(directory);
out:
    free(temporary);
    free(hidden);
    free(directory);
    return why ? err_errno(info, err_from_errno(why), why, "cannot write %s", path) : ERR_OK;
}

enum err paths_write_atomic(const char *path, const void *data, size_t length, mode_t mode, struct err_info *info)
{
    return write_whole(path, data, length, mode, NULL, info);
}

enum err paths_replace(const char *path, const void *data, size_t length, struct err_info *info)
{
    struct stat facts;
    char *target = realpath(path, NULL);
    if (!target || stat(target, &facts) != 0) {
        int why = errno;
        free(target);
        return err_errno(info, err_from_errno(why), why, "cannot look at %s", path);
    }
    enum err result = write_whole(target, data, length, facts.st_mode & 07777, &facts, info);
    free(target);
    return result;
}
