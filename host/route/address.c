/* Address literals and host names, checked. No state; any thread. */
#include "host/route/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* Not "any", not a group, not everybody: only what one machine can be reached at. */
static bool is_one_machine_v4(const struct in_addr *address)
{
    uint32_t host_order = ntohl(address->s_addr);
    return host_order != INADDR_ANY && !IN_MULTICAST(host_order) && host_order != INADDR_BROADCAST;
}

static bool is_one_machine_v6(const struct in6_addr *address)
{
    return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address);
}

bool address_make(struct address *address, const char *host, int64_t port)
{
    struct in_addr v4;
    struct in6_addr v6;
    *address = (struct address){0};
    if (!host || port < 1 || port > UINT16_MAX)
        return false;
    if (inet_pton(AF_INET, host, &v4) == 1 && is_one_machine_v4(&v4))
        inet_ntop(AF_INET, &v4, address->host, sizeof address->host);
    else if (inet_pton(AF_INET6, host, &v6) == 1 && is_one_machine_v6(&v6))
        inet_ntop(AF_INET6, &v6, address->host, sizeof address->host);
    else
        return false;
    address->port = (uint16_t)port;
    return true;
}

bool address_parse(struct address *address, const char *text, size_t length)
{
    char copy[ADDRESS_TEXT_SIZE];
    int64_t port;
    *address = (struct address){0};
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *host = copy, *colon = strrchr(copy, ':');
    if (!colon || colon == copy || !str_to_i64(colon + 1, 1, UINT16_MAX, &port))
        return false;
    *colon = '\0';
    bool has_brackets = copy[0] == '[' && colon[-1] == ']';
    if (has_brackets) {
        colon[-1] = '\0';
        host++;
    }
    return has_brackets == (strchr(host, ':') != NULL) && address_make(address, host, port);
}

const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    bool is_v6 = strchr(address->host, ':') != NULL;
    str_format(out, ADDRESS_TEXT_SIZE, "%s%s%s:%u", is_v6 ? "[" : "", address->host, is_v6 ? "]" : "",
        (unsigned)address->port);
    return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_label(const char *label, size_t length)
{
    if (length < 1 || length > 63 || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!islower((unsigned char)label[i]) && !isdigit((unsigned char)label[i]) && label[i] != '-')
            return false;
    return true;
}

bool domain_copy(char out[DOMAIN_SIZE], const char *text)
{
    if (!text || !str_copy(out, DOMAIN_SIZE, text))
        return false;
    for (char *c = out; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    const char *label = out;
    for (const char *end; (end = strchr(label, '.')) != NULL; label = end + 1)
        if (!is_label(label, (size_t)(end - label)))
            return false;
    return is_label(label, strlen(label));
}
