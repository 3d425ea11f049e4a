/* restart: stop and start a site's containers on the host where they are, then pass the gate. Containers that do not
 * run are left alone by the helper. The plan only reads. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/action.h"
#include "actions/step.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/name.h"

#define GRACE_S 10
/* Typical times on a quiet host, where no earlier restart of the site tells better (measured: stop 0.9–1.2 s, start
 * 0.3 s). */
#define TYPICAL_STOP_US (1200 * USEC_PER_MSEC)
#define TYPICAL_START_US (400 * USEC_PER_MSEC)
#define HISTORY_JOBS 500

/* --- may it be done? ---------------------------------------------------------------------------------------------- */

static enum err refuse_unknown_site(const struct snapshot *snapshot, const char *name, struct err_info *info)
{
    const char **names = xcalloc(snapshot->site_count + 1, sizeof *names);
    for (size_t i = 0; i < snapshot->site_count; i++)
        names[i] = snapshot->sites[i].name;
    const char *nearest = name_nearest(name, names, snapshot->site_count);
    enum err err = err_set(info, ERR_NOT_FOUND, "no site is called \"%s\"%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return err;
}

static enum err check_site(const struct snapshot *snapshot, const struct site_state *site, struct err_info *info)
{
    const struct host_state *host = snapshot_host(snapshot, site->host);
    if (site->status == SITE_CONFLICT)
        return err_set(info, ERR_INVALID, "%s runs on more than one host: settle that first", site->name);
    if (!site->host[0] || !site->containers_total)
        return err_set(info, ERR_INVALID, "%s is on no host: there is nothing to restart", site->name);
    if (!host || host->status != HOST_UP)
        return err_set(info, ERR_INVALID, "%s is on %s, which cannot be reached: %s", site->name, site->host,
            host ? host->reason : "it is not in the fleet files");
    return ERR_OK;
}

static bool is_of_site(const struct container_state *container, const struct site_state *site)
{
    return strcmp(container->site, site->name) == 0 && strcmp(container->host, site->host) == 0;
}

/* --- what is known of it ------------------------------------------------------------------------------------------ */

/* Says how it ended and what a person can do about it. */
static enum err refuse_stopped(const struct snapshot *snapshot, const struct site_state *site, struct err_info *info)
{
    for (size_t i = 0; i < snapshot->container_count; i++) {
        const struct container_state *container = &snapshot->containers[i];
        if (is_of_site(container, site))
            return err_set(info, ERR_INVALID,
                "no container of %s runs, so there is nothing to restart: %s is %s (exit code %d); see why with "
                "`dogwatch log --site %s`, start it on %s with `%s start %s`",
                site->name, container->name, run_state_word(container->state), container->exit_code, site->name,
                site->host, container->runtime, container->name);
    }
    return err_set(info, ERR_INVALID, "%s has no container: there is nothing to restart", site->name);
}

/* The running containers, as the gate and an engine started anew will look for them. */
static enum err gather_containers(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    json_t *out, struct err_info *info)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (!is_of_site(container, site))
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

static const struct container_def *published(const struct site_def *def)
{
    vec_each (&def->containers, const struct container_def, container)
        if (container->publish)
            return container;
    return NULL;
}

/* How the gate asks the site itself; NULL where that is not declared or not possible, with a warning that says so. */
static json_t *health_check(const struct plan_request *request, const struct site_state *site, struct plan *plan)
{
    const struct site_def *def = fleet_site(request->fleet, site->name);
    const struct host_def *host = fleet_host(request->fleet, site->host);
    const struct container_def *web = def ? published(def) : NULL;
    if (!def || !def->health.given || !web) {
        plan_warn(plan, "no health check is declared: the gate sees only that the same containers keep running");
        return NULL;
    }
    if (host && host->jump) {
        plan_warn(plan, "%s is behind %s: its pages cannot be asked for from here; the gate sees its containers only",
            site->host, host->jump);
        return NULL;
    }
    json_t *health = json_object();
    json_put_text(health, "domain", def->domains.count ? def->domains.items[0] : site->name);
    json_put_i64(health, "port", web->publish);
    json_put_text(health, "path", def->health.path);
    json_put_i64(health, "status", def->health.status);
    json_put_text(health, "contains", def->health.contains);
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (is_of_site(container, site) && strcmp(container->role, web->name) == 0)
            json_put_text(health, "container", container->name);
    }
    return health;
}

