/* The restart dialog, a small state machine: wait for the plan → ask (with an optional reason) → wait for the job's
 * number → open its page. It closes itself by setting the console's pointer to NULL. */
#include "views/console/restart.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/dialog.h"
#include "tui/keys.h"
#include "views/console/objects.h"
#include "views/pages/job_page.h"

enum stage { STAGE_PLANNING, STAGE_QUESTION, STAGE_REASON, STAGE_STARTING, STAGE_REFUSED };

enum { PLAN_LINES = 500 };

struct restart {
    char site[NAME_SIZE];
    enum stage stage;
    int64_t ticket;
    struct dialog *dialog;
    char *plan;     /* its text */
    json_t *expect; /* what the person saw */
    char *reason;   /* "" unless given */
};

const char *restart_site(const struct restart *restart)
{
    return restart->site;
}

void restart_free(struct restart *restart)
{
    if (!restart)
        return;
    dialog_free(restart->dialog);
    json_decref(restart->expect);
    free(restart->plan);
    free(restart->reason);
    free(restart);
}

static void close_dialog(struct console *console)
{
    struct restart **open = console_restart(console);
    restart_free(*open);
    *open = NULL;
}

static void set_dialog(struct restart *restart, enum stage stage, struct dialog *dialog)
{
    dialog_free(restart->dialog);
    restart->dialog = dialog;
    restart->stage = stage;
}

static struct text *text_of(unsigned style, const char *lines)
{
    struct text *text = text_new(PLAN_LINES);
    text_add(text, style, lines);
    return text;
}

static const char *title_of(const struct restart *restart)
{
    static char title[NAME_SIZE + 16]; /* copied by every dialog at once */
    str_format(title, sizeof title, "Restart %s", restart->site);
    return title;
}

static void show_refusal(struct restart *restart, const char *message)
{
    struct text *text = text_of(ROLE_NORMAL, message);
    text_add(text, ROLE_DIM, "\nNothing was changed. Esc closes this.");
    set_dialog(restart, STAGE_REFUSED, dialog_message(title_of(restart), text, ROLE_CRITICAL));
}

static void show_waiting(struct restart *restart, enum stage stage, const char *message)
{
    set_dialog(restart, stage, dialog_message(title_of(restart), text_of(ROLE_ACTIVE, message), ROLE_ACCENT));
}

static void show_question(struct restart *restart)
{
    struct text *text = text_of(ROLE_NORMAL, restart->plan);
    if (restart->reason[0])
        text_addf(text, ROLE_ACCENT, "\nReason: %s", restart->reason);
    char question[160];
    str_format(question, sizeof question, "Restart %s now? (r: give a reason)", restart->site);
    set_dialog(restart, STAGE_QUESTION, dialog_confirm(title_of(restart), text, question));
}

void restart_begin(struct console *console, const char *site)
{
    struct restart **open = console_restart(console);
    if (*open)
        return;
    struct restart *restart = xcalloc(1, sizeof *restart);
    str_copy(restart->site, sizeof restart->site, site);
    restart->reason = xstrdup("");
    *open = restart;
    show_waiting(restart, STAGE_PLANNING, "Asking the engine for the plan…");
    json_t *request = json_object();
    json_put_text(request, "command", "plan");
    json_put_text(request, "action", "restart");
    json_put_text(request, "object", restart->site);
    restart->ticket = console_ask_engine(console, request);
}

/* --- the plan --- */

/* Its lines for a person: one text, or a list of lines. */
static char *plan_text(const json_t *answer)
{
    const json_t *text = json_object_get(answer, "text");
    struct buf lines = BUF(256 * 1024);
    if (json_is_string(text))
        (void)buf_puts(&lines, json_string_value(text));
    for (size_t i = 0; json_is_array(text) && i < json_array_size(text); i++) {
        const char *line = json_string_value(json_array_get(text, i));
        (void)buf_printf(&lines, "%s%s", i ? "\n" : "", line ? line : "");
    }
    return buf_take(&lines);
}

static void take_plan(struct restart *restart, const json_t *answer)
{
    const json_t *plan = json_object_get(answer, "plan");
    free(restart->plan);
    restart->plan = plan_text(answer);
    if (!json_is_object(plan) || !restart->plan || !restart->plan[0]) {
        show_refusal(restart, "The engine's answer has no plan that could be shown.");
        return;
    }
    json_decref(restart->expect);
    restart->expect = json_incref(json_object_get(plan, "id"));
    show_question(restart);
}

/* --- going ahead --- */

static void run(struct console *console, struct restart *restart)
{
    struct subject site = subject_of(KIND_SITE, restart->site);
    if (!objects_exists(console, &site)) {
        show_refusal(restart, "The site is gone since the plan was made.");
        return;
    }
    json_t *request = json_object();
    json_put_text(request, "command", "run");
    json_put_text(request, "action", "restart");
    json_put_text(request, "object", restart->site);
    json_put_text(request, "reason", restart->reason);
    if (restart->expect)
        json_object_set(request, "expect", restart->expect);
    show_waiting(restart, STAGE_STARTING, "Starting the job…");
    restart->ticket = console_ask_engine(console, request);
}

static void take_job(struct console *console, struct restart *restart, const json_t *answer)
{
    int64_t job = 0;
    if (!json_get_i64(answer, "job", &job) || job < 1) {
        show_refusal(restart, "The engine did not say which job it started: look at :jobs.");
        return;
    }
    close_dialog(console);
    console_push(console, job_page_new(console, job));
}

bool restart_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info)
{
    struct restart *restart = *console_restart(console);
    if (!restart || restart->ticket != ticket)
        return false;
    restart->ticket = 0;
    if (!answer)
        show_refusal(restart, info->message);
    else if (restart->stage == STAGE_PLANNING)
        take_plan(restart, answer);
    else if (restart->stage == STAGE_STARTING)
        take_job(console, restart, answer);
    return true;
}

/* --- keys --- */

static void ask_reason(struct restart *restart)
{
    struct text *text =
        text_of(ROLE_NORMAL, "It is kept with the job and in the audit log. Enter takes it, Esc leaves it.");
    set_dialog(restart, STAGE_REASON, dialog_ask(title_of(restart), text, "Reason: ", restart->reason));
}

static void reason_key(struct restart *restart, int key)
{
    enum dialog_result result = dialog_key(restart->dialog, key);
    if (result == DIALOG_YES)
        xstr_set(&restart->reason, dialog_input(restart->dialog));
    if (result != DIALOG_OPEN)
        show_question(restart);
}

void restart_key(struct console *console, int key)
{
    struct restart *restart = *console_restart(console);
    if (restart->stage == STAGE_REASON) {
        reason_key(restart, key);
        return;
    }
    if (restart->stage == STAGE_QUESTION && key == 'r') {
        ask_reason(restart);
        return;
    }
    enum dialog_result result = dialog_key(restart->dialog, key);
    if (result == DIALOG_YES && restart->stage == STAGE_QUESTION) {
        run(console, restart);
        return;
    }
    if (result == DIALOG_OPEN)
        return;
    bool starting = restart->stage == STAGE_STARTING;
    close_dialog(console);
    if (starting)
        console_say(console, ROLE_WARNING, "the job was asked for and may start all the same: look at :jobs");
}

void restart_draw(struct console *console, struct area area)
{
    struct restart *restart = *console_restart(console);
    if (restart)
        dialog_draw(restart->dialog, area);
}
