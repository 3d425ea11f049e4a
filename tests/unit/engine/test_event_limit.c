/* One host cannot fill the timeline, and no other host pays for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/event_limit.h"

#define T0 INT64_C(1700000000000000)

struct told {
    VEC(struct event) events;
    struct event_limit *limit;
};

static void note(void *owner, const struct event *event)
{
    vec_push(&((struct told *)owner)->events, *event);
}

static int setup(void **state)
{
    struct told *told = xcalloc(1, sizeof *told);
    told->limit = event_limit_new(note, told);
    *state = told;
    return 0;
}

static int teardown(void **state)
{
    struct told *told = *state;
    event_limit_free(told->limit);
    vec_free(&told->events);
    free(told);
    return 0;
}

static void happen(struct told *told, const char *host, const char *kind, enum severity severity, int64_t at_us)
{
    struct event event = {.at_us = at_us, .severity = severity, .object_kind = KIND_CONTAINER};
    str_copy(event.kind, sizeof event.kind, kind);
    str_copy(event.host, sizeof event.host, host);
    event_limit_add(told->limit, host, &event);
}

static void flood(struct told *told, const char *host, size_t count, int64_t at_us)
{
    for (size_t i = 0; i < count; i++)
        happen(told, host, "container.started", SEVERITY_NOTICE, at_us);
}

static void a_flood_becomes_one_event_when_its_minute_is_over(void **state)
{
    struct told *told = *state;
    flood(told, "bad", 5000, T0);
    assert_int_equal(told->events.count, EVENT_LIMIT_MOST);
    event_limit_check(told->limit, T0 + 59 * USEC_PER_SEC);
    assert_int_equal(told->events.count, EVENT_LIMIT_MOST);
    event_limit_check(told->limit, T0 + 60 * USEC_PER_SEC);
    assert_int_equal(told->events.count, EVENT_LIMIT_MOST + 1);
    const struct event *sum = &told->events.items[EVENT_LIMIT_MOST];
    assert_string_equal(sum->kind, "host.flood");
    assert_string_equal(sum->text, "4900 more changes on bad within a minute");
    assert_string_equal(sum->host, "bad");
    assert_string_equal(sum->object, "bad");
    assert_int_equal(sum->object_kind, KIND_HOST);
    assert_int_equal(sum->severity, SEVERITY_WARNING);
}

static void a_flood_of_an_hour_is_a_hundred_and_one_a_minute(void **state)
{
    struct told *told = *state;
    for (int64_t second = 0; second < 3600; second++)
        flood(told, "bad", 100, T0 + second * USEC_PER_SEC);
    event_limit_check(told->limit, INT64_MAX);
    assert_int_equal(told->events.count, 60 * (EVENT_LIMIT_MOST + 1));
}

static void another_host_is_told_of_all_the_same(void **state)
{
    struct told *told = *state;
    flood(told, "bad", 5000, T0);
    happen(told, "good", "container.died", SEVERITY_WARNING, T0 + 1);
    assert_string_equal(told->events.items[told->events.count - 1].host, "good");
}

static void that_the_flooding_host_answers_again_is_told(void **state)
{
    struct told *told = *state;
    flood(told, "bad", 5000, T0);
    happen(told, "bad", "host.up", SEVERITY_NOTICE, T0 + 1);
    assert_string_equal(told->events.items[told->events.count - 1].kind, "host.up");
}

/* A host that claims another's site makes events about that site, which bear the other's name. */
static void who_reported_pays_not_whom_it_is_about(void **state)
{
    struct told *told = *state;
    struct event event = {.at_us = T0, .object_kind = KIND_SITE, .host = "good", .kind = "site.conflict"};
    for (size_t i = 0; i < 5000; i++)
        event_limit_add(told->limit, "bad", &event);
    assert_int_equal(told->events.count, EVENT_LIMIT_MOST);
    happen(told, "good", "container.died", SEVERITY_WARNING, T0);
    assert_string_equal(told->events.items[EVENT_LIMIT_MOST].kind, "container.died");
}

static void the_sum_is_as_grave_as_the_gravest_it_hides(void **state)
{
    struct told *told = *state;
    flood(told, "bad", EVENT_LIMIT_MOST, T0);
    happen(told, "bad", "container.oom", SEVERITY_CRITICAL, T0);
    happen(told, "bad", "container.started", SEVERITY_INFO, T0);
    event_limit_check(told->limit, INT64_MAX);
    assert_int_equal(told->events.items[EVENT_LIMIT_MOST].severity, SEVERITY_CRITICAL);
}

static void what_stays_below_is_told_as_it_is(void **state)
{
    struct told *told = *state;
    flood(told, "calm", EVENT_LIMIT_MOST, T0);
    flood(told, "calm", EVENT_LIMIT_MOST, T0 + 60 * USEC_PER_SEC);
    event_limit_check(told->limit, INT64_MAX);
    assert_int_equal(told->events.count, 2 * EVENT_LIMIT_MOST);
}

static void a_clock_that_was_set_back_silences_nothing(void **state)
{
    struct told *told = *state;
    flood(told, "bad", EVENT_LIMIT_MOST, T0);
    happen(told, "bad", "container.died", SEVERITY_WARNING, T0 - 3600 * USEC_PER_SEC);
    assert_string_equal(told->events.items[told->events.count - 1].kind, "container.died");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flood_becomes_one_event_when_its_minute_is_over),
        TEST(a_flood_of_an_hour_is_a_hundred_and_one_a_minute),
        TEST(another_host_is_told_of_all_the_same),
        TEST(that_the_flooding_host_answers_again_is_told),
        TEST(who_reported_pays_not_whom_it_is_about),
        TEST(the_sum_is_as_grave_as_the_gravest_it_hides),
        TEST(what_stays_below_is_told_as_it_is),
        TEST(a_clock_that_was_set_back_silences_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
