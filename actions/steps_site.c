/* Steps on a site's host that most actions share: take its lease, keep what is before anything changes, restart its
 * containers, release it. Each is a conversation with the helper (docs/protocol.md); runs in the job's thread. */
#include "actions/step.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"

#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define MARK_TIMEOUT_US (60 * USEC_PER_SEC)
#define START_ALLOWANCE_US (60 * USEC_PER_SEC) /* on top of the grace time of each container */
#define BUSY_PATIENCE_US (120 * USEC_PER_SEC)  /* for a host that ends by itself what it has begun */
#define BUSY_EVERY_US USEC_PER_SEC
#define KEPT_LINES 100

/* --- lease and release -------------------------------------------------------------------------------------------- */

static enum err lease_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = step_take_lease(context, step->host, info);
    if (!err)
        buf_printf(outcome, "%s is ours", step_site(context));
    return err;
}

/* Where the host does not know the lease any more, or has given it to somebody else, there is nothing to give back. */
static enum err lease_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = step_give_lease(context, step->host, info);
    if (err == ERR_NOT_FOUND || err == ERR_BUSY)
        err = ERR_OK;
    if (!err)
        buf_printf(outcome, "%s is free", step_site(context));
    return err;
}

/* All is done by now: a lease that cannot be given back ends by itself and makes no failure of a good job. */
static enum err release_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = step_give_lease(context, step->host, info);
    if (err == ERR_CANCELLED)
        return err;
    if (err)
        buf_printf(outcome, "not given back, it ends by itself within 3 minutes");
    else
        buf_printf(outcome, "%s is free", step_site(context));
    if (err && info && info->message[0])
        buf_printf(outcome, ": %s", info->message);
    return ERR_OK;
}

const struct step_kind step_lease = {
    .name = "lease", .runs = "lease.take", .again = true, .run = lease_run, .undo = lease_undo};
/* Without its lease a job can take nothing back any more. */
const struct step_kind step_release = {
    .name = "release", .runs = "lease.release", .again = true, .settles = true, .run = release_run};

/* --- containers --------------------------------------------------------------------------------------------------- */

static const json_t *find_by_id(const json_t *containers, const char *id)
{
    const json_t *container;
    size_t i;
    json_array_foreach (containers, i, container) {
        const char *its_id = json_get_text(container, "id");
        if (id && its_id && strcmp(its_id, id) == 0)
            return container;
    }
    return NULL;
}

static bool is_running(const json_t *container)
{
    const char *state = json_get_text(container, "state");
    return state && strcmp(state, "running") == 0;
}

/* --- note --------------------------------------------------------------------------------------------------------- */

/* The last lines of a container's log, before a restart begins a new one. Missing logs stop nothing. */
static bool keep_log(struct step_context *context, const char *host, const char *container)
{
    json_t *args = json_object(), *answer = NULL;
    const json_t *line;
    size_t i;
    json_put_text(args, "container", container);
    json_put_i64(args, "lines", KEPT_LINES);
    if (step_command(context, host, "logs.tail", args, ASK_TIMEOUT_US, &answer, NULL) != ERR_OK)
        return false;
    struct buf text = BUF((size_t)4 << 20);
    char name[CONTAINER_NAME_SIZE + 8];
    json_array_foreach (json_object_get(answer, "lines"), i, line) {
        int64_t at_us = 0;
        char stamp[CLOCK_RFC3339_SIZE];
        const char *line_text = json_get_text(line, "text");
        json_get_i64(line, "t", &at_us);
        buf_printf(&text, "%s %s\n", clock_rfc3339(at_us, 3, stamp), line_text ? line_text : "");
    }
    str_format(name, sizeof name, "%s.log", container);
    bool kept = name_is_valid_container(container) && step_keep_file(context, name, &text, NULL) == ERR_OK;
    buf_free(&text);
    json_decref(answer);
    return kept;
}

/* The person saw these containers; what came since is not restarted on the quiet. */
static enum err check_same(const struct plan_step *step, const json_t *status, const char *site, struct err_info *info)
{
    const json_t *planned = json_object_get(step->parameters, "containers"),
                 *now = json_object_get(status, "containers");
    const json_t *container;
    size_t i;
    json_array_foreach (planned, i, container)
        if (!find_by_id(now, json_get_text(container, "id")))
            return err_set(info, ERR_INVALID,
                "%s on %s is not the container that was shown any more; nothing was changed, look at %s again",
                json_get_text(container, "name"), step->host, site);
    json_array_foreach (now, i, container)
        if (planned && is_running(container) && !find_by_id(planned, json_get_text(container, "id")))
            return err_set(info, ERR_INVALID,
                "%s on %s runs now and did not before; nothing was changed, look at %s again",
                json_get_text(container, "name"), step->host, site);
    return ERR_OK;
}

