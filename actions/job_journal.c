/* What is written down of a job: its record, its steps, its last sign of life. The rule of the journal: a step's intent
 * is on disk before the step begins and its outcome after it ended, so that whoever comes next knows all but one step,
 * and asks the host about that one. Runs in the job's own thread. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "actions/job_run.h"
#include "actions/percent.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define PROGRESS_EVERY_US (300 * USEC_PER_MSEC)
#define LOG_TRIES 30
#define END_EVERY_US (2 * USEC_PER_SEC)

static void log_failure(const struct step_context *context, enum err err, const struct err_info *info)
{
    if (err)
        log_error("job %lld: the journal cannot be written: %s", (long long)context->job.id, info->message);
}

enum err job_write(struct step_context *context)
{
    struct err_info info = {0};
    enum err err = store_job_update(context->config->store, &context->job, &info);
    log_failure(context, err, &info);
    return err;
}

enum err job_write_step(struct step_context *context, size_t index, struct err_info *info)
{
    struct err_info own = {0};
    enum err err = store_job_step_put(context->config->store, &context->steps.items[index], &own);
    log_failure(context, err, &own);
    if (err && info)
        *info = own;
    return err;
}

void job_set_message(struct step_context *context, const char *text)
{
    sanitize(context->job.message, sizeof context->job.message, text, strlen(text));
}

void job_end_step(struct step_context *context, size_t index, enum step_state state, const char *outcome)
{
    struct job_step_record *record = &context->steps.items[index];
    record->state = state;
    record->ended_us = clock_wall_us();
    xstr_set(&record->outcome, outcome);
    job_write_step(context, index, NULL);
}

/* One record a step: what was written before, and what is missing of it. */
void job_make_journal(struct step_context *context, struct job_step_list *known)
{
    for (size_t i = 0; i < context->plan.steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        struct job_step_record *record = vec_add(&context->steps);
        if (known)
            vec_each (&known->items, struct job_step_record, old)
                if (old->index == (int)i) {
                    *record = *old;
                    old->command = old->outcome = old->undo = old->progress = NULL; /* taken over */
                    old->index = -1;
                }
        if (record->command)
            continue;
        record->job_id = context->job.id;
        record->index = (int)i;
        str_copy(record->name, sizeof record->name, step->kind->name);
        str_copy(record->host, sizeof record->host, step->host);
        record->command = xstrdup(step->command);
        record->undo = step->undo ? xstrdup(step->undo) : NULL;
        job_write_step(context, i, NULL);
    }
}

void job_replan(struct step_context *context, struct plan *plan)
{
    struct err_info info = {0};
    vec_each (&context->steps, struct job_step_record, step)
        job_step_record_free(step);
    vec_free(&context->steps);
    plan_free(&context->plan);
    context->plan = *plan;
    context->current = 0;
    *plan = (struct plan){.cut_us = -1};
    job_make_journal(context, NULL);
    enum err err = store_job_steps_cut(context->config->store, context->job.id, context->steps.count, &info);
    log_failure(context, err, &info);
}

/* However long the disk refuses: who comes next on this site must not begin before, or the next engine would find this
 * job unfinished, and undo it over what was done since. */
void job_write_end(struct step_context *context)
{
    struct err_info info = {0};
    int64_t every_us = step_patience(context, END_EVERY_US);
    for (unsigned tries = 0;; tries++) {
        enum err err = store_job_update(context->config->store, &context->job, &info);
        if (tries % LOG_TRIES == 0)
            log_failure(context, err, &info);
        if (!err || err == ERR_NOT_FOUND || context->leaving ||
            poll(&(struct pollfd){.fd = context->leave_fd, .events = POLLIN}, 1, (int)(every_us / USEC_PER_MSEC)) > 0)
            break; /* the next engine finds it unfinished and ends it */
    }
}

/* --- the last sign of life ---------------------------------------------------------------------------------------- */

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
    record->alive_us = clock_wall_us();
    job_write_step(context, context->current, NULL);
    job_set_message(context, text);
    job_write(context);
}

/* It never goes back: bytes turn out to be more than was said, a step is done anew after a crash, a job is undone. */
void job_count_percent(struct step_context *context)
{
    int percent = percent_done(&context->plan, context->steps.items);
    if (percent > context->job.progress_pct)
        context->job.progress_pct = percent;
}

/* The rate is that of the last second or so, smoothed. */
static void measure_rate(struct step_context *context, int64_t done_bytes)
{
    int64_t now_us = clock_mono_us(), for_us = now_us - context->copying.since_mono_us;
    bool anew = !context->copying.since_mono_us || done_bytes < context->copying.since_bytes;
    if (!anew && for_us < USEC_PER_SEC / 2)
        return;
    if (!anew) {
        double bytes_s = (double)(done_bytes - context->copying.since_bytes) * USEC_PER_SEC / (double)for_us;
        context->copying.bytes_s = context->copying.bytes_s > 0 ? (context->copying.bytes_s + bytes_s) / 2 : bytes_s;
    }
    context->copying.since_mono_us = now_us;
    context->copying.since_bytes = done_bytes;
}

void step_copied(struct step_context *context, int pass, int64_t done_bytes, int64_t total_bytes)
{
    struct job_step_record *record = &context->steps.items[context->current];
    char figure[FORMAT_SIZE];
    struct buf text = BUF(256);
    measure_rate(context, done_bytes);
    record->pass = pass;
    record->done_bytes = done_bytes;
    record->total_bytes = total_bytes;
    record->bytes_s = (int64_t)context->copying.bytes_s;
    if (!context->going_back)
        job_count_percent(context);
    if (pass)
        buf_printf(&text, "pass %d: ", pass);
    buf_puts(&text, format_bytes((double)done_bytes, figure));
    if (total_bytes >= done_bytes && total_bytes > 0)
        buf_printf(&text, " of %s", format_bytes((double)total_bytes, figure));
    if (record->bytes_s > 0)
        buf_printf(&text, ", %s", format_rate((double)record->bytes_s, figure));
    if (record->bytes_s > 0 && total_bytes > done_bytes)
        buf_printf(&text, ", %s left",
            format_duration(((total_bytes - done_bytes) / record->bytes_s + 1) * USEC_PER_SEC, figure));
    step_progress(context, "%s", buf_text(&text));
    buf_free(&text);
}
