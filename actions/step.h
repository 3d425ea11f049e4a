/* The step is what actions are made of and what is reused between them: a const row with what to do, how to undo it,
 * and how to find out after a crash whether it was done. Steps run in the job's thread and speak to hosts through its
 * context only. */
#ifndef ACTIONS_STEP_H
#define ACTIONS_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "actions/plan.h"
#include "fleet/fleet.h"
#include "remote/helper.h"

struct step_context; /* one running job, job_run.c */

enum truth {
    TRUTH_UNKNOWN,  /* the host cannot be asked now */
    TRUTH_NOT_DONE, /* or only half done */
    TRUTH_DONE,
};

struct step_kind {
    const char *name; /* in plans, journals and on screens */
    bool again;       /* running it a second time does no harm: after a crash it is simply run again */

    /* Do it. `outcome` gets a sentence for the journal, also on failure where there is something to say. */
    enum err (*run)(
        struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info);
    /* Undo it, also where it was only half done. NULL: nothing to undo. */
    enum err (*undo)(
        struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info);
    /* Ask the host. NULL where `again` is set. */
    enum truth (*truth)(struct step_context *context, const struct plan_step *step, struct err_info *info);
};

const struct step_kind *step_find(const char *name); /* NULL where there is none */

/* --- what a step may use of its job
 * ------------------------------------------------------------------------------------ */

/* Ask a host's helper in the operator's role, over the job's own connection (dialled when first needed, again after it
 * broke). Takes ownership of `args`; *ok (may be NULL) is the caller's. "job" and "site" are added to the arguments. */
enum err step_request(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info);

/* The last sign of life, shown wherever the job is watched; at most a few times a second reach the store. */
void step_progress(struct step_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Wait; true where the job is to be cancelled (or the engine ends): give up with ERR_CANCELLED. */
bool step_wait(struct step_context *context, int64_t duration_us);
bool step_is_cancelled(struct step_context *context);

/* Keep the site's lease: call between requests of long steps. */
void step_renew_lease(struct step_context *context, const char *host);

const char *step_site(const struct step_context *context);
/* A file to keep evidence in: STATE/jobs/ID/NAME, written whole. */
enum err step_keep_file(struct step_context *context, const char *name, const struct buf *data, struct err_info *info);

/* Address and jump host as in the fleet files now; false where the host is not in them any more. */
bool step_host_address(struct step_context *context, const char *host, char out[ADDRESS_SIZE], bool *has_jump);

/* --- the kinds
 * ---------------------------------------------------------------------------------------------------------- */

extern const struct step_kind step_lease, step_note, step_restart, step_gate, step_release;

#define STEP_LEASE_TTL_S 180

#endif
