/* A real proxy for a test: in a network of the test's own, configured below the test's tree, with small web servers
 * behind it and clients that can be left waiting. */
#ifndef TESTS_UNIT_HOST_PROXY_BENCH_H
#define TESTS_UNIT_HOST_PROXY_BENCH_H

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/run.h"
#include "tests/unit/host/asking.h"

#define PROXY_PORT 8080
#define BENCH_PATIENCE_US (20 * USEC_PER_SEC)

/* --- a network with nothing in it but its loopback ---------------------------------------------------------------- */

static inline bool bench_own_network(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return is_up;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

#define assert_asked(verb, args)                                                                                       \
    do {                                                                                                               \
        if (ask(verb, args) != ERR_OK)                                                                                 \
            fail_msg("%s", info.message);                                                                              \
    } while (0)

static inline void assert_answer(const char *key, const char *wanted)
{
    const char *text = json_get_text(answer, key);
    assert_string_equal(text ? text : "(none)", wanted);
}

static inline int64_t answered_number(const char *key)
{
    int64_t number = -1;
    json_get_i64(answer, key, &number);
    return number;
}

/* --- docs/proxy.md ------------------------------------------------------------------------------------------------ */

static inline void bench_add_line(struct buf *text, const char *line, size_t length, const char *const moved[])
{
    for (size_t at = 0; at < length;) {
        size_t step = 1;
        for (size_t i = 0; moved[i]; i += 2)
            if (strncmp(line + at, moved[i], strlen(moved[i])) == 0) {
                buf_printf(text, "%s%s", tree.root, moved[i + 1]);
                step = strlen(moved[i]);
                break;
            }
        if (step == 1)
            buf_append(text, line + at, 1);
        at += step;
    }
    buf_putc(text, '\n');
}

/* The indented block of the manual in which that line is the first, without the indentation; paths in `moved` (path,
 * what it is below the tree, …, NULL) lead into the tree. The caller frees. */
static inline char *bench_manual(const char *first_line, const char *const moved[])
{
    struct buf manual = BUF(1 << 20), text = BUF(1 << 16);
    assert_int_equal(buf_read_file(&manual, "docs/proxy.md", NULL), ERR_OK);
    char *title = xasprintf("\n    %s\n", first_line);
    const char *line = strstr(buf_text(&manual), title);
    assert_non_null(line);
    for (line++; str_starts(line, "    ") || *line == '\n'; line = strchr(line, '\n') + 1)
        if (*line != '\n')
            bench_add_line(&text, line + 4, (size_t)(strchr(line, '\n') - line) - 4, moved);
    free(title);
    buf_free(&manual);
    return buf_take(&text);
}

/* Take the first place of `what` out, put `by` in; frees `text`. */
static inline char *bench_instead(char *text, const char *what, const char *by)
{
    char *at = strstr(text, what);
    if (!at)
        fail_msg("the manual lacks: %s", what);
    char *changed = xasprintf("%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
    free(text);
    return changed;
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static inline pid_t bench_start(const char *const argv[])
{
    char log[TREE_PATH_SIZE];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    FILE *file = freopen(tree_path(&tree, log, "/log"), "a", stderr);
    dup2(file ? fileno(file) : STDERR_FILENO, STDOUT_FILENO);
    execv(argv[0], (char *const *)argv);
    _exit(126);
}

static inline void bench_end(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (int64_t until_us = clock_mono_us() + 5 * USEC_PER_SEC; waitpid(pid, NULL, WNOHANG) == 0;) {
        if (clock_mono_us() > until_us)
            kill(pid, SIGKILL);
        poll(NULL, 0, 10);
    }
}

/* --- web servers: every request on a connection of its own is answered with the server's name and the body's length;
 * one for /slow only after `slow` was written to ---------------------------------------------------------------------
 */

struct origin {
    pid_t pid;
    int slow; /* a byte written here lets /slow end */
};

static inline int bench_listen(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0)
        abort();
    return fd;
}

static inline void origin_serve(int fd, const char *name, int slow)
{
    static char request[8192], reply[256];
    size_t have = 0, body = 0, wanted = 0;
    char *end = NULL, byte;
    while (!end && have < sizeof request - 1) {
        ssize_t got = read(fd, request + have, sizeof request - 1 - have);
        if (got <= 0)
            return;
        have += (size_t)got;
        request[have] = '\0';
        end = strstr(request, "\r\n\r\n");
    }
    const char *header = strcasestr(request, "content-length:");
    wanted = header ? strtoul(header + 15, NULL, 10) : 0;
    body = end ? have - (size_t)(end + 4 - request) : 0;
    while (body < wanted) {
        static char rest[65536];
        ssize_t got = read(fd, rest, sizeof rest);
        if (got <= 0)
            return;
        body += (size_t)got;
    }
    if (strstr(request, " /slow") && read(slow, &byte, 1) != 1)
        return;
    str_format(reply, sizeof reply, "%s %zu", name, body);
    dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(reply), reply);
}

static inline struct origin origin_start(int port, const char *name)
{
    int ends[2], listener = bench_listen(port);
    assert_int_equal(pipe(ends), 0);
    struct origin origin = {.pid = fork(), .slow = ends[1]};
    if (origin.pid > 0) {
        close(ends[0]);
        close(listener);
        return origin;
    }
    close(ends[1]);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fork() == 0) {
            close(listener);
            origin_serve(fd, name, ends[0]);
            _exit(0);
        }
        close(fd);
    }
}

