/* What a job asks of its hosts: connections of its own, dialled when first needed and again after they broke; the
 * leases of its sites, renewed with whatever is asked, also those on other hosts than the one that is asked. A host
 * that cannot be reached is tried again for a minute, it may be back. Runs in the job's thread; the end of the engine
 * interrupts every wait here. */
#include <stdio.h>
#include <string.h>

#include "actions/job_run.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/relay.h"

#define DIAL_TIMEOUT_US (20 * USEC_PER_SEC)
#define HELLO_TIMEOUT_US (15 * USEC_PER_SEC)
#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define HELPER_IDLE_S 600
#define LINK_PATIENCE_US (60 * USEC_PER_SEC)
#define STUBBORN_PATIENCE_US (600 * USEC_PER_SEC) /* going back, or forward from where there is no way back */
#define LINK_EVERY_US (2 * USEC_PER_SEC)
#define LEASE_TTL_S 180
#define RENEW_EVERY_US (45 * USEC_PER_SEC)
#define LOOK_UP_US (200 * USEC_PER_MSEC) /* for a cancel, while waiting for what takes long */

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
    vec_each (&context->leases, struct lease_held, lease)
        if (strcmp(lease->host, link->host) == 0)
            lease->renewed_mono_us = 0; /* who knows how long it was: renew at once */
    return err;
}

bool step_host_key(struct step_context *context, const char *host, char *out, size_t out_size)
{
    const struct host_link *link = find_link(context, host);
    const struct host_key *key = link->connection ? connection_host_key(link->connection) : NULL;
    return key && str_format(out, out_size, "%s %s", key->type, key->base64);
}

/* --- one question ------------------------------------------------------------------------------------------------- */

static json_t *name_job(const struct step_context *context, const char *site, json_t *args)
{
    args = args ? args : json_object();
    json_put_text(args, "job", context->word);
    json_put_text(args, "site", site);
    return args;
}

static json_t *lease_wish(const struct step_context *context, const char *site)
{
    char machine[64] = "", holder[140];
    const char *named = json_get_text(context->plan.steps.items[0].parameters, "holder");
    str_copy(machine, sizeof machine, named ? named : "dogwatch");
    str_format(holder, sizeof holder, "%s@%s", context->job.who, machine);
    json_t *args = name_job(context, site, NULL);
    json_put_text(args, "holder", holder);
    json_put_i64(args, "ttl_s", LEASE_TTL_S);
    return args;
}

