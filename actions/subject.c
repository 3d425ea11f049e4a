/* What plans about one site have in common. Only reads: the snapshot, the fleet files and the history. */
#include "actions/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actions/proxies.h"
#include "actions/step.h"
#include "base/mem.h"

#define HISTORY_JOBS 500

enum err subject_find(const struct plan_request *request, const struct site_state **site, struct err_info *info)
{
    const struct snapshot *snapshot = request->snapshot;
    *site = snapshot_site(snapshot, request->object);
    if (*site)
        return ERR_OK;
    const char **names = xcalloc(snapshot->site_count + 1, sizeof *names);
    for (size_t i = 0; i < snapshot->site_count; i++)
        names[i] = snapshot->sites[i].name;
    const char *nearest = name_nearest(request->object, names, snapshot->site_count);
    enum err err = err_set(info, ERR_NOT_FOUND, "no site is called \"%s\"%s%s%s", request->object,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return err;
}

enum err subject_check_host(
    const struct plan_request *request, const char *site, const char *host, struct err_info *info)
{
    const struct host_state *state = snapshot_host(request->snapshot, host);
    if (state && state->status == HOST_UP)
        return ERR_OK;
    return err_set(info, ERR_INVALID, "%s is on %s, which cannot be reached: %s", site, host,
        state ? state->reason : "it is not in the fleet files");
}

enum err subject_check_mark(const struct site_state *site, struct err_info *info)
{
    switch (site->mark) {
    case MARK_QUARANTINED:
        return err_set(info, ERR_INVALID,
            "%s is quarantined on %s (job %s): nothing else is done to it; let it go with `dogwatch release %s`",
            site->name, site->host, site->mark_job, site->name);
    case MARK_INCOMING:
    case MARK_LEAVING:
        return err_set(info, ERR_INVALID,
            "%s is in the middle of a move (job %s): wait for its end, see `dogwatch jobs` and `dogwatch site where "
            "%s`",
            site->name, site->mark_job, site->name);
    case MARK_KEPT:
        return err_set(info, ERR_INVALID,
            "of %s only the copy from before its move is left, kept on %s; where the rest is: `dogwatch site where %s`",
            site->name, site->host, site->name);
    case MARK_NONE:
    case MARK_STOPPED:
        break;
    }
    return ERR_OK;
}

void subject_begin_plan(struct plan *plan, const char *action, const struct site_state *site, const char *host)
{
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    str_copy(plan->action, sizeof plan->action, action);
    str_copy(plan->object, sizeof plan->object, site->name);
    str_copy(plan->site, sizeof plan->site, site->name);
    str_copy(plan->host, sizeof plan->host, host);
}

/* --- what is true now --------------------------------------------------------------------------------------------- */

static const json_t *find_row(const json_t *rows, const char *key, const char *text)
{
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        const char *its = json_get_text(row, key);
        if (its && strcmp(its, text) == 0)
            return row;
    }
    return NULL;
}

static void refresh_container(struct container_state *container, const json_t *row, enum site_mark mark)
{
    const char *state = json_get_text(row, "state"), *policy = json_get_text(row, "restart_policy");
    int64_t exit_code = container->exit_code;
    container->state = run_state_parse(state ? state : "");
    container->starts_at_boot = policy && policy[0] && strcmp(policy, "no") != 0;
    container->mark = mark;
    json_get_i64(row, "exit_code", &exit_code);
    container->exit_code = (int)exit_code;
}

static void refresh_status(struct site_state *site)
{
    if (site->mark == MARK_QUARANTINED)
        site->status = SITE_QUARANTINED;
    else if (!site->containers_running)
        site->status = SITE_STOPPED;
    else if (site->containers_running < site->containers_total)
        site->status = SITE_DEGRADED;
    else if (site->status != SITE_DEGRADED)
        site->status = SITE_RUNNING;
}

static void refresh(const struct plan_request *request, struct site_state *site, const json_t *answer)
{
    const json_t *mark = find_row(json_object_get(answer, "marks"), "site", site->name);
    const char *word = json_get_text(mark, "mark"), *job = json_get_text(mark, "job");
    site->mark = MARK_NONE;
    if (word)
        site_mark_parse(word, &site->mark);
    str_copy(site->mark_job, sizeof site->mark_job, job ? job : "");
    site->containers_running = site->containers_total = 0;
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        struct container_state *container = &request->snapshot->containers[i];
        const json_t *row = subject_has(container, site->name, site->host)
                                ? find_row(json_object_get(answer, "containers"), "id", container->id)
                                : NULL;
        if (!row)
            continue;
        refresh_container(container, row, site->mark);
        site->containers_total++;
        site->containers_running += container->state == RUN_RUNNING;
    }
    refresh_status(site);
}

enum err subject_look(const struct plan_request *request, const struct site_state *site, struct err_info *info)
{
    json_t *args, *answer = NULL;
    const struct host_state *host = snapshot_host(request->snapshot, site->host);
    if (!request->asker || site->status == SITE_CONFLICT || !host || host->status != HOST_UP)
        return ERR_OK;
    args = json_object();
    json_put_text(args, "site", site->name);
    enum err err = plan_ask(request, site->host, "site.status", args, &answer, info);
    if (!err)
        refresh(request, &request->snapshot->sites[site - request->snapshot->sites], answer);
    json_decref(answer);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- containers --------------------------------------------------------------------------------------------------- */

bool subject_has(const struct container_state *container, const char *site, const char *host)
{
    return strcmp(container->site, site) == 0 && strcmp(container->host, host) == 0;
}

json_t *subject_containers(
    const struct plan_request *request, const char *site, const char *host, bool running_only, struct plan *plan)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        bool runs = container->state == RUN_RUNNING || container->state == RUN_RESTARTING;
        if (!subject_has(container, site, host) || (running_only && !runs))
            continue;
        json_t *row = json_object();
        json_put_text(row, "name", container->name);
        json_put_text(row, "id", container->id);
        json_array_append_new(rows, row);
        if (plan)
            vec_push(&plan->identity, xstrdup(container->id));
    }
    return rows;
}

