/* Requests are checked and started by the thread that reads them, so they begin in the order they came; those with a
 * thread of their own end in any order. The policy file is looked at anew before each request. */
#include "host/dispatch.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"
#include "host/facts.h"
#include "host/policy.h"
#include "host/thread.h"

#define PROTOCOL 1
#define MOST_THREADS 16
#define SHOWN_SIZE 96

struct dispatch {
    enum host_role role;
    const char *policy_path;
    struct policy *policy; /* the reading thread's */
    struct audit *audit;
    bool greeted;
    _Atomic int threads;
    _Atomic int changes; /* audited verbs that have begun and not ended */
};

/* One request while it is worked on. */
struct call {
    struct session *session;
    struct dispatch *dispatch;
    int64_t id;
    const struct verb *verb;
    json_t *args; /* owned */
};

struct dispatch *dispatch_new(enum host_role role, const char *policy_path, struct audit *audit)
{
    struct dispatch *dispatch = xcalloc(1, sizeof *dispatch);
    dispatch->role = role;
    dispatch->policy_path = policy_path;
    dispatch->policy = policy_load(policy_path);
    dispatch->audit = audit;
    return dispatch;
}

/* --- working --------------------------------------------------------------------------------------------------------
 */

/* " site=… job=… holder=…" of those that are there; audit_record sanitises. */
static void describe_args(const json_t *args, char *out, size_t out_size)
{
    static const char *const members[] = {"site", "job", "holder", "container", "source"};
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *value = json_get_text(args, members[i]);
        if (!value)
            continue;
        str_format(out + length, out_size - length, " %s=%.64s", members[i], value);
        length = strlen(out);
    }
}

static bool is_audited(const struct verb *verb)
{
    return verb->least_role == HOST_ROLE_OPERATOR && !verb->unlogged;
}

static enum err work(struct call *call, json_t **ok, struct err_info *info)
{
    char about[256];
    const struct verb *verb = call->verb;
    if (!is_audited(verb))
        return verb->handle(call->session, call->id, call->args, ok, info);
    describe_args(call->args, about, sizeof about);
    audit_record(call->dispatch->audit, "%s begins%s", verb->name, about);
    atomic_fetch_add(&call->dispatch->changes, 1);
    int64_t began_us = clock_mono_us();
    enum err result = verb->handle(call->session, call->id, call->args, ok, info);
    atomic_fetch_sub(&call->dispatch->changes, 1);
    long long took_ms = (long long)((clock_mono_us() - began_us) / USEC_PER_MSEC);
    audit_record(call->dispatch->audit, "%s ended%s: %s%s%s, %lld ms", verb->name, about,
        result == ERR_OK ? "ok" : err_word(result), result == ERR_OK ? "" : ": ", result == ERR_OK ? "" : info->message,
        took_ms);
    return result;
}

/* Takes the call over. */
static void finish(struct call *call)
{
    struct err_info info = {0};
    json_t *ok = NULL;
    enum err result = work(call, &ok, &info);
    if (result == ERR_OK) {
        session_answer(call->session, call->id, ok);
        if (call->verb->then)
            call->verb->then(call->session);
    } else {
        info.code = result;
        json_decref(ok);
        session_refuse(call->session, call->id, &info);
    }
    json_decref(call->args);
    free(call);
}

static void *run_call(void *argument)
{
    struct call *call = argument;
    struct dispatch *dispatch = call->dispatch;
    finish(call);
    malloc_trim(0); /* what long work needed is not kept */
    atomic_fetch_sub(&dispatch->threads, 1);
    return NULL;
}

static enum err start(struct call *call, struct err_info *info)
{
    struct dispatch *dispatch = call->dispatch;
    if (!call->verb->own_thread) {
        finish(call);
        return ERR_OK;
    }
    if (atomic_fetch_add(&dispatch->threads, 1) < MOST_THREADS && thread_start(run_call, call))
        return ERR_OK;
    atomic_fetch_sub(&dispatch->threads, 1);
    json_decref(call->args);
    free(call);
    return err_set(info, ERR_BUSY, "%d requests are being worked on already; ask again later", MOST_THREADS);
}

/* --- checking -------------------------------------------------------------------------------------------------------
 */

static enum err find_verb(const json_t *request, const struct verb **verb, struct err_info *info)
{
    const char *name = json_get_text(request, "verb");
    if (!name)
        return err_set(info, ERR_INVALID, "a request needs a verb");
    *verb = verb_find(name);
    if (*verb)
        return ERR_OK;
    char shown[SHOWN_SIZE];
    sanitize(shown, sizeof shown, name, strnlen(name, sizeof shown - 1));
    return err_set(info, ERR_INVALID, "no verb is called %s; hello lists them in capabilities", shown);
}

static enum err check_site(const struct verb *verb, const json_t *args, const char **site, struct err_info *info)
{
    *site = verb->needs_site ? json_get_text(args, "site") : NULL;
    if (!verb->needs_site || (*site && name_is_valid(*site)))
        return ERR_OK;
    return err_set(info, ERR_INVALID, "%s needs args.site, a site's name: a-z, 0-9, '.', '_' and '-', at most %d bytes",
        verb->name, NAME_MAX_BYTES);
}

