/* Steps that isolate a site and let it go again: containment, evidence in the order of its volatility, its way off the
 * host (docs/protocol.md "Verbs that isolate", docs/evidence.md). All are harmless to run twice. Nothing takes
 * containment back but `release`: a job that fails or is cancelled leaves it as tight as it got. Runs in the job's
 * thread. */
#include "actions/step.h"

#include <string.h>

#include "actions/evidence.h"
#include "actions/job_run.h"
#include "actions/step_line.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define CONTAIN_TIMEOUT_US (60 * USEC_PER_SEC)
#define UNCONTAIN_TIMEOUT_US (180 * USEC_PER_SEC)
#define COLLECT_TIMEOUT_US (6 * 3600 * USEC_PER_SEC) /* of one stage; the link tells earlier when a host is gone */
#define LEFT_OUT_SHOWN 4
#define REACH_PATIENCE_US (60 * USEC_PER_SEC)
#define PULL_TRIES 4
#define PULL_EVERY_US (5 * USEC_PER_SEC)
#define PING_EVERY_US (20 * USEC_PER_SEC)
#define PING_TIMEOUT_US (15 * USEC_PER_SEC)

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_get_text(object, key);
    return text ? text : otherwise;
}

/* "; left out: WHAT (WHY), … and 3 more" */
static void tell_left_out(const json_t *answer, struct buf *outcome)
{
    const json_t *rows = json_object_get(answer, "left_out"), *row;
    size_t i, count = json_array_size(rows);
    json_array_foreach (rows, i, row) {
        char what[120], why[200];
        const char *said_what = text_or(row, "what", "?"), *said_why = text_or(row, "why", "no reason given");
        if (i == LEFT_OUT_SHOWN)
            break;
        sanitize(what, sizeof what, said_what, strlen(said_what));
        sanitize(why, sizeof why, said_why, strlen(said_why));
        buf_printf(outcome, "%s%s (%s)", i ? ", " : "; left out: ", what, why);
    }
    if (count > LEFT_OUT_SHOWN)
        buf_printf(outcome, " and %zu more", count - LEFT_OUT_SHOWN);
}

/* --- containment -------------------------------------------------------------------------------------------------- */

static enum err contain_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *answer = NULL;
    int64_t took_ms = 0;
    enum err err = step_request(context, step->host, "site.contain", NULL, CONTAIN_TIMEOUT_US, &answer, info);
    if (err)
        return err;
    size_t count = json_array_size(json_object_get(answer, "interfaces"));
    json_get_i64(answer, "took_ms", &took_ms);
    buf_printf(outcome, "%s is quarantined, %zu interface%s cut in %lld ms", step_site(context), count,
        count == 1 ? "" : "s", (long long)took_ms);
    tell_left_out(answer, outcome);
    json_decref(answer);
    return ERR_OK;
}

static enum err uncontain_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    int64_t killed = 0;
    json_put_bool(args, "unpause", true);
    json_put_text(args, "restore", text_or(step->parameters, "restore", "none"));
    enum err err = step_request(context, step->host, "site.uncontain", args, UNCONTAIN_TIMEOUT_US, &answer, info);
    if (err)
        return err;
    json_get_i64(answer, "killed_connections", &killed);
    buf_printf(
        outcome, "%lld stalled connection%s ended, then the way was opened", (long long)killed, killed == 1 ? "" : "s");
    tell_left_out(answer, outcome);
    json_decref(answer);
    return ERR_OK;
}

const struct step_kind step_contain = {.name = "contain",
    .runs = "site.contain: nft netdev ingress drop",
    .again = true,
    .settles = true,
    .run = contain_run};
const struct step_kind step_uncontain = {.name = "uncontain",
    .runs = "site.uncontain: ss -K, nft delete table, unpause",
    .again = true,
    .run = uncontain_run,
    .undo = contain_run};

/* --- evidence ----------------------------------------------------------------------------------------------------- */

static int64_t sum_bytes(const json_t *files)
{
    const json_t *file;
    size_t i;
    int64_t sum = 0, bytes;
    json_array_foreach (files, i, file)
        if (json_get_i64(file, "bytes", &bytes) && bytes > 0)
            sum += bytes;
    return sum;
}

