/* The engine's jobs: who may begin, what runs now, what an earlier engine left. The list is guarded by one mutex; each
 * job's own thread is in job_run.c. Ended jobs are reaped when the next call comes by. */
#include "actions/jobs.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "actions/action.h"
#include "actions/expire.h"
#include "actions/job_run.h"
#include "actions/placement.h"
#include "actions/plan_ask.h"
#include "actions/where.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "store/audit.h"
#include "store/reader.h"

#define FLUSH_TIMEOUT_US (2 * USEC_PER_SEC)
#define JOBS_AT_ONCE 64
#define NEWEST_JOBS 20
#define NEWS_FOR_US (60 * USEC_PER_SEC)
#define NEWS_PATIENCE_US (12 * USEC_PER_SEC) /* a collector's interval and more; then it is planned all the same */
#define NEWS_EVERY_MS 200
#define SETTLED_US (1500 * USEC_PER_MSEC) /* so long until a host's helper has noticed everything */
#define LEFT_JOBS 500
#define LEFT_AFTER_US (60 * USEC_PER_SEC)

struct jobs {
    struct jobs_config config;
    char lease_prefix[40];
    pthread_mutex_t mutex;
    pthread_cond_t changed;       /* a job ended, was cancelled, or is to leave */
    struct step_context *running; /* a chain, the newest first; also those that ended and are not reaped yet */
};

/* A lease must not be taken over by the same number of another engine, and machines may share a name and a directory:
 * the state directory has a random word of its own. */
static void make_lease_prefix(struct jobs *jobs)
{
    struct buf word = BUF(32);
    uint64_t random = 0;
    struct err_info info = {0};
    char *path = paths_join(jobs->config.state_dir, "lease-id");
    if (buf_read_file(&word, path, NULL) != ERR_OK || word.length != 16 ||
        strspn(buf_text(&word), "0123456789abcdef") != 16) {
        buf_clear(&word);
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            random = (uint64_t)clock_wall_us();
        buf_printf(&word, "%016" PRIx64, random);
        if (paths_write_atomic(path, buf_text(&word), word.length, 0600, &info) != ERR_OK)
            log_error("jobs left by this engine cannot be resumed: %s", info.message);
    }
    str_copy(jobs->lease_prefix, sizeof jobs->lease_prefix, buf_text(&word));
    buf_free(&word);
    free(path);
}

struct jobs *jobs_new(const struct jobs_config *config)
{
    struct jobs *jobs = xcalloc(1, sizeof *jobs);
    jobs->config = *config;
    jobs->config.state_dir = xstrdup(config->state_dir);
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    make_lease_prefix(jobs);
    return jobs;
}

/* The mutex is held. Threads that said they finished end at once: joining does not wait. */
static void reap(struct jobs *jobs)
{
    for (struct step_context **link = &jobs->running; *link;) {
        struct step_context *context = *link;
        if (!context->finished) {
            link = &context->next;
            continue;
        }
        *link = context->next;
        pthread_join(context->thread, NULL);
        job_context_free(context);
    }
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->mutex);
    for (struct step_context *context = jobs->running; context; context = context->next)
        job_leave(context);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
    while (jobs->running) {
        struct step_context *context = jobs->running;
        pthread_join(context->thread, NULL);
        jobs->running = context->next;
        job_context_free(context);
    }
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    free((char *)jobs->config.state_dir);
    free(jobs);
}

/* --- planning ----------------------------------------------------------------------------------------------------- */

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
    planning->request.asker = plan_asker_new(planning->request.fleet, jobs->config.state_dir);
    return err;
}

