/* A plan on the screen: the engine's text word for word, as --dry-run prints it, with what must not be overlooked in
 * colour. Pure functions. */
#ifndef VIEWS_CONSOLE_PLAN_TEXT_H
#define VIEWS_CONSOLE_PLAN_TEXT_H

#include "base/json.h"
#include "tui/text.h"

/* A new text of the lines of `plan_text`; `plan` is docs/jobs.md's object, NULL: none. */
struct text *plan_text_new(const char *plan_text, const json_t *plan);

/* What stays in sight while the plan is scrolled: the first warnings, a line each, what is lost unless it is but a
 * moment, then "14 steps, visitors cut off about 2.4s". */
void plan_text_note(const json_t *plan, struct text *out);

#endif
