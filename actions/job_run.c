/* Carrying out one plan: forward step by step, back where one fails or a person wants it undone (job_back.c), from what
 * an engine before this one has left (job_settle.c). The journal is in job_journal.c, what steps use in job_context.c.
 * Runs in the job's own thread. */
#include "actions/job_run.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/audit.h"

#define OUTCOME_CEILING ((size_t)4000)

/* --- forward ------------------------------------------------------------------------------------------------------ */

void job_crash_point(const struct step_context *context, const char *step, bool before)
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
    memset(&context->copying, 0, sizeof context->copying);
    record->state = STEP_RUNNING;
    record->alive_us = clock_wall_us();
    record->started_us = clock_wall_us();
    record->ended_us = 0;
    job_count_percent(context);
    job_set_message(context, step->command);
    job_write(context);
}

/* Said at the end of the job: somebody has to look. */
static void add_behind(struct step_context *context, const char *step, const char *why)
{
    buf_printf(&context->behind, "%s%s: %s", context->behind.length ? "; " : "", step, why);
}

static void count_as_done(struct step_context *context, size_t index, const struct err_info *info)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING);
    buf_printf(&outcome, "whether %s did it is not known, and it counts as done: %s", step->host, info->message);
    add_behind(context, step->kind->name, buf_text(&outcome));
    job_end_step(context, index, STEP_DONE, buf_text(&outcome));
    context->undecided = false;
    buf_free(&outcome);
}

static enum err run_step(struct step_context *context, size_t index, struct err_info *info)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING);
    context->in_doubt = false;
    context->undecided = job_may_have_decided(context, index); /* by the engine before this one */
    begin_step(context, index);
    enum err err = job_write_step(context, index, info);
    if (err && !(step->kind->again && job_is_settled(context, step->site)))
        return err; /* without a journal nothing is done, but where there is only forward and no harm in twice */
    job_crash_point(context, step->kind->name, true);
    err = step->kind->run(context, step, &outcome, info);
    job_crash_point(context, step->kind->name, false);
    if (err && context->in_doubt && step->kind->truth && !context->leaving) {
        log_warning(
            "job %lld: %s: %s; finding out what is true", (long long)context->job.id, step->kind->name, info->message);
        err = job_settle(context, index, info); /* the journal then says DONE already */
        if (!err)
            goto out;
    }
    if (err && context->undecided && !context->leaving) {
        count_as_done(context, index, info);
        err = ERR_OK;
        goto out;
    }
    if (err && info->message[0])
        buf_printf(&outcome, "%s%s", outcome.length ? "; " : "", info->message);
    if (!err || !context->leaving || err != ERR_CANCELLED) /* else it stays begun: the next engine finds out */
        job_end_step(context, index, err ? STEP_FAILED : STEP_DONE, buf_text(&outcome));
out:
    buf_free(&outcome);
    return err;
}

bool job_is_settled(const struct step_context *context, const char *site)
{
    for (size_t i = 0; i < context->steps.count; i++)
        if (context->plan.steps.items[i].kind->settles && context->steps.items[i].state == STEP_DONE &&
            strcmp(context->plan.steps.items[i].site, site) == 0)
            return true;
    return false;
}

