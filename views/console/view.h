/* A screen. Views stack: the top one is drawn and gets the keys; Esc goes back to the one below. A view draws from the
 * console's picture and never waits; what it needs besides the present state it wishes for. Drawing thread only. */
#ifndef VIEWS_CONSOLE_VIEW_H
#define VIEWS_CONSOLE_VIEW_H

#include "base/json.h"
#include "tui/cells.h"
#include "tui/keys.h"
#include "views/console/picture.h"

struct console;
struct view;

#define VIEW_WHY_SIZE 512

struct view_ops {
    /* The stable word for this kind of view, as in the palette. */
    const char *name;
    void (*free)(struct view *view);
    /* Its breadcrumb, borrowed until the next call. */
    const char *(*crumb)(struct view *view);
    /* The picture or the clock has moved on. Called once before the first draw. */
    void (*update)(struct view *view);
    /* Add what it needs, for what was drawn last. `wish` is empty before. NULL: nothing. */
    void (*wish)(struct view *view, struct wish *wish);
    void (*draw)(struct view *view, struct area area);
    /* True where the key was used. Comes before the console's own keys. */
    bool (*key)(struct view *view, int key);
    /* Esc: take back something smaller than the view itself (a filter). False: leave the view. NULL: never. */
    bool (*back)(struct view *view);
    /* Set the filter typed after '/'; ERR_INVALID leaves the last good one. NULL: there is nothing to filter. */
    enum err (*filter)(struct view *view, const char *text, struct err_info *info);
    /* The object that actions are for, by ID. False where there is none. NULL: never one. */
    bool (*selected)(struct view *view, struct subject *out);
    /* One line about what is selected, for the status row: why it is as it is, or words its columns cut; "" or not. Not
     * sanitised. Returns its style. NULL: nothing to say. */
    unsigned (*why)(struct view *view, char out[VIEW_WHY_SIZE]);
    /* How many rows are marked. NULL: none ever. */
    size_t (*marked)(struct view *view);
    /* Call for each of them. NULL where `marked` is. */
    void (*each_marked)(struct view *view, void (*each)(void *context, const struct subject *subject), void *context);
    /* An answer of the engine; `answer` is borrowed and NULL on failure. True where the ticket is its own. NULL: it
     * never asks. */
    bool (*reply)(struct view *view, int64_t ticket, json_t *answer, const struct err_info *info);
    /* Key tables for footer and help, most particular first. Returns how many of the `max` were filled. */
    size_t (*keymaps)(struct view *view, const struct keymap **maps, size_t max);
};

struct view { /* first member of each concrete view */
    const struct view_ops *ops;
    struct console *console;
};

#endif
