/* The verbs of a proxy are in host/verbs.h; this is for main. */
#ifndef HOST_ROUTE_ROUTE_H
#define HOST_ROUTE_ROUTE_H

/* The helper ends: requests it holds are let go, unless their job comes back for them (host/route/held.h). Returns when
 * it holds none, at the latest when those who wait have waited as long as the proxy lets them. */
void route_finish(void);

#endif
