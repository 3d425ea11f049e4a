/* The dialog of an action, a small state machine: wait for the plan → ask (with an optional reason) → wait for the
 * job's number → open its page. It closes itself by setting the console's pointer to NULL. */
#include "views/console/action_dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/dialog.h"
#include "tui/keys.h"
#include "views/console/objects.h"
#include "views/pages/job_page.h"

enum stage { STAGE_PLANNING, STAGE_QUESTION, STAGE_REASON, STAGE_STARTING, STAGE_REFUSED };

enum { PLAN_LINES = 500 };

struct action_dialog {
    const struct action *action;
    struct subject object; /* frozen when the dialog opened */
    enum stage stage;
    int64_t ticket;
    struct dialog *dialog;
    char *plan;     /* its text */
    json_t *expect; /* what the person saw */
    char *reason;   /* "" unless given */
};

void action_dialog_free(struct action_dialog *asked)
{
    if (!asked)
        return;
    dialog_free(asked->dialog);
    json_decref(asked->expect);
    free(asked->plan);
    free(asked->reason);
    free(asked);
}

static void close_dialog(struct console *console)
{
    struct action_dialog **open = console_action_dialog(console);
    action_dialog_free(*open);
    *open = NULL;
}

static void set_dialog(struct action_dialog *asked, enum stage stage, struct dialog *dialog)
{
    dialog_free(asked->dialog);
    asked->dialog = dialog;
    asked->stage = stage;
}

static struct text *text_of(unsigned style, const char *lines)
{
    struct text *text = text_new(PLAN_LINES);
    text_add(text, style, lines);
    return text;
}

static const char *title_of(const struct action_dialog *asked)
{
    static char title[KEY_SIZE + 32]; /* copied by every dialog at once */
    str_format(title, sizeof title, "%s %s", asked->action->title, asked->object.key);
    return title;
}

static void show_refusal(struct action_dialog *asked, const char *message)
{
    struct text *text = text_of(ROLE_NORMAL, message);
    text_add(text, ROLE_DIM, "\nNothing was changed. Esc closes this.");
    set_dialog(asked, STAGE_REFUSED, dialog_message(title_of(asked), text, ROLE_CRITICAL));
}

static void show_waiting(struct action_dialog *asked, enum stage stage, const char *message)
{
    set_dialog(asked, stage, dialog_message(title_of(asked), text_of(ROLE_ACTIVE, message), ROLE_ACCENT));
}

/* The larger the risk, the harder it is to say yes. */
static struct dialog *question_of(const struct action_dialog *asked, struct text *text)
{
    char question[KEY_SIZE + 64];
    str_format(question, sizeof question, "%s %s now? (r: give a reason)", asked->action->title, asked->object.key);
    if (asked->action->risk == RISK_MOVING || asked->action->risk == RISK_DRASTIC)
        return dialog_type_name(title_of(asked), text, asked->object.key);
    return dialog_confirm(title_of(asked), text, question);
}

static void show_question(struct action_dialog *asked)
{
    struct text *text = text_of(ROLE_NORMAL, asked->plan);
    if (asked->reason[0])
        text_addf(text, ROLE_ACCENT, "\nReason: %s", asked->reason);
    set_dialog(asked, STAGE_QUESTION, question_of(asked, text));
}

static json_t *request_of(const struct action_dialog *asked, const char *command)
{
    json_t *request = json_object();
    json_put_text(request, "command", command);
    json_put_text(request, "action", asked->action->name);
    json_put_text(request, "object", asked->object.key);
    return request;
}

void action_dialog_open(struct console *console, const struct action *action, const struct subject *object)
{
    struct action_dialog **open = console_action_dialog(console);
    if (*open)
        return;
    struct action_dialog *asked = xcalloc(1, sizeof *asked);
    asked->action = action;
    asked->object = *object;
    asked->reason = xstrdup("");
    *open = asked;
    show_waiting(asked, STAGE_PLANNING, "Asking the engine for the plan…");
    asked->ticket = console_ask_engine(console, request_of(asked, "plan"));
}

