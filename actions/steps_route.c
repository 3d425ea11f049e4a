/* Steps at a proxy: let requests wait and go on, let those under way end, lead a site elsewhere, show the notice page
 * and the site's own again. Each is one conversation with the helper of the proxy (docs/protocol.md "Verbs of a
 * proxy"), harmless to run twice. Parameters: "domains", and what each kind names. Runs in the job's thread. */
#include "actions/step_line.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define ASK_TIMEOUT_US (30 * USEC_PER_SEC)
#define DRAIN_LIMIT_MS 5000
#define DRAIN_LIMIT_MAX_MS 120000

static json_t *with_domains(const struct plan_step *step)
{
    json_t *args = json_object();
    json_object_set(args, "domains", json_object_get(step->parameters, "domains"));
    return args;
}

/* The answer of all these verbs is where the proxy stands now; *now is the caller's. */
static enum err ask_proxy(struct step_context *context, const struct plan_step *step, const char *verb, json_t *args,
    json_t **now, struct err_info *info)
{
    return step_request(context, step->host, verb, args, ASK_TIMEOUT_US, now, info);
}

static bool is_state(const json_t *now, const char *word)
{
    const char *state = json_get_text(now, "state");
    return state && strcmp(state, word) == 0;
}

/* --- hold and go on ----------------------------------------------------------------------------------------------- */

static enum err hold_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *now = NULL;
    int64_t limit_s = 0;
    bool can_hold = true;
    enum err err = ask_proxy(context, step, "route.hold", with_domains(step), &now, info);
    if (err)
        return err;
    json_get_bool(now, "can_hold", &can_hold);
    json_get_i64(now, "hold_limit_s", &limit_s);
    if (!can_hold)
        buf_printf(outcome, "%s cannot hold requests: visitors get errors meanwhile", step->host);
    else if (!is_state(now, "held"))
        err = err_set(info, ERR_FAILED, "%s does not hold the requests to %s although it was told to", step->host,
            step_site(context));
    else if (limit_s > 0)
        buf_printf(outcome, "requests wait, at most %lld s", (long long)limit_s);
    else
        buf_printf(outcome, "requests wait");
    json_decref(now);
    return err;
}

static enum err let_go_on(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *now = NULL;
    enum err err = ask_proxy(context, step, "route.release", with_domains(step), &now, info);
    if (!err && is_state(now, "held"))
        err = err_set(info, ERR_FAILED, "%s still holds the requests to %s although it was told to let them go",
            step->host, step_site(context));
    if (!err)
        buf_printf(outcome, "requests go on");
    json_decref(now);
    return err;
}

/* --- those under way ---------------------------------------------------------------------------------------------- */

/* What is still under way when the time is over is cut off; that is said and stops nothing. */
static enum err drain_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *args = with_domains(step), *answer = NULL;
    struct err_info own = {0};
    int64_t limit_ms = DRAIN_LIMIT_MS, left = 0;
    json_get_i64(step->parameters, "limit_ms", &limit_ms);
    limit_ms = limit_ms < 0 || limit_ms > DRAIN_LIMIT_MAX_MS ? DRAIN_LIMIT_MAX_MS : limit_ms;
    json_put_i64(args, "limit_ms", limit_ms);
    enum err err = step_request(
        context, step->host, "route.drain", args, ASK_TIMEOUT_US + limit_ms * USEC_PER_MSEC, &answer, &own);
    if (err == ERR_CANCELLED) {
        if (info)
            *info = own;
        return err;
    }
    json_get_i64(answer, "left", &left);
    if (err)
        buf_printf(outcome, "it is not known whether requests were under way: %s", own.message);
    else if (left > 0)
        buf_printf(outcome, "%lld request%s still under way after %lld s: cut off", (long long)left,
            left == 1 ? " is" : "s are", (long long)(limit_ms / 1000));
    else
        buf_printf(outcome, "no request is under way");
    json_decref(answer);
    return ERR_OK;
}

/* --- where it leads ----------------------------------------------------------------------------------------------- */