/* What has moved away, or is moving, is not the site any more, though its containers are the same. */
static enum err check_unmarked(
    const struct plan_step *step, const json_t *status, const char *site, struct err_info *info)
{
    const json_t *row;
    size_t i;
    json_array_foreach (json_object_get(status, "marks"), i, row) {
        const char *marked = json_get_text(row, "site"), *mark = json_get_text(row, "mark");
        if (marked && mark && strcmp(marked, site) == 0)
            return err_set(
                info, ERR_INVALID, "%s is %s on %s now; nothing was changed, look at it again", site, mark, step->host);
    }
    return ERR_OK;
}

static enum err note_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *status = NULL;
    const json_t *container;
    size_t i, logs = 0;
    enum err err = step_request(context, step->host, "site.status", NULL, ASK_TIMEOUT_US, &status, info);
    if (!err)
        err = check_unmarked(step, status, step_site(context), info);
    if (!err)
        err = check_same(step, status, step_site(context), info);
    if (err) {
        json_decref(status);
        return err;
    }
    struct buf text = BUF((size_t)1 << 20);
    if (json_write(&text, status) == ERR_OK)
        err = step_keep_file(context, "before.json", &text, info);
    json_array_foreach (json_object_get(status, "containers"), i, container) {
        const char *name = json_get_text(container, "name"), *state = json_get_text(container, "state");
        step_progress(context, "keeping the last lines of %s", name ? name : "?");
        logs += name && step_is_linked(context, step->host) && keep_log(context, step->host, name);
        buf_printf(outcome, "%s%s is %s", outcome->length ? ", " : "", name ? name : "?", state ? state : "unknown");
    }
    buf_printf(outcome, "; kept state and the last lines of %zu container%s", logs, logs == 1 ? "" : "s");
    buf_free(&text);
    json_decref(status);
    return err;
}

const struct step_kind step_note = {.name = "note", .runs = "site.status, logs.tail", .again = true, .run = note_run};

/* --- restart ------------------------------------------------------------------------------------------------------ */

static void tell_containers(const json_t *answer, struct buf *outcome)
{
    const json_t *container;
    size_t i;
    json_array_foreach (json_object_get(answer, "containers"), i, container) {
        const char *name = json_get_text(container, "name"), *ended_by = json_get_text(container, "ended_by");
        int64_t stop_ms = -1, start_ms = -1;
        bool left_alone = false;
        json_get_i64(container, "stop_ms", &stop_ms);
        json_get_i64(container, "start_ms", &start_ms);
        json_get_bool(container, "left_alone", &left_alone);
        buf_printf(outcome, "%s%s", outcome->length ? "; " : "", name ? name : "?");
        if (left_alone)
            buf_puts(outcome, " left alone");
        if (stop_ms >= 0)
            buf_printf(outcome, " stopped in %.1f s%s", (double)stop_ms / 1000,
                ended_by && strcmp(ended_by, "kill") == 0 ? " by SIGKILL: it ignored SIGTERM" : "");
        if (start_ms >= 0)
            buf_printf(outcome, "%sstarted in %.1f s", stop_ms >= 0 ? ", " : " ", (double)start_ms / 1000);
    }
}

static int64_t grace_of(const struct plan_step *step)
{
    int64_t grace_s = 10;
    json_get_i64(step->parameters, "grace_s", &grace_s);
    return grace_s;
}

static enum err restart_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    int64_t containers = (int64_t)json_array_size(json_object_get(step->parameters, "containers"));
    int64_t timeout_us = START_ALLOWANCE_US + (containers + 1) * grace_of(step) * USEC_PER_SEC;
    json_put_i64(args, "grace_s", grace_of(step));
    enum err err = step_command(context, step->host, "site.restart", args, timeout_us, &answer, info);
    if (!err)
        tell_containers(answer, outcome);
    json_decref(answer);
    return err;
}

