/* Connections of this host's own programs, from the kernel's tables (sock_diag(7), proc(5)). Any thread. */
#ifndef HOST_ROUTE_CONNECTIONS_H
#define HOST_ROUTE_CONNECTIONS_H

#include "base/err.h"
#include "host/route/address.h"

/* How many there are to that address, open or being opened; those that are closing are not counted. */
enum err connections_to(const struct address *address, int64_t *count, struct err_info *info);

/* The same from /proc/net/tcp and tcp6 alone. */
enum err connections_in_files(const struct address *address, int64_t *count, struct err_info *info);

/* For a table's text: of one line, the far end and whether it counts. */
bool connections_line(const char *line, struct address *far, bool *is_open);

#endif
