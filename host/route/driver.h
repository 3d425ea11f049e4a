/* What a proxy can be asked to do with one site's requests. route.c speaks the protocol, holds the lock and knows no
 * proxy; each proxy is one const row. Calls come one at a time (route.c's lock), except `look` and `under_way`, which
 * only read. docs/proxy.md says what the proxy's own configuration needs for it. */
#ifndef HOST_ROUTE_DRIVER_H
#define HOST_ROUTE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/route/address.h"
#include "host/route/file.h"

#define ROUTE_DOMAINS_MAX 256
#define ROUTE_WORDS_SIZE 384

struct route_domains {
    char names[ROUTE_DOMAINS_MAX][DOMAIN_SIZE]; /* lower case, checked */
    size_t count;
};
/* Add one, where it is a host name and there is room; twice is no matter. */
bool route_add_domain(struct route_domains *domains, const char *text);

struct route_request {
    const char *site;             /* checked name; borrowed */
    struct route_domains domains; /* may be none */
};

enum route_state { ROUTE_STATE_UNKNOWN, ROUTE_STATE_SITE, ROUTE_STATE_HELD, ROUTE_STATE_NOTICE };

struct route_facts {
    bool known; /* the proxy's files and the running proxy have this site */
    enum route_state state;
    bool held;              /* also where visitors see the notice page */
    struct address address; /* the file's; port 0: unknown */
    bool can_hold;
    int64_t hold_limit_s;
    int64_t waiting;                        /* requests held now; -1: unknown */
    char hold_problem[ROUTE_WORDS_SIZE];    /* why it cannot hold; "" where it can */
    char address_drift[ROUTE_WORDS_SIZE];   /* how file and running proxy differ about the address; "": not at all */
    char domains_drift[ROUTE_WORDS_SIZE];   /* the same about the site's domains */
    char unknown_because[ROUTE_WORDS_SIZE]; /* where it is not known: what is missing */
};

struct route_driver {
    const char *name;
    const struct route_files *files; /* the sites' own, which dogwatch may change */
    /* ERR_OK also for a site it does not know. */
    enum err (*look)(const struct route_request *request, struct route_facts *facts, struct err_info *info);
    /* All of these: harmless to ask twice, and only asked of a site that is known. `facts`: of just before. */
    enum err (*hold)(const struct route_request *request, const struct route_facts *facts, struct err_info *info);
    enum err (*release)(const struct route_request *request, const struct route_facts *facts, struct err_info *info);
    enum err (*set)(const struct route_request *request, const struct route_facts *facts, const struct address *address,
        struct err_info *info);
    enum err (*notice)(
        const struct route_request *request, const struct route_facts *facts, bool on, struct err_info *info);
};

extern const struct route_driver route_haproxy, route_nginx;

#endif
