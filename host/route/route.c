/* The verbs of a proxy (docs/protocol.md): what is asked is checked here, changes need the lease of their job and come
 * one at a time on this host, and each is read back from file and running proxy before it counts. How a proxy does it
 * is its driver's matter (driver.h). In threads of their own (host/verbs.c). */
#include "host/route/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/route/connections.h"
#include "host/route/driver.h"
#include "host/route/held.h"
#include "host/session.h"
#include "host/site/lease.h"
#include "host/site/record.h"
#include "host/verbs.h"

#define DRAIN_DEFAULT_MS 30000
#define DRAIN_MOST_MS 600000
#define DRAIN_LOOK_US (10 * USEC_PER_MSEC)
#define DRAIN_LOOKS 2 /* in a row without a request: one may just be opening its connection */

static const struct route_driver *const drivers[] = {&route_haproxy, &route_nginx};
#define DRIVER_COUNT (sizeof drivers / sizeof *drivers)

/* One verb on its way. */
struct work {
    const struct route_driver *driver; /* NULL: there is no proxy here */
    struct route_request request;
    struct route_facts facts;
    char job[LEASE_JOB_SIZE];
    int lock;
};

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* The proxy that has a file of this site; else the first that is set up here. */
static const struct route_driver *find_driver(const char *site)
{
    for (size_t i = 0; i < DRIVER_COUNT; i++)
        if (route_files_have(drivers[i]->files, site))
            return drivers[i];
    for (size_t i = 0; i < DRIVER_COUNT; i++)
        if (route_files_are_here(drivers[i]->files))
            return drivers[i];
    return NULL;
}

static enum err read_domains(const json_t *args, struct route_domains *domains, struct err_info *info)
{
    const json_t *asked = json_object_get(args, "domains");
    if (asked && !json_is_array(asked) && !json_is_null(asked))
        return err_set(info, ERR_INVALID, "domains must be a list of host names");
    if (json_array_size(asked) > ROUTE_DOMAINS_MAX)
        return err_set(info, ERR_INVALID, "more than %d domains", ROUTE_DOMAINS_MAX);
    for (size_t i = 0; i < json_array_size(asked); i++)
        if (!route_add_domain(domains, json_string_value(json_array_get(asked, i))))
            return err_set(info, ERR_INVALID, "domain number %zu is no host name", i + 1);
    return ERR_OK;
}

static enum err read_request(struct work *work, const json_t *args, struct err_info *info)
{
    work->request.site = json_get_text(args, "site");
    if (!name_is_valid(work->request.site))
        return err_set(info, ERR_INVALID, "no valid name of a site");
    work->driver = find_driver(work->request.site);
    return read_domains(args, &work->request.domains, info);
}

static enum err check_lease(struct work *work, const json_t *args, struct err_info *info)
{
    enum err result = lease_job(args, work->job, info);
    return result == ERR_OK ? lease_check(work->request.site, work->job, info) : result;
}

/* --- what is answered --------------------------------------------------------------------------------------------- */

static const char *const state_words[] = {
    [ROUTE_STATE_SITE] = "site", [ROUTE_STATE_HELD] = "held", [ROUTE_STATE_NOTICE] = "notice"};

static void put_drift(const struct route_facts *facts, json_t *answer)
{
    char both[2 * ROUTE_WORDS_SIZE + 4];
    const char *address = facts->address_drift, *domains = facts->domains_drift;
    if (!address[0] && !domains[0])
        return;
    str_format(both, sizeof both, "%s%s%s", address, address[0] && domains[0] ? "; " : "", domains);
    json_put_text(answer, "drift", both);
}

static json_t *answer_of(const struct work *work)
{
    const struct route_facts *facts = &work->facts;
    json_t *answer = json_object();
    json_put_text(answer, "proxy", work->driver ? work->driver->name : NULL);
    json_put_bool(answer, "known", facts->known);
    if (!facts->known) {
        json_put_text(answer, "unknown_because", facts->unknown_because);
        return answer;
    }
    json_put_text(answer, "state", state_words[facts->state]);
    json_put_bool(answer, "held", facts->held);
    json_put_text(answer, "address", facts->address.host);
    json_put_i64(answer, "port", facts->address.port);
    json_put_bool(answer, "can_hold", facts->can_hold);
    json_put_i64(answer, "hold_limit_s", facts->hold_limit_s);
    if (facts->hold_problem[0])
        json_put_text(answer, "hold_problem", facts->hold_problem);
    if (facts->waiting >= 0)
        json_put_i64(answer, "waiting", facts->waiting);
    put_drift(facts, answer);
    return answer;
}

