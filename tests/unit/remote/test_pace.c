/* How fast hosts are dialled, and when again. */
#include "tests/unit/remote/reach.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "remote/backoff.h"
#include "remote/dial_pace.h"

/* --- the gate ---------------------------------------------------------------------------------------------------- */

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned entered, most, inside, done;
    bool open; /* those inside may leave */
    const char *jump;
};

static void *visitor(void *arg)
{
    struct crowd *crowd = arg;
    bool in = pace_enter(crowd->jump, -1);
    pthread_mutex_lock(&crowd->lock);
    crowd->entered++;
    crowd->inside++;
    crowd->most = crowd->inside > crowd->most ? crowd->inside : crowd->most;
    pthread_cond_broadcast(&crowd->changed);
    while (!crowd->open)
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    crowd->inside--;
    crowd->done += in;
    pthread_mutex_unlock(&crowd->lock);
    pace_leave(crowd->jump);
    return NULL;
}

/* More threads than places: exactly `places` get in until somebody leaves, and all get in in the end. */
static void check_crowd(const char *jump, unsigned places)
{
    struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .jump = jump};
    pthread_t threads[PACE_IN_FLIGHT + 20];
    const unsigned count = places + 20;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visitor, &crowd), 0);
    pthread_mutex_lock(&crowd.lock);
    while (crowd.entered < places)
        pthread_cond_wait(&crowd.changed, &crowd.lock);
    pthread_mutex_unlock(&crowd.lock);
    int never = eventfd(1, EFD_CLOEXEC); /* readable at once: who must wait is turned away */
    assert_false(pace_enter(jump, never));
    close(never);
    pthread_mutex_lock(&crowd.lock);
    assert_int_equal(crowd.entered, places);
    crowd.open = true;
    pthread_cond_broadcast(&crowd.changed);
    pthread_mutex_unlock(&crowd.lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.done, count);
    assert_true(crowd.most <= places);
}

static void no_more_than_32_handshakes_are_in_flight(void **state)
{
    (void)state;
    check_crowd(NULL, PACE_IN_FLIGHT);
}

static void no_more_than_8_go_through_one_jump_host(void **state)
{
    (void)state;
    check_crowd("gate", PACE_BEHIND_JUMP);
}

static void a_full_jump_host_does_not_hold_up_others(void **state)
{
    (void)state;
    for (int i = 0; i < PACE_BEHIND_JUMP; i++)
        assert_true(pace_enter("gate", -1));
    int never = eventfd(1, EFD_CLOEXEC);
    assert_false(pace_enter("gate", never));
    assert_true(pace_enter("other", never));
    assert_true(pace_enter(NULL, never));
    pace_leave("gate");
    assert_true(pace_enter("gate", never));
    close(never);
    pace_leave("other");
    pace_leave(NULL);
    for (int i = 0; i < PACE_BEHIND_JUMP; i++)
        pace_leave("gate");
}

struct canceller {
    int fd;
    bool entered;
};

static void *waits_to_be_cancelled(void *arg)
{
    struct canceller *canceller = arg;
    canceller->entered = pace_enter(NULL, canceller->fd);
    return NULL;
}

static void who_waits_can_be_cancelled_and_leaves_no_trace(void **state)
{
    (void)state;
    for (int i = 0; i < PACE_IN_FLIGHT; i++)
        assert_true(pace_enter(NULL, -1));
    struct canceller canceller = {.fd = eventfd(0, EFD_CLOEXEC), .entered = true};
    pthread_t thread;
    pthread_create(&thread, NULL, waits_to_be_cancelled, &canceller);
    eventfd_write(canceller.fd, 1);
    pthread_join(thread, NULL);
    assert_false(canceller.entered);
    close(canceller.fd);
    for (int i = 0; i < PACE_IN_FLIGHT; i++)
        pace_leave(NULL);
    int never = eventfd(1, EFD_CLOEXEC); /* all places are free again */
    for (int i = 0; i < PACE_IN_FLIGHT; i++)
        assert_true(pace_enter(NULL, never));
    for (int i = 0; i < PACE_IN_FLIGHT; i++)
        pace_leave(NULL);
    close(never);
}

/* --- the phase --------------------------------------------------------------------------------------------------- */

static void phases_are_stable_and_spread_over_the_interval(void **state)
{
    (void)state;
    const int64_t interval = 10 * USEC_PER_SEC;
    unsigned tenths[10] = {0};
    for (int i = 0; i < 1000; i++) {
        char name[16];
        str_format(name, sizeof name, "mosh%03d", i);
        int64_t phase = pace_phase_us(name, interval);
        assert_true(phase >= 0 && phase < interval);
        assert_true(phase == pace_phase_us(name, interval));
        tenths[phase * 10 / interval]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 60, 140);
    assert_true(pace_phase_us("mosh01", 0) == 0);
}

/* --- back-off ---------------------------------------------------------------------------------------------------- */

static void check_delay(struct backoff *backoff, enum err reason, int64_t centre_s)
{
    int64_t delay = backoff_next_us(backoff, reason);
    int64_t least = centre_s * USEC_PER_SEC * 8 / 10, most = centre_s * USEC_PER_SEC * 12 / 10;
    assert_in_range(delay, least, most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US);
}

static void delays_double_up_to_five_minutes_and_begin_again_after_success(void **state)
{
    (void)state;
    struct backoff backoff = {0};
    static const int64_t centres[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    for (size_t i = 0; i < sizeof centres / sizeof *centres; i++)
        check_delay(&backoff, ERR_TIMEOUT, centres[i]);
    backoff_reset(&backoff);
    check_delay(&backoff, ERR_REFUSED, 1);
}

static void authentication_is_never_hammered(void **state)
{
    (void)state;
    struct backoff backoff = {0};
    static const int64_t centres[] = {60, 120, 240, 300, 300};
    for (size_t i = 0; i < sizeof centres / sizeof *centres; i++)
        check_delay(&backoff, ERR_AUTH, centres[i]);
    struct backoff other = {0};
    check_delay(&other, ERR_TIMEOUT, 1);
    check_delay(&other, ERR_AUTH, 60); /* not two seconds, as after another timeout */
    backoff_reset(&other);
    check_delay(&other, ERR_HOST_KEY, 60);
}

static void delays_of_many_hosts_differ(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 200; i++) {
        struct backoff backoff = {0};
        int64_t delay = backoff_next_us(&backoff, ERR_AUTH);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    assert_true(most - least > 10 * USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_32_handshakes_are_in_flight),
        cmocka_unit_test(no_more_than_8_go_through_one_jump_host),
        cmocka_unit_test(a_full_jump_host_does_not_hold_up_others),
        cmocka_unit_test(who_waits_can_be_cancelled_and_leaves_no_trace),
        cmocka_unit_test(phases_are_stable_and_spread_over_the_interval),
        cmocka_unit_test(delays_double_up_to_five_minutes_and_begin_again_after_success),
        cmocka_unit_test(authentication_is_never_hammered),
        cmocka_unit_test(delays_of_many_hosts_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
