/* stop and start: a stopped site bears a mark, so that it does not come up at boot or by hand, and its visitors see the
 * notice page until it is started again. The plans only read; in a conflict `stop` takes the host whose copy is the
 * wrong one, and leaves the visitors of the other alone. */
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "actions/proxies.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/mem.h"

#define GRACE_S 10

static void add_note(struct plan *plan, const char *host, json_t *containers, const char *names)
{
    json_t *note = json_object();
    json_object_set(note, "containers", containers);
    plan_add_step(plan, &step_note, host, note, NULL, "keep the state and the last log lines of %s", names);
}

/* --- stop --------------------------------------------------------------------------------------------------------- */

static bool is_on(const struct plan_request *request, const char *site, const char *host)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++)
        if (subject_has(&request->snapshot->containers[i], site, host))
            return true;
    return false;
}

/* Which copy: the site's place, or in a conflict the one that is named. */
static enum err choose_copy(
    const struct plan_request *request, const struct site_state *site, const char **host, struct err_info *info)
{
    const char *wanted = request->options ? request->options->to : "";
    *host = site->host;
    if (wanted[0] && !is_on(request, site->name, wanted))
        return err_set(
            info, ERR_INVALID, "%s is not on %s: see `dogwatch site where %s`", site->name, wanted, site->name);
    if (site->status != SITE_CONFLICT && wanted[0] && strcmp(wanted, site->host) != 0)
        return err_set(info, ERR_INVALID, "%s runs on %s: what is on %s cannot start", site->name, site->host, wanted);
    if (site->status == SITE_CONFLICT && !wanted[0])
        return err_set(info, ERR_INVALID,
            "%s can run on more than one host: find out which copy is the right one (`dogwatch site where %s`) and "
            "name "
            "the host of the other (`dogwatch stop %s --on HOST`)",
            site->name, site->name, site->name);
    if (wanted[0])
        *host = wanted;
    return ERR_OK;
}

static enum err check_stop(
    const struct plan_request *request, const struct site_state *site, const char *host, struct err_info *info)
{
    if (!host[0] || !site->containers_total)
        return err_set(info, ERR_INVALID, "%s is on no host: there is nothing to stop", site->name);
    if (site->status != SITE_CONFLICT && site->mark == MARK_STOPPED)
        return err_set(info, ERR_INVALID, "%s is stopped already (job %s); start it with `dogwatch start %s`",
            site->name, site->mark_job, site->name);
    enum err err = site->status == SITE_CONFLICT ? ERR_OK : subject_check_mark(site, info);
    if (!err)
        err = subject_check_host(request, site->name, host, info);
    for (size_t i = 0; !err && i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (subject_has(container, site->name, host) && container->state == RUN_PAUSED)
            err = err_set(
                info, ERR_INVALID, "%s is paused: its engine cannot stop it; unpause it first", container->name);
    }
    return err;
}

static void add_stop(struct plan *plan, const char *host, json_t *containers, const char *names, const char *runtime)
{
    json_t *stop = json_object();
    json_put_text(stop, "mark", site_mark_word(MARK_STOPPED));
    json_put_i64(stop, "grace_s", GRACE_S);
    json_object_set(stop, "containers", containers);
    if (json_array_size(containers)) {
        plan_add_step(plan, &step_stop, host, stop, "take the mark away and start what was stopped",
            "mark %s as stopped, so that nothing starts it, then stop %s (SIGTERM, SIGKILL after %d s)", plan->site,
            names, GRACE_S);
        plan_runs(plan, "site.stop: %s stop -t %d", runtime, GRACE_S);
    } else {
        plan_add_step(plan, &step_stop, host, stop, "take the mark away",
            "mark %s as stopped, so that nothing starts it; none of its containers runs", plan->site);
        plan_runs(plan, "site.stop, of nothing: the mark alone");
    }
}

static enum err find_stop_proxies(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    struct plan_proxies *proxies, struct err_info *info)
{
    *proxies = (struct plan_proxies){0};
    if (site->status == SITE_CONFLICT) {
        plan_warn(plan, "%s can run elsewhere too: its visitors are left alone, only this copy is stopped", site->name);
        return ERR_OK;
    }
    return proxies_find(request, plan, site->name, PROXIES_BEST,
        "its visitors get errors, there is no notice page for them", proxies, info);
}

