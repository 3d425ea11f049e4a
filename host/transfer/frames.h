/* What the two ends of a transfer say to one another where rsync does not speak for itself: frames of one byte of type,
 * four of length (big-endian) and at most 64 KiB. Whoever has nothing to say says FRAME_ALIVE every five seconds; who
 * is silent for two minutes is given up. One thread at a time. */
#ifndef HOST_TRANSFER_FRAMES_H
#define HOST_TRANSFER_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define FRAME_MOST_BYTES 65536u

enum frame_type {
    FRAME_NONE = 0,
    FRAME_HEADER = 'H', /* JSON: what comes */
    FRAME_ANSWER = 'A', /* JSON: how the receiver wants it */
    FRAME_DATA = 'D',
    FRAME_ALIVE = 'K',
    FRAME_END = 'E',    /* all data were sent */
    FRAME_FAILED = 'F', /* text: why this end gives up */
    FRAME_RESULT = 'R'  /* JSON: taken in, whole */
};

/* Looked at every 300 ms while waiting; false: give up. */
typedef bool frames_goes_on(void *context);

struct frames {
    int in_fd, out_fd; /* the caller's; made non-blocking by frames_begin */
    frames_goes_on *goes_on;
    void *context;
    struct buf in;
    size_t taken; /* bytes at the front of `in` that were given out */
    int64_t heard_us, said_us;
};

void frames_begin(struct frames *frames, int in_fd, int out_fd, frames_goes_on *goes_on, void *context);
void frames_end(struct frames *frames);

/* ERR_OK, ERR_CLOSED (the peer is gone), ERR_TIMEOUT (it takes nothing), ERR_CANCELLED (goes_on said no). */
enum err frames_put(
    struct frames *frames, enum frame_type type, const void *data, size_t length, struct err_info *info);
enum err frames_put_json(struct frames *frames, enum frame_type type, const json_t *value, struct err_info *info);
void frames_put_failure(struct frames *frames, const struct err_info *why);

struct frame {
    enum frame_type type; /* FRAME_NONE: nothing came in time */
    const char *data;     /* until the next frames_next; NUL-terminated only for FRAME_FAILED's use with length */
    size_t length;
};
/* The next frame, after at most timeout_us (0: only what is there). Says FRAME_ALIVE where it is time; FRAME_ALIVE of
 * the peer is not shown. A FRAME_FAILED of the peer is ERR_FAILED with its words, sanitised. */
enum err frames_next(struct frames *frames, int64_t timeout_us, struct frame *frame, struct err_info *info);

/* Until a frame of this type comes. *value: its JSON object, the caller's. Any other type is ERR_GARBAGE. */
enum err frames_await_json(struct frames *frames, enum frame_type type, json_t **value, struct err_info *info);

#endif
