/* The helper's channel: hello, requests, pushes, and all the ways a helper can be wrong, against scripted helpers
 * behind real SSH. */
#include "tests/unit/remote/reach.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "remote/helper.h"

#define HELLO(role)                                                                                                    \
    "{\"id\":1,\"ok\":{\"protocol\":1,\"version\":\"0.1.0\",\"role\":\"" role                                          \
    "\",\"capabilities\":[\"ping\",\"inventory\"]}}\n"

/* A script for one helper: a line is read for each non-NULL entry, then the entry is said. */
struct script {
    const char *says[8];
    const char *errors; /* on standard error, before anything else */
    int status;
    bool lingers; /* waits for the end of input instead of ending */
    char heard[8][256];
};

static bool read_line(int fd, char *out, size_t size)
{
    size_t length = 0;
    char c;
    while (read(fd, &c, 1) == 1) {
        if (c == '\n') {
            out[length] = '\0';
            return true;
        }
        if (length + 1 < size)
            out[length++] = c;
    }
    return false;
}

static void say(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

static int run_script(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)command;
    struct script *script = owner;
    char line[256];
    if (script->errors)
        say(error_fd, script->errors, strlen(script->errors));
    for (size_t i = 0; i < 8 && script->says[i]; i++) {
        if (!read_line(in_fd, script->heard[i], sizeof script->heard[i]))
            return 1;
        say(out_fd, script->says[i], strlen(script->says[i]));
    }
    while (script->lingers && read_line(in_fd, line, sizeof line))
        ;
    return script->status;
}

struct talk {
    struct reach reach;
    struct connection *connection;
    struct helper *helper;
    struct err_info info;
};

static enum err talk_open(struct talk *talk, ssh_server_command *command, void *owner, const char *role)
{
    reach_start(&talk->reach, &(struct ssh_server_options){.command = command, .owner = owner});
    assert_ok(remote_dial(&talk->reach.target, SOON, REMOTE_NO_CANCEL, &talk->connection, &talk->reach.info),
        &talk->reach.info);
    return helper_open(talk->connection, role, 0, SOON, &talk->helper, &talk->info);
}

static void talk_close(struct talk *talk)
{
    helper_free(talk->helper);
    connection_free(talk->connection);
    reach_stop(&talk->reach);
}

static void talk_with(struct talk *talk, struct script *script)
{
    assert_ok(talk_open(talk, run_script, script, "viewer"), &talk->info);
}

static void hello_names_the_protocol_and_the_version(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer")}, .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    assert_string_equal(json_get_text(helper_hello(talk.helper), "version"), "0.1.0");
    assert_true(helper_can(talk.helper, "ping"));
    assert_false(helper_can(talk.helper, "site.restart"));
    assert_true(helper_is_alive(talk.helper));
    talk_close(&talk);
    assert_non_null(strstr(script.heard[0], "\"verb\":\"hello\""));
    assert_non_null(strstr(script.heard[0], "\"protocol\":1"));
    assert_non_null(strstr(script.heard[0], "\"idle_s\":120"));
}

/* What comes of a helper that never says a good hello. */
static void check_opening(struct script script, enum err expected, const char *message)
{
    struct talk talk;
    assert_int_equal(talk_open(&talk, run_script, &script, "viewer"), expected);
    assert_says(&talk.info, message);
    assert_says(&talk.info, "mosh01");
    assert_null(strchr(talk.info.message, '\x1b'));
    assert_null(talk.helper);
    talk_close(&talk);
}

static void a_missing_helper_is_told_from_the_shell_s_words(void **state)
{
    (void)state;
    check_opening(
        (struct script){.errors = "sh: 1: dogwatch-host: not found\n", .status = 127}, ERR_MISSING, "host add");
    check_opening(
        (struct script){.errors = "sudo: /usr/local/lib/dogwatch/dogwatch-host: command not found\n", .status = 1},
        ERR_MISSING, "not installed");
    check_opening((struct script){.status = 127}, ERR_MISSING, "not installed");
}

static void a_helper_that_sudo_refuses_is_denied(void **state)
{
    (void)state;
    check_opening((struct script){.errors = "sudo: a password is required\n", .status = 1}, ERR_DENIED, "sudo");
}

