/* Where a site really is: every compute host of the fleet is asked now, nothing is remembered. docs/jobs.md "where". */
#ifndef ACTIONS_WHERE_H
#define ACTIONS_WHERE_H

#include "actions/ask_many.h"

/* request->object is the site, it need not be known. *out is a new reference: {"site","hosts":[…],"verdict",
 * "way_out":[commands]}. A host that did not answer is in it with the reason. ERR_INVALID: no valid name.
 * ERR_NOT_FOUND: neither declared, nor in the store, nor on any host that answered. Takes as long as the slowest host,
 * 5 s a host at most. */
enum err where_ask(const struct plan_request *request, json_t **out, struct err_info *info);

/* The same from answers to `site.status` that were got elsewhere; for tests. */
json_t *where_judge(const char *site, const struct host_answer *answers, size_t count);

#endif