/* May this role do that here? What is not allowed is written down. */
static enum err check_allowed(
    struct dispatch *dispatch, const struct verb *verb, const char *site, const json_t *args, struct err_info *info)
{
    char about[256];
    if (policy_allows(dispatch->policy, dispatch->role, verb, site))
        return ERR_OK;
    const char *role = host_role_name(dispatch->role), *error = policy_error(dispatch->policy);
    if (verb->least_role > dispatch->role)
        err_set(info, ERR_DENIED, "%s needs the operator's key; this connection is a %s's", verb->name, role);
    else if (error)
        err_set(info, ERR_DENIED, "nothing is allowed until the policy is put right: %s", error);
    else
        err_set(info, ERR_DENIED, "the policy of this host (%s) denies %s%s%s to the %s", dispatch->policy_path,
            verb->name, site ? " on " : "", site ? site : "", role);
    describe_args(args, about, sizeof about);
    audit_refusal(dispatch->audit, "refused to the %s: %s%s: %s", role, verb->name, about, info->message);
    return ERR_DENIED;
}

static enum err check(struct dispatch *dispatch, const json_t *request, const struct verb **verb, struct err_info *info)
{
    const char *site;
    const json_t *args = json_object_get(request, "args");
    enum err result = find_verb(request, verb, info);
    if (result == ERR_OK && args && !json_is_object(args) && !json_is_null(args))
        result = err_set(info, ERR_INVALID, "args is no object");
    if (result == ERR_OK && !dispatch->greeted && (*verb)->handle != verb_hello)
        result = err_set(info, ERR_GARBAGE, "the first request must be hello");
    if (result == ERR_OK)
        result = check_site(*verb, args, &site, info);
    if (result == ERR_OK)
        result = check_allowed(dispatch, *verb, site, args, info);
    return result;
}

void dispatch_request(struct session *session, const json_t *request, void *context)
{
    struct dispatch *dispatch = context;
    struct err_info info = {0};
    const struct verb *verb = NULL;
    int64_t id = 0;
    if (!json_get_i64(request, "id", &id) || id <= 0) {
        err_set(&info, ERR_GARBAGE, "a request needs an id, a positive integer");
        session_end(session, &info);
        return;
    }
    policy_refresh(&dispatch->policy, dispatch->policy_path);
    enum err result = check(dispatch, request, &verb, &info);
    if (result == ERR_OK) {
        const json_t *args = json_object_get(request, "args");
        struct call *call = xmalloc(sizeof *call);
        *call = (struct call){.session = session, .dispatch = dispatch, .id = id, .verb = verb};
        call->args = json_is_object(args) ? json_deep_copy(args) : json_object();
        result = start(call, &info);
    }
    if (result != ERR_OK)
        session_refuse(session, id, &info);
}

void dispatch_end(struct dispatch *dispatch)
{
    int changes = dispatch->changes;
    if (changes > 0)
        audit_record(dispatch->audit, "the connection ended in the middle of %d change%s of this host", changes,
            changes == 1 ? "" : "s");
}

/* --- the frame's own verbs ------------------------------------------------------------------------------------------
 */

static json_t *capabilities(const struct dispatch *dispatch)
{
    json_t *names = json_array();
    for (size_t i = 0; i < verb_count(); i++)
        if (policy_allows_somewhere(dispatch->policy, dispatch->role, verb_at(i)))
            json_array_append_new(names, json_string(verb_at(i)->name));
    return names;
}

enum err verb_hello(struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)request_id;
    struct dispatch *dispatch = session_context(session);
    int64_t protocol = 0, idle_s = 120;
    if (!json_get_i64(args, "protocol", &protocol) || protocol != PROTOCOL)
        return err_set(info, ERR_VERSION, "this helper (%s) speaks protocol %d only; install the one of your dogwatch",
            DOGWATCH_VERSION, PROTOCOL);
    if (json_get_i64(args, "idle_s", &idle_s) && (idle_s < 10 || idle_s > 3600))
        return err_set(info, ERR_INVALID, "idle_s is from 10 to 3600");
    session_set_idle(session, idle_s * USEC_PER_SEC);
    dispatch->greeted = true;
    *ok = json_object();
    json_put_i64(*ok, "protocol", PROTOCOL);
    json_put_text(*ok, "version", DOGWATCH_VERSION);
    json_put_text(*ok, "role", host_role_name(dispatch->role));
    host_put_identity(*ok);
    json_object_set_new(*ok, "capabilities", capabilities(dispatch));
    json_put_text(*ok, "policy_error", policy_error(dispatch->policy));
    host_put_times(*ok);
    return ERR_OK;
}

enum err verb_ping(struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id, (void)args, (void)info;
    *ok = json_object();
    host_put_times(*ok);
    return ERR_OK;
}