enum err stop_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    struct plan_proxies proxies = {0};
    const char *host = "";
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &site, info);
    if (!err)
        err = subject_look(request, site, info);
    if (!err)
        err = choose_copy(request, site, &host, info);
    if (!err)
        err = check_stop(request, site, host, info);
    if (err)
        return err;
    subject_begin_plan(plan, "stop", site, host);
    err = find_stop_proxies(request, site, plan, &proxies, info);
    if (!err) {
        json_t *containers = subject_containers(request, site->name, host, true, plan);
        char *names = subject_names(containers);
        subject_add_lease(plan, host);
        proxies_add_leases(plan, &proxies);
        add_note(plan, host, containers, names[0] ? names : site->name);
        proxies_add_notice(plan, &proxies);
        add_stop(plan, host, containers, names, subject_runtime(request, site->name, host));
        proxies_add_releases(plan, &proxies);
        subject_add_release(plan, host);
        if (site->status != SITE_CONFLICT)
            plan->loses = xasprintf(
                "%s serves nothing until `dogwatch start %s`; its data stays as it is.", site->name, site->name);
        free(names);
        json_decref(containers);
    }
    plan_proxies_free(&proxies);
    return err;
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static enum err check_start(const struct plan_request *request, const struct site_state *site, struct err_info *info)
{
    if (site->status == SITE_CONFLICT)
        return err_set(info, ERR_INVALID,
            "%s can run on more than one host: settle that first, see `dogwatch site "
            "where %s`",
            site->name, site->name);
    if (!site->host[0] || !site->containers_total)
        return err_set(info, ERR_INVALID, "%s is on no host: there is nothing to start", site->name);
    enum err err = subject_check_mark(site, info);
    if (!err && site->mark == MARK_NONE && site->containers_running == site->containers_total)
        err = err_set(info, ERR_INVALID, "%s runs already, on %s", site->name, site->host);
    if (!err)
        err = subject_check_host(request, site->name, site->host, info);
    return err;
}

static const json_t *find_id(const json_t *rows, const char *id)
{
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        const char *its_id = json_get_text(row, "id");
        if (its_id && strcmp(its_id, id) == 0)
            return row;
    }
    return NULL;
}

/* The containers the last stop found running: a host starts those, whatever their restart policies. A new reference,
 * NULL where that is not known. */
static json_t *ran_before(const struct plan_request *request, const char *site)
{
    json_t *plan = NULL, *step, *ran = NULL;
    struct job_step_list steps = {0};
    int64_t job_id;
    size_t i;
    if (subject_last_job(request, "stop", site, &job_id, &plan, &steps))
        json_array_foreach (json_object_get(plan, "steps"), i, step) {
            const char *name = json_get_text(step, "step");
            if (!ran && name && strcmp(name, step_stop.name) == 0)
                ran = json_incref(json_object_get(json_object_get(step, "parameters"), "containers"));
        }
    job_step_list_free(&steps);
    json_decref(plan);
    return ran;
}

/* Those that are to run in the end: as the helper's site.start chooses them (docs/protocol.md). All, where it is not
 * known which ran. A new reference. */
static json_t *to_run(const struct plan_request *request, const struct site_state *site, struct plan *plan)
{
    json_t *all = subject_containers(request, site->name, site->host, false, plan), *chosen = json_array();
    json_t *ran = ran_before(request, site->name);
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (!subject_has(container, site->name, site->host))
            continue;
        bool runs = container->state == RUN_RUNNING || container->state == RUN_RESTARTING;
        const json_t *row = find_id(all, container->id);
        if (row && (runs || container->starts_at_boot || find_id(ran, container->id)))
            json_array_append(chosen, (json_t *)row);
    }
    json_decref(ran);
    if (json_array_size(chosen)) {
        json_decref(all);
        return chosen;
    }
    json_decref(chosen);
    return all;
}

static void add_start(
    const struct plan_request *request, struct plan *plan, const struct site_state *site, const json_t *containers)
{
    char *names = subject_names(containers);
    json_t *start = json_object();
    json_put_text(start, "mark", site_mark_word(MARK_NONE));
    json_put_text(start, "before", site_mark_word(site->mark));
    json_object_set_new(start, "containers", json_deep_copy(containers));
    if (site->mark == MARK_NONE)
        plan_add_step(plan, &step_start, site->host, start, "stop what was started", "start %s", names);
    else
        plan_add_step(plan, &step_start, site->host, start, "stop what was started and mark it again",
            "take the mark %s away and start %s", site_mark_word(site->mark), names);
    plan_runs(plan, "site.start: %s start", subject_runtime(request, site->name, site->host));
    free(names);
}

enum err start_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    struct plan_proxies proxies = {0};
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &site, info);
    if (!err)
        err = subject_look(request, site, info);
    if (!err)
        err = check_start(request, site, info);
    if (err)
        return err;
    subject_begin_plan(plan, "start", site, site->host);
    err = proxies_find(
        request, plan, site->name, PROXIES_BEST, "who leads visitors to it is not known here", &proxies, info);
    if (!err) {
        json_t *containers = to_run(request, site, plan);
        json_t *health = subject_health(request, site->name, site->host, plan);
        subject_add_lease(plan, site->host);
        proxies_add_leases(plan, &proxies);
        add_start(request, plan, site, containers);
        subject_add_gate(plan, site->host, containers, health);
        proxies_add_page(plan, &proxies);
        proxies_add_releases(plan, &proxies);
        subject_add_release(plan, site->host);
        json_decref(health);
        json_decref(containers);
    }
    plan_proxies_free(&proxies);
    return err;
}
