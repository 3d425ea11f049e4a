/* Asking before something is done: where to (for what moves), the engine's plan, a question whose default is no, then
 * the job's page. The objects' keys are frozen when the dialog opens; what the person saw goes with the request, so
 * that the engine refuses where something else stands there by then. One dialog for all rows of actions/action.h, for
 * taking a job back, and for cancelling one. Drawing thread only. */
#ifndef VIEWS_CONSOLE_ACTION_DIALOG_H
#define VIEWS_CONSOLE_ACTION_DIALOG_H

#include "actions/action.h"
#include "views/console/core.h"

/* All of these set *console_action_dialog; nothing happens where one is open already. */
void action_dialog_open(
    struct console *console, const struct action *action, const struct subject *objects, size_t count);
void action_dialog_undo(struct console *console, const struct job_record *job);
void action_dialog_cancel(struct console *console, const struct job_record *job);

void action_dialog_free(struct action_dialog *dialog);    /* NULL allowed */
void action_dialog_key(struct console *console, int key); /* all keys while it is open */
void action_dialog_draw(struct console *console, struct area area);
/* True where the ticket is its own. */
bool action_dialog_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info);

#endif
