/* site.remove: a copy of a site that is not active goes, its containers first, then what nobody else uses. A copy that
 * could start, or runs, is never touched. Asked again it goes on where it was. In a thread of its own (host/verbs.c).
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/definition/bind.h"
#include "host/definition/gather.h"
#include "host/definition/made.h"
#include "host/session.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/storage/fstab.h"
#include "host/storage/mounts.h"
#include "host/verbs.h"

#define REMOVE_LIMIT_US (120 * USEC_PER_SEC)

static const char storage_stays[] = "storage is mounted there, or may be by /etc/fstab: it is not emptied";

struct removal {
    const char *site;
    char job[LEASE_JOB_SIZE];
    bool volumes;
    bool directory_stays; /* one that was made for the site: its record stays with it */
    json_t *inventory;    /* from before */
    json_t *containers;   /* of the site, entries of the inventory */
    json_t *removed_containers, *removed_volumes, *removed_directories, *left;
};

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_get_text(object, key);
    return value && text && strcmp(value, text) == 0;
}

static enum err check_mark(const char *site, struct err_info *info)
{
    struct mark mark;
    enum err result = mark_read(site, &mark, info);
    if (result == ERR_OK && mark.what != MARK_INCOMING && mark.what != MARK_KEPT)
        result = err_set(info, ERR_DENIED,
            "%s is %s here: only a copy that is incoming or kept is removed, never one that is in use", site,
            mark.what == MARK_NONE ? "not marked" : mark_word(mark.what));
    return result;
}

static enum err refuse_running(const json_t *containers, struct err_info *info)
{
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        if (!is_text(container, "state", "exited") && !is_text(container, "state", "created") &&
            !is_text(container, "state", "dead"))
            return err_set(info, ERR_BUSY, "%s is %s: stop it first; nothing was removed",
                json_get_text(container, "name"), json_get_text(container, "state"));
    }
    return ERR_OK;
}

/* --- containers -----------------------------------------------------------------------------------------------------
 */

static enum err remove_containers(struct removal *removal, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = json_array_size(removal->containers); i-- > 0 && result == ERR_OK;) { /* the newest first */
        const json_t *container = json_array_get(removal->containers, i);
        const char *const words[] = {"rm", "--", json_get_text(container, "id"), NULL};
        enum runtime_kind kind = runtime_by_name(json_get_text(container, "runtime"));
        result = runtime_command(kind, words, REMOVE_LIMIT_US, NULL, info);
        if (result == ERR_OK)
            json_array_append(removal->removed_containers, json_object_get(container, "name"));
    }
    return result;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

/* Whether a mount has to do with what is to go: a volume of that name, or a directory there or in it. */
static bool is_use_of(const json_t *mount, const char *volume, const char *directory)
{
    const char *source = json_get_text(mount, "source");
    if (volume)
        return is_text(mount, "name", volume);
    return is_text(mount, "kind", "bind") && source && bind_is_at_or_below(source, directory);
}

/* Whether a container of another site uses the volume (of the engine `runtime`) or the directory. */
static bool is_foreign(const struct removal *removal, const char *runtime, const char *volume, const char *directory)
{
    const json_t *all = json_object_get(removal->inventory, "containers");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *container = json_array_get(all, i), *mounts = json_object_get(container, "mounts");
        if (is_text(container, "site", removal->site) || (runtime && !is_text(container, "runtime", runtime)))
            continue;
        for (size_t j = 0; j < json_array_size(mounts); j++)
            if (is_use_of(json_array_get(mounts, j), volume, directory))
                return true;
    }
    return false;
}

static void leave(struct removal *removal, const char *what, const char *why)
{
    char *line = xasprintf("%s: %s", what, why);
    json_array_append_new(removal->left, json_string(line));
    free(line);
}

