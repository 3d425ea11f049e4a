/* What is true after a crash, or after an answer was lost: the host is asked, and only then the job goes on or back. A
 * host may still be at work by itself (its helper ends what it has begun), so nothing is judged too early, and while
 * another command runs there nothing is begun. The lease comes first: what another engine works on is not touched. */
#include "actions/job_run.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define PATIENCE_US (600 * USEC_PER_SEC)      /* how long a host is asked again what is true */
#define FINISH_WITHIN_US (300 * USEC_PER_SEC) /* how long another command on the host is waited for */
#define LOOK_EVERY_US USEC_PER_SEC
#define STALE_US (15 * 60 * USEC_PER_SEC) /* nobody expects any more that a job which had changed nothing begins */
#define OUTCOME_CEILING ((size_t)4000)

struct settling {
    struct step_context *context;
    size_t index;
    int64_t began_mono_us;
    struct buf outcome;
};

static int64_t waited_us(const struct settling *settling)
{
    return clock_mono_us() - settling->began_mono_us;
}

/* Nothing of it is to be seen; it may yet begin where the request is still on its way or waits for a process to end. */
static bool is_quiet_long_enough(const struct settling *settling, const struct plan_step *step)
{
    const struct job_step_record *record = &settling->context->steps.items[settling->index];
    int64_t quiet_us = step->kind->quiet_us ? step_patience(settling->context, step->kind->quiet_us(step)) : 0;
    return waited_us(settling) >= quiet_us || clock_wall_us() - record->started_us >= quiet_us;
}

/* What one look came to. *settled: `err` is the end of it. */
static enum err look_once(struct settling *settling, bool *settled, struct err_info *info)
{
    struct step_context *context = settling->context;
    const struct plan_step *step = &context->plan.steps.items[settling->index];
    struct err_info why = {0};
    enum err err = ERR_OK;
    enum truth truth = step->kind->truth(context, step, &why);
    *settled = true;
    if (truth == TRUTH_DONE)
        return ERR_OK;
    if (truth == TRUTH_UNKNOWN) {
        *settled =
            context->lost[0] || !job_may_pass(why.code) || waited_us(settling) > step_patience(context, PATIENCE_US);
        step_progress(context, "cannot find out yet what is true: %s", why.message);
        return err_set(info, why.code == ERR_CANCELLED ? ERR_CANCELLED : ERR_FAILED,
            "whether it was done is not known: %s", why.message);
    }
    if (truth == TRUTH_NOT_DONE) {
        *settled = is_quiet_long_enough(settling, step);
        return err_set(
            info, ERR_FAILED, "%s%s has not begun it", context->resumed ? "the engine ended, and " : "", step->host);
    }
    if (!step->kind->finish)
        return err_set(info, ERR_FAILED, "%s did only half of it", step->host);
    err = step->kind->finish(context, step, &settling->outcome, info);
    *settled = err != ERR_BUSY || context->lost[0] || waited_us(settling) > step_patience(context, FINISH_WITHIN_US);
    if (!*settled)
        step_progress(context, "%s is still at it", step->host);
    return err;
}

enum err job_settle(struct step_context *context, size_t index, struct err_info *info)
{
    struct settling settling = {
        .context = context, .index = index, .began_mono_us = clock_mono_us(), .outcome = BUF(OUTCOME_CEILING)};
    bool settled = false;
    enum err err = ERR_OK;
    context->current = index;
    while (!settled) {
        err = look_once(&settling, &settled, info);
        if (!settled && step_wait(context, step_patience(context, LOOK_EVERY_US))) {
            err = err_set(info, ERR_CANCELLED, "cancelled while finding out what is true");
            settled = true;
        }
    }
    if (!err) {
        buf_printf(&settling.outcome, "%s%s", settling.outcome.length ? "; " : "",
            context->resumed ? "done, as the host says after the engine was started anew"
                             : "done, as the host says after the connection was lost");
        job_end_step(context, index, STEP_DONE, buf_text(&settling.outcome));
    }
    buf_free(&settling.outcome);
    return err;
}

/* --- after a crash ------------------------------------------------------------------------------------------------ */

