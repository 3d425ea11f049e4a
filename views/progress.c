/* Progress of steps, for a person. What is not known is left out, never guessed. */
#include "views/progress.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/json.h"
#include "base/mem.h"

/* A host that stops a container may be silent for its grace time of 10 s. */
#define QUIET_US (15 * USEC_PER_SEC)
#define SILENT_US (60 * USEC_PER_SEC)

double progress_fraction(const struct job_step_record *step)
{
    if (step->total_bytes <= 0)
        return NAN;
    double fraction = (double)step->done_bytes / (double)step->total_bytes;
    return fraction > 1 ? 1 : fraction < 0 ? 0 : fraction;
}

static void append(char out[PROGRESS_SIZE], const char *before, const char *words, const char *after)
{
    size_t length = strlen(out);
    str_format(out + length, PROGRESS_SIZE - length, "%s%s%s%s", length ? ", " : "", before, words, after);
}

const char *progress_words(const struct job_step_record *step, char out[PROGRESS_SIZE])
{
    char number[FORMAT_SIZE], total[FORMAT_SIZE];
    out[0] = '\0';
    if (step->done_bytes <= 0 && step->total_bytes <= 0 && step->pass <= 0)
        return out;
    if (step->pass > 0)
        str_format(out, PROGRESS_SIZE, "pass %d", step->pass);
    append(out, "", format_bytes((double)step->done_bytes, number), "");
    if (step->total_bytes > 0) {
        size_t length = strlen(out);
        str_format(out + length, PROGRESS_SIZE - length, " of %s", format_bytes((double)step->total_bytes, total));
    }
    if (step->state != STEP_RUNNING || step->bytes_s <= 0)
        return out;
    append(out, "", format_rate((double)step->bytes_s, number), "");
    int64_t left = step->total_bytes - step->done_bytes;
    if (step->total_bytes > 0 && left > 0)
        append(
            out, "", format_duration((int64_t)((double)left / (double)step->bytes_s * USEC_PER_SEC), number), " left");
    return out;
}

enum concern progress_alive(const struct job_step_record *step, int64_t now_us, char out[PROGRESS_SIZE])
{
    char age[FORMAT_SIZE];
    int64_t last_us = step->alive_us > step->started_us ? step->alive_us : step->started_us;
    int64_t silent_us = now_us > last_us ? now_us - last_us : 0;
    out[0] = '\0';
    if (step->state != STEP_RUNNING || last_us == 0)
        return CONCERN_NONE;
    format_age(silent_us, age);
    if (silent_us < QUIET_US) {
        str_format(out, PROGRESS_SIZE, "sign of life %s ago", age);
        return CONCERN_ACTIVE;
    }
    str_format(out, PROGRESS_SIZE, "no sign of life for %s", age);
    return silent_us < SILENT_US ? CONCERN_WARNING : CONCERN_CRITICAL;
}

const struct job_step_record *progress_current(const struct job_step_list *steps)
{
    vec_each (&steps->items, const struct job_step_record, step)
        if (step->state == STEP_RUNNING)
            return step;
    return NULL;
}

const char *progress_object(const struct job_record *job, char out[PROGRESS_OBJECT_SIZE])
{
    json_t *plan = NULL;
    if (job->object_kind == KIND_HOST) {
        str_format(out, PROGRESS_OBJECT_SIZE, "all sites on %s", job->object);
        return out;
    }
    size_t more = 0;
    if (job->plan_json && json_parse(job->plan_json, strlen(job->plan_json), &plan, NULL) == ERR_OK)
        more = json_array_size(json_object_get(json_object_get(plan, "options"), "more"));
    const char *to = json_get_text(plan, "to");
    if (more > 0)
        str_format(out, PROGRESS_OBJECT_SIZE, "%s and %zu more", job->object, more);
    else if (to && to[0])
        str_format(out, PROGRESS_OBJECT_SIZE, "%s from %s to %s", job->object, job->host, to);
    else
        str_copy(out, PROGRESS_OBJECT_SIZE, job->object);
    json_decref(plan);
    return out;
}
