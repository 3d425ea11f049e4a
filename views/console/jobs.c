/* `:jobs`: what was done to the fleet and what is being done, the newest first. Enter opens the job with its steps.
 * What is done to a site is asked for where sites are: here the keys are about the job itself. */
#include "views/console/jobs.h"

#include <string.h>

#include "actions/action.h"
#include "tui/style.h"
#include "views/console/action_dialog.h"
#include "views/console/list.h"
#include "views/console/objects.h"
#include "views/pages/job_page.h"
#include "views/pages/logs.h"

static const struct key_binding bindings[] = {
    {'u', JOB_UNDO, "job-undo", "undo", "Take back what the finished job did, after showing the plan", 3},
    {'c', JOB_CANCEL, "job-cancel", "cancel", "Stop the running job and undo what it did, as far as that is safe", 3},
    {'l', JOB_LOGS, "job-logs", "logs", "The log of the site the job is about", 4},
};
enum { KEYS = sizeof bindings / sizeof *bindings };
const struct keymap job_keymap = KEYMAP("Job", bindings);

/* What failed after its site had settled, too: the engine knows. */
static bool may_be_undone(const struct job_record *job)
{
    const struct action *action = action_find(job->action);
    return (job->state == JOB_DONE || job->state == JOB_FAILED) && action && action->opposite;
}

const struct keymap *job_keymap_of(const struct job_record *job)
{
    static struct key_binding running[KEYS], over[KEYS];
    static const struct keymap running_keymap = KEYMAP("Job", running), over_keymap = KEYMAP("Job", over);
    memcpy(running, bindings, sizeof bindings);
    memcpy(over, bindings, sizeof bindings);
    running[0].hint = NULL;
    over[1].hint = NULL;
    if (!may_be_undone(job))
        over[0].hint = NULL;
    return shown_job(job).concern == CONCERN_ACTIVE ? &running_keymap : &over_keymap;
}

static void undo(struct console *console, const struct job_record *job)
{
    const struct action *action = action_find(job->action);
    if (job->state == JOB_PLANNED || job->state == JOB_RUNNING)
        console_say(console, ROLE_WARNING, "job %lld is not over: c cancels it", (long long)job->id);
    else if (job->state != JOB_DONE && job->state != JOB_FAILED)
        console_say(console, ROLE_WARNING, "job %lld is %s: what it did was undone already, as far as it could be",
            (long long)job->id, job_state_word(job->state));
    else if (!action || !action->opposite)
        console_say(console, ROLE_WARNING, "there is nothing to take back of a %s", job->action);
    else
        action_dialog_undo(console, job);
}

static void show_log(struct console *console, const struct job_record *job)
{
    struct subject site = subject_of(KIND_SITE, job->site);
    if (job->site[0] && objects_exists(console, &site))
        console_push(console, logs_new(console, &site));
    else
        console_say(console, ROLE_DIM, job->site[0] ? "the site is gone" : "the job is about no site");
}

void job_command(struct console *console, int command, const struct job_record *job)
{
    if (command == JOB_UNDO)
        undo(console, job);
    else if (command == JOB_LOGS)
        show_log(console, job);
    else if (shown_job(job).concern == CONCERN_ACTIVE)
        action_dialog_cancel(console, job);
    else
        console_say(console, ROLE_DIM, "the job is not running");
}

static void run(struct console *console, int command, const struct subject *subject, const void *row)
{
    (void)subject;
    if (row)
        job_command(console, command, row);
}

static void open(struct console *console, const void *object)
{
    console_push(console, job_page_new(console, ((const struct job_record *)object)->id));
}

const struct list_screen jobs_screen = {
    .kind = ROWS_JOBS,
    .empty = "no jobs yet\n\nR on a site restarts it, after showing what it would do",
    .empty_scope = "no jobs here",
    .no_actions = "here the keys are about jobs: 2 shows the sites, where this can be done",
    .keymap = &job_keymap,
    .run = run,
    .open = open,
};