static void a_helper_of_another_protocol_is_a_version_error(void **state)
{
    (void)state;
    check_opening(
        (struct script){.says = {"{\"id\":1,\"ok\":{\"protocol\":2,\"role\":\"viewer\"}}\n"}, .lingers = true},
        ERR_VERSION, "protocol 2");
    check_opening((struct script){.says = {"{\"id\":1,\"error\":{\"code\":\"version\",\"message\":\"too new\"}}\n"},
                      .lingers = true},
        ERR_VERSION, "too new");
    check_opening((struct script){.says = {"{\"id\":1,\"ok\":{}}\n"}, .lingers = true}, ERR_VERSION, "protocol 0");
}

static void a_key_bound_to_another_role_is_noticed(void **state)
{
    (void)state;
    check_opening((struct script){.says = {HELLO("operator")}, .lingers = true}, ERR_DENIED, "another role");
}

static void a_host_that_prints_text_of_its_own_is_garbage_without_its_escapes(void **state)
{
    (void)state;
    check_opening(
        (struct script){.says = {"Welcome to \x1b[31mmosh01!\n"}, .lingers = true}, ERR_GARBAGE, "Welcome to");
    check_opening((struct script){.says = {"[1,2]\n"}, .lingers = true}, ERR_GARBAGE, "[1,2]");
    check_opening((struct script){.says = {"{\"id\":1,\"ok\":{\"proto"}}, ERR_GARBAGE, "middle of a line");
    check_opening((struct script){.says = {"{\"id\":1}\n"}, .lingers = true}, ERR_GARBAGE, "neither ok nor error");
}

static void a_helper_that_ends_at_once_is_closed_with_its_last_words(void **state)
{
    (void)state;
    check_opening((struct script){.errors = "policy file: line 3\nmore\n", .status = 3}, ERR_CLOSED,
        "status 3: policy file: line 3");
}

static int never_ends_its_line(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)owner;
    (void)command;
    (void)in_fd;
    (void)error_fd;
    char block[4096];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1024; i++)
        say(out_fd, block, sizeof block);
    return 0;
}

static void a_line_without_end_is_garbage_after_one_mebibyte(void **state)
{
    (void)state;
    struct talk talk;
    assert_int_equal(talk_open(&talk, never_ends_its_line, NULL, "viewer"), ERR_GARBAGE);
    assert_says(&talk.info, "longer than 1 MiB");
    talk_close(&talk);
}

static void a_silent_helper_runs_into_the_deadline(void **state)
{
    (void)state;
    struct script script = {.lingers = true};
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.command = run_script, .owner = &script});
    struct connection *connection;
    struct helper *helper;
    assert_ok(remote_dial(&reach.target, SOON, REMOTE_NO_CANCEL, &connection, &reach.info), &reach.info);
    assert_int_equal(helper_open(connection, "viewer", 0, AT_ONCE, &helper, &reach.info), ERR_TIMEOUT);
    connection_free(connection);
    reach_stop(&reach);
}

static void a_channel_that_is_never_opened_runs_into_the_deadline(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_STALLS_CHANNELS});
    struct connection *connection;
    struct helper *helper;
    assert_ok(remote_dial(&reach.target, SOON, REMOTE_NO_CANCEL, &connection, &reach.info), &reach.info);
    assert_int_equal(helper_open(connection, "viewer", 0, AT_ONCE, &helper, &reach.info), ERR_TIMEOUT);
    connection_free(connection);
    ssh_server_set_fault(reach.server, SSH_SERVER_REFUSES_CHANNELS);
    assert_ok(remote_dial(&reach.target, SOON, REMOTE_NO_CANCEL, &connection, &reach.info), &reach.info);
    assert_int_equal(helper_open(connection, "viewer", 0, SOON, &helper, &reach.info), ERR_DENIED);
    connection_free(connection);
    reach_stop(&reach);
}

static void count_progress(void *owner, const json_t *value)
{
    int64_t done = 0;
    assert_true(json_get_i64(value, "done", &done));
    *(int64_t *)owner = *(int64_t *)owner * 10 + done;
}

