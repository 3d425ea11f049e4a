/* Where one can go from anywhere. */
#include "views/console/screens.h"

#include <string.h>

#include "actions/action.h"
#include "base/mem.h"
#include "base/name.h"
#include "views/console/help.h"
#include "views/console/list.h"
#include "views/console/objects.h"

static void go_help(struct console *console)
{
    console_push(console, help_new(console));
}

static const struct screen {
    const char *word;
    int key; /* 0: none */
    const char *help;
    const struct list_screen *list; /* or: */
    void (*run)(struct console *console);
} screens[] = {
    {"hosts", '1', "All hosts, those in trouble first", &hosts_screen, NULL},
    {"sites", '2', "All sites, those in trouble first", &sites_screen, NULL},
    {"containers", '3', "All containers on all hosts", &containers_screen, NULL},
    {"volumes", '4', "All volumes, their size and the space left", &volumes_screen, NULL},
    {"jobs", '5', "What is being done and what was done", &jobs_screen, NULL},
    {"timeline", '6', "What changed, newest first", &timeline_screen, NULL},
    {"help", 0, "The keys of this screen", NULL, go_help},
    {"quit", 0, "Leave the console; jobs go on in the engine", NULL, console_quit},
    {"q", 0, "Leave the console", NULL, console_quit},
};
enum { SCREEN_COUNT = sizeof screens / sizeof *screens, KEYED = 6 };

static const struct key_binding bindings[KEYED] = {
    {'1', 1, "hosts", NULL, "All hosts, those in trouble first", 8},
    {'2', 2, "sites", NULL, "All sites, those in trouble first", 8},
    {'3', 3, "containers", NULL, "All containers on all hosts", 8},
    {'4', 4, "volumes", NULL, "All volumes, their size and the space left", 8},
    {'5', 5, "jobs", NULL, "What is being done and what was done", 8},
    {'6', 6, "timeline", NULL, "What changed, newest first", 8},
};
const struct keymap screens_keymap = KEYMAP("Screens", bindings);

bool screens_key(struct console *console, int key)
{
    int command = keymap_command(&screens_keymap, key);
    if (command)
        console_switch(console, list_new(console, screens[command - 1].list));
    return command != 0;
}

static void complete(
    void *context, const char *typed, void (*add)(void *list, const char *candidate, const char *help), void *list)
{
    (void)context;
    for (size_t i = 0; i < SCREEN_COUNT; i++)
        if (str_starts(screens[i].word, typed) && strlen(screens[i].word) > 1)
            add(list, screens[i].word, screens[i].help);
    for (const struct action *action = action_first(); action; action = action_next(action))
        if (!action->is_internal && str_starts(action->name, typed))
            add(list, action->name, action->help);
}
const struct input_completion screens_completion = {.complete = complete};

static enum err unknown_word(const char *word, struct err_info *info)
{
    const char *words[SCREEN_COUNT];
    for (size_t i = 0; i < SCREEN_COUNT; i++)
        words[i] = screens[i].word;
    const char *nearest = name_nearest(word, words, SCREEN_COUNT);
    if (nearest)
        return err_set(info, ERR_NOT_FOUND, "there is no “%s”; did you mean “%s”?", word, nearest);
    return err_set(info, ERR_NOT_FOUND, "there is no “%s”: Tab shows what there is", word);
}

/* The screen a word means: the word itself, or its only beginning ("cont"). */
static const struct screen *find_screen(const char *word)
{
    const struct screen *found = NULL;
    for (size_t i = 0; i < SCREEN_COUNT; i++) {
        if (strcmp(screens[i].word, word) == 0)
            return &screens[i];
        if (str_starts(screens[i].word, word))
            found = found ? NULL : &screens[i];
    }
    return found;
}

enum err screens_run(struct console *console, const char *line, struct err_info *info)
{
    char word[64];
    line += strspn(line, " ");
    size_t length = strcspn(line, " ");
    if (length == 0)
        return ERR_OK;
    str_format(word, sizeof word, "%.*s", (int)length, line);
    const struct screen *screen = find_screen(word);
    const struct action *action = action_find(word);
    if (action && !action->is_internal) {
        objects_act(console, action);
        return ERR_OK;
    }
    const char *filter = line + length + strspn(line + length, " ");
    if (!screen)
        return unknown_word(word, info);
    if (screen->list)
        console_switch(console, list_new_filtered(console, screen->list, filter));
    else
        screen->run(console);
    return ERR_OK;
}
