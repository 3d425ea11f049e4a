/* How a job reads on a terminal: one line a step, each change on a line of its own while it is followed. Everything
 * that came from a host is sanitised before it is printed. One thread. */
#include "engine/job_print.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define LOOK_AGAIN_MS 100
#define LINE_BYTES 1024

enum err job_view_read(struct store_reader *reader, int64_t id, struct job_view *out, struct err_info *info)
{
    *out = (struct job_view){0};
    return store_read_job(reader, id, &out->job, &out->steps, info);
}

void job_view_free(struct job_view *view)
{
    job_record_free(&view->job);
    job_step_list_free(&view->steps);
}

bool job_has_ended(enum job_state state)
{
    return state != JOB_PLANNED && state != JOB_RUNNING;
}

int job_exit_status(enum job_state state)
{
    return state == JOB_DONE ? 0 : 1;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void put_time(json_t *object, const char *key, int64_t at_us)
{
    char text[CLOCK_RFC3339_SIZE];
    if (at_us)
        json_put_text(object, key, clock_rfc3339(at_us, 3, text));
}

/* NULL and "" are left out: there is nothing to say. */
static void put_words(json_t *object, const char *key, const char *text)
{
    if (text && text[0])
        json_put_text(object, key, text);
}

static json_t *step_json(const struct job_step_record *step)
{
    json_t *row = json_object();
    json_put_text(row, "name", step->name);
    put_words(row, "host", step->host);
    put_words(row, "command", step->command);
    json_put_text(row, "state", step_state_word(step->state));
    put_time(row, "started", step->started_us);
    put_time(row, "ended", step->ended_us);
    put_words(row, "outcome", step->outcome);
    put_words(row, "undo", step->undo);
    put_words(row, "progress", step->progress);
    return row;
}

json_t *job_view_json(const struct job_view *view)
{
    const struct job_record *job = &view->job;
    json_t *object = json_object(), *steps = json_array();
    json_put_i64(object, "job", job->id);
    json_put_text(object, "state", job_state_word(job->state));
    json_put_text(object, "action", job->action);
    json_put_text(object, "object", job->object);
    put_words(object, "site", job->site);
    put_words(object, "host", job->host);
    json_put_text(object, "who", job->who);
    put_words(object, "reason", job->reason);
    put_time(object, "created", job->created_us);
    put_time(object, "started", job->started_us);
    put_time(object, "ended", job->ended_us);
    put_words(object, "message", job->message);
    vec_each (&view->steps.items, const struct job_step_record, step)
        json_array_append_new(steps, step_json(step));
    json_object_set_new(object, "steps", steps);
    return object;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static const char *clean(const char *text, char out[LINE_BYTES])
{
    text = text ? text : "";
    sanitize(out, LINE_BYTES, text, strlen(text));
    return out;
}

/* Below the step it is about. */
static void print_note(const char *text, FILE *out)
{
    char line[LINE_BYTES];
    clean(text, line);
    if (line[0])
        fprintf(out, "             %s\n", line);
}

static void print_step(const struct job_step_record *step, FILE *out)
{
    static const char *const marks[STEP_STATE_COUNT] = {
        [STEP_PENDING] = " ",
        [STEP_RUNNING] = ">",
        [STEP_DONE] = "+",
        [STEP_FAILED] = "!",
        [STEP_SKIPPED] = "-",
        [STEP_UNDONE] = "<",
    };
    char took[FORMAT_SIZE] = "", command[LINE_BYTES], host[LINE_BYTES];
    if (step->started_us && step->ended_us)
        format_duration(step->ended_us - step->started_us, took);
    fprintf(out, "  %s %-8s %-14s %-12s %7s  %s\n", (unsigned)step->state < STEP_STATE_COUNT ? marks[step->state] : "?",
        step_state_word(step->state), step->name, clean(step->host, host), took, clean(step->command, command));
    if (step->outcome && step->outcome[0])
        print_note(step->outcome, out);
    else if (step->state == STEP_RUNNING)
        print_note(step->progress, out);
}

static void print_head(const struct job_record *job, FILE *out)
{
    char object[LINE_BYTES], who[LINE_BYTES], reason[LINE_BYTES];
    clean(job->reason, reason);
    fprintf(out, "job %" PRId64 ": %s %s, asked for by %s%s%s\n", job->id, job->action, clean(job->object, object),
        clean(job->who, who), reason[0] ? ": " : "", reason);
}

static void print_end(const struct job_record *job, FILE *out)
{
    char message[LINE_BYTES], took[FORMAT_SIZE] = "";
    if (job->started_us && job->ended_us)
        format_duration(job->ended_us - job->started_us, took);
    clean(job->message, message);
    fprintf(out, "job %" PRId64 " %s%s%s%s%s\n", job->id, job_state_word(job->state), took[0] ? " after " : "", took,
        message[0] ? ": " : "", message);
}

void job_view_print(const struct job_view *view, FILE *out)
{
    print_head(&view->job, out);
    vec_each (&view->steps.items, const struct job_step_record, step)
        print_step(step, out);
    print_end(&view->job, out);
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void print_changes(const struct job_view *before, const struct job_view *now, FILE *out)
{
    if (!before->job.id)
        print_head(&now->job, out);
    for (size_t i = 0; i < now->steps.items.count; i++) {
        const struct job_step_record *step = &now->steps.items.items[i];
        const struct job_step_record *old = i < before->steps.items.count ? &before->steps.items.items[i] : NULL;
        if (old ? old->state != step->state : step->state != STEP_PENDING)
            print_step(step, out);
        else if (old && step->state == STEP_RUNNING && !same_text(old->progress, step->progress))
            print_note(step->progress, out);
    }
    if (job_has_ended(now->job.state))
        print_end(&now->job, out);
    fflush(out);
}

enum err job_follow(struct store_reader *reader, int64_t id, bool quiet, struct job_view *view, struct err_info *info)
{
    *view = (struct job_view){0};
    for (;;) {
        struct job_view now;
        enum err result = job_view_read(reader, id, &now, info);
        if (result == ERR_OK && !quiet)
            print_changes(view, &now, stdout);
        job_view_free(view);
        *view = now;
        if (result != ERR_OK || job_has_ended(now.job.state))
            return result;
        while (!store_reader_changed(reader))
            poll(NULL, 0, LOOK_AGAIN_MS);
    }
}
