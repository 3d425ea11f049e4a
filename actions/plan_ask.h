/* Who asks hosts while a plan is made (plan_ask in actions/action.h). Private to actions/. */
#ifndef ACTIONS_PLAN_ASK_H
#define ACTIONS_PLAN_ASK_H

#include "actions/action.h"

/* All are borrowed and live as long as the asker. cancel_fd: once it is readable nobody is waited for any more
 * (REMOTE_NO_CANCEL: there is none). */
struct plan_asker *plan_asker_new(const struct fleet *fleet, const char *state_dir, int cancel_fd);
void plan_asker_free(struct plan_asker *asker);                   /* NULL allowed */
const char *plan_asker_state_dir(const struct plan_asker *asker); /* for who dials by itself: actions/ask_many.c */

#endif