/* What runs now and what does not, as an answer or a status says. */
static void tell_what_runs(const json_t *answer, struct buf *outcome)
{
    struct buf down = BUF(2000);
    const json_t *container;
    size_t i, running = 0;
    json_array_foreach (json_object_get(answer, "containers"), i, container) {
        const char *name = json_get_text(container, "name"), *state = json_get_text(container, "state");
        if (is_running(container))
            buf_printf(outcome, "%s%s", running++ ? ", " : "running now: ", name ? name : "?");
        else
            buf_printf(&down, "%s%s is %s", down.length ? ", " : "", name ? name : "?", state ? state : "unknown");
    }
    if (!running)
        buf_puts(outcome, "nothing of it runs");
    if (down.length)
        buf_printf(outcome, "; %s", buf_text(&down));
    buf_free(&down);
}

/* The host may still be at something by itself: it is waited for. */
static enum err ask_when_free(struct step_context *context, const struct plan_step *step, const char *verb,
    int64_t timeout_us, json_t **answer, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + step_patience(context, BUSY_PATIENCE_US);
    for (;;) {
        json_t *args = json_object();
        json_put_i64(args, "grace_s", grace_of(step));
        enum err err = step_request(context, step->host, verb, args, timeout_us, answer, info);
        bool at_it =
            err == ERR_BUSY && clock_mono_us() < until_us && step_take_lease(context, step->host, info) == ERR_OK;
        if (!at_it || step_wait(context, step_patience(context, BUSY_EVERY_US)))
            return err;
        step_progress(context, "%s is still at it", step->host);
    }
}

static int64_t stop_timeout_us(const struct plan_step *step)
{
    int64_t containers = (int64_t)json_array_size(json_object_get(step->parameters, "containers"));
    return START_ALLOWANCE_US + (containers + 1) * grace_of(step) * USEC_PER_SEC;
}

static enum err stop_here(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *answer = NULL;
    enum err err = ask_when_free(context, step, "site.stop", stop_timeout_us(step), &answer, info);
    if (!err)
        tell_containers(answer, outcome);
    json_decref(answer);
    return err;
}

static enum err start_here(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *answer = NULL;
    enum err err = ask_when_free(context, step, "site.start", START_ALLOWANCE_US + ASK_TIMEOUT_US, &answer, info);
    if (!err)
        tell_what_runs(answer, outcome);
    json_decref(answer);
    return err;
}

/* Done: every container that was to be restarted runs, and began at another time than was seen for the plan. Started
 * times are compared for being the same only: a host's clock may be set. */
static enum truth compare_with_plan(const struct plan_step *step, const json_t *status, bool *any_old)
{
    const json_t *planned;
    size_t i, anew = 0, old = 0, count = 0;
    json_array_foreach (json_object_get(step->parameters, "containers"), i, planned) {
        const json_t *now = find_by_id(json_object_get(status, "containers"), json_get_text(planned, "id"));
        int64_t before_us = 0, started_us = 0;
        json_get_i64(planned, "started_us", &before_us);
        json_get_i64(now, "started_us", &started_us);
        count++;
        anew += is_running(now) && started_us != before_us;
        old += is_running(now) && started_us == before_us;
    }
    *any_old = old > 0;
    if (anew == count)
        return TRUTH_DONE;
    return old == count ? TRUTH_NOT_DONE : TRUTH_HALF;
}

static enum truth look_at_site(
    struct step_context *context, const struct plan_step *step, bool *any_old, struct err_info *info)
{
    json_t *status = NULL;
    *any_old = false;
    if (step_request(context, step->host, "site.status", NULL, ASK_TIMEOUT_US, &status, info) != ERR_OK)
        return TRUTH_UNKNOWN;
    enum truth truth = compare_with_plan(step, status, any_old);
    json_decref(status);
    return truth;
}

static enum truth restart_truth(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    bool any_old;
    return look_at_site(context, step, &any_old, info);
}

/* Stopped ones are started. Where one runs since before, the host was interrupted while stopping: once more, whole. */
static enum err restart_finish(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    bool any_old;
    json_t *answer = NULL;
    if (look_at_site(context, step, &any_old, info) == TRUTH_UNKNOWN)
        return info->code;
    if (any_old)
        return restart_run(context, step, outcome, info);
    enum err err =
        step_request(context, step->host, "site.start", NULL, START_ALLOWANCE_US + ASK_TIMEOUT_US, &answer, info);
    if (!err)
        tell_containers(answer, outcome);
    json_decref(answer);
    return err;
}

/* A stop may wait for the grace time before anything is seen of it. */
static int64_t restart_quiet_us(const struct plan_step *step)
{
    return (grace_of(step) + 5) * USEC_PER_SEC;
}

