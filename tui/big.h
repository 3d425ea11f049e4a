/* Figures readable from across a room: a font of 3x5 squares drawn as large as the place allows. */
#ifndef TUI_BIG_H
#define TUI_BIG_H

#include "tui/cells.h"

/* The largest size at which text of 0-9 . : % - / and blanks fits the area; 0 where only plain text does (too small, or
 * another character). Sizes compare: figures that stand side by side are drawn at the smallest of theirs. */
int big_size(struct area area, const char *text);
int big_size_largest(void);

/* In the middle of the area, at a size that big_size() gave, or a smaller one. */
void big_draw(struct area area, int size, unsigned style, const char *text);

#endif
