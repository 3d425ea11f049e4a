/* collectors/host_route: the way to a host through its jump hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "collectors/host_route.h"

/* Hosts by name and jump; sorted by name as in a loaded fleet. */
static struct fleet fleet_of(const char *const (*hosts)[2], size_t count)
{
    struct fleet fleet = {.interval_us = 10000000};
    for (size_t i = 0; i < count; i++) {
        struct host_def *host = vec_add(&fleet.hosts);
        host->name = xstrdup(hosts[i][0]);
        host->address = xasprintf("%s.example", hosts[i][0]);
        host->user = xstrdup("dogwatch");
        host->port = (uint16_t)(2200 + i);
        host->jump = hosts[i][1] ? xstrdup(hosts[i][1]) : NULL;
    }
    return fleet;
}

static void forget(struct fleet *fleet)
{
    vec_each (&fleet->hosts, struct host_def, host) {
        free(host->name);
        free(host->address);
        free(host->user);
        free(host->jump);
    }
    vec_free(&fleet->hosts);
}

#define FLEET(hosts) fleet_of(hosts, sizeof(hosts) / sizeof(hosts)[0])

static void a_direct_host_has_no_jump(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {{"mosh01", NULL}};
    struct fleet fleet = FLEET(hosts);
    struct host_route *route;
    setenv("HOME", "/home/keeper", 1);
    assert_int_equal(host_route_new(&fleet, &fleet.hosts.items[0], "/state", "viewer", &route, NULL), ERR_OK);
    forget(&fleet); /* the route keeps nothing of it */
    const struct remote_target *target = host_route_target(route);
    assert_string_equal(target->name, "mosh01");
    assert_string_equal(target->address, "mosh01.example");
    assert_string_equal(target->user, "dogwatch");
    assert_int_equal(target->port, 2200);
    assert_string_equal(target->identity_file, "/state/keys/viewer");
    assert_string_equal(target->known_hosts.ours, "/state/known_hosts");
    assert_string_equal(target->known_hosts.user, "/home/keeper/.ssh/known_hosts");
    assert_null(target->pinned_fingerprint);
    assert_null(target->jump);
    assert_null(host_route_jump(route));
    host_route_free(route);
}

static void jumps_are_followed_to_the_first(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {{"far", "middle"}, {"gate", NULL}, {"middle", "gate"}};
    struct fleet fleet = FLEET(hosts);
    struct host_route *route;
    assert_int_equal(host_route_new(&fleet, &fleet.hosts.items[0], "/state", "operator", &route, NULL), ERR_OK);
    forget(&fleet);
    const struct remote_target *target = host_route_target(route);
    assert_string_equal(host_route_jump(route), "middle");
    assert_string_equal(target->jump->name, "middle");
    assert_string_equal(target->jump->jump->address, "gate.example");
    assert_string_equal(target->jump->jump->identity_file, "/state/keys/operator");
    assert_null(target->jump->jump->jump);
    host_route_free(route);
}

static void four_jumps_are_not_too_many(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {{"a", "b"}, {"b", "c"}, {"c", "d"}, {"d", "e"}, {"e", NULL}};
    struct fleet fleet = FLEET(hosts);
    struct host_route *route;
    assert_int_equal(host_route_new(&fleet, &fleet.hosts.items[0], "/state", "viewer", &route, NULL), ERR_OK);
    assert_string_equal(host_route_target(route)->jump->jump->jump->jump->name, "e");
    host_route_free(route);
    forget(&fleet);
}

static void assert_refused(struct fleet fleet, const char *says)
{
    struct host_route *route = (struct host_route *)1;
    struct err_info info = {0};
    assert_int_equal(host_route_new(&fleet, &fleet.hosts.items[0], "/state", "viewer", &route, &info), ERR_INVALID);
    assert_null(route);
    assert_non_null(strstr(info.message, says));
    forget(&fleet);
}

static void rings_and_unknown_jumps_are_refused(void **state)
{
    (void)state;
    static const char *const ring[][2] = {{"a", "b"}, {"b", "a"}};
    static const char *const self[][2] = {{"a", "a"}};
    static const char *const unknown[][2] = {{"a", "nowhere"}};
    static const char *const many[][2] = {{"a", "b"}, {"b", "c"}, {"c", "d"}, {"d", "e"}, {"e", "f"}, {"f", NULL}};
    assert_refused(FLEET(ring), "ring");
    assert_refused(FLEET(self), "ring");
    assert_refused(FLEET(unknown), "nowhere");
    assert_refused(FLEET(many), "more than 4 jump hosts");
}

static void without_a_home_the_users_known_hosts_are_not_read(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {{"mosh01", NULL}};
    struct fleet fleet = FLEET(hosts);
    struct host_route *route;
    unsetenv("HOME");
    assert_int_equal(host_route_new(&fleet, &fleet.hosts.items[0], "/state", "viewer", &route, NULL), ERR_OK);
    assert_null(host_route_target(route)->known_hosts.user);
    host_route_free(route);
    forget(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_direct_host_has_no_jump),
        cmocka_unit_test(jumps_are_followed_to_the_first),
        cmocka_unit_test(four_jumps_are_not_too_many),
        cmocka_unit_test(rings_and_unknown_jumps_are_refused),
        cmocka_unit_test(without_a_home_the_users_known_hosts_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
