/* The real terminal. One per process; everything here runs on the thread that opened it. The only place with ncurses.
 * Input and output are standard input and output. Whatever ends the process by a signal gives the terminal back first
 * and says where the log is. The mouse is left alone (selecting text works as always). */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H

#include <stdbool.h>

#include "base/err.h"
#include "tui/cells.h"
#include "tui/style.h"

struct terminal;

struct terminal_options {
    const struct theme *theme;    /* borrowed while open; NULL: the default */
    enum color_depth most_colors; /* use at most these; COLOR_DEPTH_TRUE: whatever the terminal has */
    /* Take Esc and a key that arrive together for Alt and the key. Off: they are two keys, also where a slow line glues
     * them. */
    bool alt_keys;
    const char *log_path; /* named by the crash message; NULL: not named */
};

/* setlocale(LC_ALL, "") has been called. ERR_INVALID with what to do: no terminal, TERM unset, unknown or "dumb".
 * Respects NO_COLOR (mono) and COLORTERM=truecolor. *out is NULL on failure. */
enum err terminal_open(struct terminal **out, const struct terminal_options *options, struct err_info *info);
/* Restores the screen, the modes and the signal handlers. NULL is fine. */
void terminal_close(struct terminal *terminal);

void terminal_size(const struct terminal *terminal, int *width, int *height);
enum color_depth terminal_depth(const struct terminal *terminal);
enum glyphs terminal_glyphs(const struct terminal *terminal); /* GLYPHS_ASCII where the locale is not UTF-8 */
void terminal_set_theme(struct terminal *terminal, const struct theme *theme); /* borrowed; the next paint uses it */

enum terminal_event {
    TERMINAL_TIMEOUT, /* timeout_ms passed */
    TERMINAL_KEY,     /* *key is set, tui/keys.h */
    TERMINAL_RESIZE,  /* terminal_size has changed (also after being continued from Ctrl-Z): draw and paint again */
    TERMINAL_WAKE,    /* extra_fd is readable (or hung up): the caller reads it */
    TERMINAL_CLOSED,  /* the terminal is gone: end */
};

/* Sleep until something happens; keys first. timeout_ms < 0: without limit. extra_fd -1: none. Ctrl-C is a key like
 * others; Ctrl-Z suspends here and returns TERMINAL_RESIZE when continued. */
enum terminal_event terminal_wait(struct terminal *terminal, int timeout_ms, int extra_fd, int *key);

/* Show the buffer (cut or filled up to the terminal's size): one update, only what changed is sent, nothing when
 * nothing did. The cursor stands where cells_set_cursor put it, or is hidden. */
void terminal_paint(struct terminal *terminal, const struct cells *cells);

/* Give the terminal to something else (an editor, ssh) and take it back; between the two only these calls are allowed.
 */
void terminal_leave(struct terminal *terminal);
void terminal_return(struct terminal *terminal);

#endif
