/* How fast hosts are dialled: at most 32 handshakes in flight in this process, at most 8 of them behind one jump host
 * (sshd's MaxStartups drops bursts: sshd_config(5)), first come first served. And when: a host's place in the interval
 * is a hash of its name, so that a fleet's samples do not come all at once. Any thread. */
#ifndef REMOTE_DIAL_PACE_H
#define REMOTE_DIAL_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_IN_FLIGHT 32
#define PACE_BEHIND_JUMP 8

/* Wait for a turn; `jump` is the name of the jump host or NULL. False where `cancel_fd` (-1: none) became readable
 * first: then there is nothing to leave. */
bool pace_enter(const char *jump, int cancel_fd);
void pace_leave(const char *jump); /* the same jump */

/* 0 ≤ phase < interval, the same for a name for ever. */
int64_t pace_phase_us(const char *name, int64_t interval_us);

#endif
