/* What a job asks of its hosts: connections of its own, dialled when first needed and again after they broke; the lease
 * of its site, renewed with whatever is asked. A host that cannot be reached is tried again for a minute, it may be
 * back. Runs in the job's thread; the end of the engine interrupts every wait here. */
#include <stdio.h>
#include <string.h>

#include "actions/job_run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define DIAL_TIMEOUT_US (20 * USEC_PER_SEC)
#define HELLO_TIMEOUT_US (15 * USEC_PER_SEC)
#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define HELPER_IDLE_S 600
#define LINK_PATIENCE_US (60 * USEC_PER_SEC)
#define LINK_EVERY_US (2 * USEC_PER_SEC)
#define LEASE_TTL_S 180
#define RENEW_EVERY_US (45 * USEC_PER_SEC)

/* --- connections -------------------------------------------------------------------------------------------------- */

static void close_link(struct host_link *link)
{
    helper_free(link->helper);
    connection_free(link->connection);
    target_free(link->target);
    link->helper = NULL;
    link->connection = NULL;
    link->target = NULL;
    link->renew_id = 0;
}

void job_close_links(struct step_context *context)
{
    vec_each (&context->links, struct host_link, link)
        close_link(link);
    vec_free(&context->links);
}

static struct host_link *find_link(struct step_context *context, const char *host)
{
    vec_each (&context->links, struct host_link, link)
        if (strcmp(link->host, host) == 0)
            return link;
    struct host_link *link = vec_add(&context->links);
    str_copy(link->host, sizeof link->host, host);
    return link;
}

static bool is_alive(const struct host_link *link)
{
    return link->helper && helper_is_alive(link->helper);
}

bool step_is_linked(struct step_context *context, const char *host)
{
    return is_alive(find_link(context, host));
}

static enum err find_target(struct step_context *context, struct host_link *link, struct err_info *info)
{
    const struct jobs_config *config = context->config;
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, link->host);
    enum err err = def ? target_for_engine(fleet, def, config->state_dir, "operator", &link->target, info)
                       : err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", link->host);
    config->fleet_release(config->fleet_owner, fleet);
    return err;
}

static enum err open_link(struct step_context *context, struct host_link *link, struct err_info *info)
{
    close_link(link);
    enum err err = find_target(context, link, info);
    if (!err)
        err = remote_dial(target_address(link->target), DIAL_TIMEOUT_US, context->leave_fd, &link->connection, info);
    if (!err)
        err = helper_open(link->connection, "operator", HELPER_IDLE_S, HELLO_TIMEOUT_US, &link->helper, info);
    if (err)
        close_link(link);
    context->lease.renewed_mono_us = 0; /* who knows how long it was: renew at once */
    return err;
}

/* --- one question ------------------------------------------------------------------------------------------------- */

static json_t *name_job(const struct step_context *context, json_t *args)
{
    char job[64];
    args = args ? args : json_object();
    str_format(job, sizeof job, "%s.%lld", context->lease_prefix, (long long)context->job.id);
    json_put_text(args, "job", job);
    json_put_text(args, "site", context->plan.site);
    return args;
}

static json_t *lease_wish(const struct step_context *context)
{
    char machine[64] = "", holder[140];
    const char *named = json_get_text(context->plan.steps.items[0].parameters, "holder");
    str_copy(machine, sizeof machine, named ? named : "dogwatch");
    str_format(holder, sizeof holder, "%s@%s", context->job.who, machine);
    json_t *args = name_job(context, NULL);
    json_put_text(args, "holder", holder);
    json_put_i64(args, "ttl_s", LEASE_TTL_S);
    return args;
}

static void lose_lease(struct step_context *context, const char *said)
{
    str_copy(context->lease.lost, sizeof context->lease.lost, said);
    log_warning("job %lld: %s", (long long)context->job.id, said);
}

static enum err host_said(const struct host_link *link, const json_t *error, struct err_info *info)
{
    char text[400];
    const char *message = json_get_text(error, "message"), *word = json_get_text(error, "code");
    enum err code = ERR_FAILED;
    for (enum err each = ERR_OK + 1; word && each < ERR_COUNT; each++)
        if (strcmp(err_word(each), word) == 0)
            code = each;
    message = message ? message : "an error without a message";
    sanitize(text, sizeof text, message, strlen(message));
    return err_set(info, code, "%s: %s", link->host, text);
}

/* Ask for more time where that is due; the answer is looked at whenever it comes. */
static void renew_lease(struct step_context *context, struct host_link *link)
{
    struct lease_held *lease = &context->lease;
    bool due = clock_mono_us() - lease->renewed_mono_us > step_patience(context, RENEW_EVERY_US) || lease->expired;
    if (link->renew_id || !due || lease->lost[0] || strcmp(lease->host, link->host) != 0)
        return;
    const char *verb = lease->expired ? "lease.take" : "lease.renew";
    if (helper_send(link->helper, verb, lease_wish(context), HELLO_TIMEOUT_US, &link->renew_id, NULL) != ERR_OK)
        link->renew_id = 0;
    else
        lease->renewed_mono_us = clock_mono_us();
    lease->expired = false;
}

static void take_renewal(struct step_context *context, struct host_link *link, const struct helper_event *event)
{
    struct err_info said = {0};
    link->renew_id = 0;
    if (event->kind != HELPER_ERROR)
        return;
    enum err code = host_said(link, event->value, &said);
    if (code == ERR_BUSY)
        lose_lease(context, said.message);
    else if (code == ERR_NOT_FOUND) /* it ran out, or the host was started anew: nobody has it */
        context->lease.expired = true;
    else
        log_warning("job %lld: the lease was not renewed: %s", (long long)context->job.id, said.message);
}

