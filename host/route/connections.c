/* Requests that are at a site are connections from this host to it: the kernel counts them whatever the proxy is, and
 * whichever of its processes has them – also one that a reload has left behind to end its work. It is asked by
 * sock_diag(7), which leaves out the many that are closing: 2 ms where reading /proc/net/tcp took 30. Where a kernel
 * has no sock_diag for TCP, those files are read. Any thread. */
#include "host/route/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

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

/* --- sock_diag ---------------------------------------------------------------------------------------------------- */

/* linux/tcp_states.h: TCP_ESTABLISHED 1, TCP_SYN_SENT 2, TCP_SYN_RECV 3 */
#define OPEN_STATES (1u << 1 | 1u << 2 | 1u << 3)
#define ANSWER_LIMIT_S 5

static bool send_query(int fd, int family)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 query;
    } message = {
        .header = {.nlmsg_len = sizeof message,
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .query = {.sdiag_family = (unsigned char)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = OPEN_STATES},
    };
    struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
           send(fd, &message, sizeof message, 0) == (ssize_t)sizeof message;
}

static bool is_to(const struct nlmsghdr *header, const struct address *address)
{
    struct inet_diag_msg found;
    struct address far;
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof found))
        return false;
    memcpy(&found, NLMSG_DATA(header), sizeof found);
    return make_address(&far, found.id.idiag_dst, found.idiag_family == AF_INET ? 1 : 4, ntohs(found.id.idiag_dport)) &&
           address_equal(&far, address);
}

enum answer { ANSWER_MORE, ANSWER_END, ANSWER_BAD };

static enum answer take_messages(const char *bytes, size_t length, const struct address *address, int64_t *count)
{
    while (length >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const void *)bytes;
        size_t step = NLMSG_ALIGN(header->nlmsg_len);
        if (header->nlmsg_len < sizeof *header || header->nlmsg_len > length || header->nlmsg_type == NLMSG_ERROR)
            return ANSWER_BAD;
        if (header->nlmsg_type == NLMSG_DONE)
            return ANSWER_END;
        *count += is_to(header, address);
        step = step < length ? step : length;
        bytes += step;
        length -= step;
    }
    return ANSWER_MORE;
}

static bool ask_kernel(int family, const struct address *address, int64_t *count)
{
    alignas(struct nlmsghdr) char bytes[16384];
    enum answer answer = ANSWER_BAD;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd >= 0 && send_query(fd, family))
        do {
            ssize_t got = recv(fd, bytes, sizeof bytes, 0);
            answer = got > 0 ? take_messages(bytes, (size_t)got, address, count) : ANSWER_BAD;
        } while (answer == ANSWER_MORE);
    if (fd >= 0)
        close(fd);
    return answer == ANSWER_END;
}

enum err connections_to(const struct address *address, int64_t *count, struct err_info *info)
{
    *count = 0;
    if (ask_kernel(AF_INET, address, count) && ask_kernel(AF_INET6, address, count))
        return ERR_OK;
    return connections_in_files(address, count, info);
}

enum err connections_in_files(const struct address *address, int64_t *count, struct err_info *info)
{
    *count = 0;
    enum err result = count_table("/proc/net/tcp", address, count, info);
    return result == ERR_OK ? count_table("/proc/net/tcp6", address, count, info) : result;
}
