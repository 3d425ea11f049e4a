/* Planning a job: from the store's newest snapshot, the fleet files in force and what hosts say when asked; refusals in
 * words; "undo" of a job as its action's opposite. Where a job on the same site has just ended, its hosts' news are
 * waited for: the snapshot would be older than what was done. A job that stood behind another one is planned anew.
 * Changes nothing on a host. Any thread. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "actions/jobs_private.h"
#include "actions/placement.h"
#include "actions/plan_ask.h"
#include "actions/where.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "store/reader.h"

#define FLUSH_TIMEOUT_US (2 * USEC_PER_SEC)
#define NEWEST_JOBS 20
#define NEWS_FOR_US (60 * USEC_PER_SEC)
#define NEWS_PATIENCE_US (12 * USEC_PER_SEC) /* a collector's interval and more; then it is planned all the same */
#define NEWS_EVERY_MS 200
#define SETTLED_US (1500 * USEC_PER_MSEC) /* so long until a host's helper has noticed everything */

static enum err refuse_unknown_action(const char *name, struct err_info *info)
{
    const char *names[64];
    size_t count = 0;
    for (const struct action *action = action_first(); action && count < 64; action = action_next(action))
        names[count++] = action->name;
    const char *nearest = name_nearest(name, names, count);
    return err_set(info, ERR_NOT_FOUND, "no action is called \"%s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
}

/* What a plan is made from, got together and given back. */
struct planning {
    struct snapshot *snapshot;
    struct plan_request request;
};

static enum err begin_planning(struct jobs *jobs, const char *object, struct planning *planning, struct err_info *info)
{
    *planning = (struct planning){.request.object = object};
    store_flush(jobs->config.store, FLUSH_TIMEOUT_US); /* plan from the newest there is */
    enum err err = store_reader_open(jobs->config.state_dir, &planning->request.history, info);
    if (!err)
        err = store_read_snapshot(planning->request.history, &planning->snapshot, info);
    planning->request.snapshot = planning->snapshot;
    planning->request.fleet = jobs->config.fleet_hold(jobs->config.fleet_owner);
    planning->request.asker = plan_asker_new(planning->request.fleet, jobs->config.state_dir, jobs->leave_fd);
    return err;
}

static void end_planning(struct jobs *jobs, struct planning *planning)
{
    plan_asker_free(planning->request.asker);
    if (planning->request.fleet)
        jobs->config.fleet_release(jobs->config.fleet_owner, planning->request.fleet);
    snapshot_free(planning->snapshot);
    store_reader_close(planning->request.history);
    *planning = (struct planning){0};
}

/* One of the hosts the job worked on has not been heard of since it ended. */
static bool is_ahead_of(const struct planning *planning, const struct job_record *job)
{
    struct job_record whole = {0};
    struct job_step_list steps = {0};
    bool ahead = false;
    if (store_read_job(planning->request.history, job->id, &whole, &steps, NULL) == ERR_OK)
        vec_each (&steps.items, const struct job_step_record, step) {
            const struct host_state *host = snapshot_host(planning->snapshot, step->host);
            ahead = ahead ||
                    (host && host->status == HOST_UP && host->seen_us && host->seen_us < job->ended_us + SETTLED_US);
        }
    job_record_free(&whole);
    job_step_list_free(&steps);
    return ahead;
}

static bool moves_sites(const char *name)
{
    const struct action *action = action_find(name);
    return action && (action->takes & TAKES_TARGET);
}

/* A job on this site has just ended, and the snapshot is older than what it did. */
static bool is_behind(const struct planning *planning, bool is_urgent)
{
    struct job_list list = {0};
    bool behind = false;
    if (store_read_jobs(planning->request.history, NEWEST_JOBS, &list, NULL) != ERR_OK)
        return false;
    int64_t now_us = clock_wall_us();
    vec_each (&list.items, const struct job_record, job) {
        bool is_fresh = llabs(now_us - job->ended_us) < NEWS_FOR_US; /* a clock that was set back makes none fresh */
        bool counts = is_fresh && (!is_urgent || moves_sites(job->action));
        behind = behind || (counts && strcmp(job->site, planning->request.object) == 0 && is_ahead_of(planning, job));
    }
    job_list_free(&list);
    return behind;
}

/* This engine has heard nothing of a host of the plan yet, neither that it is there nor that it is not. */
static bool is_before_first_sign(const struct planning *planning, const struct plan *plan)
{
    vec_each (&plan->steps, const struct plan_step, step) {
        const struct host_state *host = snapshot_host(planning->snapshot, step->host);
        if (host && host->status != HOST_UP && host->reason_code == ERR_OK)
            return true;
    }
    return false;
}

/* True: the engine ends, or the job that is planned anew was cancelled. */
static bool wait_a_little(struct jobs *jobs, struct step_context *context)
{
    if (context)
        return step_wait(context, NEWS_EVERY_MS * USEC_PER_MSEC);
    return poll(&(struct pollfd){.fd = jobs->leave_fd, .events = POLLIN}, 1, NEWS_EVERY_MS) > 0;
}

/* `context`: the job that is planned anew; NULL: it is no job yet. */
static enum err begin_planning_on_news(struct jobs *jobs, struct step_context *context, const char *object,
    bool is_urgent, struct planning *planning, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + NEWS_PATIENCE_US / (jobs->config.hurry > 1 ? jobs->config.hurry : 1);
    for (;;) {
        enum err err = begin_planning(jobs, object, planning, info);
        bool waits =
            !err && (is_behind(planning, is_urgent) || (context && is_before_first_sign(planning, &context->plan)));
        if (!waits || clock_mono_us() >= until_us)
            return err;
        end_planning(jobs, planning);
        if (wait_a_little(jobs, context))
            return err_set(info, ERR_CANCELLED, "given up while waiting for what its hosts say after the last job");
    }
}

/* Options that this action does not know are refused, not ignored. */
static enum err check_options(const struct action *action, const struct plan_options *options, struct err_info *info)
{
    bool of_target = options->limit_bytes_s || options->keep_us || options->through_console ||
                     (options->to[0] && !(action->takes & TAKES_COPY));
    if (of_target && !(action->takes & TAKES_TARGET) && !action->is_internal)
        return err_set(info, ERR_INVALID, "%s moves nothing: it takes no target, limit or time to keep", action->name);
    if (options->more.count && !(action->takes & TAKES_MANY))
        return err_set(info, ERR_INVALID, "%s works on one object at a time", action->name);
    return ERR_OK;
}

/* "undo" of a job: its action's opposite, on the same object. */
struct wish {
    char action[16], object[KEY_SIZE];
    json_t *options; /* owned; NULL: none */
};

/* It failed only after the point from which there is no way back. */
static bool has_settled(const struct job_step_list *steps)
{
    vec_each (&steps->items, const struct job_step_record, step) {
        const struct step_kind *kind = step_find(step->name);
        if (kind && kind->settles && step->state == STEP_DONE)
            return true;
    }
    return false;
}

static enum err wish_undo(struct jobs *jobs, const char *number, struct wish *wish, struct err_info *info)
{
    struct job_record job = {0};
    struct job_step_list steps = {0};
    char *end;
    long long id = strtoll(number, &end, 10);
    if (end == number || *end || id <= 0)
        return err_set(info, ERR_INVALID, "undo needs the number of a job, not \"%.40s\"", number);
    enum err err = store_job(jobs->config.store, id, &job, &steps, info);
    const struct action *action = err ? NULL : action_find(job.action);
    const char *opposite = action ? action->opposite : NULL;
    if (!err && (job.state == JOB_PLANNED || job.state == JOB_RUNNING))
        err = err_set(info, ERR_INVALID, "job %lld still runs: cancel it instead", id);
    else if (!err && job.state != JOB_DONE && !has_settled(&steps))
        err =
            err_set(info, ERR_INVALID, "job %lld was %s: there is nothing to take back", id, job_state_word(job.state));
    else if (!err && !opposite)
        err = err_set(info, ERR_INVALID, "%s cannot be taken back", job.action);
    if (!err) {
        str_copy(wish->action, sizeof wish->action, opposite);
        str_copy(wish->object, sizeof wish->object, job.object);
        if (strcmp(opposite, job.action) == 0)
            wish->options = json_pack("{s:s}", "to", job.host); /* what moved goes back to where it was */
    }
    job_step_list_free(&steps);
    job_record_free(&job);
    return err;
}

static enum err make_wish(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    struct wish *wish, struct err_info *info)
{
    *wish = (struct wish){0};
    if (strcmp(action, "undo") == 0)
        return wish_undo(jobs, object, wish, info);
    str_copy(wish->action, sizeof wish->action, action);
    str_copy(wish->object, sizeof wish->object, object);
    wish->options = json_incref((json_t *)options);
    return ERR_OK;
}

static enum err plan_wish(
    struct jobs *jobs, struct step_context *context, const struct wish *wish, struct plan *plan, struct err_info *info)
{
    const struct action *action = action_find(wish->action);
    struct plan_options options;
    struct planning planning;
    *plan = (struct plan){.cut_us = -1};
    if (!action)
        return refuse_unknown_action(wish->action, info);
    enum err err = plan_options_from_json(wish->options, &options, info);
    if (err)
        return err;
    err = check_options(action, &options, info);
    if (!err) {
        err = begin_planning_on_news(jobs, context, wish->object, action->is_urgent, &planning, info);
        planning.request.options = &options;
        if (!err)
            err = action->plan(&planning.request, plan, info);
        if (!err)
            jobs_warn_who_gives_way(jobs, plan);
        if (!err)
            plan->options = plan_options_to_json(&options);
        end_planning(jobs, &planning);
    }
    plan_options_free(&options);
    return err;
}

enum err job_make_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    struct plan *plan, struct err_info *info)
{
    struct wish wish;
    *plan = (struct plan){.cut_us = -1};
    enum err err = make_wish(jobs, action, object, options, &wish, info);
    if (!err)
        err = plan_wish(jobs, NULL, &wish, plan, info);
    json_decref(wish.options);
    return err;
}

