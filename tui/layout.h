/* The parts of a screen around its widget: title bar, breadcrumbs, status line, footer with key hints. */
#ifndef TUI_LAYOUT_H
#define TUI_LAYOUT_H

#include <stddef.h>

#include "tui/cells.h"
#include "tui/keys.h"

/* From top to bottom: title (1 row), body, status (1 row), footer (1 row). Small screens lose the footer (below 6
 * rows), then the status (below 5), then the title (below 4): those areas have height 0 and draw nothing. */
struct layout {
    struct area title, body, status, footer;
};
struct layout layout_split(struct area area);

struct layout_title {
    const char *name;          /* "dogwatch" */
    const char *badge;         /* "PRODUCTION": drawn in badge_style, never dropped; NULL: none */
    unsigned badge_style;      /* ROLE_ENV_… */
    const char *const *crumbs; /* "fleet", "sites", "example.org" */
    size_t crumb_count;        /* the leftmost go first where there is no room */
    const char *right;         /* clock, engine state; dropped first; NULL: none */
    unsigned right_style;
};
void layout_title(struct area area, const struct layout_title *title);

/* Key hints of the maps, in the order given; as room shrinks those of the largest priority go first. */
void layout_footer(struct area area, const struct keymap *const *maps, size_t count);

/* One line: message at the left, `right` at the right (either may be NULL); the message is cut first. */
void layout_status(struct area area, unsigned style, const char *message, unsigned right_style, const char *right);

/* Several lines in the middle of an otherwise empty area: what is (not) here, and what to do. '\n' separates lines;
 * those that begin with two blanks stand below one another. */
void layout_empty(struct area area, unsigned style, const char *message);

/* "name  value" rows of an object's page, names right-aligned in a common width. Returns the rows used. */
struct layout_field {
    const char *name;
    const char *value;
    unsigned style; /* of the value */
};
int layout_fields(struct area area, const struct layout_field *fields, size_t count);

/* Big digits for the wallboard: text of 0-9 . : % - / and blanks, 3 rows high (1 row in plain text where it does not
 * fit). Returns the columns used. */
int layout_big(struct area area, int x, int y, unsigned style, const char *text);

#endif
