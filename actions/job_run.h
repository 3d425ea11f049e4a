/* One running job: its thread, its connections to hosts, its journal. Private to actions/. */
#ifndef ACTIONS_JOB_RUN_H
#define ACTIONS_JOB_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "actions/jobs.h"
#include "actions/step.h"
#include "remote/target.h"
#include "store/jobs.h"

struct host_link { /* the job's own connection to one host: job_ask.c */
    char host[NAME_SIZE];
    struct target *target;
    struct connection *connection;
    struct helper *helper;
    int64_t renew_id; /* the lease.renew or lease.take that is on its way; 0: none */
    size_t renewing;  /* which lease it is about */
};

struct lease_held {
    char host[NAME_SIZE]; /* "": given back */
    char site[NAME_SIZE];
    int64_t renewed_mono_us;
    bool expired;     /* the host does not know it any more: to be taken again */
    unsigned retaken; /* how often that was asked for while something else was */
};

struct step_context {
    struct step_context *next; /* in jobs.c's list */
    const struct jobs_config *config;
    struct plan plan;
    struct job_record job;             /* id, action, who and site never change: others may read them */
    VEC(struct job_step_record) steps; /* as in the journal */
    VEC(struct host_link) links;
    VEC(struct lease_held) leases;
    char lost[512];    /* somebody else has one of them: what the host said; "" otherwise */
    json_t *facts;     /* what steps remember */
    size_t current;    /* step under way */
    struct buf behind; /* what failed after its site had settled: said at the end */
    struct {
        int64_t since_mono_us, since_bytes; /* the rate is measured from here */
        double bytes_s;
    } copying;
    bool resumed;
    int64_t away_us; /* resumed: how long no engine was there to begin it */
    bool begun;      /* by the engine before this one: it is gone on with, whatever else */
    bool waited;     /* it stood behind another job: to be planned anew */
    bool going_back;
    bool turned;           /* that it goes back is on disk, journal or not: JOB_BACK_FILE */
    bool hasty;            /* going back, the first time round: who cannot be reached is left for the second */
    bool undecided;        /* a step that decides was sent, and nobody knows what became of it */
    bool in_doubt;         /* a command was sent and its answer lost */
    int wake_fd, leave_fd; /* eventfds: look at `cancelled`; the engine ends (never drained) */
    atomic_bool cancelled; /* a person wants it undone */
    atomic_bool leaving;   /* the engine ends: stop, stay resumable */
    /* Wait until it is this job's turn, and plan anew where it waited: jobs.c. NULL owner: it begins at once. */
    void *owner;
    enum err (*await_turn)(void *owner, struct step_context *context, struct err_info *info);
    void (*tell_ended)(void *owner); /* whoever waits may look again */
    char word[64];                   /* the job as hosts know it: "PREFIX.ID" */
    atomic_bool ending;              /* how it ends is settled and being written: a cancel comes too late */
    atomic_bool ended;               /* nothing is done to the site any more */
    atomic_bool finished;            /* the thread is about to return */
    char cancelled_by[64];           /* written before `cancelled` */
    int64_t progress_mono_us;        /* when progress was last written */
    pthread_t thread;
};

/* Takes over plan and job (a record that is in the store already); completes and takes over the journal (NULL: none was
 * written yet). */
struct step_context *job_context_new(const struct jobs_config *config, const char *lease_prefix, struct plan *plan,
    struct job_record *job, struct job_step_list *steps);
void job_context_free(struct step_context *context); /* the thread has ended */

void *job_thread(void *context); /* for pthread_create */
void job_cancel(struct step_context *context, const char *who);
void job_signal(int eventfd); /* makes it readable */
void job_leave(struct step_context *context);

/* STATE/jobs/ID/NAME; the caller frees. */
char *job_file(const char *state_dir, int64_t job_id, const char *name);
/* Who cancelled a job, kept so that a crash does not make it go on. */
#define JOB_CANCELLED_FILE "cancelled-by"
/* The job goes back: also where the journal could not be written. */
#define JOB_BACK_FILE "goes-back"

/* job_journal.c: what cannot be written is logged, and returned where somebody has to act on it. */
enum err job_write(struct step_context *context);
enum err job_write_step(struct step_context *context, size_t index, struct err_info *info);
void job_end_step(struct step_context *context, size_t index, enum step_state state, const char *outcome);
/* One record a step: what was written before (NULL: nothing was), and what is missing of it. */
void job_make_journal(struct step_context *context, struct job_step_list *known);
void job_write_end(struct step_context *context); /* returns when it is written, or the engine ends */
void job_set_message(struct step_context *context, const char *text);
void job_count_percent(struct step_context *context);

/* job_back.c. `said` and `left`: what came of it, for the job's message. ERR_CANCELLED: the engine ends before all is
 * undone. ERR_FAILED: something is left. */
enum err job_undo_steps(struct step_context *context, struct buf *said, struct buf *left);
bool job_was_begun(const struct job_step_record *record);
/* The job ends here: no step stays begun or to come. */
void job_close_steps(struct step_context *context);

/* job_run.c */
void job_crash_point(const struct step_context *context, const char *step, bool before);

/* A step of this site is done that lets it only go forward. */
bool job_is_settled(const struct step_context *context, const char *site);
/* It decides, and was begun: visitors may be on its other side. */
bool job_may_have_decided(const struct step_context *context, size_t index);
/* A journal for a plan that replaces the one of a job nothing of which has begun. Takes over `plan`. */
void job_replan(struct step_context *context, struct plan *plan);
#define JOB_PLAN_FILE "plan.json" /* the plan that is carried out, where it is another than the one first recorded */

/* job_ask.c */
enum err job_take_lease(struct step_context *context, const char *host, const char *site, struct err_info *info);
void job_close_links(struct step_context *context);
bool job_may_pass(enum err err); /* a host that fails so may be back soon */

/* job_settle.c: what has become of a step whose end nobody saw. ERR_OK: it is done, the journal says so. ERR_CANCELLED:
 * the engine ends or a person wants it undone. Else: go back. */
enum err job_settle(struct step_context *context, size_t index, struct err_info *info);
/* After a crash: *index is the first step to run. Anything but ERR_OK: back (ERR_CANCELLED while leaving: wait). */
enum err job_resume(struct step_context *context, size_t *index, struct err_info *info);

#endif
