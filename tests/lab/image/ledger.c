/* The ledger: a site that proves which writes it acknowledged. GET or POST /append?n=N appends the line N to its book,
 * has it on the disk, and only then answers "ok N"; /list answers with the book; /slow?ms=N answers after so long; /
 * welcomes.
 *
 * One thread a connection, all sharing the book's descriptor (O_APPEND keeps lines whole). SIGTERM: no new connections,
 * requests under way are answered, exit status 0. Statically linked, the only program of the lab's image "ledger".
 *
 *     coop-ledger talk ADDRESS PORT    instead: a datagram there every millisecond, as something broken into would */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES 8192 /* request line and headers */
#define IDLE_MS 30000      /* a connection without a request */
#define STACK_BYTES 131072 /* of a connection's thread */
#define GOODBYE_MS 8000    /* what is under way may take so long after SIGTERM; podman kills after 10 s */
#define BOOK "/var/lib/ledger/book"

static int book = -1, told_to_stop[2];
static atomic_bool stopping;
static atomic_int under_way;

struct request {
    char text[REQUEST_BYTES]; /* request line and headers, then the beginning of the body */
    size_t length;
    bool keep;
};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static bool send_all(int fd, const char *bytes, size_t length, int flags)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | flags);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool answer(int fd, bool keep, const char *status, const char *body, size_t length)
{
    char head[256];
    int head_length = snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n", status, length,
        keep ? "keep-alive" : "close");
    return send_all(fd, head, (size_t)head_length, length ? MSG_MORE : 0) && send_all(fd, body, length, 0);
}

/* --- what it can do ----------------------------------------------------------------------------------------------- */

/* Written and on the disk, or an answer that says it is not. */
static bool append(int fd, bool keep, long long number)
{
    char line[32];
    int length = snprintf(line, sizeof line, "%lld\n", number);
    if (write(book, line, (size_t)length) != length || fdatasync(book) < 0)
        return answer(fd, false, "500 Internal Server Error", "not written\n", 12);
    length = snprintf(line, sizeof line, "ok %lld\n", number);
    return answer(fd, keep, "200 OK", line, (size_t)length);
}

static bool list(int fd, bool keep)
{
    struct stat status;
    char *all = NULL;
    bool good = false;
    if (fstat(book, &status) == 0 && (all = malloc((size_t)status.st_size + 1)) != NULL) {
        ssize_t length = pread(book, all, (size_t)status.st_size, 0);
        good = length >= 0 && answer(fd, keep, "200 OK", all, (size_t)length);
    }
    free(all);
    return good;
}

static bool welcome(int fd, bool keep)
{
    const char *site = getenv("SITE");
    char text[256];
    int length = snprintf(text, sizeof text, "Welcome to the ledger of %s\n", site ? site : "nobody");
    return answer(fd, keep, "200 OK", text, (size_t)length);
}

static bool serve_one(int fd, struct request *request)
{
    char *path = strchr(request->text, ' '), *query = path ? strchr(path + 1, '=') : NULL;
    bool keep = request->keep && !stopping;
    if (!path++)
        return answer(fd, false, "400 Bad Request", "", 0);
    if (strncmp(path, "/append?n=", 10) == 0)
        return append(fd, keep, strtoll(query + 1, NULL, 10));
    if (strncmp(path, "/list ", 6) == 0)
        return list(fd, keep);
    if (strncmp(path, "/slow?ms=", 9) == 0)
        pause_ms(strtol(query + 1, NULL, 10));
    if (strncmp(path, "/slow?ms=", 9) == 0 || strncmp(path, "/ ", 2) == 0)
        return welcome(fd, keep);
    return answer(fd, keep, "404 Not Found", "no such page\n", 13);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

/* False when the other side is gone, or it is time to go. The idle look around for that. */
static bool receive_some(int fd, struct request *request)
{
    for (int waited_ms = 0; waited_ms < IDLE_MS; waited_ms += 100) {
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100) > 0) {
            ssize_t got = recv(fd, request->text + request->length, sizeof request->text - 1 - request->length, 0);
            if (got <= 0)
                return false;
            request->length += (size_t)got;
            request->text[request->length] = '\0';
            return true;
        }
        if (stopping && request->length == 0)
            return false;
    }
    return false;
}

static size_t body_length(const char *headers)
{
    const char *line = strcasestr(headers, "\r\nContent-Length:");
    return line ? strtoul(line + 17, NULL, 10) : 0;
}

/* Reads one request, its body being read and thrown away. What came after it is left in the buffer for the next. */
static bool receive_request(int fd, struct request *request)
{
    char *end;
    while ((end = strstr(request->text, "\r\n\r\n")) == NULL)
        if (request->length >= sizeof request->text - 1 || !receive_some(fd, request))
            return false;
    char next = end[4];
    end[4] = '\0';
    size_t body = body_length(request->text), head = (size_t)(end + 4 - request->text);
    request->keep = !strcasestr(request->text, "\r\nConnection: close");
    end[4] = next;
    while (request->length - head < body) {
        body -= request->length - head;
        request->length = head;
        if (!receive_some(fd, request))
            return false;
    }
    request->text[head - 1] = '\0'; /* the rest, body and next request, begins at head */
    memmove(request->text + head, request->text + head + body, request->length - head - body + 1);
    request->length -= body;
    return true;
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    struct request *request = calloc(1, sizeof *request);
    bool good = request != NULL;
    while (good && receive_request(fd, request)) {
        size_t head = strlen(request->text) + 1;
        under_way++;
        good = serve_one(fd, request) && request->keep && !stopping;
        under_way--;
        request->length -= head;
        memmove(request->text, request->text + head, request->length + 1);
    }
    free(request);
    shutdown(fd, SHUT_WR);
    close(fd);
    return NULL;
}

static void take_all(int listener, const pthread_attr_t *attributes)
{
    int fd;
    pthread_t thread;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        if (pthread_create(&thread, attributes, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
}

/* --- what it does once it is broken into ------------------------------------------------------------------------- */

static int talk(const char *address, const char *port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &there.sin_addr) != 1)
        return 1;
    for (;;) {
        (void)!sendto(fd, "tick\n", 5, 0, (const struct sockaddr *)&there, sizeof there);
        pause_ms(1);
    }
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void on_term(int signal)
{
    int kept = errno;
    (void)!write(told_to_stop[1], &signal, 1);
    errno = kept;
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        return -1;
    return fd;
}

static int fail(const char *what)
{
    fprintf(stderr, "ledger: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "talk") == 0)
        return talk(argv[2], argv[3]);
    const char *port = getenv("PORT");
    pthread_attr_t attributes;
    if (pipe2(told_to_stop, O_CLOEXEC) < 0 || (book = open(BOOK, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
        return fail(BOOK);
    int listener = listen_on(port ? port : "8080");
    if (listener < 0)
        return fail("cannot listen");
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_term}, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    printf("ledger: open on port %s\n", port ? port : "8080");
    fflush(stdout);
    struct pollfd sources[] = {{.fd = listener, .events = POLLIN}, {.fd = told_to_stop[0], .events = POLLIN}};
    while (!sources[1].revents) {
        poll(sources, 2, -1);
        take_all(listener, &attributes);
    }
    stopping = true;
    take_all(listener, &attributes); /* those that connected before the door closes get their answer */
    close(listener);
    for (int ms = 0; ms < GOODBYE_MS && (ms < 200 || under_way > 0); ms += 10)
        pause_ms(10);
    printf("ledger: closed\n");
    return 0;
}
