/* Jobs: plans being carried out. The engine has one of these. Each job has a thread of its own; its journal is in the
 * store, the intent of a step is on disk before the step begins, its outcome after (docs/jobs.md).
 *
 * One job at a time on a site: within this engine the next one waits for the one before (in the order of asking, and is
 * planned anew when its turn comes), across engines the site's lease on the host refuses the second. */
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

/* Clean stop: nothing new begins, whoever plans or waits gives up with ERR_CANCELLED, running jobs stop where they are
 * and stay resumable. Waits for nobody. NULL allowed. */
void jobs_leave(struct jobs *jobs);
/* The same, and waits for all threads. NULL allowed. */
void jobs_free(struct jobs *jobs);

/* `action` is the name of an action, or "undo" with the number of a job as its object; `options` as in docs/socket.md,
 * NULL: none. Changes nothing. *plan_json (a new reference) and the text for a person. ERR_NOT_FOUND (the nearest name
 * is named), ERR_INVALID (it cannot be done now, and why). */
enum err jobs_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options, json_t **plan_json,
    struct buf *text, struct err_info *info);

/* Plan anew and begin. `expect` (an array of IDs, or NULL) is the identity the person saw: ERR_INVALID where it is
 * another now. ERR_BUSY: too many jobs. */
enum err jobs_run(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    const json_t *expect, const char *who, uid_t uid, const char *reason, int64_t *job_id, struct err_info *info);

/* Where the site could move to, best first: [{"host","fits","reasons":[text],"score"}]; those that cannot take it are
 * at the end, with the reason. */
enum err jobs_targets(struct jobs *jobs, const char *site, json_t **targets, struct err_info *info);

/* What is true on every host, asked now and not read from the store: {"hosts","verdict","way_out"}, docs/jobs.md
 * "where". */
enum err jobs_where(struct jobs *jobs, const char *site, json_t **where, struct err_info *info);

/* Now and then, always by the same thread: begin what is due by itself (the removal of kept copies whose time is over).
 * Returns at once, what is due is looked for and planned in a thread of its own: a plan may wait for hosts. */
void jobs_look_after(struct jobs *jobs);

/* Undo to a safe state and end; kept on disk before this returns, so an engine started anew goes back as well.
 * ERR_NOT_FOUND where no such job runs. */
enum err jobs_cancel(struct jobs *jobs, int64_t job_id, const char *who, uid_t uid, struct err_info *info);

#endif
