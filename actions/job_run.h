/* One running job: its thread, its connections to hosts, its journal. Private to actions/. */
#ifndef ACTIONS_JOB_RUN_H
#define ACTIONS_JOB_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "actions/jobs.h"
#include "actions/step.h"
#include "collectors/host_route.h"
#include "store/jobs.h"

struct host_link { /* the job's own connection to one host */
    char host[NAME_SIZE];
    struct host_route *route;
    struct connection *connection;
    struct helper *helper;
};

struct step_context {
    struct step_context *next; /* in jobs.c's list */
    const struct jobs_config *config;
    const char *lease_prefix; /* makes the job's number unique between engines */
    struct plan plan;
    struct job_record job;
    VEC(struct job_step_record) steps; /* as in the journal */
    VEC(struct host_link) links;
    size_t current; /* step under way */
    bool resumed;
    int wake_fd;           /* eventfd: readable once the job is to be cancelled or the engine ends */
    atomic_bool cancelled; /* a person wants it undone */
    atomic_bool leaving;   /* the engine ends: stop between two steps, stay resumable */
    atomic_bool finished;  /* the thread is about to return */
    char cancelled_by[64];
    int64_t progress_mono_us; /* when progress was last written */
    pthread_t thread;
};

/* Takes over plan and job (a record that is in the store already); loads or makes the journal. NULL on failure. */
struct step_context *job_context_new(const struct jobs_config *config, const char *lease_prefix, struct plan *plan,
    struct job_record *job, struct job_step_list *steps);
void job_context_free(struct step_context *context); /* the thread has ended */

void *job_thread(void *context); /* for pthread_create */
void job_wake(struct step_context *context);

#endif