static void lose_lease(struct step_context *context, const char *said)
{
    str_copy(context->lost, sizeof context->lost, said);
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

static bool is_due(const struct step_context *context, const struct lease_held *lease)
{
    return lease->host[0] &&
           (clock_mono_us() - lease->renewed_mono_us > step_patience(context, RENEW_EVERY_US) || lease->expired);
}

/* Ask for more time where that is due; the answer is looked at whenever it comes. */
static void renew_leases(struct step_context *context, struct host_link *link)
{
    for (size_t i = 0; i < context->leases.count && !link->renew_id && !context->lost[0]; i++) {
        struct lease_held *lease = &context->leases.items[i];
        if (strcmp(lease->host, link->host) != 0 || !is_due(context, lease))
            continue;
        const char *verb = lease->expired ? "lease.take" : "lease.renew";
        lease->retaken += lease->expired;
        json_t *wish = lease_wish(context, lease->site);
        if (helper_send(link->helper, verb, wish, HELLO_TIMEOUT_US, &link->renew_id, NULL) != ERR_OK)
            link->renew_id = 0;
        else
            lease->renewed_mono_us = clock_mono_us();
        lease->expired = false;
        link->renewing = i;
    }
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
        context->leases.items[link->renewing].expired = true;
    else
        log_warning("job %lld: the lease was not renewed: %s", (long long)context->job.id, said.message);
}

/* The leases on other hosts while one is asked something that takes long. A connection that broke is made anew: who
 * holds a lease must be heard. */
static void renew_elsewhere(struct step_context *context, const char *but_host)
{
    for (size_t i = 0; i < context->leases.count; i++) {
        const char *host = context->leases.items[i].host;
        if (strcmp(host, but_host) == 0 || !is_due(context, &context->leases.items[i]))
            continue;
        struct host_link *link = find_link(context, host);
        if (!is_alive(link) && open_link(context, link, NULL) != ERR_OK) {
            context->leases.items[i].renewed_mono_us = clock_mono_us(); /* not again at once */
            continue;
        }
        renew_leases(context, link);
    }
    vec_each (&context->links, struct host_link, other) {
        struct helper_event event = {0};
        while (other->renew_id && strcmp(other->host, but_host) != 0 && is_alive(other) &&
               helper_next(other->helper, 0, &event, NULL) == ERR_OK && event.kind != HELPER_NOTHING) {
            if (event.id == other->renew_id && (event.kind == HELPER_OK || event.kind == HELPER_ERROR))
                take_renewal(context, other, &event);
            json_decref(event.value);
        }
    }
}

static void show_progress(struct step_context *context, const json_t *value)
{
    const char *container = json_get_text(value, "container"), *did = json_get_text(value, "did");
    const char *file = json_get_text(value, "file");
    int64_t bytes = 0, total = -1, pass = 0;
    json_get_i64(value, "total_bytes", &total);
    json_get_i64(value, "pass", &pass);
    if (container && did)
        step_progress(context, "%s %s", container, did);
    else if (json_get_i64(value, "bytes", &bytes) && !file)
        step_copied(context, (int)pass, bytes, total);
    else if (file)
        step_progress(context, "%s", file);
}

struct question {
    const char *host, *verb;
    json_t *args; /* borrowed */
    int64_t timeout_us;
    bool takes_long;  /* a cancel ends the waiting */
    bool sent;        /* the host may have heard it */
    bool said;        /* the host answered, with an error */
    unsigned retaken; /* as in the lease when it was sent */
};

/* One event of a link; *ended: it was the end of request `id`, and `err` its outcome. */
static enum err take_event(struct step_context *context, struct host_link *link, int64_t id, struct question *question,
    const struct helper_event *event, json_t **ok, bool *ended, struct err_info *info)
{
    bool ours = event->id == id, is_end = event->kind == HELPER_OK || event->kind == HELPER_ERROR;
    *ended = ours && is_end;
    if (ours && event->kind == HELPER_PROGRESS)
        show_progress(context, event->value);
    else if (is_end && !ours && event->id == link->renew_id)
        take_renewal(context, link, event);
    if (ours && event->kind == HELPER_ERROR) {
        question->said = true;
        return host_said(link, event->value, info);
    }
    if (ours && event->kind == HELPER_OK && ok)
        *ok = json_incref(event->value);
    return ERR_OK;
}

/* Wait for the end of request `id`. */
static enum err await_answer(struct step_context *context, struct host_link *link, int64_t id,
    struct question *question, json_t **ok, struct err_info *info)
{
    int64_t timeout_us = step_patience(context, question->timeout_us), deadline_us = clock_mono_us() + timeout_us;
    int64_t every_us = question->takes_long ? LOOK_UP_US : step_patience(context, RENEW_EVERY_US);
    for (;;) {
        struct helper_event event = {0};
        bool ended = false;
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return err_set(info, ERR_TIMEOUT, "%s: no answer to %s within %lld s", link->host, question->verb,
                (long long)(timeout_us / USEC_PER_SEC));
        if (question->takes_long && step_is_cancelled(context))
            return err_set(info, ERR_CANCELLED, "cancelled");
        renew_leases(context, link);
        renew_elsewhere(context, link->host);
        enum err err = helper_next(link->helper, left_us < every_us ? left_us : every_us, &event, info);
        if (err)
            return err;
        err = take_event(context, link, id, question, &event, ok, &ended, info);
        json_decref(event.value);
        if (ended)
            return err;
    }
}

/* A connection that was just made: whoever asks for changes must hold its leases, and a host that was started anew, or
 * was out of reach for long, has forgotten them. */
static enum err take_leases_anew(struct step_context *context, struct host_link *link, struct err_info *info)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < context->leases.count && !err; i++) {
        struct lease_held *lease = &context->leases.items[i];
        if (strcmp(lease->host, link->host) != 0)
            continue;
        struct err_info said = {0};
        err = helper_request(
            link->helper, "lease.take", lease_wish(context, lease->site), HELLO_TIMEOUT_US, NULL, NULL, NULL, &said);
        bool lost = err == ERR_BUSY && helper_is_alive(link->helper);
        if (lost)
            lose_lease(context, said.message);
        if (!err)
            lease->renewed_mono_us = clock_mono_us();
        lease->expired = false;
        if (err && info)
            *info = said;
    }
    return err;
}

