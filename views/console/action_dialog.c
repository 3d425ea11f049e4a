/* The dialog of an action, a small state machine: (choose a target →) wait for the plan → ask (with an optional reason
 * and what else the action takes; another option asks for the plan anew) → wait for the job's number → open its page.
 * It closes itself by setting the console's pointer to NULL. */
#include "views/console/action_dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "tui/dialog.h"
#include "tui/keys.h"
#include "views/console/objects.h"
#include "views/console/option_form.h"
#include "views/console/plan_text.h"
#include "views/console/targets.h"
#include "views/pages/job_page.h"

enum stage {
    STAGE_RANKING, /* waiting for the targets */
    STAGE_TARGETS,
    STAGE_PLANNING,
    STAGE_QUESTION,
    STAGE_OPTIONS, /* and the reason */
    STAGE_STARTING,
    STAGE_CANCEL, /* asking whether a job is to be cancelled */
    STAGE_REFUSED,
};

enum {
    MESSAGE_LINES = 200,
    TITLE_SIZE = KEY_SIZE + NAME_SIZE + 48,
    TITLE_ROW_FROM = 12,
    NAMED_MOST = 5,
    OPTIONS_SIZE = 320
};

struct action_dialog {
    const struct action *action; /* NULL: undo, until the plan says by which action; cancel */
    VEC(struct subject) objects; /* frozen when the dialog opened; none for undo and cancel */
    int64_t job;                 /* undo and cancel */
    struct plan_options options; /* `to`: the chosen target; `more`: all objects but the first */
    char title[TITLE_SIZE];
    enum stage stage;
    int64_t ticket;
    struct dialog *dialog;
    struct targets *targets;
    struct option_form *form;
    char *text;     /* the plan for a person */
    json_t *plan;   /* and for the program */
    json_t *expect; /* what the person saw */
    char *reason;   /* "" unless given */
};

void action_dialog_free(struct action_dialog *asked)
{
    if (!asked)
        return;
    dialog_free(asked->dialog);
    targets_free(asked->targets);
    option_form_free(asked->form);
    plan_options_free(&asked->options);
    json_decref(asked->expect);
    json_decref(asked->plan);
    vec_free(&asked->objects);
    free(asked->text);
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
    struct text *text = text_new(MESSAGE_LINES);
    text_add(text, style, lines);
    return text;
}

static void show_refusal(struct action_dialog *asked, const char *message)
{
    struct text *text = text_of(ROLE_NORMAL, message);
    text_add(text, ROLE_DIM, "\nNothing was changed. Esc closes this.");
    set_dialog(asked, STAGE_REFUSED, dialog_message(asked->title, text, ROLE_CRITICAL));
}

static void show_waiting(struct action_dialog *asked, enum stage stage, const char *message)
{
    set_dialog(asked, stage, dialog_message(asked->title, text_of(ROLE_ACTIVE, message), ROLE_ACCENT));
}

/* "3 sites", or the one object's name: what the question is about and what has to be typed. */
static void name_objects(const struct action_dialog *asked, char *out, size_t size)
{
    const char *planned = json_get_text(asked->plan, "object");
    if (asked->objects.count > 1)
        str_format(out, size, "%zu %ss", asked->objects.count, object_kind_word(asked->objects.items[0].kind));
    else
        str_copy(out, size, asked->objects.count ? asked->objects.items[0].key : planned ? planned : "");
}

/* A host is not what is restarted: its sites are. */
static void tell_objects(const struct action_dialog *asked, char *out, size_t size)
{
    char names[KEY_SIZE];
    bool of_hosts = asked->objects.count > 0 && asked->objects.items[0].kind == KIND_HOST;
    name_objects(asked, names, sizeof names);
    str_format(out, size, "%s%s", of_hosts && asked->action->object_kind != KIND_HOST ? "all sites on " : "", names);
}

/* Of several objects which: "a.example, b.example, c.example and 4 more". */
static void list_objects(const struct action_dialog *asked, char *out, size_t size)
{
    size_t count = asked->objects.count;
    out[0] = '\0';
    for (size_t i = 0; count > 1 && i < count && i < NAMED_MOST; i++) {
        size_t length = strlen(out);
        str_format(out + length, size - length, "%s%s", i ? ", " : "", asked->objects.items[i].key);
    }
    size_t length = strlen(out);
    if (count > NAMED_MOST)
        str_format(out + length, size - length, " and %zu more", count - NAMED_MOST);
}

