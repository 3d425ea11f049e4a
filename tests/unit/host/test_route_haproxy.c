/* The verbs of a proxy against a real HAProxy: what waits, where requests go, what is written, and who may not. Skipped
 * where HAProxy is not installed or the test can have no network of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/un.h>

#include "tests/unit/host/proxy_bench.h"

#include "host/route/haproxy_cli.h"
#include "host/route/route.h"

#define SITE "\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"a.org\",\"www.a.org\"]"
#define SET(port) "{" SITE ",\"address\":\"127.0.0.1\",\"port\":" port "}"
#define SITE_FILE "/etc/haproxy/sites.d/a.org.cfg"
#define MAP_FILE "/etc/haproxy/sites.map"
#define MAP "# domains\na.org a.org\nwww.a.org a.org\nb.org b.org\nheld-back.org notice\n"

/* The manual's own, but for an unprivileged port, and without changing the user. */
static void write_config(void)
{
    static const char *const moved[] = {"/etc/haproxy/", "/etc/haproxy/", "/run/haproxy/", "/run/haproxy/", NULL};
    char *text = bench_manual("global", moved);
    text = bench_instead(text, "    user haproxy\n    group haproxy\n", "");
    text = bench_instead(text, "bind :80\n", "bind 127.0.0.1:8080\n");
    tree_write(&tree, "/etc/haproxy/haproxy.cfg", text);
    tree_write(&tree, "/etc/haproxy/notice.html", "gone");
    free(text);
}

static bool answers_socket(void)
{
    struct buf said = BUF(65536);
    bool is_up = haproxy_ask(&said, NULL, "show info") == ERR_OK && said.length;
    buf_free(&said);
    return is_up;
}