static void pushes_during_a_request_are_kept_in_order(void **state)
{
    (void)state;
    struct script script = {
        .says = {HELLO("viewer"),
            "{\"sample\":{\"seq\":1}}\n{\"future\":{}}\n{\"id\":2,\"progress\":{\"done\":1}}\n{\"inventory\":{\"seq\":"
            "2}}\n"
            "{\"id\":2,\"progress\":{\"done\":2}}\n{\"id\":2,\"ok\":{\"epoch_us\":5}}\n{\"log\":{\"seq\":3}}\n"},
        .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    int64_t progress = 0, value = 0;
    json_t *ok;
    assert_ok(helper_request(talk.helper, "ping", NULL, SOON, count_progress, &progress, &ok, &talk.info), &talk.info);
    assert_true(json_get_i64(ok, "epoch_us", &value) && value == 5);
    assert_int_equal(progress, 12);
    json_decref(ok);
    static const enum helper_event_kind kinds[] = {HELPER_SAMPLE, HELPER_INVENTORY, HELPER_LOG};
    for (int i = 0; i < 3; i++) {
        struct helper_event event;
        assert_ok(helper_next(talk.helper, SOON, &event, &talk.info), &talk.info);
        assert_int_equal(event.kind, kinds[i]);
        assert_true(json_get_i64(event.value, "seq", &value) && value == i + 1);
        json_decref(event.value);
    }
    struct helper_event event;
    assert_ok(helper_next(talk.helper, 0, &event, &talk.info), &talk.info);
    assert_int_equal(event.kind, HELPER_NOTHING);
    talk_close(&talk);
}

static void an_error_of_the_host_keeps_its_code_and_the_channel(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer"),
                                "{\"id\":2,\"error\":{\"code\":\"denied\",\"message\":\"not \\u001b[1mthis role\"}}\n",
                                "{\"id\":3,\"ok\":{}}\n"},
        .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    assert_int_equal(helper_request(talk.helper, "site.restart", NULL, SOON, NULL, NULL, NULL, &talk.info), ERR_DENIED);
    assert_says(&talk.info, "mosh01: not");
    assert_null(strchr(talk.info.message, '\x1b'));
    assert_true(helper_is_alive(talk.helper));
    assert_ok(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), &talk.info);
    talk_close(&talk);
}

static void a_late_answer_does_not_answer_the_next_request(void **state)
{
    (void)state;
    struct script script = {
        .says = {HELLO("viewer"), "\0", "{\"id\":2,\"ok\":{\"late\":true}}\n{\"id\":3,\"ok\":{\"late\":false}}\n"},
        .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    assert_int_equal(
        helper_request(talk.helper, "inventory", NULL, AT_ONCE, NULL, NULL, NULL, &talk.info), ERR_TIMEOUT);
    json_t *ok;
    bool late = true;
    assert_ok(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, &ok, &talk.info), &talk.info);
    assert_true(json_get_bool(ok, "late", &late) && !late);
    json_decref(ok);
    talk_close(&talk);
}

static void an_answer_to_what_was_sent_comes_out_of_next(void **state)
{
    (void)state;
    struct script script = {
        .says = {HELLO("viewer"),
            "{\"id\":2,\"progress\":{}}\n{\"id\":2,\"error\":{\"code\":\"busy\"}}\n{\"id\":2,\"ok\":{}}\n"},
        .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    int64_t id;
    assert_ok(helper_send(talk.helper, "site.status", json_pack("{s:s}", "site", "example.org"), SOON, &id, &talk.info),
        &talk.info);
    struct helper_event event;
    assert_ok(helper_next(talk.helper, SOON, &event, &talk.info), &talk.info);
    assert_true(event.kind == HELPER_PROGRESS && event.id == id);
    json_decref(event.value);
    assert_ok(helper_next(talk.helper, SOON, &event, &talk.info), &talk.info);
    assert_true(event.kind == HELPER_ERROR && event.id == id);
    assert_string_equal(json_get_text(event.value, "code"), "busy");
    json_decref(event.value);
    assert_ok(helper_next(talk.helper, 0, &event, &talk.info), &talk.info); /* its second end is not believed */
    assert_int_equal(event.kind, HELPER_NOTHING);
    talk_close(&talk);
    assert_non_null(strstr(script.heard[1], "\"args\":{\"site\":\"example.org\"}"));
}

static void what_came_before_the_end_is_still_delivered(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer"),
                                "{\"sample\":{\"seq\":1}}\n{\"error\":{\"code\":\"timeout\",\"message\":\"idle\"}}\n"}};
    struct talk talk;
    talk_with(&talk, &script);
    int64_t id;
    assert_ok(helper_send(talk.helper, "subscribe", NULL, SOON, &id, &talk.info), &talk.info);
    struct helper_event event;
    assert_ok(helper_next(talk.helper, SOON, &event, &talk.info), &talk.info);
    assert_int_equal(event.kind, HELPER_SAMPLE);
    json_decref(event.value);
    assert_int_equal(helper_next(talk.helper, SOON, &event, &talk.info), ERR_TIMEOUT);
    assert_says(&talk.info, "mosh01: idle");
    assert_false(helper_is_alive(talk.helper));
    assert_int_equal(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), ERR_TIMEOUT);
    talk_close(&talk);
}

