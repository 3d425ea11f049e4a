/* From request to answer: who may ask what, and what the host writes down of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/json.h"
#include "host/dispatch.h"
#include "host/path.h"
#include "tests/unit/host/lasting.h"
#include "tests/unit/host/tree.h"

#define LIMIT_MS 20000

static struct tree tree;
static int syslog_fd = -1;

struct link {
    int fd;
    struct session *session;
    struct dispatch *dispatch;
};

/* Requests are handed to the dispatch directly, on this thread; answers come out of the socket. */
static struct link connect_as(enum host_role role)
{
    static char policy_path[TREE_PATH_SIZE];
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    tree_path(&tree, policy_path, "/etc/dogwatch/policy");
    struct link link = {.fd = ends[0]};
    link.dispatch = last(dispatch_new(role, policy_path, last(audit_new())));
    link.session = last(session_new(ends[1], ends[1], dispatch_request, link.dispatch));
    return link;
}

static json_t *hear(struct link *link)
{
    char text[65536];
    size_t length = 0;
    while (length < sizeof text) {
        struct pollfd wait = {.fd = link->fd, .events = POLLIN};
        if (poll(&wait, 1, LIMIT_MS) != 1 || read(link->fd, text + length, 1) != 1)
            return NULL;
        if (text[length++] == '\n')
            break;
    }
    json_t *line = NULL;
    assert_int_equal(json_parse(text, length, &line, NULL), ERR_OK);
    return line;
}

static json_t *ask(struct link *link, const char *text)
{
    json_t *request = NULL;
    assert_int_equal(json_parse(text, strlen(text), &request, NULL), ERR_OK);
    dispatch_request(link->session, request, link->dispatch);
    json_decref(request);
    return hear(link);
}

static void expect_error(struct link *link, const char *text, const char *code, const char *part)
{
    json_t *line = ask(link, text);
    const json_t *error = json_object_get(line, "error");
    assert_non_null(error);
    assert_string_equal(json_get_text(error, "code"), code);
    assert_non_null(strstr(json_get_text(error, "message"), part));
    json_decref(line);
}

static struct link greeted(enum host_role role)
{
    struct link link = connect_as(role);
    json_decref(ask(&link, "{\"id\":1,\"verb\":\"hello\",\"args\":{\"protocol\":1}}"));
    return link;
}

/* The next line in the host's syslog, or "" where there is none. */
static const char *logged(char *out, size_t out_size)
{
    ssize_t got = recv(syslog_fd, out, out_size - 1, MSG_DONTWAIT); /* a line is sent before its answer */
    out[got > 0 ? got : 0] = '\0';
    return out;
}

static void test_hello_comes_first_and_speaks_one_protocol(void **state)
{
    (void)state;
    struct link link = connect_as(HOST_ROLE_VIEWER);
    expect_error(&link, "{\"id\":1,\"verb\":\"ping\"}", "garbage", "hello");
    expect_error(&link, "{\"id\":2,\"verb\":\"hello\",\"args\":{\"protocol\":2}}", "version", "protocol 1 only");
    expect_error(&link, "{\"id\":3,\"verb\":\"hello\"}", "version", "");
    expect_error(&link, "{\"id\":4,\"verb\":\"ping\"}", "garbage", "hello");
    expect_error(&link, "{\"id\":5,\"verb\":\"hello\",\"args\":{\"protocol\":1,\"idle_s\":9}}", "invalid", "idle_s");
    json_t *line = ask(&link, "{\"id\":6,\"verb\":\"hello\",\"args\":{\"protocol\":1,\"idle_s\":60}}");
    const json_t *ok = json_object_get(line, "ok");
    assert_string_equal(json_get_text(ok, "role"), "viewer");
    assert_string_equal(json_get_text(ok, "os"), "Testing GNU/Linux");
    assert_string_equal(json_get_text(ok, "boot_id"), "11111111-2222-3333-4444-555555555555");
    assert_null(json_get_text(ok, "policy_error"));
    bool has_status = false, has_stop = false;
    for (size_t i = 0; i < json_array_size(json_object_get(ok, "capabilities")); i++) {
        const char *name = json_string_value(json_array_get(json_object_get(ok, "capabilities"), i));
        has_status |= strcmp(name, "site.status") == 0;
        has_stop |= strcmp(name, "site.stop") == 0;
    }
    assert_true(has_status && !has_stop);
    json_decref(line);
    line = ask(&link, "{\"id\":7,\"verb\":\"ping\",\"args\":null}");
    assert_false(json_get_number(json_object_get(line, "ok"), "epoch_us") < 1);
    json_decref(line);
}

static void test_a_viewer_is_refused_the_operators_verbs_and_it_is_logged(void **state)
{
    (void)state;
    char text[2048];
    setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.11 22", 1);
    struct link link = greeted(HOST_ROLE_VIEWER);
    assert_string_equal(logged(text, sizeof text), "");
    expect_error(&link, "{\"id\":2,\"verb\":\"site.restart\",\"args\":{\"site\":\"blog\",\"job\":\"j1\\u001b[2J\\n\"}}",
        "denied", "operator's key");
    logged(text, sizeof text);
    assert_true(str_starts(text, "<85>")); /* authpriv.notice, RFC 3164 */
    assert_non_null(strstr(text, "refused to the viewer: site.restart site=blog job=j1"));
    assert_non_null(strstr(text, "from=192.0.2.7 50000 192.0.2.11 22"));
    assert_null(strchr(text, '\x1b'));
    assert_null(strchr(text, '\n'));
    unsetenv("SSH_CONNECTION");
}

