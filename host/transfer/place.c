/* Places of volumes, and the record of them (SITE.transfer below /var/lib/dogwatch/sites). The record is changed only
 * by whoever holds the site's lease, under the record's lock. */
#include "host/transfer/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/containers/inspect.h"
#include "host/definition/bind.h"
#include "host/definition/made.h"
#include "host/definition/volume_kind.h"
#include "host/inventory.h"
#include "host/site/record.h"
#include "host/storage/fstab.h"
#include "host/storage/mounts.h"
#include "host/transfer/btrfs.h"
#include "host/transfer/engine.h"

#define RECORD "transfer"
#define MADE_MODE 0755

int place_open(const char *path, struct err_info *info)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd >= 0)
        return fd;
    if (errno == ELOOP)
        err_set(info, ERR_DENIED, "a symbolic link is on the way to %s", path);
    else
        err_errno(info, err_from_errno(errno), errno, "cannot open the directory %s", path);
    return -1;
}

/* --- the record -----------------------------------------------------------------------------------------------------
 */

/* "runtime/volume": what it is remembered by. */
static void name_place(const struct transfer *transfer, char out[TRANSFER_VOLUME_SIZE + 16])
{
    str_format(out, TRANSFER_VOLUME_SIZE + 16, "%s/%s", runtime_name(transfer->runtime), transfer->volume);
}

static json_t *read_record(const char *site)
{
    json_t *record;
    return record_read(site, RECORD, &record, NULL) == ERR_OK ? record : json_object();
}

/* Was this directory filled by a transfer for this site before, of whatever job? Then it may be again. */
static bool was_written(const struct transfer *transfer)
{
    json_t *record = read_record(transfer->site);
    bool written = json_object_get(json_object_get(record, "written"), transfer->path) != NULL;
    json_decref(record);
    return written;
}

static json_t *member_of(json_t *record, const char *member)
{
    if (!json_is_object(json_object_get(record, member)))
        json_object_set_new(record, member, json_object());
    return json_object_get(record, member);
}

/* What is remembered under `member` for this volume, by this job; false where nothing is. */
static bool recall(const struct transfer *transfer, const char *member, char path[HOST_PATH_SIZE])
{
    char name[TRANSFER_VOLUME_SIZE + 16];
    json_t *record = read_record(transfer->site);
    const char *job = json_get_text(record, "job");
    name_place(transfer, name);
    bool known = job && strcmp(job, transfer->job) == 0 &&
                 json_copy_text(json_object_get(record, member), name, path, HOST_PATH_SIZE);
    json_decref(record);
    return known;
}

static enum err remember(const struct transfer *transfer, const char *member, const char *path, struct err_info *info)
{
    char name[TRANSFER_VOLUME_SIZE + 16];
    int lock;
    enum err result = record_lock(transfer->site, RECORD "-lock", true, &lock, info);
    if (result != ERR_OK)
        return result;
    json_t *record = read_record(transfer->site);
    const char *job = json_get_text(record, "job");
    if (job && strcmp(job, transfer->job) != 0) {
        json_object_del(record, "sources"); /* another job's view of the host; its snapshots are still to be deleted */
        json_object_del(record, "targets");
    }
    json_put_text(record, "site", transfer->site);
    json_put_text(record, "job", transfer->job);
    name_place(transfer, name);
    json_put_text(member_of(record, member), name, path);
    if (strcmp(member, "targets") == 0)
        json_put_bool(member_of(record, "written"), path, true);
    result = record_write(transfer->site, RECORD, record, info);
    json_decref(record);
    record_unlock(lock);
    return result;
}

/* --- where it is read -----------------------------------------------------------------------------------------------
 */

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_get_text(object, key);
    return value && strcmp(value, text) == 0;
}

static const json_t *find_volume(const json_t *inventory, const struct transfer *transfer)
{
    const json_t *volumes = json_object_get(inventory, "volumes");
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *volume = json_array_get(volumes, i);
        if (is_text(volume, "name", transfer->volume) && is_text(volume, "runtime", runtime_name(transfer->runtime)))
            return volume;
    }
    return NULL;
}

static bool mounts_it(const json_t *container, const struct transfer *transfer)
{
    const json_t *mounts = json_object_get(container, "mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        if (transfer_is_bind(transfer) ? is_text(mount, "source", transfer->path)
                                       : is_text(mount, "name", transfer->volume))
            return true;
    }
    return false;
}

struct users {
    size_t own, foreign;
    char foreign_name[CONTAINER_NAME_SIZE];
};

/* Whose containers use it here. */
static struct users find_users(const json_t *inventory, const struct transfer *transfer)
{
    struct users users = {0};
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        bool is_here = transfer_is_bind(transfer) || is_text(container, "runtime", runtime_name(transfer->runtime));
        if (!is_here || !mounts_it(container, transfer))
            continue;
        bool own = is_text(container, "site", transfer->site);
        *(own ? &users.own : &users.foreign) += 1;
        if (!own)
            json_copy_text(container, "name", users.foreign_name, sizeof users.foreign_name);
    }
    return users;
}

