/* The engine's jobs: who may begin, what runs now, what an earlier engine left. The list is guarded by one mutex; each
 * job's own thread is in job_run.c. Ended jobs are reaped when the next call comes by. */
#include "actions/jobs_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "actions/action.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/audit.h"
#include "store/reader.h"

#define JOBS_AT_ONCE 64

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
    jobs->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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

void jobs_leave(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->leaving = true;
    job_signal(jobs->leave_fd);
    for (struct step_context *context = jobs->running; context; context = context->next)
        job_leave(context);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    jobs_leave(jobs);
    job_look_end(jobs);
    while (jobs->running) {
        struct step_context *context = jobs->running;
        pthread_join(context->thread, NULL);
        jobs->running = context->next;
        job_context_free(context);
    }
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    close(jobs->leave_fd);
    free((char *)jobs->config.state_dir);
    free(jobs);
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
    if (jobs->leaving)
        return err_set(info, ERR_CANCELLED, "the engine ends: ask again when it has been started anew");
    for (const struct step_context *context = jobs->running; context; context = context->next)
        count += !context->ended;
    return count < JOBS_AT_ONCE
               ? ERR_OK
               : err_set(info, ERR_BUSY, "%d jobs are running or waiting: wait until one has ended", JOBS_AT_ONCE);
}

/* --- one after the other on a site -------------------------------------------------------------------------------- */

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

/* A cancel of what was begun already is looked at step by step: it may come too late. */
static bool may_not_begin(struct step_context *context)
{
    return context->begun ? context->leaving : step_is_cancelled(context);
}

static enum err await_turn(void *owner, struct step_context *context, struct err_info *info)
{
    struct jobs *jobs = owner;
    const struct step_context *front;
    enum err err = ERR_OK;
    pthread_mutex_lock(&jobs->mutex);
    while (!err && (front = in_front_of(jobs, context))) {
        context->waited = !context->begun;
        tell_waiting(jobs, context, front);
        if (may_not_begin(context))
            err = err_set(info, ERR_CANCELLED, "cancelled before it began");
        else
            pthread_cond_wait(&jobs->changed, &jobs->mutex);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (!err && may_not_begin(context))
        err = err_set(info, ERR_CANCELLED, "cancelled before it began");
    return !err && context->waited ? job_plan_again(jobs, context, info) : err;
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

/* The mutex is held. */
static enum err cancel(
    struct jobs *jobs, struct step_context *context, const char *who, uid_t uid, struct err_info *info)
{
    enum err err =
        store_audit_add(jobs->config.store, who, uid, "cancel", context->plan.object, context->plan.action, info);
    if (!err)
        err = keep_cancelled(jobs, context->job.id, who, info);
    if (!err)
        job_cancel(context, who);
    pthread_cond_broadcast(&jobs->changed);
    return err;
}

static bool is_urgent(const struct plan *plan)
{
    const struct action *action = action_find(plan->action);
    return action && action->is_urgent;
}

/* What is urgent does not wait for a job to come to its end, only for it to be safe. */
static bool gives_way(struct step_context *context, const struct plan *plan)
{
    bool over = context->ended || context->ending || step_is_cancelled(context);
    return is_urgent(plan) && !over && !is_urgent(&context->plan) && share_a_site(&context->plan, plan);
}

/* The mutex is held. What cannot be cancelled is waited for. */
static void make_way(struct jobs *jobs, const struct plan *plan, const char *who, uid_t uid)
{
    struct err_info info;
    for (struct step_context *other = jobs->running; other; other = other->next)
        if (gives_way(other, plan) && cancel(jobs, other, who, uid, &info) != ERR_OK)
            log_warning("job %lld was not cancelled for the %s of %s: %s", (long long)other->job.id, plan->action,
                plan->object, info.message);
}

void jobs_warn_who_gives_way(struct jobs *jobs, struct plan *plan)
{
    pthread_mutex_lock(&jobs->mutex);
    for (struct step_context *other = jobs->running; other; other = other->next)
        if (gives_way(other, plan))
            plan_warn(plan,
                "job %lld (%s of %s by %s) works on it: it is cancelled first, and waited for until it is safe",
                (long long)other->job.id, other->job.action, other->job.object, other->job.who);
    pthread_mutex_unlock(&jobs->mutex);
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
    enum err err = job_make_plan(jobs, action, object, options, &plan, info);
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
            make_way(jobs, &plan, who, uid);
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

static enum err refuse_cancel(struct jobs *jobs, int64_t job_id, struct err_info *info)
{
    struct job_record job = {0};
    if (store_job(jobs->config.store, job_id, &job, NULL, NULL) != ERR_OK)
        err_set(info, ERR_NOT_FOUND, "there is no job %lld; `dogwatch jobs` lists them", (long long)job_id);
    else if (job.state == JOB_PLANNED || job.state == JOB_RUNNING)
        err_set(info, ERR_NOT_FOUND, "job %lld is not running any more: its end is being written", (long long)job_id);
    else
        err_set(info, ERR_NOT_FOUND, "job %lld is not running: it is %s", (long long)job_id, job_state_word(job.state));
    job_record_free(&job);
    return ERR_NOT_FOUND;
}

enum err jobs_cancel(struct jobs *jobs, int64_t job_id, const char *who, uid_t uid, struct err_info *info)
{
    enum err err = ERR_NOT_FOUND;
    pthread_mutex_lock(&jobs->mutex);
    reap(jobs);
    for (struct step_context *context = jobs->running; context; context = context->next) {
        if (context->job.id != job_id || context->ending)
            continue;
        err = cancel(jobs, context, who, uid, info);
        break;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return err == ERR_NOT_FOUND ? refuse_cancel(jobs, job_id, info) : err;
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

/* Whatever the job's own record says. */
static bool has_begun(const struct job_step_list *steps)
{
    vec_each (&steps->items, const struct job_step_record, step)
        if (step->state != STEP_PENDING)
            return true;
    return false;
}

/* When the engine before this one was last known to live; 0: never. */
static int64_t last_engine_us(const struct jobs *jobs)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    enum err err = store_reader_open(jobs->config.state_dir, &reader, NULL);
    if (!err)
        err = store_read_snapshot(reader, &snapshot, NULL);
    int64_t at_us = err ? 0 : snapshot->engine_at_us;
    snapshot_free(snapshot);
    store_reader_close(reader);
    return at_us;
}

static void resume_job(struct jobs *jobs, int64_t id, int64_t engine_us)
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
        bool begun = job.state == JOB_RUNNING || has_begun(&steps);
        struct step_context *context = job_context_new(&jobs->config, jobs->lease_prefix, &plan, &job, &steps);
        context->begun = begun;
        context->away_us =
            clock_wall_us() - (engine_us > context->job.created_us ? engine_us : context->job.created_us);
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
    int64_t engine_us = unfinished.items.count ? last_engine_us(jobs) : 0;
    vec_each (&unfinished.items, const struct job_record, job)
        resume_job(jobs, job->id, engine_us);
    job_list_free(&unfinished);
    return err;
}
