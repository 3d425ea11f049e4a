/* Bind directories. Every component is opened from its parent with O_NOFOLLOW, so that a link put there by a site's own
 * user leads nowhere. What happens between looking and the engine's mounting is beyond us, as it is for an
 * administrator who types the same. Any thread. */
#include "host/definition/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"
#include "host/run.h"

#define MOST_BYTES 512
#define REMOVE_LIMIT_US (600 * USEC_PER_SEC)

static const struct {
    const char *path;
    int least_below; /* components below it: a user's whole home is nobody's data directory */
} roots[] = {{"/srv", 1}, {"/var/www", 1}, {"/home", 2}, {"/opt", 1}, {"/var/lib/dogwatch/volumes", 1}};

/* Components behind `path`; -1 where one of them is empty, hidden, "." or "..". */
static int count_components(const char *path)
{
    int count = 0;
    while (*path == '/') {
        size_t length = strcspn(++path, "/");
        if (length == 0 || *path == '.' || *path == ' ' || path[length - 1] == ' ')
            return -1;
        path += length;
        count++;
    }
    return *path ? -1 : count;
}

bool bind_is_allowed(const char *path)
{
    if (!path || strnlen(path, MOST_BYTES + 1) > MOST_BYTES || strpbrk(path, ":,\"'\\"))
        return false;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (str_starts(path, roots[i].path) && count_components(path + strlen(roots[i].path)) >= roots[i].least_below)
            return true;
    return false;
}

bool bind_is_everywhere(const char *path)
{
    return path && (strcmp(path, "/etc/localtime") == 0 || strcmp(path, "/etc/timezone") == 0);
}

bool bind_is_at_or_below(const char *path, const char *above)
{
    size_t length = strlen(above);
    return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* --- walking --------------------------------------------------------------------------------------------------------
 */

struct walk {
    int fd; /* of the directory reached so far */
    bool make;
    char *made; /* where the uppermost directory made is noted; NULL: nowhere */
    size_t made_size;
};

/* Go into `name` below walk->fd; the last component may be a file. */
static enum err enter(struct walk *walk, const char *name, bool is_last, const char *so_far, struct err_info *info)
{
    struct stat seen;
    bool missing = fstatat(walk->fd, name, &seen, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    if (missing && !walk->make)
        return err_set(info, ERR_NOT_FOUND, "%s is not there", so_far);
    if (missing) {
        if (mkdirat(walk->fd, name, 0755) != 0 || fchmodat(walk->fd, name, 0755, 0) != 0)
            return err_errno(info, err_from_errno(errno), errno, "cannot make %s", so_far);
        if (walk->made && !*walk->made)
            str_copy(walk->made, walk->made_size, so_far);
    } else if (is_last && S_ISREG(seen.st_mode)) {
        return ERR_OK;
    } else if (!S_ISDIR(seen.st_mode)) {
        return err_set(info, ERR_DENIED, "%s is no directory%s", so_far,
            S_ISLNK(seen.st_mode) ? " but a symbolic link, which is not followed" : "");
    }
    int fd = openat(walk->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot look into %s", so_far);
    close(walk->fd);
    walk->fd = fd;
    return ERR_OK;
}

static enum err walk_path(const char *path, struct walk *walk, struct err_info *info)
{
    char root[HOST_PATH_SIZE], so_far[MOST_BYTES + 1], name[256];
    enum err result = ERR_OK;
    if (!bind_is_allowed(path))
        return err_set(info, ERR_DENIED, "%.200s is not below " BIND_ROOTS, path ? path : "");
    walk->fd = open(host_path(root, sizeof root, "/"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (walk->fd < 0)
        return err_errno(info, ERR_IO, errno, "cannot open /");
    for (const char *at = path; *at && result == ERR_OK;) {
        size_t length = strcspn(++at, "/");
        if (length >= sizeof name) {
            result = err_set(info, ERR_INVALID, "a name in %s is too long", path);
            break;
        }
        str_copy(name, length + 1, at);
        at += length;
        str_copy(so_far, (size_t)(at - path) + 1, path);
        result = enter(walk, name, *at == '\0', so_far, info);
    }
    close(walk->fd);
    return result;
}

enum err bind_check(const char *path, struct err_info *info)
{
    return walk_path(path, &(struct walk){.make = false}, info);
}

enum err bind_make(const char *path, char *made, size_t made_size, struct err_info *info)
{
    made[0] = '\0';
    return walk_path(path, &(struct walk){.make = true, .made = made, .made_size = made_size}, info);
}

enum err bind_remove(const char *path, struct err_info *info)
{
    static const char *const candidates[] = {"/usr/bin/rm", "/bin/rm", NULL};
    char full[HOST_PATH_SIZE];
    struct buf errors = BUF(4096);
    int status = 0;
    struct err_info seen;
    enum err result = bind_check(path, &seen);
    if (result == ERR_NOT_FOUND)
        return ERR_OK;
    if (result != ERR_OK)
        return err_set(info, result, "%s", seen.message);
    const char *const argv[] = {
        run_find(candidates), "-rf", "--one-file-system", "--", host_path(full, sizeof full, path), NULL};
    if (!argv[0])
        return err_set(info, ERR_NOT_FOUND, "rm is not on this host");
    result = run_program(argv, REMOVE_LIMIT_US, NULL, &errors, &status, info);
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_IO, "%s could not be removed whole", path);
    buf_free(&errors);
    return result;
}
