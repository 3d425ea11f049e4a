/* restart: stop and start a site's containers on the host where they are, with requests waiting at the proxy meanwhile,
 * then pass the gate. Containers that do not run are left alone by the helper. Of several sites, or of all on a host,
 * one after the other in one job, which the first failure ends. The plan only reads. */
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "actions/proxies.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/mem.h"

#define GRACE_S 10
#define DRAIN_MS 5000
#define PROOF_EVERY_MS 25
#define TYPICAL_PROOF_US (200 * USEC_PER_MSEC)
/* Typical times on a quiet host, where no earlier restart of the site tells better (measured: stop 0.9–1.2 s, start
 * 0.3 s). */
#define TYPICAL_STOP_US (1200 * USEC_PER_MSEC)
#define TYPICAL_START_US (400 * USEC_PER_MSEC)

/* --- may it be done? ---------------------------------------------------------------------------------------------- */

/* Says how it ended and what a person can do about it. */
static enum err refuse_stopped(const struct snapshot *snapshot, const struct site_state *site, struct err_info *info)
{
    if (site->mark == MARK_STOPPED)
        return err_set(info, ERR_INVALID, "%s is stopped: `dogwatch start %s` starts it", site->name, site->name);
    for (size_t i = 0; i < snapshot->container_count; i++) {
        const struct container_state *container = &snapshot->containers[i];
        if (subject_has(container, site->name, site->host))
            return err_set(info, ERR_INVALID,
                "no container of %s runs, so there is nothing to restart: %s is %s (exit code %d); see why with "
                "`dogwatch log --site %s`, start it on %s with `%s start %s`",
                site->name, container->name, run_state_word(container->state), container->exit_code, site->name,
                site->host, container->runtime, container->name);
    }
    return err_set(info, ERR_INVALID, "%s has no container: there is nothing to restart", site->name);
}

static enum err check_site(const struct plan_request *request, const struct site_state *site, struct err_info *info)
{
    if (site->status == SITE_CONFLICT)
        return err_set(info, ERR_INVALID, "%s is on more than one host: settle that first (`dogwatch site where %s`)",
            site->name, site->name);
    if (!site->host[0] || !site->containers_total)
        return err_set(info, ERR_INVALID, "%s is on no host: there is nothing to restart", site->name);
    return subject_check_host(request, site->name, site->host, info);
}

/* The running containers, as the gate and an engine started anew will look for them. */
static enum err gather_containers(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    json_t *out, struct err_info *info)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (!subject_has(container, site->name, site->host))
            continue;
        if (container->state == RUN_PAUSED)
            return err_set(
                info, ERR_INVALID, "%s is paused: its engine cannot stop it; unpause it first", container->name);
        if (container->state == RUN_UNKNOWN)
            return err_set(info, ERR_INVALID, "the state of %s is not known: %s on %s does not answer", container->name,
                container->runtime, container->host);
        if (container->state != RUN_RUNNING && container->state != RUN_RESTARTING) {
            plan_warn(plan, "%s is %s; it is started only if its restart policy wants it to run", container->name,
                run_state_word(container->state));
            continue;
        }
        json_t *row = json_object();
        json_put_text(row, "name", container->name);
        json_put_text(row, "id", container->id);
        json_put_i64(row, "started_us", container->started_us);
        json_array_append_new(out, row);
        vec_push(&plan->identity, xstrdup(container->id));
        if (container->health == HEALTH_UNHEALTHY)
            plan_warn(plan, "the health check of %s fails already", container->name);
        if (container->state == RUN_RESTARTING)
            plan_warn(plan, "%s does not stay up: its engine starts it again and again", container->name);
    }
    if (!json_array_size(out))
        return refuse_stopped(request->snapshot, site, info);
    return ERR_OK;
}

/* --- how long ----------------------------------------------------------------------------------------------------- */

/* How long the restart step of the newest restart of this site took, where it was done; 0 else. */
static int64_t last_time(const struct plan_request *request, const char *site, int64_t *job_id)
{
    struct job_step_list steps = {0};
    json_t *plan = NULL;
    int64_t took_us = 0;
    if (subject_last_job(request, "restart", site, job_id, &plan, &steps))
        vec_each (&steps.items, const struct job_step_record, step)
            if (strcmp(step->name, step_restart.name) == 0 && step->state == STEP_DONE &&
                step->ended_us > step->started_us)
                took_us = step->ended_us - step->started_us;
    json_decref(plan);
    job_step_list_free(&steps);
    return took_us;
}