/* How long the restart step of the newest good restart of this site took; 0 where there was none. */
static int64_t last_time(struct store_reader *history, const char *site, int64_t *job_id)
{
    struct job_list jobs = {0};
    int64_t took_us = 0;
    if (!history || store_read_jobs(history, HISTORY_JOBS, &jobs, NULL) != ERR_OK)
        return 0;
    vec_each (&jobs.items, const struct job_record, job) {
        struct job_record whole = {0};
        struct job_step_list steps = {0};
        if (took_us || job->state != JOB_DONE || strcmp(job->action, "restart") != 0 || strcmp(job->object, site) != 0)
            continue;
        if (store_read_job(history, job->id, &whole, &steps, NULL) == ERR_OK)
            vec_each (&steps.items, const struct job_step_record, step)
                if (strcmp(step->name, step_restart.name) == 0 && step->ended_us > step->started_us)
                    took_us = step->ended_us - step->started_us;
        *job_id = job->id;
        job_record_free(&whole);
        job_step_list_free(&steps);
    }
    job_list_free(&jobs);
    return took_us;
}

static void predict(const struct plan_request *request, const char *site, size_t containers, struct plan *plan)
{
    int64_t job_id = 0, last_us = last_time(request->history, site, &job_id);
    plan->cut_us = last_us ? last_us : (int64_t)containers * (TYPICAL_STOP_US + TYPICAL_START_US);
    plan->cut_rests_on =
        last_us ? xasprintf("it took so long in job %lld; at worst %d s more for each container that ignores SIGTERM",
                      (long long)job_id, GRACE_S)
                : xasprintf("stop and start usually take so long; at worst %d s more for each container that ignores "
                            "SIGTERM",
                      GRACE_S);
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

static char *names_of(const json_t *containers)
{
    struct buf names = BUF(4096);
    const json_t *container;
    size_t i;
    json_array_foreach (containers, i, container)
        buf_printf(&names, "%s%s", i ? ", " : "", json_get_text(container, "name"));
    char *text = xstrdup(buf_text(&names));
    buf_free(&names);
    return text;
}

static json_t *lease_parameters(void)
{
    char machine[64] = "dogwatch";
    json_t *parameters = json_object();
    gethostname(machine, sizeof machine - 1);
    json_put_text(parameters, "holder", machine);
    return parameters;
}

static void add_steps(struct plan *plan, const struct site_state *site, json_t *containers, json_t *health)
{
    json_t *note = json_object(), *restart = json_object(), *gate = json_object();
    char *names = names_of(containers);
    json_object_set(note, "containers", containers);
    json_object_set(restart, "containers", containers);
    json_put_i64(restart, "grace_s", GRACE_S);
    json_object_set(gate, "containers", containers);
    if (health)
        json_object_set(gate, "health", health);
    plan_add_step(plan, &step_lease, site->host, lease_parameters(), "release it",
        "take the lease of %s, so that nobody else changes it meanwhile", site->name);
    plan_add_step(plan, &step_note, site->host, note, NULL, "keep the state and the last log lines of %s", names);
    plan_add_step(plan, &step_restart, site->host, restart, "start what was stopped",
        "stop %s (SIGTERM, SIGKILL after %d s), then start %s", names, GRACE_S,
        json_array_size(containers) > 1 ? "them again" : "it again");
    if (health)
        plan_add_step(plan, &step_gate, site->host, gate, NULL,
            "wait until the same containers run and http://%s:%lld%s answers %lld, 3 times in a row",
            json_get_text(health, "domain"), (long long)json_integer_value(json_object_get(health, "port")),
            json_get_text(health, "path"), (long long)json_integer_value(json_object_get(health, "status")));
    else
        plan_add_step(plan, &step_gate, site->host, gate, NULL, "wait until the same containers run, 3 times in a row");
    plan_add_step(plan, &step_release, site->host, NULL, NULL, "release the lease of %s", site->name);
    free(names);
}

enum err restart_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    const struct site_state *site = snapshot_site(request->snapshot, request->object);
    if (!site)
        return refuse_unknown_site(request->snapshot, request->object, info);
    str_copy(plan->action, sizeof plan->action, "restart");
    str_copy(plan->object, sizeof plan->object, site->name);
    str_copy(plan->site, sizeof plan->site, site->name);
    str_copy(plan->host, sizeof plan->host, site->host);
    json_t *containers = json_array(), *health = NULL;
    enum err err = check_site(request->snapshot, site, info);
    if (!err)
        err = gather_containers(request, site, plan, containers, info);
    if (!err) {
        health = health_check(request, site, plan);
        add_steps(plan, site, containers, health);
        predict(request, site->name, json_array_size(containers), plan);
    }
    json_decref(health);
    json_decref(containers);
    return err;
}
