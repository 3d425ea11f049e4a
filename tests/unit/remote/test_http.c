/* One GET: what comes back, and what is refused. Against a server of a few lines in this process. */
#include "tests/unit/remote/reach.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/http.h"

struct web {
    const char *answer; /* NULL: never answers */
    int fd;
    uint16_t port;
    pthread_t thread;
    char request[2048];
};

static void *web_run(void *arg)
{
    struct web *web = arg;
    int fd = accept4(web->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t length = 0;
    ssize_t got;
    while (!strstr(web->request, "\r\n\r\n") && length < sizeof web->request - 1 &&
           (got = read(fd, web->request + length, sizeof web->request - 1 - length)) > 0)
        length += (size_t)got;
    if (web->answer && send(fd, web->answer, strlen(web->answer), MSG_NOSIGNAL) < 0)
        web->request[0] = '\0';
    char rest[512];
    if (web->answer)
        shutdown(fd, SHUT_WR);
    if (!web->answer) { /* until the client gives up */
        struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
        poll(&gone, 1, 10000);
    }
    while (web->answer && read(fd, rest, sizeof rest) > 0)
        ;
    close(fd);
    return NULL;
}

static void web_start(struct web *web, const char *answer)
{
    *web = (struct web){.answer = answer, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(web->fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(web->fd, 4), 0);
    assert_int_equal(getsockname(web->fd, (struct sockaddr *)&at, &size), 0);
    web->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&web->thread, NULL, web_run, web), 0);
}

static void web_stop(struct web *web)
{
    shutdown(web->fd, SHUT_RDWR);
    pthread_join(web->thread, NULL);
    close(web->fd);
}

/* GET http://site.example/page, sent to the test's server. */
static enum err get(
    struct web *web, size_t ceiling, int64_t timeout_us, int *status, struct buf *body, struct err_info *info)
{
    char place[40];
    str_format(place, sizeof place, "127.0.0.1:%u", web->port);
    *body = BUF(ceiling);
    struct http_request request = {.url = "http://site.example/page",
        .host_header = "www.site.example",
        .connect_to = place,
        .timeout_us = timeout_us,
        .ceiling = ceiling};
    return http_get(&request, status, body, info);
}

static void a_page_is_got_from_the_given_place_under_the_given_name(void **state)
{
    (void)state;
    struct web web;
    struct buf body;
    struct err_info info;
    int status;
    web_start(&web, "HTTP/1.1 503 Busy\r\nContent-Length: 7\r\n\r\nWelcome");
    assert_ok(get(&web, 1000, SOON, &status, &body, &info), &info);
    web_stop(&web);
    assert_int_equal(status, 503);
    assert_string_equal(buf_text(&body), "Welcome");
    assert_true(str_starts(web.request, "GET /page HTTP/1.1\r\n"));
    assert_non_null(strstr(web.request, "\r\nHost: www.site.example\r\n"));
    buf_free(&body);
}

static void a_long_body_stops_at_its_ceiling(void **state)
{
    (void)state;
    struct web web;
    struct buf body;
    struct err_info info;
    int status;
    web_start(&web, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n0123456789");
    assert_ok(get(&web, 4, SOON, &status, &body, &info), &info);
    web_stop(&web);
    assert_int_equal(status, 200);
    assert_string_equal(buf_text(&body), "0123");
    buf_free(&body);
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    struct web web;
    struct buf body;
    struct err_info info;
    int status;
    web_start(&web, "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n");
    assert_ok(get(&web, 100, SOON, &status, &body, &info), &info);
    web_stop(&web);
    assert_int_equal(status, 302);
    buf_free(&body);
}

static void what_is_no_answer_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum err err;
        int64_t timeout_us;
    } table[] = {{"", ERR_CLOSED, SOON}, {"SSH-2.0-OpenSSH\r\n\r\n", ERR_INVALID, SOON}, {NULL, ERR_TIMEOUT, AT_ONCE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", ERR_CLOSED, SOON}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct web web;
        struct buf body;
        struct err_info info;
        int status;
        web_start(&web, table[i].answer);
        enum err err = get(&web, 1000, table[i].timeout_us, &status, &body, &info);
        web_stop(&web);
        if (err != table[i].err)
            print_error("%zu: %s: %s\n", i, err_word(err), info.message);
        assert_int_equal(err, table[i].err);
        assert_int_equal(status, 0);
        assert_says(&info, "http://site.example/page at 127.0.0.1:");
        buf_free(&body);
    }
}

static void other_schemes_and_split_headers_are_refused(void **state)
{
    (void)state;
    struct err_info info;
    int status;
    struct http_request request = {.url = "file:///etc/hostname", .timeout_us = SOON, .ceiling = 100};
    assert_int_equal(http_get(&request, &status, NULL, &info), ERR_INVALID);
    request.url = "http://127.0.0.1:1/";
    request.host_header = "a\r\nX-Evil: 1";
    assert_int_equal(http_get(&request, &status, NULL, &info), ERR_INVALID);
    request.host_header = NULL;
    assert_int_equal(http_get(&request, &status, NULL, &info), ERR_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_got_from_the_given_place_under_the_given_name),
        cmocka_unit_test(a_long_body_stops_at_its_ceiling),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(what_is_no_answer_is_told_apart),
        cmocka_unit_test(other_schemes_and_split_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
