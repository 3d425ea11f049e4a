/* A connection of a step's own, beside those of its job: for what takes long while the job renews its leases, and to
 * see whether a host is there at all before a job that can only go forward asks it without giving up. Private to
 * actions/.
 */
#ifndef ACTIONS_STEP_LINE_H
#define ACTIONS_STEP_LINE_H

#include "actions/step.h"
#include "remote/target.h"

struct step_line {
    struct target *target;
    struct connection *connection;
    struct helper *helper; /* in the operator's role */
};

/* *line is emptied first; close it in any case. The end of the engine interrupts it. */
enum err step_line_open(struct step_context *context, const char *host, struct step_line *line, struct err_info *info);
void step_line_close(struct step_line *line);

/* ERR_OK where the job is linked to the host, or it answers within that time (several tries). */
enum err step_line_reach(struct step_context *context, const char *host, int64_t patience_us, struct err_info *info);

#endif
