/* Jobs: plans being carried out. The engine has one of these. Each job has a thread of its own; its journal is in the
 * store, the intent of a step is on disk before the step begins, its outcome after (docs/jobs.md).
 *
 * One job at a time on a site: within this engine by a list, across engines by the site's lease on the host. */
#ifndef ACTIONS_JOBS_H
#define ACTIONS_JOBS_H

#include <stdint.h>
#include <sys/types.h>

#include "actions/plan.h"
#include "base/json.h"
#include "fleet/fleet.h"
#include "store/store.h"

struct jobs;

struct jobs_config {
    struct store *store;   /* outlives the jobs */
    const char *state_dir; /* copied */
    /* The fleet files in force: held while looked at. */
    void *fleet_owner;
    const struct fleet *(*fleet_hold)(void *owner);
    void (*fleet_release)(void *owner, const struct fleet *fleet);
    /* Tests: called before and after each step's run ("lease", true) and undo ("undo lease", true); NULL otherwise. */
    void (*crash_point)(const char *step, bool before);
    /* Tests: waits and deadlines are so many times shorter; 0 and 1: as they are. */
    unsigned hurry;
};

struct jobs *jobs_new(const struct jobs_config *config);

/* Jobs an earlier engine left unfinished: ask the hosts what is true, then go on or go back, each in its own thread. */
enum err jobs_resume(struct jobs *jobs, struct err_info *info);

/* Clean stop: running jobs stop where they are and stay resumable; waits for their threads. NULL allowed. */
void jobs_free(struct jobs *jobs);

/* Changes nothing. *plan_json (a new reference) and the text for a person. ERR_NOT_FOUND (the nearest name is named),
 * ERR_INVALID (it cannot be done now, and why). */
enum err jobs_plan(struct jobs *jobs, const char *action, const char *object, json_t **plan_json, struct buf *text,
    struct err_info *info);

/* Plan anew and begin. `expect` (an array of IDs, or NULL) is the identity the person saw: ERR_INVALID where it is
 * another now. ERR_BUSY names the job that holds the site. */
enum err jobs_run(struct jobs *jobs, const char *action, const char *object, const json_t *expect, const char *who,
    uid_t uid, const char *reason, int64_t *job_id, struct err_info *info);

/* Undo to a safe state and end; kept on disk before this returns, so an engine started anew goes back as well.
 * ERR_NOT_FOUND where no such job runs. */
enum err jobs_cancel(struct jobs *jobs, int64_t job_id, const char *who, uid_t uid, struct err_info *info);

#endif
