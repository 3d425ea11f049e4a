/* What a cell means, not how it looks: a style is one role plus flags, e.g. ROLE_CRITICAL | STYLE_SELECTED. A theme
 * turns it into colours and attributes only when the terminal paints it, so everything drawn can be compared and tested
 * by meaning. */
#ifndef TUI_STYLE_H
#define TUI_STYLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* name in theme files and dumps, constant, what it is for */
#define STYLE_ROLES(X)                                                                                                 \
    X(normal, ROLE_NORMAL, "text")                                                                                     \
    X(dim, ROLE_DIM, "text of little interest; stale values")                                                          \
    X(title, ROLE_TITLE, "headings, the title bar's text")                                                             \
    X(accent, ROLE_ACCENT, "the one accent: focus, cursor, links")                                                     \
    X(ok, ROLE_OK, "state: fine")                                                                                      \
    X(warning, ROLE_WARNING, "state: look at it today")                                                                \
    X(critical, ROLE_CRITICAL, "state: act now")                                                                       \
    X(unknown, ROLE_UNKNOWN, "state: no data, which is neither fine nor broken")                                       \
    X(active, ROLE_ACTIVE, "state: something is being done (a running job)")                                           \
    X(quarantined, ROLE_QUARANTINED, "state: contained, and kept so on purpose")                                       \
    X(conflict, ROLE_CONFLICT, "state: the loudest there is: two startable copies of one site")                        \
    X(selected, ROLE_SELECTED, "background of the selected row")                                                       \
    X(marked, ROLE_MARKED, "a marked row")                                                                             \
    X(header, ROLE_HEADER, "column headings")                                                                          \
    X(key, ROLE_KEY, "names of keys in footer and help")                                                               \
    X(border, ROLE_BORDER, "box lines, axes, rulers")                                                                  \
    X(match, ROLE_MATCH, "background of what a search found")                                                          \
    X(input, ROLE_INPUT, "the line being typed")                                                                       \
    X(chart1, ROLE_CHART1, "first series")                                                                             \
    X(chart2, ROLE_CHART2, "second series")                                                                            \
    X(chart3, ROLE_CHART3, "third series")                                                                             \
    X(chart4, ROLE_CHART4, "fourth series")                                                                            \
    X(env_production, ROLE_ENV_PRODUCTION, "title bar of a production fleet")                                          \
    X(env_staging, ROLE_ENV_STAGING, "title bar of a staging fleet")                                                   \
    X(env_test, ROLE_ENV_TEST, "title bar of a test or demo fleet")

enum role {
#define STYLE_ROLE_ENUM(name, constant, help) constant,
    STYLE_ROLES(STYLE_ROLE_ENUM)
#undef STYLE_ROLE_ENUM
        ROLE_COUNT
};

/* Flags beside the role. SELECTED, MARKED and MATCH lay that role's background (and attributes) under the cell's own
 * foreground, so that state colours stay readable on the selected row. */
enum {
    STYLE_ROLE_MASK = 0x00ff,
    STYLE_BOLD = 0x0100,
    STYLE_DIM = 0x0200,
    STYLE_UNDERLINE = 0x0400,
    STYLE_REVERSE = 0x0800,
    STYLE_SELECTED = 0x1000,
    STYLE_MARKED = 0x2000,
    STYLE_MATCH = 0x4000,
};

const char *style_role_name(unsigned style); /* "critical" */
/* "critical+selected", for dumps. Returns out. */
#define STYLE_NAME_SIZE 96
const char *style_name(unsigned style, char out[STYLE_NAME_SIZE]);

/* --- themes ------------------------------------------------------------------------------------------------------- */

enum color_depth { COLOR_DEPTH_MONO, COLOR_DEPTH_8, COLOR_DEPTH_16, COLOR_DEPTH_256, COLOR_DEPTH_TRUE };

/* How a style looks at a depth. Colours: -1 the terminal's default; 0–255 palette index; at COLOR_DEPTH_TRUE values
 * with LOOK_RGB set are 0xRRGGBB. */
enum { LOOK_BOLD = 1, LOOK_DIM = 2, LOOK_UNDERLINE = 4, LOOK_REVERSE = 8, LOOK_ITALIC = 16 };
#define LOOK_RGB 0x1000000
struct look {
    int foreground;
    int background;
    unsigned attributes; /* LOOK_… */
};

struct theme;

/* The dark theme, compiled in: no file is needed. Caller frees. */
struct theme *theme_default(void);

/* A theme by name ("dark", "light", "high-contrast", "mono", or a file's name without directories), looked for in
 * $XDG_CONFIG_HOME/dogwatch/themes (~/.config/…), then PREFIX/share/dogwatch/themes, then ./themes. A name with a slash
 * is a path. ERR_NOT_FOUND names the themes there are; ERR_INVALID as theme_parse. *out is NULL on failure, else the
 * caller's. */
enum err theme_load(const char *name, struct theme **out, struct err_info *info);

/* Theme text; `path` is for messages. Lines are `role = FOREGROUND BACKGROUND [attribute …]`, '#' at the line's begin
 * is a comment. A colour is "-" (the terminal's own), "#rrggbb", 0–255, or one of the sixteen names (red, bright-red,
 * …);
 * "#rrggbb/red" gives the colour for terminals of 16 and fewer. Attributes: bold dim underline reverse italic. Roles
 * left out keep the dark theme's. ERR_INVALID: "path:line: what, and what is allowed" of the first mistake. */
enum err theme_parse(const char *path, const char *text, struct theme **out, struct err_info *info);
void theme_free(struct theme *theme);
const char *theme_name(const struct theme *theme);

/* Pure and cheap. At COLOR_DEPTH_MONO a background becomes reverse video, so that selection stays visible. */
struct look theme_look(const struct theme *theme, enum color_depth depth, unsigned style);

/* Names of all themes that can be found, one a line, sorted, into `out`. */
void theme_list(struct buf *out);

#endif