bool job_may_have_decided(const struct step_context *context, size_t index)
{
    return context->plan.steps.items[index].kind->decides && context->steps.items[index].state == STEP_RUNNING;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void end_job(struct step_context *context, enum job_state state, const char *message)
{
    struct err_info info = {0};
    char text[600];
    context->ending = true;
    context->job.state = state;
    context->job.ended_us = clock_wall_us();
    context->job.progress_pct = state == JOB_DONE ? 100 : context->job.progress_pct;
    job_set_message(context, message);
    str_format(
        text, sizeof text, "job %lld %s: %s", (long long)context->job.id, job_state_word(state), context->job.message);
    if (store_audit_add(context->config->store, context->job.who, (uid_t)-1, context->job.action, context->job.object,
            text, &info) != ERR_OK)
        log_error("job %lld: the audit entry cannot be written: %s", (long long)context->job.id, info.message);
    job_close_links(context);
    job_write_end(context);
    context->ended = true;
    if (context->tell_ended)
        context->tell_ended(context->owner); /* who waits for the site plans from the record */
    log_info("%s", text);
}

/* False: the engine ended before everything was undone; the next one goes on. */
static bool give_up(struct step_context *context, enum err why, const struct err_info *info)
{
    struct buf message = BUF(OUTCOME_CEILING), said = BUF(OUTCOME_CEILING), left = BUF(OUTCOME_CEILING);
    bool by_person = why == ERR_CANCELLED && context->cancelled;
    const char *step = context->plan.steps.items[context->current].kind->name;
    size_t name_length = strlen(step);
    bool named = strncmp(info->message, step, name_length) == 0 && info->message[name_length] == ':';
    if (by_person)
        buf_printf(&message, "cancelled by %s", context->cancelled_by);
    else if (!job_was_begun(&context->steps.items[context->current]))
        buf_puts(&message, info->message);
    else
        buf_printf(&message, "%s%s%s", named ? "" : step, named ? "" : ": ", info->message);
    enum err undone = job_undo_steps(context, &said, &left);
    buf_puts(&message, buf_text(&left));
    buf_puts(&message, buf_text(&said));
    if (undone != ERR_CANCELLED)
        end_job(context, by_person && !undone ? JOB_CANCELLED : JOB_FAILED, buf_text(&message));
    buf_free(&left);
    buf_free(&said);
    buf_free(&message);
    return undone != ERR_CANCELLED;
}

static bool left_anything_out(const struct step_context *context)
{
    for (size_t i = 0; i < context->steps.count; i++)
        if (context->steps.items[i].state == STEP_SKIPPED)
            return true;
    return false;
}

static void succeed(struct step_context *context)
{
    char message[512];
    const char *too_late = left_anything_out(context) ? "; what was optional was left out when cancelled by "
                                                      : "; it was through already when cancelled by ";
    str_format(message, sizeof message, "%s of %s is done%s%s%s%s%s", context->job.action, context->job.object,
        context->resumed ? ", finished after the engine was started anew" : "", context->cancelled ? too_late : "",
        context->cancelled ? context->cancelled_by : "", context->behind.length ? ", but: " : "",
        buf_text(&context->behind));
    end_job(context, context->behind.length ? JOB_FAILED : JOB_DONE, message);
}

/* Where a site has settled there is only forward: what fails is noted, and the rest is done all the same. */
static enum err go_forward(struct step_context *context, size_t index, struct err_info *info)
{
    enum err err = ERR_OK;
    for (; index < context->plan.steps.count; index++) {
        const struct plan_step *step = &context->plan.steps.items[index];
        bool settled = job_is_settled(context, step->site);
        if (context->steps.items[index].state == STEP_DONE)
            continue;
        context->current = index;
        context->undecided = job_may_have_decided(context, index);
        if (step_is_cancelled(context) && (!settled || context->leaving))
            return err_set(info, ERR_CANCELLED, "cancelled");
        if (step_is_cancelled(context)) {
            job_end_step(context, index, STEP_SKIPPED, "left out: cancelled");
            continue;
        }
        err = run_step(context, index, info);
        if (err && (!settled || context->leaving))
            return err;
        if (err)
            add_behind(context, step->kind->name, info->message);
    }
    return ERR_OK;
}

/* Whether it may begin: it may have to wait for another job, and find something else afterwards. */
static enum err begin(struct step_context *context, size_t *index, struct err_info *info)
{
    enum err err = context->await_turn ? context->await_turn(context->owner, context, info) : ERR_OK;
    if (err)
        return err;
    context->job.state = JOB_RUNNING;
    if (!context->job.started_us)
        context->job.started_us = clock_wall_us();
    return context->resumed ? job_resume(context, index, info) : ERR_OK;
}

/* There is only forward, and it is not to be gone: the site is somebody else's. */
static void break_off(struct step_context *context, const struct err_info *info)
{
    char message[600];
    str_format(message, sizeof message, "%.400s; what was left to do of %s is left as it is", info->message,
        context->job.action);
    job_close_steps(context);
    end_job(context, JOB_FAILED, message);
}

void *job_thread(void *arg)
{
    struct step_context *context = arg;
    struct err_info info = {0};
    size_t index = 0;
    bool over = true;
    enum err err = begin(context, &index, &info);
    if (!err)
        err = go_forward(context, index, &info);
    if (!err)
        succeed(context);
    else if (context->leaving)
        over = false;
    else if (job_is_settled(context, step_site(context)))
        break_off(context, &info);
    else
        over = give_up(context, err, &info);
    if (!over)
        log_info("job %lld waits for the next engine", (long long)context->job.id);
    job_close_links(context);
    context->finished = true;
    return NULL;
}
