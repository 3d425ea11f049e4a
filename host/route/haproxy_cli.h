/* HAProxy's admin socket (management guide, 9.3): one command, one answer, a connection each. Any thread. */
#ifndef HOST_ROUTE_HAPROXY_CLI_H
#define HOST_ROUTE_HAPROXY_CLI_H

#include "base/buf.h"
#include "base/err.h"

/* Ask; the answer comes without its last, empty line. `command` is made of checked names only. ERR_UNREACHABLE where
 * nobody listens, ERR_TIMEOUT after 5 s, ERR_FULL beyond answer's ceiling. */
enum err haproxy_ask(struct buf *answer, struct err_info *info, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
