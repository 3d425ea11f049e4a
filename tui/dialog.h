/* Dialogs over a view: a question, a name to be typed, a message. Drawn in the middle of the area they are given; the
 * caller routes keys here while one is open and frees it when dialog_key gives anything but DIALOG_OPEN. The safe
 * answer is the default. */
#ifndef TUI_DIALOG_H
#define TUI_DIALOG_H

#include <stdbool.h>

#include "tui/cells.h"
#include "tui/text.h"

enum dialog_result { DIALOG_OPEN, DIALOG_YES, DIALOG_NO };

struct dialog;

/* y answers yes; n, Enter and Esc answer no. `body` becomes the dialog's (freed with it). */
struct dialog *dialog_confirm(const char *title, struct text *body, const char *question);
/* Yes only after `name` was typed exactly and Enter pressed; Enter on an empty line does nothing. */
struct dialog *dialog_type_name(const char *title, struct text *body, const char *name);
/* A text with a scroll bar; Enter, Esc and q close it (DIALOG_NO). style colours its frame: ROLE_CRITICAL for errors.
 */
struct dialog *dialog_message(const char *title, struct text *body, unsigned style);
/* Ask for one line of text (a reason); Enter gives DIALOG_YES, Esc DIALOG_NO. */
struct dialog *dialog_ask(const char *title, struct text *body, const char *prompt, const char *initial);
void dialog_free(struct dialog *dialog);

enum dialog_result dialog_key(struct dialog *dialog, int key);
void dialog_draw(struct dialog *dialog, struct area area);
/* As large as the area it is drawn in, for what has to be read before it is answered; the part of the body that is
 * seen ("1-14/40") stands in the frame. */
void dialog_set_full(struct dialog *dialog);
/* Lines above the question that stay while the body is scrolled; where there is little room the last ones. `note` is
 * taken; NULL: none. */
void dialog_set_note(struct dialog *dialog, struct text *note);
const char *dialog_input(const struct dialog *dialog); /* what was typed; "" where nothing is */
struct text *dialog_body(struct dialog *dialog);       /* borrowed: a progress dialog adds lines while open */
/* A gauge below the body, for work in progress; fraction NaN: unknown, < 0: none. */
void dialog_set_progress(struct dialog *dialog, double fraction, const char *label);

#endif
