/* Volumes on storage that several hosts can mount (driver `mount`): nothing is carried, the storage is unmounted here
 * and mounted there, now and whenever the hosts start. Only what the host's administrator has written into /etc/fstab.
 * Each verb in its own thread. */
#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sanitize.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/site/guard.h"
#include "host/storage/fstab.h"
#include "host/storage/mounts.h"
#include "host/storage/needed.h"
#include "host/transfer/engine.h"
#include "host/transfer/incoming.h"
#include "host/transfer/place.h"
#include "host/transfer/transfer.h"
#include "host/verbs.h"

#define MOST_HOLDERS 5

/* --- who holds it ---------------------------------------------------------------------------------------------------
 */

static bool runs(const json_t *container)
{
    static const char *const states[] = {"running", "paused", "restarting", "stopping", "unknown"};
    const char *state = json_get_text(container, "state");
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

/* A container that runs keeps the mount in its own namespace: the host's umount would succeed and change nothing. */
static enum err check_containers(const char *path, struct err_info *info)
{
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers) && result == ERR_OK; i++) {
        const json_t *container = json_array_get(containers, i), *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; runs(container) && j < json_array_size(mounts) && result == ERR_OK; j++) {
            const char *source = json_get_text(json_array_get(mounts, j), "source");
            if (source && mounts_is_at_or_below(source, path))
                result = err_set(info, ERR_BUSY, "%s is in use by the container %s, which runs: stop it first", path,
                    json_get_text(container, "name"));
        }
    }
    json_decref(inventory);
    return result;
}

