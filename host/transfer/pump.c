/* One block at a time; the pipes between make the rest wait. Nothing blocks for longer than 300 ms. */
#include "host/transfer/pump.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/transfer/piped.h"

#define STEP_MS 300
#define STEP_US (STEP_MS * USEC_PER_MSEC)

/* --- sending --------------------------------------------------------------------------------------------------------
 */

struct sending {
    struct frames *frames;
    struct piped *program;
    const struct transfer_watch *watch;
    struct transfer_count *count;
    int64_t limit_bytes_s, began_us, shown_us;
};

static void show(struct sending *sending)
{
    int64_t now_us = clock_mono_us();
    if (!sending->watch->progress || now_us - sending->shown_us < STEP_US)
        return;
    sending->shown_us = now_us;
    sending->watch->progress(sending->watch->context, sending->count);
}

/* How long to wait until the limit allows the next block; the time is not saved up. */
static int64_t must_rest_us(struct sending *sending)
{
    if (sending->limit_bytes_s <= 0)
        return 0;
    double due_us = (double)sending->count->bytes * (double)USEC_PER_SEC / (double)sending->limit_bytes_s;
    int64_t ahead_us = (int64_t)due_us - (clock_mono_us() - sending->began_us);
    return ahead_us < 0 ? 0 : ahead_us;
}

/* Something from the peer before the end can only be its failure. */
static enum err hear(struct frames *frames, struct err_info *info)
{
    struct frame frame;
    enum err result = frames_next(frames, 0, &frame, info);
    if (result == ERR_OK && frame.type != FRAME_NONE)
        result = err_set(info, ERR_GARBAGE, "the other end speaks out of turn");
    return result;
}

/* Who takes nothing any more may have said why before it went. */
static enum err last_words(struct frames *frames, enum err result, struct err_info *info)
{
    struct err_info said = {0};
    struct frame frame;
    if (result != ERR_CLOSED || frames_next(frames, STEP_US, &frame, &said) != ERR_FAILED)
        return result;
    return err_set(info, ERR_FAILED, "%s", said.message);
}

static enum err send_block(struct sending *sending, char *block, bool *ended, struct err_info *info)
{
    int64_t rest_us = must_rest_us(sending);
    struct pollfd wait[] = {{.fd = rest_us ? -1 : sending->program->out_fd, .events = POLLIN},
        {.fd = sending->frames->in_fd, .events = POLLIN}};
    int64_t most_us = rest_us && rest_us < STEP_US ? rest_us : STEP_US;
    poll(wait, 2, (int)(most_us / USEC_PER_MSEC) + 1);
    piped_listen(sending->program);
    show(sending);
    enum err result = hear(sending->frames, info);
    if (result != ERR_OK || rest_us)
        return result;
    ssize_t got = read(sending->program->out_fd, block, FRAME_MOST_BYTES);
    *ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return ERR_OK;
    sending->count->bytes += got;
    return frames_put(sending->frames, FRAME_DATA, block, (size_t)got, info);
}

static enum err send_all(struct sending *sending, struct err_info *info)
{
    char *block = xmalloc(FRAME_MOST_BYTES);
    bool ended = false;
    enum err result = ERR_OK;
    while (result == ERR_OK && !ended)
        result = send_block(sending, block, &ended, info);
    free(block);
    while (result == ERR_OK && !piped_ended(sending->program, STEP_US))
        result = hear(sending->frames, info);
    return result == ERR_OK ? piped_outcome(sending->program, info) : result;
}

enum err pump_send(struct frames *frames, const char *const argv[], int64_t limit_bytes_s,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info)
{
    struct piped program;
    json_t *said = NULL;
    struct sending sending = {.frames = frames,
        .program = &program,
        .watch = watch,
        .count = count,
        .limit_bytes_s = limit_bytes_s,
        .began_us = clock_mono_us()};
    if (!argv[0])
        return err_set(info, ERR_MISSING, "a program that is needed is not installed on this host");
    enum err result = piped_start(&program, argv, &(struct piped_wish){.out = true, .third = -1, .fourth = -1}, info);
    if (result == ERR_OK)
        result = send_all(&sending, info);
    piped_free(&program);
    if (result == ERR_OK)
        result = frames_put(frames, FRAME_END, NULL, 0, info);
    if (result == ERR_OK)
        result = frames_await_json(frames, FRAME_RESULT, &said, info);
    result = last_words(frames, result, info);
    json_decref(said);
    return result;
}

/* --- receiving ------------------------------------------------------------------------------------------------------
 */

/* Drain what the program prints, so that it never waits for us. */
static void take_output(struct piped *program, struct buf *out)
{
    char chunk[2048];
    ssize_t got;
    piped_listen(program);
    while (program->out_fd >= 0 && (got = read(program->out_fd, chunk, sizeof chunk)) > 0)
        if (out)
            buf_append(out, chunk, (size_t)got);
}

/* The program may be slow to take it: meanwhile the peer hears that we live, and we hear if it does not. */
static enum err feed(
    struct frames *frames, struct piped *program, struct buf *out, const struct frame *frame, struct err_info *info)
{
    size_t done = 0;
    while (done < frame->length) {
        ssize_t put = write(program->in_fd, frame->data + done, frame->length - done);
        if (put > 0) {
            done += (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_CLOSED; /* it ended: its own words say why */
        struct pollfd wait = {.fd = program->in_fd, .events = POLLOUT};
        poll(&wait, 1, STEP_MS);
        take_output(program, out);
        if (frames->goes_on && !frames->goes_on(frames->context))
            return err_set(info, ERR_CANCELLED, "the transfer was closed");
        if (clock_mono_us() - frames->said_us > 5 * USEC_PER_SEC &&
            frames_put(frames, FRAME_ALIVE, NULL, 0, info) != ERR_OK)
            return ERR_CLOSED;
    }
    return ERR_OK;
}

static enum err take_all(struct frames *frames, struct piped *program, struct buf *out, struct err_info *info)
{
    struct frame frame = {0};
    enum err result = ERR_OK;
    while (result == ERR_OK && frame.type != FRAME_END) {
        result = frames_next(frames, STEP_US, &frame, info);
        take_output(program, out);
        if (result == ERR_OK && frame.type == FRAME_DATA)
            result = feed(frames, program, out, &frame, info);
        else if (result == ERR_OK && frame.type != FRAME_END && frame.type != FRAME_NONE)
            result = err_set(info, ERR_GARBAGE, "the other end speaks out of turn");
    }
    return result;
}

enum err pump_receive(struct frames *frames, const char *const argv[], struct buf *out, struct err_info *info)
{
    struct piped program;
    struct frame frame;
    enum err result =
        piped_start(&program, argv, &(struct piped_wish){.in = true, .out = true, .third = -1, .fourth = -1}, info);
    if (result == ERR_OK)
        result = take_all(frames, &program, out, info);
    piped_close_in(&program);
    bool broke_off = result == ERR_CLOSED && piped_ended(&program, STEP_US); /* it, not the connection */
    while (result == ERR_OK && !piped_ended(&program, STEP_US)) {
        take_output(&program, out);
        result = frames_next(frames, 0, &frame, info);
    }
    take_output(&program, out);
    if (result == ERR_OK || broke_off)
        result = piped_outcome(&program, info);
    if (result == ERR_OK && broke_off)
        result = err_set(info, ERR_FAILED, "%s ended before it had read everything", argv[0]);
    piped_free(&program);
    return result;
}
