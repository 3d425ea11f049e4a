/* Scrolling lines of text: logs, plans, help. Lines are sanitised when added; the number kept is bounded, the oldest
 * are dropped and counted. Long lines wrap or scroll sideways. */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tui/cells.h"

struct text;
struct keymap;

#define TEXT_LINE_MAX 4096 /* bytes of one line; more is cut with "…" */

struct text *text_new(size_t max_lines);
void text_free(struct text *text);
void text_clear(struct text *text);
/* One line per '\n' in it. */
void text_add(struct text *text, unsigned style, const char *lines);
void text_addf(struct text *text, unsigned style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A line in two styles: `head` (a time, a key) is drawn before `tail`. */
void text_add_pair(struct text *text, unsigned head_style, const char *head, unsigned tail_style, const char *tail);
size_t text_count(const struct text *text);
size_t text_dropped(const struct text *text);                 /* lines forgotten because of max_lines */
int text_widest(const struct text *text);                     /* columns of the longest line */
const char *text_line(const struct text *text, size_t index); /* borrowed; NULL past the end; head and tail joined */

void text_set_wrap(struct text *text, bool wrap);     /* default off */
void text_set_follow(struct text *text, bool follow); /* stay at the end as lines come; scrolling up ends it */
bool text_is_following(const struct text *text);
void text_set_empty(struct text *text, const char *message); /* shown while there are no lines; copied */

/* The first line on screen; and to put another there (as far as there are lines below it to fill the screen), for a
 * text that is filled anew and is to stay where it was. */
size_t text_place(const struct text *text);
void text_set_place(struct text *text, size_t line);

/* Search, case-insensitive where the pattern has no upper case; POSIX extended regex. Matches are highlighted.
 * ERR_INVALID on a bad pattern (the last one stays), ERR_NOT_FOUND where nothing matches. "" or NULL ends the search.
 */
enum err text_search(struct text *text, const char *pattern, struct err_info *info);
bool text_search_next(struct text *text, bool backwards); /* goes round; false: no match at all */

/* Scroll keys: Up Down PgUp PgDn Home End Left Right j k g G, n N for the search, w for wrap, f for follow. True where
 * used. */
bool text_key(struct text *text, int key);
extern const struct keymap text_keymap;

/* Draw the lines into the area; the last column of the first and last row shows ▴ ▾ while there is more. */
void text_draw(struct text *text, struct area area);
/* Display rows all lines need at that width, for sizing dialogs. */
size_t text_rows(const struct text *text, int width);
/* "12-40/300" of the last draw. Returns out. */
#define TEXT_POSITION_SIZE 64
const char *text_position(const struct text *text, char out[TEXT_POSITION_SIZE]);

#endif
