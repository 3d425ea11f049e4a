/* Asking the engine. Blocking, with a deadline on every wait; what the engine sends is bounded and checked for form. */
#include "engine/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/socket.h"

#define PIECE_BYTES 16384

struct client {
    int fd;
    int64_t last_id;
    struct buf input;
};

static enum err explain_connect(int why, const char *state_dir, struct err_info *info)
{
    if (why == ENOENT || why == ECONNREFUSED)
        return err_set(info, why == ENOENT ? ERR_NOT_FOUND : ERR_REFUSED,
            "no engine is running for %s; start one with `dogwatch engine`", state_dir);
    if (why == EAGAIN)
        return err_set(info, ERR_BUSY, "the engine of %s does not take connections; try again", state_dir);
    return err_errno(info, err_from_errno(why), why, "cannot reach the engine of %s", state_dir);
}

enum err client_open(const char *state_dir, struct client **out, struct err_info *info)
{
    *out = NULL;
    struct sockaddr_un address;
    int directory;
    enum err result = socket_address(state_dir, &address, &directory, info);
    if (result != ERR_OK)
        return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int why = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    if (directory >= 0)
        close(directory);
    if (why) {
        if (fd >= 0)
            close(fd);
        return explain_connect(why, state_dir, info);
    }
    struct client *client = xcalloc(1, sizeof *client);
    client->fd = fd;
    client->input = BUF(SOCKET_LINE_MAX);
    *out = client;
    return ERR_OK;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    close(client->fd);
    buf_free(&client->input);
    free(client);
}

void client_give_up(struct client *client)
{
    shutdown(client->fd, SHUT_RDWR);
}

/* Until the socket is ready, or the deadline. */
static enum err wait_ready(struct client *client, short events, int64_t deadline_us, struct err_info *info)
{
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        struct pollfd waiting = {.fd = client->fd, .events = events};
        int ready = left_us > 0 ? poll(&waiting, 1, (int)(left_us / USEC_PER_MSEC) + 1) : 0;
        if (ready > 0)
            return ERR_OK;
        if (ready == 0)
            return err_set(info, ERR_TIMEOUT, "the engine did not answer in time");
        if (errno != EINTR)
            return err_errno(info, ERR_IO, errno, "cannot wait for the engine");
    }
}

static enum err send_line(struct client *client, const struct buf *line, int64_t deadline_us, struct err_info *info)
{
    for (size_t at = 0; at < line->length;) {
        ssize_t sent = send(client->fd, line->data + at, line->length - at, MSG_NOSIGNAL);
        if (sent > 0) {
            at += (size_t)sent;
            continue;
        }
        int why = errno;
        if (why == EPIPE || why == ECONNRESET)
            return ERR_OK; /* it may have said why before it hung up: read */
        if (why != EAGAIN && why != EINTR)
            return err_errno(info, err_from_errno(why), why, "cannot ask the engine");
        enum err result = wait_ready(client, POLLOUT, deadline_us, info);
        if (result != ERR_OK)
            return result;
    }
    return ERR_OK;
}

static enum err read_piece(struct client *client, struct err_info *info)
{
    char piece[PIECE_BYTES];
    ssize_t got = recv(client->fd, piece, sizeof piece, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_OK;
    if (got <= 0)
        return err_set(info, ERR_CLOSED, "the engine closed the connection; is it still running?");
    if (buf_append(&client->input, piece, (size_t)got) != ERR_OK)
        return err_set(info, ERR_GARBAGE, "the engine's answer is longer than 1 MiB");
    return ERR_OK;
}

static enum err read_line(struct client *client, int64_t deadline_us, json_t **line, struct err_info *info)
{
    for (;;) {
        char *end = client->input.length ? memchr(client->input.data, '\n', client->input.length) : NULL;
        if (end) {
            size_t length = (size_t)(end - client->input.data);
            enum err result = json_parse(client->input.data, length, line, info);
            buf_consume(&client->input, length + 1);
            return result;
        }
        enum err result = wait_ready(client, POLLIN, deadline_us, info);
        if (result == ERR_OK)
            result = read_piece(client, info);
        if (result != ERR_OK)
            return result;
    }
}

static enum err code_of_word(const char *word)
{
    for (int code = 1; word && code < ERR_COUNT; code++)
        if (strcmp(word, err_word((enum err)code)) == 0)
            return (enum err)code;
    return ERR_FAILED;
}

/* "ok" or "error" of an answer. */
static enum err unpack(const json_t *line, json_t **answer, struct err_info *info)
{
    const json_t *error = json_object_get(line, "error");
    if (error) {
        const char *message = json_get_text(error, "message");
        return err_set(
            info, code_of_word(json_get_text(error, "code")), "%s", message ? message : "the engine refused");
    }
    json_t *ok = json_object_get(line, "ok");
    if (!json_is_object(ok))
        return err_set(info, ERR_GARBAGE, "the engine's answer has neither ok nor error");
    *answer = json_incref(ok);
    return ERR_OK;
}

enum err client_request(
    struct client *client, json_t *request, int64_t timeout_us, json_t **answer, struct err_info *info)
{
    *answer = NULL;
    int64_t deadline_us = clock_mono_us() + timeout_us, id = 0;
    struct buf text = BUF(SOCKET_LINE_MAX);
    json_put_i64(request, "id", ++client->last_id);
    enum err result = json_write(&text, request) == ERR_OK && buf_putc(&text, '\n') == ERR_OK
                          ? ERR_OK
                          : err_set(info, ERR_INVALID, "the request is too long");
    json_decref(request);
    if (result == ERR_OK)
        result = send_line(client, &text, deadline_us, info);
    buf_free(&text);
    while (result == ERR_OK) {
        json_t *line;
        result = read_line(client, deadline_us, &line, info);
        if (result != ERR_OK)
            break;
        /* An error without an id is about the connection as a whole. */
        bool ours = json_get_i64(line, "id", &id) ? id == client->last_id : json_object_get(line, "error") != NULL;
        if (ours)
            result = unpack(line, answer, info);
        json_decref(line);
        if (ours)
            break;
    }
    return result;
}

enum err client_ask(const char *state_dir, json_t *request, json_t **answer, struct err_info *info)
{
    *answer = NULL;
    struct client *client;
    enum err result = client_open(state_dir, &client, info);
    if (result != ERR_OK) {
        json_decref(request);
        return result;
    }
    result = client_request(client, request, CLIENT_TIMEOUT_US, answer, info);
    client_free(client);
    return result;
}
