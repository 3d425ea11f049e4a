/* Steps that make a site anew on another host and hand it over; what is copied meanwhile is in steps_copy.c. Every one
 * may be run again: what is there already is found. A step's host is the one it is shown for; "from" and "to" in its
 * parameters are the two ends. Runs in the job's thread. */
#include "actions/step.h"

#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define ASK_TIMEOUT_US (60 * USEC_PER_SEC)
#define CREATE_TIMEOUT_US (180 * USEC_PER_SEC)

/* --- the copy that is made ---------------------------------------------------------------------------------------- */

/* Nothing of the site may be active on the target: a mark must not be what stops it. */
static enum err check_nothing_active(struct step_context *context, const char *host, struct err_info *info)
{
    json_t *args = json_object(), *room = NULL;
    json_put_text(args, "site", step_site(context));
    enum err err = step_request(context, host, "host.room", args, ASK_TIMEOUT_US, &room, info);
    const json_t *mark = json_object_get(room, "mark");
    size_t containers = json_array_size(json_object_get(room, "containers"));
    if (!err && containers && (!mark || json_is_null(mark)))
        err = err_set(info, ERR_EXISTS,
            "%s has %zu container%s of %s that could start: settle that first with "
            "`dogwatch site where %s`",
            host, containers, containers == 1 ? "" : "s", step_site(context), step_site(context));
    json_decref(room);
    return err;
}

static enum err incoming_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_text(args, "peer", step_text(step, "from"));
    enum err err = check_nothing_active(context, step->host, info);
    if (err) {
        json_decref(args);
        return err;
    }
    err = step_set_mark(
        context, step->host, args, "incoming", (const char *const[]){"none", "kept", "incoming", NULL}, &answer, info);
    json_t *was = json_object_get(answer, "was");
    const char *was_word = json_get_text(was, "mark");
    bool is_first = !step_recall(context, "was"); /* asked again, it says what the first time was made */
    if (!err && is_first)
        err = step_remember(context, "was", was ? json_deep_copy(was) : json_null(), info);
    if (!err)
        buf_printf(outcome, "nothing of it can start there%s",
            was_word && strcmp(was_word, "kept") == 0 ? "; the copy kept there is brought up to date" : "");
    json_decref(answer);
    return err;
}

/* What was kept there stays kept as long as nothing was copied over it. */
static enum err incoming_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const json_t *was = step_recall(context, "was");
    const char *was_word = json_get_text(was, "mark");
    bool kept = was_word && strcmp(was_word, "kept") == 0 && !step_recall(context, "overwritten");
    json_t *args = json_object();
    enum err err = ERR_OK;
    if (kept) {
        int64_t until_us;
        json_put_text(args, "peer", json_get_text(was, "peer"));
        if (json_get_i64(was, "until_us", &until_us))
            json_put_i64(args, "until_us", until_us);
    } else {
        json_t *remove = json_object();
        json_put_bool(remove, "volumes", true);
        err = step_request(context, step->host, "site.remove", remove, CREATE_TIMEOUT_US, NULL, info);
        if (err == ERR_NOT_FOUND || err == ERR_DENIED) /* nothing was made, or not even marked */
            err = ERR_OK;
    }
    if (!err)
        err = step_set_mark(context, step->host, args, kept ? "kept" : "none",
            (const char *const[]){"incoming", "none", "kept", NULL}, NULL, info);
    else
        json_decref(args);
    if (!err)
        buf_printf(outcome, kept ? "the copy kept on %s is as it was" : "nothing of it is left on %s", step->host);
    return err;
}

const struct step_kind step_incoming = {
    .name = "incoming", .runs = "site.mark incoming", .again = true, .run = incoming_run, .undo = incoming_undo};

/* --- made anew, handed over --------------------------------------------------------------------------------------- */

/* From here on this job may start it, until the host is started anew. Now, and not while visitors wait. */
static enum err allow_trial(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    json_t *args = json_object();
    json_put_text(args, "peer", step_text(step, "from"));
    json_put_bool(args, "trial", true);
    return step_set_mark(context, step->host, args, "incoming", (const char *const[]){"incoming", NULL}, NULL, info);
}

