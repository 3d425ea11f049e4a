/* A fair gate in front of dialling. Who must wait sleeps on an eventfd of its own, so that a cancelling descriptor can
 * wake it as well, and one leaving wakes exactly those that may go now, oldest first. Any thread. */
#include "remote/dial_pace.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "remote/wait.h"

#define LOOK_AGAIN_US (50 * USEC_PER_MSEC)

struct waiter { /* on the waiting thread's stack */
    struct waiter *next;
    const char *jump;
    int turn_fd;
    bool admitted;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char running[PACE_IN_FLIGHT][NAME_SIZE]; /* the jump of each handshake in flight; "" for none */
static bool in_use[PACE_IN_FLIGHT];
static struct waiter *oldest; /* waiting, in the order they came */

static bool same_jump(const char *name, const char *jump)
{
    return strncmp(name, jump, NAME_SIZE - 1) == 0;
}

/* Take a place if there is one. Under the lock. */
static bool take_place(const char *jump)
{
    int free_place = -1, behind = 0;
    for (int i = 0; i < PACE_IN_FLIGHT; i++) {
        if (!in_use[i])
            free_place = i;
        else if (jump && same_jump(running[i], jump))
            behind++;
    }
    if (free_place < 0 || behind >= PACE_BEHIND_JUMP)
        return false;
    in_use[free_place] = true;
    str_copy(running[free_place], sizeof running[free_place], jump ? jump : "");
    return true;
}

/* Under the lock. */
static void give_place(const char *jump)
{
    for (int i = 0; i < PACE_IN_FLIGHT; i++)
        if (in_use[i] && same_jump(running[i], jump ? jump : "")) {
            in_use[i] = false;
            return;
        }
}

static void admit_waiting(void)
{
    for (struct waiter **at = &oldest; *at;) {
        struct waiter *waiter = *at;
        if (!take_place(waiter->jump)) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->admitted = true;
        if (waiter->turn_fd >= 0)
            eventfd_write(waiter->turn_fd, 1);
    }
}

static void append(struct waiter *waiter)
{
    struct waiter **at = &oldest;
    while (*at)
        at = &(*at)->next;
    *at = waiter;
}

static void remove_waiter(struct waiter *waiter)
{
    for (struct waiter **at = &oldest; *at; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            return;
        }
}

/* Without a descriptor to be woken by (the process has too many open) it looks now and then. */
static enum err await_turn(struct waiter *waiter, int cancel_fd)
{
    for (;;) {
        struct wait wait = wait_within(waiter->turn_fd < 0 ? LOOK_AGAIN_US : -1, cancel_fd);
        enum err err = wait_fd(&wait, waiter->turn_fd, POLLIN);
        pthread_mutex_lock(&lock);
        bool admitted = waiter->admitted;
        pthread_mutex_unlock(&lock);
        if (err != ERR_TIMEOUT || admitted)
            return err == ERR_TIMEOUT ? ERR_OK : err;
    }
}

bool pace_enter(const char *jump, int cancel_fd)
{
    struct waiter self = {.jump = jump, .turn_fd = -1};
    pthread_mutex_lock(&lock);
    bool at_once = take_place(jump);
    if (!at_once) {
        self.turn_fd = eventfd(0, EFD_CLOEXEC);
        append(&self);
    }
    pthread_mutex_unlock(&lock);
    if (at_once)
        return true;
    enum err err = await_turn(&self, cancel_fd);
    pthread_mutex_lock(&lock);
    if (err && self.admitted) { /* its turn came while it was being cancelled */
        give_place(jump);
        admit_waiting();
    } else if (err) {
        remove_waiter(&self);
    }
    pthread_mutex_unlock(&lock);
    if (self.turn_fd >= 0)
        close(self.turn_fd);
    return err == ERR_OK;
}

void pace_leave(const char *jump)
{
    pthread_mutex_lock(&lock);
    give_place(jump);
    admit_waiting();
    pthread_mutex_unlock(&lock);
}

/* FNV-1a, 64 bits, with a finishing mix: names that differ in their last digit land far apart. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 33);
}

int64_t pace_phase_us(const char *name, int64_t interval_us)
{
    return interval_us > 0 ? (int64_t)(hash_name(name) % (uint64_t)interval_us) : 0;
}
