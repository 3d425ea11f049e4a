/* The page of a job. Lives on what the store says: it shows the same whoever started the job, and goes on when this
 * console is closed. */
#include "views/pages/job_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "tui/chart.h"
#include "tui/layout.h"
#include "tui/text.h"
#include "views/console/jobs.h"
#include "views/pages/lines.h"
#include "views/progress.h"

enum { STEP_LINES = 5000, HEAD_ROWS = 6, GAUGE_COLUMNS = 60, STEPS_BEFORE = 2 };

struct job_page {
    struct view view;
    int64_t job;
    struct text *steps;
    bool scrolled; /* by the person: it stays there; else the step that runs is kept in sight */
    char crumb[48];
};

static const struct view_ops job_ops;

struct view *job_page_new(struct console *console, int64_t job)
{
    struct job_page *page = xcalloc(1, sizeof *page);
    page->view = (struct view){.ops = &job_ops, .console = console};
    page->job = job;
    page->steps = text_new(STEP_LINES);
    text_set_wrap(page->steps, true);
    text_set_empty(page->steps, "no steps yet");
    str_format(page->crumb, sizeof page->crumb, "job %lld", (long long)job);
    return &page->view;
}

static void job_free(struct view *view)
{
    text_free(((struct job_page *)view)->steps);
    free(view);
}

static const char *job_crumb(struct view *view)
{
    return ((struct job_page *)view)->crumb;
}

static const struct job_detail *detail_of(const struct job_page *page)
{
    const struct job_detail *detail = console_picture(page->view.console)->job;
    return detail && detail->id == page->job ? detail : NULL;
}

/* --- steps --- */

static const struct {
    const char *symbol;
    unsigned style;
} step_looks[STEP_STATE_COUNT] = {
    [STEP_PENDING] = {"·", ROLE_DIM},
    [STEP_RUNNING] = {"▶", ROLE_ACTIVE},
    [STEP_DONE] = {"●", ROLE_OK},
    [STEP_FAILED] = {"✖", ROLE_CRITICAL},
    [STEP_SKIPPED] = {"–", ROLE_DIM},
    [STEP_UNDONE] = {"!", ROLE_WARNING},
};

/* Of a running step: how far it is, what it last said, and how long ago. */
static void add_progress(struct text *text, const struct job_step_record *step, int64_t now_us)
{
    char words[PROGRESS_SIZE];
    if (step->state != STEP_RUNNING)
        return;
    if (progress_words(step, words)[0])
        text_addf(text, ROLE_ACTIVE, "      %s", words);
    else if (step->progress && step->progress[0]) /* of a copy it would say the same */
        text_addf(text, ROLE_ACTIVE, "      %s", step->progress);
    enum concern concern = progress_alive(step, now_us, words);
    if (words[0])
        text_addf(text, concern == CONCERN_ACTIVE ? ROLE_DIM : concern_style(concern), "      %s", words);
}

static void add_step(struct text *text, const struct job_step_record *step, int64_t now_us)
{
    bool known = (unsigned)step->state < STEP_STATE_COUNT;
    unsigned style = known ? step_looks[step->state].style : ROLE_UNKNOWN;
    char head[64], took[FORMAT_SIZE] = "";
    int64_t end_us = step->ended_us ? step->ended_us : now_us;
    if (step->started_us)
        format_duration(end_us - step->started_us, took);
    str_format(head, sizeof head, "%s %-8s %6s  ", known ? step_looks[step->state].symbol : "?",
        step_state_word(step->state), took);
    char *tail = xasprintf("%s%s%s", step->host, step->host[0] ? ": " : "",
        step->command && step->command[0] ? step->command : step->name);
    text_add_pair(text, style, head, step->state == STEP_PENDING ? ROLE_DIM : ROLE_NORMAL, tail);
    free(tail);
    add_progress(text, step, now_us);
    if (step->outcome && step->outcome[0])
        text_addf(text, step->state == STEP_FAILED ? ROLE_CRITICAL : ROLE_DIM, "      %s", step->outcome);
}