/* The definition may hold secrets: it goes from one host to the other and is kept nowhere. */
static enum err create_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *described = NULL, *args = json_object(), *made = NULL;
    const json_t *images = step_recall(context, "images");
    enum err err =
        step_request(context, step_text(step, "from"), "site.definition", NULL, ASK_TIMEOUT_US, &described, info);
    if (err) {
        json_decref(args);
        return err;
    }
    json_object_set(args, "definition", json_object_get(described, "definition"));
    json_put_text(args, "runtime", step_text(step, "runtime"));
    if (images)
        json_object_set(args, "images", (json_t *)images);
    err = step_request(context, step->host, "site.create", args, CREATE_TIMEOUT_US, &made, info);
    const json_t *containers = json_object_get(made, "containers");
    if (!err && json_array_size(containers) == 0)
        err = err_set(info, ERR_FAILED, "%s made no container", step->host);
    if (!err)
        err = step_remember(context, "made", json_deep_copy(containers), info);
    if (!err)
        err = allow_trial(context, step, info);
    size_t i;
    const json_t *container;
    json_array_foreach (containers, i, container)
        buf_printf(outcome, "%s%s", i ? ", " : "made ", json_get_text(container, "name"));
    json_decref(made);
    json_decref(described);
    return err;
}

static enum err create_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object();
    json_put_bool(args, "volumes", false);
    enum err err = step_request(context, step->host, "site.remove", args, CREATE_TIMEOUT_US, NULL, info);
    if (!err)
        buf_printf(outcome, "its containers on %s are gone", step->host);
    return err;
}

const struct step_kind step_create = {.name = "create",
    .runs = "site.definition, site.create: podman|docker create",
    .again = true,
    .run = create_run,
    .undo = create_undo};

/* From now on the site lives here: it may start by itself. A host that was started anew meanwhile has not started it.
 */
static enum err activate_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = step_set_mark(
        context, step->host, json_object(), "none", (const char *const[]){"incoming", "none", NULL}, NULL, info);
    if (!err)
        err = step_request(context, step->host, "site.start", NULL, CREATE_TIMEOUT_US, NULL, info);
    if (!err)
        buf_printf(outcome, "%s lives on %s", step_site(context), step->host);
    return err;
}

const struct step_kind step_activate = {
    .name = "activate", .runs = "site.mark none, site.start", .again = true, .settles = true, .run = activate_run};

/* The copy's end is compared with its host's clock. */
static int64_t clock_of(struct step_context *context, const char *host)
{
    int64_t now_us = clock_wall_us();
    json_t *answer = NULL;
    if (step_request(context, host, "ping", NULL, ASK_TIMEOUT_US, &answer, NULL) == ERR_OK)
        json_get_i64(answer, "epoch_us", &now_us);
    json_decref(answer);
    return now_us;
}

static enum err keep_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object();
    int64_t keep_us = 0;
    char for_time[FORMAT_SIZE];
    json_get_i64(step->parameters, "keep_us", &keep_us);
    json_put_text(args, "peer", step_text(step, "to"));
    json_put_i64(args, "until_us", clock_of(context, step->host) + keep_us);
    enum err err =
        step_set_mark(context, step->host, args, "kept", (const char *const[]){"leaving", "kept", NULL}, NULL, info);
    if (!err)
        buf_printf(
            outcome, "the old copy on %s cannot start and is kept for %s", step->host, format_age(keep_us, for_time));
    return err;
}

const struct step_kind step_keep = {.name = "keep", .runs = "site.mark kept", .again = true, .run = keep_run};

static enum err remove_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_bool(args, "volumes", true);
    enum err err = step_request(context, step->host, "site.remove", args, CREATE_TIMEOUT_US, &answer, info);
    if (!err)
        err = step_set_mark(context, step->host, json_object(), "none",
            (const char *const[]){"kept", "incoming", "none", NULL}, NULL, info);
    if (!err)
        buf_printf(outcome, "removed %zu containers and %zu volumes",
            json_array_size(json_object_get(answer, "containers")),
            json_array_size(json_object_get(answer, "volumes")));
    json_decref(answer);
    return err;
}

const struct step_kind step_remove = {
    .name = "remove", .runs = "site.remove: podman|docker rm, volume rm", .again = true, .run = remove_run};
