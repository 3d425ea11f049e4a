/* Reaching a host through another one: a direct-tcpip channel of the jump host's connection, joined to one end of a
 * socket pair by a thread of its own; the other end carries the next SSH session like a TCP socket. From the moment it
 * starts, the thread alone uses the jump's connection. Both directions have one block of memory; a full one stops
 * reading from its source. It ends when either side does, or when jump_free asks it to. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "remote/stream.h"
#include "remote/session.h"

#define BLOCK_BYTES 32768
#define PUMP_STACK_BYTES (256 * 1024)

struct block {
    char data[BLOCK_BYTES];
    size_t start, length;
};

struct jump {
    struct connection *via;
    ssh_channel channel;
    int local_fd; /* the pump's end of the pair */
    int stop_fd;
    pthread_t thread;
    struct block to_host, from_host;
};

/* All return false at the end of their source or sink. */
static bool fill_from_local(struct jump *jump)
{
    struct block *block = &jump->to_host;
    if (block->length > 0)
        return true;
    ssize_t got = recv(jump->local_fd, block->data, sizeof block->data, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    block->start = 0;
    block->length = (size_t)got;
    return true;
}

static bool drain_to_host(struct jump *jump)
{
    struct block *block = &jump->to_host;
    while (block->length > 0) {
        ssize_t took = stream_write(jump->via, jump->channel, block->data + block->start, block->length);
        if (took <= 0)
            return took == 0;
        block->start += (size_t)took;
        block->length -= (size_t)took;
    }
    return true;
}

static bool fill_from_host(struct jump *jump)
{
    struct block *block = &jump->from_host;
    if (block->length > 0)
        return true;
    ssize_t got = stream_read(jump->channel, false, block->data, sizeof block->data);
    if (got < 0)
        return false;
    block->start = 0;
    block->length = (size_t)got;
    return true;
}

static bool drain_to_local(struct jump *jump)
{
    struct block *block = &jump->from_host;
    while (block->length > 0) {
        ssize_t took = send(jump->local_fd, block->data + block->start, block->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (took <= 0)
            return took < 0 && (errno == EAGAIN || errno == EINTR);
        block->start += (size_t)took;
        block->length -= (size_t)took;
    }
    return true;
}

/* Carry what can be carried now; more than one block may be waiting in libssh, where poll(2) does not see it. */
static bool carry(struct jump *jump)
{
    do {
        if (!fill_from_host(jump) || !drain_to_local(jump))
            return false;
    } while (jump->from_host.length == 0 && ssh_channel_poll(jump->channel, 0) > 0);
    return fill_from_local(jump) && drain_to_host(jump);
}

static void *pump_run(void *arg)
{
    struct jump *jump = arg;
    struct wait wait = wait_within(-1, jump->stop_fd);
    while (carry(jump)) {
        bool flush = ssh_get_poll_flags(jump->via->session) & SSH_WRITE_PENDING;
        short local = (short)((jump->to_host.length == 0 ? POLLIN : 0) | (jump->from_host.length > 0 ? POLLOUT : 0));
        /* while the local end is full the host's data stay in the socket: that is what slows the sender down */
        short host =
            (short)((jump->from_host.length == 0 || jump->to_host.length > 0 ? POLLIN : 0) | (flush ? POLLOUT : 0));
        struct pollfd fds[] = {{.fd = jump->local_fd, .events = local}, {.fd = jump->via->fd, .events = host}};
        if (wait_for(&wait, fds, 2) != ERR_OK)
            break;
    }
    shutdown(jump->local_fd, SHUT_RDWR);
    return NULL;
}

static enum err pump_start(struct jump *jump, int *fd, struct err_info *info)
{
    int pair[2] = {-1, -1};
    jump->stop_fd = eventfd(0, EFD_CLOEXEC);
    int failed =
        jump->stop_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0 ? errno : 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PUMP_STACK_BYTES);
    jump->local_fd = pair[0];
    failed = failed ? failed : pthread_create(&jump->thread, &attributes, pump_run, jump);
    pthread_attr_destroy(&attributes);
    if (!failed) {
        *fd = pair[1];
        return ERR_OK;
    }
    if (pair[1] >= 0)
        close(pair[1]);
    if (pair[0] >= 0)
        close(pair[0]);
    if (jump->stop_fd >= 0)
        close(jump->stop_fd);
    return err_errno(info, ERR_IO, failed, "%s: cannot join two connections", connection_name(jump->via));
}

enum err jump_open(const struct remote_target *target, const struct wait *wait, unsigned depth, struct jump **out,
    int *fd, struct err_info *info)
{
    *out = NULL;
    *fd = -1;
    struct jump *jump = xcalloc(1, sizeof *jump);
    enum err err = connection_dial(target->jump, wait, depth + 1, &jump->via, info);
    if (err == ERR_OK)
        err = stream_forward(jump->via, target->address, target->port ? target->port : 22, wait, &jump->channel, info);
    if (err == ERR_OK)
        err = pump_start(jump, fd, info);
    if (err == ERR_OK) {
        *out = jump;
        return ERR_OK;
    }
    stream_close(jump->channel);
    connection_free(jump->via);
    free(jump);
    return err_prefix(info, err, "on the way to %s", target->name ? target->name : target->address);
}

void jump_free(struct jump *jump)
{
    if (!jump)
        return;
    eventfd_write(jump->stop_fd, 1);
    pthread_join(jump->thread, NULL);
    close(jump->local_fd);
    close(jump->stop_fd);
    stream_close(jump->channel);
    connection_free(jump->via);
    free(jump);
}
