/* Who asks hosts while a plan is made (plan_ask in actions/action.h). Private to actions/. */
#ifndef ACTIONS_PLAN_ASK_H
#define ACTIONS_PLAN_ASK_H

#include "actions/action.h"

/* Both are borrowed and live as long as the asker. */
struct plan_asker *plan_asker_new(const struct fleet *fleet, const char *state_dir);
void plan_asker_free(struct plan_asker *asker);                   /* NULL allowed */
const char *plan_asker_state_dir(const struct plan_asker *asker); /* for who dials by itself: actions/ask_many.c */

#endif