/* Of several sites the longest counts: they are restarted one after the other. */
static void predict(
    const struct plan_request *request, const char *site, size_t containers, bool held, struct plan *plan)
{
    int64_t job_id = 0, last_us = last_time(request, site, &job_id);
    int64_t cut_us = last_us ? last_us : (int64_t)containers * (TYPICAL_STOP_US + TYPICAL_START_US);
    cut_us += held ? TYPICAL_PROOF_US : 0;
    if (plan->cut_us >= cut_us)
        return;
    free(plan->cut_rests_on);
    plan->cut_us = cut_us;
    plan->cut_rests_on =
        last_us ? xasprintf("it took so long in job %lld; at worst %d s more for each container that ignores SIGTERM",
                      (long long)job_id, GRACE_S)
                : xasprintf("stop and start usually take so long; at worst %d s more for each container that ignores "
                            "SIGTERM",
                      GRACE_S);
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

/* A quick look while visitors wait; the gate looks longer when they do not wait any more. */
static void add_proof(struct plan *plan, const char *host, json_t *containers, const json_t *health)
{
    json_t *proof = json_object();
    json_object_set(proof, "containers", containers);
    json_put_i64(proof, "every_ms", PROOF_EVERY_MS);
    if (health)
        json_object_set(proof, "health", (json_t *)health);
    plan_add_step(plan, &step_proof, host, proof, NULL, "see that it runs%s, 3 times in a row",
        health ? " and answers as it should" : "");
}

static void add_steps(const struct plan_request *request, struct plan *plan, const struct site_state *site,
    json_t *containers, const json_t *health, const struct plan_proxies *proxies)
{
    json_t *note = json_object(), *restart = json_object();
    char *names = subject_names(containers);
    json_object_set(note, "containers", containers);
    json_object_set(restart, "containers", containers);
    json_put_i64(restart, "grace_s", GRACE_S);
    subject_add_lease(plan, site->host);
    proxies_add_leases(plan, proxies);
    plan_add_step(plan, &step_note, site->host, note, NULL, "keep the state and the last log lines of %s", names);
    proxies_add_hold(plan, proxies);
    proxies_add_drain(plan, proxies, DRAIN_MS);
    plan_add_step(plan, &step_restart, site->host, restart, "start what was stopped",
        "stop %s (SIGTERM, SIGKILL after %d s), then start %s", names, GRACE_S,
        json_array_size(containers) > 1 ? "them again" : "it again");
    plan_runs(plan, "site.restart: %s stop -t %d, start", subject_runtime(request, site->name, site->host), GRACE_S);
    if (proxies_can_hold(proxies))
        add_proof(plan, site->host, containers, health);
    proxies_add_unhold(plan, proxies);
    subject_add_gate(plan, site->host, containers, health);
    proxies_add_releases(plan, proxies);
    subject_add_release(plan, site->host);
    free(names);
}

static bool is_planned(const struct plan *plan, const char *site)
{
    vec_each (&plan->steps, const struct plan_step, step)
        if (strcmp(step->site, site) == 0)
            return true;
    return false;
}

static enum err plan_one(
    const struct plan_request *request, const struct site_state *site, struct plan *plan, struct err_info *info)
{
    struct plan_proxies proxies = {0};
    json_t *containers = json_array();
    enum err err = subject_check_mark(site, info);
    if (!err)
        err = check_site(request, site, info);
    str_copy(plan->site, sizeof plan->site, site->name);
    if (!err)
        err = gather_containers(request, site, plan, containers, info);
    if (!err)
        err = proxies_find(request, plan, site->name, PROXIES_BEST, NULL, &proxies, info);
    if (!err) {
        json_t *health = subject_health(request, site->name, site->host, plan);
        add_steps(request, plan, site, containers, health, &proxies);
        predict(request, site->name, json_array_size(containers), proxies_can_hold(&proxies), plan);
        proxies_warn_cut(plan, &proxies);
        json_decref(health);
    }
    plan_proxies_free(&proxies);
    json_decref(containers);
    return err;
}

/* All sites of a host that run; the others are named and left as they are. */
static enum err plan_host(
    const struct plan_request *request, const char *host, struct plan *plan, struct err_info *info)
{
    size_t count = 0;
    enum err err = subject_check_host(request, "this", host, info);
    plan->object_kind = KIND_HOST;
    str_copy(plan->action, sizeof plan->action, "restart");
    str_copy(plan->object, sizeof plan->object, host);
    str_copy(plan->host, sizeof plan->host, host);
    for (size_t i = 0; i < request->snapshot->site_count && !err; i++) {
        const struct site_state *site = &request->snapshot->sites[i];
        if (strcmp(site->host, host) != 0)
            continue;
        if (site->status == SITE_RUNNING || site->status == SITE_DEGRADED) {
            err = plan_one(request, site, plan, info);
            count++;
        } else {
            plan_warn(plan, "%s is %s and is left alone", site->name, site_status_word(site->status));
        }
    }
    if (!err && !count)
        return err_set(info, ERR_INVALID, "no site runs on %s: there is nothing to restart", host);
    plan->site[0] = '\0';
    return err;
}

static enum err plan_more(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    struct plan_request next = *request;
    const struct site_state *site;
    enum err err = ERR_OK;
    vec_each (&request->options->more, char *const, name) {
        next.object = *name;
        if (!err)
            err = subject_find(&next, &site, info);
        if (!err && !is_planned(plan, site->name))
            err = plan_one(&next, site, plan, info);
    }
    return err;
}

enum err restart_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    if (!snapshot_site(request->snapshot, request->object) && snapshot_host(request->snapshot, request->object))
        return plan_host(request, request->object, plan, info);
    enum err err = subject_find(request, &site, info);
    if (err)
        return err;
    subject_begin_plan(plan, "restart", site, site->host);
    err = plan_one(request, site, plan, info);
    if (!err && request->options)
        err = plan_more(request, plan, info);
    str_copy(plan->site, sizeof plan->site, site->name);
    return err;
}