/* Where the text begins to be shown: where the person left it, else a step or two before the one that runs. */
static void place_steps(struct job_page *page, size_t before, const size_t *begins, size_t current)
{
    if (page->scrolled)
        text_set_place(page->steps, before);
    else if (current < SIZE_MAX)
        text_set_place(page->steps, begins[current > STEPS_BEFORE ? current - STEPS_BEFORE : 0]);
}

static void add_steps(struct job_page *page, const struct job_detail *detail, int64_t now_us)
{
    size_t count = detail->steps.items.count, current = SIZE_MAX, before = text_place(page->steps);
    size_t *begins = xcalloc(count + 1, sizeof *begins);
    text_clear(page->steps);
    for (size_t i = 0; i < count; i++) {
        const struct job_step_record *step = &detail->steps.items.items[i];
        begins[i] = text_count(page->steps);
        if (step->state == STEP_RUNNING || step->state == STEP_FAILED)
            current = i;
        add_step(page->steps, step, now_us);
    }
    place_steps(page, before, begins, current);
    free(begins);
}

static void job_update(struct view *view)
{
    struct job_page *page = (struct job_page *)view;
    const struct job_detail *detail = detail_of(page);
    if (!detail)
        return;
    int64_t now_us = console_freshness(view->console).now_us;
    bool ended = detail->job.ended_us != 0;
    add_steps(page, detail, ended ? detail->job.ended_us : now_us);
}

static void job_wish(struct view *view, struct wish *wish)
{
    wish->job = ((struct job_page *)view)->job;
}

/* --- drawing --- */

/* Of the whole job, never of one step: it does not go back. */
static double done_fraction(const struct job_detail *detail)
{
    if (detail->job.state == JOB_DONE)
        return 1;
    if (detail->job.progress_pct >= 0)
        return detail->job.progress_pct / 100.0;
    size_t done = 0, count = detail->steps.items.count;
    vec_each (&detail->steps.items, const struct job_step_record, step)
        done += step->state == STEP_DONE || step->state == STEP_SKIPPED;
    return count ? (double)done / (double)count : (double)NAN;
}

/* What can be done about a job that is over. */
static void way_on(const struct job_record *job, char out[PROGRESS_SIZE])
{
    const struct action *action = action_find(job->action);
    const char *back = "", *after = "";
    if (job->state == JOB_FAILED)
        back = "l shows the site's log, W on the site asks every host where it is";
    if (job->state == JOB_DONE && action && action->opposite)
        back = "u takes it back, after showing the plan";
    if (job->state == JOB_DONE && action && action->after)
        after = action->after;
    str_format(out, PROGRESS_SIZE, "%s%s%s", back, back[0] && after[0] ? "; " : "", after);
}

/* "step 7 of 14: copy on mosh02, pass 2, 1.2G of 4.0G, 98M/s, 28s left"; a job in the queue says what it waits for. */
static void draw_current(const struct job_detail *detail, const struct job_step_record *current, struct area row)
{
    char words[PROGRESS_SIZE];
    if (!current) {
        bool waits = detail->job.state == JOB_PLANNED;
        way_on(&detail->job, words);
        area_text(row, 0, 0, waits ? ROLE_ACTIVE : ROLE_DIM,
            waits && !detail->job.message[0] ? "waiting for its turn" : words);
        return;
    }
    progress_words(current, words);
    area_textf(row, 0, 0, ROLE_ACTIVE, "step %d of %zu: %s%s%s%s%s", current->index + 1, detail->steps.items.count,
        current->name, current->host[0] ? " on " : "", current->host, words[0] ? ", " : "", words);
}

/* What a copy says of itself stands in the next line already. */
static const char *what_happens(const struct job_record *job, const struct job_step_record *current)
{
    bool said = current && current->total_bytes && current->progress && current->command &&
                strcmp(current->progress, job->message) == 0;
    return said ? current->command : job->message;
}