static inline void origin_end(struct origin *origin)
{
    if (origin->pid <= 0)
        return;
    kill(origin->pid, SIGKILL);
    waitpid(origin->pid, NULL, 0);
    close(origin->slow);
    *origin = (struct origin){0};
}

/* --- the bench: a proxy, and two web servers called "one" and "two" behind it --------------------------------------
 */

static const char *program; /* the proxy's; NULL: it cannot be tested here */
static pid_t proxy;
static struct origin one, two; /* ports 8081, 8082 */

/* Find the proxy's program, and make a network for it and us. */
static inline void bench_need(const char *name, const char *const places[])
{
    signal(SIGPIPE, SIG_IGN);
    program = run_find(places);
    if (!program) {
        printf("skipped: %s is not installed\n", name);
    } else if (!bench_own_network()) {
        puts("skipped: no network namespace of its own is to be had");
        program = NULL;
    }
}

static inline void need_proxy(void)
{
    if (!program)
        skip();
}

static inline void bench_begin(void)
{
    asking_begin();
    tree_write(&tree, "/var/lib/none", "");
    assert_asked(verb_lease_take, "{\"site\":\"a.org\",\"job\":\"7\",\"holder\":\"anna\",\"ttl_s\":600}");
    one = origin_start(8081, "one");
    two = origin_start(8082, "two");
}

static inline int bench_teardown(void **state)
{
    if (!program)
        return 0;
    bench_end(proxy);
    origin_end(&one);
    origin_end(&two);
    return asking_end(state);
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

/* Send a request and leave it; a body of so many bytes makes it a POST. */
static inline int visit(const char *path, const char *domain, size_t body)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PROXY_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *bytes = xcalloc(1, body + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    dprintf(fd, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", body ? "POST" : "GET",
        path, domain, body);
    /* what does not fit into the sockets yet is sent by a child of its own */
    if (body && fork() == 0) {
        for (size_t done = 0; done < body;) {
            ssize_t sent = send(fd, bytes + done, body - done, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            done += (size_t)sent;
        }
        _exit(0);
    }
    free(bytes);
    return fd;
}

static inline bool is_answered(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

/* The whole answer, with its status line; the connection is closed. */
static inline const char *hear(int fd)
{
    static char text[8192];
    size_t length = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (length < sizeof text - 1 && poll(&wait, 1, (int)(BENCH_PATIENCE_US / USEC_PER_MSEC)) == 1) {
        ssize_t got = read(fd, text + length, sizeof text - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
    close(fd);
    return text;
}

static inline void assert_hears(int fd, const char *status, const char *words)
{
    const char *text = hear(fd);
    if (!strstr(text, status) || !strstr(text, words))
        fail_msg("wanted %s and \"%s\", heard: %s", status, words, text);
}

static inline bool bench_serves(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool serves = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return serves;
}

static inline void assert_file(const char *path, const char *wanted)
{
    struct buf text = BUF(65536);
    char full[TREE_PATH_SIZE];
    assert_int_equal(buf_read_file(&text, tree_path(&tree, full, path), NULL), ERR_OK);
    assert_string_equal(buf_text(&text), wanted);
    buf_free(&text);
}

/* Wait for a condition. */
#define assert_soon(condition)                                                                                         \
    do {                                                                                                               \
        int64_t until_us_ = clock_mono_us() + BENCH_PATIENCE_US;                                                       \
        while (!(condition)) {                                                                                         \
            if (clock_mono_us() > until_us_)                                                                           \
                fail_msg("never: " #condition);                                                                        \
            poll(NULL, 0, 10);                                                                                         \
        }                                                                                                              \
    } while (0)

#endif
