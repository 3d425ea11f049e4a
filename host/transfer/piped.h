/* A program between pipes: its input, its output or both are the caller's, what it says on standard error is kept for
 * the message. It ends with the thread that started it. One thread. */
#ifndef HOST_TRANSFER_PIPED_H
#define HOST_TRANSFER_PIPED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct piped {
    const char *program; /* argv[0] */
    pid_t pid;           /* -1: not running */
    int in_fd, out_fd;   /* to its input, from its output; non-blocking; -1: none */
    int errors_fd;
    struct buf errors;
    int status; /* once it ended */
};

struct piped_wish {
    bool in, out;      /* else /dev/null */
    int third, fourth; /* further descriptors for it; -1: none */
};

/* Always to be followed by piped_free. */
enum err piped_start(
    struct piped *piped, const char *const argv[], const struct piped_wish *wish, struct err_info *info);
void piped_close_in(struct piped *piped);
void piped_listen(struct piped *piped); /* take what it said on standard error so far */

/* Has it ended? Waits up to timeout_us. */
bool piped_ended(struct piped *piped, int64_t timeout_us);
/* Its last line on standard error, sanitised; "" where it said nothing. */
void piped_said(struct piped *piped, char *out, size_t out_size);
/* ERR_OK where it ended well, else ERR_FAILED with its words. */
enum err piped_outcome(struct piped *piped, struct err_info *info);

void piped_free(struct piped *piped); /* ends it where it still runs */

#endif
