/* Volumes, networks and directories of a site that comes here, and taking away what was made. What is here already and
 * not the site's is never handed to it, whatever the definition says. One thread at a time. */
#include "host/definition/make.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/definition/bind.h"
#include "host/definition/gather.h"
#include "host/definition/made.h"
#include "host/path.h"

#define MAKE_LIMIT_US (60 * USEC_PER_SEC)

void make_note(struct making *making, const char *what, enum runtime_kind kind, const char *name, const char *before)
{
    struct made_thing *thing = vec_add(&making->things);
    *thing = (struct made_thing){
        .what = what, .kind = kind, .name = xstrdup(name), .before = before ? xstrdup(before) : NULL};
}

/* --- whose it is ----------------------------------------------------------------------------------------------------
 */

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_get_text(object, key);
    return value && text && strcmp(value, text) == 0;
}

bool make_is_of_site(const struct making *making, const json_t *entry)
{
    return is_text(entry, "site", making->site);
}

const json_t *make_find(const struct making *making, const char *list, enum runtime_kind kind, const char *name)
{
    const json_t *all = json_object_get(making->inventory, list);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *entry = json_array_get(all, i);
        if (is_text(entry, "name", name) && is_text(entry, "runtime", runtime_name(kind)))
            return entry;
    }
    return NULL;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

/* The container of another site that uses the volume; NULL where there is none. *own: one of this site does. */
static const char *foreign_user(const struct making *making, enum runtime_kind kind, const char *name, bool *own)
{
    const json_t *all = json_object_get(making->inventory, "containers");
    *own = false;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *container = json_array_get(all, i), *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; j < json_array_size(mounts); j++) {
            if (!is_text(container, "runtime", runtime_name(kind)) || !is_text(json_array_get(mounts, j), "name", name))
                continue;
            if (!make_is_of_site(making, container))
                return json_get_text(container, "name");
            *own = true;
        }
    }
    return NULL;
}

/* One that is there must be this site's: by its label, or because the site's own containers alone use it. */
static enum err check_volume(
    const struct making *making, enum runtime_kind kind, const json_t *description, struct err_info *info)
{
    bool own;
    const char *name = json_get_text(description, "Name"), *user = foreign_user(making, kind, name, &own);
    const char *label = json_get_text(json_object_get(description, "Labels"), "dogwatch.site");
    if (user)
        return err_set(info, ERR_DENIED, "the volume %s is used by %s, which is not of %s", name, user, making->site);
    if (label && strcmp(label, making->site) != 0)
        return err_set(info, ERR_DENIED, "the volume %s is here already, and of another site (%.80s)", name, label);
    if (!label && !own)
        return err_set(info, ERR_EXISTS,
            "a volume %s is here already and belongs to nobody that is known: remove it (%s volume rm %s), or move the "
            "site elsewhere",
            name, runtime_name(kind), name);
    return ERR_OK;
}

static const json_t *find_named(const json_t *array, const char *name)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (is_text(json_array_get(array, i), "name", name))
            return json_array_get(array, i);
    return NULL;
}

/* `KIND create --label … -- NAME` */
static enum err create_named(const struct making *making, enum runtime_kind kind, const char *object, const char *list,
    const char *name, struct err_info *info)
{
    const json_t *wanted = find_named(json_object_get(making->definition, list), name);
    VEC(char *) words = {0};
    const char *key;
    json_t *value;
    bool internal = false;
    vec_push(&words, xstrdup(object));
    vec_push(&words, xstrdup("create"));
    vec_push(&words, xasprintf("--label=dogwatch.site=%s", making->site));
    json_object_foreach (json_object_get(wanted, "labels"), key, value)
        if (strcmp(key, "dogwatch.site") != 0)
            vec_push(&words, xasprintf("--label=%s=%s", key, json_string_value(value)));
    if (json_get_bool(wanted, "internal", &internal) && internal)
        vec_push(&words, xstrdup("--internal"));
    vec_push(&words, xstrdup("--"));
    vec_push(&words, xstrdup(name));
    vec_push(&words, NULL);
    enum err result = runtime_command(kind, (const char *const *)words.items, MAKE_LIMIT_US, NULL, info);
    for (size_t i = 0; i < words.count; i++)
        free(words.items[i]);
    vec_free(&words);
    return result;
}

enum err make_volume(struct making *making, enum runtime_kind kind, const char *name, struct err_info *info)
{
    json_t *description = gather_one(kind, "volume", name);
    enum err result = description ? check_volume(making, kind, description, info) : ERR_OK;
    if (!description) {
        char *note = xasprintf("%s/%s", runtime_name(kind), name);
        result = made_note(making->site, making->job, "volumes", note, info);
        free(note);
        if (result == ERR_OK)
            result = create_named(making, kind, "volume", "volumes", name, info);
        if (result == ERR_OK)
            make_note(making, "volume", kind, name, NULL);
    }
    json_decref(description);
    return result;
}