/* The master process too: before it has come to its loop, a signal is lost. */
static bool answers_master(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[TREE_PATH_SIZE], byte;
    str_copy(address.sun_path, sizeof address.sun_path, tree_path(&tree, path, "/run/haproxy/master.sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool is_up = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && dprintf(fd, "show proc;quit\n") > 0 &&
                 poll(&wait, 1, 1000) == 1 && read(fd, &byte, 1) == 1;
    close(fd);
    return is_up;
}

static void start_proxy(void)
{
    char config[TREE_PATH_SIZE], sites[TREE_PATH_SIZE], master[TREE_PATH_SIZE];
    proxy = bench_start((const char *const[]){program, "-W", "-S", tree_path(&tree, master, "/run/haproxy/master.sock"),
        "-f", tree_path(&tree, config, "/etc/haproxy/haproxy.cfg"), "-f",
        tree_path(&tree, sites, "/etc/haproxy/sites.d"), NULL});
    assert_soon(answers_socket());
    assert_soon(answers_master());
}

static int begin(void **state)
{
    (void)state;
    if (!program)
        return 0;
    bench_begin();
    write_config();
    tree_dir(&tree, "/run/haproxy");
    tree_write(&tree, SITE_FILE, "# anna's\nbackend a.org\n    server site 127.0.0.1:8081 maxconn 90\n");
    tree_write(&tree, "/etc/haproxy/sites.d/b.org.cfg", "backend b.org\n    server site 127.0.0.1:8082\n");
    tree_write(&tree, MAP_FILE, MAP);
    start_proxy();
    return 0;
}

static bool waits(int64_t count)
{
    return ask(verb_route_get, "{" SITE "}") == ERR_OK && answered_number("waiting") == count;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static void test_it_says_where_a_site_is_and_how_long_it_can_wait(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_get, "{" SITE "}");
    assert_answer("proxy", "haproxy");
    assert_answer("state", "site");
    assert_answer("address", "127.0.0.1");
    assert_int_equal(answered_number("port"), 8081);
    assert_int_equal(answered_number("hold_limit_s"), 60);
    assert_true(json_is_true(json_object_get(answer, "known")) && json_is_true(json_object_get(answer, "can_hold")));
    assert_null(json_object_get(answer, "drift"));
    assert_asked(verb_route_get, "{\"site\":\"nobody.org\"}");
    assert_true(json_is_false(json_object_get(answer, "known")));
}

static void test_what_differs_between_file_and_running_proxy_is_told(void **state)
{
    (void)state;
    need_proxy();
    tree_write(&tree, SITE_FILE, "backend a.org\n    server site 127.0.0.1:8082\n");
    assert_asked(verb_route_get, "{" SITE "}");
    assert_non_null(strstr(json_get_text(answer, "drift"), "127.0.0.1:8081"));
    tree_write(&tree, MAP_FILE, "a.org a.org\nwww.a.org notice\n");
    assert_asked(verb_route_get, "{" SITE "}");
    assert_non_null(strstr(json_get_text(answer, "drift"), "www.a.org"));
    bench_end(proxy);
    proxy = 0;
    assert_asked(verb_route_get, "{" SITE "}");
    assert_non_null(strstr(json_get_text(answer, "drift"), "does not answer"));
    assert_int_equal(ask(verb_route_set, SET("8081")), ERR_UNREACHABLE);
    assert_file(SITE_FILE, "backend a.org\n    server site 127.0.0.1:8082\n");
}

static void test_a_configuration_that_cannot_hold_is_told_and_left_alone(void **state)
{
    (void)state;
    need_proxy();
    tree_write(&tree, SITE_FILE, "backend a.org\n    no option http-server-close\n    server site 127.0.0.1:8081\n");
    assert_asked(verb_route_hold, "{" SITE "}");
    assert_answer("state", "site");
    assert_true(json_is_false(json_object_get(answer, "can_hold")));
    assert_non_null(strstr(json_get_text(answer, "hold_problem"), "http-server-close"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
}

/* --- leading ------------------------------------------------------------------------------------------------------ */

static void test_a_site_is_led_elsewhere_in_file_and_running_proxy(void **state)
{
    (void)state;
    need_proxy();
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
    for (int time = 0; time < 2; time++) {
        assert_asked(verb_route_set, SET("8082"));
        assert_int_equal(answered_number("port"), 8082);
        assert_file(SITE_FILE, "# anna's\nbackend a.org\n    server site 127.0.0.1:8082 maxconn 90\n");
        assert_hears(visit("/", "a.org", 0), "200 OK", "two");
    }
}

static void test_changes_need_the_lease(void **state)
{
    (void)state;
    need_proxy();
    static verb_handler *const changes[] = {
        verb_route_hold, verb_route_drain, verb_route_release, verb_route_set, verb_route_notice};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_int_equal(ask(changes[i], "{\"site\":\"a.org\",\"job\":\"8\",\"address\":\"127.0.0.1\",\"port\":8082,"
                                         "\"on\":true}"),
            ERR_BUSY);
    assert_file(MAP_FILE, MAP);
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
}

static void test_odd_arguments_change_nothing(void **state)
{
    (void)state;
    need_proxy();
    static const struct {
        verb_handler *verb;
        const char *args;
    } odd[] = {
        {verb_route_set, "{" SITE ",\"address\":\"127.0.0.1;show info\",\"port\":1}"},
        {verb_route_set, "{" SITE ",\"address\":\"127.0.0.1\",\"port\":0}"},
        {verb_route_set, "{" SITE ",\"port\":80}"},
        {verb_route_hold, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"a.org;x\"]}"},
        {verb_route_hold, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":\"a.org\"}"},
        {verb_route_notice, "{" SITE "}"},
        {verb_route_drain, "{" SITE ",\"limit_ms\":-1}"},
        {verb_route_get, "{\"site\":\"../a.org\"}"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_equal(ask(odd[i].verb, odd[i].args), ERR_INVALID);
    assert_asked(verb_route_get, "{" SITE "}");
    assert_answer("state", "site");
}

/* --- holding ------------------------------------------------------------------------------------------------------ */

static void test_held_requests_wait_and_go_where_the_site_went(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_hold, "{" SITE "}");
    assert_answer("state", "held");
    int get = visit("/", "a.org", 0), post = visit("/", "www.a.org", 300000), other = visit("/", "b.org", 0);
    assert_hears(other, "200 OK", "two"); /* another site does not wait */
    assert_soon(waits(2));
    origin_end(&one);
    assert_asked(verb_route_set, SET("8082"));
    assert_answer("state", "held"); /* a hold stays a hold */
    assert_false(is_answered(get) || is_answered(post));
    assert_asked(verb_route_release, "{" SITE "}");
    assert_answer("state", "site");
    assert_hears(get, "200 OK", "two 0");
    assert_hears(post, "200 OK", "two 300000");
}

static void test_what_is_under_way_ends_and_is_counted_until_then(void **state)
{
    (void)state;
    need_proxy();
    int slow = visit("/slow", "a.org", 0);
    assert_soon(ask(verb_route_drain, "{" SITE ",\"limit_ms\":0}") == ERR_OK && answered_number("left") == 1);
    assert_asked(verb_route_hold, "{" SITE "}");
    int held = visit("/", "a.org", 0);
    assert_soon(waits(1));
    assert_asked(verb_route_drain, "{" SITE ",\"limit_ms\":30}");
    assert_int_equal(answered_number("left"), 1); /* the one that is held is none of them */
    assert_int_equal(write(one.slow, "x", 1), 1);
    assert_asked(verb_route_drain, "{" SITE ",\"limit_ms\":20000}");
    assert_int_equal(answered_number("left"), 0);
    assert_hears(slow, "200 OK", "one");
    assert_asked(verb_route_release, "{" SITE "}");
    assert_hears(held, "200 OK", "one");
}

static bool is_reloaded(const char *before)
{
    struct buf said = BUF(65536);
    bool is_new = haproxy_ask(&said, NULL, "show info") == ERR_OK && said.length;
    const char *line = strstr(buf_text(&said), "\nPid: ");
    is_new = is_new && line && strncmp(line, before, strlen(before)) != 0;
    buf_free(&said);
    return is_new;
}

static void reload_proxy(void)
{
    struct buf said = BUF(65536);
    char pid[32];
    assert_int_equal(haproxy_ask(&said, NULL, "show info"), ERR_OK);
    const char *line = strstr(buf_text(&said), "\nPid: ");
    assert_non_null(line);
    str_format(pid, sizeof pid, "%.*s\n", (int)strcspn(line + 1, "\n") + 1, line);
    buf_free(&said);
    kill(proxy, SIGUSR2);
    assert_soon(is_reloaded(pid));
}

static void test_what_waits_survives_a_reload(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_hold, "{" SITE "}");
    int held = visit("/", "a.org", 0), post = visit("/", "a.org", 300000);
    assert_soon(waits(2));
    origin_end(&one);
    reload_proxy();
    assert_asked(verb_route_get, "{" SITE "}");
    assert_answer("state", "site"); /* a reload forgets a hold, so it is asked for again */
    assert_asked(verb_route_hold, "{" SITE "}");
    assert_answer("state", "held");
    assert_asked(verb_route_set, SET("8082"));
    assert_false(is_answered(held) || is_answered(post));
    assert_asked(verb_route_release, "{" SITE "}");
    assert_hears(held, "200 OK", "two");
    assert_hears(post, "200 OK", "two 300000");
}

static void test_the_way_for_those_who_wait_opens_with_the_last_hold(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_lease_take, "{\"site\":\"b.org\",\"job\":\"7\",\"holder\":\"anna\",\"ttl_s\":600}");
    assert_true(bench_serves(8504));
    assert_asked(verb_route_hold, "{" SITE "}");
    assert_asked(verb_route_hold, "{\"site\":\"b.org\",\"job\":\"7\"}");
    assert_asked(verb_route_release, "{" SITE "}");
    assert_false(bench_serves(8504));
    assert_asked(verb_route_release, "{\"site\":\"b.org\",\"job\":\"7\"}");
    assert_true(bench_serves(8504));
}

/* --- a hold without its job --------------------------------------------------------------------------------------- */

static void test_a_hold_ends_with_the_lease_of_its_job_once_nobody_is_there(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_hold, "{" SITE "}");
    int held = visit("/", "a.org", 0);
    assert_soon(waits(1));
    assert_asked(verb_lease_release, "{" SITE "}");
    route_finish(); /* as the helper does when its connection is over */
    assert_hears(held, "200 OK", "one");
    assert_asked(verb_route_get, "{" SITE "}");
    assert_answer("state", "site");
}

static void test_a_hold_that_another_connection_took_over_stays(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_hold, "{" SITE "}");
    pid_t other = fork();
    if (other == 0)
        _exit(ask(verb_route_hold, "{" SITE "}") == ERR_OK ? 0 : 1);
    int status = 1;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    assert_asked(verb_lease_release, "{" SITE "}");
    route_finish();
    assert_asked(verb_route_get, "{" SITE "}");
    assert_answer("state", "held");
}

/* --- the notice page ---------------------------------------------------------------------------------------------- */

static void test_the_notice_page_is_for_all_of_a_sites_domains_and_comes_off(void **state)
{
    (void)state;
    need_proxy();
    for (int time = 0; time < 2; time++) {
        assert_asked(verb_route_notice, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"a.org\"],\"on\":true}");
        assert_answer("state", "notice");
        assert_hears(visit("/", "www.a.org", 0), "503 Service", "etry-after: 30");
        assert_hears(visit("/", "b.org", 0), "200 OK", "two");
    }
    assert_file(MAP_FILE, "# domains\na.org notice\nwww.a.org notice\nb.org b.org\nheld-back.org notice\n");
    assert_asked(verb_route_notice, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"a.org\"],\"on\":false}");
    assert_answer("state", "site");
    assert_file(MAP_FILE, MAP);
    assert_hears(visit("/", "www.a.org", 0), "200 OK", "one");
}

static void test_another_sites_domains_are_never_touched(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_lease_take, "{\"site\":\"b.org\",\"job\":\"7\",\"holder\":\"anna\",\"ttl_s\":600}");
    assert_asked(verb_route_notice, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"b.org\"],\"on\":true}");
    assert_hears(visit("/", "b.org", 0), "200 OK", "two");
    assert_asked(verb_route_notice, "{\"site\":\"a.org\",\"job\":\"7\",\"on\":false}");
    assert_asked(verb_route_notice, "{\"site\":\"b.org\",\"job\":\"7\",\"on\":true}");
    assert_asked(verb_route_notice, "{\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"b.org\"],\"on\":false}");
    assert_hears(visit("/", "b.org", 0), "503 Service", "gone");
    assert_asked(verb_route_notice, "{\"site\":\"b.org\",\"job\":\"7\",\"on\":false}");
    assert_file(MAP_FILE, MAP);
}

int main(void)
{
    static const char *const places[] = {"/usr/sbin/haproxy", "/usr/bin/haproxy", "/usr/local/sbin/haproxy", NULL};
    bench_need("HAProxy", places);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_says_where_a_site_is_and_how_long_it_can_wait, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_what_differs_between_file_and_running_proxy_is_told, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_configuration_that_cannot_hold_is_told_and_left_alone, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_a_site_is_led_elsewhere_in_file_and_running_proxy, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_changes_need_the_lease, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_odd_arguments_change_nothing, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_held_requests_wait_and_go_where_the_site_went, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_under_way_ends_and_is_counted_until_then, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_what_waits_survives_a_reload, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_the_way_for_those_who_wait_opens_with_the_last_hold, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_hold_ends_with_the_lease_of_its_job_once_nobody_is_there, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_a_hold_that_another_connection_took_over_stays, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_the_notice_page_is_for_all_of_a_sites_domains_and_comes_off, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_another_sites_domains_are_never_touched, begin, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
