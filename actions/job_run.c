/* Carrying out one plan. The rule of the journal: a step's intent is on disk before the step begins and its outcome
 * after it ended, so that whoever comes next knows all but one step, and asks the host about that one (truth). A failed
 * or cancelled job undoes its steps in reverse and says what it left behind. Runs in the job's own thread. */
#include "actions/job_run.h"

#include <poll.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "store/audit.h"

#define DIAL_TIMEOUT_US (20 * USEC_PER_SEC)
#define HELLO_TIMEOUT_US (15 * USEC_PER_SEC)
#define HELPER_IDLE_S 600
#define PROGRESS_EVERY_US (300 * USEC_PER_MSEC)
#define OUTCOME_CEILING ((size_t)4000)
#define TRUTH_PATIENCE_US (600 * USEC_PER_SEC) /* how long a host is asked again what is true */
#define TRUTH_EVERY_US (5 * USEC_PER_SEC)

/* --- the journal
 * ------------------------------------------------------------------------------------------------------ */

static void log_failure(const struct step_context *context, enum err err, const struct err_info *info)
{
    if (err)
        log_error("job %lld: the journal cannot be written: %s", (long long)context->job.id, info->message);
}

static void write_job(struct step_context *context)
{
    struct err_info info = {0};
    log_failure(context, store_job_update(context->config->store, &context->job, &info), &info);
}

static enum err write_step(struct step_context *context, size_t index, struct err_info *info)
{
    struct err_info own = {0};
    enum err err = store_job_step_put(context->config->store, &context->steps.items[index], &own);
    log_failure(context, err, &own);
    if (err && info)
        *info = own;
    return err;
}

static void set_message(struct step_context *context, const char *text)
{
    sanitize(context->job.message, sizeof context->job.message, text, strlen(text));
}

static void end_step(struct step_context *context, size_t index, enum step_state state, const char *outcome)
{
    struct job_step_record *record = &context->steps.items[index];
    record->state = state;
    record->ended_us = clock_wall_us();
    xstr_set(&record->outcome, outcome);
    write_step(context, index, NULL);
}

/* --- services for steps
 * ----------------------------------------------------------------------------------------------- */

const char *step_site(const struct step_context *context)
{
    return context->plan.site;
}

bool step_is_cancelled(struct step_context *context)
{
    return context->cancelled || context->leaving;
}

void job_wake(struct step_context *context)
{
    uint64_t one = 1;
    ssize_t written = write(context->wake_fd, &one, sizeof one);
    (void)written; /* the counter cannot overflow, and readable is all it has to be */
}

bool step_wait(struct step_context *context, int64_t duration_us)
{
    struct pollfd waiting = {.fd = context->wake_fd, .events = POLLIN};
    if (!step_is_cancelled(context))
        poll(&waiting, 1, (int)(duration_us / USEC_PER_MSEC));
    return step_is_cancelled(context);
}

void step_progress(struct step_context *context, const char *format, ...)
{
    char text[512];
    int64_t now_us = clock_mono_us();
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (now_us - context->progress_mono_us < PROGRESS_EVERY_US)
        return;
    context->progress_mono_us = now_us;
    struct job_step_record *record = &context->steps.items[context->current];
    xstr_set(&record->progress, text);
    write_step(context, context->current, NULL);
    set_message(context, text);
    write_job(context);
}

enum err step_keep_file(struct step_context *context, const char *name, const struct buf *data, struct err_info *info)
{
    char number[32];
    str_format(number, sizeof number, "%lld", (long long)context->job.id);
    char *jobs = paths_join(context->config->state_dir, "jobs");
    char *directory = paths_join(jobs, number), *path = paths_join(directory, name);
    enum err err = paths_make_dir(directory, info);
    if (!err)
        err = paths_write_atomic(path, buf_text(data), data->length, 0600, info);
    free(path);
    free(directory);
    free(jobs);
    return err;
}

bool step_host_address(struct step_context *context, const char *host, char out[ADDRESS_SIZE], bool *has_jump)
{
    const struct jobs_config *config = context->config;
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, host);
    *has_jump = def && def->jump;
    str_copy(out, ADDRESS_SIZE, def ? def->address : "");
    config->fleet_release(config->fleet_owner, fleet);
    return def != NULL;
}

