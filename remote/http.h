/* One HTTP GET, for the health gates of actions. No redirects, no proxies, no files: http and https only. Any thread;
 * blocks up to the timeout. */
#ifndef REMOTE_HTTP_H
#define REMOTE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http_request {
    const char *url;         /* "http://example.org:8080/path" */
    const char *host_header; /* the Host header to send; NULL: that of the URL */
    const char *connect_to;  /* "address:port" ("[v6]:port") to connect to instead of the URL's; NULL: what its name
                                resolves to */
    int64_t timeout_us;      /* for all of it */
    size_t ceiling;          /* bytes of the body that are kept; the rest is not waited for */
};

/* ERR_OK whenever a status came back, whatever it is: *status. `body` (may be NULL) holds what was asked for of the
 * body. ERR_TIMEOUT, ERR_REFUSED, ERR_UNREACHABLE, ERR_CLOSED, ERR_INVALID (the URL), ERR_GARBAGE (no HTTP), ERR_FAILED
 * (TLS). */
enum err http_get(const struct http_request *request, int *status, struct buf *body, struct err_info *info);

#endif
