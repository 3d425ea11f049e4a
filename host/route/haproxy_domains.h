/* Which backend HAProxy's map leads a site's domains to: the site's own, or `notice`. The map is a file and, in the
 * running proxy, a copy of it; both are read and changed here. A domain that leads to a third place, or that stands on
 * `notice` for another site, is never touched, whoever names it. */
#ifndef HOST_ROUTE_HAPROXY_DOMAINS_H
#define HOST_ROUTE_HAPROXY_DOMAINS_H

#include "host/route/driver.h"

/* Fills `domains_drift`, and says whether all of the site's domains show the notice page (none: false). */
enum err haproxy_domains_look(
    const struct route_request *request, struct route_facts *facts, bool *is_notice, struct err_info *info);

/* Lead all of the site's domains to the notice page, or back: the file first, then the running proxy. */
enum err haproxy_domains_notice(const struct route_request *request, bool on, struct err_info *info);

#endif