/* --- hosts
 * ------------------------------------------------------------------------------------------------------------ */

static void close_link(struct host_link *link)
{
    helper_free(link->helper);
    connection_free(link->connection);
    host_route_free(link->route);
    link->helper = NULL;
    link->connection = NULL;
    link->route = NULL;
}

static enum err make_route(struct step_context *context, struct host_link *link, struct err_info *info)
{
    const struct jobs_config *config = context->config;
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, link->host);
    enum err err = def ? host_route_new(fleet, def, config->state_dir, "operator", &link->route, info)
                       : err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", link->host);
    config->fleet_release(config->fleet_owner, fleet);
    return err;
}

static enum err open_link(struct step_context *context, struct host_link *link, struct err_info *info)
{
    close_link(link);
    enum err err = make_route(context, link, info);
    if (!err)
        err = remote_dial(host_route_target(link->route), DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &link->connection, info);
    if (!err)
        err = helper_open(link->connection, "operator", HELPER_IDLE_S, HELLO_TIMEOUT_US, &link->helper, info);
    if (err)
        close_link(link);
    return err;
}

static struct host_link *find_link(struct step_context *context, const char *host)
{
    vec_each (&context->links, struct host_link, link)
        if (strcmp(link->host, host) == 0)
            return link;
    struct host_link *link = vec_add(&context->links);
    str_copy(link->host, sizeof link->host, host);
    return link;
}

static void show_host_progress(void *owner, const json_t *value)
{
    const char *container = json_get_text(value, "container"), *did = json_get_text(value, "did");
    if (container && did)
        step_progress(owner, "%s %s", container, did);
}

enum err step_request(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    char job[64];
    struct host_link *link = find_link(context, host);
    enum err err = ERR_OK;
    if (ok)
        *ok = NULL;
    if (!args)
        args = json_object();
    str_format(job, sizeof job, "%s.%lld", context->lease_prefix, (long long)context->job.id);
    json_put_text(args, "job", job);
    json_put_text(args, "site", context->plan.site);
    if (!link->helper || !helper_is_alive(link->helper))
        err = open_link(context, link, info);
    if (err) {
        json_decref(args);
        return err;
    }
    return helper_request(link->helper, verb, args, timeout_us, show_host_progress, context, ok, info);
}

void step_renew_lease(struct step_context *context, const char *host)
{
    json_t *args = json_object();
    struct err_info info = {0};
    json_put_i64(args, "ttl_s", STEP_LEASE_TTL_S);
    if (step_request(context, host, "lease.renew", args, HELLO_TIMEOUT_US, NULL, &info) != ERR_OK)
        log_warning("job %lld: the lease was not renewed: %s", (long long)context->job.id, info.message);
}

/* --- forward
 * ---------------------------------------------------------------------------------------------------------- */

static void crash_point(const struct step_context *context, const char *step, bool before)
{
    if (context->config->crash_point)
        context->config->crash_point(step, before);
}

static void begin_step(struct step_context *context, size_t index)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct job_step_record *record = &context->steps.items[index];
    context->current = index;
    context->progress_mono_us = 0;
    record->state = STEP_RUNNING;
    record->started_us = clock_wall_us();
    record->ended_us = 0;
    context->job.progress_pct = (int)(100 * index / context->plan.steps.count);
    set_message(context, step->command);
    write_job(context);
}

static enum err run_step(struct step_context *context, size_t index, struct err_info *info)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING);
    begin_step(context, index);
    enum err err = write_step(context, index, info);
    if (err)
        return err; /* without a journal nothing is done */
    crash_point(context, step->kind->name, true);
    err = step->kind->run(context, step, &outcome, info);
    crash_point(context, step->kind->name, false);
    if (err && info->message[0])
        buf_printf(&outcome, "%s%s", outcome.length ? "; " : "", info->message);
    if (err != ERR_CANCELLED || !context->leaving)
        end_step(context, index, err ? STEP_FAILED : STEP_DONE, buf_text(&outcome));
    buf_free(&outcome);
    return err;
}

