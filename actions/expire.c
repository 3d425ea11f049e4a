/* expire: remove the copy of a site that was kept after its move, when its time is over, and bring to its end what a
 * move left behind on a host that could not be reached then. Begun by the engine itself, never while it is the only
 * copy: the site must run elsewhere. The host decides once more: it removes only what bears the mark `kept` or
 * `incoming`. The plan only reads. */
#include "actions/expire.h"

#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/mem.h"

static bool runs_elsewhere(const struct site_state *site)
{
    bool runs = site->status == SITE_RUNNING || site->status == SITE_DEGRADED;
    return runs && site->containers_running && site->host[0] && strcmp(site->host, site->kept_host) != 0;
}

/* The old copy of a site whose move went through: from now on it is kept, as its move would have done it. */
static void add_keep(struct plan *plan, const struct site_state *site, const char *host)
{
    json_t *parameters = json_object();
    json_put_text(parameters, "to", site->host);
    json_put_i64(parameters, "keep_us", PLAN_KEEP_US);
    plan_add_step(plan, &step_keep, host, parameters, NULL, "keep the old copy, which its move could not see to");
}

static int64_t host_now_us(const struct host_state *host)
{
    double offset_ms = host->metrics[HOST_CLOCK_OFFSET];
    bool known = offset_ms == offset_ms; /* not NaN */
    return clock_wall_us() + (known ? (int64_t)(offset_ms * 1000) : 0);
}

bool expire_is_due(const struct snapshot *snapshot, size_t *cursor, char site[NAME_SIZE], char host[NAME_SIZE])
{
    while (*cursor < snapshot->site_count) {
        const struct site_state *state = &snapshot->sites[(*cursor)++];
        const struct host_state *where = state->kept_host[0] ? snapshot_host(snapshot, state->kept_host) : NULL;
        if (!where || where->status != HOST_UP || !state->kept_until_us || !runs_elsewhere(state))
            continue;
        if (host_now_us(where) < state->kept_until_us)
            continue;
        str_copy(site, NAME_SIZE, state->name);
        str_copy(host, NAME_SIZE, state->kept_host);
        return true;
    }
    return false;
}

/* What a move left of the site on this host; MARK_NONE: nothing. */
static enum site_mark left_on(const struct snapshot *snapshot, const char *site, const char *host)
{
    for (size_t i = 0; i < snapshot->container_count; i++) {
        const struct container_state *container = &snapshot->containers[i];
        bool is_half = container->mark == MARK_INCOMING || container->mark == MARK_LEAVING;
        if (is_half && !container->stale && subject_has(container, site, host))
            return container->mark;
    }
    return MARK_NONE;
}

bool expire_is_left(const struct snapshot *snapshot, size_t *cursor, char site[NAME_SIZE], char host[NAME_SIZE])
{
    while (*cursor < snapshot->container_count) {
        const struct container_state *container = &snapshot->containers[(*cursor)++];
        const struct host_state *where = snapshot_host(snapshot, container->host);
        const struct site_state *state = snapshot_site(snapshot, container->site);
        if (left_on(snapshot, container->site, container->host) == MARK_NONE || !where || where->status != HOST_UP)
            continue;
        if (!state || state->status != SITE_RUNNING || strcmp(state->host, container->host) == 0)
            continue;
        str_copy(site, NAME_SIZE, container->site);
        str_copy(host, NAME_SIZE, container->host);
        return true;
    }
    return false;
}

static enum err check_copy(
    const struct plan_request *request, const struct site_state *site, const char *host, struct err_info *info)
{
    bool is_left = left_on(request->snapshot, site->name, host) != MARK_NONE && strcmp(site->host, host) != 0;
    if (!host[0] || (!is_left && strcmp(site->kept_host, host) != 0))
        return err_set(info, ERR_INVALID, "no copy of %s is kept on %s", site->name, host[0] ? host : "any host");
    if (!runs_elsewhere(site))
        return err_set(info, ERR_INVALID,
            "%s does not run elsewhere: the copy kept on %s is not removed before it does", site->name, host);
    return subject_check_host(request, site->name, host, info);
}

static void add_removal(
    struct plan *plan, const struct site_state *site, const char *host, const char *names, const char *runtime)
{
    json_t *parameters = json_object();
    json_put_bool(parameters, "volumes", true);
    plan_add_step(plan, &step_remove, host, parameters, NULL,
        "remove the copy that is not used since the site is on %s: %s, and its volumes", site->host,
        names[0] ? names : "its containers");
    plan_runs(plan, "site.remove: %s rm, volume rm", runtime);
    plan->loses =
        xasprintf("The state %s had on %s before its move cannot be called back afterwards.", site->name, host);
}

enum err expire_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    const char *host = request->options ? request->options->to : "";
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &site, info);
    if (!err)
        err = check_copy(request, site, host, info);
    if (err)
        return err;
    subject_begin_plan(plan, "expire", site, host);
    json_t *containers = subject_containers(request, site->name, host, false, plan);
    char *names = subject_names(containers);
    subject_add_lease(plan, host);
    if (left_on(request->snapshot, site->name, host) == MARK_LEAVING)
        add_keep(plan, site, host);
    else
        add_removal(plan, site, host, names, subject_runtime(request, site->name, host));
    subject_add_release(plan, host);
    free(names);
    json_decref(containers);
    return ERR_OK;
}
