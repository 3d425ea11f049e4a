/* Inside remote/: waiting with a deadline and a way to be cancelled. Any thread. */
#ifndef REMOTE_WAIT_H
#define REMOTE_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define WAIT_FOR_EVER INT64_MAX

struct wait {
    int64_t deadline_mono_us; /* WAIT_FOR_EVER: none */
    int cancel_fd;            /* readable: give up; -1: none */
};

struct wait wait_within(int64_t timeout_us, int cancel_fd); /* timeout_us < 0: without limit */
int64_t wait_left_us(const struct wait *wait);              /* never negative */

#define WAIT_FDS_MAX 4
/* Until one of the descriptors is ready (then revents are set): ERR_OK, ERR_TIMEOUT, ERR_CANCELLED. Being ready wins
 * over a passed deadline, being cancelled wins over being ready. */
enum err wait_for(const struct wait *wait, struct pollfd *fds, size_t count);
enum err wait_fd(const struct wait *wait, int fd, short events);

#endif
