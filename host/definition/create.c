/* site.create: the containers of a site that is to come here, made of the definition that another host gave. All of it
 * is vetted first; what was made is taken back where something fails; asked again it answers what is there. In a thread
 * of its own (host/verbs.c). */
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "host/definition/gather.h"
#include "host/definition/make.h"
#include "host/definition/vet.h"
#include "host/session.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/verbs.h"

struct creation {
    struct making making;
    enum runtime_kind kind; /* for all; RUNTIME_COUNT: each as defined */
    const json_t *containers;
    json_t *answers;
};

/* --- what is asked --------------------------------------------------------------------------------------------------
 */

static enum err refuse_unsupported(const json_t *definition, const json_t *args, struct err_info *info)
{
    bool anyway = false;
    const char *first = json_string_value(json_array_get(json_object_get(definition, "unsupported"), 0));
    if (!first || (json_get_bool(args, "anyway", &anyway) && anyway))
        return ERR_OK;
    return err_set(info, ERR_INVALID, "it cannot be made as it is: %.400s", first);
}

static enum err read_args(struct creation *creation, const json_t *args, struct err_info *info)
{
    struct making *making = &creation->making;
    const char *runtime = json_get_text(args, "runtime");
    making->site = json_get_text(args, "site");
    making->definition = json_object_get(args, "definition");
    making->images = json_object_get(args, "images");
    creation->kind = runtime_by_name(runtime);
    creation->containers = json_object_get(making->definition, "containers");
    enum err result = lease_job(args, making->job, info);
    if (result == ERR_OK && runtime && creation->kind == RUNTIME_COUNT)
        result = err_set(info, ERR_INVALID, "args.runtime is podman or docker");
    if (result == ERR_OK)
        result = lease_check(making->site, making->job, info);
    if (result == ERR_OK)
        result = vet_definition(making->definition, making->site, info);
    return result == ERR_OK ? refuse_unsupported(making->definition, args, info) : result;
}

static enum err check_mark(const char *site, struct err_info *info)
{
    struct mark mark;
    enum err result = mark_read(site, &mark, info);
    if (result == ERR_OK && mark.what != MARK_INCOMING)
        result = err_set(info, ERR_DENIED,
            "%s is %s here: containers are made only where it is marked incoming, so that none of them starts by "
            "itself",
            site, mark.what == MARK_NONE ? "not marked" : mark_word(mark.what));
    return result;
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static enum runtime_kind kind_of(const struct creation *creation, const json_t *container)
{
    enum runtime_kind own = runtime_by_name(json_get_text(container, "runtime"));
    if (creation->kind != RUNTIME_COUNT)
        return creation->kind;
    return own == RUNTIME_COUNT ? RUNTIME_PODMAN : own;
}

/* What the container is attached to is there before it. */
static enum err make_attachments(
    struct creation *creation, enum runtime_kind kind, const json_t *container, struct err_info *info)
{
    const json_t *mounts = json_object_get(container, "mounts"), *networks = json_object_get(container, "networks");
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(mounts) && result == ERR_OK; i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *name = json_get_text(mount, "name");
        result = name ? make_volume(&creation->making, kind, name, info)
                      : make_directory(&creation->making, json_get_text(mount, "source"), info);
    }
    for (size_t i = 0; i < json_array_size(networks) && result == ERR_OK; i++) {
        const char *name = json_get_text(json_array_get(networks, i), "name");
        if (strcmp(name, "default") != 0)
            result = make_network(&creation->making, kind, name, info);
    }
    return result;
}

static enum err make_all(struct creation *creation, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(creation->containers) && result == ERR_OK; i++) {
        const json_t *container = json_array_get(creation->containers, i);
        json_t *answer = NULL;
        result = make_attachments(creation, kind_of(creation, container), container, info);
        if (result == ERR_OK)
            result = make_container(&creation->making, kind_of(creation, container), container, &answer, info);
        if (answer)
            json_array_append_new(creation->answers, answer);
    }
    return result;
}

/* Any image does for it: nothing of it is run. */
static enum err settle(struct creation *creation, struct err_info *info)
{
    for (size_t i = 0; i < json_array_size(creation->containers); i++) {
        const json_t *container = json_array_get(creation->containers, i);
        const char *id = json_get_text(container, "image_id");
        const char *here = json_get_text(creation->making.images, id);
        if (kind_of(creation, container) == RUNTIME_PODMAN)
            return make_volumes_settled(&creation->making, here ? here : id, info);
    }
    return ERR_OK;
}

/* Containers that came after the mark are known to it too, and docker's do not start by themselves. */
static enum err cover(const struct creation *creation, struct err_info *info)
{
    json_t *inventory;
    enum err result = gather_inventory(&inventory, info);
    if (result != ERR_OK)
        return result;
    json_t *containers = site_select(inventory, creation->making.site);
    result = mark_cover(creation->making.site, containers, info);
    json_decref(containers);
    json_decref(inventory);
    return result;
}

static enum err run_creation(struct creation *creation, struct err_info *info)
{
    int lock;
    enum err result = record_lock(creation->making.site, "busy", false, &lock, info);
    if (result != ERR_OK)
        return result;
    result = check_mark(creation->making.site, info);
    if (result == ERR_OK)
        result = gather_inventory(&creation->making.inventory, info);
    if (result == ERR_OK)
        result = make_all(creation, info);
    if (result == ERR_OK)
        result = make_others_go(&creation->making, info);
    if (result == ERR_OK)
        result = settle(creation, info);
    if (result == ERR_OK)
        result = cover(creation, info);
    if (result == ERR_OK)
        result = make_finish(&creation->making, info); /* where this fails it is asked again: nothing is taken back */
    else
        make_undo(&creation->making);
    record_unlock(lock);
    return result;
}

enum err verb_site_create(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct creation creation = {.answers = json_array()};
    struct err_info own;
    info = info ? info : &own;
    enum err result = read_args(&creation, args, info);
    if (result == ERR_OK) {
        site_going(1);
        result = run_creation(&creation, info);
        site_going(-1);
    }
    if (result == ERR_OK) {
        *ok = json_object();
        json_object_set(*ok, "containers", creation.answers);
    }
    json_decref(creation.answers);
    make_free(&creation.making);
    return result;
}
