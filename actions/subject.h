/* The site an action is about, as the snapshot has it: found by name or refused in words, its containers on a host, how
 * a gate sees that it is well, what an earlier job on it was like. For plans; only reads. */
#ifndef ACTIONS_SUBJECT_H
#define ACTIONS_SUBJECT_H

#include "actions/action.h"

/* ERR_NOT_FOUND names the nearest one. *site is borrowed from the snapshot. */
enum err subject_find(const struct plan_request *request, const struct site_state **site, struct err_info *info);

/* Ask the site's host what is true now and put it into the snapshot, which is this plan's own: a collector may be some
 * seconds behind a job that has just ended. Nothing where there is no asker, or in a conflict. What plan_ask says. */
enum err subject_look(const struct plan_request *request, const struct site_state *site, struct err_info *info);

/* Whether actions can be carried out on this host now. ERR_INVALID: "SITE is on HOST, which cannot be reached: …". */
enum err subject_check_host(
    const struct plan_request *request, const char *site, const char *host, struct err_info *info);

/* ERR_INVALID, with the way out, where the site is quarantined, in the middle of a move, or only a kept copy is left.
 */
enum err subject_check_mark(const struct site_state *site, struct err_info *info);

/* Name, object, site and host of a new plan. */
void subject_begin_plan(struct plan *plan, const char *action, const struct site_state *site, const char *host);

/* `container` belongs to the site on this host. */
bool subject_has(const struct container_state *container, const char *site, const char *host);

/* The containers of the site on a host: [{"name","id"}], those that run or all. Their IDs become the plan's identity
 * (NULL: of none). A new reference. */
json_t *subject_containers(
    const struct plan_request *request, const char *site, const char *host, bool running_only, struct plan *plan);
char *subject_names(const json_t *containers); /* "a, b"; the caller frees */
/* The engine its containers on this host are run by: "podman", "docker"; "podman|docker" where none is known there. */
const char *subject_runtime(const struct plan_request *request, const char *site, const char *host);

/* How the gate asks the site itself on `host`: a new reference, or NULL with a warning in the plan that says why not.
 */
json_t *subject_health(const struct plan_request *request, const char *site, const char *host, struct plan *plan);
/* Add the gate: `containers` of any start time. Both stay the caller's; `health` may be NULL. */
void subject_add_gate(struct plan *plan, const char *host, const json_t *containers, const json_t *health);

void subject_add_lease(struct plan *plan, const char *host);
void subject_add_release(struct plan *plan, const char *host);

/* What is free on the host for data: on the file system below its volumes where that is known, else on all together;
 * NaN where nothing is known. */
double subject_disk_free(const struct plan_request *request, const char *host);

/* The newest job of this action on this site that ran at all, with its plan: true where there is one. *plan (a new
 * reference, NULL else) and *steps (job_step_list_free) are the caller's. */
bool subject_last_job(const struct plan_request *request, const char *action, const char *site, int64_t *job_id,
    json_t **plan, struct job_step_list *steps);

#endif