static void test_a_flood_of_refusals_does_not_flood_the_log(void **state)
{
    (void)state;
    char text[2048];
    int lines = 0;
    struct link link = greeted(HOST_ROLE_VIEWER);
    for (int i = 0; i < 100; i++) {
        json_decref(ask(&link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":\"blog\"}}"));
        lines += *logged(text, sizeof text) ? 1 : 0;
    }
    assert_int_equal(lines, 30);
}

static void test_only_what_has_its_form_gets_to_a_verb(void **state)
{
    (void)state;
    struct link link = greeted(HOST_ROLE_OPERATOR);
    expect_error(&link, "{\"id\":2}", "invalid", "needs a verb");
    expect_error(&link, "{\"id\":2,\"verb\":7}", "invalid", "needs a verb");
    expect_error(&link, "{\"id\":2,\"verb\":\"shell\"}", "invalid", "no verb is called shell");
    expect_error(&link, "{\"id\":2,\"verb\":\"ping\",\"args\":[]}", "invalid", "args is no object");
    expect_error(&link, "{\"id\":2,\"verb\":\"site.stop\"}", "invalid", "args.site");
    expect_error(&link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":\"../etc\"}}", "invalid", "args.site");
    expect_error(&link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":\"-rf\"}}", "invalid", "args.site");
    expect_error(&link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":7}}", "invalid", "args.site");
    expect_error(&link, "{\"id\":2,\"verb\":\"subscribe\",\"args\":{\"interval_ms\":999}}", "invalid", "interval_ms");
    json_t *request = json_pack("{s:i}", "id", 0);
    dispatch_request(link.session, request, link.dispatch);
    json_decref(request);
    json_t *line = hear(&link);
    assert_string_equal(json_get_text(json_object_get(line, "error"), "code"), "garbage");
    assert_true(session_is_ending(link.session));
    json_decref(line);
}

static void test_the_policy_is_obeyed_from_the_next_request_on(void **state)
{
    (void)state;
    char text[2048], path[TREE_PATH_SIZE];
    struct link link = greeted(HOST_ROLE_OPERATOR);
    tree_write(&tree, "/etc/dogwatch/policy", "deny operator site.* on blog\ndeny operator logs.tail\n");
    expect_error(
        &link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":\"blog\"}}", "denied", "site.stop on blog");
    assert_non_null(strstr(logged(text, sizeof text), "refused to the operator: site.stop site=blog"));
    expect_error(&link, "{\"id\":2,\"verb\":\"logs.tail\"}", "denied", "logs.tail");
    tree_write(&tree, "/etc/dogwatch/policy", "allow everything\n");
    expect_error(&link, "{\"id\":2,\"verb\":\"inventory\"}", "denied", "/policy:1: ");
    json_t *line = ask(&link, "{\"id\":2,\"verb\":\"hello\",\"args\":{\"protocol\":1}}");
    assert_non_null(strstr(json_get_text(json_object_get(line, "ok"), "policy_error"), "/policy:1: "));
    assert_int_equal(json_array_size(json_object_get(json_object_get(line, "ok"), "capabilities")), 3);
    json_decref(line);
    unlink(tree_path(&tree, path, "/etc/dogwatch/policy"));
    while (*logged(text, sizeof text))
        continue;
}

static void test_what_changes_the_host_is_logged_at_its_begin_and_end(void **state)
{
    (void)state;
    char text[2048];
    struct link link = greeted(HOST_ROLE_OPERATOR);
    json_t *line = ask(&link, "{\"id\":2,\"verb\":\"site.stop\",\"args\":{\"site\":\"no-such-site\",\"job\":\"j7\"}}");
    assert_non_null(json_object_get(line, "error"));
    json_decref(line);
    assert_non_null(strstr(logged(text, sizeof text), "site.stop begins site=no-such-site job=j7"));
    assert_non_null(strstr(logged(text, sizeof text), "site.stop ended site=no-such-site job=j7: "));
    json_decref(ask(&link, "{\"id\":3,\"verb\":\"ping\"}"));
    assert_string_equal(logged(text, sizeof text), "");
}

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[TREE_PATH_SIZE];
    signal(SIGPIPE, SIG_IGN);
    tree_make(&tree);
    tree_dir(&tree, "/etc/dogwatch");
    tree_dir(&tree, "/dev");
    tree_write(&tree, "/etc/os-release", "ID=testing\nPRETTY_NAME=\"Testing GNU/Linux\"\n");
    tree_write(&tree, "/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    host_root_set(tree.root);
    str_copy(address.sun_path, sizeof address.sun_path, tree_path(&tree, path, "/dev/log"));
    syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return bind(syslog_fd, (const struct sockaddr *)&address, sizeof address);
}

static int tear_down(void **state)
{
    (void)state;
    close(syslog_fd);
    tree_remove(&tree);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_comes_first_and_speaks_one_protocol),
        cmocka_unit_test(test_a_viewer_is_refused_the_operators_verbs_and_it_is_logged),
        cmocka_unit_test(test_a_flood_of_refusals_does_not_flood_the_log),
        cmocka_unit_test(test_only_what_has_its_form_gets_to_a_verb),
        cmocka_unit_test(test_the_policy_is_obeyed_from_the_next_request_on),
        cmocka_unit_test(test_what_changes_the_host_is_logged_at_its_begin_and_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
