/* Which proxies lead to a site, asked while a plan is made, and the steps of a plan on each of them. Only reads; the
 * steps themselves are in actions/steps_route.c. */
#include "actions/proxies.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/ask_many.h"
#include "actions/step.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define SOON_MS 3000
#define LATE_MS 60000
#define ASK_DEADLINE_US (10 * USEC_PER_SEC)

void plan_proxies_free(struct plan_proxies *proxies)
{
    vec_each (&proxies->domains, char *, domain)
        free(*domain);
    vec_free(&proxies->domains);
    vec_free(&proxies->items);
    *proxies = (struct plan_proxies){0};
}

/* --- finding them ------------------------------------------------------------------------------------------------- */

static void gather_domains(const struct fleet *fleet, const char *site, struct plan_proxies *out)
{
    const struct site_def *def = fleet_site(fleet, site);
    if (def)
        vec_each (&def->domains, char *const, domain)
            vec_push(&out->domains, xstrdup(*domain));
    if (!out->domains.count)
        vec_push(&out->domains, xstrdup(site));
}

static json_t *domains_json(const struct plan_proxies *proxies)
{
    json_t *domains = json_array();
    vec_each (&proxies->domains, char *const, domain)
        json_array_append_new(domains, json_string(*domain));
    return domains;
}

static void copy_clean(char *out, size_t size, const json_t *object, const char *key)
{
    const char *text = json_get_text(object, key);
    sanitize(out, size, text ? text : "", text ? strlen(text) : 0);
}

static void add_proxy(const struct host_answer *answer, struct plan *plan, struct plan_proxies *out)
{
    bool known = false;
    json_get_bool(answer->ok, "known", &known);
    if (!known)
        return;
    struct plan_proxy *proxy = vec_add(&out->items);
    str_copy(proxy->host, sizeof proxy->host, answer->host->name);
    copy_clean(proxy->program, sizeof proxy->program, answer->ok, "proxy");
    copy_clean(proxy->state, sizeof proxy->state, answer->ok, "state");
    copy_clean(proxy->address, sizeof proxy->address, answer->ok, "address");
    json_get_i64(answer->ok, "port", &proxy->port);
    json_get_bool(answer->ok, "can_hold", &proxy->can_hold);
    json_get_i64(answer->ok, "hold_limit_s", &proxy->hold_limit_s);
    char drift[REASON_SIZE];
    copy_clean(drift, sizeof drift, answer->ok, "drift");
    if (drift[0])
        plan_warn(plan, "on %s the running proxy differs from its files: %s", proxy->host, drift);
}

/* The fleet's proxies are sorted by name already. Those known to be down are not dialled. */
static struct host_answer *list_proxies(const struct plan_request *request, size_t *count, size_t *up)
{
    const struct fleet *fleet = request->fleet;
    struct host_answer *answers = xcalloc(fleet->hosts.count + 1, sizeof *answers);
    *count = *up = 0;
    for (int down = 0; down < 2; down++) {
        vec_each (&fleet->hosts, const struct host_def, host) {
            const struct host_state *state = snapshot_host(request->snapshot, host->name);
            bool is_down = state && state->status != HOST_UP && state->reason_code;
            if (!(host->roles & ROLE_PROXY) || is_down != down)
                continue;
            struct host_answer *answer = &answers[(*count)++];
            answer->host = host;
            answer->err = is_down ? ERR_UNREACHABLE : ERR_OK;
            if (is_down)
                sanitize(answer->why, sizeof answer->why, state->reason, strlen(state->reason));
            *up += !is_down;
        }
    }
    return answers;
}

static int by_name(const void *a, const void *b)
{
    const struct plan_proxy *left = a, *right = b;
    return strcmp(left->host, right->host);
}

static enum err take_failure(const struct host_answer *answer, struct plan *plan, enum proxies_need need,
    struct plan_proxies *out, struct err_info *info)
{
    if (need == PROXIES_ALL)
        return err_set(info, ERR_UNREACHABLE,
            "the proxy %s cannot be asked, so it is not known where it sends the visitors of %s: %s",
            answer->host->name, out->site, answer->why);
    plan_warn(plan,
        "the proxy %s cannot be asked (%s): it is left as it is, and visitors who come through it see errors",
        answer->host->name, answer->why);
    return ERR_OK;
}

