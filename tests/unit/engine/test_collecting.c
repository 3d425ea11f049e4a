/* Which collectors run: a reload touches only the hosts that it changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/collecting.h"
#include "engine/fleet_box.h"
#include "tests/unit/engine/state_dir.h"

struct collector { /* a double that remembers what became of it */
    char host[NAME_SIZE];
    bool cancelled;
};

static char history[4096]; /* "+alpha -beta …" */
static size_t waiting;     /* cancelled and not freed yet */
static size_t waiting_most;

static void note(const char *sign, const char *host)
{
    char before[sizeof history];
    str_copy(before, sizeof before, history);
    str_format(history, sizeof history, "%s%s%s%s", before, before[0] ? " " : "", sign, host);
}

static struct collector *start(
    const struct fleet *fleet, const struct host_def *host, const char *state_dir, const struct sink *sink)
{
    (void)fleet;
    (void)state_dir;
    (void)sink;
    struct collector *collector = xcalloc(1, sizeof *collector);
    str_copy(collector->host, sizeof collector->host, host->name);
    note("+", host->name);
    return collector;
}

static unsigned retries;

static void retry(struct collector *collector)
{
    assert_false(collector->cancelled);
    retries++;
}

static void cancel(struct collector *collector)
{
    waiting += !collector->cancelled;
    waiting_most = waiting > waiting_most ? waiting : waiting_most;
    collector->cancelled = true;
}

static void finish(struct collector *collector)
{
    cancel(collector);
    waiting--;
    note("-", collector->host);
    free(collector);
}

static const struct collector_calls doubles = {start, retry, cancel, finish};

struct fixture {
    char *dir;
    struct fleet *fleet;
    struct collecting *collecting;
};

/* Put these hosts in force; gives what happened. */
static const char *apply(struct fixture *f, const char *fleet_text, const char *hosts_text)
{
    struct complaints complaints = {0};
    struct err_info info = {0};
    struct fleet *fleet;
    write_text(f->dir, "fleet.yaml", fleet_text);
    write_text(f->dir, "hosts.yaml", hosts_text);
    if (fleet_load(f->dir, &fleet, &complaints, &info) != ERR_OK)
        fail_msg("%s", info.message);
    complaints_free(&complaints);
    history[0] = '\0';
    collecting_apply(f->collecting, fleet);
    fleet_free(f->fleet);
    f->fleet = fleet;
    return history;
}

#define FLEET "fleet: x\ninterval: 1s\n"
#define THREE                                                                                                          \
    "hosts:\n  alpha: { address: 192.0.2.1 }\n  beta: { address: 192.0.2.2 }\n  gate: { address: 192.0.2.3 }\n"

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = state_dir_new();
    f->collecting = collecting_new(f->dir, NULL, &doubles);
    assert_string_equal(apply(f, FLEET, THREE), "+alpha +beta +gate");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    collecting_free(f->collecting);
    fleet_free(f->fleet);
    state_dir_free(f->dir);
    free(f);
    return 0;
}

static void same_files_touch_nothing_but_waiting_hosts_are_tried(void **state)
{
    retries = 0;
    assert_string_equal(apply(*state, FLEET, THREE), "");
    assert_int_equal(retries, 3);
}

static void only_the_host_whose_address_changed_begins_anew(void **state)
{
    assert_string_equal(apply(*state, FLEET,
                            "hosts:\n  alpha: { address: 192.0.2.1 }\n  beta: { address: 192.0.2.9 }\n"
                            "  gate: { address: 192.0.2.3 }\n"),
        "-beta +beta");
}

static void labels_and_roles_are_no_reason_to_begin_anew(void **state)
{
    assert_string_equal(apply(*state, FLEET,
                            "hosts:\n  alpha: { address: 192.0.2.1, labels: { rack: a1 }, roles: [storage] }\n"
                            "  beta: { address: 192.0.2.2 }\n  gate: { address: 192.0.2.3 }\n"),
        "");
}

static void hosts_behind_a_jump_host_that_changed_begin_anew_too(void **state)
{
    apply(*state, FLEET,
        "hosts:\n  alpha: { address: 192.0.2.1, jump: gate }\n  beta: { address: 192.0.2.2 }\n"
        "  gate: { address: 192.0.2.3 }\n");
    assert_string_equal(apply(*state, FLEET,
                            "hosts:\n  alpha: { address: 192.0.2.1, jump: gate }\n  beta: { address: 192.0.2.2 }\n"
                            "  gate: { address: 192.0.2.7 }\n"),
        "-alpha -gate +alpha +gate");
}

static void new_and_removed_hosts_leave_the_others_alone(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(apply(f, FLEET, "hosts:\n  alpha: { address: 192.0.2.1 }\n  aaron: { address: 192.0.2.8 }\n"),
        "-beta -gate +aaron");
    assert_int_equal(collecting_count(f->collecting), 2);
}

static void another_interval_begins_all_anew_and_their_ends_overlap(void **state)
{
    waiting_most = 0;
    assert_string_equal(apply(*state, "fleet: x\ninterval: 2s\n", THREE), "-alpha -beta -gate +alpha +beta +gate");
    assert_int_equal(waiting_most, 3);
}

static void fleet_that_is_held_outlives_its_replacement(void **state)
{
    struct fixture *f = *state;
    struct fleet_box *box = fleet_box_new(f->fleet);
    const struct fleet *first = fleet_box_hold(box), *again = fleet_box_hold(box);
    f->fleet = NULL;
    struct complaints complaints = {0};
    struct fleet *second;
    write_text(f->dir, "fleet.yaml", "fleet: second\n");
    assert_int_equal(fleet_load(f->dir, &second, &complaints, NULL), ERR_OK);
    fleet_box_replace(box, second);
    fleet_box_release(box, again);
    assert_string_equal(first->name, "x"); /* a sanitiser would say otherwise */
    const struct fleet *now = fleet_box_hold(box);
    assert_string_equal(now->name, "second");
    fleet_box_release(box, first);
    fleet_box_release(box, now);
    fleet_box_free(box);
    complaints_free(&complaints);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(same_files_touch_nothing_but_waiting_hosts_are_tried),
        TEST(only_the_host_whose_address_changed_begins_anew),
        TEST(labels_and_roles_are_no_reason_to_begin_anew),
        TEST(hosts_behind_a_jump_host_that_changed_begin_anew_too),
        TEST(new_and_removed_hosts_leave_the_others_alone),
        TEST(another_interval_begins_all_anew_and_their_ends_overlap),
        TEST(fleet_that_is_held_outlives_its_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
