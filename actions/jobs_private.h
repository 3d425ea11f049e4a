/* The engine's jobs as the files that make them up see them: the list and its guard (jobs.c), planning
 * (job_planning.c), what is due by itself (job_look_after.c). Private to actions/. */
#ifndef ACTIONS_JOBS_PRIVATE_H
#define ACTIONS_JOBS_PRIVATE_H

#include <pthread.h>

#include "actions/job_run.h"
#include "actions/jobs.h"

struct jobs {
    struct jobs_config config;
    char lease_prefix[40];
    pthread_mutex_t mutex;
    pthread_cond_t changed;       /* a job ended, was cancelled, or is to leave */
    struct step_context *running; /* a chain, the newest first; also those that ended and are not reaped yet */
    bool leaving;                 /* the engine ends: nothing new begins */
    int leave_fd;                 /* an eventfd for who waits without a job, never drained */
    struct {                      /* the look for what is due by itself; but for `over` the engine's loop's own */
        pthread_t thread;
        bool begun;
        atomic_bool over;
    } look;
};

/* Say in a plan which jobs are cancelled for it: of an action that is urgent. The mutex is not held. */
void jobs_warn_who_gives_way(struct jobs *jobs, struct plan *plan);

/* job_planning.c: from the newest there is, which is waited for where a job on the site has just ended. Any thread;
 * the mutex is not held. The caller frees the plan in any case. ERR_CANCELLED: the engine ends. */
enum err job_make_plan(struct jobs *jobs, const char *action, const char *object, const json_t *options,
    struct plan *plan, struct err_info *info);
/* The plan of a job that waited for another, made anew and kept in its place. In the job's thread. */
enum err job_plan_again(struct jobs *jobs, struct step_context *context, struct err_info *info);

/* job_look_after.c: wait for the look that is under way; the engine leaves. */
void job_look_end(struct jobs *jobs);

#endif