static bool has_begun(enum step_state state)
{
    return state != STEP_PENDING && state != STEP_SKIPPED;
}

/* Something beyond taking leases was begun: a host may be another than it was. */
static bool has_changed_anything(const struct step_context *context)
{
    for (size_t i = 0; i < context->steps.count; i++) {
        const struct step_kind *kind = context->plan.steps.items[i].kind;
        if ((kind->undo || kind->settles) && kind != &step_lease && has_begun(context->steps.items[i].state))
            return true;
    }
    return false;
}

/* The engine ended while the job went back: it goes on going back, for the same reason. What failed after its site had
 * settled turns nothing. */
static enum err check_direction(const struct step_context *context, struct err_info *info)
{
    const char *why = NULL, *name = "";
    bool back = context->turned;
    for (size_t i = 0; i < context->steps.count; i++) {
        const struct job_step_record *step = &context->steps.items[i];
        if (job_is_settled(context, context->plan.steps.items[i].site))
            continue;
        back = back || step->state == STEP_FAILED || step->state == STEP_UNDONE || step->state == STEP_SKIPPED;
        if (step->state == STEP_FAILED && !why) {
            why = step->outcome;
            name = step->name;
        }
    }
    if (back)
        return err_set(info, ERR_FAILED, "%s%s%.700s", name, *name ? ": " : "",
            why && *why ? why : "the engine ended while this was being undone");
    if (context->cancelled && !job_is_settled(context, step_site(context)) &&
        !job_may_have_decided(context, context->current))
        return err_set(info, ERR_CANCELLED, "cancelled");
    if (!has_changed_anything(context) && context->away_us > STALE_US)
        return err_set(info, ERR_FAILED,
            "the engine was away for long and nothing had been changed yet, so it was not begun; ask for it again");
    return ERR_OK;
}

/* Its release has begun, or there is none. */
static bool is_given_back(const struct step_context *context, const struct plan_step *taken)
{
    for (size_t i = 0; i < context->steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        if (step->kind == &step_release && strcmp(step->host, taken->host) == 0 && strcmp(step->site, taken->site) == 0)
            return has_begun(context->steps.items[i].state) || i == context->current;
    }
    return false;
}

static enum err take_again(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    int64_t began_us = clock_mono_us();
    for (;;) {
        enum err err = job_take_lease(context, step->host, step->site, info);
        bool over = clock_mono_us() - began_us > step_patience(context, PATIENCE_US);
        if (!err || err == ERR_CANCELLED || context->lost[0] || !job_may_pass(err) || over)
            return err;
        if (step_wait(context, step_patience(context, LOOK_EVERY_US)))
            return err_set(info, ERR_CANCELLED, "cancelled while the lease was being taken again");
    }
}

/* Leases may have run out meanwhile: take them again before anything is judged or changed. While a host cannot be
 * reached nobody else changes it through us either. */
static enum err take_leases_again(struct step_context *context, struct err_info *info)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < context->steps.count && !err; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        if (step->kind != &step_lease || context->steps.items[i].state != STEP_DONE || is_given_back(context, step))
            continue;
        err = take_again(context, step, info);
        if (err && err != ERR_CANCELLED && !context->lost[0] && job_is_settled(context, step->site))
            err = ERR_OK; /* it only goes forward: the steps themselves will say what cannot be done */
    }
    return err;
}

enum err job_resume(struct step_context *context, size_t *index, struct err_info *info)
{
    struct err_info lease_info = {0};
    *index = 0;
    while (*index < context->steps.count && context->steps.items[*index].state == STEP_DONE)
        (*index)++;
    context->current = *index < context->steps.count ? *index : context->steps.count - 1;
    enum err err = check_direction(context, info);
    enum err lease_err = take_leases_again(context, &lease_info);
    if (err || lease_err) {
        if (!err && info)
            *info = lease_info;
        return err ? err : lease_err;
    }
    bool in_middle = *index < context->steps.count && context->steps.items[*index].state == STEP_RUNNING;
    if (in_middle && !context->plan.steps.items[*index].kind->again) {
        err = job_settle(context, *index, info);
        *index += !err;
    }
    return err;
}
