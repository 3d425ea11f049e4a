/* The console's heart: the stack of views, who gets a key, and what is drawn where. Order of keys: an open dialog, the
 * line being typed, the view, actions on the selected object, the console itself. */
#include "views/console/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/dialog.h"
#include "tui/input.h"
#include "tui/layout.h"
#include "tui/text.h"
#include "views/console/action_dialog.h"
#include "views/console/help.h"
#include "views/console/list.h"
#include "views/console/objects.h"
#include "views/console/screens.h"

enum { DEPTH_MAX = 16, COUNTS_FROM_ROWS = 12, TROUBLE_LINES = 100 };

enum command {
    CONSOLE_PALETTE = 1,
    CONSOLE_FILTER,
    CONSOLE_BACK,
    CONSOLE_HELP,
    CONSOLE_START,
    CONSOLE_REPAINT,
    CONSOLE_QUIT
};

static const struct key_binding bindings[] = {
    {'?', CONSOLE_HELP, "help", "help", "The keys of this screen", 1},
    {KEYS_ESC, CONSOLE_BACK, "back", "back", "Take back marks, then the filter, then leave the screen", 2},
    {'/', CONSOLE_FILTER, "filter", "filter", "Show only rows that match", 3},
    {':', CONSOLE_PALETTE, "palette", "go to", "Go to a screen by name; Tab completes", 4},
    {'q', CONSOLE_QUIT, "quit", NULL, "Back; on the first screen: leave the console (jobs go on)", 9},
    {'E', CONSOLE_START, "start-engine", NULL, "Start the engine where none is running", 9},
    {KEYS_CTRL('l'), CONSOLE_REPAINT, "repaint", NULL, "Draw the whole screen again", 9},
};
const struct keymap console_keymap = KEYMAP("Everywhere", bindings);

struct console {
    struct picture picture;
    struct freshness freshness;
    VEC(struct view *) stack;
    struct input *palette, *filter; /* the history of each lives as long as the console */
    struct input *typing;           /* one of the two, or NULL */
    struct dialog *dialog;
    struct action_dialog *asked;
    char message[512];
    unsigned message_style;
    console_ask *ask;
    void *ask_owner;
    int64_t last_ticket, start_ticket;
    size_t range;
    char *welcome;
    VEC(int64_t) running; /* jobs that were running at the last look */
    bool over, repaint;
};

/* --- life --- */

struct console *console_new(console_ask *ask, void *ask_owner)
{
    struct console *console = xcalloc(1, sizeof *console);
    console->ask = ask;
    console->ask_owner = ask_owner;
    console->palette = input_new(":", &screens_completion);
    console->filter = input_new("/", NULL);
    console_update(console, NULL);
    console_push(console, list_new(console, &sites_screen));
    return console;
}

static void free_views(struct console *console)
{
    for (size_t i = console->stack.count; i-- > 0;)
        console->stack.items[i]->ops->free(console->stack.items[i]);
    vec_clear(&console->stack);
}

void console_free(struct console *console)
{
    if (!console)
        return;
    free_views(console);
    vec_free(&console->stack);
    vec_free(&console->running);
    free(console->welcome);
    input_free(console->palette);
    input_free(console->filter);
    dialog_free(console->dialog);
    action_dialog_free(console->asked);
    picture_clear(&console->picture);
    free(console);
}

void console_set_welcome(struct console *console, const char *welcome)
{
    xstr_set(&console->welcome, welcome);
    console_update(console, NULL);
}

/* --- for views --- */

const char *console_welcome(const struct console *console)
{
    return console->picture.snapshot ? NULL : console->welcome;
}

const struct picture *console_picture(const struct console *console)
{
    return &console->picture;
}

struct picture *console_picture_mutable(struct console *console)
{
    return &console->picture;
}

struct freshness console_freshness(const struct console *console)
{
    return console->freshness;
}

struct view *console_top(const struct console *console)
{
    return console->stack.items[console->stack.count - 1];
}

size_t console_depth(const struct console *console)
{
    return console->stack.count;
}

struct view *console_view(const struct console *console, size_t index)
{
    return console->stack.items[index];
}

void console_push(struct console *console, struct view *view)
{
    console->typing = NULL;
    if (console->stack.count == DEPTH_MAX) {
        console->stack.items[1]->ops->free(console->stack.items[1]);
        memmove(&console->stack.items[1], &console->stack.items[2], (DEPTH_MAX - 2) * sizeof *console->stack.items);
        console->stack.count--;
    }
    vec_push(&console->stack, view);
    view->ops->update(view);
}

void console_back(struct console *console)
{
    if (console->stack.count < 2)
        return;
    struct view *view = console_top(console);
    console->stack.count--;
    view->ops->free(view);
    view = console_top(console);
    view->ops->update(view); /* its pointers are from before */
}

void console_switch(struct console *console, struct view *view)
{
    free_views(console);
    console_push(console, view);
}

void console_say(struct console *console, unsigned style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(console->message, sizeof console->message, format, args);
    va_end(args);
    console->message_style = style;
}