enum err jobs_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options, json_t **plan_json,
    struct buf *text, struct err_info *info)
{
    struct plan plan;
    *plan_json = NULL;
    enum err err = job_make_plan(jobs, action, object, options, &plan, info);
    if (!err) {
        *plan_json = plan_to_json(&plan);
        plan_to_text(&plan, text);
    }
    plan_free(&plan);
    return err;
}

enum err jobs_targets(struct jobs *jobs, const char *site, json_t **targets, struct err_info *info)
{
    struct planning planning;
    struct plan_options options = {0};
    *targets = NULL;
    enum err err = begin_planning(jobs, site, &planning, info);
    planning.request.options = &options;
    if (!err)
        err = placement_rank(&planning.request, site, targets, info);
    end_planning(jobs, &planning);
    return err;
}

enum err jobs_where(struct jobs *jobs, const char *site, json_t **where, struct err_info *info)
{
    struct planning planning;
    *where = NULL;
    enum err err = begin_planning(jobs, site, &planning, info);
    if (!err)
        err = where_ask(&planning.request, where, info);
    end_planning(jobs, &planning);
    return err;
}

/* --- once more ---------------------------------------------------------------------------------------------------- */

static enum err keep_plan(struct step_context *context, struct err_info *info)
{
    struct buf text = BUF((size_t)1 << 20);
    json_t *json = plan_to_json(&context->plan);
    enum err err = json_write(&text, json);
    if (!err)
        err = step_keep_file(context, JOB_PLAN_FILE, &text, info);
    json_decref(json);
    buf_free(&text);
    return err;
}

/* The job before may have changed everything the plan was made from. */
enum err job_plan_again(struct jobs *jobs, struct step_context *context, struct err_info *info)
{
    struct plan plan;
    struct wish wish = {.options = context->plan.options};
    str_copy(wish.action, sizeof wish.action, context->plan.action);
    str_copy(wish.object, sizeof wish.object, context->plan.object);
    enum err err = plan_wish(jobs, context, &wish, &plan, info);
    if (!err) {
        pthread_mutex_lock(&jobs->mutex); /* others look at the plan's sites */
        job_replan(context, &plan);
        pthread_mutex_unlock(&jobs->mutex);
        err = keep_plan(context, info);
    }
    plan_free(&plan);
    return err;
}
