/* The directory is made by root for root (0700), so what is in it was put there by this program: names are checked all
 * the same, and no symbolic link is followed. Any thread. */
#include "host/evidence/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/paths.h"
#include "base/filetree.h"

#define KEPT_FREE_BYTES ((int64_t)1 << 30)
#define KEPT_FREE_PART 10 /* one tenth */
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static _Atomic int64_t pretended_room = -1;

static enum err name_vault(const char *site, const char *job, struct vault *vault, struct err_info *info)
{
    if (!name_is_valid(site))
        return err_set(info, ERR_INVALID, "no valid name of a site");
    str_format(vault->name, sizeof vault->name, "%s-%s", site, job);
    for (char *colon = vault->name; (colon = strchr(colon, ':')) != NULL;)
        *colon = '_';
    if (strchr(vault->name, '/') || strstr(vault->name, ".."))
        return err_set(info, ERR_INVALID, "args.job can be no part of a file's name");
    host_path_format(vault->path, sizeof vault->path, VAULT_DIRECTORY "/%s", vault->name);
    return vault->path[0] ? ERR_OK : err_set(info, ERR_INVALID, "the path of %s is too long", vault->name);
}

enum err vault_open(const char *site, const char *job, bool make, struct vault *vault, struct err_info *info)
{
    char parent[HOST_PATH_SIZE];
    *vault = (struct vault){.fd = -1};
    enum err result = name_vault(site, job, vault, info);
    if (result == ERR_OK && make)
        result = paths_make_dir(host_path(parent, sizeof parent, VAULT_DIRECTORY), info);
    if (result != ERR_OK)
        return result;
    if (make && mkdir(vault->path, 0700) != 0 && errno != EEXIST)
        return err_errno(info, err_from_errno(errno), errno, "cannot make %s", vault->path);
    vault->fd = open(vault->path, OPEN_DIRECTORY);
    if (vault->fd < 0 && errno == ENOENT)
        return err_set(info, ERR_NOT_FOUND, "no evidence of %s by job %s is on this host", site, job);
    if (vault->fd < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot open %s", vault->path);
    return ERR_OK;
}

void vault_close(struct vault *vault)
{
    if (vault->fd >= 0)
        close(vault->fd);
    vault->fd = -1;
}

bool vault_is_sealed(const struct vault *vault)
{
    struct stat seen;
    return fstatat(vault->fd, VAULT_SIGNATURE, &seen, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(seen.st_mode);
}

/* --- room -----------------------------------------------------------------------------------------------------------
 */

int64_t vault_room_bytes(const struct vault *vault)
{
    struct statvfs seen;
    int64_t pretended = atomic_load(&pretended_room);
    if (pretended >= 0)
        return pretended;
    if (fstatvfs(vault->fd, &seen) != 0)
        return 0;
    int64_t block = (int64_t)seen.f_frsize, free_bytes = (int64_t)seen.f_bavail * block;
    int64_t kept = (int64_t)seen.f_blocks / KEPT_FREE_PART * block;
    kept = kept > KEPT_FREE_BYTES ? kept : KEPT_FREE_BYTES;
    return free_bytes > kept ? free_bytes - kept : 0;
}

void vault_pretend_room(int64_t bytes)
{
    atomic_store(&pretended_room, bytes);
}

/* --- removing -------------------------------------------------------------------------------------------------------
 */

enum err vault_remove(const struct vault *vault, const char *name, struct err_info *info)
{
    enum err result = filetree_remove(vault->fd, name, info);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "%s", vault->path);
}

enum err vault_remove_all(struct vault *vault, struct err_info *info)
{
    enum err result = filetree_empty(vault->fd, info);
    if (result == ERR_OK && rmdir(vault->path) != 0)
        result = err_errno(info, err_from_errno(errno), errno, "cannot remove it");
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "%s", vault->path);
}
