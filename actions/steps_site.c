/* Steps on a site's host that most actions share: take its lease, keep what is before anything changes, restart its
 * containers, release it. Each is a conversation with the helper (docs/protocol.md); runs in the job's thread. */
#include "actions/step.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define START_ALLOWANCE_US (60 * USEC_PER_SEC) /* on top of the grace time of each container */
#define KEPT_LINES 100

static const struct step_kind *const kinds[] = {&step_lease, &step_note, &step_restart, &step_gate, &step_release};

const struct step_kind *step_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

/* --- lease and release
 * ------------------------------------------------------------------------------------------------ */

static enum err lease_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object();
    json_put_text(args, "holder", json_get_text(step->parameters, "holder"));
    json_put_i64(args, "ttl_s", STEP_LEASE_TTL_S);
    enum err err = step_request(context, step->host, "lease.take", args, ASK_TIMEOUT_US, NULL, info);
    if (!err)
        buf_printf(outcome, "%s is ours", step_site(context));
    return err;
}

static enum err release_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = step_request(context, step->host, "lease.release", NULL, ASK_TIMEOUT_US, NULL, info);
    if (!err)
        buf_printf(outcome, "%s is free", step_site(context));
    return err;
}

const struct step_kind step_lease = {.name = "lease", .again = true, .run = lease_run, .undo = release_run};
const struct step_kind step_release = {.name = "release", .again = true, .run = release_run};

/* --- note
 * ------------------------------------------------------------------------------------------------------------- */

/* The last lines of a container's log, before a restart begins a new one. Missing logs stop nothing. */
static bool keep_log(struct step_context *context, const char *host, const char *container)
{
    json_t *args = json_object(), *answer = NULL;
    const json_t *line;
    size_t i;
    json_put_text(args, "container", container);
    json_put_i64(args, "lines", KEPT_LINES);
    if (step_request(context, host, "logs.tail", args, ASK_TIMEOUT_US, &answer, NULL) != ERR_OK)
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

static enum err note_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *status = NULL;
    const json_t *container;
    size_t i, logs = 0;
    enum err err = step_request(context, step->host, "site.status", NULL, ASK_TIMEOUT_US, &status, info);
    if (err)
        return err;
    struct buf text = BUF((size_t)1 << 20);
    if (json_write(&text, status) == ERR_OK)
        err = step_keep_file(context, "before.json", &text, info);
    json_array_foreach (json_object_get(status, "containers"), i, container) {
        const char *name = json_get_text(container, "name"), *state = json_get_text(container, "state");
        step_progress(context, "keeping the last lines of %s", name ? name : "?");
        logs += name && keep_log(context, step->host, name);
        buf_printf(outcome, "%s%s is %s", outcome->length ? ", " : "", name ? name : "?", state ? state : "unknown");
    }
    buf_printf(outcome, "; kept state and the last lines of %zu container%s", logs, logs == 1 ? "" : "s");
    buf_free(&text);
    json_decref(status);
    return err;
}

const struct step_kind step_note = {.name = "note", .again = true, .run = note_run};

/* --- restart
 * ---------------------------------------------------------------------------------------------------------- */

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
    enum err err = step_request(context, step->host, "site.restart", args, timeout_us, &answer, info);
    if (!err)
        tell_containers(answer, outcome);
    json_decref(answer);
    return err;
}

/* Whatever was stopped is started again; what happened to be started anew stays. */
static enum err restart_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *answer = NULL;
    enum err err =
        step_request(context, step->host, "site.start", NULL, START_ALLOWANCE_US + ASK_TIMEOUT_US, &answer, info);
    if (!err)
        buf_printf(outcome, "what was stopped is started again");
    json_decref(answer);
    return err;
}

static const json_t *find_by_id(const json_t *containers, const char *id)
{
    const json_t *container;
    size_t i;
    json_array_foreach (containers, i, container) {
        const char *its_id = json_get_text(container, "id");
        if (its_id && strcmp(its_id, id) == 0)
            return container;
    }
    return NULL;
}

/* Done: every container that was to be restarted runs, and began after it was seen for the plan. */
static enum truth restart_truth(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    json_t *status = NULL;
    const json_t *planned;
    size_t i;
    bool done = true;
    if (step_request(context, step->host, "site.status", NULL, ASK_TIMEOUT_US, &status, info) != ERR_OK)
        return TRUTH_UNKNOWN;
    json_array_foreach (json_object_get(step->parameters, "containers"), i, planned) {
        const char *id = json_get_text(planned, "id");
        const json_t *now = id ? find_by_id(json_object_get(status, "containers"), id) : NULL;
        const char *state = now ? json_get_text(now, "state") : NULL;
        int64_t before_us = 0, started_us = 0;
        json_get_i64(planned, "started_us", &before_us);
        if (now)
            json_get_i64(now, "started_us", &started_us);
        done = done && state && strcmp(state, "running") == 0 && started_us > before_us;
    }
    json_decref(status);
    return done ? TRUTH_DONE : TRUTH_NOT_DONE;
}

const struct step_kind step_restart = {
    .name = "restart", .run = restart_run, .undo = restart_undo, .truth = restart_truth};
