/* One line being typed: the ':' palette, the '/' filter, the name of a confirmation. Editing keys as in a shell,
 * history, completion by callback. */
#ifndef TUI_INPUT_H
#define TUI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "tui/cells.h"

#define INPUT_TEXT_SIZE 512
#define INPUT_CANDIDATE_MAX 64

/* Offer candidates for the whole line typed so far by calling add() for each (best first; the texts are copied). A
 * candidate replaces the whole line; `help` (may be NULL) is shown beside it. */
struct input_completion {
    void (*complete)(
        void *context, const char *typed, void (*add)(void *list, const char *candidate, const char *help), void *list);
    void *context;
};

enum input_result { INPUT_IGNORED, INPUT_CHANGED, INPUT_ACCEPTED, INPUT_CANCELLED };

struct input;

/* completion may be NULL. The prompt (":" or "/") is copied. */
struct input *input_new(const char *prompt, const struct input_completion *completion);
void input_free(struct input *input);
void input_set(struct input *input, const char *text); /* cursor at the end */
const char *input_text(const struct input *input);
/* What Enter would run: the candidate chosen with Tab or Up/Down, else the text. */
const char *input_choice(const struct input *input);
void input_set_error(
    struct input *input, const char *message); /* shown after the text until the next key; NULL: none */

/* Enter accepts (and remembers the line in the history), Esc and C-c cancel, Tab and S-Tab walk the candidates (without
 * completion: nothing), Up and Down the history. C-a C-e C-u C-k C-w Left Right Home End Delete Backspace edit. */
enum input_result input_key(struct input *input, int key);

/* The line itself in row 0 of the area; sets the cursor. */
void input_draw(struct input *input, struct area area);
/* The candidates, best first, as rows upwards from the bottom of the area (draw it above the input line). Returns rows
 * used. */
int input_draw_candidates(struct input *input, struct area area);

#endif
