/* Visitors: a constant number of requests a second through a proxy, whatever becomes of the earlier ones, each with a
 * number of its own; and what they saw, as JSON. A request that waits does not hold up those after it (no coordinated
 * omission): its latency counts from when it was due.
 *
 *     load --to 198.18.0.10:80 --host ledger.example --rate 50 --output FILE      until SIGTERM, or --seconds N
 *
 * One thread, one poll loop. After the end it waits --linger for the answers that are still due: a connection that
 * leads to a host that is gone would keep it as long as --timeout. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"

#define ANSWER_BYTES 4096
#define BODY_LIMIT 1000000
#define IN_FLIGHT_LIMIT 16384

enum phase { PHASE_FREE, PHASE_IDLE, PHASE_SENDING, PHASE_RECEIVING };

struct visit {
    enum phase phase;
    int fd;
    int64_t number, due_mono_us;
    bool reused; /* on a connection that had served another one */
    char *request;
    size_t request_length, sent;
    char answer[ANSWER_BYTES];
    size_t received;
};

struct failure {
    int64_t number, at_us, after_us; /* at: wall clock */
    int status;                      /* of HTTP; 0: none came */
    char why[96];
};

struct load {
    const char *to, *host, *path, *expect;
    struct sockaddr_in address;
    int64_t rate, first, post_bytes, timeout_us, linger_us, end_mono_us; /* end 0: until told */
    int64_t give_up_mono_us;                                             /* once stopping */
    bool keep_alive, stopping;
    VEC(struct visit *) visits;
    VEC(int64_t) acknowledged, latencies_us;
    VEC(struct failure) failures;
    int64_t sent, stale, began_mono_us, last_good_mono_us, gap_us, gap_began_us; /* gap: without a success */
};

/* --- one request -------------------------------------------------------------------------------------------------- */

/* `text` with each % replaced by the number. */
static void put_numbered(struct buf *out, const char *text, int64_t number)
{
    for (; *text; text++) {
        if (*text == '%')
            buf_printf(out, "%lld", (long long)number);
        else
            buf_putc(out, *text);
    }
}

static void write_request(const struct load *load, struct visit *visit)
{
    struct buf text = BUF((size_t)load->post_bytes + 4096);
    buf_puts(&text, load->post_bytes ? "POST " : "GET ");
    put_numbered(&text, load->path, visit->number);
    buf_printf(
        &text, " HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n", load->host, load->keep_alive ? "keep-alive" : "close");
    if (load->post_bytes)
        buf_printf(&text, "Content-Type: text/plain\r\nContent-Length: %lld\r\n", (long long)load->post_bytes);
    buf_puts(&text, "\r\n");
    for (int64_t i = 0; i < load->post_bytes; i++)
        buf_putc(&text, i % 64 == 63 ? '\n' : 'x');
    free(visit->request);
    visit->request_length = text.length;
    visit->request = buf_take(&text);
}

static void leave(struct visit *visit)
{
    if (visit->fd >= 0)
        close(visit->fd);
    visit->fd = -1;
    visit->phase = PHASE_FREE;
}

static void fail(struct load *load, struct visit *visit, int status, const char *why)
{
    struct failure *failure = vec_add(&load->failures);
    failure->number = visit->number;
    failure->after_us = clock_mono_us() - visit->due_mono_us;
    failure->at_us = clock_wall_us() - failure->after_us;
    failure->status = status;
    str_copy(failure->why, sizeof failure->why, why);
    leave(visit);
}

static void connect_anew(struct load *load, struct visit *visit)
{
    visit->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    visit->reused = false;
    if (visit->fd < 0 ||
        (connect(visit->fd, (const struct sockaddr *)&load->address, sizeof load->address) < 0 && errno != EINPROGRESS))
        fail(load, visit, 0, strerror(errno));
}

static void begin(struct load *load, struct visit *visit)
{
    bool reused = visit->phase == PHASE_IDLE;
    write_request(load, visit);
    visit->phase = PHASE_SENDING;
    visit->sent = visit->received = 0;
    visit->reused = reused;
    if (!reused)
        connect_anew(load, visit);
}

/* As browsers do: a connection that was closed while nobody used it is no failure of the request. */
static bool begin_again(struct load *load, struct visit *visit)
{
    if (!visit->reused || visit->received > 0)
        return false;
    load->stale++;
    leave(visit);
    begin(load, visit);
    return true;
}

