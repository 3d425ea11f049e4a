/* One container of a definition: what to do with what stands under its name, its image, its making, and the proof that
 * what the engine says of it now is what the definition says. One thread at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "host/definition/command.h"
#include "host/definition/define.h"
#include "host/definition/gather.h"
#include "host/definition/make.h"
#include "host/path.h"
#include "host/site/mark.h"

#define CREATE_LIMIT_US (120 * USEC_PER_SEC)
#define SHORT_LIMIT_US (30 * USEC_PER_SEC)
#define RUN_DIRECTORY "/run/dogwatch"
#define ASIDE ".dogwatch-aside" /* behind the name of what makes room */
#define IMAGE_SIZE 513

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_get_text(object, key);
    return value && strcmp(value, text) == 0;
}

/* --- what is there --------------------------------------------------------------------------------------------------
 */

static bool is_of_job(const struct making *making, const json_t *entry)
{
    return make_is_of_site(making, entry) && is_text(json_object_get(entry, "labels"), "dogwatch.job", making->job);
}

static bool is_stopped(const json_t *entry)
{
    return is_text(entry, "state", "exited") || is_text(entry, "state", "created") || is_text(entry, "state", "dead");
}

/* Whether the site's copy here was kept before it was marked incoming. */
static bool was_kept(const char *site)
{
    json_t *record = mark_record(site);
    bool kept = is_text(json_object_get(record, "before"), "mark", "kept");
    json_decref(record);
    return kept;
}

/* What may go for a new copy: one that was kept, and what another job made here and never started. Neither is in use,
 * and neither is anybody else's. */
static enum err check_may_go(const struct making *making, const json_t *entry, struct err_info *info)
{
    const char *name = json_get_text(entry, "name"), *runtime = json_get_text(entry, "runtime");
    bool never_ran =
        is_text(entry, "state", "created") && json_get_text(json_object_get(entry, "labels"), "dogwatch.job") != NULL;
    if (!make_is_of_site(making, entry))
        return err_set(info, ERR_EXISTS,
            "a container %s is here already, and it is not of %s: it stays; rename it, or move the site elsewhere",
            name, making->site);
    if (!is_stopped(entry))
        return err_set(
            info, ERR_BUSY, "%s is here already and is %s: stop it first", name, json_get_text(entry, "state"));
    if (!never_ran && !was_kept(making->site))
        return err_set(info, ERR_EXISTS,
            "a container %s of %s is here already, and was in use until now: remove it (%s rm %s) if it is not needed",
            name, making->site, runtime, name);
    return ERR_OK;
}

/* It gives up its name until the new one is made, or for good. */
static enum err set_aside(struct making *making, enum runtime_kind kind, const json_t *entry, struct err_info *info)
{
    const char *name = json_get_text(entry, "name");
    char aside[CONTAINER_NAME_SIZE];
    enum err result = check_may_go(making, entry, info);
    if (result != ERR_OK)
        return result;
    if (!str_format(aside, sizeof aside, "%s" ASIDE, name))
        return err_set(info, ERR_INVALID, "the name %s is too long", name);
    const char *const words[] = {"rename", "--", name, aside, NULL};
    result = runtime_command(kind, words, SHORT_LIMIT_US, NULL, info);
    if (result == ERR_OK)
        make_note(making, "name", kind, aside, name);
    return result;
}

static bool is_noted(const struct making *making, enum runtime_kind kind, const char *name)
{
    vec_each (&making->things, const struct made_thing, thing)
        if (thing->kind == kind &&
            (strcmp(thing->name, name) == 0 || (thing->before && strcmp(thing->before, name) == 0)))
            return true;
    return false;
}

enum err make_others_go(struct making *making, struct err_info *info)
{
    const json_t *all = json_object_get(making->inventory, "containers");
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(all) && result == ERR_OK; i++) {
        const json_t *entry = json_array_get(all, i);
        enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
        const char *name = json_get_text(entry, "name");
        if (!make_is_of_site(making, entry) || is_of_job(making, entry) || is_noted(making, kind, name))
            continue;
        result = check_may_go(making, entry, info);
        if (result == ERR_OK)
            make_note(making, "old", kind, name, NULL);
    }
    return result;
}

/* Something set aside when this was tried before, and cut off: it goes when this is through. */
static void find_left_aside(struct making *making, enum runtime_kind kind, const char *name)
{
    char aside[CONTAINER_NAME_SIZE];
    if (!str_format(aside, sizeof aside, "%s" ASIDE, name))
        return;
    const json_t *entry = make_find(making, "containers", kind, aside);
    if (entry && make_is_of_site(making, entry) && is_stopped(entry))
        make_note(making, "name", kind, aside, name);
}

/* --- its image ------------------------------------------------------------------------------------------------------
 */

static bool is_image(enum runtime_kind kind, const char *name, const char *id)
{
    json_t *image = gather_one(kind, "image", name);
    const char *its = json_get_text(image, "Id");
    if (its && str_starts(its, "sha256:"))
        its += strlen("sha256:");
    bool same = its && strcmp(its, id) == 0;
    json_decref(image);
    return same;
}

