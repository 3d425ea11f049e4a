/* Where a site could move to: the compute hosts of the fleet ranked by the room they have at busy times, with reasons
 * in words. From the store's present and its time series alone, no host is asked: the plan of the move does that. */
#ifndef ACTIONS_PLACEMENT_H
#define ACTIONS_PLACEMENT_H

#include "actions/action.h"

/* *targets is a new reference: [{"host","fits","score","reasons":[text]}], the best first, those that cannot take it at
 * the end. `score` is 0–100. ERR_NOT_FOUND: no such site. */
enum err placement_rank(const struct plan_request *request, const char *site, json_t **targets, struct err_info *info);

/* The first of them; `why` (may be NULL) gets its reasons in one line. ERR_INVALID where none fits: the message says
 * why of each, as far as it goes. */
enum err placement_best(const struct plan_request *request, const char *site, char host[NAME_SIZE], char *why,
    size_t why_size, struct err_info *info);

#endif
