/* Following a job: reads the store, so it shows the same whoever began the job, and nothing happens to the job when the
 * follower ends. The main thread of a subcommand; SIGINT is caught while it lasts. */
#include "engine/job_follow.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "engine/client.h"
#include "views/progress.h"

enum { LOOK_AGAIN_MS = 100, COLUMNS_DEFAULT = 80, STATUS_BYTES = 1024 };
#define DRAW_AGAIN_US (500 * USEC_PER_MSEC)

static volatile sig_atomic_t interrupted; /* set by Ctrl-C */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

struct follower {
    struct store_reader *reader;
    const char *state_dir;
    int64_t id;
    bool quiet, live; /* live: standard output is a terminal */
    bool skipped_is_told;
    bool status_is_drawn; /* the cursor stands behind the status line */
    int64_t drawn_mono_us;
};

/* --- lines -------------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : COLUMNS_DEFAULT;
}

static void wipe_status(struct follower *follower)
{
    if (follower->status_is_drawn)
        fputs("\r\x1b[K", stdout);
    fflush(stdout); /* before anything goes to standard error on the same line */
    follower->status_is_drawn = false;
}

/* What waits, waits for something: the message says for what. */
static void print_waiting(const struct job_record *before, const struct job_record *job)
{
    bool waits = job->state == JOB_PLANNED && job->message[0];
    if (waits && !same_text(before->message, job->message))
        job_print_note(job->message, 0, stdout);
}

static bool has_changed(
    const struct follower *follower, const struct job_step_record *old, const struct job_step_record *step)
{
    bool changed = old ? old->state != step->state : step->state != STEP_PENDING;
    bool in_status = follower->live && step->state == STEP_RUNNING;
    return changed && !in_status && step->state != STEP_SKIPPED;
}

static size_t count_state(const struct job_view *view, enum step_state state)
{
    size_t count = 0;
    vec_each (&view->steps.items, const struct job_step_record, step)
        count += step->state == state;
    return count;
}

/* A job that goes back says once how much of it was never begun: before the first thing that is undone. */
static void print_skipped(struct follower *follower, const struct job_view *now)
{
    size_t skipped = count_state(now, STEP_SKIPPED);
    bool is_time = count_state(now, STEP_UNDONE) > 0 || job_has_ended(now->job.state);
    if (follower->skipped_is_told || !skipped || !is_time)
        return;
    printf("  - %zu %s not begun\n", skipped, skipped == 1 ? "step is" : "steps are");
    follower->skipped_is_told = true;
}

static void print_changes(struct follower *follower, const struct job_view *before, const struct job_view *now)
{
    wipe_status(follower);
    if (!before->job.id)
        job_print_head(&now->job, stdout);
    print_waiting(&before->job, &now->job);
    print_skipped(follower, now);
    size_t columns = follower->live ? terminal_columns() - 1 : 0;
    for (size_t i = 0; i < now->steps.items.count; i++) {
        const struct job_step_record *step = &now->steps.items.items[i];
        const struct job_step_record *old = i < before->steps.items.count ? &before->steps.items.items[i] : NULL;
        if (has_changed(follower, old, step))
            job_print_step(step, columns, stdout);
        else if (old && !follower->live && step->state == STEP_RUNNING && !same_text(old->progress, step->progress))
            job_print_note(step->progress, 0, stdout);
    }
    if (job_has_ended(now->job.state))
        job_print_end(&now->job, stdout);
    fflush(stdout);
}

/* --- the status line ---------------------------------------------------------------------------------------------- */

static void add(char out[STATUS_BYTES], const char *words)
{
    size_t length = strlen(out);
    if (words && words[0])
        str_format(out + length, STATUS_BYTES - length, "%s%s", length ? "  " : "", words);
}

/* "> 31 %  copy  mosh02  12s  pass 2, 1.2G of 4.0G, 98M/s, 28s left  sign of life 0s ago  reading the list of files" */
static void compose_status(const struct job_view *view, char out[STATUS_BYTES])
{
    const struct job_step_record *step = progress_current(&view->steps);
    char words[PROGRESS_SIZE], took[FORMAT_SIZE];
    int64_t now_us = clock_wall_us();
    out[0] = '\0';
    if (!step) {
        add(out, view->job.state == JOB_PLANNED ? "> waiting" : ">");
        add(out, view->job.message);
        return;
    }
    str_format(out, STATUS_BYTES, "> %d %%", view->job.progress_pct < 0 ? 0 : view->job.progress_pct);
    add(out, step->name);
    add(out, step->host);
    add(out, format_duration(step->started_us && now_us > step->started_us ? now_us - step->started_us : 0, took));
    bool copies = progress_words(step, words)[0] != '\0';
    add(out, words);
    progress_alive(step, now_us, words);
    add(out, words);
    if (!copies) /* of a copy it would say the same */
        add(out, step->progress);
}

