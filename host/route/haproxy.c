/* HAProxy. A site is `backend SITE` with one `server site`, in a file of its own. To hold its requests, the running
 * proxy is told an address at which nobody listens: each try is refused, waits (`timeout connect`, at most a second),
 * asks for the address anew and tries again, `retries` times. A request that is under way keeps its connection.
 *
 * Where the configuration has `frontend held` on the holding address, it is paused while anything is held: then that
 * address refuses too. A reload begins with it open, so that requests waiting in the process that is left behind, which
 * cannot be told anything any more, come to the new one through it and wait or go on there.
 *
 * Changes run under route.c's lock. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"
#include "host/route/connections.h"
#include "host/route/driver.h"
#include "host/route/file.h"
#include "host/route/haproxy_cli.h"
#include "host/route/haproxy_domains.h"
#include "host/route/text.h"

#define CONFIG_FILE "/etc/haproxy/haproxy.cfg"
#define ANSWER_CEILING (4u * 1024 * 1024) /* show servers state, of all: some 200 bytes a site */
#define CHECK_ENABLED 2                   /* srv_check_state (HAProxy's include/haproxy/check-t.h) */

static const struct route_files files = {.directory = "/etc/haproxy/sites.d", .ending = ".cfg"};
static const struct address holding = {.host = "127.0.0.1", .port = 8504};

/* --- looking ------------------------------------------------------------------------------------------------------ */

/* What the running proxy says of the server of one site. */
struct running {
    bool is_there;
    bool has_address; /* of a kind we can compare */
    struct address address;
    int64_t check, admin; /* states, 0: neither checked nor taken out */
};

static enum err look_at_server(const char *site, struct running *running, struct err_info *info)
{
    struct buf answer = BUF(ANSWER_CEILING);
    char host[INET6_ADDRSTRLEN], port[8], state[16];
    int64_t port_number = 0;
    *running = (struct running){0};
    enum err result = haproxy_ask(&answer, info, "show servers state %s", site);
    const char *table = buf_text(&answer);
    if (result == ERR_OK && table_cell(table, ' ', "srv_name", "site", "srv_addr", host, sizeof host) &&
        table_cell(table, ' ', "srv_name", "site", "srv_port", port, sizeof port)) {
        running->is_there = true;
        running->has_address =
            str_to_i64(port, 1, UINT16_MAX, &port_number) && address_make(&running->address, host, port_number);
        if (table_cell(table, ' ', "srv_name", "site", "srv_check_state", state, sizeof state))
            str_to_i64(state, 0, INT32_MAX, &running->check);
        if (table_cell(table, ' ', "srv_name", "site", "srv_admin_state", state, sizeof state))
            str_to_i64(state, 0, INT32_MAX, &running->admin);
    }
    buf_free(&answer);
    return result;
}

/* False where the file does not name an address for this site. */
static bool read_site_file(const char *site, struct buf *text, struct text_span *where, struct route_facts *facts)
{
    char path[HOST_PATH_SIZE];
    struct err_info why = {0};
    if (route_file_read(route_files_path(&files, site, path), text, &why) != ERR_OK)
        str_format(facts->unknown_because, sizeof facts->unknown_because, "%.300s", why.message);
    else if (!text_find_server(buf_text(text), site, where, &facts->address))
        str_format(facts->unknown_because, sizeof facts->unknown_because,
            "%s has no line \"server site ADDRESS:PORT\" in \"backend %s\" (docs/proxy.md)", path, site);
    else
        return true;
    return false;
}

