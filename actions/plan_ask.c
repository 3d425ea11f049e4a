/* Asking hosts while a plan is made: connections of the plan's own, in the viewer's role, each dialled when it is first
 * needed and kept until the plan is there. Runs in the thread that plans. */
#include "actions/plan_ask.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "remote/helper.h"
#include "remote/target.h"

#define DIAL_TIMEOUT_US (10 * USEC_PER_SEC)
#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define HELPER_IDLE_S 60

struct asked_host {
    char name[NAME_SIZE];
    struct target *target;
    struct connection *connection;
    struct helper *helper;
};

struct plan_asker {
    const struct fleet *fleet;
    const char *state_dir;
    int cancel_fd;
    VEC(struct asked_host) hosts;
};

struct plan_asker *plan_asker_new(const struct fleet *fleet, const char *state_dir, int cancel_fd)
{
    struct plan_asker *asker = xcalloc(1, sizeof *asker);
    asker->fleet = fleet;
    asker->state_dir = state_dir;
    asker->cancel_fd = cancel_fd;
    return asker;
}

static void hang_up(struct asked_host *host)
{
    helper_free(host->helper);
    connection_free(host->connection);
    target_free(host->target);
    host->helper = NULL;
    host->connection = NULL;
    host->target = NULL;
}

void plan_asker_free(struct plan_asker *asker)
{
    if (!asker)
        return;
    vec_each (&asker->hosts, struct asked_host, host)
        hang_up(host);
    vec_free(&asker->hosts);
    free(asker);
}

const char *plan_asker_state_dir(const struct plan_asker *asker)
{
    return asker->state_dir;
}

static struct asked_host *find_host(struct plan_asker *asker, const char *name)
{
    vec_each (&asker->hosts, struct asked_host, host)
        if (strcmp(host->name, name) == 0)
            return host;
    struct asked_host *host = vec_add(&asker->hosts);
    str_copy(host->name, sizeof host->name, name);
    return host;
}

static enum err dial(struct plan_asker *asker, struct asked_host *host, struct err_info *info)
{
    const struct host_def *def = fleet_host(asker->fleet, host->name);
    hang_up(host);
    if (!def)
        return err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files", host->name);
    enum err err = target_for_engine(asker->fleet, def, asker->state_dir, "viewer", &host->target, info);
    if (!err)
        err = remote_dial(target_address(host->target), DIAL_TIMEOUT_US, asker->cancel_fd, &host->connection, info);
    if (!err)
        err = helper_open(host->connection, "viewer", HELPER_IDLE_S, DIAL_TIMEOUT_US, &host->helper, info);
    if (err)
        hang_up(host);
    return err;
}

enum err plan_ask(const struct plan_request *request, const char *host_name, const char *verb, json_t *args,
    json_t **ok, struct err_info *info)
{
    enum err err = ERR_OK;
    if (ok)
        *ok = NULL;
    if (!request->asker) {
        json_decref(args);
        return err_set(info, ERR_UNREACHABLE, "%s is not asked here", host_name);
    }
    struct asked_host *host = find_host(request->asker, host_name);
    if (!host->helper || !helper_is_alive(host->helper))
        err = dial(request->asker, host, info);
    if (err) {
        json_decref(args);
        return err;
    }
    return helper_request(host->helper, verb, args, ASK_TIMEOUT_US, NULL, NULL, ok, info);
}