/* By its name where that means the same image here, so that a person finds it again; else by its ID. */
static enum err find_image(const struct making *making, enum runtime_kind kind, const json_t *container,
    char out[IMAGE_SIZE], struct err_info *info)
{
    const char *there = json_get_text(container, "image_id"), *name = json_get_text(container, "image");
    const char *here = json_get_text(making->images, there);
    here = here ? here : there;
    if (!runtime_id_is_valid(here))
        return err_set(info, ERR_INVALID, "args.images names no ID for %s", there);
    str_copy(out, IMAGE_SIZE, name && is_image(kind, name, here) ? name : here);
    if (strcmp(out, here) != 0 || is_image(kind, here, here))
        return ERR_OK;
    return err_set(info, ERR_NOT_FOUND, "the image of %s (%s, %.12s) is not in %s on this host: copy it here first",
        json_get_text(container, "name"), name ? name : "without a name", here, runtime_name(kind));
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static enum err make_env_path(const struct making *making, char out[HOST_PATH_SIZE], struct err_info *info)
{
    char directory[HOST_PATH_SIZE];
    enum err result = paths_make_dir(host_path(directory, sizeof directory, RUN_DIRECTORY), info);
    host_path_format(out, HOST_PATH_SIZE, RUN_DIRECTORY "/environment-%s-%d", making->site, (int)getpid());
    return result;
}

static enum err write_env(const char *path, const struct buf *env, struct err_info *info)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot write %s", path);
    ssize_t written = write(fd, buf_text(env), env->length);
    close(fd);
    return written == (ssize_t)env->length ? ERR_OK : err_set(info, ERR_FULL, "cannot write %s whole", path);
}

static enum err run_command(enum runtime_kind kind, struct command *command, struct err_info *info)
{
    enum err result = command->env.length ? write_env(command->env_file, &command->env, info) : ERR_OK;
    if (result == ERR_OK)
        result = runtime_command_with(kind, (const char *const *)command->words.items,
            (const char *const *)command->own.items, CREATE_LIMIT_US, info);
    unlink(command->env_file);
    return result;
}

static enum err create(struct making *making, enum runtime_kind kind, const json_t *container, struct err_info *info)
{
    char env_path[HOST_PATH_SIZE], image[IMAGE_SIZE];
    struct command command = {0};
    enum err result = find_image(making, kind, container, image, info);
    if (result == ERR_OK)
        result = make_env_path(making, env_path, info);
    if (result == ERR_OK)
        result = command_make(&command, container,
            &(struct command_for){.kind = kind, .image = image, .job = making->job, .env_file = env_path}, info);
    if (result == ERR_OK)
        result = run_command(kind, &command, info);
    if (result != ERR_OK)
        err_prefix(info, result, "%s was not made", json_get_text(container, "name"));
    else
        make_note(making, "container", kind, json_get_text(container, "name"), NULL);
    command_free(&command);
    return result;
}

static enum err connect_others(enum runtime_kind kind, const json_t *container, const char *id, struct err_info *info)
{
    const json_t *networks = json_object_get(container, "networks");
    enum err result = ERR_OK;
    for (size_t i = command_networks_at_once(kind); i < json_array_size(networks) && result == ERR_OK; i++) {
        struct command command;
        command_connect(&command, json_array_get(networks, i), id);
        result = runtime_command(kind, (const char *const *)command.words.items, SHORT_LIMIT_US, NULL, info);
        command_free(&command);
    }
    return result;
}

/* --- the proof ------------------------------------------------------------------------------------------------------
 */

/* What differs is answered; where it matters for what runs, the container is not taken. */
static enum err prove(const struct making *making, enum runtime_kind kind, const json_t *wanted, const char *id,
    json_t *answer, struct err_info *info)
{
    const char *name = json_get_text(wanted, "name");
    json_t *made = gather_container(kind, id, making->site, json_get_text(wanted, "role"), NULL);
    json_t *different = define_differences(wanted, made);
    enum err result = made ? ERR_OK : err_set(info, ERR_FAILED, "%s does not describe %s", runtime_name(kind), name);
    for (size_t i = 0; i < json_array_size(different) && result == ERR_OK; i++) {
        const char *member = json_string_value(json_array_get(different, i));
        if (define_is_vital(member))
            result = err_set(info, ERR_FAILED, "%s made %s otherwise than it is defined: its %s differs",
                runtime_name(kind), name, member);
    }
    if (json_array_size(different))
        json_object_set(answer, "differs", different);
    json_decref(different);
    json_decref(made);
    return result;
}

static json_t *answer_of(enum runtime_kind kind, const char *name, const char *id)
{
    json_t *answer = json_object();
    json_put_text(answer, "name", name);
    json_put_text(answer, "id", id);
    json_put_text(answer, "runtime", runtime_name(kind));
    return answer;
}

enum err make_container(
    struct making *making, enum runtime_kind kind, const json_t *container, json_t **answer, struct err_info *info)
{
    const char *name = json_get_text(container, "name");
    const json_t *here = make_find(making, "containers", kind, name);
    enum err result = ERR_OK;
    *answer = NULL;
    if (!here || is_of_job(making, here))
        find_left_aside(making, kind, name);
    if (here && is_of_job(making, here)) {
        *answer = answer_of(kind, name, json_get_text(here, "id"));
        return ERR_OK;
    }
    if (here)
        result = set_aside(making, kind, here, info);
    if (result == ERR_OK)
        result = create(making, kind, container, info);
    if (result != ERR_OK)
        return result;
    json_t *description = gather_one(kind, "container", name);
    const char *id = json_get_text(description, "Id");
    *answer = answer_of(kind, name, id);
    if (!runtime_id_is_valid(id))
        result = err_set(info, ERR_FAILED, "%s made %s and does not know it", runtime_name(kind), name);
    if (result == ERR_OK)
        result = connect_others(kind, container, id, info);
    if (result == ERR_OK)
        result = prove(making, kind, container, id, *answer, info);
    json_decref(description);
    return result;
}
