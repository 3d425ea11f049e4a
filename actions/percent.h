/* How much of a job is done, in percent, for a person who waits: a step that copies weighs as long as copying takes,
 * and counts by its bytes while it runs. Pure. */
#ifndef ACTIONS_PERCENT_H
#define ACTIONS_PERCENT_H

#include "actions/plan.h"
#include "store/jobs.h"

/* 0…99: all of it is only done when the job is. `steps` are as many as the plan has, by index. What `bytes` of a
 * step's parameters says is to be copied; of others it is not known, or nothing. */
int percent_done(const struct plan *plan, const struct job_step_record *steps);

#endif