/* Snapshots are kept and received beside the volume. */
static enum err check_apart(const struct transfer *transfer, const json_t *inventory, struct err_info *info)
{
    if (transfer->method != TRANSFER_BTRFS || volume_is_apart(transfer->path, json_object_get(inventory, "containers")))
        return ERR_OK;
    return err_set(info, ERR_DENIED,
        "others than root can change what lies beside %s: carry it as a directory (driver dir)", transfer->path);
}

enum err place_find_source(struct transfer *transfer, struct err_info *info)
{
    json_t *inventory;
    char path[HOST_PATH_SIZE];
    if (recall(transfer, "sources", transfer->path))
        return ERR_OK;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    const json_t *volume = find_volume(inventory, transfer);
    if (!volume || !json_copy_text(volume, "path", path, sizeof path))
        result = err_set(info, ERR_NOT_FOUND, "there is no volume %s of %s on this host", transfer->volume,
            runtime_name(transfer->runtime));
    else if (!is_text(volume, "site", transfer->site) && !find_users(inventory, transfer).own)
        result = err_set(info, ERR_DENIED, "the volume %s is not one of %s", transfer->volume, transfer->site);
    else if (transfer_is_bind(transfer))
        str_copy(transfer->path, sizeof transfer->path, path);
    else
        result = engine_volume_path(transfer->runtime, transfer->volume, transfer->path, NULL, info);
    if (result == ERR_OK)
        result = check_apart(transfer, inventory, info);
    json_decref(inventory);
    int fd = result == ERR_OK ? place_open(transfer->path, info) : -1;
    if (fd < 0)
        return result == ERR_OK ? ERR_DENIED : result;
    close(fd);
    return remember(transfer, "sources", transfer->path, info);
}

/* --- where it is written --------------------------------------------------------------------------------------------
 */

static enum err look_at_users(const struct transfer *transfer, struct users *users, struct err_info *info)
{
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    *users = find_users(inventory, transfer);
    result = users->foreign ? err_set(info, ERR_DENIED, "%s is used by the container %s, which is not one of %s",
                                  transfer->volume, users->foreign_name, transfer->site)
                            : check_apart(transfer, inventory, info);
    json_decref(inventory);
    return result;
}

enum err place_check_foreign(const struct transfer *transfer, struct err_info *info)
{
    struct users users;
    return look_at_users(transfer, &users, info);
}

static enum err check_account(const struct transfer *transfer, bool is_ours, struct err_info *info)
{
    struct users users;
    enum err result = look_at_users(transfer, &users, info);
    if (result == ERR_OK && !is_ours && !users.own && paths_count_entries(transfer->path, 1) != 0)
        result = err_set(info, ERR_EXISTS,
            "%s (%s) is there already, is not empty, and belongs to no container of %s: move it away first",
            transfer->volume, transfer->path, transfer->site);
    return result;
}

/* Go down part by part without following a link, and make what is missing. */
static enum err make_bind(const char *path, struct err_info *info)
{
    char copy[HOST_PATH_SIZE], *rest = copy + 1;
    str_copy(copy, sizeof copy, path);
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (char *part; at >= 0 && (part = strsep(&rest, "/")) != NULL;) {
        bool made = mkdirat(at, part, MADE_MODE) == 0 && fchmodat(at, part, MADE_MODE, 0) == 0; /* whatever the umask */
        if (!made && errno != EEXIST)
            break;
        int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int why = errno;
        close(at);
        errno = why;
        at = next;
    }
    enum err result = at >= 0 && !rest
                          ? ERR_OK
                          : err_errno(info, ERR_DENIED, errno, "cannot go down to %s without following a link", path);
    if (at >= 0)
        close(at);
    return result;
}

/* One that was missing is noted: the job that made it may take it away again (site.remove). */
static enum err make_bind_target(struct transfer *transfer, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    if (!bind_is_allowed(transfer->path))
        return err_set(info, ERR_DENIED, "%s cannot be written here: only what lies below " BIND_ROOTS, transfer->path);
    enum err result = ERR_OK;
    if (bind_check(transfer->path, NULL) == ERR_NOT_FOUND)
        result = made_note(transfer->site, transfer->job, "directories", transfer->path, info);
    str_copy(transfer->path, sizeof transfer->path, host_path(path, sizeof path, transfer->path));
    return result == ERR_OK ? make_bind(transfer->path, info) : result;
}