/* Written down first: once its containers are gone, a volume without a label has nothing that says whose it was. */
static enum err note_volumes(const struct removal *removal, struct err_info *info)
{
    const json_t *all = json_object_get(removal->inventory, "volumes");
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(all) && result == ERR_OK; i++) {
        const json_t *volume = json_array_get(all, i);
        if (!is_text(volume, "site", removal->site) || !is_text(volume, "kind", "volume"))
            continue;
        char *note = xasprintf("%s/%s", json_get_text(volume, "runtime"), json_get_text(volume, "name"));
        result = made_note(removal->site, removal->job, "volumes", note, info);
        free(note);
    }
    return result;
}

/* Storage that may be in use on another host is emptied by nobody, wherever it is mounted just now or may be. */
static bool holds_storage(const char *path)
{
    char full[HOST_PATH_SIZE], real[PATH_MAX];
    if (mounts_has_below(path) || fstab_has_below(path))
        return true;
    return realpath(host_path(full, sizeof full, path), real) && (mounts_has_below(real) || fstab_has_below(real));
}

/* Of a named volume also the directory above. */
static bool volume_holds_storage(const json_t *description)
{
    char above[HOST_PATH_SIZE];
    const char *path = json_get_text(description, "Mountpoint");
    if (!path || !str_copy(above, sizeof above, path))
        return false;
    char *slash = strrchr(above, '/');
    if (slash && slash != above && strcmp(slash, "/_data") == 0)
        *slash = '\0';
    return holds_storage(above);
}

/* "podman/NAME" */
static enum err remove_volume(struct removal *removal, const char *note, struct err_info *info)
{
    char runtime[16];
    const char *slash = strchr(note, '/');
    if (!slash || (size_t)(slash - note) >= sizeof runtime)
        return ERR_OK;
    str_copy(runtime, (size_t)(slash - note) + 1, note);
    const char *name = slash + 1, *const words[] = {"volume", "rm", "--", name, NULL};
    enum runtime_kind kind = runtime_by_name(runtime);
    if (kind == RUNTIME_COUNT || !name_is_valid_container(name))
        return ERR_OK;
    if (is_foreign(removal, runtime, name, NULL)) {
        leave(removal, name, "a container of another site uses it");
        return ERR_OK;
    }
    json_t *description = gather_one(kind, "volume", name);
    const char *label = json_get_text(json_object_get(description, "Labels"), "dogwatch.site");
    enum err result = ERR_OK;
    if (description && label && strcmp(label, removal->site) != 0)
        leave(removal, name, "it says it is of another site");
    else if (description && volume_holds_storage(description))
        leave(removal, name, storage_stays);
    else if (description && (result = runtime_command(kind, words, REMOVE_LIMIT_US, NULL, info)) == ERR_OK)
        json_array_append_new(removal->removed_volumes, json_string(name));
    json_decref(description);
    return result;
}

/* Only what was made here for the site to come. */
static enum err remove_directory(struct removal *removal, const char *path, struct err_info *info)
{
    if (is_foreign(removal, NULL, NULL, path)) {
        removal->directory_stays = true;
        leave(removal, path, "a container of another site uses it");
        return ERR_OK;
    }
    if (holds_storage(path)) {
        leave(removal, path, storage_stays);
        return ERR_OK;
    }
    enum err result = bind_remove(path, info);
    if (result == ERR_OK)
        json_array_append_new(removal->removed_directories, json_string(path));
    return result;
}

