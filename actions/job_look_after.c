/* What is due by itself: the removal of kept copies whose time is over, and of what a move left on a host that could
 * not be reached when it ended. Looked for and planned in a thread of its own, which the engine's loop begins now and
 * then and never waits for. */
#include <string.h>

#include "actions/expire.h"
#include "actions/jobs_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/reader.h"

#define LEFT_JOBS 500
#define LEFT_AFTER_US (60 * USEC_PER_SEC)

static bool is_at_work_on(struct jobs *jobs, const char *site)
{
    bool found = false;
    pthread_mutex_lock(&jobs->mutex);
    for (const struct step_context *context = jobs->running; context; context = context->next)
        vec_each (&context->plan.steps, const struct plan_step, step)
            found = found || (!context->ended && strcmp(step->site, site) == 0);
    pthread_mutex_unlock(&jobs->mutex);
    return found;
}

/* The last job on the site was a move of ours that failed, and that is a while ago: what it left will not go away. */
static bool was_left_by_us(struct store_reader *reader, const char *site)
{
    struct job_list list = {0};
    bool left = false;
    if (store_read_jobs(reader, LEFT_JOBS, &list, NULL) == ERR_OK)
        vec_each (&list.items, const struct job_record, job)
            if (strcmp(job->site, site) == 0) {
                left = strcmp(job->action, "migrate") == 0 && job->state != JOB_RUNNING && job->state != JOB_PLANNED &&
                       clock_wall_us() - job->ended_us > LEFT_AFTER_US;
                break; /* the newest */
            }
    job_list_free(&list);
    return left;
}

/* ERR_CANCELLED: the engine ends. */
static enum err begin_expire(struct jobs *jobs, const char *site, const char *host, const char *reason)
{
    struct err_info info = {0};
    json_t *options = json_pack("{s:s}", "to", host);
    int64_t job;
    enum err err = is_at_work_on(jobs, site)
                       ? ERR_OK
                       : jobs_run(jobs, "expire", site, options, NULL, "dogwatch", (uid_t)-1, reason, &job, &info);
    if (err && err != ERR_CANCELLED)
        log_warning("the copy of %s on %s cannot be seen to: %s", site, host, info.message);
    json_decref(options);
    return err == ERR_CANCELLED ? err : ERR_OK;
}

static void *look(void *arg)
{
    struct jobs *jobs = arg;
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    struct err_info info = {0};
    char site[NAME_SIZE], host[NAME_SIZE];
    size_t cursor = 0;
    enum err err = store_reader_open(jobs->config.state_dir, &reader, &info);
    if (!err)
        err = store_read_snapshot(reader, &snapshot, &info);
    while (!err && expire_is_due(snapshot, &cursor, site, host))
        err = begin_expire(jobs, site, host, "the time it was to be kept is over");
    for (cursor = 0; !err && expire_is_left(snapshot, &cursor, site, host);)
        if (was_left_by_us(reader, site))
            err = begin_expire(jobs, site, host, "a move left it behind");
    snapshot_free(snapshot);
    store_reader_close(reader);
    jobs->look.over = true;
    return NULL;
}

void job_look_end(struct jobs *jobs)
{
    if (jobs->look.begun)
        pthread_join(jobs->look.thread, NULL);
    jobs->look.begun = false;
}

void jobs_look_after(struct jobs *jobs)
{
    if (jobs->look.begun && !jobs->look.over)
        return; /* it waits for somebody; the next time will do */
    job_look_end(jobs);
    jobs->look.over = false;
    jobs->look.begun = pthread_create(&jobs->look.thread, NULL, look, jobs) == 0;
}