/* From the configuration, as it stands in the files; the running proxy does not tell. */
static void look_at_hold(
    const struct buf *site_text, const char *site, const struct running *running, struct route_facts *facts)
{
    struct hold_settings settings = HOLD_SETTINGS_START;
    struct buf config = BUF(ROUTE_FILE_CEILING);
    if (route_file_read(CONFIG_FILE, &config, NULL) == ERR_OK)
        text_read_hold_settings(buf_text(&config), NULL, &settings);
    text_read_hold_settings(buf_text(site_text), site, &settings);
    buf_free(&config);
    int64_t pause_ms = settings.connect_ms && settings.connect_ms < 1000 ? settings.connect_ms : 1000;
    int64_t limit_s = settings.retries * pause_ms / 1000;
    const char *problem = NULL;
    if (!running->is_there)
        problem = "the running HAProxy does not know it";
    else if (running->check & CHECK_ENABLED)
        problem = "its server is checked by HAProxy, which takes a held server for a dead one: leave out \"check\"";
    else if (running->admin)
        problem = "its server is in maintenance or drained in HAProxy";
    else if (!settings.redispatch)
        problem = "HAProxy's configuration lacks \"option redispatch 1\"";
    else if (!settings.server_close)
        problem = "HAProxy's configuration lacks \"option http-server-close\"";
    else if (limit_s < 1)
        problem = "HAProxy's configuration has too few \"retries\" to wait for a second";
    str_copy(facts->hold_problem, sizeof facts->hold_problem, problem ? problem : "");
    facts->can_hold = !problem;
    facts->hold_limit_s = problem ? 0 : limit_s;
}

/* Those in the backend that are not at the site. */
static void look_at_waiting(const char *site, struct route_facts *facts)
{
    struct buf answer = BUF(65536);
    char cell[32];
    int64_t sessions = 0, under_way = 0;
    facts->waiting = -1;
    if (facts->state == ROUTE_STATE_SITE)
        facts->waiting = 0;
    else if (haproxy_ask(&answer, NULL, "show stat %s 2 -1", site) == ERR_OK &&
             table_cell(buf_text(&answer), ',', "svname", "BACKEND", "scur", cell, sizeof cell) &&
             str_to_i64(cell, 0, INT32_MAX, &sessions) && connections_to(&facts->address, &under_way, NULL) == ERR_OK)
        facts->waiting = sessions > under_way ? sessions - under_way : 0;
    buf_free(&answer);
}

static void compare_addresses(const char *site, const struct running *running, struct route_facts *facts)
{
    char in_file[ADDRESS_TEXT_SIZE], now[ADDRESS_TEXT_SIZE];
    address_text(&facts->address, in_file);
    facts->state = ROUTE_STATE_SITE;
    if (!running->is_there) {
        facts->state = ROUTE_STATE_UNKNOWN;
        str_format(facts->address_drift, sizeof facts->address_drift,
            "the running HAProxy has no \"server site\" in \"backend %s\": reload it", site);
    } else if (running->has_address && address_equal(&running->address, &holding)) {
        facts->state = ROUTE_STATE_HELD;
        facts->held = true;
    } else if (!running->has_address || !address_equal(&running->address, &facts->address)) {
        str_format(facts->address_drift, sizeof facts->address_drift,
            "/etc/haproxy/sites.d/%s.cfg says %s, the running HAProxy %s", site, in_file,
            running->has_address ? address_text(&running->address, now) : "something else");
    }
}