/* A proxy wants an address, the fleet files may have a name. */
static enum err resolve(
    struct step_context *context, const char *host, char out[INET6_ADDRSTRLEN], struct err_info *info)
{
    char address[ADDRESS_SIZE];
    uint16_t ssh_port;
    bool has_jump;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    out[0] = '\0';
    if (!step_host_address(context, host, address, &ssh_port, &has_jump))
        return err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", host);
    int code = getaddrinfo(address, NULL, &hints, &found);
    if (!code)
        code = getnameinfo(found->ai_addr, found->ai_addrlen, out, INET6_ADDRSTRLEN, NULL, 0, NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
    return code ? err_set(info, ERR_UNREACHABLE, "the address of %s, %s, is not known: %s", host, address,
                      gai_strerror(code))
                : ERR_OK;
}

static bool is_loopback(const char *address)
{
    return str_starts(address, "127.") || strcmp(address, "::1") == 0;
}

/* Loopback would lead a proxy to itself: good only where the proxy is on the same machine as everything else. */
static enum err find_address(struct step_context *context, const struct plan_step *step, const char *host,
    char out[INET6_ADDRSTRLEN], struct err_info *info)
{
    char proxy[INET6_ADDRSTRLEN];
    enum err err = resolve(context, host, out, info);
    if (err || !is_loopback(out) || (resolve(context, step->host, proxy, NULL) == ERR_OK && is_loopback(proxy)))
        return err;
    return err_set(info, ERR_INVALID,
        "the address of %s in the fleet files is %s: from %s that leads nowhere; give it an address others can reach",
        host, out, step->host);
}

static enum err lead_to(struct step_context *context, const struct plan_step *step, const char *address, int64_t port,
    struct buf *outcome, struct err_info *info)
{
    json_t *args = with_domains(step), *now = NULL;
    char clean[REASON_SIZE];
    int64_t port_now = 0;
    json_put_text(args, "address", address);
    json_put_i64(args, "port", port);
    enum err err = ask_proxy(context, step, "route.set", args, &now, info);
    if (err)
        return err;
    const char *address_now = json_get_text(now, "address"), *drift = json_get_text(now, "drift");
    json_get_i64(now, "port", &port_now);
    if (!address_now || strcmp(address_now, address) != 0 || port_now != port || drift) {
        sanitize(clean, sizeof clean, drift ? drift : "", drift ? strlen(drift) : 0);
        err = err_set(info, ERR_FAILED, "%s was told to lead %s to %s port %lld, and does not%s%s", step->host,
            step_site(context), address, (long long)port, drift ? ": " : "", clean);
    } else {
        buf_printf(outcome, "%s leads to %s port %lld", step_site(context), address, (long long)port);
    }
    json_decref(now);
    return err;
}

static enum err route_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    char found[INET6_ADDRSTRLEN];
    const char *address = json_get_text(step->parameters, "address"), *to = json_get_text(step->parameters, "to");
    int64_t port = 0;
    json_get_i64(step->parameters, "port", &port);
    enum err err = address ? ERR_OK : find_address(context, step, to ? to : "", found, info);
    if (!err)
        err = lead_to(context, step, address ? address : found, port, outcome, info);
    return err;
}

static enum err route_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    const json_t *was = json_object_get(step->parameters, "was");
    const char *address = json_get_text(was, "address");
    int64_t port = 0;
    if (!address || !json_get_i64(was, "port", &port))
        return err_set(info, ERR_FAILED, "it is not known where %s led before", step->host);
    return lead_to(context, step, address, port, outcome, info);
}

/* --- the notice page ---------------------------------------------------------------------------------------------- */

static void note_key(const struct step_context *context, const struct plan_step *step, char out[2 * NAME_SIZE + 16])
{
    str_format(out, 2 * NAME_SIZE + 16, "notice %s %s", step->host, step_site(context));
}

/* Whether the notice page was on before this job touched it: that is what an undo goes back to. Written down before
 * anything is changed, once. */
static enum err note_before(
    struct step_context *context, const struct plan_step *step, bool *known, struct err_info *info)
{
    char key[2 * NAME_SIZE + 16];
    json_t *now = NULL;
    enum err err = ask_proxy(context, step, "route.get", with_domains(step), &now, info);
    note_key(context, step, key);
    *known = false;
    json_get_bool(now, "known", known);
    if (!err && *known && !step_recall(context, key))
        err = step_remember(context, key, json_boolean(is_state(now, "notice")), info);
    json_decref(now);
    return err;
}

