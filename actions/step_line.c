/* Connections of a step's own. Runs in the job's thread. */
#include "actions/step_line.h"

#include "actions/job_run.h"
#include "base/clock.h"

#define DIAL_TIMEOUT_US (20 * USEC_PER_SEC)
#define IDLE_S 600
#define AGAIN_US (5 * USEC_PER_SEC)

static enum err open_within(
    struct step_context *context, const char *host, int64_t timeout_us, struct step_line *line, struct err_info *info)
{
    const struct jobs_config *config = step_config(context);
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, host);
    *line = (struct step_line){0};
    enum err err = def ? target_for_engine(fleet, def, config->state_dir, "operator", &line->target, info)
                       : err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", host);
    config->fleet_release(config->fleet_owner, fleet);
    if (!err)
        err = remote_dial(target_address(line->target), timeout_us, context->leave_fd, &line->connection, info);
    if (!err)
        err = helper_open(line->connection, "operator", IDLE_S, timeout_us, &line->helper, info);
    return err;
}

enum err step_line_open(struct step_context *context, const char *host, struct step_line *line, struct err_info *info)
{
    return open_within(context, host, DIAL_TIMEOUT_US, line, info);
}

void step_line_close(struct step_line *line)
{
    helper_free(line->helper);
    connection_free(line->connection);
    target_free(line->target);
    *line = (struct step_line){0};
}

enum err step_line_reach(struct step_context *context, const char *host, int64_t patience_us, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + step_patience(context, patience_us);
    int64_t timeout_us = patience_us < DIAL_TIMEOUT_US ? patience_us : DIAL_TIMEOUT_US;
    for (;;) {
        struct step_line line;
        enum err err = step_is_linked(context, host) ? ERR_OK : ERR_CLOSED;
        if (!err)
            return err;
        err = open_within(context, host, timeout_us, &line, info);
        step_line_close(&line);
        if (!err || !job_may_pass(err) || clock_mono_us() >= until_us)
            return err;
        step_progress(context, "%s cannot be reached, trying again", host);
        int64_t left_us = until_us - clock_mono_us(), again_us = step_patience(context, AGAIN_US);
        if (step_wait(context, left_us < again_us ? left_us : again_us))
            return err_set(info, ERR_CANCELLED, "cancelled while %s could not be reached", host);
    }
}
