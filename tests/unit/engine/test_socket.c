/* The engine's socket against clients of every kind, and the client against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "engine/client.h"
#include "engine/socket.h"
#include "tests/unit/engine/state_dir.h"

struct fixture {
    char *dir;
    struct server *server;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool holding; /* "hold" waits while this is set */
    int held;
    uid_t asked_by;
};

/* {"command":"echo"} gives the request back, "hold" waits, "fail" is refused. */
static json_t *answer(void *owner, const struct peer *peer, const json_t *request)
{
    struct fixture *f = owner;
    const char *command = json_get_text(request, "command");
    json_t *result = json_object();
    pthread_mutex_lock(&f->mutex);
    f->asked_by = peer->uid;
    f->held += command && strcmp(command, "hold") == 0;
    pthread_cond_broadcast(&f->changed);
    while (f->holding && command && strcmp(command, "hold") == 0)
        pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
    if (command && strcmp(command, "fail") == 0)
        json_object_set_new(result, "error", json_pack("{s:s,s:s}", "code", "busy", "message", "somebody holds it"));
    else
        json_object_set_new(result, "ok", json_deep_copy(request));
    return result;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err_info info = {0};
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->dir = state_dir_new();
    if (server_start(f->dir, answer, f, &f->server, &info) != ERR_OK)
        fail_msg("%s", info.message);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    server_free(f->server);
    state_dir_free(f->dir);
    free(f);
    return 0;
}

static json_t *command(const char *name)
{
    json_t *request = json_object();
    json_put_text(request, "command", name);
    return request;
}

static int dial(struct fixture *f)
{
    struct sockaddr_un address;
    int directory, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(socket_address(f->dir, &address, &directory, NULL), ERR_OK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (directory >= 0)
        close(directory);
    return fd;
}

/* All that comes until the other side closes. */
static void read_to_end(int fd, char *out, size_t size)
{
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = recv(fd, out + length, size - 1 - length, 0)) > 0)
        length += (size_t)got;
    out[length] = '\0';
}

static void echo_works(struct fixture *f)
{
    json_t *ok;
    struct err_info info = {0};
    if (client_ask(f->dir, command("echo"), &ok, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(ok);
}

static void answer_belongs_to_its_request_and_the_kernel_says_who_asks(void **state)
{
    struct fixture *f = *state;
    struct client *client;
    assert_int_equal(client_open(f->dir, &client, NULL), ERR_OK);
    for (int i = 0; i < 3; i++) {
        json_t *request = command("echo"), *ok;
        int64_t number = -1;
        json_put_i64(request, "number", i);
        json_put_i64(request, "uid", 12345); /* nobody believes it */
        assert_int_equal(client_request(client, request, DEADLINE_US, &ok, NULL), ERR_OK);
        assert_true(json_get_i64(ok, "number", &number));
        assert_int_equal(number, i);
        json_decref(ok);
    }
    client_free(client);
    assert_int_equal(f->asked_by, geteuid());
}

static void refusal_comes_with_its_code_and_words(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    json_t *ok;
    assert_int_equal(client_ask(f->dir, command("fail"), &ok, &info), ERR_BUSY);
    assert_string_equal(info.message, "somebody holds it");
    assert_null(ok);
}

static void socket_is_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    char *path = paths_join(f->dir, SOCKET_NAME);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    free(path);
}

static void group_of_a_shared_state_directory_may_ask(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    char *path = paths_join(f->dir, SOCKET_NAME);
    server_free(f->server);
    chmod(f->dir, 0750);
    assert_int_equal(server_start(f->dir, answer, f, &f->server, NULL), ERR_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    free(path);
}

static void garbage_is_refused_and_the_connection_ends(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {"garbage\n", "\x01\x02\xff\n", "{\"a\":1,\"a\":2}\n", "{\"command\":\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[512];
        int fd = dial(f);
        assert_true(send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL) > 0);
        read_to_end(fd, text, sizeof text);
        close(fd);
        assert_non_null(strstr(text, "\"garbage\""));
    }
    echo_works(f);
}

static void request_that_is_no_object_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[512];
    int fd = dial(f);
    assert_true(send(fd, "[1,2]\n", 6, MSG_NOSIGNAL) == 6);
    shutdown(fd, SHUT_WR);
    read_to_end(fd, text, sizeof text);
    close(fd);
    assert_non_null(strstr(text, "a request is a JSON object"));
}

static void giant_line_is_refused_at_its_limit(void **state)
{
    struct fixture *f = *state;
    char piece[65536], text[512];
    memset(piece, 'x', sizeof piece);
    int fd = dial(f);
    size_t sent = 0;
    ssize_t got;
    while (sent < 16 * SOCKET_LINE_MAX && (got = send(fd, piece, sizeof piece, MSG_NOSIGNAL)) > 0)
        sent += (size_t)got;
    assert_true(sent < 16 * SOCKET_LINE_MAX);
    read_to_end(fd, text, sizeof text);
    close(fd);
    echo_works(f);
}

