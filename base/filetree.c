/* Each step down is an openat(2) with O_NOFOLLOW from the directory above, never a path: what lies above cannot be
 * exchanged under our feet. Any thread. */
#include "base/filetree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MOST_NAME 1000

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool filetree_name_is_valid(const char *name)
{
    char part[NAME_MAX + 1];
    size_t levels = 0;
    if (!name || !*name || strnlen(name, MOST_NAME + 1) > MOST_NAME)
        return false;
    for (const char *at = name; *at; at++)
        if (*at < 0x20 || *at > 0x7e || *at == '\\')
            return false;
    for (const char *at = name;; at++) {
        size_t length = strcspn(at, "/");
        if (length == 0 || length > NAME_MAX || ++levels > FILETREE_MOST_LEVELS)
            return false;
        str_format(part, sizeof part, "%.*s", (int)length, at);
        if (is_dot(part))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

/* --- opening and making ---------------------------------------------------------------------------------------------
 */

/* The directory of the first `length` bytes of `name`. */
static int open_dir(int fd, const char *name, size_t length, bool make)
{
    char part[NAME_MAX + 1];
    int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    for (size_t i = 0; at >= 0 && i < length;) {
        size_t size = strcspn(name + i, "/");
        bool fits = str_format(part, sizeof part, "%.*s", (int)size, name + i);
        i += size + 1;
        int inner = -1;
        if (!fits)
            errno = ENAMETOOLONG;
        else if (!make || mkdirat(at, part, 0700) == 0 || errno == EEXIST)
            inner = openat(at, part, OPEN_DIRECTORY);
        int why = errno;
        close(at);
        errno = why;
        at = inner;
    }
    return at;
}

int filetree_make_dir(int fd, const char *name)
{
    return open_dir(fd, name, strlen(name), true);
}

/* The directory a name is in; *base is the part behind it. */
static int open_parent(int fd, const char *name, bool make, const char **base)
{
    const char *slash = strrchr(name, '/');
    *base = slash ? slash + 1 : name;
    return open_dir(fd, name, slash ? (size_t)(slash - name) : 0, make);
}

static int close_and_keep_errno(int fd, int result)
{
    int why = errno;
    close(fd);
    errno = why;
    return result;
}

int filetree_make_file(int fd, const char *name)
{
    const char *base;
    int parent = open_parent(fd, name, true, &base);
    if (parent < 0)
        return -1;
    unlinkat(parent, base, 0);
    return close_and_keep_errno(
        parent, openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
}

int filetree_open_file(int fd, const char *name)
{
    const char *base;
    struct stat seen;
    int parent = open_parent(fd, name, false, &base);
    if (parent < 0)
        return -1;
    int file = close_and_keep_errno(parent, openat(parent, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file < 0 || (fstat(file, &seen) == 0 && S_ISREG(seen.st_mode)))
        return file;
    close(file);
    errno = ENOTSUP;
    return -1;
}

/* --- removing -------------------------------------------------------------------------------------------------------
 */

/* Everything in the directory; takes fd over. False: errno says why. */
static bool empty_dir(int fd, int level)
{
    DIR *directory = level < FILETREE_MOST_LEVELS + 4 ? fdopendir(fd) : NULL;
    if (!directory) {
        close(fd);
        errno = ELOOP;
        return false;
    }
    rewinddir(directory); /* the descriptor may have been read before */
    bool good = true;
    for (const struct dirent *entry; good && (entry = readdir(directory)) != NULL;) {
        if (is_dot(entry->d_name) || unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int inner = openat(fd, entry->d_name, OPEN_DIRECTORY);
        good = inner >= 0 && empty_dir(inner, level + 1) && unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0;
    }
    int why = errno;
    closedir(directory);
    errno = why;
    return good;
}

enum err filetree_empty(int fd, struct err_info *info)
{
    int own = openat(fd, ".", OPEN_DIRECTORY);
    if (own >= 0 && empty_dir(own, 0))
        return ERR_OK;
    return err_errno(info, err_from_errno(errno), errno, "cannot remove all of it");
}

enum err filetree_remove(int fd, const char *name, struct err_info *info)
{
    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    int inner = openat(fd, name, OPEN_DIRECTORY);
    if (inner >= 0 && empty_dir(inner, 1) && unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return ERR_OK;
    return err_errno(info, err_from_errno(errno), errno, "cannot remove %s", name);
}

/* --- listing --------------------------------------------------------------------------------------------------------
 */

struct listing {
    size_t most;
    struct filetree_names *files, *odd;
};

static enum err list_dir(int fd, const char *prefix, int level, const struct listing *listing, struct err_info *info);

static enum err list_entry(
    int fd, const char *entry, const char *prefix, int level, const struct listing *listing, struct err_info *info)
{
    struct stat seen;
    enum err result = ERR_OK;
    if (fstatat(fd, entry, &seen, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? ERR_OK : err_errno(info, ERR_IO, errno, "cannot look at %s%s", prefix, entry);
    if (listing->files->count + listing->odd->count >= listing->most)
        return err_set(info, ERR_FULL, "there are more than %zu files", listing->most);
    char *name = xasprintf("%s%s", prefix, entry);
    int inner = S_ISDIR(seen.st_mode) && level < FILETREE_MOST_LEVELS ? openat(fd, entry, OPEN_DIRECTORY) : -1;
    if (inner >= 0) {
        char *inner_prefix = xasprintf("%s/", name);
        result = list_dir(inner, inner_prefix, level + 1, listing, info);
        free(inner_prefix);
        free(name);
    } else {
        vec_push(S_ISREG(seen.st_mode) ? listing->files : listing->odd, name);
    }
    return result;
}

/* Takes fd over. */
static enum err list_dir(int fd, const char *prefix, int level, const struct listing *listing, struct err_info *info)
{
    enum err result = ERR_OK;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return err_errno(info, ERR_IO, errno, "cannot list %s", *prefix ? prefix : "the directory");
    }
    for (const struct dirent *entry; result == ERR_OK && (entry = readdir(directory)) != NULL;)
        if (!is_dot(entry->d_name))
            result = list_entry(fd, entry->d_name, prefix, level, listing, info);
    closedir(directory);
    return result;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err filetree_list(
    int fd, size_t most, struct filetree_names *files, struct filetree_names *odd, struct err_info *info)
{
    struct listing listing = {.most = most, .files = files, .odd = odd};
    *files = (struct filetree_names){0};
    *odd = (struct filetree_names){0};
    int own = openat(fd, ".", OPEN_DIRECTORY);
    enum err result =
        own < 0 ? err_errno(info, ERR_IO, errno, "cannot list the directory") : list_dir(own, "", 0, &listing, info);
    if (files->count)
        qsort(files->items, files->count, sizeof *files->items, compare_names);
    return result;
}

void filetree_names_free(struct filetree_names *names)
{
    vec_each (names, char *, name)
        free(*name);
    vec_free(names);
}
