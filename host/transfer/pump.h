/* A program's output into frames, and frames into a program's input. */
#ifndef HOST_TRANSFER_PUMP_H
#define HOST_TRANSFER_PUMP_H

#include "host/transfer/frames.h"
#include "host/transfer/transfer.h"

/* Run argv, send what it prints, at most limit_bytes_s, and wait for the receiver's FRAME_RESULT. */
enum err pump_send(struct frames *frames, const char *const argv[], int64_t limit_bytes_s,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info);

/* Run argv with the data as its input until FRAME_END, and wait for its end. What it prints goes to `out` (may be
 * NULL). */
enum err pump_receive(struct frames *frames, const char *const argv[], struct buf *out, struct err_info *info);

#endif
