/* The verbs of a proxy against a real nginx: the file is written, tested, and counts once new workers run; a file that
 * nginx refuses is put back. Skipped where nginx is not installed or the test can have no network of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/host/proxy_bench.h"

#define SITE "\"site\":\"a.org\",\"job\":\"7\",\"domains\":[\"a.org\"]"
#define SET(port) "{" SITE ",\"address\":\"127.0.0.1\",\"port\":" port "}"
#define SITE_FILE "/etc/nginx/dogwatch/a.org.conf"
#define UPSTREAM(rest) "# anna's\nupstream a.org {\n    server " rest "\n}\n"

/* What the manual has, in a frame in which nginx runs below the tree. */
static void write_config(void)
{
    static const char *const moved[] = {"/etc/nginx", "/etc/nginx", NULL};
    char *notice = bench_manual("include /etc/nginx/dogwatch/*.conf;", moved);
    char *server =
        bench_instead(bench_manual("# example.org's visitors", moved), "listen 80;", "listen 127.0.0.1:8080;");
    server = bench_instead(server, "example.org www.example.org", "a.org");
    server = bench_instead(server, "http://example.org", "http://a.org");
    char *text = xasprintf("%sworker_processes 2;\ndaemon off;\npid %s/run/nginx.pid;\nerror_log %s/error.log;\n"
                           "events { worker_connections 64; }\nhttp {\n    access_log off;\n"
                           "    client_body_temp_path %s/tmp1;\n    proxy_temp_path %s/tmp2;\n    fastcgi_temp_path "
                           "%s/tmp3;\n    uwsgi_temp_path %s/tmp4;\n    scgi_temp_path %s/tmp5;\n%s\n%s}\n",
        geteuid() ? "" : "user root;\n", tree.root, tree.root, tree.root, tree.root, tree.root, tree.root, tree.root,
        notice, server);
    tree_write(&tree, "/etc/nginx/nginx.conf", text);
    tree_write(&tree, "/etc/nginx/notice.html", "gone");
    free(text);
    free(server);
    free(notice);
    text = xasprintf(
        "#!/bin/sh\nexec %s -c %s/etc/nginx/nginx.conf -e %s/error.log \"$@\"\n", program, tree.root, tree.root);
    tree_script(&tree, "/usr/sbin/nginx", text);
    free(text);
}

static bool runs(void)
{
    return ask(verb_route_get, "{" SITE "}") == ERR_OK && json_get_text(answer, "state");
}

/* Both workers run: the master listens before it starts them. */
static bool has_workers(void)
{
    char path[64];
    struct buf children = BUF(4096);
    int count = 0;
    str_format(path, sizeof path, "/proc/%d/task/%d/children", (int)proxy, (int)proxy);
    buf_read_file(&children, path, NULL);
    for (const char *at = buf_text(&children); (at = strchr(at, ' ')) != NULL; at++)
        count++;
    buf_free(&children);
    return count == 2;
}

static int begin(void **state)
{
    (void)state;
    if (!program)
        return 0;
    char path[TREE_PATH_SIZE];
    bench_begin();
    assert_int_equal(symlink("/proc", tree_path(&tree, path, "/proc")), 0);
    tree_dir(&tree, "/run");
    tree_write(&tree, SITE_FILE, UPSTREAM("127.0.0.1:8081;"));
    write_config();
    proxy = bench_start((const char *const[]){tree_path(&tree, path, "/usr/sbin/nginx"), NULL});
    assert_soon(bench_serves(8080));
    assert_soon(runs());
    assert_soon(has_workers());
    return 0;
}

