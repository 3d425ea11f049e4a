/* The words after ':' and the number keys: one const table for palette, keys and help. Drawing thread only. */
#ifndef VIEWS_CONSOLE_SCREENS_H
#define VIEWS_CONSOLE_SCREENS_H

#include "tui/input.h"
#include "views/console/core.h"

extern const struct keymap screens_keymap; /* 1–6 */
bool screens_key(struct console *console, int key);

/* The ':' line: words, and for lists a filter after them (":sites example"). */
extern const struct input_completion screens_completion;
/* Run what was typed. ERR_NOT_FOUND names the nearest word. "" does nothing. */
enum err screens_run(struct console *console, const char *line, struct err_info *info);

#endif