char *subject_names(const json_t *containers)
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

const char *subject_runtime(const struct plan_request *request, const char *site, const char *host)
{
    const struct snapshot *snapshot = request->snapshot;
    for (size_t i = 0; i < snapshot->container_count; i++)
        if (subject_has(&snapshot->containers[i], site, host) && snapshot->containers[i].runtime[0])
            return snapshot->containers[i].runtime;
    return "podman|docker";
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

static const struct container_def *published(const struct site_def *def)
{
    vec_each (&def->containers, const struct container_def, container)
        if (container->publish)
            return container;
    return NULL;
}

json_t *subject_health(const struct plan_request *request, const char *site, const char *host, struct plan *plan)
{
    const struct site_def *def = fleet_site(request->fleet, site);
    const struct host_def *where = fleet_host(request->fleet, host);
    const struct container_def *web = def ? published(def) : NULL;
    if (!def || !def->health.given || !web) {
        plan_warn(plan, "no health check is declared: the gate sees only that the same containers keep running");
        return NULL;
    }
    if (where && where->jump) {
        plan_warn(plan, "%s is behind %s: its pages cannot be asked for from here; the gate sees its containers only",
            host, where->jump);
        return NULL;
    }
    json_t *health = json_object();
    json_put_text(health, "domain", def->domains.count ? def->domains.items[0] : site);
    json_put_i64(health, "port", web->publish);
    json_put_text(health, "path", def->health.path);
    json_put_i64(health, "status", def->health.status);
    json_put_text(health, "contains", def->health.contains);
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (subject_has(container, site, host) && strcmp(container->role, web->name) == 0)
            json_put_text(health, "container", container->name);
    }
    return health;
}

void subject_add_gate(struct plan *plan, const char *host, const json_t *containers, const json_t *health)
{
    json_t *parameters = json_object();
    json_object_set_new(parameters, "containers", json_deep_copy(containers));
    if (!health) {
        plan_add_step(plan, &step_gate, host, parameters, NULL, "wait until its containers run, 3 times in a row");
        return;
    }
    json_object_set_new(parameters, "health", json_deep_copy(health));
    plan_add_step(plan, &step_gate, host, parameters, NULL,
        "wait until its containers run and http://%s:%lld%s answers %lld, 3 times in a row",
        json_get_text(health, "domain"), (long long)json_integer_value(json_object_get(health, "port")),
        json_get_text(health, "path"), (long long)json_integer_value(json_object_get(health, "status")));
}

void subject_add_lease(struct plan *plan, const char *host)
{
    plan_add_step(plan, &step_lease, host, proxies_lease_parameters(), "release it",
        "take the lease of %s, so that nobody else changes it meanwhile", plan->site);
}

void subject_add_release(struct plan *plan, const char *host)
{
    plan_add_step(plan, &step_release, host, NULL, NULL, "release the lease of %s", plan->site);
}

/* --- room --------------------------------------------------------------------------------------------------------- */

/* What root may still use, as the volumes' file system says; the sum over all of a host's file systems counts what is
 * reserved, or out of reach, as free. */
double subject_disk_free(const struct plan_request *request, const char *host)
{
    const struct host_state *state = snapshot_host(request->snapshot, host);
    double most = (double)NAN;
    for (size_t i = 0; i < request->snapshot->volume_count; i++) {
        const struct volume_state *volume = &request->snapshot->volumes[i];
        if (strcmp(volume->host, host) == 0 && strcmp(volume->driver, "bind") != 0)
            most = fmax(most, volume->metrics[VOLUME_FREE]); /* fmax ignores a NaN */
    }
    if (isnan(most) && state)
        most = state->metrics[HOST_DISK_TOTAL] - state->metrics[HOST_DISK_USED];
    return most;
}

/* --- history ------------------------------------------------------------------------------------------------------ */

static bool has_begun(const struct job_step_list *steps)
{
    vec_each (&steps->items, const struct job_step_record, step)
        if (step->state == STEP_DONE)
            return true;
    return false;
}

/* The plan of one job, where it is about this site and anything of it was done. */
static bool read_job(const struct plan_request *request, int64_t id, json_t **plan, struct job_step_list *steps)
{
    struct job_record job = {0};
    bool good = store_read_job(request->history, id, &job, steps, NULL) == ERR_OK && job.plan_json &&
                has_begun(steps) && json_parse(job.plan_json, strlen(job.plan_json), plan, NULL) == ERR_OK;
    job_record_free(&job);
    if (!good)
        job_step_list_free(steps);
    return good;
}

bool subject_last_job(const struct plan_request *request, const char *action, const char *site, int64_t *job_id,
    json_t **plan, struct job_step_list *steps)
{
    struct job_list jobs = {0};
    bool found = false;
    *plan = NULL;
    *steps = (struct job_step_list){0};
    *job_id = 0;
    if (!request->history || store_read_jobs(request->history, HISTORY_JOBS, &jobs, NULL) != ERR_OK)
        return false;
    vec_each (&jobs.items, const struct job_record, job) {
        bool ended = job->state == JOB_DONE || job->state == JOB_FAILED;
        if (found || !ended || strcmp(job->action, action) != 0 || strcmp(job->site, site) != 0)
            continue;
        found = read_job(request, job->id, plan, steps);
        *job_id = found ? job->id : 0;
    }
    job_list_free(&jobs);
    return found;
}