static bool array_has(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *item = json_string_value(json_array_get(array, i));
        if (item && text && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

/* A person is told of directories that stay: they may be large, and they may be somebody's. */
static void tell_directories(struct removal *removal, const json_t *made)
{
    const json_t *all = json_object_get(removal->inventory, "volumes");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *volume = json_array_get(all, i);
        const char *path = json_get_text(volume, "path");
        if (is_text(volume, "site", removal->site) && is_text(volume, "kind", "bind") && !array_has(made, path))
            leave(removal, path, "a directory that was here before the site is not removed");
    }
}

static enum err remove_volumes(struct removal *removal, struct err_info *info)
{
    json_t *volumes = made_list(removal->site, removal->job, "volumes");
    json_t *directories = made_list(removal->site, removal->job, "directories");
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(volumes) && result == ERR_OK; i++)
        result = remove_volume(removal, json_string_value(json_array_get(volumes, i)), info);
    for (size_t i = 0; i < json_array_size(directories) && result == ERR_OK; i++)
        result = remove_directory(removal, json_string_value(json_array_get(directories, i)), info);
    tell_directories(removal, directories);
    if (result == ERR_OK && !removal->directory_stays)
        made_forget(removal->site);
    json_decref(volumes);
    json_decref(directories);
    return result;
}

/* --- networks -------------------------------------------------------------------------------------------------------
 */

/* Those that say they are this site's and that nothing uses; an engine refuses to remove what is used. */
static void remove_networks(const struct removal *removal)
{
    static const char *const list[] = {"network", "ls", "--format", "{{.Name}}", NULL};
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        struct buf said = BUF(65536);
        if (!runtime_is_used(kind) || runtime_command(kind, list, REMOVE_LIMIT_US, &said, NULL) != ERR_OK) {
            buf_free(&said);
            continue;
        }
        for (char *rest = said.data, *name; rest && (name = strsep(&rest, "\n")) != NULL;) {
            json_t *network = name_is_valid_container(name) ? gather_one(kind, "network", name) : NULL;
            const json_t *labels = json_object_get(network, kind == RUNTIME_DOCKER ? "Labels" : "labels");
            const char *const words[] = {"network", "rm", "--", name, NULL};
            if (is_text(labels, "dogwatch.site", removal->site))
                runtime_command(kind, words, REMOVE_LIMIT_US, NULL, NULL);
            json_decref(network);
        }
        buf_free(&said);
    }
}

/* --- the verb -------------------------------------------------------------------------------------------------------
 */

static enum err run_removal(struct removal *removal, struct err_info *info)
{
    int lock;
    enum err result = record_lock(removal->site, "busy", false, &lock, info);
    if (result != ERR_OK)
        return result;
    result = check_mark(removal->site, info);
    if (result == ERR_OK)
        result = gather_inventory(&removal->inventory, info);
    removal->containers = site_select(removal->inventory, removal->site);
    if (result == ERR_OK)
        result = refuse_running(removal->containers, info);
    if (result == ERR_OK && removal->volumes)
        result = note_volumes(removal, info);
    if (result == ERR_OK)
        result = remove_containers(removal, info);
    if (result == ERR_OK && removal->volumes)
        result = remove_volumes(removal, info);
    if (result == ERR_OK && removal->volumes)
        remove_networks(removal);
    record_unlock(lock);
    return result;
}

static json_t *answer_of(const struct removal *removal)
{
    json_t *ok = json_object();
    json_object_set(ok, "containers", removal->removed_containers);
    json_object_set(ok, "volumes", removal->removed_volumes);
    json_object_set(ok, "directories", removal->removed_directories);
    json_object_set(ok, "left", removal->left);
    return ok;
}

enum err verb_site_remove(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct removal removal = {.site = json_get_text(args, "site"),
        .removed_containers = json_array(),
        .removed_volumes = json_array(),
        .removed_directories = json_array(),
        .left = json_array()};
    json_get_bool(args, "volumes", &removal.volumes);
    enum err result = lease_job(args, removal.job, info);
    if (result == ERR_OK)
        result = lease_check(removal.site, removal.job, info);
    if (result == ERR_OK) {
        site_going(1);
        result = run_removal(&removal, info);
        site_going(-1);
    }
    if (result == ERR_OK)
        *ok = answer_of(&removal);
    json_decref(removal.removed_containers);
    json_decref(removal.removed_volumes);
    json_decref(removal.removed_directories);
    json_decref(removal.left);
    json_decref(removal.containers);
    json_decref(removal.inventory);
    return result;
}
