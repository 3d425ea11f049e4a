/* The commands of the socket. Each runs in the thread of the connection that asked and only touches what any thread may
 * touch. Who may use a command is decided in one place, from the table and from what the kernel says of the asker. */
#include "engine/commands.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/name.h"

#define PLAN_TEXT_CEILING ((size_t)256 << 10)

struct call {
    const struct command_context *context;
    const struct peer *peer;
    const json_t *request;
    json_t *ok; /* the answer's members; an object from the beginning */
};

struct command {
    const char *name;
    bool changes; /* only for root and the engine's own user */
    enum err (*run)(struct call *call, struct err_info *info);
};

static enum err run_status(struct call *call, struct err_info *info)
{
    (void)info;
    const struct command_context *context = call->context;
    char fleet_error[1024];
    struct store_stats store;
    struct model_stats reports = model_stats(context->model);
    const struct fleet *fleet = fleet_box_hold(context->fleets);
    json_put_text(call->ok, "fleet", fleet->name);
    json_put_text(call->ok, "environment", fleet->environment);
    fleet_box_release(context->fleets, fleet);
    reload_error(context->reload, fleet_error, sizeof fleet_error);
    store_stats(context->outputs.store, &store);
    json_put_text(call->ok, "version", DOGWATCH_VERSION);
    json_put_i64(call->ok, "pid", getpid());
    json_put_i64(call->ok, "started_us", context->started_us);
    json_put_text(call->ok, "fleet_error", fleet_error[0] ? fleet_error : NULL);
    json_put_text(call->ok, "store_error", store.last_error[0] ? store.last_error : NULL);
    json_put_text(call->ok, "store_notice", store.notice[0] ? store.notice : NULL);
    json_put_i64(call->ok, "hosts_up", reports.totals.hosts_up);
    json_put_i64(call->ok, "hosts_unknown", reports.totals.hosts_unknown);
    json_put_i64(call->ok, "hosts_untried", reports.totals.hosts_untried);
    return ERR_OK;
}

static enum err run_reload(struct call *call, struct err_info *info)
{
    return reload_ask(call->context->reload, info);
}

static enum err run_recent(struct call *call, struct err_info *info)
{
    const char *kind = json_get_text(call->request, "kind"), *key = json_get_text(call->request, "key");
    if (!kind || !key)
        return err_set(info, ERR_INVALID, "recent needs kind and key");
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(metric_table((enum object_kind)i)->kind, kind) != 0)
            continue;
        json_t *found = recent_read(call->context->outputs.recent, (enum object_kind)i, key);
        if (!found)
            return err_set(info, ERR_NOT_FOUND, "nothing recent is kept of %s %s", kind, key);
        recent_keep_metric(found, json_get_text(call->request, "metric"));
        json_decref(call->ok);
        call->ok = found;
        return ERR_OK;
    }
    return err_set(info, ERR_INVALID, "there is no kind \"%s\"", kind);
}

/* The "action" and "object" members. */
static enum err read_target(struct call *call, const char **action, const char **object, struct err_info *info)
{
    *action = json_get_text(call->request, "action");
    *object = json_get_text(call->request, "object");
    return *action && *object ? ERR_OK : err_set(info, ERR_INVALID, "action and object are needed");
}

static enum err run_plan(struct call *call, struct err_info *info)
{
    const char *action, *object;
    json_t *plan = NULL;
    struct buf text = BUF(PLAN_TEXT_CEILING);
    enum err result = read_target(call, &action, &object, info);
    if (result == ERR_OK)
        result = jobs_plan(
            call->context->jobs, action, object, json_object_get(call->request, "options"), &plan, &text, info);
    if (result == ERR_OK) {
        json_object_set(call->ok, "expect", json_object_get(plan, "identity"));
        json_object_set_new(call->ok, "plan", plan);
        json_put_text(call->ok, "text", buf_text(&text));
    }
    buf_free(&text);
    return result;
}

static enum err run_run(struct call *call, struct err_info *info)
{
    const char *action, *object, *reason = json_get_text(call->request, "reason");
    const json_t *expect = json_object_get(call->request, "expect");
    int64_t job_id = 0;
    enum err result = read_target(call, &action, &object, info);
    if (result == ERR_OK && !json_is_array(expect))
        result = err_set(info, ERR_INVALID, "expect is needed: what the plan that was shown had as its own");
    if (result == ERR_OK)
        result = jobs_run(call->context->jobs, action, object, json_object_get(call->request, "options"), expect,
            call->peer->name, call->peer->uid, reason ? reason : "", &job_id, info);
    if (result == ERR_OK)
        json_put_i64(call->ok, "job", job_id);
    return result;
}

static enum err read_site(struct call *call, const char **site, struct err_info *info)
{
    *site = json_get_text(call->request, "object");
    return *site ? ERR_OK : err_set(info, ERR_INVALID, "object is needed: the name of a site");
}

static enum err run_targets(struct call *call, struct err_info *info)
{
    const char *site;
    json_t *targets = NULL;
    enum err result = read_site(call, &site, info);
    if (result == ERR_OK)
        result = jobs_targets(call->context->jobs, site, &targets, info);
    if (result == ERR_OK)
        json_object_set_new(call->ok, "targets", targets);
    return result;
}

static enum err run_where(struct call *call, struct err_info *info)
{
    const char *site;
    json_t *where = NULL;
    enum err result = read_site(call, &site, info);
    if (result == ERR_OK)
        result = jobs_where(call->context->jobs, site, &where, info);
    if (result == ERR_OK) {
        json_decref(call->ok);
        call->ok = where;
    }
    return result;
}

static enum err run_cancel(struct call *call, struct err_info *info)
{
    int64_t job_id;
    if (!json_get_i64(call->request, "job", &job_id))
        return err_set(info, ERR_INVALID, "the number of the job is needed");
    return jobs_cancel(call->context->jobs, job_id, call->peer->name, call->peer->uid, info);
}

static const struct command commands[] = {
    {"status", false, run_status},
    {"recent", false, run_recent},
    {"plan", false, run_plan},
    {"targets", false, run_targets},
    {"where", false, run_where},
    {"run", true, run_run},
    {"cancel", true, run_cancel},
    {"reload", true, run_reload},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static enum err refuse_unknown(const char *name, struct err_info *info)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *nearest = name ? name_nearest(name, names, COMMAND_COUNT) : NULL;
    return err_set(info, ERR_INVALID, "unknown command \"%s\"%s%s%s", name ? name : "",
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static enum err dispatch(struct call *call, struct err_info *info)
{
    const char *name = json_get_text(call->request, "command");
    for (size_t i = 0; name && i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        uid_t uid = call->peer->uid;
        if (commands[i].changes && uid != 0 && uid != call->context->own_uid)
            return err_set(info, ERR_DENIED, "%s may look, but not use \"%s\" of this engine", call->peer->name, name);
        return commands[i].run(call, info);
    }
    return refuse_unknown(name, info);
}

json_t *commands_answer(void *owner, const struct peer *peer, const json_t *request)
{
    struct err_info info = {0};
    struct call call = {.context = owner, .peer = peer, .request = request, .ok = json_object()};
    json_t *answer = json_object();
    enum err result = dispatch(&call, &info);
    if (result == ERR_OK) {
        json_object_set(answer, "ok", call.ok);
    } else {
        json_t *error = json_object();
        json_put_text(error, "code", err_word(result));
        json_put_text(error, "message", info.message);
        json_object_set_new(answer, "error", error);
    }
    json_decref(call.ok);
    return answer;
}