/* --- the plan --- */

static void take_plan(struct action_dialog *asked, const json_t *answer)
{
    json_t *expect = json_object_get(answer, "expect");
    const char *text = json_get_text(answer, "text");
    if (!expect || !text || !text[0]) {
        show_refusal(asked, "The engine's answer has no plan that could be shown.");
        return;
    }
    xstr_set(&asked->plan, text);
    json_decref(asked->expect);
    asked->expect = json_incref(expect);
    show_question(asked);
}

/* --- going ahead --- */

static void run(struct console *console, struct action_dialog *asked)
{
    if (!objects_exists(console, &asked->object)) {
        show_refusal(asked, "It is gone since the plan was made.");
        return;
    }
    json_t *request = request_of(asked, "run");
    json_put_text(request, "reason", asked->reason);
    json_object_set(request, "expect", asked->expect);
    show_waiting(asked, STAGE_STARTING, "Starting the job…");
    asked->ticket = console_ask_engine(console, request);
}

static void take_job(struct console *console, struct action_dialog *asked, const json_t *answer)
{
    int64_t job = 0;
    if (!json_get_i64(answer, "job", &job) || job < 1) {
        show_refusal(asked, "The engine did not say which job it started: look at :jobs.");
        return;
    }
    close_dialog(console);
    console_push(console, job_page_new(console, job));
}

/* Only an answer that is an answer says that nothing happened. */
static void show_failure(struct action_dialog *asked, const struct err_info *info)
{
    bool unsure = info->code == ERR_TIMEOUT || info->code == ERR_CLOSED || info->code == ERR_GARBAGE;
    if (asked->stage != STAGE_STARTING || !unsure) {
        show_refusal(asked, info->message);
        return;
    }
    struct text *text = text_of(ROLE_NORMAL, info->message);
    text_add(text, ROLE_WARNING, "\nIt is not known whether the job began: look at :jobs before asking again.");
    set_dialog(asked, STAGE_REFUSED, dialog_message(title_of(asked), text, ROLE_WARNING));
}

bool action_dialog_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (!asked || asked->ticket != ticket)
        return false;
    asked->ticket = 0;
    if (!answer)
        show_failure(asked, info);
    else if (asked->stage == STAGE_PLANNING)
        take_plan(asked, answer);
    else if (asked->stage == STAGE_STARTING)
        take_job(console, asked, answer);
    return true;
}

/* --- keys --- */

static void ask_reason(struct action_dialog *asked)
{
    struct text *text =
        text_of(ROLE_NORMAL, "It is kept with the job and in the audit log. Enter takes it, Esc leaves it.");
    set_dialog(asked, STAGE_REASON, dialog_ask(title_of(asked), text, "Reason: ", asked->reason));
}

static void reason_key(struct action_dialog *asked, int key)
{
    enum dialog_result result = dialog_key(asked->dialog, key);
    if (result == DIALOG_YES)
        xstr_set(&asked->reason, dialog_input(asked->dialog));
    if (result != DIALOG_OPEN)
        show_question(asked);
}

void action_dialog_key(struct console *console, int key)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (asked->stage == STAGE_REASON) {
        reason_key(asked, key);
        return;
    }
    if (asked->stage == STAGE_QUESTION && key == 'r' && asked->action->risk <= RISK_DISTURBING) {
        ask_reason(asked);
        return;
    }
    enum dialog_result result = dialog_key(asked->dialog, key);
    if (result == DIALOG_YES && asked->stage == STAGE_QUESTION) {
        run(console, asked);
        return;
    }
    if (result == DIALOG_OPEN)
        return;
    bool starting = asked->stage == STAGE_STARTING;
    close_dialog(console);
    if (starting)
        console_say(console, ROLE_WARNING, "the job was asked for and may start all the same: look at :jobs");
}

void action_dialog_draw(struct console *console, struct area area)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (asked)
        dialog_draw(asked->dialog, area);
}
