/* The proxies that lead visitors to a site, as a plan sees them, and the steps a plan takes on each of them
 * (actions/steps_route.c). Used by every plan that holds requests, switches routes or shows the notice page. */
#ifndef ACTIONS_PROXIES_H
#define ACTIONS_PROXIES_H

#include <stdbool.h>
#include <stdint.h>

#include "actions/action.h"

/* One proxy that knows the site (docs/protocol.md "Verbs of a proxy"). */
struct plan_proxy {
    char host[NAME_SIZE];
    bool is_down;     /* of proxies_all: it is known to be out of reach */
    char program[16]; /* "haproxy", "nginx" */
    char state[16];   /* "site", "held", "notice" */
    bool can_hold;
    int64_t hold_limit_s;       /* how long it can hold a request; 0: not known */
    char address[ADDRESS_SIZE]; /* where it leads to now; "": not known */
    int64_t port;
};

struct plan_proxies {
    char site[NAME_SIZE];
    VEC(struct plan_proxy) items; /* in order of name */
    VEC(char *) domains;          /* of the site: as declared, else its own name */
};
void plan_proxies_free(struct plan_proxies *proxies); /* what it owns; leaves it empty */

enum proxies_need {
    PROXIES_ALL,  /* one that cannot be asked is an error that names it: for plans that switch routes or hold */
    PROXIES_BEST, /* one that cannot be asked is left out, with a warning in the plan */
};

/* Which proxies of the fleet know the site now. Free *out in any case. Where the fleet has none that does, the plan
 * gets the warning "no proxy of the fleet knows SITE: OTHERWISE" (NULL: no warning). ERR_UNREACHABLE as told above. */
enum err proxies_find(const struct plan_request *request, struct plan *plan, const char *site, enum proxies_need need,
    const char *otherwise, struct plan_proxies *out, struct err_info *info);

/* Every proxy of the fleet, none asked: whether it knows the site shows in the steps. */
void proxies_all(const struct plan_request *request, const char *site, struct plan_proxies *out);

bool proxies_can_hold(const struct plan_proxies *proxies); /* all of them, and there is one */

/* Warnings about a cut of plan->cut_us: proxies that cannot hold, or not for so long. To be called when it is known. */
void proxies_warn_cut(struct plan *plan, const struct plan_proxies *proxies);

/* Add one step for each proxy, for the site plan->site. Hold, drain and unhold leave out those that cannot hold. */
void proxies_add_leases(struct plan *plan, const struct plan_proxies *proxies);
void proxies_add_hold(struct plan *plan, const struct plan_proxies *proxies);
void proxies_add_drain(struct plan *plan, const struct plan_proxies *proxies, int64_t limit_ms);
/* From now on to `port` on the host `to`, at its address in the fleet files; each is undone to where it led before. */
void proxies_add_route(struct plan *plan, const struct plan_proxies *proxies, const char *to, int64_t port);
void proxies_add_unhold(struct plan *plan, const struct plan_proxies *proxies);
void proxies_add_notice(struct plan *plan, const struct plan_proxies *proxies); /* visitors see the notice page */
/* For what must begin at once: proxies of proxies_all, each step with its lease in it. `soon` waits a few seconds for
 * those that are up; `late` a minute for all, where `soon` has not shown the page yet. */
void proxies_add_notice_soon(struct plan *plan, const struct plan_proxies *proxies);
void proxies_add_notice_late(struct plan *plan, const struct plan_proxies *proxies);
void proxies_add_page(struct plan *plan, const struct plan_proxies *proxies); /* visitors see the site again */
void proxies_add_releases(struct plan *plan, const struct plan_proxies *proxies);

/* The parameters of a lease step: who the holder is. A new reference. */
json_t *proxies_lease_parameters(void);

#endif