static struct lease_held *find_lease(struct step_context *context, const char *host, const char *site)
{
    vec_each (&context->leases, struct lease_held, lease)
        if (strcmp(lease->host, host) == 0 && strcmp(lease->site, site) == 0)
            return lease;
    return NULL;
}

/* Whether our lease had run out unseen (this machine slept, and its clock with it) and is ours again. Where it still
 * stands, or is somebody else's now, the host meant what it said. */
static bool regain_lease(struct step_context *context, struct host_link *link, const struct question *question)
{
    struct lease_held *lease = find_lease(context, link->host, step_site(context));
    struct err_info said = {0};
    if (!lease)
        return false;
    enum err err = helper_request(
        link->helper, "lease.renew", lease_wish(context, lease->site), HELLO_TIMEOUT_US, NULL, NULL, NULL, &said);
    bool ran_out = err == ERR_NOT_FOUND || lease->retaken != question->retaken;
    if (err == ERR_NOT_FOUND)
        err = helper_request(
            link->helper, "lease.take", lease_wish(context, lease->site), HELLO_TIMEOUT_US, NULL, NULL, NULL, &said);
    if (err == ERR_BUSY && helper_is_alive(link->helper))
        lose_lease(context, said.message);
    if (!err) {
        lease->renewed_mono_us = clock_mono_us();
        lease->expired = false;
    }
    return ran_out && !err;
}

static enum err send_and_wait(
    struct step_context *context, struct host_link *link, struct question *question, json_t **ok, struct err_info *info)
{
    int64_t id = 0;
    const struct lease_held *lease = find_lease(context, link->host, step_site(context));
    question->retaken = lease ? lease->retaken : 0;
    question->said = false;
    enum err err =
        helper_send(link->helper, question->verb, json_deep_copy(question->args), question->timeout_us, &id, info);
    if (err)
        return err;
    question->sent = true;
    return await_answer(context, link, id, question, ok, info);
}

static enum err ask_once(struct step_context *context, struct question *question, json_t **ok, struct err_info *info)
{
    struct host_link *link = find_link(context, question->host);
    bool is_about_lease = strncmp(question->verb, "lease.", strlen("lease.")) == 0;
    enum err err = ERR_OK;
    if (!is_alive(link)) {
        err = open_link(context, link, info);
        if (!err && !is_about_lease)
            err = take_leases_anew(context, link, info);
        if (err)
            return err;
        link = find_link(context, question->host);
    }
    err = send_and_wait(context, link, question, ok, info);
    if (err == ERR_BUSY && question->said && !is_about_lease && regain_lease(context, link, question))
        err = send_and_wait(context, link, question, ok, info);
    if (err && !question->said)
        close_link(link); /* one that is silent once is not trusted again; what was cancelled ends with it */
    return err;
}

bool job_may_pass(enum err err)
{
    return err == ERR_UNREACHABLE || err == ERR_REFUSED || err == ERR_TIMEOUT || err == ERR_CLOSED || err == ERR_BUSY ||
           err == ERR_GARBAGE || err == ERR_IO;
}

/* How long somebody who cannot be reached is asked again. */
static int64_t ask_patience_us(const struct step_context *context)
{
    bool stubborn =
        context->undecided || (context->going_back ? !context->hasty : job_is_settled(context, step_site(context)));
    return step_patience(context, stubborn ? STUBBORN_PATIENCE_US : LINK_PATIENCE_US);
}

static void note_doubt(struct step_context *context, const struct question *question, enum err err)
{
    const struct step_kind *kind = context->plan.steps.items[context->current].kind;
    if (kind->decides && !context->going_back)
        context->undecided = err && !question->said && (question->sent || context->undecided);
}