static void draw_head(const struct job_page *page, const struct job_detail *detail, struct area area)
{
    const struct job_record *job = &detail->job;
    const struct job_step_record *current = progress_current(&detail->steps);
    struct shown_state state = shown_job(job);
    struct freshness freshness = console_freshness(page->view.console);
    char at[LINES_TIME_SIZE], took[FORMAT_SIZE], alive[PROGRESS_SIZE] = "", percent[8] = "",
                                                 object[PROGRESS_OBJECT_SIZE];
    unsigned style = concern_style(state.concern);
    int x = area_textf(area, 0, 0, style | STYLE_BOLD, "%s %s", state.symbol, state.word) + 2;
    x += area_text(area, x, 0, ROLE_TITLE, job->action) + 1;
    area_text(area, x, 0, ROLE_TITLE, progress_object(job, object));
    if (job->started_us)
        format_duration((job->ended_us ? job->ended_us : freshness.now_us) - job->started_us, took);
    else
        str_copy(took, sizeof took, "–");
    area_textf(area, 0, 1, ROLE_DIM, "asked by %s at %s, %s %s, reason: %s", job->who[0] ? job->who : "?",
        lines_time(job->created_us, freshness.now_us, at), job->ended_us ? "took" : "runs for", took,
        job->reason[0] ? job->reason : "none given");
    area_fit(area, 0, 2, area.width, CELLS_LEFT, style, what_happens(job, current));
    draw_current(detail, current, area_row(area, 3));
    int gauge = area.width * 3 / 5 < GAUGE_COLUMNS ? area.width * 3 / 5 : GAUGE_COLUMNS;
    double done = done_fraction(detail);
    if (!isnan(done))
        str_format(percent, sizeof percent, "%3.0f %%", 100 * done);
    gauge_draw(area_sub(area, 0, 0, gauge, area.height), 4, done, style, percent);
    enum concern concern = current ? progress_alive(current, freshness.now_us, alive) : CONCERN_NONE;
    area_text(area, gauge + 2, 4, concern == CONCERN_ACTIVE ? ROLE_DIM : concern_style(concern), alive);
}

static void job_draw(struct view *view, struct area area)
{
    struct job_page *page = (struct job_page *)view;
    const struct job_detail *detail = detail_of(page);
    if (!detail || !detail->found) {
        layout_empty(area, ROLE_DIM, detail ? "there is no such job in the store" : "reading the job…");
        return;
    }
    int head = area.height >= HEAD_ROWS + 4 ? HEAD_ROWS : area.height >= 3 ? 1 : 0;
    draw_head(page, detail, area_sub(area, 0, 0, area.width, head));
    text_draw(page->steps, area_sub(area, 0, head, area.width, area.height - head));
}

/* --- keys --- */

static bool job_key(struct view *view, int key)
{
    struct job_page *page = (struct job_page *)view;
    const struct job_detail *detail = detail_of(page);
    int command = keymap_command(&job_keymap, key);
    if (key == 'f') { /* back to the step that runs */
        page->scrolled = false;
        job_update(view);
        return true;
    }
    if (!command) {
        bool used = text_key(page->steps, key);
        page->scrolled |= used;
        return used;
    }
    if (detail && detail->found)
        job_command(view->console, command, &detail->job);
    return true;
}

static size_t job_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    const struct job_detail *detail = detail_of((const struct job_page *)view);
    if (max < 2)
        return 0;
    maps[0] = detail && detail->found ? job_keymap_of(&detail->job) : &job_keymap;
    maps[1] = &text_keymap;
    return 2;
}

static const struct view_ops job_ops = {
    .name = "job",
    .free = job_free,
    .crumb = job_crumb,
    .update = job_update,
    .wish = job_wish,
    .draw = job_draw,
    .key = job_key,
    .keymaps = job_keymaps,
};
