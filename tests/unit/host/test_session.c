/* One connection over a socket pair: what ends it, what it says then, and that lines stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host/session.h"
#include "tests/unit/host/lasting.h"

#define LIMIT_MS 20000
#define MOST_BYTES (16 * 1024 * 1024)

struct peer {
    int fd, stop_fd;
    int other_fd; /* the session's end */
    struct session *session;
    pthread_t thread;
    struct buf in;
    bool unread;  /* the test did not read all */
    int requests; /* the session's thread; read after it was joined */
};

static void count_and_answer(struct session *session, const json_t *request, void *context)
{
    struct peer *peer = context;
    int64_t id = 0;
    json_get_i64(request, "id", &id);
    peer->requests++;
    session_answer(session, id, json_object());
}

static void *serve(void *argument)
{
    struct peer *peer = argument;
    session_run(peer->session, peer->stop_fd);
    return NULL;
}

static void connect_peer(struct peer *peer)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *peer =
        (struct peer){.fd = ends[0], .other_fd = ends[1], .stop_fd = eventfd(0, EFD_CLOEXEC), .in = BUF(MOST_BYTES)};
    peer->session = last(session_new(ends[1], ends[1], count_and_answer, peer));
}

static void start_peer(struct peer *peer)
{
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

static void say(struct peer *peer, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t wrote = send(peer->fd, text + done, length - done, MSG_NOSIGNAL);
        assert_true(wrote > 0);
        done += (size_t)wrote;
    }
}

/* The next line as JSON; NULL where none comes. */
static json_t *hear(struct peer *peer)
{
    char chunk[4096], *newline;
    while (!(newline = peer->in.length ? memchr(peer->in.data, '\n', peer->in.length) : NULL)) {
        struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
        ssize_t got = poll(&wait, 1, LIMIT_MS) == 1 ? read(peer->fd, chunk, sizeof chunk) : 0;
        if (got <= 0)
            return NULL;
        assert_int_equal(buf_append(&peer->in, chunk, (size_t)got), ERR_OK);
    }
    json_t *line = NULL;
    size_t length = (size_t)(newline - peer->in.data);
    assert_int_equal(json_parse(peer->in.data, length, &line, NULL), ERR_OK);
    buf_consume(&peer->in, length + 1);
    return line;
}

static void expect_end(struct peer *peer, const char *code)
{
    json_t *line = hear(peer);
    assert_non_null(line);
    assert_null(json_object_get(line, "id"));
    assert_string_equal(json_get_text(json_object_get(line, "error"), "code"), code);
    json_decref(line);
}

static void disconnect(struct peer *peer)
{
    pthread_join(peer->thread, NULL); /* hangs, and the run times out, where the session does not end */
    assert_true(session_is_ending(peer->session));
    char more;
    if (!peer->unread)
        assert_true(recv(peer->fd, &more, 1, MSG_DONTWAIT) <= 0); /* what ended has nothing more to say */
    close(peer->fd);
    close(peer->stop_fd);
    buf_free(&peer->in);
}

static void test_requests_in_any_pieces_are_answered_in_order(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    start_peer(&peer);
    static const char text[] = "{\"id\":1}\n\n{\"id\":2,\"verb\":\"\\n\"}\n{\"id\":3}\n";
    for (size_t i = 0; i < sizeof text - 1; i++)
        say(&peer, text + i, 1);
    for (int64_t expected = 1; expected <= 3; expected++) {
        int64_t id = 0;
        json_t *line = hear(&peer);
        assert_true(json_get_i64(line, "id", &id));
        assert_int_equal(id, expected);
        json_decref(line);
    }
    shutdown(peer.fd, SHUT_WR); /* the end of input ends it, with nothing to say */
    disconnect(&peer);
    assert_int_equal(peer.requests, 3);
}

static void test_what_is_no_request_ends_it_as_garbage(void **state)
{
    (void)state;
    static const char *const bad[] = {"nonsense\n", "[1,2]\n", "{\"id\":1\n", "{\"id\":1,\"id\":2}\n", "\"\xff\"\n",
        "{\"a\":\"\xc3\x28\"}\n", "\x16\x03\x01\x02\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct peer peer;
        connect_peer(&peer);
        start_peer(&peer);
        say(&peer, bad[i], strlen(bad[i]));
        say(&peer, "{\"id\":9}\n", 9);
        expect_end(&peer, "garbage");
        disconnect(&peer);
        assert_int_equal(peer.requests, 0);
    }
}

/* A request of exactly that many bytes, its newline counted in. */
static char *request_of(size_t size)
{
    static const char head[] = "{\"id\":1,\"verb\":\"", tail[] = "\"}\n";
    char *text = xmalloc(size + 1);
    memset(text, 'x', size);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + size - (sizeof tail - 1), tail, sizeof tail);
    return text;
}

static void test_a_line_may_be_64_kib_and_no_longer(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    start_peer(&peer);
    char *fits = request_of(65536), *too_long = request_of(65537);
    say(&peer, fits, 65536);
    json_t *line = hear(&peer);
    assert_non_null(json_object_get(line, "ok"));
    json_decref(line);
    say(&peer, too_long, 65537);
    expect_end(&peer, "garbage");
    disconnect(&peer);
    connect_peer(&peer); /* and without any newline it does not wait for one */
    start_peer(&peer);
    say(&peer, too_long, 65536);
    expect_end(&peer, "garbage");
    disconnect(&peer);
    free(fits);
    free(too_long);
}