/* One link of /proc/PID (cwd, root, fd/N): does it lead there? */
static bool link_leads(const char *link, const char *path)
{
    char target[HOST_PATH_SIZE];
    ssize_t length = readlink(link, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    return length > 0 && mounts_is_at_or_below(target, path);
}

static bool process_holds(const char *pid, const char *path)
{
    char link[HOST_PATH_SIZE];
    str_format(link, sizeof link, "/proc/%s/cwd", pid);
    bool holds = link_leads(link, path);
    str_format(link, sizeof link, "/proc/%s/root", pid);
    holds = holds || link_leads(link, path);
    str_format(link, sizeof link, "/proc/%s/fd", pid);
    DIR *fds = opendir(link);
    for (const struct dirent *fd; fds && !holds && (fd = readdir(fds)) != NULL;) {
        str_format(link, sizeof link, "/proc/%s/fd/%s", pid, fd->d_name);
        holds = link_leads(link, path);
    }
    if (fds)
        closedir(fds);
    return holds;
}

static void add_holder(struct buf *holders, const char *pid)
{
    char path[64], name[64] = "";
    struct buf comm = BUF(64);
    str_format(path, sizeof path, "/proc/%s/comm", pid);
    if (buf_read_file(&comm, path, NULL) == ERR_OK)
        sanitize(name, sizeof name, buf_text(&comm), strcspn(buf_text(&comm), "\n"));
    buf_printf(holders, "%s%s (%s)", holders->length ? ", " : "", name, pid);
    buf_free(&comm);
}

static void find_holders(const char *path, struct buf *holders)
{
    size_t found = 0;
    DIR *processes = opendir("/proc");
    for (const struct dirent *entry; processes && found < MOST_HOLDERS && (entry = readdir(processes)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !process_holds(entry->d_name, path))
            continue;
        add_holder(holders, entry->d_name);
        found++;
    }
    if (processes)
        closedir(processes);
}

/* --- unmounting, mounting -------------------------------------------------------------------------------------------
 */

static enum err detach(const struct transfer *transfer, struct err_info *info)
{
    const char *path = transfer->path;
    struct buf holders = BUF(1024);
    enum err result = mounts_has(path) ? check_containers(path, info) : ERR_OK;
    while (result == ERR_OK && mounts_has(path)) /* what is mounted twice is unmounted twice */
        result = mounts_unmount(path, info);
    if (result == ERR_FAILED && info && strstr(info->message, "busy")) {
        find_holders(path, &holders);
        result = err_set(info, ERR_BUSY, "%s is in use%s%s", path, holders.length ? " by " : "", buf_text(&holders));
    }
    buf_free(&holders);
    return result == ERR_OK ? needed_forget(transfer->site, path, info) : result;
}

/* From now on podman starts nothing there while it is not mounted. */
static enum err attach(const struct transfer *transfer, struct err_info *info)
{
    enum err result = mounts_has(transfer->path) ? ERR_OK : mounts_mount(transfer->path, info);
    if (result == ERR_OK)
        result = needed_note(transfer->site, transfer->path, info);
    if (result == ERR_OK && runtime_is_used(RUNTIME_PODMAN))
        result = guard_install(info);
    return result;
}

/* --- and at each boot -----------------------------------------------------------------------------------------------
 */

/* Where the site is, the storage is mounted at boot, elsewhere it is not. Where /etc/fstab cannot be changed
 * (read-only, or made by a program) the move goes on all the same: *by_hand says what is left to do. */
static void settle_boot(const char *path, bool at_boot, char *by_hand, size_t by_hand_size)
{
    struct err_info why;
    by_hand[0] = '\0';
    if (fstab_set_boot(path, at_boot, &why) != ERR_OK)
        str_format(by_hand, by_hand_size, "%s noauto %s the row of %s in /etc/fstab (%.300s)", at_boot ? "take" : "put",
            at_boot ? "out of" : "into", path, why.message);
    else if (!at_boot && fstab_when(path) == FSTAB_WITH_UNIT)
        str_format(by_hand, by_hand_size,
            "the row of %s in /etc/fstab has it mounted with a unit of systemd: take that out of it", path);
    else if (at_boot && fstab_stops_boot(path))
        str_format(by_hand, by_hand_size,
            "put _netdev or nofail into the row of %s in /etc/fstab: where it cannot be mounted, this host's boot "
            "would "
            "end in emergency mode",
            path);
}

/* --- verbs ----------------------------------------------------------------------------------------------------------
 */

/* A named volume may be mounted at its directory or at the one above, which the engine has made for it. */
static void settle_point(struct transfer *transfer)
{
    char above[HOST_PATH_SIZE];
    str_copy(above, sizeof above, transfer->path);
    char *slash = strrchr(above, '/');
    if (fstab_when(transfer->path) != FSTAB_NEVER || !slash || slash == above)
        return;
    *slash = '\0';
    if (fstab_when(above) != FSTAB_NEVER)
        str_copy(transfer->path, sizeof transfer->path, above);
}

/* Where a named volume is mounted, or the path that is given for a bind mount. */
static enum err find_place(struct transfer *transfer, struct err_info *info)
{
    if (transfer_is_bind(transfer))
        return ERR_OK;
    enum err result = engine_volume_path(transfer->runtime, transfer->volume, transfer->path, NULL, info);
    if (result == ERR_NOT_FOUND)
        result = engine_volume_make(transfer->runtime, transfer->volume, transfer->site, info);
    if (result == ERR_OK && !transfer->path[0])
        result = engine_volume_path(transfer->runtime, transfer->volume, transfer->path, NULL, info);
    if (result == ERR_OK)
        settle_point(transfer);
    return result;
}

static enum err begin(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    json_t *volume = json_copy((json_t *)(uintptr_t)args);
    json_put_text(volume, "what", "volume");
    json_object_del(volume, "driver");
    enum err result = transfer_read_args(volume, transfer, info);
    json_decref(volume);
    return result == ERR_OK ? lease_check(transfer->site, transfer->job, info) : result;
}

static enum err check_fstab(const char *path, struct err_info *info)
{
    return fstab_when(path) != FSTAB_NEVER
               ? ERR_OK
               : err_set(info, ERR_DENIED, "%s is no mount point in this host's /etc/fstab", path);
}

static json_t *answer(const struct transfer *transfer, const char *by_hand)
{
    enum fstab_when when = fstab_when(transfer->path);
    json_t *ok = json_object();
    json_put_text(ok, "path", transfer->path);
    json_put_bool(ok, "mounted", mounts_has(transfer->path));
    json_put_bool(ok, "at_boot", when != FSTAB_NEVER && when != FSTAB_BY_HAND);
    json_put_text(ok, "by_hand", by_hand[0] ? by_hand : NULL);
    return ok;
}

typedef enum err mountpoint_change(const struct transfer *transfer, struct err_info *info);

static enum err change(const json_t *args, mountpoint_change *change_it, json_t **ok, struct err_info *info)
{
    struct transfer transfer;
    enum err result = begin(args, &transfer, info);
    if (result == ERR_OK)
        result = find_place(&transfer, info);
    if (result == ERR_OK)
        result = check_fstab(transfer.path, info);
    if (result == ERR_OK)
        result = place_check_foreign(&transfer, info);
    if (result == ERR_OK)
        result = change_it(&transfer, info);
    if (result == ERR_OK) {
        char by_hand[600];
        settle_boot(transfer.path, change_it == attach, by_hand, sizeof by_hand);
        *ok = answer(&transfer, by_hand);
    }
    return result;
}

enum err verb_volume_detach(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    return change(args, detach, ok, info);
}

enum err verb_volume_attach(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    return change(args, attach, ok, info);
}