/* `twice`: it may be asked again although it may have been heard. */
static enum err ask(
    struct step_context *context, struct question *question, bool twice, json_t **ok, struct err_info *info)
{
    int64_t began_us = clock_mono_us();
    for (;;) {
        struct err_info own = {0};
        enum err err = ask_once(context, question, ok, &own);
        note_doubt(context, question, err);
        if (err == ERR_CANCELLED && question->takes_long && info)
            *info = own;
        if (err == ERR_CANCELLED && question->takes_long)
            return err;
        bool again = err && !question->said && job_may_pass(err) && (twice || !question->sent) && !context->lost[0];
        bool over = again && clock_mono_us() >= began_us + ask_patience_us(context);
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
    if (context->lost[0])
        err = err_set(info, ERR_BUSY, "%s", context->lost);
    else
        err = ask(context, question, twice, ok, info);
    json_decref(question->args);
    return err;
}

enum err step_request(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    args = name_job(context, step_site(context), args);
    struct question question = {.host = host, .verb = verb, .args = args, .timeout_us = timeout_us};
    return ask_with_args(context, &question, true, ok, info);
}

enum err step_request_long(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    args = name_job(context, step_site(context), args);
    struct question question = {.host = host, .verb = verb, .args = args, .timeout_us = timeout_us, .takes_long = true};
    return ask_with_args(context, &question, true, ok, info);
}

enum err step_command(struct step_context *context, const char *host, const char *verb, json_t *args,
    int64_t timeout_us, json_t **ok, struct err_info *info)
{
    args = name_job(context, step_site(context), args);
    struct question question = {.host = host, .verb = verb, .args = args, .timeout_us = timeout_us};
    enum err err = ask_with_args(context, &question, false, ok, info);
    context->in_doubt = err && question.sent && !question.said;
    return err;
}

/* --- the lease ---------------------------------------------------------------------------------------------------- */

enum err job_take_lease(struct step_context *context, const char *host, const char *site, struct err_info *info)
{
    struct err_info own = {0};
    struct question question = {
        .host = host, .verb = "lease.take", .args = lease_wish(context, site), .timeout_us = ASK_TIMEOUT_US};
    enum err err = ask_with_args(context, &question, true, NULL, &own);
    if (!err) {
        struct lease_held *lease = find_lease(context, host, site);
        lease = lease ? lease : vec_add(&context->leases);
        str_copy(lease->host, sizeof lease->host, host);
        str_copy(lease->site, sizeof lease->site, site);
        lease->renewed_mono_us = clock_mono_us();
        lease->expired = false;
    } else if (err == ERR_BUSY && question.said) { /* not an sshd that is too busy to let us in */
        lose_lease(context, own.message);
    }
    if (err && info)
        *info = own;
    return err;
}

enum err step_take_lease(struct step_context *context, const char *host, struct err_info *info)
{
    return job_take_lease(context, host, step_site(context), info);
}

enum err step_give_lease(struct step_context *context, const char *host, struct err_info *info)
{
    struct lease_held *lease = find_lease(context, host, step_site(context));
    if (lease)
        lease->host[0] = '\0'; /* no renewals from here on: they would take it back */
    return step_request(context, host, "lease.release", NULL, ASK_TIMEOUT_US, NULL, info);
}

/* --- bytes through this engine ------------------------------------------------------------------------------------ */

static enum err relay_goes_on(void *owner, int64_t bytes, struct err_info *info)
{
    struct step_context *context = owner;
    renew_elsewhere(context, "");
    const struct job_step_record *record = &context->steps.items[context->current];
    step_copied(context, record->pass, bytes, record->total_bytes ? record->total_bytes : -1);
    return step_is_cancelled(context) ? err_set(info, ERR_CANCELLED, "cancelled") : ERR_OK;
}

enum err step_relay(struct step_context *context, const char *from_host, const char *from_word, const char *to_host,
    const char *to_word, int64_t limit_bytes_s, struct err_info *info)
{
    find_link(context, from_host);
    find_link(context, to_host); /* both are in the list now: it does not grow, and its elements stay where they are */
    const struct host_link *from = find_link(context, from_host), *to = find_link(context, to_host);
    if (!is_alive(from) || !is_alive(to))
        return err_set(info, ERR_CLOSED, "the connection to %s was lost", is_alive(from) ? to_host : from_host);
    const struct relay_end source = {.connection = from->connection, .word = from_word};
    const struct relay_end target = {.connection = to->connection, .word = to_word};
    const struct relay_options options = {.limit_bytes_s = limit_bytes_s, .progress = relay_goes_on, .owner = context};
    return relay_between(&source, &target, &options, NULL, info);
}