static void draw_status(struct follower *follower, const struct job_view *view)
{
    char status[STATUS_BYTES], clean[STATUS_BYTES];
    int64_t now_us = clock_mono_us();
    if (!follower->live || (follower->status_is_drawn && now_us - follower->drawn_mono_us < DRAW_AGAIN_US))
        return;
    compose_status(view, status);
    sanitize(clean, sizeof clean, status, strlen(status));
    size_t room = terminal_columns() - 1; /* names are ASCII; what is longer is cut at a character */
    str_copy(status, room + 1 < sizeof status ? room + 1 : sizeof status, clean);
    printf("\r\x1b[K%s", status);
    fflush(stdout);
    follower->status_is_drawn = true;
    follower->drawn_mono_us = now_us;
}

/* --- Ctrl-C ------------------------------------------------------------------------------------------------------- */

/* c: cancel. Anything else, also no terminal to ask at and a second Ctrl-C, leaves the job alone. */
static bool wants_cancel(const struct follower *follower)
{
    char answer[64];
    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr,
        "\njob %" PRId64 " goes on when you leave. Enter: leave it running, c: cancel it and undo what it did: ",
        follower->id);
    fflush(stderr);
    bool read = fgets(answer, sizeof answer, stdin) != NULL;
    clearerr(stdin);
    return read && (answer[0] == 'c' || answer[0] == 'C') && (answer[1] == '\n' || answer[1] == '\0');
}

static enum err ask_cancel(const struct follower *follower, struct err_info *info)
{
    json_t *answer, *request = json_object();
    json_put_text(request, "command", "cancel");
    json_put_i64(request, "job", follower->id);
    enum err result = client_ask(follower->state_dir, request, &answer, info);
    json_decref(answer);
    return result;
}

/* ERR_OK: go on watching. */
static enum err handle_interrupt(struct follower *follower, struct err_info *info)
{
    struct err_info why = {0};
    wipe_status(follower);
    bool cancel = wants_cancel(follower);
    interrupted = 0;
    if (!cancel)
        return err_set(info, ERR_CANCELLED,
            "job %" PRId64 " goes on; `dogwatch job %" PRId64 " --follow` shows it, `dogwatch cancel %" PRId64
            "` takes it back",
            follower->id, follower->id, follower->id);
    if (ask_cancel(follower, &why) == ERR_OK)
        fprintf(stderr, "job %" PRId64 " is asked to stop at a safe place\n", follower->id);
    else
        fprintf(stderr, "%s\n", why.message);
    return ERR_OK;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

/* Until something was committed. */
static enum err wait_for_change(struct follower *follower, const struct job_view *view, struct err_info *info)
{
    while (!store_reader_changed(follower->reader)) {
        enum err result = interrupted ? handle_interrupt(follower, info) : ERR_OK;
        if (result != ERR_OK)
            return result;
        draw_status(follower, view);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return ERR_OK;
}

static enum err follow(struct follower *follower, struct job_view *view, struct err_info *info)
{
    for (;;) {
        struct job_view now;
        enum err result = job_view_read(follower->reader, follower->id, &now, info);
        if (result == ERR_OK && !follower->quiet)
            print_changes(follower, view, &now);
        job_view_free(view);
        *view = now;
        if (result != ERR_OK || job_has_ended(now.job.state))
            return result;
        result = wait_for_change(follower, view, info);
        if (result != ERR_OK)
            return result;
    }
}

enum err job_follow(struct store_reader *reader, const char *state_dir, int64_t id, bool quiet, struct job_view *view,
    struct err_info *info)
{
    struct follower follower = {.reader = reader, .state_dir = state_dir, .id = id, .quiet = quiet};
    struct sigaction catch = {.sa_handler = on_interrupt}, before;
    follower.live = !quiet && isatty(STDOUT_FILENO);
    *view = (struct job_view){0};
    interrupted = 0;
    sigaction(SIGINT, &catch, &before); /* without SA_RESTART: the question can be left by it too */
    enum err result = follow(&follower, view, info);
    wipe_status(&follower);
    fflush(stdout);
    sigaction(SIGINT, &before, NULL);
    return result;
}
