/* Stopping and starting a site: the mark before the stop, the notice page for visitors, and back; what is refused. */
#include "tests/unit/actions/scripted_hosts.h"

#include "actions/step.h"

static void a_stopped_site_is_marked_and_its_visitors_see_the_notice(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    scripted_expect(all, JOB_DONE, "stop of example.org is done");
    assert_false(all->hosts[MOSH01].running);
    assert_string_equal(all->hosts[MOSH01].mark, "stopped");
    assert_true(all->hosts[GATE].notice);
    scripted_expect_order(all, "gate:route.notice", "mosh01:site.mark");
    scripted_expect_order(all, "mosh01:site.mark", "mosh01:site.stop");
    scripted_free(all);
}

static void a_started_site_passes_the_gate_before_visitors_see_it(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    all->heard[0] = '\0';
    scripted_run(all, "start");
    scripted_expect(all, JOB_DONE, "start of example.org is done");
    assert_true(all->hosts[MOSH01].running);
    assert_string_equal(all->hosts[MOSH01].mark, "");
    assert_false(all->hosts[GATE].notice);
    scripted_expect_order(all, "mosh01:site.start", "gate:route.notice");
    scripted_free(all);
}

static void what_a_job_just_did_is_known_before_a_collector_says_so(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    scripted_run_at_once(all, "start"); /* the store still says that it runs */
    scripted_expect(all, JOB_DONE, "start of example.org is done");
    assert_true(all->hosts[MOSH01].running);
    scripted_run_at_once(all, "isolate");
    scripted_run_at_once(all, "release");
    scripted_expect(all, JOB_DONE, "release of example.org is done");
    assert_string_equal(all->hosts[MOSH01].mark, "");
    scripted_free(all);
}

static void a_stop_that_fails_leaves_the_site_running_and_visible(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    str_copy(all->hosts[MOSH01].refused_verb, sizeof all->hosts[MOSH01].refused_verb, "site.stop");
    scripted_run(all, "stop");
    scripted_expect(all, JOB_FAILED, "not today");
    assert_true(all->hosts[MOSH01].running);
    assert_string_equal(all->hosts[MOSH01].mark, "");
    assert_false(all->hosts[GATE].notice);
    scripted_free(all);
}

static void an_undone_stop_leaves_a_notice_that_was_there_before(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    all->hosts[GATE].notice = true;
    str_copy(all->hosts[MOSH01].refused_verb, sizeof all->hosts[MOSH01].refused_verb, "site.stop");
    scripted_run(all, "stop");
    scripted_expect(all, JOB_FAILED, "not today");
    assert_true(all->hosts[GATE].notice);
    scripted_free(all);
}

static void a_site_that_never_comes_up_is_marked_again(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    scripted_run(all, "stop");
    str_copy(all->hosts[MOSH01].refused_verb, sizeof all->hosts[MOSH01].refused_verb, "site.start");
    scripted_run(all, "start");
    scripted_expect(all, JOB_FAILED, "not today");
    assert_string_equal(all->hosts[MOSH01].mark, "stopped");
    assert_true(all->hosts[GATE].notice);
    scripted_free(all);
}

static void what_cannot_be_stopped_or_started_is_refused_with_the_way_out(void **state)
{
    (void)state;
    static const struct {
        const char *mark;
        bool running;
        const char *action, *message;
    } rows[] = {
        {"stopped", false, "stop", "example.org is stopped already (job abc.7); start it with `dogwatch start"},
        {"", true, "start", "example.org runs already, on mosh01"},
        {"quarantined", true, "start", "let it go with `dogwatch release example.org`"},
        {"quarantined", true, "stop", "let it go with `dogwatch release example.org`"},
        {"leaving", false, "start", "in the middle of a move"},
        {"kept", false, "start", "only the copy from before its move is left"},
    };
    struct scripted *all = scripted_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pthread_mutex_lock(&all->mutex); /* the hosts of the row before may still be at their answers */
        str_copy(all->hosts[MOSH01].mark, sizeof all->hosts[MOSH01].mark, rows[i].mark);
        str_copy(all->hosts[MOSH01].mark_job, sizeof all->hosts[MOSH01].mark_job, "abc.7");
        all->hosts[MOSH01].running = rows[i].running;
        pthread_mutex_unlock(&all->mutex);
        assert_int_equal(scripted_plan(all, rows[i].action), ERR_INVALID);
        assert_says(all->info.message, rows[i].message);
    }
    scripted_free(all);
}

static void a_stop_is_planned_without_its_proxy_but_not_silently(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    ssh_server_set_fault(all->hosts[GATE].server, SSH_SERVER_CLOSES);
    assert_good(scripted_plan(all, "stop"), &all->info);
    assert_plan_says(all, "! the proxy gate cannot be asked");
    assert_plan_says(all, "serves nothing until `dogwatch start example.org`");
    scripted_free(all);
}

static void a_conflict_is_ended_by_naming_the_copy_to_stop(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_options options = {.to = ""};
    struct plan_request request = scripted_request(all, "example.org");
    request.options = &options;
    for (size_t i = 0; i < all->snapshot->site_count; i++)
        all->snapshot->sites[i].status = SITE_CONFLICT;
    assert_int_equal(stop_plan(&request, &all->plan, &all->info), ERR_INVALID);
    assert_says(all->info.message, "`dogwatch stop example.org --on HOST`");
    plan_free(&all->plan);
    str_copy(options.to, sizeof options.to, "mosh02");
    assert_int_equal(stop_plan(&request, &all->plan, &all->info), ERR_INVALID);
    assert_says(all->info.message, "example.org is not on mosh02");
    plan_free(&all->plan);
    str_copy(options.to, sizeof options.to, "mosh01");
    assert_good(stop_plan(&request, &all->plan, &all->info), &all->info);
    assert_plan_says(all, "! example.org can run elsewhere too");
    vec_each (&all->plan.steps, const struct plan_step, step)
        assert_string_equal(step->host, "mosh01");
    scripted_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_site_is_marked_and_its_visitors_see_the_notice),
        cmocka_unit_test(a_started_site_passes_the_gate_before_visitors_see_it),
        cmocka_unit_test(what_a_job_just_did_is_known_before_a_collector_says_so),
        cmocka_unit_test(a_stop_that_fails_leaves_the_site_running_and_visible),
        cmocka_unit_test(an_undone_stop_leaves_a_notice_that_was_there_before),
        cmocka_unit_test(a_site_that_never_comes_up_is_marked_again),
        cmocka_unit_test(what_cannot_be_stopped_or_started_is_refused_with_the_way_out),
        cmocka_unit_test(a_stop_is_planned_without_its_proxy_but_not_silently),
        cmocka_unit_test(a_conflict_is_ended_by_naming_the_copy_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