static enum err take_answers(const struct host_answer *answers, size_t count, struct plan *plan, enum proxies_need need,
    struct plan_proxies *out, struct err_info *info)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++)
        if (!answers[i].err)
            add_proxy(&answers[i], plan, out);
        else
            err = take_failure(&answers[i], plan, need, out, info);
    if (out->items.count)
        qsort(out->items.items, out->items.count, sizeof *out->items.items, by_name);
    return err;
}

enum err proxies_find(const struct plan_request *request, struct plan *plan, const char *site, enum proxies_need need,
    const char *otherwise, struct plan_proxies *out, struct err_info *info)
{
    size_t count, up;
    *out = (struct plan_proxies){0};
    str_copy(out->site, sizeof out->site, site);
    gather_domains(request->fleet, site, out);
    struct host_answer *answers = list_proxies(request, &count, &up);
    json_t *args = json_object();
    json_put_text(args, "site", site);
    json_object_set_new(args, "domains", domains_json(out));
    if (request->asker)
        ask_many(request, "route.get", args, ASK_DEADLINE_US, answers, up);
    else
        count = 0; /* nobody is asked here: nothing is known, and nothing is said about it */
    enum err err = take_answers(answers, count, plan, need, out, info);
    if (!err && !out->items.count && otherwise && request->asker)
        plan_warn(plan, "no proxy of the fleet knows %s: %s", site, otherwise);
    json_decref(args);
    host_answers_free(answers, up);
    free(answers);
    return err;
}

void proxies_all(const struct plan_request *request, const char *site, struct plan_proxies *out)
{
    *out = (struct plan_proxies){0};
    str_copy(out->site, sizeof out->site, site);
    gather_domains(request->fleet, site, out);
    vec_each (&request->fleet->hosts, const struct host_def, host) {
        const struct host_state *state = snapshot_host(request->snapshot, host->name);
        if (!(host->roles & ROLE_PROXY))
            continue;
        struct plan_proxy *proxy = vec_add(&out->items);
        str_copy(proxy->host, sizeof proxy->host, host->name);
        proxy->is_down = state && state->status != HOST_UP && state->reason_code;
    }
}

bool proxies_can_hold(const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy)
        if (!proxy->can_hold)
            return false;
    return proxies->items.count > 0;
}

void proxies_warn_cut(struct plan *plan, const struct plan_proxies *proxies)
{
    char cut[FORMAT_SIZE];
    format_duration(plan->cut_us, cut);
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        if (!proxy->can_hold)
            plan_warn(plan, "%s on %s cannot hold requests: its visitors get errors for about %s",
                proxy->program[0] ? proxy->program : "the proxy", proxy->host, cut);
        else if (proxy->hold_limit_s > 0 && plan->cut_us > proxy->hold_limit_s * USEC_PER_SEC)
            plan_warn(plan, "%s holds requests for at most %lld s: those that wait longer get errors", proxy->host,
                (long long)proxy->hold_limit_s);
    }
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

json_t *proxies_lease_parameters(void)
{
    char machine[64] = "dogwatch";
    json_t *parameters = json_object();
    gethostname(machine, sizeof machine - 1);
    json_put_text(parameters, "holder", machine);
    return parameters;
}

/* What the step added last runs at this proxy, where its program is known (docs/proxy.md). */
static void say_route(struct plan *plan, const struct plan_proxy *proxy, const char *site)
{
    if (strcmp(proxy->program, "nginx") == 0)
        plan_runs(plan, "route.set: /etc/nginx/dogwatch/%s.conf, nginx -t, nginx -s reload", site);
    else if (strcmp(proxy->program, "haproxy") == 0)
        plan_runs(plan, "route.set: sites.d/%s.cfg, set server %s/site addr", site, site);
}

static void say_notice(struct plan *plan, const struct plan_proxy *proxy, const char *site)
{
    if (strcmp(proxy->program, "nginx") == 0)
        plan_runs(plan, "route.notice: /etc/nginx/dogwatch/%s.conf, nginx -t, nginx -s reload", site);
    else if (strcmp(proxy->program, "haproxy") == 0)
        plan_runs(plan, "route.notice: sites.map, set map");
}

static json_t *with_domains(const struct plan_proxies *proxies)
{
    json_t *parameters = json_object();
    json_object_set_new(parameters, "domains", domains_json(proxies));
    return parameters;
}

