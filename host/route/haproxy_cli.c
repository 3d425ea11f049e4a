/* One conversation with HAProxy's admin socket: bounded in time and size, and never through a shell. Any thread. */
#include "host/route/haproxy_cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"

#define ADMIN_SOCKET "/run/haproxy/admin.sock"
#define LIMIT_US (5 * USEC_PER_SEC)
#define COMMAND_CEILING 4096

static enum err dial(int *fd, struct err_info *info)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[HOST_PATH_SIZE];
    host_path(path, sizeof path, ADMIN_SOCKET);
    if (!str_copy(address.sun_path, sizeof address.sun_path, path))
        return err_set(info, ERR_INVALID, "%s is too long for a socket", path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return err_errno(info, ERR_IO, errno, "cannot make a socket");
    if (connect(*fd, (struct sockaddr *)&address, sizeof address) == 0)
        return ERR_OK;
    int why = errno;
    close(*fd);
    *fd = -1;
    if (why == EACCES || why == EPERM)
        return err_errno(info, ERR_DENIED, why, "HAProxy's admin socket %s", path);
    return err_errno(
        info, ERR_UNREACHABLE, why, "HAProxy does not answer at %s: does it run, with that stats socket?", path);
}

/* Until it is readable (or writable), or the time is over. */
static enum err await(int fd, short events, int64_t until_us, struct err_info *info)
{
    int64_t left_us = until_us - clock_mono_us();
    struct pollfd wait = {.fd = fd, .events = events};
    if (left_us <= 0 || poll(&wait, 1, (int)((left_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) == 0)
        return err_set(
            info, ERR_TIMEOUT, "HAProxy's admin socket has not answered for %d s", (int)(LIMIT_US / USEC_PER_SEC));
    return ERR_OK;
}

static enum err send_all(int fd, const struct buf *command, int64_t until_us, struct err_info *info)
{
    size_t done = 0;
    while (done < command->length) {
        enum err result = await(fd, POLLOUT, until_us, info);
        if (result != ERR_OK)
            return result;
        ssize_t sent = send(fd, command->data + done, command->length - done, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(info, ERR_CLOSED, errno, "HAProxy's admin socket");
        done += sent > 0 ? (size_t)sent : 0;
    }
    return ERR_OK;
}

static enum err read_all(int fd, struct buf *answer, int64_t until_us, struct err_info *info)
{
    char chunk[16384];
    for (;;) {
        enum err result = await(fd, POLLIN, until_us, info);
        if (result != ERR_OK)
            return result;
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got == 0)
            return ERR_OK;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(info, ERR_CLOSED, errno, "HAProxy's admin socket");
        if (got > 0 && buf_append(answer, chunk, (size_t)got) != ERR_OK)
            return err_set(info, ERR_FULL, "HAProxy's answer is longer than %zu bytes", answer->ceiling);
    }
}

static void drop_last_lines(struct buf *answer)
{
    while (answer->length && answer->data[answer->length - 1] == '\n')
        answer->data[--answer->length] = '\0';
}

enum err haproxy_ask(struct buf *answer, struct err_info *info, const char *format, ...)
{
    struct buf command = BUF(COMMAND_CEILING);
    va_list args;
    int fd = -1;
    va_start(args, format);
    buf_vprintf(&command, format, args);
    va_end(args);
    buf_clear(answer);
    enum err result = buf_putc(&command, '\n');
    if (result != ERR_OK)
        err_set(info, result, "a command for HAProxy is too long");
    else
        result = dial(&fd, info);
    int64_t until_us = clock_mono_us() + LIMIT_US;
    if (result == ERR_OK)
        result = send_all(fd, &command, until_us, info);
    if (result == ERR_OK)
        result = read_all(fd, answer, until_us, info);
    if (result == ERR_OK)
        drop_last_lines(answer);
    if (fd >= 0)
        close(fd);
    buf_free(&command);
    return result;
}
