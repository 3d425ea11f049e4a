/* How a job reads on a terminal, one line a step, and as JSON. Everything that came from a host is sanitised before it
 * is printed. One thread. */
#include "engine/job_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "views/progress.h"

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

/* Every member is always there; what is not known, or not meant, is null. */
static void put_time(json_t *object, const char *key, int64_t at_us)
{
    char text[CLOCK_RFC3339_SIZE];
    if (at_us)
        json_put_text(object, key, clock_rfc3339(at_us, 3, text));
    else
        json_object_set_new(object, key, json_null());
}

static void put_words(json_t *object, const char *key, const char *text)
{
    if (text && text[0])
        json_put_text(object, key, text);
    else
        json_object_set_new(object, key, json_null());
}

static void put_count(json_t *object, const char *key, int64_t count, bool known)
{
    json_object_set_new(object, key, known ? json_integer(count) : json_null());
}

static json_t *step_json(const struct job_step_record *step, const json_t *planned)
{
    json_t *row = json_object();
    bool copies = step->pass > 0 || step->done_bytes > 0 || step->total_bytes > 0;
    put_words(row, "step", step->name);
    put_words(row, "site", json_get_text(planned, "site"));
    put_words(row, "host", step->host);
    put_words(row, "command", step->command);
    put_words(row, "runs", json_get_text(planned, "runs"));
    json_put_text(row, "state", step_state_word(step->state));
    put_time(row, "started", step->started_us);
    put_time(row, "ended", step->ended_us);
    put_words(row, "outcome", step->outcome);
    put_words(row, "undo", step->undo);
    put_words(row, "progress", step->progress);
    put_time(row, "alive", step->alive_us);
    put_count(row, "pass", step->pass, step->pass > 0);
    put_count(row, "done_bytes", step->done_bytes, copies);
    put_count(row, "total_bytes", step->total_bytes, copies && step->total_bytes > 0);
    put_count(row, "bytes_s", step->bytes_s, copies && step->bytes_s > 0);
    return row;
}

bool job_undo_command(const struct job_record *job, char out[JOB_UNDO_SIZE])
{
    const struct action *action = action_find(job->action);
    out[0] = '\0';
    if (job->state == JOB_DONE && action && action->opposite && !action->is_internal)
        str_format(out, JOB_UNDO_SIZE, "dogwatch undo %" PRId64, job->id);
    return out[0] != '\0';
}

static json_t *plan_of(const struct job_record *job)
{
    json_t *plan = NULL;
    if (job->plan_json && json_parse(job->plan_json, strlen(job->plan_json), &plan, NULL) != ERR_OK)
        plan = NULL;
    return plan;
}

json_t *job_view_json(const struct job_view *view)
{
    const struct job_record *job = &view->job;
    json_t *object = json_object(), *steps = json_array(), *plan = plan_of(job);
    char undo[JOB_UNDO_SIZE];
    job_undo_command(job, undo);
    json_put_i64(object, "job", job->id);
    json_put_text(object, "action", job->action);
    json_put_text(object, "object", job->object);
    put_words(object, "site", job->site);
    put_words(object, "host", job->host);
    put_words(object, "to", json_get_text(plan, "to"));
    json_put_text(object, "state", job_state_word(job->state));
    put_words(object, "message", job->message);
    json_put_text(object, "who", job->who);
    put_words(object, "reason", job->reason);
    put_time(object, "created", job->created_us);
    put_time(object, "started", job->started_us);
    put_time(object, "ended", job->ended_us);
    put_count(object, "progress_pct", job->progress_pct, job->progress_pct >= 0);
    put_words(object, "undo", undo);
    vec_each (&view->steps.items, const struct job_step_record, step)
        json_array_append_new(
            steps, step_json(step, json_array_get(json_object_get(plan, "steps"), (size_t)step->index)));
    json_object_set_new(object, "steps", steps);
    json_decref(plan);
    return object;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static const char *clean(const char *text, char out[LINE_BYTES])
{
    text = text ? text : "";
    sanitize(out, LINE_BYTES, text, strlen(text));
    return out;
}

/* Characters of the text that fit, and that there were more; what comes from hosts is narrow as a rule. */
static void print_cut(const char *text, size_t columns, FILE *out)
{
    size_t length = 0, seen = 0, fits = 0;
    for (; text[length] && (!columns || seen <= columns); length++) {
        seen += ((unsigned char)text[length] & 0xC0) != 0x80;
        if (seen == columns && ((unsigned char)text[length] & 0xC0) != 0x80)
            fits = length; /* where the last column begins */
    }
    if (columns && seen > columns)
        fprintf(out, "%.*s…\n", (int)fits, text);
    else
        fprintf(out, "%s\n", text);
}

void job_print_note(const char *text, size_t columns, FILE *out)
{
    char line[LINE_BYTES], note[LINE_BYTES + 16];
    clean(text, line);
    str_format(note, sizeof note, "             %s", line);
    if (line[0])
        print_cut(note, columns, out);
}

void job_print_step(const struct job_step_record *step, size_t columns, FILE *out)
{
    static const char *const marks[STEP_STATE_COUNT] = {
        [STEP_PENDING] = " ",
        [STEP_RUNNING] = ">",
        [STEP_DONE] = "+",
        [STEP_FAILED] = "!",
        [STEP_SKIPPED] = "-",
        [STEP_UNDONE] = "<",
    };
    char took[FORMAT_SIZE] = "", command[LINE_BYTES], host[LINE_BYTES], copied[PROGRESS_SIZE], line[2 * LINE_BYTES];
    if (step->started_us && step->ended_us)
        format_duration(step->ended_us - step->started_us, took);
    str_format(line, sizeof line, "  %s %-8s %-10s %-12s %7s  %s",
        (unsigned)step->state < STEP_STATE_COUNT ? marks[step->state] : "?", step_state_word(step->state), step->name,
        clean(step->host, host), took, clean(step->command, command));
    print_cut(line, columns, out);
    if (step->outcome && step->outcome[0])
        job_print_note(step->outcome, columns, out);
    else if (step->state == STEP_RUNNING)
        job_print_note(progress_words(step, copied)[0] ? copied : step->progress, columns, out);
}

void job_print_head(const struct job_record *job, FILE *out)
{
    char object[LINE_BYTES], who[LINE_BYTES], reason[LINE_BYTES], name[PROGRESS_OBJECT_SIZE];
    clean(job->reason, reason);
    fprintf(out, "job %" PRId64 ": %s %s, asked for by %s%s%s\n", job->id, job->action,
        clean(progress_object(job, name), object), clean(job->who, who), reason[0] ? ": " : "", reason);
}

void job_print_end(const struct job_record *job, FILE *out)
{
    char message[LINE_BYTES], took[FORMAT_SIZE] = "", undo[JOB_UNDO_SIZE];
    if (job->started_us && job->ended_us)
        format_duration(job->ended_us - job->started_us, took);
    clean(job->message, message);
    fprintf(out, "job %" PRId64 " %s%s%s%s%s\n", job->id, job_state_word(job->state), took[0] ? " after " : "", took,
        message[0] ? ": " : "", message);
    if (job_undo_command(job, undo))
        fprintf(out, "`%s` takes it back\n", undo);
}

void job_view_print(const struct job_view *view, FILE *out)
{
    job_print_head(&view->job, out);
    vec_each (&view->steps.items, const struct job_step_record, step)
        job_print_step(step, 0, out);
    job_print_end(&view->job, out);
}
