/* collectors/liveness: when to ask, when to give up, how far the clock is off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "collectors/liveness.h"
#include "tests/unit/collectors/fixture.h"

#define SEC USEC_PER_SEC
#define START (100 * SEC) /* when the last line was heard and the last ping sent */

static struct liveness begun(int64_t interval_us)
{
    struct liveness liveness;
    liveness_begin(&liveness, interval_us);
    liveness_pinged(&liveness, 1, START, START);
    liveness_answered(&liveness, 1, NULL, START);
    return liveness;
}

static void a_host_that_keeps_its_interval_is_not_asked(void **state)
{
    (void)state;
    struct liveness liveness = begun(10 * SEC);
    assert_false(liveness_wants_ping(&liveness, START, START + 10 * SEC + SEC / 2));
    assert_false(liveness_is_lost(&liveness, START, START + 10 * SEC + SEC / 2));
}

static void silence_of_more_than_an_interval_asks_once(void **state)
{
    (void)state;
    struct liveness liveness = begun(10 * SEC);
    int64_t now = START + 12 * SEC;
    assert_true(liveness_wants_ping(&liveness, START, now));
    liveness_pinged(&liveness, 7, now, now);
    assert_false(liveness_wants_ping(&liveness, START, now + SEC));
    assert_false(liveness_is_lost(&liveness, START, now + SEC));
}

static void any_line_is_a_sign_of_life(void **state)
{
    (void)state;
    struct liveness liveness = begun(10 * SEC);
    liveness_pinged(&liveness, 7, START + 12 * SEC, START);
    assert_false(liveness_is_lost(&liveness, START + 13 * SEC, START + 30 * SEC));
}

static void silence_is_a_loss_before_two_intervals_are_over(void **state)
{
    (void)state;
    static const int64_t intervals[] = {SEC, 2 * SEC, 10 * SEC, 30 * SEC, 600 * SEC};
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        struct liveness liveness = begun(intervals[i]);
        assert_true(liveness_is_lost(&liveness, START, START + 2 * intervals[i]));
        assert_true(liveness.quiet_us < liveness.lost_us);
    }
}

static void a_long_interval_does_not_make_a_loss_late(void **state)
{
    (void)state;
    struct liveness liveness = begun(600 * SEC);
    assert_true(liveness_wants_ping(&liveness, START, START + 30 * SEC));
    liveness_pinged(&liveness, 7, START + 30 * SEC, START);
    assert_true(liveness_is_lost(&liveness, START, START + 60 * SEC));
}

static void a_talkative_host_is_asked_now_and_then(void **state)
{
    (void)state;
    struct liveness liveness = begun(SEC);
    int64_t now = START + 31 * SEC; /* the helper ends where it hears nothing from us */
    assert_true(liveness_wants_ping(&liveness, now, now));
    liveness_pinged(&liveness, 7, now, now);
    assert_false(liveness_wants_ping(&liveness, now + SEC, now + SEC));
    assert_true(liveness_wants_ping(&liveness, now + 30 * SEC, now + 30 * SEC)); /* although 7 was never answered */
}

static void answers_without_samples_are_not_enough(void **state)
{
    (void)state;
    struct liveness quick = begun(SEC), slow = begun(60 * SEC);
    assert_false(liveness_lacks_samples(&quick, START, START + 19 * SEC));
    assert_true(liveness_lacks_samples(&quick, START, START + 21 * SEC));
    assert_false(liveness_lacks_samples(&slow, START, START + 299 * SEC));
    assert_true(liveness_lacks_samples(&slow, START, START + 301 * SEC));
}

static void waits_end_when_something_is_to_be_decided(void **state)
{
    (void)state;
    struct liveness liveness = begun(8 * SEC);
    assert_int_equal(liveness_wait_us(&liveness, START, START), 9 * SEC); /* then a ping */
    liveness_pinged(&liveness, 7, START + 9 * SEC, START);
    assert_int_equal(liveness_wait_us(&liveness, START, START + 9 * SEC), 6 * SEC); /* then it is lost */
    assert_int_equal(liveness_wait_us(&liveness, START, START + 99 * SEC), 0);
    assert_int_equal(liveness_wait_us(&liveness, START + 39 * SEC, START + 38 * SEC), SEC); /* then the next ping */
}

static void the_clock_is_compared_in_the_middle_of_the_round_trip(void **state)
{
    (void)state;
    struct liveness liveness = begun(10 * SEC);
    assert_unknown(liveness.clock_offset_ms);
    liveness_pinged(&liveness, 7, 500 * SEC, 1000 * SEC);
    json_t *answer = message("{'epoch_us':1000350000,'mono_us':5}");
    liveness_answered(&liveness, 8, answer, 500 * SEC + 200000); /* of another request */
    assert_unknown(liveness.clock_offset_ms);
    liveness_answered(&liveness, 7, answer, 500 * SEC + 200000);
    assert_near(liveness.clock_offset_ms, 250);
    json_decref(answer);
}

static void a_slow_or_wrong_answer_keeps_the_last_known_clock(void **state)
{
    (void)state;
    struct liveness liveness = begun(10 * SEC);
    json_t *good = message("{'epoch_us':1000000000}"), *wrong = message("{'epoch_us':'x'}");
    liveness_pinged(&liveness, 7, 500 * SEC, 1000 * SEC);
    liveness_answered(&liveness, 7, good, 500 * SEC);
    assert_near(liveness.clock_offset_ms, 0);
    liveness_pinged(&liveness, 8, 600 * SEC, 1100 * SEC);
    liveness_answered(&liveness, 8, good, 605 * SEC);
    liveness_pinged(&liveness, 9, 700 * SEC, 1200 * SEC);
    liveness_answered(&liveness, 9, wrong, 700 * SEC);
    assert_near(liveness.clock_offset_ms, 0);
    assert_int_equal(liveness.ping_id, 0); /* but they were answers */
    json_decref(good);
    json_decref(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_keeps_its_interval_is_not_asked),
        cmocka_unit_test(silence_of_more_than_an_interval_asks_once),
        cmocka_unit_test(any_line_is_a_sign_of_life),
        cmocka_unit_test(silence_is_a_loss_before_two_intervals_are_over),
        cmocka_unit_test(a_long_interval_does_not_make_a_loss_late),
        cmocka_unit_test(a_talkative_host_is_asked_now_and_then),
        cmocka_unit_test(answers_without_samples_are_not_enough),
        cmocka_unit_test(waits_end_when_something_is_to_be_decided),
        cmocka_unit_test(the_clock_is_compared_in_the_middle_of_the_round_trip),
        cmocka_unit_test(a_slow_or_wrong_answer_keeps_the_last_known_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