void console_show(struct console *console, const char *title, struct text *body, unsigned style)
{
    dialog_free(console->dialog);
    console->dialog = dialog_message(title, body, style);
}

void console_show_trouble(struct console *console, const char *message)
{
    struct text *body = text_new(TROUBLE_LINES);
    text_add(body, ROLE_NORMAL, message);
    text_add(body, ROLE_DIM, "\nWithout an engine nothing new comes in. E tries again.");
    console_say(console, ROLE_NORMAL, "%s", "");
    console_show(console, "No engine could be started", body, ROLE_CRITICAL);
}

int64_t console_ask_engine(struct console *console, json_t *request)
{
    console->ask(console->ask_owner, ++console->last_ticket, request);
    return console->last_ticket;
}

struct action_dialog **console_action_dialog(struct console *console)
{
    return &console->asked;
}

size_t *console_range(struct console *console)
{
    return &console->range;
}

void console_quit(struct console *console)
{
    console->over = true;
}

bool console_is_over(const struct console *console)
{
    return console->over;
}

bool console_is_busy(const struct console *console)
{
    return console->running.count > 0;
}

bool console_wants_repaint(struct console *console)
{
    bool wanted = console->repaint;
    console->repaint = false;
    return wanted;
}

size_t console_keymaps(struct console *console, const struct keymap **maps)
{
    struct view *top = console_top(console);
    size_t count = top->ops->keymaps(top, maps, CONSOLE_KEYMAPS_MAX - 2);
    maps[count++] = &console_keymap;
    maps[count++] = &screens_keymap;
    return count;
}

/* --- data --- */

static bool was_running(const struct console *console, int64_t id)
{
    vec_each (&console->running, const int64_t, running)
        if (*running == id)
            return true;
    return false;
}

/* Of one that is done the message says what; of others it says why. */
static void tell_end(struct console *console, const struct job_record *job, const struct shown_state *state)
{
    long long id = job->id;
    unsigned style = concern_style(state->concern);
    if (job->state == JOB_DONE)
        console_say(console, style, "%s job %lld: %s", state->symbol, id, job->message);
    else
        console_say(console, style, "%s job %lld: %s %s %s: %s", state->symbol, id, job->action, job->object,
            state->word, job->message);
}

/* Its page says so itself. */
static bool shows_job(struct console *console, int64_t id)
{
    struct wish wish = {0};
    struct view *top = console->stack.count ? console_top(console) : NULL;
    if (top && top->ops->wish)
        top->ops->wish(top, &wish);
    return wish.job == id;
}

/* A job that ends while the person looks elsewhere is told of. */
static void watch_jobs(struct console *console)
{
    if (!console->picture.jobs)
        return;
    vec_each (&console->picture.jobs->items, const struct job_record, job) {
        struct shown_state state = shown_job(job);
        if (state.concern != CONCERN_ACTIVE && was_running(console, job->id) && !shows_job(console, job->id))
            tell_end(console, job, &state);
    }
    vec_clear(&console->running);
    vec_each (&console->picture.jobs->items, const struct job_record, job)
        if (shown_job(job).concern == CONCERN_ACTIVE)
            vec_push(&console->running, job->id);
}

void console_update(struct console *console, struct picture *fresh)
{
    if (fresh)
        picture_merge(&console->picture, fresh);
    static const struct snapshot nothing;
    const struct snapshot *snapshot = console->picture.snapshot ? console->picture.snapshot : &nothing;
    console->freshness = freshness_of(snapshot, clock_wall_us());
    watch_jobs(console);
    if (console->stack.count > 0)
        console_top(console)->ops->update(console_top(console));
}

void console_wish(struct console *console, struct wish *wish)
{
    struct view *top = console_top(console);
    memset(wish, 0, sizeof *wish); /* padding too: wishes are compared whole */
    if (top->ops->wish)
        top->ops->wish(top, wish);
}

void console_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info)
{
    if (ticket == console->start_ticket) {
        console->start_ticket = 0;
        if (info->code != ERR_OK)
            console_show_trouble(console, info->message);
        else
            console_say(console, ROLE_OK, "the engine is running");
        return;
    }
    if (action_dialog_reply(console, ticket, answer, info))
        return;
    for (size_t i = console->stack.count; i-- > 0;) {
        struct view *view = console->stack.items[i];
        if (view->ops->reply && view->ops->reply(view, ticket, answer, info))
            return;
    }
    if (info->code != ERR_OK)
        console_say(console, ROLE_CRITICAL, "%s", info->message);
}

/* --- keys --- */

static void start_engine(struct console *console)
{
    if (console->start_ticket) {
        console_say(console, ROLE_ACTIVE, "the engine is being started…");
        return;
    }
    console->start_ticket = console_ask_engine(console, NULL);
    console_say(console, ROLE_ACTIVE, "starting the engine…");
}

static void begin_filter(struct console *console)
{
    struct view *top = console_top(console);
    if (!top->ops->filter) {
        console_say(console, ROLE_DIM, "there is nothing to filter here");
        return;
    }
    console->typing = console->filter;
    input_set(console->filter, "");
}