static enum err look(const struct route_request *request, struct route_facts *facts, struct err_info *info)
{
    struct buf text = BUF(ROUTE_FILE_CEILING);
    struct text_span where;
    struct running running;
    bool is_notice = false;
    struct err_info why = {0};
    enum err result = ERR_OK;
    *facts = (struct route_facts){.waiting = -1};
    facts->known = read_site_file(request->site, &text, &where, facts);
    if (!facts->known)
        goto out;
    if (look_at_server(request->site, &running, &why) != ERR_OK) {
        str_format(facts->address_drift, sizeof facts->address_drift, "%.350s", why.message);
        str_format(facts->hold_problem, sizeof facts->hold_problem, "%.350s", why.message);
        goto out;
    }
    compare_addresses(request->site, &running, facts);
    look_at_hold(&text, request->site, &running, facts);
    look_at_waiting(request->site, facts);
    result = haproxy_domains_look(request, facts, &is_notice, info);
    if (result == ERR_OK && is_notice)
        facts->state = ROUTE_STATE_NOTICE;
out:
    buf_free(&text);
    return result;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

/* HAProxy answers with what it changed; whether it did is read back afterwards. */
static enum err lead(const char *site, const struct address *to, struct err_info *info)
{
    struct buf answer = BUF(65536);
    enum err result =
        haproxy_ask(&answer, info, "set server %s/site addr %s port %u", site, to->host, (unsigned)to->port);
    if (result == ERR_OK && (str_starts(buf_text(&answer), "No such") || str_starts(buf_text(&answer), "Proxy is")))
        result = err_set(info, ERR_FAILED, "HAProxy would not lead %s elsewhere: %.200s", site, buf_text(&answer));
    buf_free(&answer);
    return result;
}

static enum err read_running_address(const char *site, struct address *address, struct err_info *info)
{
    struct running running;
    enum err result = look_at_server(site, &running, info);
    *address = running.address;
    return result;
}

/* Open or pause `frontend held`, where there is one: without it an answer says "No such frontend", and the address
 * refuses anyway. */
static enum err let_through(bool open, struct err_info *info)
{
    struct buf answer = BUF(65536);
    enum err result = haproxy_ask(&answer, info, "%s frontend held", open ? "enable" : "disable");
    buf_free(&answer);
    return result;
}

/* Does the running proxy hold any site? */
static enum err holds_any(bool *holds, struct err_info *info)
{
    struct buf answer = BUF(ANSWER_CEILING);
    char port[8];
    str_format(port, sizeof port, "%u", (unsigned)holding.port);
    enum err result = haproxy_ask(&answer, info, "show servers state");
    *holds = table_has(buf_text(&answer), ' ', "srv_addr", holding.host, "srv_port", port);
    buf_free(&answer);
    return result;
}

static enum err hold(const struct route_request *request, const struct route_facts *facts, struct err_info *info)
{
    if (!facts->can_hold)
        return ERR_OK;
    enum err result = let_through(false, info);
    return result == ERR_OK ? lead(request->site, &holding, info) : result;
}

static enum err release(const struct route_request *request, const struct route_facts *facts, struct err_info *info)
{
    bool holds = false;
    enum err result = lead(request->site, &facts->address, info);
    if (result == ERR_OK)
        result = holds_any(&holds, info);
    return result == ERR_OK && !holds ? let_through(true, info) : result;
}

static enum err write_address(const char *site, const struct address *address, struct err_info *info)
{
    struct buf text = BUF(ROUTE_FILE_CEILING), changed = BUF(ROUTE_FILE_CEILING);
    struct route_facts *facts = xcalloc(1, sizeof *facts);
    struct text_span where;
    char path[HOST_PATH_SIZE], by[ADDRESS_TEXT_SIZE];
    enum err result = ERR_OK;
    if (!read_site_file(site, &text, &where, facts))
        result = err_set(info, ERR_NOT_FOUND, "%s", facts->unknown_because);
    else if (!address_equal(&facts->address, address)) {
        text_replace(&changed, buf_text(&text), &where, address_text(address, by));
        result = route_file_write(route_files_path(&files, site, path), &changed, info);
    }
    buf_free(&changed);
    buf_free(&text);
    free(facts);
    return result;
}

static enum err set(const struct route_request *request, const struct route_facts *facts, const struct address *address,
    struct err_info *info)
{
    struct address running;
    (void)facts;
    enum err result = write_address(request->site, address, info);
    if (result == ERR_OK)
        result = read_running_address(request->site, &running, info);
    if (result == ERR_OK && !address_equal(&running, &holding) && !address_equal(&running, address))
        result = lead(request->site, address, info);
    return result;
}

static enum err notice(
    const struct route_request *request, const struct route_facts *facts, bool on, struct err_info *info)
{
    (void)facts;
    return haproxy_domains_notice(request, on, info);
}

const struct route_driver route_haproxy = {
    .name = "haproxy",
    .files = &files,
    .look = look,
    .hold = hold,
    .release = release,
    .set = set,
    .notice = notice,
};
