/* Inside remote/: a TCP connection with a deadline on every part of it, name resolution included. Any thread. */
#ifndef REMOTE_TCP_H
#define REMOTE_TCP_H

#include <stdint.h>

#include "base/err.h"
#include "remote/wait.h"

/* *fd: connected, non-blocking, close-on-exec, TCP_NODELAY, keepalive and TCP_USER_TIMEOUT set; the caller's. -1 unless
 * ERR_OK. Several addresses of a name are tried in turn. ERR_UNREACHABLE, ERR_REFUSED, ERR_TIMEOUT, ERR_CANCELLED,
 * ERR_IO. */
enum err tcp_connect(const char *address, uint16_t port, const struct wait *wait, int *fd, struct err_info *info);

#endif
