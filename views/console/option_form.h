/* What a person may add before an action is carried out: why, and a field for each option the action takes, made from
 * the table of options, with the command line's checks and words. Drawing thread only. */
#ifndef VIEWS_CONSOLE_OPTION_FORM_H
#define VIEWS_CONSOLE_OPTION_FORM_H

#include "actions/action.h"
#include "tui/form.h"

struct option_form;

/* With the present values; `takes` is the action's. */
struct option_form *option_form_new(
    const char *title, unsigned takes, const struct plan_options *options, const char *reason);
void option_form_free(struct option_form *form); /* NULL allowed */

/* FORM_TAKEN: all fields were right, `options` and `reason` have their values; *changed: an option is another than
 * before. A wrong field is shown as such, and the form stays open. */
enum form_result option_form_key(
    struct option_form *form, int key, struct plan_options *options, char **reason, bool *changed);
void option_form_draw(struct option_form *form, struct area area);

/* What can be given: "reason, limit, keep". */
#define OPTION_FORM_WORDS 160
void option_form_offer(unsigned takes, char out[OPTION_FORM_WORDS]);
/* What was given: "limit 10M, reason: host02 is full"; "" where nothing was. */
void option_form_given(unsigned takes, const struct plan_options *options, const char *reason, char *out, size_t size);

#endif