static void test_silence_ends_it_with_its_reason(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    session_set_idle(peer.session, 20 * USEC_PER_MSEC);
    start_peer(&peer);
    expect_end(&peer, "timeout");
    disconnect(&peer);
}

static void test_being_told_to_stop_ends_it_with_its_reason(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    start_peer(&peer);
    assert_int_equal(write(peer.stop_fd, &(uint64_t){1}, 8), 8);
    expect_end(&peer, "cancelled");
    disconnect(&peer);
}

static json_t *large_value(char letter)
{
    static const size_t size = 100000;
    char *text = xmalloc(size + 1);
    memset(text, letter, size);
    text[size] = '\0';
    json_t *value = json_object();
    json_put_text(value, "text", text);
    free(text);
    return value;
}

static void test_a_peer_that_does_not_read_ends_it(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    peer.unread = true;
    session_set_write_limit(peer.session, 50 * USEC_PER_MSEC);
    start_peer(&peer);
    for (int i = 0; i < 1000 && !session_is_ending(peer.session); i++)
        session_push(peer.session, "sample", large_value('a'));
    assert_true(session_is_ending(peer.session));
    disconnect(&peer);
}

static void test_a_peer_that_is_gone_ends_it(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    close(peer.fd);
    peer.fd = -1;
    session_push(peer.session, "sample", json_object());
    assert_true(session_is_ending(peer.session));
    start_peer(&peer);
    disconnect(&peer);
}

/* One line that no socket buffer holds: its writer must wait in the middle of it. */
static void *push_a_long_line(void *argument)
{
    json_t *list = json_array();
    for (int i = 0; i < 9; i++)
        json_array_append_new(list, large_value('a'));
    session_push(argument, "sample", list);
    return NULL;
}

/* A writer that waits for the peer is not waited for: the end of input ends all. */
static void test_the_end_of_input_frees_a_waiting_writer(void **state)
{
    (void)state;
    struct peer peer;
    pthread_t writer;
    connect_peer(&peer);
    peer.unread = true;
    session_set_write_limit(peer.session, 3600 * USEC_PER_SEC);
    start_peer(&peer);
    assert_int_equal(setsockopt(peer.other_fd, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int)), 0);
    assert_int_equal(pthread_create(&writer, NULL, push_a_long_line, peer.session), 0);
    struct pollfd room = {.fd = peer.other_fd, .events = POLLOUT};
    for (int i = 0; i < LIMIT_MS && poll(&room, 1, 0) > 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(poll(&room, 1, 0), 0);
    shutdown(peer.fd, SHUT_WR);
    pthread_join(writer, NULL);
    disconnect(&peer);
}

#define WRITERS 4
#define PUSHES 60

static void *push_many(void *argument)
{
    struct session *session = argument;
    for (int i = 0; i < PUSHES; i++)
        session_push(session, "sample", large_value((char)('a' + i % 26)));
    return NULL;
}

static void test_lines_of_many_threads_stay_whole(void **state)
{
    (void)state;
    struct peer peer;
    pthread_t writers[WRITERS];
    connect_peer(&peer);
    start_peer(&peer);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, push_many, peer.session), 0);
    for (int i = 0; i < WRITERS * PUSHES; i++) {
        json_t *line = hear(&peer);
        const char *text = json_get_text(json_object_get(line, "sample"), "text");
        assert_non_null(text);
        assert_int_equal(strspn(text, (char[]){text[0], '\0'}), 100000);
        json_decref(line);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    shutdown(peer.fd, SHUT_WR);
    disconnect(&peer);
}

static void test_an_answer_longer_than_a_line_becomes_an_error(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    json_t *list = json_array();
    for (int i = 0; i < 11; i++)
        json_array_append_new(list, large_value('a'));
    session_answer(peer.session, 5, list);
    int64_t id = 0;
    json_t *line = hear(&peer);
    assert_true(json_get_i64(line, "id", &id));
    assert_int_equal(id, 5);
    assert_string_equal(json_get_text(json_object_get(line, "error"), "code"), "full");
    json_decref(line);
    close(peer.fd);
    peer.fd = -1;
    buf_free(&peer.in);
}

static void *wait_long(void *argument)
{
    return session_wait(argument, 3600 * USEC_PER_SEC) ? argument : NULL;
}

static void test_the_end_wakes_those_who_wait(void **state)
{
    (void)state;
    struct peer peer;
    pthread_t waiter;
    void *ended = NULL;
    connect_peer(&peer);
    assert_false(session_wait(peer.session, 1));
    assert_int_equal(pthread_create(&waiter, NULL, wait_long, peer.session), 0);
    session_end(peer.session, NULL);
    pthread_join(waiter, &ended);
    assert_non_null(ended);
    start_peer(&peer);
    disconnect(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_in_any_pieces_are_answered_in_order),
        cmocka_unit_test(test_what_is_no_request_ends_it_as_garbage),
        cmocka_unit_test(test_a_line_may_be_64_kib_and_no_longer),
        cmocka_unit_test(test_silence_ends_it_with_its_reason),
        cmocka_unit_test(test_being_told_to_stop_ends_it_with_its_reason),
        cmocka_unit_test(test_a_peer_that_does_not_read_ends_it),
        cmocka_unit_test(test_a_peer_that_is_gone_ends_it),
        cmocka_unit_test(test_the_end_of_input_frees_a_waiting_writer),
        cmocka_unit_test(test_lines_of_many_threads_stay_whole),
        cmocka_unit_test(test_an_answer_longer_than_a_line_becomes_an_error),
        cmocka_unit_test(test_the_end_wakes_those_who_wait),
    };
    signal(SIGPIPE, SIG_IGN); /* as main does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