/* --- networks -------------------------------------------------------------------------------------------------------
 */

/* Networks without a label may be shared by several sites on purpose; one of another site is not. */
enum err make_network(struct making *making, enum runtime_kind kind, const char *name, struct err_info *info)
{
    enum err result = ERR_OK;
    json_t *description = gather_one(kind, "network", name);
    const json_t *labels = json_object_get(description, kind == RUNTIME_DOCKER ? "Labels" : "labels");
    const char *label = json_get_text(labels, "dogwatch.site");
    if (strcmp(name, "host") == 0 || strcmp(name, "none") == 0) {
        result = err_set(info, ERR_DENIED, "no site gets the network %s", name);
    } else if (label && strcmp(label, making->site) != 0) {
        result = err_set(info, ERR_DENIED, "the network %s is here already, and of another site (%.80s)", name, label);
    } else if (!description) {
        result = create_named(making, kind, "network", "networks", name, info);
        if (result == ERR_OK)
            make_note(making, "network", kind, name, NULL);
    }
    json_decref(description);
    return result;
}

/* --- directories ----------------------------------------------------------------------------------------------------
 */

/* Nothing that a container of another site writes to: not the same directory, none in it, and none it lies in (which
 * may be read by others: backups do that). */
static enum err check_directory(const struct making *making, const char *path, struct err_info *info)
{
    const json_t *all = json_object_get(making->inventory, "containers");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *container = json_array_get(all, i), *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; j < json_array_size(mounts) && !make_is_of_site(making, container); j++) {
            const json_t *mount = json_array_get(mounts, j);
            const char *source = json_get_text(mount, "source");
            bool writes = true;
            json_get_bool(mount, "rw", &writes);
            if (is_text(mount, "kind", "bind") && source &&
                (bind_is_at_or_below(source, path) || (writes && bind_is_at_or_below(path, source))))
                return err_set(info, ERR_DENIED, "%s is used by %s, which is not of %s (%s)", path,
                    json_get_text(container, "name"), making->site, source);
        }
    }
    return ERR_OK;
}

enum err make_directory(struct making *making, const char *path, struct err_info *info)
{
    char made[HOST_PATH_SIZE];
    struct err_info seen;
    if (bind_is_everywhere(path))
        return ERR_OK;
    enum err result = check_directory(making, path, info);
    if (result != ERR_OK)
        return result;
    result = bind_check(path, &seen);
    if (result != ERR_NOT_FOUND)
        return result == ERR_OK ? ERR_OK : err_set(info, result, "%s", seen.message);
    result = made_note(making->site, making->job, "directories", path, info);
    if (result == ERR_OK)
        result = bind_make(path, made, sizeof made, info);
    if (result == ERR_OK)
        make_note(making, "directory", RUNTIME_COUNT, path, NULL);
    return result;
}

/* --- the end --------------------------------------------------------------------------------------------------------
 */

static enum err remove_container(enum runtime_kind kind, const char *name, struct err_info *info)
{
    const char *const words[] = {"rm", "--", name, NULL};
    return runtime_command(kind, words, MAKE_LIMIT_US, NULL, info);
}

static enum err undo_thing(const struct made_thing *thing, struct err_info *info)
{
    const char *const rename[] = {"rename", "--", thing->name, thing->before, NULL};
    const char *const remove[] = {thing->what, "rm", "--", thing->name, NULL};
    if (strcmp(thing->what, "old") == 0)
        return ERR_OK; /* it is as it was */
    if (strcmp(thing->what, "directory") == 0)
        return bind_remove(thing->name, info);
    if (strcmp(thing->what, "container") == 0)
        return remove_container(thing->kind, thing->name, info);
    return runtime_command(thing->kind, strcmp(thing->what, "name") == 0 ? rename : remove, MAKE_LIMIT_US, NULL, info);
}

void make_undo(struct making *making)
{
    for (size_t i = making->things.count; i-- > 0;) {
        struct err_info info = {0};
        const struct made_thing *thing = &making->things.items[i];
        if (undo_thing(thing, &info) != ERR_OK)
            log_warning("the %s %s could not be taken back: %s", thing->what, thing->name, info.message);
    }
}

enum err make_finish(struct making *making, struct err_info *info)
{
    enum err result = ERR_OK;
    vec_each (&making->things, struct made_thing, thing)
        if (result == ERR_OK && (strcmp(thing->what, "name") == 0 || strcmp(thing->what, "old") == 0))
            result = remove_container(thing->kind, thing->name, info);
    return result;
}

void make_free(struct making *making)
{
    vec_each (&making->things, struct made_thing, thing) {
        free(thing->name);
        free(thing->before);
    }
    vec_free(&making->things);
    json_decref(making->inventory);
}