/* --- back
 * ------------------------------------------------------------------------------------------------------------- */

/* Undo everything that was begun, the last first. False where something could not be undone; `left` says what. */
static bool undo_steps(struct step_context *context, struct buf *left)
{
    bool all = true;
    for (size_t i = context->steps.count; i-- > 0;) {
        const struct plan_step *step = &context->plan.steps.items[i];
        struct job_step_record *record = &context->steps.items[i];
        bool begun = record->state == STEP_RUNNING || record->state == STEP_DONE || record->state == STEP_FAILED;
        if (!begun && record->state == STEP_PENDING) {
            record->state = STEP_SKIPPED;
            write_step(context, i, NULL);
        }
        if (!begun || !step->kind->undo)
            continue;
        struct buf outcome = BUF(OUTCOME_CEILING);
        struct err_info info = {0};
        context->current = i;
        buf_printf(&outcome, "%s%sundone: ", record->outcome ? record->outcome : "", record->outcome ? "; " : "");
        enum err err = step->kind->undo(context, step, &outcome, &info);
        if (err) {
            buf_printf(&outcome, "failed: %s", info.message);
            buf_printf(left, "; %s could not be undone: %s", step->kind->name, info.message);
            all = false;
        }
        end_step(context, i, err ? STEP_FAILED : STEP_UNDONE, buf_text(&outcome));
        buf_free(&outcome);
    }
    return all;
}

static void end_job(struct step_context *context, enum job_state state, const char *message)
{
    struct err_info info = {0};
    char text[600];
    context->job.state = state;
    context->job.ended_us = clock_wall_us();
    context->job.progress_pct = state == JOB_DONE ? 100 : context->job.progress_pct;
    set_message(context, message);
    str_format(
        text, sizeof text, "job %lld %s: %s", (long long)context->job.id, job_state_word(state), context->job.message);
    if (store_audit_add(context->config->store, context->job.who, (uid_t)-1, context->job.action, context->job.object,
            text, &info) != ERR_OK)
        log_error("job %lld: the audit entry cannot be written: %s", (long long)context->job.id, info.message);
    write_job(context);
    log_info("%s", text);
}

static void give_up(struct step_context *context, enum err why, const struct err_info *info)
{
    struct buf message = BUF(OUTCOME_CEILING);
    struct buf left = BUF(OUTCOME_CEILING);
    bool by_person = why == ERR_CANCELLED && context->cancelled;
    const char *step = context->plan.steps.items[context->current].kind->name;
    if (by_person)
        buf_printf(&message, "cancelled by %s", context->cancelled_by);
    else
        buf_printf(&message, "%s: %s", step, info->message);
    bool clean = undo_steps(context, &left);
    if (clean)
        buf_puts(&message, "; what was begun is undone");
    buf_puts(&message, buf_text(&left));
    end_job(context, by_person && clean ? JOB_CANCELLED : JOB_FAILED, buf_text(&message));
    buf_free(&left);
    buf_free(&message);
}

/* --- after a crash
 * ---------------------------------------------------------------------------------------------------- */

/* The host knows. It may be slow to come back itself, so it is asked for a while. */
static enum truth find_truth(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    int64_t began_us = clock_mono_us();
    enum truth truth = TRUTH_UNKNOWN;
    while ((truth = step->kind->truth(context, step, info)) == TRUTH_UNKNOWN) {
        step_progress(context, "cannot find out yet what is true: %s", info->message);
        if (clock_mono_us() - began_us > TRUTH_PATIENCE_US || step_wait(context, TRUTH_EVERY_US))
            break;
    }
    return truth;
}

