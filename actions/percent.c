/* How much of a job is done. Every step weighs half a second, and one that copies as much more as its bytes take at the
 * limit that was asked for, or else at a typical rate: a wrong guess of it only makes the bar quicker or slower, never
 * go back. Any thread. */
#include "actions/percent.h"

#include <math.h>

#include "base/json.h"

#define STEP_S 0.5
#define TYPICAL_BYTES_S (50.0 * 1024 * 1024)
/* Copying in passes: the first one brings nearly all, each one after it half of what was left. */
#define FIRST_PASS 0.9

static double bytes_of(const struct plan_step *step)
{
    int64_t bytes = 0;
    return json_get_i64(step->parameters, "bytes", &bytes) && bytes > 0 ? (double)bytes : 0;
}

static double weight_of(const struct plan_step *step)
{
    int64_t limit = 0;
    bool limited = json_get_i64(step->parameters, "limit_bytes_s", &limit) && limit > 0;
    return STEP_S + bytes_of(step) / (limited ? (double)limit : TYPICAL_BYTES_S);
}

/* What is done when a pass begins. */
static double before_pass(int pass)
{
    return pass <= 1 ? 0 : 1 - (1 - FIRST_PASS) * pow(0.5, pass - 2);
}

/* 0…1 of a step that runs. */
static double part_of(const struct plan_step *step, const struct job_step_record *record)
{
    double total = record->total_bytes > 0 ? (double)record->total_bytes : bytes_of(step);
    double part = total > 0 && record->done_bytes > 0 ? (double)record->done_bytes / total : 0;
    double from = before_pass(record->pass), to = record->pass > 0 ? before_pass(record->pass + 1) : 1;
    return from + (to - from) * (part < 1 ? part : 1);
}

int percent_done(const struct plan *plan, const struct job_step_record *steps)
{
    double all = 0, done = 0;
    for (size_t i = 0; i < plan->steps.count; i++) {
        const struct plan_step *step = &plan->steps.items[i];
        bool over = steps[i].state != STEP_PENDING && steps[i].state != STEP_RUNNING;
        double weight = weight_of(step);
        all += weight;
        done += over ? weight : steps[i].state == STEP_RUNNING ? weight * part_of(step, &steps[i]) : 0;
    }
    int percent = all > 0 ? (int)(100 * done / all) : 0;
    return percent < 99 ? percent : 99;
}
