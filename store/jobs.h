/* Jobs and their journal: records as they are kept in the store. Writing is synchronous and durable (fsynced) before it
 * returns; any thread of the engine may call, one at a time gets through. Reading: store/reader.h for other processes.
 *
 * Strings marked "owned" are malloc'd and belong to the record; NULL reads and writes as "". */
#ifndef STORE_JOBS_H
#define STORE_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/name.h"
#include "base/vec.h"
#include "fleet/state.h"

struct store;

enum job_state { JOB_PLANNED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_UNDONE, JOB_STATE_COUNT };
enum step_state { STEP_PENDING, STEP_RUNNING, STEP_DONE, STEP_FAILED, STEP_SKIPPED, STEP_UNDONE, STEP_STATE_COUNT };

const char *job_state_word(enum job_state state); /* "planned", …; "unknown" for anything else */
const char *step_state_word(enum step_state state);

struct job_record {
    int64_t id; /* given by store_job_create */
    char action[16];
    enum object_kind object_kind;
    char object[KEY_SIZE]; /* the object's key */
    char site[NAME_SIZE];  /* "" where it concerns none */
    char host[NAME_SIZE];
    char who[64];
    char reason[REASON_SIZE];
    enum job_state state;
    int64_t created_us, started_us, ended_us;
    int progress_pct; /* 0…100; −1: not known */
    char message[512];
    char *plan_json; /* owned */
};

struct job_step_record {
    int64_t job_id;
    int index; /* from 0 */
    char name[32];
    char host[NAME_SIZE];
    char *command; /* owned: what is done, for a person */
    enum step_state state;
    int64_t started_us, ended_us;
    char *outcome;  /* owned */
    char *undo;     /* owned: what would undo it, for a person */
    char *progress; /* owned: the last sign of life */
    /* of copying; 0 where nothing was copied yet */
    int pass;
    int64_t done_bytes, total_bytes; /* total −1: not known */
    int64_t bytes_s;
    int64_t alive_us; /* when the last sign of life came */
};

struct job_list {
    VEC(struct job_record) items;
};
struct job_step_list {
    VEC(struct job_step_record) items; /* by index */
};

void job_record_free(struct job_record *job); /* what it owns, not the record itself; leaves NULLs */
void job_step_record_free(struct job_step_record *step);
void job_list_free(struct job_list *list);
void job_step_list_free(struct job_step_list *list);

/* Insert; sets job->id, and created_us where it is 0. */
enum err store_job_create(struct store *store, struct job_record *job, struct err_info *info);
/* Write state, times, progress and message of an existing job (its identity and plan never change). ERR_NOT_FOUND. */
enum err store_job_update(struct store *store, const struct job_record *job, struct err_info *info);
/* Insert or replace the step (job_id, index). ERR_NOT_FOUND where there is no such job. */
enum err store_job_step_put(struct store *store, const struct job_step_record *step, struct err_info *info);
/* Take away the steps from index `count` on: the job has another plan now. */
enum err store_job_steps_cut(struct store *store, int64_t job_id, size_t count, struct err_info *info);

/* Newest first; limit 0: all. The list is emptied first; free it in any case. */
enum err store_jobs(struct store *store, size_t limit, struct job_list *out, struct err_info *info);
/* Jobs that are planned or running, oldest first: what an engine must look at when it starts. */
enum err store_jobs_unfinished(struct store *store, struct job_list *out, struct err_info *info);
/* One job with its steps (steps may be NULL). ERR_NOT_FOUND. */
enum err store_job(
    struct store *store, int64_t id, struct job_record *job, struct job_step_list *steps, struct err_info *info);

#endif