const struct step_kind step_restart = {.name = "restart",
    .runs = "site.restart: podman|docker stop -t 10, start",
    .run = restart_run,
    .undo = start_here, /* whatever was stopped; what happened to be started anew stays */
    .truth = restart_truth,
    .finish = restart_finish,
    .quiet_us = restart_quiet_us};

/* --- stop and start under a mark ---------------------------------------------------------------------------------- */

enum err step_set_mark(struct step_context *context, const char *host, json_t *args, const char *mark,
    const char *const *from, json_t **was, struct err_info *info)
{
    json_t *marks = json_array();
    for (; *from; from++)
        json_array_append_new(marks, json_string(*from));
    json_put_text(args, "mark", mark);
    json_object_set_new(args, "from", marks);
    return step_request(context, host, "site.mark", args, MARK_TIMEOUT_US, was, info);
}

static enum err set_mark(struct step_context *context, const struct plan_step *step, const char *mark,
    const char *const *from, struct err_info *info)
{
    json_t *args = json_object();
    bool trial = false;
    json_put_text(args, "peer", json_get_text(step->parameters, "peer"));
    if (strcmp(mark, "incoming") == 0 && json_get_bool(step->parameters, "trial", &trial))
        json_put_bool(args, "trial", trial);
    return step_set_mark(context, step->host, args, mark, from, NULL, info);
}

/* An earlier step has set the mark already: that need not be done while visitors wait. */
static bool is_marked(const struct plan_step *step)
{
    bool marked = false;
    json_get_bool(step->parameters, "marked", &marked);
    return marked;
}

static const char *mark_of(const struct plan_step *step, const char *key)
{
    const char *mark = json_get_text(step->parameters, key);
    return mark ? mark : "none";
}

/* The mark comes first: a host that is started anew in between must not bring it up again. */
static enum err stop_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const char *mark = mark_of(step, "mark");
    enum err err =
        is_marked(step) ? ERR_OK : set_mark(context, step, mark, (const char *const[]){"none", mark, NULL}, info);
    return err ? err : stop_here(context, step, outcome, info);
}

static enum err stop_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const char *mark = mark_of(step, "mark");
    enum err err = set_mark(context, step, "none", (const char *const[]){"none", mark, NULL}, info);
    return err ? err : start_here(context, step, outcome, info);
}

static enum err start_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const char *mark = mark_of(step, "mark"), *before = mark_of(step, "before");
    enum err err =
        is_marked(step) ? ERR_OK : set_mark(context, step, mark, (const char *const[]){before, mark, NULL}, info);
    return err ? err : start_here(context, step, outcome, info);
}

static enum err start_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const char *mark = mark_of(step, "mark"), *before = mark_of(step, "before");
    enum err err = stop_here(context, step, outcome, info);
    if (err == ERR_NOT_FOUND && strcmp(mark, "incoming") == 0)
        return ERR_OK; /* nothing of it was made here, or it is gone again */
    if (err == ERR_NOT_FOUND)
        err = ERR_OK;
    struct plan_step as_before = *step;
    as_before.parameters = NULL; /* without a trial */
    return err ? err : set_mark(context, &as_before, before, (const char *const[]){before, mark, "none", NULL}, info);
}

static enum err leave_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = set_mark(context, step, "leaving", (const char *const[]){"none", "leaving", NULL}, info);
    if (!err)
        buf_printf(outcome, "once stopped, %s does not start on %s again", step_site(context), step->host);
    return err;
}

static enum err leave_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    (void)outcome;
    return set_mark(context, step, "none", (const char *const[]){"none", "leaving", NULL}, info);
}

/* Parameters: "peer". */
const struct step_kind step_leave = {
    .name = "leave", .runs = "site.mark leaving", .again = true, .run = leave_run, .undo = leave_undo};
/* Parameters: "mark" to set, or that is "marked"; "containers" (for the time it may take), "grace_s", "peer". */
const struct step_kind step_stop = {
    .name = "stop", .runs = "site.stop: podman|docker stop -t 10", .again = true, .run = stop_run, .undo = stop_undo};
/* Parameters: "mark" to set ("none", or "incoming" with "trial"), or that is "marked"; "before": what it bears until
 * then. */
const struct step_kind step_start = {
    .name = "start", .runs = "site.start: podman|docker start", .again = true, .run = start_run, .undo = start_undo};
