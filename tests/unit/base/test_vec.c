/* base/vec: growing, iterating, releasing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/vec.h"

struct item {
    int number;
    char text[20];
};

static void elements_survive_growing_and_begin_zeroed(void **state)
{
    (void)state;
    VEC(struct item) items = {0};
    for (int i = 0; i < 1000; i++) {
        struct item *added = vec_add(&items);
        assert_int_equal(added->number, 0);
        assert_string_equal(added->text, "");
        added->number = i;
        memset(added->text, 'x', sizeof added->text - 1);
    }
    assert_int_equal(items.count, 1000);
    int expected = 0;
    vec_each (&items, struct item, item)
        assert_int_equal(item->number, expected++);
    assert_int_equal(expected, 1000);
    vec_free(&items);
}

static void reused_memory_is_zeroed_again(void **state)
{
    (void)state;
    VEC(struct item) items = {0};
    vec_add(&items)->number = 5;
    vec_clear(&items);
    assert_int_equal(vec_add(&items)->number, 0);
    vec_free(&items);
}

static void empty_vector_is_iterated_not_at_all(void **state)
{
    (void)state;
    VEC(int) numbers = {0};
    vec_each (&numbers, int, number)
        fail_msg("%d", *number);
    vec_free(&numbers);
}

static void released_vector_can_be_used_again(void **state)
{
    (void)state;
    VEC(const char *) names = {0};
    vec_push(&names, "a");
    vec_push(&names, "b");
    vec_free(&names);
    assert_null(names.items);
    assert_int_equal(names.count, 0);
    assert_int_equal(names.capacity, 0);
    vec_push(&names, "c");
    assert_string_equal(names.items[0], "c");
    vec_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_survive_growing_and_begin_zeroed),
        cmocka_unit_test(reused_memory_is_zeroed_again),
        cmocka_unit_test(empty_vector_is_iterated_not_at_all),
        cmocka_unit_test(released_vector_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