static void end_planning(struct jobs *jobs, struct planning *planning)
{
    plan_asker_free(planning->request.asker);
    jobs->config.fleet_release(jobs->config.fleet_owner, planning->request.fleet);
    snapshot_free(planning->snapshot);
    store_reader_close(planning->request.history);
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

/* A job on this site has just ended, and the snapshot is older than what it did. */
static bool is_behind(const struct planning *planning)
{
    struct job_list list = {0};
    bool behind = false;
    if (store_read_jobs(planning->request.history, NEWEST_JOBS, &list, NULL) != ERR_OK)
        return false;
    vec_each (&list.items, const struct job_record, job)
        behind = behind || (job->ended_us > clock_wall_us() - NEWS_FOR_US &&
                               strcmp(job->site, planning->request.object) == 0 && is_ahead_of(planning, job));
    job_list_free(&list);
    return behind;
}

static enum err begin_planning_on_news(
    struct jobs *jobs, const char *object, struct planning *planning, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + NEWS_PATIENCE_US / (jobs->config.hurry > 1 ? jobs->config.hurry : 1);
    for (;;) {
        enum err err = begin_planning(jobs, object, planning, info);
        if (err || clock_mono_us() >= until_us || !is_behind(planning))
            return err;
        end_planning(jobs, planning);
        poll(NULL, 0, NEWS_EVERY_MS);
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

static enum err plan_wish(struct jobs *jobs, const struct wish *wish, struct plan *plan, struct err_info *info)
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
        err = begin_planning_on_news(jobs, wish->object, &planning, info);
        planning.request.options = &options;
        if (!err)
            err = action->plan(&planning.request, plan, info);
        if (!err)
            plan->options = plan_options_to_json(&options);
        end_planning(jobs, &planning);
    }
    plan_options_free(&options);
    return err;
}

static enum err make_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    struct plan *plan, struct err_info *info)
{
    struct wish wish;
    *plan = (struct plan){.cut_us = -1};
    enum err err = make_wish(jobs, action, object, options, &wish, info);
    if (!err)
        err = plan_wish(jobs, &wish, plan, info);
    json_decref(wish.options);
    return err;
}

