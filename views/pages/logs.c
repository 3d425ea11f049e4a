/* The log screen. New lines come at the end as long as the person has not scrolled up. */
#include "views/pages/logs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tui/layout.h"
#include "views/pages/lines.h"

enum { LOG_LINES = 1000 };

struct logs {
    struct view view;
    struct subject subject;
    struct text *text;
    uint64_t serial; /* of the piece that is in the text; 0: none */
    char crumb[KEY_SIZE + 16];
};

static const struct view_ops logs_ops;

struct view *logs_new(struct console *console, const struct subject *subject)
{
    struct logs *logs = xcalloc(1, sizeof *logs);
    logs->view = (struct view){.ops = &logs_ops, .console = console};
    logs->subject = *subject;
    logs->text = text_new(LOG_LINES + 1);
    text_set_follow(logs->text, true);
    text_set_empty(logs->text, "reading the log…");
    str_format(logs->crumb, sizeof logs->crumb, "log of %s", subject->key);
    return &logs->view;
}

static void logs_free(struct view *view)
{
    text_free(((struct logs *)view)->text);
    free(view);
}

static const char *logs_crumb(struct view *view)
{
    return ((struct logs *)view)->crumb;
}

static void logs_update(struct view *view)
{
    struct logs *logs = (struct logs *)view;
    const struct picture *picture = console_picture(view->console);
    if (logs->serial == picture->logs_serial)
        return;
    if (!lines_of_log(logs->text, picture, &logs->subject, logs->subject.kind != KIND_CONTAINER))
        return;
    logs->serial = picture->logs_serial;
    text_set_empty(logs->text, "no lines yet");
}

static void logs_wish(struct view *view, struct wish *wish)
{
    lines_wish(view->console, &((struct logs *)view)->subject, LOG_LINES, wish);
}

static void logs_draw(struct view *view, struct area area)
{
    struct logs *logs = (struct logs *)view;
    char position[TEXT_POSITION_SIZE], state[TEXT_POSITION_SIZE + 32];
    int line = area.height >= 4;
    text_draw(logs->text, area_sub(area, 0, 0, area.width, area.height - line));
    if (!line)
        return;
    str_format(state, sizeof state, "%s%s", text_is_following(logs->text) ? "following  " : "",
        text_position(logs->text, position));
    layout_status(area_row(area, area.height - 1), ROLE_DIM, "newest at the bottom", ROLE_DIM, state);
}

static bool logs_key(struct view *view, int key)
{
    return text_key(((struct logs *)view)->text, key);
}

static enum err logs_filter(struct view *view, const char *pattern, struct err_info *info)
{
    return text_search(((struct logs *)view)->text, pattern, info);
}

static size_t logs_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    (void)view;
    if (max > 0)
        maps[0] = &text_keymap;
    return max > 0 ? 1 : 0;
}

static const struct view_ops logs_ops = {
    .name = "logs",
    .free = logs_free,
    .crumb = logs_crumb,
    .update = logs_update,
    .wish = logs_wish,
    .draw = logs_draw,
    .key = logs_key,
    .filter = logs_filter,
    .keymaps = logs_keymaps,
};
