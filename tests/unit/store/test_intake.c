/* The queue in front of a writer: the last of a key wins, order and barriers hold, bounds are kept, waiting is exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/intake.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

struct thing {
    struct intake_item item;
    int number;
};

struct released {
    int lost, replaced;
};

static void release(void *owner, struct intake_item *item, bool lost)
{
    struct released *released = owner;
    released->lost += lost;
    released->replaced += !lost;
    free(item);
}

static void put(struct intake *intake, const char *key, int number, bool barrier)
{
    struct thing *thing = xcalloc(1, sizeof *thing);
    thing->item.key = key;
    thing->item.barrier = barrier;
    thing->item.bytes = 10;
    thing->number = number;
    intake_put(intake, &thing->item);
}

/* Take everything that waits and write the numbers: "1 2 3 ". */
static const char *take(struct intake *intake, size_t max, char out[256])
{
    struct intake_item *items[64];
    const struct intake_batch batch = {max, SIZE_MAX, 0, 0};
    size_t count = intake_take(intake, items, &batch), length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        str_format(out + length, 256 - length, "%d ", ((struct thing *)items[i])->number);
        length = strlen(out);
        free(items[i]);
    }
    return out;
}

static void test_the_last_of_a_key_wins_in_the_place_of_the_first(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(100, SIZE_MAX, release, &released);
    char out[256];
    put(intake, "a", 1, false);
    put(intake, "b", 2, false);
    put(intake, NULL, 3, false);
    put(intake, "a", 4, false);
    put(intake, NULL, 5, false);
    assert_string_equal(take(intake, 64, out), "4 2 3 5 ");
    assert_int_equal(released.replaced, 1);
    assert_int_equal(released.lost, 0);
    intake_free(intake);
}

static void test_nothing_overtakes_a_barrier(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(100, SIZE_MAX, release, &released);
    char out[256];
    put(intake, "a", 1, false);
    put(intake, "b", 2, false);
    put(intake, "only", 3, true);
    put(intake, "a", 4, false);
    put(intake, "only", 5, true);
    put(intake, "c", 6, false);
    assert_string_equal(take(intake, 64, out), "2 4 5 6 ");
    intake_free(intake);
}

static void test_bounds_drop_the_oldest_and_count(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(3, SIZE_MAX, release, &released),
                  *by_bytes = intake_new(100, 25, release, &released);
    char out[256];
    for (int i = 0; i < 5; i++)
        put(intake, NULL, i, false);
    assert_int_equal(released.lost, 2);
    assert_int_equal(intake_stats(intake).dropped, 2);
    assert_string_equal(take(intake, 64, out), "2 3 4 ");
    for (int i = 0; i < 5; i++)
        put(by_bytes, NULL, i, false);
    assert_int_equal(intake_stats(by_bytes).bytes, 20);
    assert_string_equal(take(by_bytes, 64, out), "3 4 ");
    put(intake, NULL, 1, false);
    intake_close(intake);
    put(intake, NULL, 2, false); /* too late */
    assert_string_equal(take(intake, 64, out), "1 ");
    assert_int_equal(released.lost, 2 + 3 + 1);
    intake_free(intake);
    intake_free(by_bytes);
}

static void test_what_comes_back_waits_first_unless_something_newer_came(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(100, SIZE_MAX, release, &released);
    struct intake_item *items[8];
    const struct intake_batch batch = {3, SIZE_MAX, 0, 0};
    char out[256];
    put(intake, "a", 1, false);
    put(intake, NULL, 2, false);
    put(intake, "b", 3, false);
    put(intake, "c", 4, false);
    assert_int_equal(intake_take(intake, items, &batch), 3);
    put(intake, "a", 5, false);
    intake_return(intake, items, 3);
    assert_int_equal(released.replaced, 1);
    assert_string_equal(take(intake, 64, out), "2 3 4 5 ");
    intake_free(intake);
}

static void test_many_keys_are_each_found_again(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(10000, SIZE_MAX, release, &released);
    static char keys[2000][8];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2000; i++) {
            str_format(keys[i], sizeof keys[i], "k%d", i);
            put(intake, keys[i], i, false);
        }
    }
    assert_int_equal(intake_stats(intake).depth, 2000);
    assert_int_equal(released.replaced, 4000);
    intake_free(intake);
    assert_int_equal(released.lost, 2000);
}

struct consumer {
    struct intake *intake;
    int taken;
};

static void *consume(void *arg)
{
    struct consumer *consumer = arg;
    struct intake_item *items[16];
    const struct intake_batch batch = {16, SIZE_MAX, -1, 0};
    size_t count;
    while ((count = intake_take(consumer->intake, items, &batch)) > 0) {
        consumer->taken += (int)count;
        for (size_t i = 0; i < count; i++)
            free(items[i]);
    }
    return NULL;
}

static void test_waiting_until_done_sees_everything_put_before(void **state)
{
    (void)state;
    struct released released = {0};
    struct intake *intake = intake_new(100000, SIZE_MAX, release, &released);
    struct consumer consumer = {intake, 0};
    pthread_t thread;
    put(intake, NULL, 0, false);
    assert_false(intake_wait_done(intake, 1000)); /* nobody takes */
    assert_int_equal(pthread_create(&thread, NULL, consume, &consumer), 0);
    for (int i = 1; i < 5000; i++)
        put(intake, NULL, i, false);
    assert_true(intake_wait_done(intake, DEADLINE_US));
    intake_close(intake);
    pthread_join(thread, NULL);
    assert_int_equal(consumer.taken, 5000);
    assert_int_equal(released.lost, 0);
    intake_free(intake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_of_a_key_wins_in_the_place_of_the_first),
        cmocka_unit_test(test_nothing_overtakes_a_barrier),
        cmocka_unit_test(test_bounds_drop_the_oldest_and_count),
        cmocka_unit_test(test_what_comes_back_waits_first_unless_something_newer_came),
        cmocka_unit_test(test_many_keys_are_each_found_again),
        cmocka_unit_test(test_waiting_until_done_sees_everything_put_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
