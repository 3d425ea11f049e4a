/* A screen in memory: a buffer of cells that all widgets and views draw into and that terminal_paint() shows.
 * Everything drawn is sanitised here, cut to its area, and right for wide and combining characters, so hostile text
 * cannot leave its place. Drawing never fails: what does not fit is not drawn. One thread at a time.
 *
 *     struct area body = area_sub(cells_area(cells), 0, 1, 80, 22);
 *     area_text(body, 0, 0, ROLE_TITLE, "Hosts");
 *     area_fit(body, 10, 0, 8, CELLS_RIGHT, ROLE_CRITICAL, "99.3");
 */
#ifndef TUI_CELLS_H
#define TUI_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tui/style.h"

#define CELL_TEXT_SIZE 13 /* one character and its combining marks, UTF-8, NUL-terminated */

struct cell {
    char text[CELL_TEXT_SIZE]; /* "" in the right half of a wide character */
    uint8_t width;             /* 1, 2, or 0 in the right half of a wide character */
    uint16_t style;            /* role and flags, tui/style.h */
};

/* What the terminal can show; widgets choose their characters by it. */
enum glyphs { GLYPHS_BRAILLE, GLYPHS_BLOCK, GLYPHS_ASCII };

struct cells;

/* At least 1x1, at most 1000x1000 (clamped). All blanks in ROLE_NORMAL, GLYPHS_BRAILLE. */
struct cells *cells_new(int width, int height);
void cells_free(struct cells *cells);
void cells_resize(struct cells *cells, int width, int height); /* content is cleared */
void cells_clear(struct cells *cells);
int cells_width(const struct cells *cells);
int cells_height(const struct cells *cells);
/* With GLYPHS_ASCII every character drawn that is not ASCII becomes its nearest ASCII: box lines + - |, "…" "~", others
 * "?". */
void cells_set_glyphs(struct cells *cells, enum glyphs glyphs);
enum glyphs cells_glyphs(const struct cells *cells);
const struct cell *cells_at(const struct cells *cells, int x, int y); /* NULL outside */

/* Where the terminal's cursor is to stand (an input line); hidden unless set after the last cells_clear. */
void cells_set_cursor(struct cells *cells, int x, int y);
bool cells_cursor(const struct cells *cells, int *x, int *y);

/* --- areas: a rectangle of a buffer that clips; by value, valid as long as the buffer keeps its size ----------------
 */

struct area {
    struct cells *cells;
    int x, y;          /* in the buffer */
    int width, height; /* ≥ 0; 0: nothing can be drawn */
};

struct area cells_area(struct cells *cells);
/* Coordinates relative to the parent; cut to the parent, also where negative or too large. */
struct area area_sub(struct area area, int x, int y, int width, int height);
struct area area_row(struct area area, int y);                    /* one line of it */
struct area area_center(struct area area, int width, int height); /* a rectangle of at most that size in the middle */
enum glyphs area_glyphs(struct area area);

/* --- drawing: x and y are relative to the area; what lies outside is cut -------------------------------------------
 */

enum cells_align { CELLS_LEFT, CELLS_RIGHT, CELLS_CENTER };

/* Draw one line of text; returns the columns it took (also those that were cut off on the right: at most area.width -
 * x). */
int area_text(struct area area, int x, int y, unsigned style, const char *text);
int area_textf(struct area area, int x, int y, unsigned style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Skip the first `skip` columns of the text: horizontal scrolling. */
int area_text_from(struct area area, int x, int y, int skip, unsigned style, const char *text);
/* Draw into exactly `width` columns: padded with blanks in that style, cut with "…". */
void area_fit(struct area area, int x, int y, int width, enum cells_align align, unsigned style, const char *text);
void area_fill(struct area area, unsigned style); /* blanks */
void area_repeat(struct area area, int x, int y, int count, unsigned style, const char *character);
void area_hline(struct area area, int y, unsigned style);
/* A frame around the area with an optional title (may be NULL) in its top line; returns the inside. */
struct area area_box(struct area area, unsigned style, const char *title);
/* Keep the text, change the style of `width` cells: OR-in flags, or set a role where `role` is not -1. */
void area_restyle(struct area area, int x, int y, int width, int role, unsigned flags);

/* --- measuring and reading back -------------------------------------------------------------------------------------
 */

/* Columns the text takes once drawn (that is: sanitised). */
int text_columns(const char *text);

/* For tests and --dump: lines with trailing blanks removed; and the same followed by each line's runs of styles. */
void cells_to_text(const struct cells *cells, struct buf *out);
void cells_to_styles(const struct cells *cells, struct buf *out);
/* FNV-1a over all cells, to tell whether a repaint would change anything. */
uint64_t cells_hash(const struct cells *cells);

#endif
