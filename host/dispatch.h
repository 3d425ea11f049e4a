/* From a request to its answer: hello first, a known verb, the role, the site's name, the policy; then the verb's
 * handler, in a thread of its own where it may take long (at most 16 at a time). Refusals of what is not allowed, and
 * what changes the host, are written to syslog. */
#ifndef HOST_DISPATCH_H
#define HOST_DISPATCH_H

#include "host/audit.h"
#include "host/session.h"
#include "host/verbs.h"

struct dispatch;

/* Borrows audit and policy_path: all live as long as the process. */
struct dispatch *dispatch_new(enum host_role role, const char *policy_path, struct audit *audit);

/* For session_new, with the dispatch as its context. */
session_handler dispatch_request;

/* The connection is over: what was begun and will not be ended is written down. */
void dispatch_end(struct dispatch *dispatch);

#endif