void proxies_add_leases(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy)
        plan_add_step(plan, &step_lease, proxy->host, proxies_lease_parameters(), "release it",
            "take the lease of %s, so that nobody else changes its route meanwhile", proxies->site);
}

void proxies_add_hold(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        char limit[48] = "";
        if (proxy->hold_limit_s > 0)
            str_format(limit, sizeof limit, " (at most %lld s)", (long long)proxy->hold_limit_s);
        if (!proxy->can_hold)
            continue;
        plan_add_step(plan, &step_hold, proxy->host, with_domains(proxies), "let them go on",
            "let new requests to %s wait%s", proxies->site, limit);
        plan_runs(plan, "route.hold: set server %s/site addr", proxies->site);
    }
}

void proxies_add_drain(struct plan *plan, const struct plan_proxies *proxies, int64_t limit_ms)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        json_t *parameters = with_domains(proxies);
        json_put_i64(parameters, "limit_ms", limit_ms);
        if (proxy->can_hold)
            plan_add_step(plan, &step_drain, proxy->host, parameters, NULL,
                "let the requests to %s that are under way come to their end, at most %lld s", proxies->site,
                (long long)(limit_ms / 1000));
        else
            json_decref(parameters);
    }
}

void proxies_add_route(struct plan *plan, const struct plan_proxies *proxies, const char *to, int64_t port)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        json_t *parameters = with_domains(proxies), *was = json_object();
        char undo[ADDRESS_SIZE + 64];
        json_put_text(parameters, "to", to);
        json_put_i64(parameters, "port", port);
        json_put_text(was, "address", proxy->address);
        json_put_i64(was, "port", proxy->port);
        if (proxy->address[0] && proxy->port > 0)
            json_object_set(parameters, "was", was);
        json_decref(was);
        str_format(undo, sizeof undo, "lead it to %s port %lld again", proxy->address, (long long)proxy->port);
        plan_add_step(plan, &step_route, proxy->host, parameters, proxy->address[0] && proxy->port > 0 ? undo : NULL,
            "lead %s to %s, port %lld: file, running proxy, then both read back", proxies->site, to, (long long)port);
        say_route(plan, proxy, proxies->site);
    }
}

void proxies_add_unhold(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        if (!proxy->can_hold)
            continue;
        plan_add_step(plan, &step_unhold, proxy->host, with_domains(proxies), NULL,
            "let the requests to %s that wait go on", proxies->site);
        plan_runs(plan, "route.release: set server %s/site addr", proxies->site);
    }
}

void proxies_add_notice(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        plan_add_step(plan, &step_notice, proxy->host, with_domains(proxies), "show its pages again",
            "show the notice page (503, Retry-After) to visitors of %s", proxies->site);
        say_notice(plan, proxy, proxies->site);
    }
}

static json_t *alone(const struct plan_proxies *proxies, int64_t patience_ms)
{
    json_t *parameters = with_domains(proxies);
    json_put_bool(parameters, "alone", true);
    json_put_i64(parameters, "patience_ms", patience_ms);
    return parameters;
}

void proxies_add_notice_soon(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy)
        if (!proxy->is_down) {
            json_t *parameters = alone(proxies, SOON_MS);
            json_put_bool(parameters, "again_later", true);
            plan_add_step(plan, &step_notice, proxy->host, parameters, NULL,
                "show the notice page (503, Retry-After) to visitors of %s, if it leads them there", proxies->site);
        }
}

void proxies_add_notice_late(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        json_t *parameters = alone(proxies, LATE_MS);
        json_put_bool(parameters, "optional", true);
        plan_add_step(plan, &step_notice, proxy->host, parameters, NULL,
            proxy->is_down
                ? "it is out of reach: if it comes back within a minute, show the notice page to visitors of %s"
                : "where that could not be done yet: show the notice page to visitors of %s",
            proxies->site);
    }
}

void proxies_add_page(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy) {
        plan_add_step(plan, &step_page, proxy->host, with_domains(proxies), "show the notice page again",
            "show visitors the pages of %s again", proxies->site);
        say_notice(plan, proxy, proxies->site);
    }
}

void proxies_add_releases(struct plan *plan, const struct plan_proxies *proxies)
{
    vec_each (&proxies->items, const struct plan_proxy, proxy)
        plan_add_step(plan, &step_release, proxy->host, NULL, NULL, "release the lease of %s", proxies->site);
}