static void succeed(struct load *load, struct visit *visit, bool keep)
{
    int64_t now_us = clock_mono_us(), gap_us = now_us - load->last_good_mono_us;
    if (gap_us > load->gap_us) {
        load->gap_us = gap_us;
        load->gap_began_us = clock_wall_us() - gap_us;
    }
    load->last_good_mono_us = now_us;
    vec_push(&load->acknowledged, visit->number);
    vec_push(&load->latencies_us, now_us - visit->due_mono_us);
    if (keep)
        visit->phase = PHASE_IDLE;
    else
        leave(visit);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void judge(struct load *load, struct visit *visit, const char *body)
{
    struct buf expected = BUF(1024);
    int status = str_starts(visit->answer, "HTTP/1.") ? (int)strtol(visit->answer + 9, NULL, 10) : 0;
    put_numbered(&expected, load->expect, visit->number);
    bool keep = load->keep_alive && !strcasestr(visit->answer, "\r\nConnection: close");
    if (status != 200)
        fail(load, visit, status, "not 200");
    else if (!str_starts(body, buf_text(&expected)))
        fail(load, visit, status, "another answer");
    else
        succeed(load, visit, keep);
    buf_free(&expected);
}

/* The beginning of the answer's body if all that matters of it is there. */
static const char *whole_body(const struct visit *visit, bool closed)
{
    const char *end = strstr(visit->answer, "\r\n\r\n");
    if (!end)
        return NULL;
    const char *line = strcasestr(visit->answer, "\r\nContent-Length:");
    size_t length = line && line < end ? strtoul(line + 17, NULL, 10) : SIZE_MAX;
    size_t there = visit->received - (size_t)(end + 4 - visit->answer);
    return there >= length || closed || visit->received == ANSWER_BYTES - 1 ? end + 4 : NULL;
}

static void receive(struct load *load, struct visit *visit)
{
    ssize_t got = recv(visit->fd, visit->answer + visit->received, ANSWER_BYTES - 1 - visit->received, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 && begin_again(load, visit))
        return;
    if (got > 0)
        visit->received += (size_t)got;
    visit->answer[visit->received] = '\0';
    const char *body = whole_body(visit, got <= 0);
    if (body)
        judge(load, visit, body);
    else if (got <= 0)
        fail(load, visit, 0, got < 0 ? strerror(errno) : "closed without an answer");
}

static void send_more(struct load *load, struct visit *visit)
{
    ssize_t sent = send(visit->fd, visit->request + visit->sent, visit->request_length - visit->sent, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0) {
        if (!begin_again(load, visit))
            fail(load, visit, 0, strerror(errno));
        return;
    }
    visit->sent += (size_t)sent;
    if (visit->sent == visit->request_length)
        visit->phase = PHASE_RECEIVING;
}

static void go_on(struct load *load, struct visit *visit, short events)
{
    if (visit->phase == PHASE_IDLE)
        leave(visit); /* closed by the other side: nothing else comes unasked */
    else if (visit->phase == PHASE_SENDING && (events & POLLIN) && visit->sent > 0)
        receive(load, visit); /* answered before it was all read, such as a refusal */
    else if (visit->phase == PHASE_SENDING)
        send_more(load, visit);
    else
        receive(load, visit);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

static struct visit *take_place(struct load *load)
{
    struct visit *free_one = NULL;
    vec_each (&load->visits, struct visit *, place) {
        if ((*place)->phase == PHASE_IDLE)
            return *place;
        if ((*place)->phase == PHASE_FREE)
            free_one = *place;
    }
    if (free_one || load->visits.count >= IN_FLIGHT_LIMIT)
        return free_one;
    struct visit *visit = xcalloc(1, sizeof *visit);
    visit->fd = -1;
    vec_push(&load->visits, visit);
    return visit;
}

static int64_t next_due_mono_us(const struct load *load)
{
    return load->began_mono_us + load->sent * USEC_PER_SEC / load->rate;
}

static void send_what_is_due(struct load *load)
{
    while (!load->stopping && next_due_mono_us(load) <= clock_mono_us()) {
        struct visit *visit = take_place(load), nobody = {.fd = -1};
        struct visit *who = visit ? visit : &nobody;
        who->number = load->first + load->sent;
        who->due_mono_us = next_due_mono_us(load);
        load->sent++;
        if (visit)
            begin(load, visit);
        else
            fail(load, &nobody, 0, "too many requests wait");
    }
}

static size_t give_up_the_late(struct load *load)
{
    size_t waiting = 0;
    int64_t now_us = clock_mono_us();
    bool too_late_for_all = load->stopping && now_us > load->give_up_mono_us;
    vec_each (&load->visits, struct visit *, place) {
        struct visit *visit = *place;
        bool under_way = visit->phase == PHASE_SENDING || visit->phase == PHASE_RECEIVING;
        if (under_way && (too_late_for_all || now_us - visit->due_mono_us > load->timeout_us))
            fail(load, visit, 0, too_late_for_all ? "no answer when all others had theirs" : "no answer in time");
        else if (under_way)
            waiting++;
    }
    return waiting;
}

static void stop(struct load *load)
{
    load->stopping = true;
    load->give_up_mono_us = clock_mono_us() + load->linger_us;
}

static void wait_for_events(struct load *load, int signals)
{
    static struct pollfd sources[IN_FLIGHT_LIMIT + 1];
    size_t count = load->visits.count;
    sources[count] = (struct pollfd){.fd = load->stopping ? -1 : signals, .events = POLLIN}; /* it stays readable */
    for (size_t i = 0; i < count; i++) {
        const struct visit *visit = load->visits.items[i];
        short events = visit->phase == PHASE_SENDING ? POLLOUT | POLLIN : POLLIN;
        sources[i] = (struct pollfd){.fd = visit->fd, .events = events};
    }
    int64_t left_us = load->stopping ? 100 * USEC_PER_MSEC : next_due_mono_us(load) - clock_mono_us();
    struct timespec timeout = {
        .tv_sec = left_us > 0 ? left_us / USEC_PER_SEC : 0, .tv_nsec = left_us > 0 ? left_us % USEC_PER_SEC * 1000 : 0};
    ppoll(sources, count + 1, &timeout, NULL);
    if (sources[count].revents)
        stop(load);
    for (size_t i = 0; i < count; i++)
        if (sources[i].revents && load->visits.items[i]->fd == sources[i].fd)
            go_on(load, load->visits.items[i], sources[i].revents);
}

static void run(struct load *load, int signals)
{
    load->began_mono_us = load->last_good_mono_us = clock_mono_us();
    while (!load->stopping || give_up_the_late(load) > 0) {
        give_up_the_late(load);
        send_what_is_due(load);
        wait_for_events(load, signals);
        if (!load->stopping && load->end_mono_us && clock_mono_us() >= load->end_mono_us)
            stop(load);
    }
}

/* --- the result --------------------------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double percentile_ms(const struct load *load, unsigned percent)
{
    size_t count = load->latencies_us.count;
    return count ? (double)load->latencies_us.items[(count - 1) * percent / 100] / USEC_PER_MSEC : 0.0;
}

static json_t *describe_failure(const struct failure *failure)
{
    json_t *object = json_object();
    json_put_i64(object, "number", failure->number);
    json_put_i64(object, "at_us", failure->at_us);
    json_put_i64(object, "after_ms", failure->after_us / USEC_PER_MSEC);
    json_put_i64(object, "status", failure->status);
    json_put_text(object, "why", failure->why);
    return object;
}

static json_t *describe(struct load *load)
{
    json_t *result = json_object(), *acknowledged = json_array(), *failures = json_array();
    if (load->latencies_us.count)
        qsort(load->latencies_us.items, load->latencies_us.count, sizeof *load->latencies_us.items, compare);
    json_put_i64(result, "sent", load->sent);
    json_put_i64(result, "ok", (int64_t)load->acknowledged.count);
    json_put_i64(result, "failed", (int64_t)load->failures.count);
    json_put_i64(result, "stale_connections", load->stale);
    json_put_number(result, "median_ms", percentile_ms(load, 50));
    json_put_number(result, "p99_ms", percentile_ms(load, 99));
    json_put_number(result, "worst_ms", percentile_ms(load, 100));
    json_put_i64(result, "gap_ms", load->gap_us / USEC_PER_MSEC);
    json_put_i64(result, "gap_began_us", load->gap_began_us);
    vec_each (&load->failures, const struct failure, failure)
        json_array_append_new(failures, describe_failure(failure));
    vec_each (&load->acknowledged, const int64_t, number)
        json_array_append_new(acknowledged, json_integer(*number));
    json_object_set_new(result, "failures", failures);
    json_object_set_new(result, "acknowledged", acknowledged);
    return result;
}

static enum err write_result(struct load *load, const char *path, struct err_info *info)
{
    json_t *result = describe(load);
    int failed = path ? json_dump_file(result, path, JSON_COMPACT) : json_dumpf(result, stdout, JSON_COMPACT);
    json_decref(result);
    return failed ? err_set(info, ERR_IO, "cannot write the result to %s", path ? path : "standard output") : ERR_OK;
}

static void release(struct load *load)
{
    vec_each (&load->visits, struct visit *, place) {
        leave(*place);
        free((*place)->request);
        free(*place);
    }
    vec_free(&load->visits);
    vec_free(&load->acknowledged);
    vec_free(&load->latencies_us);
    vec_free(&load->failures);
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static enum err parse_address(struct load *load, struct err_info *info)
{
    char address[64];
    int64_t port = 0;
    const char *colon = load->to ? strchr(load->to, ':') : NULL;
    if (!colon || !str_to_i64(colon + 1, 1, 65535, &port) ||
        !str_format(address, sizeof address, "%.*s", (int)(colon - load->to), load->to) ||
        inet_pton(AF_INET, address, &load->address.sin_addr) != 1)
        return err_set(info, ERR_INVALID, "--to wants ADDRESS:PORT");
    load->address.sin_family = AF_INET;
    load->address.sin_port = htons((uint16_t)port);
    return load->host ? ERR_OK : err_set(info, ERR_INVALID, "--host is missing");
}

struct numbers {
    const char *rate, *first, *post, *timeout, *linger, *seconds;
};

static enum err parse_numbers(struct load *load, const struct numbers *text, struct err_info *info)
{
    int64_t seconds = 0, timeout_s = 60, linger_s = 15;
    const struct {
        const char *name, *text;
        int64_t least, most, *out;
    } all[] = {{"--rate", text->rate, 1, 10000, &load->rate},
        {"--first", text->first, 1, INT64_C(1) << 40, &load->first},
        {"--post", text->post, 1, BODY_LIMIT, &load->post_bytes}, {"--timeout", text->timeout, 1, 3600, &timeout_s},
        {"--linger", text->linger, 0, 3600, &linger_s}, {"--seconds", text->seconds, 1, 86400, &seconds}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].text && !str_to_i64(all[i].text, all[i].least, all[i].most, all[i].out))
            return err_set(info, ERR_INVALID, "%s wants a number from %lld to %lld", all[i].name,
                (long long)all[i].least, (long long)all[i].most);
    load->timeout_us = timeout_s * USEC_PER_SEC;
    load->linger_us = linger_s * USEC_PER_SEC;
    load->end_mono_us = seconds ? clock_mono_us() + seconds * USEC_PER_SEC : 0;
    return ERR_OK;
}

static int catch_end(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    struct load load = {.path = "/append?n=%", .expect = "ok %\n", .rate = 50, .first = 1};
    struct numbers numbers = {0};
    const char *output = NULL;
    const struct cli_option options[] = {
        {"to", "ADDRESS:PORT", "the proxy", &load.to, NULL},
        {"host", "NAME", "the site's domain", &load.host, NULL},
        {"path", "PATH", "what is asked for; % is the request's number (/append?n=%)", &load.path, NULL},
        {"expect", "TEXT", "how a good answer begins; % is the number (ok %)", &load.expect, NULL},
        {"rate", "N", "requests a second (50)", &numbers.rate, NULL},
        {"first", "N", "the first number (1)", &numbers.first, NULL},
        {"seconds", "N", "end after so long, not when told", &numbers.seconds, NULL},
        {"post", "BYTES", "POST so many bytes instead of GET", &numbers.post, NULL},
        {"timeout", "SECONDS", "how long an answer may take (60)", &numbers.timeout, NULL},
        {"linger", "SECONDS", "after the end wait so long for answers that are due (15)", &numbers.linger, NULL},
        {"keep-alive", NULL, "use connections again", NULL, &load.keep_alive},
        {"output", "FILE", "where the result goes; standard output else", &output, NULL},
        {0},
    };
    struct cli cli = {.usage = "load --to ADDRESS:PORT --host NAME [OPTION…]",
        .summary = "Constant load, and what became of each request.",
        .options = options};
    struct err_info info = {0};
    int signals = catch_end();
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (!err && !cli.help)
        err = parse_address(&load, &info);
    if (!err && !cli.help)
        err = parse_numbers(&load, &numbers, &info);
    if (!err && !cli.help) {
        run(&load, signals);
        err = write_result(&load, output, &info);
    }
    release(&load);
    cli_free(&cli);
    close(signals);
    return err ? cli_fail(&info) : 0;
}