static void show_progress(struct step_context *context, const json_t *value)
{
    const char *container = json_get_text(value, "container"), *did = json_get_text(value, "did");
    if (container && did)
        step_progress(context, "%s %s", container, did);
}

/* Wait for the end of request `id`. *said: the host answered, with an error. */
static enum err await_answer(struct step_context *context, struct host_link *link, int64_t id, const char *verb,
    int64_t timeout_us, json_t **ok, bool *said, struct err_info *info)
{
    int64_t deadline_us = clock_mono_us() + timeout_us, every_us = step_patience(context, RENEW_EVERY_US);
    for (;;) {
        struct helper_event event = {0};
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return err_set(info, ERR_TIMEOUT, "%s: no answer to %s within %lld s", link->host, verb,
                (long long)(timeout_us / USEC_PER_SEC));
        renew_lease(context, link);
        enum err err = helper_next(link->helper, left_us < every_us ? left_us : every_us, &event, info);
        if (err)
            return err;
        bool ours = event.id == id, ended = event.kind == HELPER_OK || event.kind == HELPER_ERROR;
        if (ours && event.kind == HELPER_PROGRESS)
            show_progress(context, event.value);
        else if (ended && !ours && event.id == link->renew_id)
            take_renewal(context, link, &event);
        if (ours && event.kind == HELPER_ERROR) {
            *said = true;
            err = host_said(link, event.value, info);
        } else if (ours && event.kind == HELPER_OK && ok) {
            *ok = json_incref(event.value);
        }
        json_decref(event.value);
        if (ours && ended)
            return err;
    }
}

struct question {
    const char *host, *verb;
    json_t *args; /* borrowed */
    int64_t timeout_us;
    bool sent; /* the host may have heard it */
    bool said; /* the host answered, with an error */
};

static enum err ask_once(struct step_context *context, struct question *question, json_t **ok, struct err_info *info)
{
    struct host_link *link = find_link(context, question->host);
    int64_t id = 0;
    enum err err = is_alive(link) ? ERR_OK : open_link(context, link, info);
    if (err)
        return err;
    err = helper_send(link->helper, question->verb, json_deep_copy(question->args), question->timeout_us, &id, info);
    if (!err) {
        question->sent = true;
        err = await_answer(
            context, link, id, question->verb, step_patience(context, question->timeout_us), ok, &question->said, info);
    }
    if (err && !question->said)
        close_link(link); /* a link that is silent once is not trusted again */
    return err;
}

bool job_may_pass(enum err err)
{
    return err == ERR_UNREACHABLE || err == ERR_REFUSED || err == ERR_TIMEOUT || err == ERR_CLOSED || err == ERR_BUSY ||
           err == ERR_GARBAGE || err == ERR_IO;
}

/* `twice`: it may be asked again although it may have been heard. */
static enum err ask(
    struct step_context *context, struct question *question, bool twice, json_t **ok, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + step_patience(context, LINK_PATIENCE_US);
    for (;;) {
        struct err_info own = {0};
        enum err err = ask_once(context, question, ok, &own);
        bool again = err && !question->said && job_may_pass(err) && (twice || !question->sent);
        bool over = again && clock_mono_us() >= until_us;
        if (again && !over) {
            step_progress(context, "trying again: %s", own.message);
            if (!step_wait(context, step_patience(context, LINK_EVERY_US)))
                continue;
        }
        if (err && info)
            *info = own;
        if (err && !question->said && context->leaving)
            return err_set(info, ERR_CANCELLED, "the engine ends");
        if (again && !over) /* the wait was ended by a person */
            return err_set(info, ERR_CANCELLED, "cancelled while %s could not be reached", question->host);
        return err;
    }
}

static enum err ask_with_args(
    struct step_context *context, struct question *question, bool twice, json_t **ok, struct err_info *info)
{
    enum err err = ERR_OK;
    if (ok)
        *ok = NULL;
    if (context->lease.lost[0])
        err = err_set(info, ERR_BUSY, "%s", context->lease.lost);
    else
        err = ask(context, question, twice, ok, info);
    json_decref(question->args);
    return err;
}

enum err step_request(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    struct question question = {.host = host, .verb = verb, .args = name_job(context, args), .timeout_us = timeout_us};
    return ask_with_args(context, &question, true, ok, info);
}

enum err step_command(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    struct question question = {.host = host, .verb = verb, .args = name_job(context, args), .timeout_us = timeout_us};
    enum err err = ask_with_args(context, &question, false, ok, info);
    context->in_doubt = err && question.sent && !question.said;
    return err;
}

/* --- the lease ---------------------------------------------------------------------------------------------------- */

enum err step_take_lease(struct step_context *context, const char *host, struct err_info *info)
{
    struct err_info own = {0};
    struct question question = {
        .host = host, .verb = "lease.take", .args = lease_wish(context), .timeout_us = ASK_TIMEOUT_US};
    enum err err = ask_with_args(context, &question, true, NULL, &own);
    if (!err) {
        str_copy(context->lease.host, sizeof context->lease.host, host);
        context->lease.renewed_mono_us = clock_mono_us();
        context->lease.expired = false;
    } else if (err == ERR_BUSY && question.said) { /* not an sshd that is too busy to let us in */
        lose_lease(context, own.message);
    }
    if (err && info)
        *info = own;
    return err;
}

enum err step_give_lease(struct step_context *context, const char *host, struct err_info *info)
{
    context->lease.host[0] = '\0'; /* no renewals from here on: they would take it back */
    return step_request(context, host, "lease.release", NULL, ASK_TIMEOUT_US, NULL, info);
}