static void go_back(struct console *console)
{
    struct view *top = console_top(console);
    if (top->ops->back && top->ops->back(top))
        return;
    if (console->stack.count > 1)
        console_back(console);
    else
        console_say(console, ROLE_DIM, "this is the first screen: q leaves the console");
}

static void quit_or_back(struct console *console)
{
    if (console->stack.count > 1)
        console_back(console);
    else
        console->over = true;
}

static void run_command(struct console *console, int command)
{
    switch ((enum command)command) {
    case CONSOLE_PALETTE:
        console->typing = console->palette;
        input_set(console->palette, "");
        break;
    case CONSOLE_FILTER:
        begin_filter(console);
        break;
    case CONSOLE_BACK:
        go_back(console);
        break;
    case CONSOLE_HELP:
        if (strcmp(console_top(console)->ops->name, "help") != 0)
            console_push(console, help_new(console));
        break;
    case CONSOLE_START:
        start_engine(console);
        break;
    case CONSOLE_REPAINT:
        console->repaint = true;
        break;
    case CONSOLE_QUIT:
        quit_or_back(console);
        break;
    }
}

static void palette_key(struct console *console, int key)
{
    struct err_info info = {0};
    enum input_result result = input_key(console->palette, key);
    if (result == INPUT_CANCELLED)
        console->typing = NULL;
    if (result != INPUT_ACCEPTED)
        return;
    char *line = xstrdup(input_choice(console->palette));
    if (screens_run(console, line, &info) == ERR_OK)
        console->typing = NULL;
    else
        input_set_error(console->palette, info.message);
    free(line);
}

/* The filter works while it is being typed; Esc takes it back. */
static void filter_key(struct console *console, int key)
{
    struct view *top = console_top(console);
    struct err_info info = {0};
    enum input_result result = input_key(console->filter, key);
    if (result == INPUT_CANCELLED)
        (void)top->ops->filter(top, "", NULL);
    else if (top->ops->filter(top, input_text(console->filter), &info) != ERR_OK)
        input_set_error(console->filter, info.message);
    if (result == INPUT_ACCEPTED || result == INPUT_CANCELLED)
        console->typing = NULL;
}

static void view_key(struct console *console, int key)
{
    struct view *top = console_top(console);
    if (key == KEYS_CTRL('c')) {
        console_say(console, ROLE_DIM, "Ctrl-C does nothing here: Esc goes back, :q leaves the console");
        return;
    }
    if (top->ops->key && top->ops->key(top, key))
        return;
    if (objects_key(console, key))
        return;
    int command = keymap_command(&console_keymap, key);
    if (command)
        run_command(console, command);
    else if (!screens_key(console, key)) {
        char name[KEYS_NAME_SIZE];
        console_say(console, ROLE_DIM, "%s does nothing here: ? shows the keys", keys_name(key, name));
    }
}

void console_key(struct console *console, int key)
{
    console->message[0] = '\0';
    if (console->asked) {
        action_dialog_key(console, key);
    } else if (console->dialog) {
        if (dialog_key(console->dialog, key) != DIALOG_OPEN) {
            dialog_free(console->dialog);
            console->dialog = NULL;
        }
    } else if (console->typing == console->palette && console->typing) {
        palette_key(console, key);
    } else if (console->typing) {
        filter_key(console, key);
    } else {
        view_key(console, key);
    }
}

/* --- drawing --- */

static void draw_status(struct console *console, struct area area)
{
    char alarm[VIEW_WHY_SIZE];
    unsigned style;
    struct view *top = console_top(console);
    if (console->typing) {
        input_draw(console->typing, area);
        return;
    }
    header_alarm(console, &style, alarm);
    if (console->message[0]) {
        layout_status(area, console->message_style, console->message, ROLE_NORMAL, NULL);
        return;
    }
    if (!alarm[0] && top->ops->why)
        style = top->ops->why(top, alarm);
    if (!alarm[0] && header_conflict(console, alarm)[0])
        style = ROLE_CONFLICT;
    layout_status(area, style, alarm, ROLE_NORMAL, NULL);
}

void console_draw(struct console *console, struct cells *cells)
{
    cells_clear(cells);
    struct layout layout = layout_split(cells_area(cells));
    int counts = layout.body.height >= COUNTS_FROM_ROWS;
    struct area counts_row = area_sub(layout.body, 0, 0, layout.body.width, counts);
    struct area body = area_sub(layout.body, 0, counts, layout.body.width, layout.body.height - counts);
    const struct keymap *maps[CONSOLE_KEYMAPS_MAX];
    struct view *top = console_top(console);
    if (layout.status.height == 0 && console->typing) { /* typing must be seen on the smallest screen too */
        layout.status = area_sub(body, 0, body.height - 1, body.width, 1);
        body.height -= body.height > 0;
    }
    header_draw(console, layout.title, counts_row);
    top->ops->draw(top, body);
    draw_status(console, layout.status);
    layout_footer(layout.footer, maps, console_keymaps(console, maps));
    if (console->typing == console->palette && console->typing)
        input_draw_candidates(console->palette, body);
    if (console->dialog)
        dialog_draw(console->dialog, cells_area(cells));
    action_dialog_draw(console, cells_area(cells));
}