static enum err look(struct work *work, struct err_info *info)
{
    work->facts =
        (struct route_facts){.waiting = -1, .unknown_because = "no proxy is set up here for dogwatch (docs/proxy.md)"};
    return work->driver ? work->driver->look(&work->request, &work->facts, info) : ERR_OK;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

/* Only where file and running proxy both have the site. */
static enum err refuse_unknown(const struct work *work, struct err_info *info)
{
    const struct route_facts *facts = &work->facts;
    if (!facts->known)
        return err_set(
            info, ERR_NOT_FOUND, "this proxy does not know %s: %s", work->request.site, facts->unknown_because);
    if (facts->state == ROUTE_STATE_UNKNOWN)
        return err_set(info, ERR_UNREACHABLE, "%s; nothing was changed", facts->address_drift);
    return ERR_OK;
}

/* Check, lock, look; what follows is the change. */
static enum err begin_change(struct work *work, const json_t *args, struct err_info *info)
{
    enum err result = read_request(work, args, info);
    if (result == ERR_OK)
        result = check_lease(work, args, info);
    if (result == ERR_OK)
        result = record_lock("proxy", "route-lock", true, &work->lock, info);
    if (result == ERR_OK)
        result = look(work, info);
    return result == ERR_OK ? refuse_unknown(work, info) : result;
}

/* Read back. `drift`: within work->facts, what the change was about. */
static enum err end_change(struct work *work, const char *drift, struct err_info *info)
{
    enum err result = look(work, info);
    if (result == ERR_OK)
        result = refuse_unknown(work, info);
    if (result == ERR_OK && drift[0])
        result = err_set(info, ERR_FAILED, "it was changed, but is not as wanted: %s", drift);
    return result;
}

static struct work *new_work(void)
{
    struct work *work = xcalloc(1, sizeof *work);
    work->lock = -1;
    return work;
}

static enum err end_work(struct work *work, enum err result, json_t **ok)
{
    if (result == ERR_OK)
        *ok = answer_of(work);
    record_unlock(work->lock);
    free(work);
    return result;
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

enum err verb_route_get(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    (void)session, (void)request_id;
    enum err result = read_request(work, args, info);
    if (result == ERR_OK)
        result = look(work, info);
    return end_work(work, result, ok);
}

enum err verb_route_hold(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    (void)session, (void)request_id;
    enum err result = begin_change(work, args, info);
    bool can_hold = work->facts.can_hold;
    if (result == ERR_OK && can_hold)
        result = held_take(work->request.site, work->job, work->facts.hold_limit_s, info);
    if (result == ERR_OK)
        result = work->driver->hold(&work->request, &work->facts, info);
    if (result == ERR_OK)
        result = end_change(work, can_hold ? work->facts.address_drift : "", info);
    if (result == ERR_OK && can_hold && !work->facts.held)
        result = err_set(info, ERR_FAILED, "requests to %s do not wait although they were told to", work->request.site);
    return end_work(work, result, ok);
}

enum err verb_route_release(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    (void)session, (void)request_id;
    enum err result = begin_change(work, args, info);
    if (result == ERR_OK)
        result = work->driver->release(&work->request, &work->facts, info);
    if (result == ERR_OK)
        result = end_change(work, work->facts.address_drift, info);
    if (result == ERR_OK && work->facts.held)
        result = err_set(info, ERR_FAILED, "requests to %s still wait", work->request.site);
    if (result == ERR_OK)
        held_forget(work->request.site);
    return end_work(work, result, ok);
}

/* Nobody came back for it. */
static void let_go(const char *site)
{
    struct work *work = new_work();
    struct err_info info;
    work->request.site = site;
    work->driver = find_driver(site);
    enum err result = record_lock("proxy", "route-lock", true, &work->lock, &info);
    if (result == ERR_OK)
        result = look(work, &info);
    if (result == ERR_OK && work->facts.held)
        result = work->driver->release(&work->request, &work->facts, &info);
    if (result == ERR_OK)
        log_warning("nobody came back for the requests to %s that were held: they go on", site);
    else
        log_error("the requests to %s that are held could not be let go: %s", site, info.message);
    end_work(work, ERR_CANCELLED, NULL);
}

void route_finish(void)
{
    held_finish(let_go);
}

static enum err read_address(const json_t *args, struct address *address, struct err_info *info)
{
    int64_t port = 0;
    const char *host = json_get_text(args, "address");
    json_get_i64(args, "port", &port);
    return address_make(address, host, port)
               ? ERR_OK
               : err_set(info, ERR_INVALID, "address must be an IP address of one machine, and port 1 to 65535");
}

enum err verb_route_set(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    struct address address;
    (void)session, (void)request_id;
    enum err result = read_address(args, &address, info);
    if (result == ERR_OK)
        result = begin_change(work, args, info);
    if (result == ERR_OK)
        result = work->driver->set(&work->request, &work->facts, &address, info);
    if (result == ERR_OK)
        result = end_change(work, work->facts.address_drift, info);
    if (result == ERR_OK && !address_equal(&work->facts.address, &address))
        result = err_set(info, ERR_FAILED, "the file was changed by somebody else meanwhile: it leads to %s",
            work->facts.address.host);
    return end_work(work, result, ok);
}

enum err verb_route_notice(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    bool on = false;
    (void)session, (void)request_id;
    enum err result = json_get_bool(args, "on", &on) ? ERR_OK : err_set(info, ERR_INVALID, "on must be true or false");
    if (result == ERR_OK)
        result = begin_change(work, args, info);
    if (result == ERR_OK)
        result = work->driver->notice(&work->request, &work->facts, on, info);
    if (result == ERR_OK)
        result = end_change(work, work->facts.domains_drift, info);
    if (result == ERR_OK && on != (work->facts.state == ROUTE_STATE_NOTICE))
        result = err_set(
            info, ERR_FAILED, "visitors of %s still see %s", work->request.site, on ? "the site" : "the notice page");
    return end_work(work, result, ok);
}

/* Without the lock: it takes its time, changes nothing, and others are not to wait for it. */
static enum err drain(
    struct session *session, const struct address *address, int64_t limit_ms, int64_t *left, struct err_info *info)
{
    int64_t until_us = clock_mono_us() + limit_ms * USEC_PER_MSEC;
    for (int empty = 0;;) {
        enum err result = connections_to(address, left, info);
        empty = *left == 0 ? empty + 1 : 0;
        if (result != ERR_OK || empty == DRAIN_LOOKS || (*left && clock_mono_us() >= until_us))
            return result;
        if (session_wait(session, DRAIN_LOOK_US))
            return err_set(info, ERR_CANCELLED, "the connection ends");
    }
}

enum err verb_route_drain(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work *work = new_work();
    int64_t limit_ms = DRAIN_DEFAULT_MS, left = 0;
    (void)request_id;
    json_get_i64(args, "limit_ms", &limit_ms);
    enum err result = limit_ms >= 0 && limit_ms <= DRAIN_MOST_MS
                          ? ERR_OK
                          : err_set(info, ERR_INVALID, "limit_ms must be 0 to %d", DRAIN_MOST_MS);
    if (result == ERR_OK)
        result = read_request(work, args, info);
    if (result == ERR_OK)
        result = check_lease(work, args, info);
    if (result == ERR_OK)
        result = look(work, info);
    if (result == ERR_OK)
        result = refuse_unknown(work, info);
    if (result == ERR_OK)
        result = drain(session, &work->facts.address, limit_ms, &left, info);
    end_work(work, ERR_FAILED, NULL);
    if (result == ERR_OK) {
        *ok = json_object();
        json_put_i64(*ok, "left", left);
    }
    return result;
}
