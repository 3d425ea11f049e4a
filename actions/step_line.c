/* Connections of a step's own. Runs in the job's thread. */
#include "actions/step_line.h"

#include "actions/job_run.h"
#include "base/clock.h"

#define DIAL_TIMEOUT_US (20 * USEC_PER_SEC)
#define IDLE_S 600
#define PATIENCE_US (60 * USEC_PER_SEC)
#define AGAIN_US (5 * USEC_PER_SEC)

enum err step_line_open(struct step_context *context, const char *host, struct step_line *line, struct err_info *info)
{
    const struct jobs_config *config = step_config(context);
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, host);
    *line = (struct step_line){0};
    enum err err = def ? target_for_engine(fleet, def, config->state_dir, "operator", &line->target, info)
                       : err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", host);
    config->fleet_release(config->fleet_owner, fleet);
    if (!err)
        err = remote_dial(target_address(line->target), DIAL_TIMEOUT_US, context->leave_fd, &line->connection, info);
    if (!err)
        err = helper_open(line->connection, "operator", IDLE_S, DIAL_TIMEOUT_US, &line->helper, info);
    return err;
}

void step_line_close(struct step_line *line)
{
    helper_free(line->helper);
    connection_free(line->connection);
    target_free(line->target);
    *line = (struct step_line){0};
}

enum err step_line_reach(struct step_context *context, const char *host, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + step_patience(context, PATIENCE_US);
    for (;;) {
        struct step_line line;
        enum err err = step_is_linked(context, host) ? ERR_OK : ERR_CLOSED;
        if (!err)
            return err;
        err = step_line_open(context, host, &line, info);
        step_line_close(&line);
        if (!err || !job_may_pass(err) || clock_mono_us() >= until_us)
            return err;
        step_progress(context, "%s cannot be reached, trying again", host);
        if (step_wait(context, step_patience(context, AGAIN_US)))
            return err_set(info, ERR_CANCELLED, "cancelled while %s could not be reached", host);
    }
}