static enum err show_notice(
    struct step_context *context, const struct plan_step *step, bool on, struct buf *outcome, struct err_info *info)
{
    json_t *args = with_domains(step), *now = NULL;
    json_put_bool(args, "on", on);
    enum err err = ask_proxy(context, step, "route.notice", args, &now, info);
    if (!err && is_state(now, "notice") != on)
        err = err_set(info, ERR_FAILED, "%s still shows %s although it was told to show %s", step->host,
            on ? "the site" : "the notice page", on ? "the notice page" : "the site");
    if (!err)
        buf_printf(outcome, "visitors see %s", on ? "the notice page" : "the site");
    json_decref(now);
    return err;
}

static enum err turn_notice(
    struct step_context *context, const struct plan_step *step, bool on, struct buf *outcome, struct err_info *info)
{
    bool known;
    enum err err = note_before(context, step, &known, info);
    if (!err && known)
        return show_notice(context, step, on, outcome, info);
    if (!err)
        buf_printf(outcome, "%s leads nobody to %s: nothing to do", step->host, step_site(context));
    return err;
}

/* Of a job that cannot wait for proxies: this one's lease is taken and given back here, and nothing waits for it longer
 * than "patience_ms". With "again_later" a failure is only said: a later step of the plan tries once more. */
static enum err notice_with_lease(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    int64_t patience_ms = 0;
    json_get_i64(step->parameters, "patience_ms", &patience_ms);
    enum err err = step_line_reach(context, step->host, patience_ms * USEC_PER_MSEC, info);
    if (!err)
        err = step_take_lease(context, step->host, info);
    if (err)
        return err;
    err = turn_notice(context, step, true, outcome, info);
    step_give_lease(context, step->host, NULL); /* it ends by itself as well */
    return err;
}

static enum err notice_alone(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    char key[2 * NAME_SIZE + 16];
    struct err_info own = {0};
    bool again_later = false;
    str_format(key, sizeof key, "seen to %s %s", step->host, step_site(context));
    if (step_recall(context, key)) {
        buf_printf(outcome, "it was done");
        return ERR_OK;
    }
    enum err err = notice_with_lease(context, step, outcome, &own);
    if (!err)
        return step_remember(context, key, json_true(), info);
    if (info)
        *info = own;
    if (err == ERR_CANCELLED || !json_get_bool(step->parameters, "again_later", &again_later) || !again_later)
        return err;
    buf_printf(outcome, "not yet: %s; once more at the end", own.message);
    return ERR_OK;
}

static enum err notice_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    bool is_alone = false;
    if (json_get_bool(step->parameters, "alone", &is_alone) && is_alone)
        return notice_alone(context, step, outcome, info);
    return turn_notice(context, step, true, outcome, info);
}

static enum err page_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    return turn_notice(context, step, false, outcome, info);
}

/* What was never looked at was never changed. */
static enum err notice_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    char key[2 * NAME_SIZE + 16];
    note_key(context, step, key);
    const json_t *before = step_recall(context, key);
    if (before)
        return show_notice(context, step, json_is_true(before), outcome, info);
    buf_printf(outcome, "it was not changed");
    return ERR_OK;
}

const struct step_kind step_hold = {
    .name = "hold", .runs = "route.hold: set server SITE/site addr", .again = true, .run = hold_run, .undo = let_go_on};
const struct step_kind step_drain = {.name = "drain", .runs = "route.drain", .again = true, .run = drain_run};
const struct step_kind step_route = {.name = "route",
    .runs = "route.set: sites.d/SITE.cfg, set server SITE/site addr",
    .again = true,
    .settles = true,
    .decides = true,
    .run = route_run,
    .undo = route_undo};
const struct step_kind step_unhold = {
    .name = "unhold", .runs = "route.release: set server SITE/site addr", .again = true, .run = let_go_on};
const struct step_kind step_notice = {.name = "notice",
    .runs = "route.notice: sites.map, set map; at nginx the site's own file, reload",
    .again = true,
    .run = notice_run,
    .undo = notice_undo};
const struct step_kind step_page = {.name = "page",
    .runs = "route.notice: sites.map, set map; at nginx the site's own file, reload",
    .again = true,
    .run = page_run,
    .undo = notice_undo};
