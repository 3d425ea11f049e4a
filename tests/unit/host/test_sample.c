/* The sample as a whole: its stamp, its order, and when the next one is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "host/path.h"
#include "host/sample/sample.h"
#include "tests/unit/host/lasting.h"
#include "tests/unit/host/tree.h"

static struct tree tree;

static void ignore(struct session *session, const json_t *request, void *context)
{
    (void)session, (void)request, (void)context;
}

static void test_samples_are_due_on_multiples_of_the_interval(void **state)
{
    (void)state;
    static const struct {
        int64_t now, interval, due;
    } rows[] = {
        {1000, 100, 1100}, /* on time */
        {1003, 100, 1100}, /* a little late: still in step */
        {1050, 100, 1100},
        {1051, 100, 1200}, /* not twice within half an interval */
        {1499, 100, 1600}, /* a suspended host does not catch up */
        {7, 10, 20},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(sample_due_us(rows[i].now, rows[i].interval), rows[i].due);
}

static void test_each_sample_carries_its_stamp_and_the_next_number(void **state)
{
    (void)state;
    struct session *session = last(session_new(STDIN_FILENO, STDOUT_FILENO, ignore, NULL));
    struct sampler *sampler = last(sampler_new(session));
    int64_t seq = 0, epoch_us = 0, mono_us = 0, last_mono_us = 0;
    for (int64_t i = 1; i <= 3; i++) {
        int64_t before_us = clock_boot_us();
        json_t *sample = sampler_take(sampler, USEC_PER_SEC);
        assert_true(json_get_i64(sample, "seq", &seq));
        assert_int_equal(seq, i);
        assert_true(json_get_i64(sample, "epoch_us", &epoch_us));
        assert_true(json_get_i64(sample, "mono_us", &mono_us));
        assert_true(mono_us >= before_us && mono_us <= clock_boot_us() && mono_us >= last_mono_us);
        last_mono_us = mono_us;
        assert_string_equal(json_get_text(sample, "boot_id"), "11111111-2222-3333-4444-555555555555");
        assert_int_equal(json_array_size(json_object_get(sample, "late")), 0);
        assert_non_null(json_object_get(sample, "load"));
        json_decref(sample);
    }
}

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree);
    tree_write(&tree, "/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    tree_write(&tree, "/proc/loadavg", "0.10 1.25 3.00 2/345 6789\n");
    tree_write(&tree, "/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
    host_root_set(tree.root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_are_due_on_multiples_of_the_interval),
        cmocka_unit_test(test_each_sample_carries_its_stamp_and_the_next_number),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