static void a_cut_connection_is_closed(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer")}, .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    ssh_server_cut(talk.reach.server);
    struct helper_event event;
    assert_int_equal(helper_next(talk.helper, SOON, &event, &talk.info), ERR_CLOSED);
    assert_false(helper_is_alive(talk.helper));
    talk_close(&talk);
}

static void a_stopped_peer_is_noticed_by_the_ping_s_deadline(void **state)
{
    (void)state;
    struct script script = {
        .says = {HELLO("viewer"), "{\"id\":2,\"ok\":{}}\n", "{\"id\":3,\"ok\":{}}\n"}, .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    ssh_server_pause(talk.reach.server, true);
    assert_int_equal(helper_request(talk.helper, "ping", NULL, AT_ONCE, NULL, NULL, NULL, &talk.info), ERR_TIMEOUT);
    assert_says(&talk.info, "the answer to ping");
    ssh_server_pause(talk.reach.server, false);
    assert_ok(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), &talk.info);
    talk_close(&talk);
}

static void *wake_it(void *arg)
{
    helper_wake(arg);
    return NULL;
}

static void another_thread_wakes_the_listener(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer")}, .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    pthread_t thread;
    pthread_create(&thread, NULL, wake_it, talk.helper);
    struct helper_event event;
    assert_ok(helper_next(talk.helper, -1, &event, &talk.info), &talk.info);
    assert_int_equal(event.kind, HELPER_WOKEN);
    pthread_join(thread, NULL);
    assert_ok(helper_next(talk.helper, 0, &event, &talk.info), &talk.info);
    assert_int_equal(event.kind, HELPER_NOTHING);
    talk_close(&talk);
}

static int floods(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)owner;
    (void)command;
    (void)error_fd;
    char line[256];
    read_line(in_fd, line, sizeof line);
    say(out_fd, HELLO("viewer"), strlen(HELLO("viewer")));
    read_line(in_fd, line, sizeof line);
    char *text = xmalloc(200000);
    memset(text, 'y', 200000);
    for (int i = 0; i < 100; i++) {
        say(out_fd, "{\"log\":{\"text\":\"", 16);
        say(out_fd, text, 200000);
        say(out_fd, "\"}}\n", 4);
    }
    free(text);
    return 0;
}

static void a_flood_during_a_request_is_bounded(void **state)
{
    (void)state;
    struct talk talk;
    assert_ok(talk_open(&talk, floods, NULL, "viewer"), &talk.info);
    assert_int_equal(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), ERR_FULL);
    assert_false(helper_is_alive(talk.helper));
    talk_close(&talk);
}

static int floods_with_next_to_nothing(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)owner;
    (void)command;
    (void)error_fd;
    static const char line[] = "{\"event\":{}}\n";
    char request[256], *text = xmalloc(1000 * (sizeof line - 1) + 1);
    read_line(in_fd, request, sizeof request);
    say(out_fd, HELLO("viewer"), strlen(HELLO("viewer")));
    read_line(in_fd, request, sizeof request);
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    for (int i = 0; i < 30; i++) /* 390 KB */
        say(out_fd, text, 1000 * (sizeof line - 1));
    free(text);
    return 0;
}

