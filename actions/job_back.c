/* The way back: everything that was begun of a site that has not settled is undone, the last first, and what could not
 * be is said. That a job goes back is on disk before anything is undone. Runs in the job's own thread. */
#include <stdlib.h>

#include "actions/job_run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define OUTCOME_CEILING ((size_t)4000)
#define TURN_TRIES 30 /* to write down that it goes back, on a disk that refuses */
#define TURN_EVERY_US (2 * USEC_PER_SEC)

bool job_was_begun(const struct job_step_record *record)
{
    return record->state == STEP_RUNNING || record->state == STEP_DONE || record->state == STEP_FAILED;
}

static enum err skip_pending(struct step_context *context)
{
    enum err result = ERR_OK;
    for (size_t i = 0; i < context->steps.count; i++) {
        struct job_step_record *record = &context->steps.items[i];
        if (record->state != STEP_PENDING && record->state != STEP_SKIPPED)
            continue;
        record->state = STEP_SKIPPED;
        enum err err = job_write_step(context, i, NULL);
        result = result ? result : err;
    }
    return result;
}

/* In a file of its own besides: a store that takes nothing more must not hide it from the next engine, which would go
 * forward over what was undone. */
static bool note_direction(struct step_context *context)
{
    struct buf word = BUF(16);
    struct err_info info = {0};
    buf_puts(&word, "back\n");
    if (!context->turned && step_keep_file(context, JOB_BACK_FILE, &word, &info) == ERR_OK)
        context->turned = true;
    else if (!context->turned)
        log_error("job %lld: that it goes back cannot be kept: %s", (long long)context->job.id, info.message);
    buf_free(&word);
    bool journaled = skip_pending(context) == ERR_OK;
    return journaled || context->turned;
}

void job_close_steps(struct step_context *context)
{
    for (size_t i = 0; i < context->steps.count; i++)
        if (context->steps.items[i].state == STEP_RUNNING)
            job_end_step(context, i, STEP_FAILED, "not brought to its end");
    skip_pending(context);
}

/* From here on the disk says that the job goes back, whoever carries it out. Where nothing at all can be written it
 * goes back in the end all the same: the site may be down. */
static void turn_back(struct step_context *context)
{
    context->going_back = true;
    context->undecided = false;
    for (size_t i = 0; i < context->steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        if (context->steps.items[i].state == STEP_RUNNING && !step->kind->undo && !job_is_settled(context, step->site))
            job_end_step(context, i, STEP_FAILED, "not brought to its end");
    }
    for (int tries = 0; !note_direction(context) && tries < TURN_TRIES; tries++)
        if (step_wait(context, step_patience(context, TURN_EVERY_US)))
            return;
}

/* `said` and `left` get what became of it, for the job's message. ERR_CANCELLED: the engine ends. ERR_UNREACHABLE: to
 * be tried once more, with patience. */
static enum err undo_step(struct step_context *context, size_t index, struct buf *said, struct buf *left)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct job_step_record *record = &context->steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING), undone = BUF(OUTCOME_CEILING);
    struct err_info info = {0};
    char point[48];
    context->current = index;
    str_format(point, sizeof point, "undo %s", step->kind->name);
    job_crash_point(context, point, true);
    enum err err = step->kind->undo(context, step, &undone, &info);
    job_crash_point(context, point, false);
    if (err && context->hasty && job_may_pass(err) && !context->leaving) {
        buf_free(&undone);
        return ERR_UNREACHABLE;
    }
    if (record->outcome && record->outcome[0])
        buf_printf(&outcome, "%s; ", record->outcome);
    if (err)
        buf_printf(&outcome, "could not be undone: %s", info.message);
    else
        buf_printf(&outcome, "undone%s%s", undone.length ? ": " : "", buf_text(&undone));
    if (err)
        buf_printf(left, "; %s could not be undone: %s", step->kind->name, info.message);
    else if (!step->kind->again && undone.length)
        buf_printf(said, "; %s", buf_text(&undone));
    if (!context->leaving)
        job_end_step(context, index, err ? STEP_FAILED : STEP_UNDONE, buf_text(&outcome));
    buf_free(&undone);
    buf_free(&outcome);
    return context->leaving ? ERR_CANCELLED : err;
}

/* Once round, the last step first. `over`: of each step, whether all was done that can be. */
static enum err undo_round(struct step_context *context, bool *over, struct buf *said, struct buf *left)
{
    enum err result = ERR_OK;
    for (size_t i = context->steps.count; i-- > 0;) {
        const struct plan_step *step = &context->plan.steps.items[i];
        bool begun =
            job_was_begun(&context->steps.items[i]) && step->kind->undo && !job_is_settled(context, step->site);
        if (!begun || over[i])
            continue;
        if (context->lost[0]) {
            buf_printf(left, "; nothing more is touched, the site is somebody else's now");
            return ERR_FAILED;
        }
        enum err err = context->leaving ? ERR_CANCELLED : undo_step(context, i, said, left);
        if (err == ERR_CANCELLED)
            return err;
        over[i] = err != ERR_UNREACHABLE;
        result = err && over[i] ? ERR_FAILED : result;
    }
    return result;
}

/* Undo everything that was begun of sites that have not settled. Twice round: a proxy that is away must not keep a site
 * down which its host could start at once. ERR_CANCELLED: the engine ends before all is undone. ERR_FAILED: something
 * is left. */
enum err job_undo_steps(struct step_context *context, struct buf *said, struct buf *left)
{
    bool *over = xcalloc(context->steps.count + 1, sizeof *over);
    turn_back(context);
    context->hasty = true;
    enum err err = undo_round(context, over, said, left);
    context->hasty = false;
    if (err != ERR_CANCELLED && !context->lost[0]) {
        enum err second = undo_round(context, over, said, left);
        err = second ? second : err;
    }
    free(over);
    return err;
}
