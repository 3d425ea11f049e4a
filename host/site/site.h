/* Sites as this host sees them: which containers belong to one. The verbs that start and stop them are in site.c. */
#ifndef HOST_SITE_SITE_H
#define HOST_SITE_SITE_H

#include "base/json.h"

/* A new array of the inventory's entries whose site this is, in the order of their creation (references shared with the
 * inventory). */
json_t *site_select(const json_t *inventory, const char *site);

/* "exit", "term" or "kill": what made a container end that was asked to stop. `killed`: its engine said so. */
const char *site_ended_by(int64_t exit_code, bool killed);

/* Something is begun (1) or ended (-1) that the helper must not leave in the middle. Any thread. */
void site_going(int by);

/* The helper ends: wait, at most limit_us, until no site is being started or stopped. A restart whose connection broke
 * between its stop and its start would leave the site down. */
void site_finish(int64_t limit_us);

#endif
