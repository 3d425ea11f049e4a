/* Exec and forwarding channels over a non-blocking libssh session: every wait is session_wait with the caller's
 * deadline. Writing respects the peer's window and never queues more than one block inside libssh, so that memory stays
 * bounded. Runs in the connection's thread. */
#include "remote/stream.h"

#include <string.h>

#include "base/sanitize.h"

#define WRITE_BLOCK_BYTES 32768u

static enum err refused(struct connection *connection, const char *what, struct err_info *info)
{
    const char *said = ssh_get_error(connection->session);
    char text[300];
    sanitize(text, sizeof text, said, strlen(said));
    if (!ssh_is_connected(connection->session))
        return session_error(connection, ERR_OK, what, info);
    return err_set(info, ERR_DENIED, "%s: %s: refused (%s)", connection->name, what, text);
}

static enum err finish(struct connection *connection, int rc, enum err waited, const char *what, struct err_info *info)
{
    if (waited)
        return session_error(connection, waited, what, info);
    return rc == SSH_OK ? ERR_OK : refused(connection, what, info);
}

enum err stream_exec(struct connection *connection, const char *command, const struct wait *wait, ssh_channel *out,
    struct err_info *info)
{
    *out = NULL;
    ssh_channel channel = ssh_channel_new(connection->session);
    if (!channel)
        return session_error(connection, ERR_OK, "opening a channel", info);
    int rc;
    enum err waited = ERR_OK;
    while (!waited && (rc = ssh_channel_open_session(channel)) == SSH_AGAIN)
        waited = session_wait(connection, wait);
    enum err err = finish(connection, rc, waited, "opening a channel", info);
    if (err == ERR_OK) {
        while (!waited && (rc = ssh_channel_request_exec(channel, command)) == SSH_AGAIN)
            waited = session_wait(connection, wait);
        err = finish(connection, rc, waited, "starting a command", info);
    }
    if (err)
        stream_close(channel);
    else
        *out = channel;
    return err;
}

enum err stream_forward(struct connection *connection, const char *address, int port, const struct wait *wait,
    ssh_channel *out, struct err_info *info)
{
    *out = NULL;
    ssh_channel channel = ssh_channel_new(connection->session);
    if (!channel)
        return session_error(connection, ERR_OK, "opening a channel", info);
    int rc;
    enum err waited = ERR_OK;
    while (!waited && (rc = ssh_channel_open_forward(channel, address, port, "127.0.0.1", 0)) == SSH_AGAIN)
        waited = session_wait(connection, wait);
    enum err err = finish(connection, rc, waited, "opening the way through this jump host", info);
    if (err)
        stream_close(channel);
    else
        *out = channel;
    return err;
}

void stream_close(ssh_channel channel)
{
    if (channel)
        ssh_channel_free(channel); /* sends close where it is open */
}

ssize_t stream_read(ssh_channel channel, bool from_stderr, void *data, size_t size)
{
    int got = ssh_channel_read_nonblocking(channel, data, (uint32_t)size, from_stderr);
    if (got > 0)
        return got;
    if (got == SSH_ERROR)
        return ssh_is_connected(ssh_channel_get_session(channel)) && ssh_channel_is_eof(channel) ? STREAM_ENDED
                                                                                                 : STREAM_BROKEN;
    if (got == SSH_EOF || (got == 0 && ssh_channel_is_eof(channel)))
        return STREAM_ENDED;
    return ssh_is_connected(ssh_channel_get_session(channel)) ? 0 : STREAM_BROKEN;
}

ssize_t stream_write(struct connection *connection, ssh_channel channel, const void *data, size_t length)
{
    int flushed = ssh_blocking_flush(connection->session, 0);
    if (flushed == SSH_ERROR)
        return STREAM_BROKEN;
    uint32_t room = ssh_channel_window_size(channel);
    if (flushed == SSH_AGAIN || room == 0) {
        /* let window adjustments in, also where the peer has ended its output and stream_read takes nothing more */
        return ssh_channel_poll_timeout(channel, 0, 0) == SSH_ERROR ? STREAM_BROKEN : 0;
    }
    size_t most = room < WRITE_BLOCK_BYTES ? room : WRITE_BLOCK_BYTES;
    int written = ssh_channel_write(channel, data, (uint32_t)(length < most ? length : most));
    if (written == SSH_AGAIN)
        return 0;
    return written < 0 ? STREAM_BROKEN : written;
}

int stream_exit_status(struct connection *connection, ssh_channel channel, const struct wait *wait)
{
    for (;;) {
        int status = ssh_channel_get_exit_status(channel);
        if (status != STREAM_EXIT_UNKNOWN || ssh_channel_is_closed(channel) || !ssh_is_connected(connection->session))
            return status;
        if (session_wait(connection, wait) != ERR_OK)
            return STREAM_EXIT_UNKNOWN;
    }
}
