/* Which proxies lead to a site: asked all at once, those that say nothing are an error, a warning or late, as the plan
 * needs it. */
#include "tests/unit/actions/scripted_hosts.h"

#include "actions/proxies.h"
#include "actions/step.h"

static enum err find(struct scripted *all, enum proxies_need need, struct plan_proxies *proxies)
{
    struct plan_request request = scripted_request(all, "example.org");
    plan_free(&all->plan);
    str_copy(all->plan.site, sizeof all->plan.site, "example.org");
    all->plan.cut_us = 90 * USEC_PER_SEC;
    return proxies_find(&request, &all->plan, "example.org", need, "visitors see errors", proxies, &all->info);
}

static void a_proxy_that_knows_the_site_is_found_with_what_it_can(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_proxies proxies;
    assert_good(find(all, PROXIES_ALL, &proxies), &all->info);
    assert_int_equal(proxies.items.count, 1);
    assert_string_equal(proxies.items.items[0].host, "gate");
    assert_string_equal(proxies.items.items[0].address, "192.0.2.11");
    assert_int_equal(proxies.items.items[0].port, 8080);
    assert_true(proxies_can_hold(&proxies));
    assert_string_equal(proxies.domains.items[0], "www.example.org");
    assert_null(strstr(all->heard, "mosh01:route.get"));
    plan_proxies_free(&proxies);
    scripted_free(all);
}

static void a_site_no_proxy_knows_is_warned_of(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_proxies proxies;
    all->hosts[GATE].known = false;
    assert_good(find(all, PROXIES_ALL, &proxies), &all->info);
    assert_int_equal(proxies.items.count, 0);
    assert_false(proxies_can_hold(&proxies));
    assert_string_equal(all->plan.warnings.items[0], "no proxy of the fleet knows example.org: visitors see errors");
    plan_proxies_free(&proxies);
    scripted_free(all);
}

static void a_proxy_that_cannot_be_asked_stops_a_plan_that_needs_all(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_proxies proxies;
    ssh_server_set_fault(all->hosts[GATE].server, SSH_SERVER_CLOSES);
    assert_int_equal(find(all, PROXIES_ALL, &proxies), ERR_UNREACHABLE);
    assert_says(all->info.message, "the proxy gate cannot be asked");
    plan_proxies_free(&proxies);
    assert_good(find(all, PROXIES_BEST, &proxies), &all->info);
    assert_says(all->plan.warnings.items[0], "the proxy gate cannot be asked");
    plan_proxies_free(&proxies);
    scripted_free(all);
}

static void what_must_begin_at_once_asks_no_proxy(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_request request = scripted_request(all, "example.org");
    struct plan_proxies proxies;
    for (size_t i = 0; i < all->snapshot->host_count; i++) {
        all->snapshot->hosts[i].status = HOST_UNKNOWN;
        all->snapshot->hosts[i].reason_code = ERR_TIMEOUT;
    }
    proxies_all(&request, "example.org", &proxies);
    assert_string_equal(all->heard, "");
    assert_int_equal(proxies.items.count, 1);
    proxies_add_notice_soon(&all->plan, &proxies);
    assert_int_equal(all->plan.steps.count, 0); /* it is known to be down */
    proxies_add_notice_late(&all->plan, &proxies);
    assert_string_equal(all->plan.steps.items[0].host, "gate");
    plan_proxies_free(&proxies);
    scripted_free(all);
}

static void a_cut_longer_than_the_hold_is_warned_of(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_proxies proxies;
    assert_good(find(all, PROXIES_ALL, &proxies), &all->info);
    proxies_warn_cut(&all->plan, &proxies);
    assert_says(all->plan.warnings.items[0], "gate holds requests for at most 60 s");
    plan_free(&all->plan);
    all->plan.cut_us = 2 * USEC_PER_SEC;
    proxies_warn_cut(&all->plan, &proxies);
    assert_int_equal(all->plan.warnings.count, 0);
    proxies.items.items[0].can_hold = false;
    str_copy(proxies.items.items[0].program, sizeof proxies.items.items[0].program, "nginx");
    proxies_warn_cut(&all->plan, &proxies);
    assert_says(
        all->plan.warnings.items[0], "nginx on gate cannot hold requests: its visitors get errors for about 2.0s");
    plan_proxies_free(&proxies);
    scripted_free(all);
}

static void a_proxy_that_cannot_hold_is_not_told_to(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_proxies proxies;
    assert_good(find(all, PROXIES_ALL, &proxies), &all->info);
    proxies.items.items[0].can_hold = false;
    proxies_add_hold(&all->plan, &proxies);
    proxies_add_drain(&all->plan, &proxies, 5000);
    proxies_add_unhold(&all->plan, &proxies);
    assert_int_equal(all->plan.steps.count, 0);
    proxies_add_route(&all->plan, &proxies, "mosh02", 8081);
    assert_string_equal(all->plan.steps.items[0].undo, "lead it to 192.0.2.11 port 8080 again");
    plan_proxies_free(&proxies);
    scripted_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_that_knows_the_site_is_found_with_what_it_can),
        cmocka_unit_test(a_site_no_proxy_knows_is_warned_of),
        cmocka_unit_test(a_proxy_that_cannot_be_asked_stops_a_plan_that_needs_all),
        cmocka_unit_test(what_must_begin_at_once_asks_no_proxy),
        cmocka_unit_test(a_cut_longer_than_the_hold_is_warned_of),
        cmocka_unit_test(a_proxy_that_cannot_hold_is_not_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