/* Where to go on: *index is the first step to run. ERR_FAILED: back. */
static enum err settle_interrupted(struct step_context *context, size_t *index, struct err_info *info)
{
    for (*index = 0; *index < context->steps.count; (*index)++) {
        const struct plan_step *step = &context->plan.steps.items[*index];
        enum step_state state = context->steps.items[*index].state;
        if (state == STEP_DONE)
            continue;
        context->current = *index;
        if (state == STEP_FAILED || state == STEP_UNDONE)
            return err_set(info, ERR_FAILED, "the engine ended while this was being undone");
        if (state != STEP_RUNNING || step->kind->again)
            return ERR_OK;
        enum truth truth = find_truth(context, step, info);
        if (truth == TRUTH_UNKNOWN)
            return context->leaving ? ERR_CANCELLED : ERR_FAILED;
        if (truth == TRUTH_NOT_DONE)
            return err_set(info, ERR_FAILED, "the engine ended before this was done");
        end_step(context, *index, STEP_DONE, "done, as the host says after the engine was started anew");
    }
    return ERR_OK;
}

/* The lease may have run out meanwhile: take it again before anything is changed. */
static enum err resume(struct step_context *context, size_t *index, struct err_info *info)
{
    struct buf outcome = BUF(OUTCOME_CEILING);
    const struct plan_step *first = &context->plan.steps.items[0];
    bool leased = first->kind == &step_lease && context->steps.items[0].state == STEP_DONE;
    enum err err = settle_interrupted(context, index, info);
    if (!context->leaving && leased && first->kind->run(context, first, &outcome, err ? NULL : info) != ERR_OK && !err)
        err = ERR_FAILED;
    buf_free(&outcome);
    return err;
}

void *job_thread(void *arg)
{
    struct step_context *context = arg;
    struct err_info info = {0};
    size_t index = 0;
    enum err err = context->resumed ? resume(context, &index, &info) : ERR_OK;
    context->job.state = JOB_RUNNING;
    if (!context->job.started_us)
        context->job.started_us = clock_wall_us();
    for (; !err && index < context->plan.steps.count; index++) {
        if (step_is_cancelled(context))
            err = err_set(&info, ERR_CANCELLED, "cancelled");
        else
            err = run_step(context, index, &info);
    }
    if (!err) {
        char message[128];
        str_format(message, sizeof message, "%s of %s is done%s", context->job.action, context->job.object,
            context->resumed ? ", finished after the engine was started anew" : "");
        end_job(context, JOB_DONE, message);
    } else if (!(context->leaving && !context->cancelled)) {
        give_up(context, err, &info);
    } else {
        log_info("job %lld waits for the next engine", (long long)context->job.id);
    }
    context->finished = true;
    return NULL;
}

/* --- life
 * ------------------------------------------------------------------------------------------------------------- */

static void make_journal(struct step_context *context)
{
    for (size_t i = 0; i < context->plan.steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        struct job_step_record *record = vec_add(&context->steps);
        record->job_id = context->job.id;
        record->index = (int)i;
        str_copy(record->name, sizeof record->name, step->kind->name);
        str_copy(record->host, sizeof record->host, step->host);
        record->command = xstrdup(step->command);
        record->undo = step->undo ? xstrdup(step->undo) : NULL;
        write_step(context, i, NULL);
    }
}

struct step_context *job_context_new(const struct jobs_config *config, const char *lease_prefix, struct plan *plan,
    struct job_record *job, struct job_step_list *steps)
{
    struct step_context *context = xcalloc(1, sizeof *context);
    context->config = config;
    context->lease_prefix = lease_prefix;
    context->plan = *plan;
    context->job = *job;
    context->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    context->resumed = steps != NULL;
    *plan = (struct plan){.cut_us = -1};
    *job = (struct job_record){0};
    if (steps)
        vec_each (&steps->items, struct job_step_record, step) {
            vec_push(&context->steps, *step);
            step->command = step->outcome = step->undo = step->progress = NULL; /* taken over */
        }
    if (context->steps.count != context->plan.steps.count) {
        vec_each (&context->steps, struct job_step_record, step)
            job_step_record_free(step);
        vec_clear(&context->steps);
        make_journal(context); /* none was written yet */
    }
    return context;
}

void job_context_free(struct step_context *context)
{
    vec_each (&context->links, struct host_link, link)
        close_link(link);
    vec_each (&context->steps, struct job_step_record, step)
        job_step_record_free(step);
    vec_free(&context->links);
    vec_free(&context->steps);
    plan_free(&context->plan);
    job_record_free(&context->job);
    close(context->wake_fd);
    free(context);
}
