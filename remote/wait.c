/* Waiting for descriptors with a deadline on the monotonic clock, and for the descriptor that cancels.
 *
 * One poll(2) a round; an interrupted one goes on with what is left of the time. No state; any thread. */
#include "remote/wait.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"

struct wait wait_within(int64_t timeout_us, int cancel_fd)
{
    int64_t now = clock_mono_us();
    bool endless = timeout_us < 0 || timeout_us > WAIT_FOR_EVER - now;
    return (struct wait){.deadline_mono_us = endless ? WAIT_FOR_EVER : now + timeout_us, .cancel_fd = cancel_fd};
}

int64_t wait_left_us(const struct wait *wait)
{
    if (wait->deadline_mono_us == WAIT_FOR_EVER)
        return WAIT_FOR_EVER;
    int64_t left = wait->deadline_mono_us - clock_mono_us();
    return left > 0 ? left : 0;
}

/* For poll(2), rounded up so that the last millisecond is not spent spinning. */
static int left_ms(const struct wait *wait)
{
    int64_t left = wait_left_us(wait);
    if (left == WAIT_FOR_EVER)
        return -1;
    int64_t ms = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

enum err wait_for(const struct wait *wait, struct pollfd *fds, size_t count)
{
    struct pollfd all[WAIT_FDS_MAX + 1];
    if (count > WAIT_FDS_MAX)
        return ERR_INVALID;
    memcpy(all, fds, count * sizeof *fds);
    all[count] = (struct pollfd){.fd = wait->cancel_fd, .events = POLLIN};
    for (;;) {
        int ready = poll(all, (nfds_t)count + 1, left_ms(wait));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return ERR_IO;
        if (all[count].revents)
            return ERR_CANCELLED;
        for (size_t i = 0; i < count; i++)
            fds[i].revents = all[i].revents;
        return ready > 0 ? ERR_OK : ERR_TIMEOUT;
    }
}

enum err wait_fd(const struct wait *wait, int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    return wait_for(wait, &one, 1);
}