static void set_title(struct action_dialog *asked)
{
    char objects[KEY_SIZE + 16];
    tell_objects(asked, objects, sizeof objects);
    const char *to = asked->options.to, *where = !to[0] ? "" : (asked->action->takes & TAKES_COPY) ? " on " : " to ";
    str_format(asked->title, sizeof asked->title, "%s %s%s%s", asked->action->title, objects, where, to);
}

/* --- the question --- */

/* The larger the risk, the harder it is to say yes. */
static struct dialog *question_of(const struct action_dialog *asked, struct text *text)
{
    char question[KEY_SIZE + 64], objects[KEY_SIZE + 16];
    name_objects(asked, objects, sizeof objects);
    if (!asked->action || asked->action->risk > RISK_DISTURBING) {
        struct dialog *dialog = dialog_type_name(asked->title, text, objects);
        dialog_set_full(dialog);
        return dialog;
    }
    tell_objects(asked, objects, sizeof objects);
    str_format(question, sizeof question, "%s %s now? (r: give a reason)", asked->action->title, objects);
    return dialog_confirm(asked->title, text, question);
}

/* What an undo takes is in the job it takes back. */
static unsigned takes_of(const struct action_dialog *asked)
{
    return asked->job ? 0 : asked->action->takes;
}

/* What was given besides the object, else what could be. */
static void tell_options(const struct action_dialog *asked, struct text *note)
{
    char words[OPTIONS_SIZE];
    option_form_given(takes_of(asked), &asked->options, asked->reason, words, sizeof words);
    bool given = words[0] != '\0', by_name = !asked->action || asked->action->risk > RISK_DISTURBING;
    if (!given)
        option_form_offer(takes_of(asked), words);
    if (given)
        text_addf(note, ROLE_ACCENT, "given (Tab: change): %s", words);
    else if (by_name) /* else the question says it */
        text_addf(note, ROLE_DIM, "Tab: give %s", words);
}

/* Above the question: which objects, what must not be overlooked, what was given. */
static void show_question(struct action_dialog *asked)
{
    char names[NAMED_MOST * NAME_SIZE];
    struct dialog *dialog = question_of(asked, plan_text_new(asked->text, asked->plan));
    struct text *note = text_new(MESSAGE_LINES);
    list_objects(asked, names, sizeof names);
    if (names[0])
        text_add(note, ROLE_ACCENT, names);
    plan_text_note(asked->plan, note);
    tell_options(asked, note);
    dialog_set_note(dialog, note);
    set_dialog(asked, STAGE_QUESTION, dialog);
}

static json_t *request_of(const struct action_dialog *asked, const char *command)
{
    json_t *request = json_object(), *options = plan_options_to_json(&asked->options);
    char job[32];
    str_format(job, sizeof job, "%lld", (long long)asked->job);
    json_put_text(request, "command", command);
    json_put_text(request, "action", asked->job ? "undo" : asked->action->name);
    json_put_text(request, "object", asked->job ? job : asked->objects.items[0].key);
    if (json_object_size(options))
        json_object_set(request, "options", options);
    json_decref(options);
    return request;
}

static void ask_plan(struct console *console, struct action_dialog *asked)
{
    show_waiting(asked, STAGE_PLANNING, "Asking the engine for the plan…");
    asked->ticket = console_ask_engine(console, request_of(asked, "plan"));
}

/* --- opening --- */

static struct action_dialog *open_dialog(struct console *console)
{
    struct action_dialog **open = console_action_dialog(console);
    if (*open)
        return NULL;
    *open = xcalloc(1, sizeof **open);
    (*open)->reason = xstrdup("");
    return *open;
}

static json_t *new_copy(const char *host)
{
    json_t *copy = json_object();
    json_put_text(copy, "host", host);
    json_put_bool(copy, "fits", true);
    json_object_set_new(copy, "reasons", json_array());
    return copy;
}

/* "garden-web: running for 3h" */
static json_t *new_container_words(const struct console *console, const struct container_state *container)
{
    char words[CONTAINER_NAME_SIZE + 64], age[FORMAT_SIZE] = "";
    int64_t now_us = console_freshness(console).now_us;
    bool runs = container->state == RUN_RUNNING && container->started_us > 0 && now_us > container->started_us;
    if (runs)
        format_age(now_us - container->started_us, age);
    str_format(
        words, sizeof words, "%s: %s%s%s", container->name, run_state_word(container->state), runs ? " for " : "", age);
    return json_string(words);
}

