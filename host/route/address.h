/* Where a site listens, and under which names it is asked for: what may stand in a proxy's files. Anything that is not
 * exactly an address literal with a port, or a host name, is refused, never repaired. No state; any thread. */
#ifndef HOST_ROUTE_ADDRESS_H
#define HOST_ROUTE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAIN_SIZE 254                          /* RFC 1035: 253 bytes, and the NUL */
#define ADDRESS_TEXT_SIZE (INET6_ADDRSTRLEN + 8) /* [address]:port */

struct address {
    char host[INET6_ADDRSTRLEN]; /* as inet_ntop(3) writes it */
    uint16_t port;               /* 0: no address at all */
};

/* `host`: an IPv4 or IPv6 literal that one machine can have. */
bool address_make(struct address *address, const char *host, int64_t port);
/* "192.0.2.1:80" or "[2001:db8::1]:80". */
bool address_parse(struct address *address, const char *text, size_t length);
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE]); /* the same way round */
bool address_equal(const struct address *a, const struct address *b);

/* A host name (RFC 1123), to lower case. */
bool domain_copy(char out[DOMAIN_SIZE], const char *text);

#endif