/* Of the keys a host has it signs with the one it is pinned by. */
static void add_key_type(struct step_context *context, const char *host, json_t *args)
{
    char key[HOST_KEY_TEXT_SIZE];
    if (!step_host_key(context, host, key, sizeof key))
        return;
    key[strcspn(key, " ")] = '\0';
    json_put_text(args, "key_type", key);
}

static enum err evidence_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *answer = NULL;
    char size[FORMAT_SIZE], took[FORMAT_SIZE];
    int64_t took_ms = 0, bytes, count;
    enum err err = step_line_reach(context, step->host, REACH_PATIENCE_US, info);
    if (err)
        return err;
    json_t *args = json_object();
    json_put_text(args, "what", json_get_text(step->parameters, "what"));
    add_key_type(context, step->host, args);
    err = step_request_long(context, step->host, "evidence.collect", args, COLLECT_TIMEOUT_US, &answer, info);
    if (err)
        return err;
    const json_t *files = json_object_get(answer, "files");
    bytes = sum_bytes(files);
    count = (int64_t)json_array_size(files);
    json_get_i64(answer, "bytes", &bytes); /* where the list of files is cut, these are the whole */
    json_get_i64(answer, "file_count", &count);
    json_get_i64(answer, "took_ms", &took_ms);
    buf_printf(outcome, "%lld file%s, %s in %s", (long long)count, count == 1 ? "" : "s",
        format_bytes((double)bytes, size), format_duration(took_ms * USEC_PER_MSEC, took));
    tell_left_out(answer, outcome);
    json_decref(answer);
    return ERR_OK;
}

const struct step_kind step_evidence = {
    .name = "evidence", .runs = "evidence.collect", .again = true, .run = evidence_run};

/* --- off the host ------------------------------------------------------------------------------------------------- */

/* Over a connection of its own: the job's is free meanwhile to renew the lease. */
struct pull {
    struct step_context *context;
    const struct plan_step *step;
    struct step_line line;
    int64_t pinged_mono_us;
};

/* The lease is renewed with whatever is asked over the job's own connection. */
static bool show_pull(void *owner, int64_t done_bytes, int64_t total_bytes)
{
    struct pull *pull = owner;
    step_copied(pull->context, 0, done_bytes, total_bytes);
    if (clock_mono_us() - pull->pinged_mono_us > PING_EVERY_US && step_is_linked(pull->context, pull->step->host)) {
        pull->pinged_mono_us = clock_mono_us();
        step_request(pull->context, pull->step->host, "ping", NULL, PING_TIMEOUT_US, NULL, NULL);
    }
    return !step_is_cancelled(pull->context);
}

static enum err pull_once(struct pull *pull, struct evidence_outcome *result, struct err_info *info)
{
    enum err err = step_line_open(pull->context, pull->step->host, &pull->line, info);
    if (!err) {
        const struct evidence_request request = {.state_dir = step_config(pull->context)->state_dir,
            .host = pull->step->host,
            .site = step_site(pull->context),
            .job = step_job_word(pull->context),
            .key = connection_host_key(pull->line.connection),
            .progress = show_pull,
            .owner = pull};
        err = evidence_pull(&request, pull->line.connection, pull->line.helper, result, info);
    }
    step_line_close(&pull->line);
    return err;
}

/* Broken off, it goes on with what is missing. */
static enum err pull_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    struct pull pull = {.context = context, .step = step, .pinged_mono_us = clock_mono_us()};
    struct evidence_outcome result = {0};
    struct err_info own = {0};
    char size[FORMAT_SIZE];
    enum err err = ERR_OK;
    for (int tries = 0; tries < PULL_TRIES; tries++) {
        err = pull_once(&pull, &result, &own);
        bool again = err && job_may_pass(err) && tries + 1 < PULL_TRIES;
        if (!again || step_wait(context, step_patience(context, PULL_EVERY_US)))
            break;
        step_progress(context, "trying again: %s", own.message);
    }
    if (!err) {
        buf_printf(outcome, "%lld files, %s%s, every one as the signed manifest says: evidence/%s",
            (long long)result.files, format_bytes((double)result.bytes, size), result.was_here ? " (here already)" : "",
            result.name);
        return ERR_OK;
    }
    return err_set(info, err, "%.600s; the evidence is still on %s alone: `dogwatch evidence pull %s`", own.message,
        step->host, step_site(context));
}

const struct step_kind step_pull = {
    .name = "pull", .runs = "evidence.open; sha256, ssh-keygen -Y verify", .again = true, .run = pull_run};