/* The hosts that have copies of the site that could start, as the engine's ranking is written. */
static json_t *copies_of(const struct console *console, const char *site)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    json_t *copies = json_array(), *copy = NULL;
    const char *last = "";
    for (size_t i = 0; snapshot && i < snapshot->container_count; i++) { /* sorted by host */
        const struct container_state *container = &snapshot->containers[i];
        if (strcmp(container->site, site) != 0 || container->mark != MARK_NONE)
            continue;
        if (strcmp(container->host, last) != 0) {
            copy = new_copy(container->host);
            json_array_append_new(copies, copy);
        }
        last = container->host;
        json_array_append_new(json_object_get(copy, "reasons"), new_container_words(console, container));
    }
    return copies;
}

/* Which of several copies is meant; false where there is only one. */
static bool ask_copy(struct console *console, struct action_dialog *asked)
{
    char title[TITLE_SIZE];
    json_t *copies = copies_of(console, asked->objects.items[0].key);
    bool several = json_array_size(copies) > 1 && asked->objects.count == 1;
    if (several) {
        str_format(title, sizeof title, "%s: which copy?", asked->title);
        asked->targets = targets_new(title, copies);
        set_dialog(asked, STAGE_TARGETS, NULL);
    }
    json_decref(copies);
    return several;
}

static void ask_ranking(struct console *console, struct action_dialog *asked)
{
    json_t *request = json_object();
    json_put_text(request, "command", "targets");
    json_put_text(request, "object", asked->objects.items[0].key);
    show_waiting(asked, STAGE_RANKING, "Asking the engine where it could go…");
    asked->ticket = console_ask_engine(console, request);
}

void action_dialog_open(
    struct console *console, const struct action *action, const struct subject *objects, size_t count)
{
    struct action_dialog *asked = open_dialog(console);
    if (!asked)
        return;
    asked->action = action;
    for (size_t i = 0; i < count; i++)
        vec_push(&asked->objects, objects[i]);
    for (size_t i = 1; i < count; i++)
        vec_push(&asked->options.more, xstrdup(objects[i].key));
    set_title(asked);
    if (action->takes & TAKES_TARGET)
        ask_ranking(console, asked);
    else if (!(action->takes & TAKES_COPY) || !ask_copy(console, asked))
        ask_plan(console, asked);
}

void action_dialog_undo(struct console *console, const struct job_record *job)
{
    struct action_dialog *asked = open_dialog(console);
    if (!asked)
        return;
    asked->job = job->id;
    str_format(asked->title, sizeof asked->title, "Undo job %lld: %s %s", (long long)job->id, job->action, job->object);
    ask_plan(console, asked);
}

void action_dialog_cancel(struct console *console, const struct job_record *job)
{
    struct action_dialog *asked = open_dialog(console);
    if (!asked)
        return;
    asked->job = job->id;
    str_format(
        asked->title, sizeof asked->title, "Cancel job %lld: %s %s", (long long)job->id, job->action, job->object);
    struct text *text = text_of(ROLE_NORMAL, job->message);
    text_add(text, ROLE_DIM,
        "\nWhat it did is undone, step by step. Past its point of no return it goes on to its end instead, and says "
        "so.");
    set_dialog(asked, STAGE_CANCEL, dialog_confirm(asked->title, text, "Cancel it?"));
}

/* --- answers --- */

static void take_targets(struct action_dialog *asked, const json_t *answer)
{
    char title[TITLE_SIZE];
    str_format(title, sizeof title, "%s: where to?", asked->title);
    asked->targets = targets_new(title, json_object_get(answer, "targets"));
    set_dialog(asked, STAGE_TARGETS, NULL);
}

static void take_plan(struct action_dialog *asked, const json_t *answer)
{
    json_t *expect = json_object_get(answer, "expect"), *plan = json_object_get(answer, "plan");
    const char *text = json_get_text(answer, "text"), *action = json_get_text(plan, "action");
    if (!expect || !text || !text[0]) {
        show_refusal(asked, "The engine's answer has no plan that could be shown.");
        return;
    }
    xstr_set(&asked->text, text);
    json_decref(asked->expect);
    json_decref(asked->plan);
    asked->expect = json_incref(expect);
    asked->plan = json_incref(plan);
    if (asked->job && action)
        asked->action = action_find(action);
    show_question(asked);
}

