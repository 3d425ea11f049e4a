/* Frames over two non-blocking descriptors. Every wait is a poll(2) of at most 300 ms, so that whoever closes the
 * transfer is noticed. */
#include "host/transfer/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define HEAD_BYTES 5u
#define STEP_MS 300
#define ALIVE_US (5 * USEC_PER_SEC)
#define SILENCE_US (120 * USEC_PER_SEC)

void frames_begin(struct frames *frames, int in_fd, int out_fd, frames_goes_on *goes_on, void *context)
{
    int64_t now_us = clock_mono_us();
    *frames = (struct frames){.in_fd = in_fd,
        .out_fd = out_fd,
        .goes_on = goes_on,
        .context = context,
        .in = BUF(FRAME_MOST_BYTES + HEAD_BYTES),
        .heard_us = now_us,
        .said_us = now_us};
    fcntl(in_fd, F_SETFL, fcntl(in_fd, F_GETFL) | O_NONBLOCK);
    fcntl(out_fd, F_SETFL, fcntl(out_fd, F_GETFL) | O_NONBLOCK);
}

void frames_end(struct frames *frames)
{
    buf_free(&frames->in);
}

/* ERR_OK as long as it is worth waiting. */
static enum err check(const struct frames *frames, int64_t since_us, struct err_info *info)
{
    if (frames->goes_on && !frames->goes_on(frames->context))
        return err_set(info, ERR_CANCELLED, "the transfer was closed");
    if (clock_mono_us() - since_us > SILENCE_US)
        return err_set(
            info, ERR_TIMEOUT, "the other end was silent for %lld s", (long long)(SILENCE_US / USEC_PER_SEC));
    return ERR_OK;
}

static enum err lost(struct err_info *info)
{
    return err_set(info, ERR_CLOSED, "the connection to the other end was lost");
}

static enum err put_all(struct frames *frames, const char *data, size_t length, struct err_info *info)
{
    int64_t since_us = clock_mono_us();
    while (length > 0) {
        ssize_t put = write(frames->out_fd, data, length);
        if (put > 0) {
            data += put;
            length -= (size_t)put;
            since_us = clock_mono_us();
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return lost(info);
        struct pollfd wait = {.fd = frames->out_fd, .events = POLLOUT};
        poll(&wait, 1, STEP_MS);
        enum err result = check(frames, since_us, info);
        if (result != ERR_OK)
            return result;
    }
    frames->said_us = clock_mono_us();
    return ERR_OK;
}

enum err frames_put(struct frames *frames, enum frame_type type, const void *data, size_t length, struct err_info *info)
{
    char head[HEAD_BYTES] = {(char)type};
    if (length > FRAME_MOST_BYTES)
        return err_set(info, ERR_FULL, "a frame would be longer than %u bytes", FRAME_MOST_BYTES);
    uint32_t big_endian = htonl((uint32_t)length);
    memcpy(head + 1, &big_endian, sizeof big_endian);
    enum err result = put_all(frames, head, sizeof head, info);
    return result == ERR_OK && length ? put_all(frames, data, length, info) : result;
}

enum err frames_put_json(struct frames *frames, enum frame_type type, const json_t *value, struct err_info *info)
{
    struct buf text = BUF(FRAME_MOST_BYTES);
    enum err result = json_write(&text, value);
    if (result != ERR_OK)
        err_set(info, result, "what the other end is to be told is longer than %u bytes", FRAME_MOST_BYTES);
    else
        result = frames_put(frames, type, buf_text(&text), text.length, info);
    buf_free(&text);
    return result;
}

void frames_put_failure(struct frames *frames, const struct err_info *why)
{
    frames_put(frames, FRAME_FAILED, why->message, strlen(why->message), NULL);
}

/* How long the whole frame at the front is; 0 where not even its head is there. */
static enum err measure(const struct frames *frames, size_t *whole, struct err_info *info)
{
    uint32_t big_endian;
    *whole = 0;
    if (frames->in.length < HEAD_BYTES)
        return ERR_OK;
    memcpy(&big_endian, frames->in.data + 1, sizeof big_endian);
    size_t length = ntohl(big_endian);
    if (length > FRAME_MOST_BYTES || !memchr("HADKEFR", frames->in.data[0], 7))
        return err_set(info, ERR_GARBAGE, "the other end does not speak as a transfer does");
    *whole = HEAD_BYTES + length;
    return ERR_OK;
}

/* Read what is needed for one whole frame and no more. *whole is set once it is there. */
static enum err fill(struct frames *frames, bool *whole, struct err_info *info)
{
    char chunk[16384];
    for (;;) {
        size_t length;
        enum err result = measure(frames, &length, info);
        *whole = length && frames->in.length == length;
        if (result != ERR_OK || *whole)
            return result;
        size_t missing = (length ? length : HEAD_BYTES) - frames->in.length;
        ssize_t got = read(frames->in_fd, chunk, missing < sizeof chunk ? missing : sizeof chunk);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return ERR_OK;
        if (got <= 0)
            return lost(info);
        frames->heard_us = clock_mono_us();
        buf_append(&frames->in, chunk, (size_t)got);
    }
}

static enum err say_alive(struct frames *frames, struct err_info *info)
{
    bool due = clock_mono_us() - frames->said_us > ALIVE_US;
    return due ? frames_put(frames, FRAME_ALIVE, NULL, 0, info) : ERR_OK;
}

static enum err failure_of(const struct frame *frame, struct err_info *info)
{
    char text[600];
    sanitize(text, sizeof text, frame->data, frame->length);
    return err_set(info, ERR_FAILED, "the other end: %s", text);
}

enum err frames_next(struct frames *frames, int64_t timeout_us, struct frame *frame, struct err_info *info)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    *frame = (struct frame){.type = FRAME_NONE};
    buf_consume(&frames->in, frames->taken);
    frames->taken = 0;
    for (;;) {
        bool whole = false;
        enum err result = fill(frames, &whole, info);
        if (result == ERR_OK && whole && frames->in.data[0] != FRAME_ALIVE)
            break;
        if (whole)
            buf_clear(&frames->in);
        int64_t left_ms = (deadline_us - clock_mono_us()) / USEC_PER_MSEC;
        struct pollfd wait = {.fd = frames->in_fd, .events = POLLIN};
        if (result == ERR_OK)
            result = check(frames, frames->heard_us, info);
        if (result == ERR_OK)
            result = say_alive(frames, info);
        if (result != ERR_OK || left_ms <= 0)
            return result;
        poll(&wait, 1, left_ms < STEP_MS ? (int)left_ms : STEP_MS);
    }
    frames->taken = frames->in.length;
    frame->type = (enum frame_type)frames->in.data[0];
    frame->data = frames->in.data + HEAD_BYTES;
    frame->length = frames->in.length - HEAD_BYTES;
    return frame->type == FRAME_FAILED ? failure_of(frame, info) : ERR_OK;
}

enum err frames_await_json(struct frames *frames, enum frame_type type, json_t **value, struct err_info *info)
{
    struct frame frame = {0};
    *value = NULL;
    enum err result = ERR_OK;
    while (result == ERR_OK && frame.type == FRAME_NONE)
        result = frames_next(frames, SILENCE_US, &frame, info);
    if (result != ERR_OK)
        return result;
    if (frame.type != type || json_parse(frame.data, frame.length, value, NULL) != ERR_OK || !json_is_object(*value)) {
        json_decref(*value);
        *value = NULL;
        return err_set(info, ERR_GARBAGE, "the other end does not speak as a transfer does");
    }
    return ERR_OK;
}
