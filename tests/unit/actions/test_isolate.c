/* Isolating: containment before everything else, evidence in the order of its volatility whatever fails, nothing taken
 * back but by a release, which puts back what was. */
#include "tests/unit/actions/scripted_hosts.h"

#include "actions/step.h"

static void containment_comes_with_nothing_before_it_but_the_lease(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    assert_good(scripted_plan(all, "isolate"), &all->info);
    assert_string_equal(all->plan.steps.items[0].kind->name, "lease");
    assert_string_equal(all->plan.steps.items[1].kind->name, "contain");
    assert_string_equal(all->heard, ""); /* nobody is asked before */
    assert_plan_says(all, "everything example.org-web sends is dropped");
    assert_plan_says(all, "gate: show the notice page");
    assert_plan_says(all, "keep the memory of its processes (3.0M, about");
    assert_plan_says(all, "is cut off until `dogwatch release example.org`");
    assert_plan_says(all, "mosh01: disk 74.5G");
    scripted_free(all);
}

static void a_late_proxy_shows_the_notice_page_once_it_answers(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    ssh_server_set_fault(all->hosts[GATE].server, SSH_SERVER_CLOSES);
    scripted_begin(all, "isolate");
    scripted_until_heard(all, "mosh01:sockets");
    assert_false(all->hosts[GATE].notice);
    ssh_server_set_fault(all->hosts[GATE].server, SSH_SERVER_FINE);
    scripted_wait(all);
    scripted_expect(all, JOB_FAILED, "dogwatch evidence pull"); /* nothing else is behind */
    assert_null(strstr(all->record.message, "notice"));
    assert_true(all->hosts[GATE].notice);
    scripted_free(all);
}

static void a_proxy_that_stays_away_holds_nothing_up_and_is_said(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    ssh_server_set_fault(all->hosts[GATE].server, SSH_SERVER_CLOSES);
    scripted_run(all, "isolate");
    scripted_expect(all, JOB_FAILED, "notice: gate");
    assert_true(all->hosts[MOSH01].contained);
    scripted_expect_order(all, "mosh01:seal", "mosh01:lease.release");
    scripted_free(all);
}

static void a_proxy_that_leads_nobody_there_is_left_as_it_is(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    all->hosts[GATE].known = false;
    scripted_run(all, "isolate");
    assert_null(strstr(all->record.message, "notice"));
    assert_null(strstr(all->heard, "route.notice"));
    scripted_free(all);
}

static void evidence_is_taken_in_the_order_of_its_volatility(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "isolate");
    static const char *const order[] = {"mosh01:site.contain", "gate:route.notice", "mosh01:sockets",
        "mosh01:processes", "mosh01:freeze", "mosh01:memory", "mosh01:containers", "mosh01:filesystem",
        "mosh01:volumes", "mosh01:seal"};
    for (size_t i = 0; i + 1 < sizeof order / sizeof *order; i++)
        scripted_expect_order(all, order[i], order[i + 1]);
    assert_true(all->hosts[MOSH01].contained);
    assert_true(all->hosts[GATE].notice);
    vec_each (&all->steps.items, const struct job_step_record, step)
        if (strcmp(step->name, "evidence") == 0)
            assert_says(step->outcome, "left out: a pipe (it is none of ours)");
    scripted_free(all);
}

static void a_stage_that_fails_stops_none_of_the_others(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    str_copy(all->hosts[MOSH01].refused_stage, sizeof all->hosts[MOSH01].refused_stage, "memory");
    scripted_run(all, "isolate");
    scripted_expect(all, JOB_FAILED, "the disk is broken");
    scripted_expect_order(all, "mosh01:memory", "mosh01:containers");
    scripted_expect_order(all, "mosh01:volumes", "mosh01:seal");
    assert_true(all->hosts[MOSH01].contained);
    scripted_free(all);
}

static void evidence_that_stays_on_the_host_is_said_with_the_way_to_get_it(void **state)
{
    (void)state;
    struct scripted *all = scripted_new(); /* these hosts cannot hand it out */
    scripted_run(all, "isolate");
    scripted_expect(all, JOB_FAILED, "dogwatch evidence pull example.org");
    scripted_free(all);
}