/* *labelled: it says itself that it is the site's. */
static enum err make_named_target(struct transfer *transfer, bool *labelled, struct err_info *info)
{
    json_t *labels = NULL;
    enum err result = engine_volume_path(transfer->runtime, transfer->volume, transfer->path, &labels, info);
    if (result == ERR_NOT_FOUND) {
        result = engine_volume_make(transfer->runtime, transfer->volume, transfer->site, info);
        if (result == ERR_OK)
            result = engine_volume_path(transfer->runtime, transfer->volume, transfer->path, &labels, info);
    }
    const char *site = json_get_text(labels, "dogwatch.site");
    *labelled = site && strcmp(site, transfer->site) == 0;
    if (result == ERR_OK && site && !*labelled)
        result = err_set(info, ERR_DENIED, "the volume %s is here already, and another site's", transfer->volume);
    json_decref(labels);
    return result;
}

/* Decided by this job already, and still there: then no engine is asked, for visitors may be waiting. */
static bool is_settled(struct transfer *transfer)
{
    char known[HOST_PATH_SIZE];
    int fd = recall(transfer, "targets", known) ? place_open(known, NULL) : -1;
    if (fd < 0)
        return false;
    close(fd);
    str_copy(transfer->path, sizeof transfer->path, known);
    return true;
}

/* What is written below a mount point is out of sight as soon as its storage is mounted. */
static enum err check_mounted(const char *path, struct err_info *info)
{
    char point[HOST_PATH_SIZE];
    if (fstab_find_above(path, point) == FSTAB_NEVER || mounts_has(point))
        return ERR_OK;
    return err_set(info, ERR_DENIED,
        "%s is a mount point in /etc/fstab where nothing is mounted now: what is copied to %s would be hidden by what "
        "is "
        "mounted there; mount it on the source, so that it moves as a whole, or here",
        point, path);
}

enum err place_make_target(struct transfer *transfer, struct err_info *info)
{
    bool labelled = false;
    if (is_settled(transfer))
        return ERR_OK;
    enum err result =
        transfer_is_bind(transfer) ? make_bind_target(transfer, info) : make_named_target(transfer, &labelled, info);
    if (result == ERR_OK)
        result = check_mounted(transfer->path, info);
    if (result == ERR_OK)
        result = check_account(transfer, labelled || was_written(transfer), info);
    return result == ERR_OK ? remember(transfer, "targets", transfer->path, info) : result;
}

/* --- snapshots ------------------------------------------------------------------------------------------------------
 */

/* Made by root for root, and no link on the way to it. ERR_NOT_FOUND where it is not there. */
static enum err check_workshop(const char *path, struct err_info *info)
{
    struct stat seen;
    if (lstat(path, &seen) != 0 && errno == ENOENT)
        return err_set(info, ERR_NOT_FOUND, "there is no %s", path);
    int fd = place_open(path, info);
    if (fd < 0)
        return ERR_DENIED;
    bool is_ours = fstat(fd, &seen) == 0 && seen.st_uid == geteuid() && !(seen.st_mode & (S_IWGRP | S_IWOTH));
    close(fd);
    return is_ours ? ERR_OK : err_set(info, ERR_DENIED, "%s is there, and was not made by dogwatch", path);
}

bool place_remove_workshop(const char *path)
{
    struct err_info why;
    enum err result = path && strstr(path, "/.dogwatch-") ? check_workshop(path, &why) : ERR_NOT_FOUND;
    if (result == ERR_DENIED)
        log_warning("snapshots in it are not deleted: %s", why.message);
    return result == ERR_NOT_FOUND || (result == ERR_OK && btrfs_remove_workshop(path));
}

enum err place_workshop(const struct transfer *transfer, char out[HOST_PATH_SIZE], struct err_info *info)
{
    const char *slash = strrchr(transfer->path, '/');
    if (!str_format(out, HOST_PATH_SIZE, "%.*s/.dogwatch-%s", (int)(slash - transfer->path), transfer->path, slash + 1))
        return err_set(info, ERR_INVALID, "the path %s is too long", transfer->path);
    enum err result = remember(transfer, "workshops", out, info);
    if (result == ERR_OK && mkdir(out, 0700) != 0 && errno != EEXIST)
        result = err_errno(info, err_from_errno(errno), errno, "cannot make the directory %s", out);
    return result == ERR_OK ? check_workshop(out, info) : result;
}

static void sync_target(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    syncfs(fd);
    close(fd);
}

void place_forget(const char *site)
{
    json_t *record, *path;
    const char *key;
    if (record_read(site, RECORD, &record, NULL) != ERR_OK)
        return;
    bool all = true;
    json_object_foreach (json_object_get(record, "targets"), key, path)
        sync_target(json_string_value(path));
    json_object_foreach (json_object_get(record, "workshops"), key, path)
        all = place_remove_workshop(json_string_value(path)) && all;
    json_object_del(record, "sources");
    json_object_del(record, "targets");
    if (all)
        json_object_del(record, "workshops");
    if (json_object_get(record, "workshops") || json_object_get(record, "written"))
        record_write(site, RECORD, record, NULL);
    else
        record_remove(site, RECORD, NULL);
    json_decref(record);
}