static void test_it_says_that_it_cannot_hold_and_changes_nothing_when_told_to(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_hold, "{" SITE "}");
    assert_answer("proxy", "nginx");
    assert_answer("state", "site");
    assert_true(json_is_false(json_object_get(answer, "can_hold")));
    assert_null(json_object_get(answer, "drift"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
    assert_asked(verb_route_release, "{" SITE "}");
}

static void test_a_site_is_led_elsewhere(void **state)
{
    (void)state;
    need_proxy();
    for (int time = 0; time < 2; time++) {
        assert_asked(verb_route_set, SET("8082"));
        assert_int_equal(answered_number("port"), 8082);
        assert_file(SITE_FILE, UPSTREAM("127.0.0.1:8082;"));
        assert_hears(visit("/", "a.org", 0), "200 OK", "two");
    }
}

static void test_what_nginx_refuses_is_put_back(void **state)
{
    (void)state;
    need_proxy();
    tree_write(&tree, "/etc/nginx/dogwatch/z.conf", "no such directive;\n");
    assert_int_equal(ask(verb_route_set, SET("8082")), ERR_FAILED);
    assert_non_null(strstr(info.message, "nothing was changed"));
    assert_file(SITE_FILE, UPSTREAM("127.0.0.1:8081;"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
}

static void test_the_notice_page_comes_and_goes_and_the_site_may_move_behind_it(void **state)
{
    (void)state;
    need_proxy();
    assert_asked(verb_route_notice, "{" SITE ",\"on\":true}");
    assert_answer("state", "notice");
    assert_int_equal(answered_number("port"), 8081);
    assert_hears(visit("/", "a.org", 0), "503 Service", "Retry-After: 30");
    assert_asked(verb_route_set, SET("8082"));
    assert_answer("state", "notice");
    assert_hears(visit("/", "a.org", 0), "503 Service", "gone");
    assert_asked(verb_route_notice, "{" SITE ",\"on\":false}");
    assert_answer("state", "site");
    assert_file(SITE_FILE, UPSTREAM("127.0.0.1:8082;"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "two");
}

static void test_a_file_nginx_has_not_read_is_drift_and_is_mended(void **state)
{
    (void)state;
    need_proxy();
    poll(NULL, 0, 30); /* starts of processes are known to 10 ms */
    tree_write(&tree, SITE_FILE, UPSTREAM("127.0.0.1:8082;"));
    assert_asked(verb_route_get, "{" SITE "}");
    assert_non_null(json_get_text(answer, "drift"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "one");
    assert_asked(verb_route_set, SET("8082"));
    assert_null(json_object_get(answer, "drift"));
    assert_hears(visit("/", "a.org", 0), "200 OK", "two");
}

static void test_what_is_under_way_is_counted(void **state)
{
    (void)state;
    need_proxy();
    int slow = visit("/slow", "a.org", 0);
    assert_soon(ask(verb_route_drain, "{" SITE ",\"limit_ms\":0}") == ERR_OK && answered_number("left") == 1);
    assert_int_equal(write(one.slow, "x", 1), 1);
    assert_hears(slow, "200 OK", "one");
    assert_asked(verb_route_drain, "{" SITE ",\"limit_ms\":20000}");
    assert_int_equal(answered_number("left"), 0);
}

static void test_an_nginx_that_does_not_run_is_told(void **state)
{
    (void)state;
    need_proxy();
    bench_end(proxy);
    proxy = 0;
    assert_asked(verb_route_get, "{" SITE "}");
    assert_non_null(strstr(json_get_text(answer, "drift"), "does not run"));
    assert_int_equal(ask(verb_route_set, SET("8082")), ERR_UNREACHABLE);
    assert_file(SITE_FILE, UPSTREAM("127.0.0.1:8081;"));
}

int main(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", NULL};
    bench_need("nginx", places);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_it_says_that_it_cannot_hold_and_changes_nothing_when_told_to, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_a_site_is_led_elsewhere, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_what_nginx_refuses_is_put_back, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(
            test_the_notice_page_comes_and_goes_and_the_site_may_move_behind_it, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_a_file_nginx_has_not_read_is_drift_and_is_mended, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_under_way_is_counted, begin, bench_teardown),
        cmocka_unit_test_setup_teardown(test_an_nginx_that_does_not_run_is_told, begin, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