enum err jobs_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options, json_t **plan_json,
    struct buf *text, struct err_info *info)
{
    struct plan plan;
    *plan_json = NULL;
    enum err err = make_plan(jobs, action, object, options, &plan, info);
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

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static bool has_text(const json_t *array, const char *text)
{
    const json_t *item;
    size_t i;
    json_array_foreach (array, i, item) {
        const char *its_text = json_string_value(item);
        if (its_text && strcmp(its_text, text) == 0)
            return true;
    }
    return false;
}

static enum err check_identity(const struct plan *plan, const json_t *expect, struct err_info *info)
{
    if (!json_is_array(expect))
        return ERR_OK;
    bool same = json_array_size(expect) == plan->identity.count;
    vec_each (&plan->identity, char *const, id)
        same = same && has_text(expect, *id);
    return same ? ERR_OK
                : err_set(info, ERR_INVALID, "%s is not what was shown any more: its containers changed; look again",
                      plan->object);
}

/* The mutex is held. */
static enum err check_room(struct jobs *jobs, struct err_info *info)
{
    unsigned count = 0;
    for (const struct step_context *context = jobs->running; context; context = context->next)
        count += !context->ended;
    return count < JOBS_AT_ONCE
               ? ERR_OK
               : err_set(info, ERR_BUSY, "%d jobs are running or waiting: wait until one has ended", JOBS_AT_ONCE);
}

/* --- one after the other on a site ---------------------------------------------------------------------------------
 */

static bool share_a_site(const struct plan *one, const struct plan *other)
{
    vec_each (&one->steps, const struct plan_step, step)
        vec_each (&other->steps, const struct plan_step, theirs)
            if (step->site[0] && strcmp(step->site, theirs->site) == 0)
                return true;
    return false;
}

/* The mutex is held. The newest of those asked for before this one that is not over yet. */
static const struct step_context *in_front_of(const struct jobs *jobs, const struct step_context *context)
{
    const struct step_context *front = NULL;
    for (const struct step_context *other = jobs->running; other; other = other->next)
        if (other != context && !other->ended && other->job.id < context->job.id &&
            share_a_site(&other->plan, &context->plan) && (!front || other->job.id > front->job.id))
            front = other;
    return front;
}

static void tell_waiting(struct jobs *jobs, struct step_context *context, const struct step_context *front)
{
    char message[sizeof context->job.message];
    str_format(message, sizeof message, "waits for job %lld (%s of %s by %s)", (long long)front->job.id,
        front->job.action, front->job.object, front->job.who);
    if (strcmp(context->job.message, message) == 0)
        return;
    str_copy(context->job.message, sizeof context->job.message, message);
    store_job_update(jobs->config.store, &context->job, NULL);
}

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
static enum err plan_again(struct jobs *jobs, struct step_context *context, struct err_info *info)
{
    struct plan plan;
    struct wish wish = {.options = context->plan.options};
    str_copy(wish.action, sizeof wish.action, context->plan.action);
    str_copy(wish.object, sizeof wish.object, context->plan.object);
    enum err err = plan_wish(jobs, &wish, &plan, info);
    if (!err) {
        pthread_mutex_lock(&jobs->mutex); /* others look at the plan's sites */
        job_replan(context, &plan);
        pthread_mutex_unlock(&jobs->mutex);
        err = keep_plan(context, info);
    }
    plan_free(&plan);
    return err;
}

static enum err await_turn(void *owner, struct step_context *context, struct err_info *info)
{
    struct jobs *jobs = owner;
    const struct step_context *front;
    enum err err = ERR_OK;
    pthread_mutex_lock(&jobs->mutex);
    while (!err && (front = in_front_of(jobs, context))) {
        context->waited = true;
        tell_waiting(jobs, context, front);
        if (step_is_cancelled(context))
            err = err_set(info, ERR_CANCELLED, "cancelled before it began");
        else
            pthread_cond_wait(&jobs->changed, &jobs->mutex);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (!err && step_is_cancelled(context))
        err = err_set(info, ERR_CANCELLED, "cancelled before it began");
    return !err && context->waited ? plan_again(jobs, context, info) : err;
}

static void tell_ended(void *owner)
{
    struct jobs *jobs = owner;
    pthread_mutex_lock(&jobs->mutex);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}

/* The mutex is held. */
static enum err start_thread(struct jobs *jobs, struct step_context *context, struct err_info *info)
{
    context->owner = jobs;
    context->await_turn = await_turn;
    context->tell_ended = tell_ended;
    int why = pthread_create(&context->thread, NULL, job_thread, context);
    if (why) {
        job_context_free(context);
        return err_errno(info, ERR_IO, why, "cannot start the job's thread");
    }
    context->next = jobs->running;
    jobs->running = context;
    return ERR_OK;
}

static enum err record_job(struct jobs *jobs, const struct plan *plan, const char *who, uid_t uid, const char *reason,
    struct job_record *job, struct err_info *info)
{
    struct buf json = BUF((size_t)1 << 20);
    json_t *as_json = plan_to_json(plan);
    *job = (struct job_record){.object_kind = plan->object_kind, .state = JOB_PLANNED, .progress_pct = 0};
    str_copy(job->action, sizeof job->action, plan->action);
    str_copy(job->object, sizeof job->object, plan->object);
    str_copy(job->site, sizeof job->site, plan->site);
    str_copy(job->host, sizeof job->host, plan->host);
    str_copy(job->who, sizeof job->who, who);
    str_copy(job->reason, sizeof job->reason, reason ? reason : "");
    str_copy(job->message, sizeof job->message, "begins");
    enum err err = json_write(&json, as_json);
    job->plan_json = xstrdup(buf_text(&json));
    if (err)
        err = err_set(info, err, "the plan is too long to be kept");
    else
        err = store_audit_add(jobs->config.store, who, uid, plan->action, plan->object,
            reason && *reason ? reason : "no reason given", info);
    if (!err)
        err = store_job_create(jobs->config.store, job, info);
    json_decref(as_json);
    buf_free(&json);
    return err;
}

/* The engine's next start must not begin it out of the blue. */
static void fail_unstarted(struct jobs *jobs, int64_t id, const struct err_info *why)
{
    struct job_record job = {0};
    if (store_job(jobs->config.store, id, &job, NULL, NULL) == ERR_OK) {
        job.state = JOB_FAILED;
        job.ended_us = clock_wall_us();
        str_format(job.message, sizeof job.message, "not begun: %.400s", why ? why->message : "no thread");
        store_job_update(jobs->config.store, &job, NULL);
    }
    job_record_free(&job);
}

enum err jobs_run(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    const json_t *expect, const char *who, uid_t uid, const char *reason, int64_t *job_id, struct err_info *info)
{
    struct plan plan;
    struct job_record job = {0};
    *job_id = 0;
    enum err err = make_plan(jobs, action, object, options, &plan, info);
    if (!err)
        err = check_identity(&plan, expect, info);
    if (!err) {
        pthread_mutex_lock(&jobs->mutex);
        reap(jobs);
        err = check_room(jobs, info);
        if (!err)
            err = record_job(jobs, &plan, who, uid, reason, &job, info);
        if (!err) {
            int64_t id = job.id;
            err = start_thread(jobs, job_context_new(&jobs->config, jobs->lease_prefix, &plan, &job, NULL), info);
            *job_id = err ? 0 : id;
            if (err)
                fail_unstarted(jobs, id, info);
        }
        pthread_mutex_unlock(&jobs->mutex);
    }
    job_record_free(&job);
    plan_free(&plan);
    return err;
}

static enum err keep_cancelled(struct jobs *jobs, int64_t job_id, const char *who, struct err_info *info)
{
    char *directory = job_file(jobs->config.state_dir, job_id, "");
    char *path = job_file(jobs->config.state_dir, job_id, JOB_CANCELLED_FILE);
    size_t length = strnlen(who, 63);
    enum err err = paths_make_dir(directory, info);
    if (!err)
        err = paths_write_atomic(path, who, length, 0600, info);
    free(directory);
    free(path);
    return err;
}

enum err jobs_cancel(struct jobs *jobs, int64_t job_id, const char *who, uid_t uid, struct err_info *info)
{
    enum err err = ERR_NOT_FOUND;
    pthread_mutex_lock(&jobs->mutex);
    reap(jobs);
    for (struct step_context *context = jobs->running; context; context = context->next) {
        if (context->job.id != job_id || context->ended)
            continue;
        char object[KEY_SIZE];
        str_copy(object, sizeof object, context->plan.object);
        err = store_audit_add(jobs->config.store, who, uid, "cancel", object, context->plan.action, info);
        if (!err)
            err = keep_cancelled(jobs, job_id, who, info);
        if (!err)
            job_cancel(context, who);
        pthread_cond_broadcast(&jobs->changed);
        break;
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (err == ERR_NOT_FOUND)
        err_set(info, err, "job %lld is not running", (long long)job_id);
    return err;
}

/* --- what an earlier engine left ---------------------------------------------------------------------------------- */

static void fail_unreadable(struct jobs *jobs, struct job_record *job, const struct err_info *why)
{
    job->state = JOB_FAILED;
    job->ended_us = clock_wall_us();
    str_format(
        job->message, sizeof job->message, "cannot go on after the engine was started anew: %.300s", why->message);
    log_error("job %lld: %s", (long long)job->id, job->message);
    store_audit_add(jobs->config.store, job->who, (uid_t)-1, job->action, job->object, job->message, NULL);
    store_job_update(jobs->config.store, job, NULL);
}

static enum err read_plan(
    const struct jobs *jobs, const struct job_record *job, struct plan *plan, struct err_info *info)
{
    json_t *json = NULL;
    struct buf kept = BUF((size_t)1 << 20);
    char *path = job_file(jobs->config.state_dir, job->id, JOB_PLAN_FILE);
    const char *text = buf_read_file(&kept, path, NULL) == ERR_OK ? buf_text(&kept)
                       : job->plan_json                           ? job->plan_json
                                                                  : "";
    enum err err = json_parse(text, strlen(text), &json, info);
    *plan = (struct plan){.cut_us = -1};
    if (!err)
        err = plan_from_json(json, plan, info);
    json_decref(json);
    buf_free(&kept);
    free(path);
    return err;
}

static void resume_job(struct jobs *jobs, int64_t id)
{
    struct job_record job = {0};
    struct job_step_list steps = {0};
    struct plan plan = {.cut_us = -1};
    struct err_info info = {0};
    enum err err = store_job(jobs->config.store, id, &job, &steps, &info);
    if (!err)
        err = read_plan(jobs, &job, &plan, &info);
    if (err && !job.id) {
        log_error("job %lld cannot be read: %s", (long long)id, info.message);
    } else if (err) {
        fail_unreadable(jobs, &job, &info);
    } else {
        log_info("job %lld (%s of %s) was not finished: going on", (long long)id, job.action, job.object);
        bool begun = job.state == JOB_RUNNING;
        struct step_context *context = job_context_new(&jobs->config, jobs->lease_prefix, &plan, &job, &steps);
        context->waited = !begun; /* who knows what it waited for: it is planned anew */
        pthread_mutex_lock(&jobs->mutex);
        if (start_thread(jobs, context, &info) != ERR_OK)
            log_error("%s", info.message);
        pthread_mutex_unlock(&jobs->mutex);
    }
    plan_free(&plan);
    job_record_free(&job);
    job_step_list_free(&steps);
}

enum err jobs_resume(struct jobs *jobs, struct err_info *info)
{
    struct job_list unfinished = {0};
    enum err err = store_jobs_unfinished(jobs->config.store, &unfinished, info);
    vec_each (&unfinished.items, const struct job_record, job)
        resume_job(jobs, job->id);
    job_list_free(&unfinished);
    return err;
}

/* --- what is due by itself ---------------------------------------------------------------------------------------- */

static bool is_at_work_on(struct jobs *jobs, const char *site)
{
    bool found = false;
    pthread_mutex_lock(&jobs->mutex);
    for (const struct step_context *context = jobs->running; context; context = context->next)
        vec_each (&context->plan.steps, const struct plan_step, step)
            found = found || (!context->ended && strcmp(step->site, site) == 0);
    pthread_mutex_unlock(&jobs->mutex);
    return found;
}

/* The last job on the site was a move of ours that failed, and that is a while ago: what it left will not go away. */
static bool was_left_by_us(struct store_reader *reader, const char *site)
{
    struct job_list list = {0};
    bool left = false;
    if (store_read_jobs(reader, LEFT_JOBS, &list, NULL) == ERR_OK)
        vec_each (&list.items, const struct job_record, job)
            if (strcmp(job->site, site) == 0) {
                left = strcmp(job->action, "migrate") == 0 && job->state != JOB_RUNNING && job->state != JOB_PLANNED &&
                       clock_wall_us() - job->ended_us > LEFT_AFTER_US;
                break; /* the newest */
            }
    job_list_free(&list);
    return left;
}

static void begin_expire(struct jobs *jobs, const char *site, const char *host, const char *reason)
{
    struct err_info info = {0};
    json_t *options = json_pack("{s:s}", "to", host);
    int64_t job;
    if (!is_at_work_on(jobs, site) &&
        jobs_run(jobs, "expire", site, options, NULL, "dogwatch", (uid_t)-1, reason, &job, &info) != ERR_OK)
        log_warning("the copy of %s on %s cannot be seen to: %s", site, host, info.message);
    json_decref(options);
}

void jobs_look_after(struct jobs *jobs)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    struct err_info info = {0};
    char site[NAME_SIZE], host[NAME_SIZE];
    size_t cursor = 0;
    enum err err = store_reader_open(jobs->config.state_dir, &reader, &info);
    if (!err)
        err = store_read_snapshot(reader, &snapshot, &info);
    while (!err && expire_is_due(snapshot, &cursor, site, host))
        begin_expire(jobs, site, host, "the time it was to be kept is over");
    for (cursor = 0; !err && expire_is_left(snapshot, &cursor, site, host);)
        if (was_left_by_us(reader, site))
            begin_expire(jobs, site, host, "a move left it behind");
    snapshot_free(snapshot);
    store_reader_close(reader);
}
