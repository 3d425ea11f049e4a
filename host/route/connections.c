/* Requests that are at a site are connections from this host to it: the kernel counts them whatever the proxy is, and
 * whichever of its processes has them – also one that a reload has left behind to end its work. Any thread. */
#include "host/route/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/path.h"

#define LINE_SIZE 512

/* Hexadecimal digits to bytes of memory: the kernel prints each 32 bits of an address as a number of this machine. */
static bool read_words(const char *digits, size_t count, uint32_t *words)
{
    for (size_t i = 0; i < count; i++) {
        char word[9];
        if (strspn(digits + 8 * i, "0123456789ABCDEFabcdef") < 8)
            return false;
        memcpy(word, digits + 8 * i, 8);
        word[8] = '\0';
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    return true;
}

/* A v4 address within v6 (::ffff:0:0/96) is that v4 address: sockets that speak both. */
static bool make_address(struct address *address, const uint32_t *words, size_t count, long port)
{
    char text[INET6_ADDRSTRLEN];
    bool is_mapped = count == 4 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
    if (count == 1 || is_mapped)
        inet_ntop(AF_INET, &words[is_mapped ? 3 : 0], text, sizeof text);
    else
        inet_ntop(AF_INET6, words, text, sizeof text);
    return address_make(address, text, port);
}

bool connections_line(const char *line, struct address *far, bool *is_open)
{
    char remote[64];
    unsigned port, state;
    uint32_t words[4];
    *far = (struct address){0};
    *is_open = false;
    if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%*x %40[0-9A-Fa-f]:%x %x", remote, &port, &state) != 3)
        return false;
    size_t count = strlen(remote) / 8;
    if ((count != 1 && count != 4) || strlen(remote) != 8 * count || !read_words(remote, count, words))
        return false;
    *is_open = state >= 1 && state <= 3; /* TCP_ESTABLISHED, TCP_SYN_SENT, TCP_SYN_RECV (linux/tcp_states.h) */
    return make_address(far, words, count, (long)port);
}

static enum err count_table(const char *table, const struct address *address, int64_t *count, struct err_info *info)
{
    char path[HOST_PATH_SIZE], line[LINE_SIZE];
    struct address far;
    bool is_open;
    FILE *file = fopen(host_path(path, sizeof path, table), "re");
    if (!file)
        return errno == ENOENT ? ERR_OK : err_errno(info, err_from_errno(errno), errno, "cannot read %s", path);
    while (fgets(line, sizeof line, file))
        if (connections_line(line, &far, &is_open) && is_open && address_equal(&far, address))
            (*count)++;
    enum err result = ferror(file) ? err_errno(info, ERR_IO, errno, "cannot read %s", path) : ERR_OK;
    fclose(file);
    return result;
}

enum err connections_to(const struct address *address, int64_t *count, struct err_info *info)
{
    *count = 0;
    enum err result = count_table("/proc/net/tcp", address, count, info);
    return result == ERR_OK ? count_table("/proc/net/tcp6", address, count, info) : result;
}
