/* base/queue: order, drops that are counted, closing, and two threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"

#define DEADLINE_US (20 * USEC_PER_SEC) /* only a broken queue waits that long */

static atomic_int dropped_items;
static atomic_int last_dropped;

static void drop_number(void *item)
{
    last_dropped = *(int *)item;
    dropped_items++;
    free(item);
}

static int *number(int value)
{
    int *item = xmalloc(sizeof *item);
    *item = value;
    return item;
}

static int reset_drops(void **state)
{
    (void)state;
    dropped_items = 0;
    last_dropped = -1;
    return 0;
}

static void items_come_out_in_order(void **state)
{
    (void)state;
    struct queue *queue = queue_new(10, drop_number);
    for (int i = 0; i < 5; i++)
        queue_push(queue, number(i));
    void *items[3];
    assert_int_equal(queue_pop(queue, items, 3, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(*(int *)items[i], i);
        free(items[i]);
    }
    assert_int_equal(queue_pop(queue, items, 3, -1), 2);
    assert_int_equal(*(int *)items[0], 3);
    free(items[0]);
    free(items[1]);
    queue_free(queue);
    assert_int_equal(dropped_items, 0);
}

static void full_queue_drops_its_oldest_and_counts_it(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3, drop_number);
    for (int i = 0; i < 5; i++)
        queue_push(queue, number(i));
    assert_int_equal(dropped_items, 2);
    assert_int_equal(last_dropped, 1);
    struct queue_stats stats = queue_stats(queue);
    assert_int_equal(stats.depth, 3);
    assert_int_equal(stats.capacity, 3);
    assert_int_equal(stats.pushed, 5);
    assert_int_equal(stats.dropped, 2);
    void *item;
    assert_int_equal(queue_pop(queue, &item, 1, 0), 1);
    assert_int_equal(*(int *)item, 2);
    free(item);
    queue_free(queue); /* the two left go through the destructor */
    assert_int_equal(dropped_items, 4);
}

static void empty_queue_times_out(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3, NULL);
    void *item;
    assert_int_equal(queue_pop(queue, &item, 1, 0), 0);
    assert_int_equal(queue_pop(queue, &item, 1, 1000), 0);
    assert_false(queue_is_closed(queue));
    queue_free(queue);
    queue_free(NULL);
}

static void closed_queue_gives_what_it_has_and_takes_no_more(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3, drop_number);
    queue_push(queue, number(1));
    queue_close(queue);
    queue_push(queue, number(2));
    assert_int_equal(dropped_items, 1);
    assert_int_equal(last_dropped, 2);
    assert_int_equal(queue_stats(queue).dropped, 1);
    void *items[2];
    assert_int_equal(queue_pop(queue, items, 2, -1), 1);
    assert_int_equal(*(int *)items[0], 1);
    free(items[0]);
    assert_int_equal(queue_pop(queue, items, 2, -1), 0); /* would wait for ever, were it open */
    assert_true(queue_is_closed(queue));
    queue_free(queue);
}

struct consumer {
    struct queue *queue;
    atomic_int thread_id;
    int received;
    bool in_order;
};

static void *consume_until_closed(void *argument)
{
    struct consumer *consumer = argument;
    void *items[7];
    int last[2] = {-1, -1}; /* per producer: even and odd numbers */
    size_t count;
    consumer->in_order = true;
    while ((count = queue_pop(consumer->queue, items, 7, DEADLINE_US)) > 0)
        for (size_t i = 0; i < count; i++) {
            int value = *(int *)items[i];
            consumer->in_order = consumer->in_order && value > last[value % 2];
            last[value % 2] = value;
            consumer->received++;
            free(items[i]);
        }
    return NULL;
}

static void *wait_without_limit(void *argument)
{
    struct consumer *consumer = argument;
    void *item;
    consumer->thread_id = gettid();
    consumer->received = (int)queue_pop(consumer->queue, &item, 1, -1);
    return NULL;
}

/* The kernel's letter for the thread: 'S' once it waits. */
static char thread_state(int thread_id)
{
    char path[64];
    struct buf stat = BUF(4096);
    str_format(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    buf_read_file(&stat, path, NULL);
    const char *behind_name = strrchr(buf_text(&stat), ')');
    char letter = behind_name && behind_name[1] ? behind_name[2] : '?';
    buf_free(&stat);
    return letter;
}

static void wait_until_it_waits(struct consumer *consumer)
{
    int64_t deadline_us = clock_mono_us() + DEADLINE_US;
    while (consumer->thread_id == 0 || thread_state(consumer->thread_id) != 'S') {
        assert_true(clock_mono_us() < deadline_us);
        sched_yield();
    }
}

static void closing_wakes_every_waiting_consumer(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3, drop_number);
    struct consumer consumers[2] = {{.queue = queue, .received = -1}, {.queue = queue, .received = -1}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_without_limit, &consumers[i]), 0);
    for (int i = 0; i < 2; i++)
        wait_until_it_waits(&consumers[i]);
    queue_close(queue);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(consumers[i].received, 0);
    }
    queue_free(queue);
}

#define PER_PRODUCER 20000

struct producer {
    struct queue *queue;
    int first;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (int i = 0; i < PER_PRODUCER; i++)
        queue_push(producer->queue, number(producer->first + 2 * i));
    return NULL;
}

static void every_item_of_two_producers_is_received_or_dropped_once(void **state)
{
    (void)state;
    struct queue *queue = queue_new(64, drop_number);
    struct consumer consumer = {.queue = queue};
    struct producer producers[2] = {{queue, 0}, {queue, 1}};
    pthread_t consuming, producing[2];
    pthread_create(&consuming, NULL, consume_until_closed, &consumer);
    for (int i = 0; i < 2; i++)
        pthread_create(&producing[i], NULL, produce, &producers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(producing[i], NULL);
    queue_close(queue);
    pthread_join(consuming, NULL);
    struct queue_stats stats = queue_stats(queue);
    assert_int_equal(stats.pushed, 2 * PER_PRODUCER);
    assert_int_equal(stats.dropped, (uint64_t)dropped_items);
    assert_int_equal((uint64_t)consumer.received + stats.dropped, 2 * PER_PRODUCER);
    assert_int_equal(stats.depth, 0);
    assert_true(consumer.in_order);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(items_come_out_in_order, reset_drops),
        cmocka_unit_test_setup(full_queue_drops_its_oldest_and_counts_it, reset_drops),
        cmocka_unit_test_setup(empty_queue_times_out, reset_drops),
        cmocka_unit_test_setup(closed_queue_gives_what_it_has_and_takes_no_more, reset_drops),
        cmocka_unit_test_setup(closing_wakes_every_waiting_consumer, reset_drops),
        cmocka_unit_test_setup(every_item_of_two_producers_is_received_or_dropped_once, reset_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
