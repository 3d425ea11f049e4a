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
    TRUTH_NOT_DONE, /* nothing of it has happened */
    TRUTH_HALF,     /* begun, not at its end */
    TRUTH_DONE,
};

struct step_kind {
    const char *name; /* in plans, journals and on screens */
    const char *runs; /* what is asked of the host (docs/protocol.md) and what that runs there, where a plan does not
                       * say it more exactly (plan_runs); for a person */
    bool again;       /* running it a second time does no harm: after a crash it is simply run again */
    /* Once it is done its site only goes forward: nothing is undone, a cancel comes too late (but for steps whose
     * parameters say "optional"), and what fails afterwards is said but stops nothing of the rest. */
    bool settles;
    /* Once it is asked for, visitors may be on the other side of it: where the answer is lost the host is asked again
     * for as long as a way back would be tried, a cancel has to wait for that, and what stays unknown counts as done.
     * Going back could lose what was written there. For steps that settle and may be run again. */
    bool decides;

    /* Do it. `outcome` gets a sentence for the journal, also on failure where there is something to say. */
    enum err (*run)(
        struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info);
    /* Undo it, also where it was only half done. NULL: nothing to undo. */
    enum err (*undo)(
        struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info);
    /* Ask the host. NULL where `again` is set. UNKNOWN: `info` says why. */
    enum truth (*truth)(struct step_context *context, const struct plan_step *step, struct err_info *info);
    /* Bring to its end what truth() found half done. ERR_BUSY: the host is still at it by itself, ask for the truth
     * again. NULL: go back instead. */
    enum err (*finish)(
        struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info);
    /* How long after its beginning the host may still be about to do it although nothing is to be seen of it yet. */
    int64_t (*quiet_us)(const struct plan_step *step);
};

const struct step_kind *step_find(const char *name); /* NULL where there is none */
/* A text of its parameters; "" where there is none. */
const char *step_text(const struct plan_step *step, const char *key);

/* --- what a step may use of its job ------------------------------------------------------------------------------- */

/* Ask a host's helper in the operator's role, over the job's own connection. Takes ownership of `args`; *ok (may be
 * NULL) is the caller's. "job" and "site" are added to the arguments; the job's lease is renewed meanwhile. Where the
 * host cannot be reached or the connection breaks it is tried again for a minute: for verbs that may be asked twice. */
enum err step_request(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info);

/* The same for verbs that must not be asked twice: once it was sent, a lost answer leaves the step in doubt, and the
 * job finds out by truth(). */
enum err step_command(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info);

/* step_request for what may take long (copying): a cancel ends the waiting with ERR_CANCELLED, and the step's undo has
 * to end what the host is doing. What the host says of "bytes" and "total_bytes" goes to step_copied. */
enum err step_request_long(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info);

/* Whether there is a working connection now: for what is only asked in passing. */
bool step_is_linked(struct step_context *context, const char *host);

/* Take or give back the lease of the step's site on this host. A job may hold several; each is renewed with whatever is
 * asked. ERR_BUSY names who has it; from then on the job asks nothing more and undoes nothing of that site. */
enum err step_take_lease(struct step_context *context, const char *host, struct err_info *info);
enum err step_give_lease(struct step_context *context, const char *host, struct err_info *info);

/* The last sign of life, shown wherever the job is watched; at most a few times a second reach the store. */
void step_progress(struct step_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Wait; true where the job is to be cancelled (or the engine ends): give up with ERR_CANCELLED. While the job goes back
 * only the end of the engine counts. */
bool step_wait(struct step_context *context, int64_t duration_us);
bool step_is_cancelled(struct step_context *context);
/* A wait or deadline as it is to be kept: tests make it shorter. */
int64_t step_patience(const struct step_context *context, int64_t duration_us);

/* Copying: pass (0: none), bytes so far, of how many (−1: not known). Rate and time left come of it by themselves. */
void step_copied(struct step_context *context, int pass, int64_t done_bytes, int64_t total_bytes);

/* What one step found out and a later one needs (IDs of new containers, a token): kept on disk before this returns, so
 * an engine started anew has it too. Takes ownership of `value`; recall borrows, NULL where nothing is known. */
enum err step_remember(struct step_context *context, const char *key, json_t *value, struct err_info *info);
const json_t *step_recall(const struct step_context *context, const char *key);

/* Mark the step's site on a host (docs/protocol.md "Marks"), where it bears one of `from` (ended by NULL) until now.
 * Takes ownership of `args`, what else goes with the mark. *was (may be NULL): the verb's answer. steps_site.c */
enum err step_set_mark(struct step_context *context, const char *host, json_t *args, const char *mark,
    const char *const *from, json_t **was, struct err_info *info);

/* Two hosts that cannot reach one another exchange bytes through this engine: `stream FROM_WORD` on one, `stream
 * TO_WORD` on the other, pumped until both ended (remote/stream.h), while the leases are renewed. */
enum err step_relay(struct step_context *context, const char *from_host, const char *from_word, const char *to_host,
    const char *to_word, int64_t limit_bytes_s, struct err_info *info);

const struct jobs_config *step_config(const struct step_context *context);
int64_t step_job_id(const struct step_context *context);
/* The job as hosts know it: "WORD.ID". */
const char *step_job_word(const struct step_context *context);

const char *step_site(const struct step_context *context);
/* A file to keep evidence in: STATE/jobs/ID/NAME, written whole. */
enum err step_keep_file(struct step_context *context, const char *name, const struct buf *data, struct err_info *info);

/* "TYPE BASE64": the key a host showed on the connection we have to it; false where there is none. */
#define HOST_KEY_TEXT_SIZE 4200
bool step_host_key(struct step_context *context, const char *host, char *out, size_t out_size);

/* Address, port and jump host as in the fleet files now; false where the host is not in them any more. */
bool step_host_address(
    struct step_context *context, const char *host, char out[ADDRESS_SIZE], uint16_t *port, bool *has_jump);

/* --- the kinds ---------------------------------------------------------------------------------------------------- */

/* The kinds, all of them, NULL at the end: what tests of crashes and cut links go through. */
extern const struct step_kind *const step_kinds[];

/* steps_site.c, gate.c */
extern const struct step_kind step_lease, step_note, step_restart, step_gate, step_proof, step_release, step_leave,
    step_stop, step_start;
/* steps_route.c */
extern const struct step_kind step_hold, step_drain, step_route, step_unhold, step_notice, step_page;
/* steps_move.c */
extern const struct step_kind step_incoming, step_create, step_activate, step_keep, step_remove;
/* steps_copy.c */
extern const struct step_kind step_image, step_copy, step_last_pass, step_close;
/* steps_isolate.c */
extern const struct step_kind step_contain, step_uncontain, step_evidence, step_pull;

#endif