static void half_a_line_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_true(send(fd, "{\"comm", 6, MSG_NOSIGNAL) == 6);
    echo_works(f);
    close(fd);
    WAIT_UNTIL(server_connections(f->server) == 0);
}

static void slow_answer_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    f->holding = true;
    int fd = dial(f);
    assert_true(send(fd, "{\"command\":\"hold\"}\n", 19, MSG_NOSIGNAL) == 19);
    pthread_mutex_lock(&f->mutex);
    while (!f->held)
        pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
    echo_works(f);
    pthread_mutex_lock(&f->mutex);
    f->holding = false;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
    close(fd);
}

static void connection_too_many_is_told_so_and_room_is_used_again(void **state)
{
    struct fixture *f = *state;
    int fds[SOCKET_CONNECTIONS_MAX];
    char text[512];
    for (size_t i = 0; i < SOCKET_CONNECTIONS_MAX; i++)
        fds[i] = dial(f);
    WAIT_UNTIL(server_connections(f->server) == SOCKET_CONNECTIONS_MAX);
    int one_more = dial(f);
    read_to_end(one_more, text, sizeof text);
    close(one_more);
    assert_non_null(strstr(text, "\"busy\""));
    for (size_t i = 0; i < SOCKET_CONNECTIONS_MAX; i++)
        close(fds[i]);
    WAIT_UNTIL(server_connections(f->server) == 0);
    echo_works(f);
}

static void several_requests_in_one_piece_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    char text[512];
    const char *lines = "{\"id\":7,\"command\":\"echo\"}\n\n{\"id\":8,\"command\":\"fail\"}\n";
    int fd = dial(f);
    assert_true(send(fd, lines, strlen(lines), MSG_NOSIGNAL) > 0);
    shutdown(fd, SHUT_WR);
    read_to_end(fd, text, sizeof text);
    close(fd);
    const char *first = strstr(text, "\"id\":7"), *second = strstr(text, "\"error\"");
    assert_true(first && second && first < second);
}

static void end_of_the_server_ends_connections_that_idle(void **state)
{
    struct fixture *f = *state;
    char text[64];
    int fd = dial(f);
    WAIT_UNTIL(server_connections(f->server) == 1);
    server_free(f->server);
    f->server = NULL;
    read_to_end(fd, text, sizeof text);
    assert_string_equal(text, "");
    close(fd);
    struct err_info info = {0};
    json_t *ok;
    assert_int_equal(client_ask(f->dir, command("echo"), &ok, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "dogwatch engine"));
}

static void socket_left_by_a_dead_engine_is_replaced(void **state)
{
    struct fixture *f = *state;
    server_free(f->server);
    struct sockaddr_un address;
    int directory, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socket_address(f->dir, &address, &directory, NULL);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* the file stays */
    json_t *ok;
    assert_int_equal(client_ask(f->dir, command("echo"), &ok, NULL), ERR_REFUSED);
    assert_int_equal(server_start(f->dir, answer, f, &f->server, NULL), ERR_OK);
    echo_works(f);
}

static void state_directory_with_a_very_long_path_works(void **state)
{
    struct fixture *f = *state;
    char name[200];
    server_free(f->server);
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *deep = paths_join(f->dir, name);
    assert_int_equal(mkdir(deep, 0700), 0);
    assert_int_equal(server_start(deep, answer, f, &f->server, NULL), ERR_OK);
    json_t *ok;
    assert_int_equal(client_ask(deep, command("echo"), &ok, NULL), ERR_OK);
    json_decref(ok);
    free(deep);
}

static void client_gives_up_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    struct client *client;
    json_t *ok;
    f->holding = true;
    assert_int_equal(client_open(f->dir, &client, NULL), ERR_OK);
    assert_int_equal(client_request(client, command("hold"), 20 * USEC_PER_MSEC, &ok, NULL), ERR_TIMEOUT);
    client_free(client);
    pthread_mutex_lock(&f->mutex);
    f->holding = false;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_belongs_to_its_request_and_the_kernel_says_who_asks),
        TEST(refusal_comes_with_its_code_and_words),
        TEST(socket_is_for_its_owner_alone),
        TEST(group_of_a_shared_state_directory_may_ask),
        TEST(garbage_is_refused_and_the_connection_ends),
        TEST(request_that_is_no_object_is_refused),
        TEST(giant_line_is_refused_at_its_limit),
        TEST(half_a_line_holds_up_nobody),
        TEST(slow_answer_holds_up_nobody),
        TEST(connection_too_many_is_told_so_and_room_is_used_again),
        TEST(several_requests_in_one_piece_are_answered_in_order),
        TEST(end_of_the_server_ends_connections_that_idle),
        TEST(socket_left_by_a_dead_engine_is_replaced),
        TEST(state_directory_with_a_very_long_path_works),
        TEST(client_gives_up_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
