/* A screen that is a table of one kind of object: hosts, sites, containers, volumes, jobs, timeline. What differs
 * between them is in a const struct, one file each. Drawing thread only. */
#ifndef VIEWS_CONSOLE_LIST_H
#define VIEWS_CONSOLE_LIST_H

#include "views/console/core.h"
#include "views/columns.h"

struct list_screen {
    enum row_kind kind;
    const char *sort;            /* column it begins with; NULL: the order of the store (newest first) */
    const char *empty;           /* what to do where there is nothing */
    const char *empty_scope;     /* the same within a host or site */
    bool with_events;            /* its rows come from the timeline */
    const struct keymap *keymap; /* its own keys, NULL: none */
    /* A key of the keymap; the selected object is `subject`, `row` what its row is made of. */
    void (*run)(struct console *console, int command, const struct subject *subject, const void *row);
    const char *no_actions; /* why actions on objects are not offered here; NULL: they are */
    /* Enter. `object` is of the screen's row kind. */
    void (*open)(struct console *console, const void *object);
};

extern const struct list_screen hosts_screen, sites_screen, containers_screen, volumes_screen, jobs_screen,
    timeline_screen;

struct view *list_new(struct console *console, const struct list_screen *screen);
/* Only rows of one host or site. */
struct view *list_new_within(struct console *console, const struct list_screen *screen, const struct subject *scope);
/* With a filter set from the beginning, as after "/". */
struct view *list_new_filtered(struct console *console, const struct list_screen *screen, const char *filter);

#endif