static bool all_exist(const struct console *console, const struct action_dialog *asked)
{
    vec_each (&asked->objects, const struct subject, object)
        if (!objects_exists(console, object))
            return false;
    return true;
}

static void run(struct console *console, struct action_dialog *asked)
{
    if (!all_exist(console, asked)) {
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
    set_dialog(asked, STAGE_REFUSED, dialog_message(asked->title, text, ROLE_WARNING));
}

bool action_dialog_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (!asked || !ticket || asked->ticket != ticket)
        return false;
    asked->ticket = 0;
    if (!answer)
        show_failure(asked, info);
    else if (asked->stage == STAGE_RANKING)
        take_targets(asked, answer);
    else if (asked->stage == STAGE_PLANNING)
        take_plan(asked, answer);
    else if (asked->stage == STAGE_STARTING)
        take_job(console, asked, answer);
    return true;
}

/* --- keys --- */

static void open_form(struct action_dialog *asked)
{
    option_form_free(asked->form);
    asked->form = option_form_new(asked->title, takes_of(asked), &asked->options, asked->reason);
    set_dialog(asked, STAGE_OPTIONS, NULL);
}

/* Another option is another plan; a reason changes nothing of it. */
static void form_keys(struct console *console, struct action_dialog *asked, int key)
{
    bool changed = false;
    enum form_result result = option_form_key(asked->form, key, &asked->options, &asked->reason, &changed);
    if (result != FORM_OPEN && changed)
        ask_plan(console, asked);
    else if (result != FORM_OPEN)
        show_question(asked);
}

static void targets_keys(struct console *console, struct action_dialog *asked, int key)
{
    enum targets_result result = targets_key(asked->targets, key);
    if (result == TARGETS_LEFT)
        close_dialog(console);
    if (result != TARGETS_CHOSEN)
        return;
    str_copy(asked->options.to, sizeof asked->options.to, targets_chosen(asked->targets));
    set_title(asked);
    ask_plan(console, asked);
}

static void cancel(struct console *console, struct action_dialog *asked)
{
    json_t *request = json_object();
    json_put_text(request, "command", "cancel");
    json_put_i64(request, "job", asked->job);
    (void)console_ask_engine(console, request);
    close_dialog(console);
    console_say(console, ROLE_ACTIVE, "asked the engine to cancel: the steps show what is undone");
}

/* From the plan back to the choice of the target. */
static bool back_to_targets(struct action_dialog *asked)
{
    if (!asked->targets || (asked->stage != STAGE_QUESTION && asked->stage != STAGE_REFUSED))
        return false;
    asked->options.to[0] = '\0';
    set_title(asked);
    set_dialog(asked, STAGE_TARGETS, NULL);
    return true;
}

static void leave(struct console *console, struct action_dialog *asked)
{
    bool starting = asked->stage == STAGE_STARTING;
    if (back_to_targets(asked))
        return;
    close_dialog(console);
    if (starting)
        console_say(console, ROLE_WARNING, "the job was asked for and may start all the same: look at :jobs");
}

void action_dialog_key(struct console *console, int key)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (asked->stage == STAGE_TARGETS) {
        targets_keys(console, asked, key);
        return;
    }
    if (asked->stage == STAGE_OPTIONS) {
        form_keys(console, asked, key);
        return;
    }
    bool quick = asked->action && asked->action->risk <= RISK_DISTURBING;
    if (asked->stage == STAGE_QUESTION && (key == KEYS_TAB || (key == 'r' && quick))) {
        open_form(asked);
        return;
    }
    enum dialog_result result = dialog_key(asked->dialog, key);
    if (result == DIALOG_YES && asked->stage == STAGE_QUESTION)
        run(console, asked);
    else if (result == DIALOG_YES && asked->stage == STAGE_CANCEL)
        cancel(console, asked);
    else if (result != DIALOG_OPEN)
        leave(console, asked);
}

/* The title bar stays in sight where there is room: it says which fleet this is. */
void action_dialog_draw(struct console *console, struct area area)
{
    struct action_dialog *asked = *console_action_dialog(console);
    if (!asked)
        return;
    if (area.height >= TITLE_ROW_FROM)
        area = area_sub(area, 0, 1, area.width, area.height - 1);
    if (asked->stage == STAGE_TARGETS)
        targets_draw(asked->targets, area);
    else if (asked->stage == STAGE_OPTIONS)
        option_form_draw(asked->form, area);
    else
        dialog_draw(asked->dialog, area);
}
