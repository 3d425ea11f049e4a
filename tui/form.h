/* A few fields to be filled in, one below the other: lines of text, and things that are on or off. Drawn in the middle
 * of the area; the caller routes keys here while it is open. One thread. */
#ifndef TUI_FORM_H
#define TUI_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "tui/cells.h"

enum form_result { FORM_OPEN, FORM_TAKEN, FORM_LEFT };

struct form;

struct form *form_new(const char *title);
void form_free(struct form *form); /* NULL allowed */

/* Append a field; its index is how many there were before. `help` stands below the fields while it is the field that
 * is filled in, `empty` in it while nothing is. Everything is copied. */
void form_add_text(struct form *form, const char *label, const char *help, const char *empty, const char *value);
void form_add_switch(struct form *form, const char *label, const char *help, bool on);

/* Up, Down, Tab and S-Tab go from field to field, Space turns a switch, the rest edits the line. Enter takes all
 * fields, from whichever, Esc leaves them. */
enum form_result form_key(struct form *form, int key);
/* What stands in a field; of a switch "yes" or "". */
const char *form_value(const struct form *form, size_t index);
/* Go to a field and say what is wrong with it, until the next key. */
void form_refuse(struct form *form, size_t index, const char *message);

void form_draw(struct form *form, struct area area);

#endif