/* An empty object is a hundred times as large in memory as on the line. */
static void a_flood_of_tiny_lines_is_bounded_too(void **state)
{
    (void)state;
    struct talk talk;
    assert_ok(talk_open(&talk, floods_with_next_to_nothing, NULL, "viewer"), &talk.info);
    assert_int_equal(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), ERR_FULL);
    talk_close(&talk);
}

static int echoes_role(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)owner;
    (void)error_fd;
    char line[256];
    bool operates = strstr(command, "--role operator") != NULL;
    read_line(in_fd, line, sizeof line);
    say(out_fd, operates ? HELLO("operator") : HELLO("viewer"), strlen(operates ? HELLO("operator") : HELLO("viewer")));
    for (int id = 2; read_line(in_fd, line, sizeof line); id++)
        dprintf(out_fd, "{\"id\":%d,\"ok\":{\"operates\":%s}}\n", id, operates ? "true" : "false");
    return 0;
}

static void two_helpers_share_a_connection_without_mixing_answers(void **state)
{
    (void)state;
    struct talk talk;
    assert_ok(talk_open(&talk, echoes_role, NULL, "viewer"), &talk.info);
    struct helper *second;
    assert_ok(helper_open(talk.connection, "operator", 0, SOON, &second, &talk.info), &talk.info);
    for (int i = 0; i < 6; i++) {
        json_t *ok;
        bool operates = false;
        assert_ok(
            helper_request(i % 2 ? second : talk.helper, "ping", NULL, SOON, NULL, NULL, &ok, &talk.info), &talk.info);
        assert_true(json_get_bool(ok, "operates", &operates));
        assert_int_equal(operates, i % 2);
        json_decref(ok);
    }
    helper_free(second);
    talk_close(&talk);
}

static void a_request_longer_than_the_protocol_allows_is_not_sent(void **state)
{
    (void)state;
    struct script script = {.says = {HELLO("viewer"), "{\"id\":3,\"ok\":{}}\n"}, .lingers = true};
    struct talk talk;
    talk_with(&talk, &script);
    char *text = xmalloc(70000);
    memset(text, 'z', 69999);
    text[69999] = '\0';
    assert_int_equal(
        helper_request(talk.helper, "ping", json_pack("{s:s}", "x", text), SOON, NULL, NULL, NULL, &talk.info),
        ERR_FULL);
    free(text);
    assert_ok(helper_request(talk.helper, "ping", NULL, SOON, NULL, NULL, NULL, &talk.info), &talk.info);
    talk_close(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_names_the_protocol_and_the_version),
        cmocka_unit_test(a_missing_helper_is_told_from_the_shell_s_words),
        cmocka_unit_test(a_helper_that_sudo_refuses_is_denied),
        cmocka_unit_test(a_helper_of_another_protocol_is_a_version_error),
        cmocka_unit_test(a_key_bound_to_another_role_is_noticed),
        cmocka_unit_test(a_host_that_prints_text_of_its_own_is_garbage_without_its_escapes),
        cmocka_unit_test(a_helper_that_ends_at_once_is_closed_with_its_last_words),
        cmocka_unit_test(a_line_without_end_is_garbage_after_one_mebibyte),
        cmocka_unit_test(a_silent_helper_runs_into_the_deadline),
        cmocka_unit_test(a_channel_that_is_never_opened_runs_into_the_deadline),
        cmocka_unit_test(pushes_during_a_request_are_kept_in_order),
        cmocka_unit_test(an_error_of_the_host_keeps_its_code_and_the_channel),
        cmocka_unit_test(a_late_answer_does_not_answer_the_next_request),
        cmocka_unit_test(an_answer_to_what_was_sent_comes_out_of_next),
        cmocka_unit_test(what_came_before_the_end_is_still_delivered),
        cmocka_unit_test(a_cut_connection_is_closed),
        cmocka_unit_test(a_stopped_peer_is_noticed_by_the_ping_s_deadline),
        cmocka_unit_test(another_thread_wakes_the_listener),
        cmocka_unit_test(a_flood_during_a_request_is_bounded),
        cmocka_unit_test(a_flood_of_tiny_lines_is_bounded_too),
        cmocka_unit_test(two_helpers_share_a_connection_without_mixing_answers),
        cmocka_unit_test(a_request_longer_than_the_protocol_allows_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
