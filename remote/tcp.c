/* TCP with deadlines. Address literals are never looked up; names are, in a detached thread of their own, because
 * getaddrinfo(3) cannot be told when to stop: past the deadline its thread is left behind and cleans up after itself.
 * At most LOOKUPS_MAX may be stuck like that; then names fail at once instead of piling up threads. */
#include "remote/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOKUPS_MAX 64
#define LOOKUP_STACK_BYTES (256 * 1024)
#define TRY_LEAST_US (2 * USEC_PER_SEC) /* for one of several addresses, if there is so much time */
#define DEAD_AFTER_MS 30000 /* unacknowledged data for so long: the kernel gives the connection up, tcp(7) */

struct lookup { /* shared by the asker and the thread; the last of the two frees it */
    atomic_int owners;
    char *address;
    char port[8];
    int done_fd; /* eventfd */
    int result;  /* of getaddrinfo */
    struct addrinfo *found;
};

static atomic_int lookups_running;

static void lookup_release(struct lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->owners, 1) > 1)
        return;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    close(lookup->done_fd);
    free(lookup->address);
    free(lookup);
}

static int resolve(const char *address, const char *port, int flags, struct addrinfo **found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    return getaddrinfo(address, port, &hints, found);
}

static void *lookup_thread(void *arg)
{
    struct lookup *lookup = arg;
    lookup->result = resolve(lookup->address, lookup->port, AI_ADDRCONFIG, &lookup->found);
    eventfd_write(lookup->done_fd, 1);
    lookup_release(lookup);
    atomic_fetch_sub(&lookups_running, 1);
    return NULL;
}

static enum err lookup_start(const char *address, const char *port, struct lookup **out, struct err_info *info)
{
    if (atomic_fetch_add(&lookups_running, 1) >= LOOKUPS_MAX) {
        atomic_fetch_sub(&lookups_running, 1);
        return err_set(info, ERR_UNREACHABLE, "the name service does not answer (%d lookups are waiting)", LOOKUPS_MAX);
    }
    struct lookup *lookup = xcalloc(1, sizeof *lookup);
    atomic_init(&lookup->owners, 2);
    lookup->address = xstrdup(address);
    str_copy(lookup->port, sizeof lookup->port, port);
    lookup->done_fd = eventfd(0, EFD_CLOEXEC);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, LOOKUP_STACK_BYTES);
    pthread_t thread;
    int failed = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_attr_destroy(&attributes);
    if (!failed) {
        *out = lookup;
        return ERR_OK;
    }
    atomic_fetch_sub(&lookups_running, 1);
    atomic_store(&lookup->owners, 1);
    lookup_release(lookup);
    return err_errno(info, ERR_IO, failed, "cannot start a thread to look %s up", address);
}

static enum err lookup_error(struct err_info *info, int result, const char *address)
{
    if (result == EAI_NONAME || result == EAI_NODATA)
        return err_set(info, ERR_UNREACHABLE, "there is no host of the name %s", address);
    return err_set(info, ERR_UNREACHABLE, "cannot look %s up: %s", address, gai_strerror(result));
}

/* *found: to be freed by freeaddrinfo. */
static enum err look_up(
    const char *address, const char *port, const struct wait *wait, struct addrinfo **found, struct err_info *info)
{
    *found = NULL;
    if (resolve(address, port, AI_NUMERICHOST, found) == 0)
        return ERR_OK;
    struct lookup *lookup = NULL;
    enum err err = lookup_start(address, port, &lookup, info);
    if (err)
        return err;
    err = wait_fd(wait, lookup->done_fd, POLLIN);
    eventfd_t done;
    if (err == ERR_OK && eventfd_read(lookup->done_fd, &done) != 0)
        err = ERR_IO;
    if (err == ERR_TIMEOUT)
        err_set(info, err, "looking up the name %s took too long", address);
    else if (err)
        err_set(info, err, "looking up the name %s was given up", address);
    else if (lookup->result)
        err = lookup_error(info, lookup->result, address);
    else {
        *found = lookup->found;
        lookup->found = NULL;
    }
    lookup_release(lookup);
    return err;
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value); /* improvements only: a refusal does no harm */
}

static void tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_AFTER_MS);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static enum err connect_error(struct err_info *info, int errno_value, const char *address, uint16_t port)
{
    switch (errno_value) {
    case ECONNREFUSED:
        return err_set(info, ERR_REFUSED, "%s refuses connections on port %u: is sshd running there?", address, port);
    case ETIMEDOUT:
        return err_set(info, ERR_TIMEOUT, "%s port %u does not answer", address, port);
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return err_errno(info, ERR_UNREACHABLE, errno_value, "cannot reach %s", address);
    default:
        return err_errno(info, err_from_errno(errno_value), errno_value, "cannot connect to %s port %u", address, port);
    }
}

/* One address of those the name has. */
static enum err try_address(const struct addrinfo *at, const struct wait *wait, int *out, int *errno_value)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *errno_value = errno;
        return ERR_IO;
    }
    *errno_value = 0;
    enum err err = ERR_OK;
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
        *errno_value = errno;
        if (errno == EINPROGRESS && (err = wait_fd(wait, fd, POLLOUT)) == ERR_OK) {
            socklen_t size = sizeof *errno_value;
            getsockopt(fd, SOL_SOCKET, SO_ERROR, errno_value, &size);
        }
    }
    if (err == ERR_TIMEOUT)
        *errno_value = ETIMEDOUT;
    if (err || *errno_value) {
        close(fd);
        return err ? err : ERR_IO;
    }
    tune(fd);
    *out = fd;
    return ERR_OK;
}

static size_t count_addresses(const struct addrinfo *list)
{
    size_t count = 0;
    for (; list; list = list->ai_next)
        count++;
    return count;
}

enum err tcp_connect(const char *address, uint16_t port, const struct wait *wait, int *fd, struct err_info *info)
{
    *fd = -1;
    char port_text[8];
    str_format(port_text, sizeof port_text, "%u", port);
    struct addrinfo *found;
    enum err err = look_up(address, port_text, wait, &found, info);
    if (err)
        return err;
    size_t left = count_addresses(found);
    int errno_value = EADDRNOTAVAIL;
    err = ERR_IO;
    for (const struct addrinfo *at = found; at && err && err != ERR_CANCELLED; at = at->ai_next, left--) {
        int64_t all_us = wait_left_us(wait);
        int64_t share_us = left > 0 ? all_us / (int64_t)left : all_us;
        share_us = share_us < TRY_LEAST_US ? TRY_LEAST_US : share_us;
        struct wait share = wait_within(share_us < all_us ? share_us : all_us, wait->cancel_fd);
        err = try_address(at, &share, fd, &errno_value);
    }
    freeaddrinfo(found);
    if (err == ERR_CANCELLED)
        return err_set(info, err, "connecting to %s was given up", address);
    return err ? connect_error(info, errno_value, address, port) : ERR_OK;
}
