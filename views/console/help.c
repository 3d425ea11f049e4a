/* The help screen. Its text is fixed when it opens: it speaks of the screen it was called from. */
#include "views/console/help.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tui/text.h"

enum { HELP_LINES = 500 };

struct help {
    struct view view;
    struct text *text;
};

static const struct view_ops help_ops;

static void add_grammar(struct text *text)
{
    text_add(text, ROLE_NORMAL, "");
    text_add(text, ROLE_TITLE, "What the filter understands");
    text_add_pair(text, ROLE_KEY, "  /text         ", ROLE_NORMAL, "rows that match the regular expression");
    text_add_pair(text, ROLE_KEY, "  /!text        ", ROLE_NORMAL, "rows that do not");
    text_add_pair(text, ROLE_KEY, "  /~ex1         ", ROLE_NORMAL, "rows that have these characters in this order");
    text_add(text, ROLE_NORMAL, "");
    text_add(text, ROLE_TITLE, "What the signs mean");
    static const enum concern concerns[] = {CONCERN_CONFLICT, CONCERN_QUARANTINED, CONCERN_CRITICAL, CONCERN_WARNING,
        CONCERN_UNKNOWN, CONCERN_ACTIVE, CONCERN_OK, CONCERN_NONE};
    static const char *const meanings[] = {"conflict: two startable copies of one site; W asks every host",
        "quarantined: contained on purpose, kept as evidence", "act now", "look at it today",
        "no data: neither fine nor broken; figures are what was last known", "something is being done", "fine",
        "not running, and not meant to"};
    for (size_t i = 0; i < sizeof concerns / sizeof *concerns; i++) {
        char sign[32];
        str_format(sign, sizeof sign, "  %s             ", concern_symbol(concerns[i]));
        text_add_pair(text, concern_style(concerns[i]), sign, ROLE_NORMAL, meanings[i]);
    }
}

struct view *help_new(struct console *console)
{
    struct help *help = xcalloc(1, sizeof *help);
    const struct keymap *maps[CONSOLE_KEYMAPS_MAX];
    help->view = (struct view){.ops = &help_ops, .console = console};
    help->text = text_new(HELP_LINES);
    text_set_wrap(help->text, true);
    size_t count = console_keymaps(console, maps);
    keymap_help(maps, count, help->text);
    add_grammar(help->text);
    return &help->view;
}

static void help_free(struct view *view)
{
    text_free(((struct help *)view)->text);
    free(view);
}

static const char *help_crumb(struct view *view)
{
    (void)view;
    return "help";
}

static void help_update(struct view *view)
{
    (void)view;
}

static void help_draw(struct view *view, struct area area)
{
    text_draw(((struct help *)view)->text, area);
}

static bool help_key(struct view *view, int key)
{
    return text_key(((struct help *)view)->text, key);
}

static size_t help_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    (void)view;
    if (max > 0)
        maps[0] = &text_keymap;
    return max > 0 ? 1 : 0;
}

static const struct view_ops help_ops = {
    .name = "help",
    .free = help_free,
    .crumb = help_crumb,
    .update = help_update,
    .draw = help_draw,
    .key = help_key,
    .keymaps = help_keymaps,
};