static void a_release_puts_back_what_was(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "isolate");
    assert_true(all->hosts[MOSH01].paused);
    assert_good(scripted_plan(all, "release"), &all->info);
    assert_plan_says(all, "! the evidence of its isolation was not fetched from mosh01 yet");
    scripted_run(all, "release");
    scripted_expect(all, JOB_DONE, "release of example.org is done");
    assert_false(all->hosts[MOSH01].contained);
    assert_false(all->hosts[MOSH01].paused);
    assert_string_equal(all->hosts[MOSH01].mark, "");
    assert_false(all->hosts[GATE].notice);
    scripted_free(all);
}

static void a_site_that_was_stopped_stays_stopped_after_its_release(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    scripted_run_at_once(all, "isolate"); /* the store does not know yet that it was stopped; its host does */
    assert_string_equal(all->hosts[MOSH01].mark, "quarantined");
    scripted_run(all, "release");
    scripted_expect(all, JOB_DONE, "release of example.org is done");
    assert_string_equal(all->hosts[MOSH01].mark, "stopped");
    assert_false(all->hosts[MOSH01].running);
    assert_true(all->hosts[GATE].notice);
    scripted_free(all);
}

static void what_ended_in_quarantine_is_started_by_the_release(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "isolate");
    all->hosts[MOSH01].running = all->hosts[MOSH01].paused = false; /* its host was started anew */
    scripted_run(all, "release");
    scripted_expect(all, JOB_DONE, "release of example.org is done");
    assert_true(all->hosts[MOSH01].running);
    scripted_free(all);
}

static void what_was_not_yet_known_to_run_serves_visitors_after_its_release(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    scripted_run(all, "start"); /* of this the store does not know yet */
    scripted_run_at_once(all, "isolate");
    scripted_run(all, "release");
    scripted_expect(all, JOB_DONE, "release of example.org is done");
    assert_true(all->hosts[MOSH01].running);
    assert_false(all->hosts[GATE].notice);
    scripted_free(all);
}

static void a_release_that_fails_contains_again(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "isolate");
    all->hosts[MOSH01].running = all->hosts[MOSH01].paused = false;
    str_copy(all->hosts[MOSH01].refused_verb, sizeof all->hosts[MOSH01].refused_verb, "site.start");
    scripted_run(all, "release");
    scripted_expect(all, JOB_FAILED, "not today");
    assert_true(all->hosts[MOSH01].contained);
    assert_string_equal(all->hosts[MOSH01].mark, "quarantined");
    assert_true(all->hosts[GATE].notice);
    scripted_free(all);
}

static void what_is_not_quarantined_is_not_released(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    assert_int_equal(scripted_plan(all, "release"), ERR_INVALID);
    assert_says(all->info.message, "example.org is not quarantined");
    scripted_free(all);
}

static void a_site_on_a_lost_host_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_request request = scripted_request(all, "example.org");
    for (size_t i = 0; i < all->snapshot->host_count; i++) {
        all->snapshot->hosts[i].status = HOST_UNKNOWN;
        str_copy(all->snapshot->hosts[i].reason, REASON_SIZE, "no route to host");
    }
    assert_int_equal(isolate_plan(&request, &all->plan, &all->info), ERR_INVALID);
    assert_says(all->info.message, "example.org is on mosh01, which cannot be reached: no route to host");
    scripted_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containment_comes_with_nothing_before_it_but_the_lease),
        cmocka_unit_test(a_proxy_that_stays_away_holds_nothing_up_and_is_said),
        cmocka_unit_test(a_proxy_that_leads_nobody_there_is_left_as_it_is),
        cmocka_unit_test(a_late_proxy_shows_the_notice_page_once_it_answers),
        cmocka_unit_test(evidence_is_taken_in_the_order_of_its_volatility),
        cmocka_unit_test(a_stage_that_fails_stops_none_of_the_others),
        cmocka_unit_test(evidence_that_stays_on_the_host_is_said_with_the_way_to_get_it),
        cmocka_unit_test(a_release_puts_back_what_was),
        cmocka_unit_test(a_site_that_was_stopped_stays_stopped_after_its_release),
        cmocka_unit_test(what_ended_in_quarantine_is_started_by_the_release),
        cmocka_unit_test(what_was_not_yet_known_to_run_serves_visitors_after_its_release),
        cmocka_unit_test(a_release_that_fails_contains_again),
        cmocka_unit_test(what_is_not_quarantined_is_not_released),
        cmocka_unit_test(a_site_on_a_lost_host_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
