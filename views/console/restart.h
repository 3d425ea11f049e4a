/* Restarting a site: plan from the engine, a question whose default is no, then the job's page. The site's name is
 * frozen when the dialog opens; what the person saw goes with the request, so that the engine refuses where something
 * else stands there by then. Drawing thread only. */
#ifndef VIEWS_CONSOLE_RESTART_H
#define VIEWS_CONSOLE_RESTART_H

#include "views/console/core.h"

void restart_begin(struct console *console, const char *site); /* sets *console_restart */
void restart_free(struct restart *restart);                    /* NULL allowed */
void restart_key(struct console *console, int key);            /* all keys while it is open */
void restart_draw(struct console *console, struct area area);
/* True where the ticket is its own. */
bool restart_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info);
const char *restart_site(const struct restart *restart);

#endif
