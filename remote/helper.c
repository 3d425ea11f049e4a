/* The asker's side of docs/protocol.md. Everything is read in one place (absorb), block by block, cut into lines,
 * checked, and put where it belongs: the answer somebody waits for, or the queue that helper_next empties. A line is at
 * most 1 MiB, the queue at most 4 MiB; past that, or on anything that is no protocol, the helper is broken for good
 * and every call says so once the queue is empty. Runs in the connection's thread, but for helper_wake. */
#include "remote/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "base/vec.h"
#include "remote/session.h"
#include "remote/stream.h"

#define PROTOCOL 1
#define LINE_CEILING (1u << 20)
#define REQUEST_CEILING 65536u
#define QUEUE_CEILING (4u << 20) /* as text; in memory up to sixteen times as much */
#define LINE_OVERHEAD 256u       /* what a line costs, however short it is */
#define STDERR_CEILING 4096u
#define BLOCK_BYTES 16384u
#define IDLE_DEFAULT_S 120
#define EXIT_WAIT_US (2 * USEC_PER_SEC)

/* How fast a host is read once it has sent more than any honest one would at once. A backlog of logs comes in whole,
 * only slower; a host that sends without end costs a few per cent of a core, and no other host waits for it. */
#define PACE_BURST_BYTES (64 << 20)
#define PACE_BYTES_S (4 << 20)

struct queued {
    struct helper_event event;
    size_t bytes; /* of its line */
};

struct pace {
    int64_t room_bytes; /* below 0: too much was read */
    int64_t filled_mono_us;
};

struct helper {
    struct connection *connection;
    ssh_channel channel;
    struct pace pace;
    char role[16];
    int wake_fd;
    int64_t heard_mono_us;
    int64_t last_id;
    json_t *hello;

    struct buf in;     /* what was read but is no whole line yet */
    struct buf errors; /* the beginning of standard error */
    VEC(struct queued) queue;
    size_t queue_first; /* index of the oldest */
    size_t queue_bytes;
    VEC(int64_t) sent; /* asked with helper_send, not ended yet */

    int64_t awaited; /* the request helper_request waits for; 0: none */
    enum helper_event_kind answer_kind;
    json_t *answer;
    helper_progress *progress;
    void *progress_owner;

    struct err_info broken; /* code ERR_OK while the channel works */
};

/* --- the end of it -------------------------------------------------------------------------------------------- */

static enum err break_with(struct helper *helper, enum err code, const char *text)
{
    if (helper->broken.code == ERR_OK)
        err_set(&helper->broken, code, "%s: %s", helper->connection->name, text);
    return helper->broken.code;
}

static enum err say_broken(const struct helper *helper, struct err_info *info)
{
    return err_set(info, helper->broken.code, "%s", helper->broken.message);
}

static enum err garbage(struct helper *helper, const char *what, const char *line, size_t length)
{
    char excerpt[128], text[256];
    sanitize(excerpt, sizeof excerpt, line, length < 80 ? length : 80);
    str_format(text, sizeof text, "%s: \"%s\"", what, excerpt);
    return break_with(helper, ERR_GARBAGE, text);
}

static enum err code_of_word(const char *word)
{
    for (enum err code = ERR_OK + 1; word && code < ERR_COUNT; code++)
        if (strcmp(err_word(code), word) == 0)
            return code;
    return ERR_FAILED;
}

/* What the host's own programs say when they cannot start the helper. */
static const struct {
    const char *says;
    enum err code;
    const char *meaning;
} start_failures[] = {
    {"command not found", ERR_MISSING, "dogwatch-host is not installed there; run: dogwatch host add"},
    {"not found", ERR_MISSING, "dogwatch-host is not installed there; run: dogwatch host add"},
    {"No such file", ERR_MISSING, "dogwatch-host is not installed there; run: dogwatch host add"},
    {"password is required", ERR_DENIED, "sudo there does not allow the helper; run: dogwatch host add"},
    {"not allowed", ERR_DENIED, "the host does not allow the helper to run; run: dogwatch host add"},
    {"sudoers", ERR_DENIED, "sudo there does not allow the helper; run: dogwatch host add"},
    {"not available", ERR_DENIED, "the login there is disabled"},
};

static enum err explain_end(struct helper *helper)
{
    struct wait wait = wait_within(EXIT_WAIT_US, helper->connection->cancel_fd);
    int status = stream_exit_status(helper->connection, helper->channel, &wait);
    char said[200], text[600];
    sanitize(said, sizeof said, buf_text(&helper->errors), strcspn(buf_text(&helper->errors), "\n"));
    if (helper->hello) {
        str_format(text, sizeof text, "the helper ended%s%s", *said ? ": " : "", said);
        return break_with(helper, ERR_CLOSED, text);
    }
    size_t known = sizeof start_failures / sizeof *start_failures;
    for (size_t i = 0; i < known; i++) {
        if (!strstr(said, start_failures[i].says) && !(status == 127 && i == 0))
            continue;
        str_format(text, sizeof text, "%s (%s)", start_failures[i].meaning, *said ? said : "exit status 127");
        return break_with(helper, start_failures[i].code, text);
    }
    str_format(text, sizeof text, "the helper ended before it said hello (exit status %d%s%s)", status,
        *said ? ": " : "", said);
    return break_with(helper, ERR_CLOSED, text);
}

static enum err session_lost(struct helper *helper)
{
    struct err_info info = {0};
    enum err err = session_error(helper->connection, ERR_OK, "the connection was lost", &info);
    if (helper->broken.code == ERR_OK)
        helper->broken = info;
    return err;
}

/* --- what comes in -------------------------------------------------------------------------------------------- */

static enum err enqueue(struct helper *helper, enum helper_event_kind kind, int64_t id, json_t *value, size_t bytes)
{
    bytes += LINE_OVERHEAD;
    if (helper->queue_bytes + bytes > QUEUE_CEILING)
        return break_with(helper, ERR_FULL, "sends more than can be kept while a request is waited for");
    struct queued *queued = vec_add(&helper->queue);
    *queued = (struct queued){.event = {.kind = kind, .id = id, .value = json_incref(value)}, .bytes = bytes};
    helper->queue_bytes += bytes;
    return ERR_OK;
}

static bool forget_sent(struct helper *helper, int64_t id, bool ended)
{
    for (size_t i = 0; i < helper->sent.count; i++) {
        if (helper->sent.items[i] != id)
            continue;
        if (ended)
            helper->sent.items[i] = helper->sent.items[--helper->sent.count];
        return true;
    }
    return false;
}

/* About one request. An answer nobody waits for any more is dropped. */
static enum err take_answer(struct helper *helper, int64_t id, enum helper_event_kind kind, json_t *value, size_t bytes)
{
    bool ended = kind != HELPER_PROGRESS;
    if (id == helper->awaited && ended) {
        helper->answer_kind = kind;
        helper->answer = json_incref(value);
        helper->awaited = 0;
    } else if (id == helper->awaited) {
        if (helper->progress)
            helper->progress(helper->progress_owner, value);
    } else if (forget_sent(helper, id, ended)) {
        return enqueue(helper, kind, id, value, bytes);
    }
    return ERR_OK;
}

static enum err take_connection_error(struct helper *helper, const json_t *error)
{
    const char *message = json_get_text(error, "message");
    char text[300];
    sanitize(text, sizeof text, message ? message : "an error without a message", message ? strlen(message) : 26);
    return break_with(helper, code_of_word(json_get_text(error, "code")), text);
}

static const struct {
    const char *member;
    enum helper_event_kind kind;
} answers[] = {{"ok", HELPER_OK}, {"error", HELPER_ERROR}, {"progress", HELPER_PROGRESS}},
  pushes[] = {{"sample", HELPER_SAMPLE}, {"inventory", HELPER_INVENTORY}, {"log", HELPER_LOG}, {"event", HELPER_EVENT}};

static enum err take_message(struct helper *helper, const json_t *message, size_t bytes)
{
    int64_t id = 0;
    if (json_get_i64(message, "id", &id)) {
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
            json_t *value = json_object_get(message, answers[i].member);
            if (json_is_object(value))
                return take_answer(helper, id, answers[i].kind, value, bytes);
        }
        return break_with(helper, ERR_GARBAGE, "an answer with neither ok nor error");
    }
    for (size_t i = 0; i < sizeof pushes / sizeof *pushes; i++) {
        json_t *value = json_object_get(message, pushes[i].member);
        if (json_is_object(value))
            return enqueue(helper, pushes[i].kind, 0, value, bytes);
    }
    const json_t *error = json_object_get(message, "error");
    return json_is_object(error) ? take_connection_error(helper, error) : ERR_OK; /* unknown kinds are ignored */
}

static enum err take_line(struct helper *helper, const char *line, size_t length)
{
    if (length > LINE_CEILING)
        return garbage(helper, "sent a line longer than 1 MiB", line, length);
    json_t *message = NULL;
    if (json_parse(line, length, &message, NULL) != ERR_OK || !json_is_object(message)) {
        json_decref(message);
        return garbage(helper, "something else than the helper speaks there", line, length);
    }
    helper->heard_mono_us = clock_mono_us();
    helper->pace.room_bytes -= LINE_OVERHEAD;
    enum err err = take_message(helper, message, length);
    json_decref(message);
    return err;
}

/* Handle every whole line that is there; `searched` bytes of the buffer are known to hold no newline. */
static enum err take_lines(struct helper *helper, size_t searched)
{
    struct buf *in = &helper->in;
    size_t start = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        const char *from = in->data + start + searched;
        const char *newline = memchr(from, '\n', in->length - start - searched);
        if (!newline)
            break;
        size_t end = (size_t)(newline - in->data);
        err = take_line(helper, in->data + start, end - start);
        start = end + 1;
        searched = 0;
    }
    buf_consume(in, start);
    return err;
}

static void read_errors(struct helper *helper)
{
    char block[1024];
    ssize_t got;
    while ((got = stream_read(helper->channel, true, block, sizeof block)) > 0)
        buf_append(&helper->errors, block, (size_t)got); /* past the ceiling it is discarded */
}

/* Wait until what was read fits the pace. sshd and the host's helper wait with us: nothing is lost. */
static void keep_pace(struct helper *helper, size_t read_bytes)
{
    struct pace *pace = &helper->pace;
    int64_t now_us = clock_mono_us(), passed_us = now_us - pace->filled_mono_us;
    int64_t most_us = PACE_BURST_BYTES / PACE_BYTES_S * USEC_PER_SEC;
    pace->room_bytes += (passed_us < most_us ? passed_us : most_us) * PACE_BYTES_S / USEC_PER_SEC - (int64_t)read_bytes;
    pace->filled_mono_us = now_us;
    if (pace->room_bytes > PACE_BURST_BYTES)
        pace->room_bytes = PACE_BURST_BYTES;
    if (pace->room_bytes < 0) {
        struct pollfd cancelled = {.fd = helper->connection->cancel_fd, .events = POLLIN};
        poll(&cancelled, 1, (int)(-pace->room_bytes * 1000 / PACE_BYTES_S) + 1);
    }
}

/* Read one block, if there is one. *idle: there was none. */
static enum err absorb(struct helper *helper, bool *idle)
{
    *idle = false;
    if (helper->broken.code)
        return helper->broken.code;
    char block[BLOCK_BYTES];
    ssize_t got = stream_read(helper->channel, false, block, sizeof block);
    if (got == 0) { /* reading the errors takes in what has come of the output, where poll(2) does not see it */
        read_errors(helper);
        got = stream_read(helper->channel, false, block, sizeof block);
    }
    if (got > 0) {
        size_t searched = helper->in.length;
        keep_pace(helper, (size_t)got);
        if (buf_append(&helper->in, block, (size_t)got) != ERR_OK)
            return garbage(helper, "sent a line longer than 1 MiB", buf_text(&helper->in), helper->in.length);
        return take_lines(helper, searched);
    }
    if (got == STREAM_BROKEN)
        return session_lost(helper);
    if (got == STREAM_ENDED) {
        read_errors(helper);
        return helper->in.length > 0
                   ? garbage(helper, "ended in the middle of a line", buf_text(&helper->in), helper->in.length)
                   : explain_end(helper);
    }
    *idle = true;
    return ERR_OK;
}

/* --- asking --------------------------------------------------------------------------------------------------- */

static enum err write_line(
    struct helper *helper, const struct buf *line, const struct wait *wait, struct err_info *info)
{
    size_t done = 0;
    while (done < line->length) {
        ssize_t took = stream_write(helper->connection, helper->channel, line->data + done, line->length - done);
        if (took == STREAM_BROKEN)
            session_lost(helper);
        done += took > 0 ? (size_t)took : 0;
        bool idle = false; /* the helper may be unable to read before we take what it says */
        if (took <= 0 && absorb(helper, &idle) != ERR_OK)
            return say_broken(helper, info);
        enum err err = took == 0 && idle ? session_wait(helper->connection, wait) : ERR_OK;
        if (err && done > 0) /* half a line is on its way: nothing sensible can follow */
            break_with(helper, err, "took only half a request in time");
        if (err)
            return session_error(helper->connection, err, "asking the helper", info);
    }
    return ERR_OK;
}

static enum err ask(
    struct helper *helper, const char *verb, json_t *args, const struct wait *wait, int64_t *id, struct err_info *info)
{
    json_t *request = json_object();
    *id = ++helper->last_id;
    json_put_i64(request, "id", *id);
    json_put_text(request, "verb", verb);
    if (args)
        json_object_set_new(request, "args", args);
    struct buf line = BUF(REQUEST_CEILING);
    enum err err = json_write(&line, request);
    json_decref(request);
    if (err == ERR_OK)
        err = buf_putc(&line, '\n');
    if (err)
        err_set(
            info, err, "%s: the request %s is longer than %u bytes", helper->connection->name, verb, REQUEST_CEILING);
    else if (helper->broken.code)
        err = say_broken(helper, info);
    else
        err = write_line(helper, &line, wait, info);
    buf_free(&line);
    return err;
}

enum err helper_send(
    struct helper *helper, const char *verb, json_t *args, int64_t timeout_us, int64_t *id, struct err_info *info)
{
    struct wait wait = wait_within(timeout_us, helper->connection->cancel_fd);
    enum err err = ask(helper, verb, args, &wait, id, info);
    if (err == ERR_OK)
        vec_push(&helper->sent, *id);
    return err;
}

static enum err host_said(const struct helper *helper, const json_t *error, struct err_info *info)
{
    const char *message = json_get_text(error, "message");
    char text[512];
    sanitize(text, sizeof text, message ? message : "an error without a message", message ? strlen(message) : 26);
    return err_set(info, code_of_word(json_get_text(error, "code")), "%s: %s", helper->connection->name, text);
}

static enum err await_answer(struct helper *helper, const char *verb, const struct wait *wait, struct err_info *info)
{
    while (helper->awaited) {
        bool idle;
        if (absorb(helper, &idle) != ERR_OK)
            return say_broken(helper, info);
        enum err err = ERR_OK;
        if (idle)
            err = session_wait(helper->connection, wait);
        else if (helper->awaited && wait_left_us(wait) == 0)
            err = ERR_TIMEOUT;
        char what[80];
        str_format(what, sizeof what, "the answer to %s", verb);
        if (err)
            return session_error(helper->connection, err, what, info);
    }
    return ERR_OK;
}

enum err helper_request(struct helper *helper, const char *verb, json_t *args, int64_t timeout_us,
    helper_progress *progress, void *owner, json_t **ok, struct err_info *info)
{
    if (ok)
        *ok = NULL;
    struct wait wait = wait_within(timeout_us, helper->connection->cancel_fd);
    int64_t id;
    helper->awaited = helper->last_id + 1;
    helper->progress = progress;
    helper->progress_owner = owner;
    enum err err = ask(helper, verb, args, &wait, &id, info);
    if (err == ERR_OK)
        err = await_answer(helper, verb, &wait, info);
    helper->awaited = 0;
    helper->progress = NULL;
    if (err)
        return err;
    json_t *answer = helper->answer;
    helper->answer = NULL;
    if (helper->answer_kind == HELPER_ERROR)
        err = host_said(helper, answer, info);
    else if (ok)
        *ok = json_incref(answer);
    json_decref(answer);
    return err;
}

/* --- listening ------------------------------------------------------------------------------------------------ */

static bool dequeue(struct helper *helper, struct helper_event *event)
{
    if (helper->queue_first == helper->queue.count)
        return false;
    struct queued *oldest = &helper->queue.items[helper->queue_first++];
    *event = oldest->event;
    helper->queue_bytes -= oldest->bytes;
    if (helper->queue_first == helper->queue.count) {
        helper->queue_first = 0;
        vec_clear(&helper->queue);
    }
    return true;
}

static bool take_wake(struct helper *helper)
{
    eventfd_t count;
    return eventfd_read(helper->wake_fd, &count) == 0;
}

/* For the channel or a wake. */
static enum err wait_for_event(struct helper *helper, const struct wait *wait)
{
    bool flush = ssh_get_poll_flags(helper->connection->session) & SSH_WRITE_PENDING;
    struct pollfd fds[] = {{.fd = helper->connection->fd, .events = (short)(POLLIN | (flush ? POLLOUT : 0))},
        {.fd = helper->wake_fd, .events = POLLIN}};
    return wait_for(wait, fds, 2);
}

enum err helper_next(struct helper *helper, int64_t timeout_us, struct helper_event *event, struct err_info *info)
{
    *event = (struct helper_event){.kind = HELPER_NOTHING};
    struct wait wait = wait_within(timeout_us, helper->connection->cancel_fd);
    for (;;) {
        if (dequeue(helper, event))
            return ERR_OK;
        if (take_wake(helper)) {
            event->kind = HELPER_WOKEN;
            return ERR_OK;
        }
        bool idle;
        if (absorb(helper, &idle) != ERR_OK && helper->queue_first == helper->queue.count)
            return say_broken(helper, info);
        if (!idle)
            continue;
        enum err err = wait_for_event(helper, &wait);
        if (err == ERR_TIMEOUT)
            return ERR_OK;
        if (err)
            return session_error(helper->connection, err, "listening to the helper", info);
    }
}

void helper_wake(struct helper *helper)
{
    eventfd_write(helper->wake_fd, 1);
}

bool helper_is_alive(const struct helper *helper)
{
    return helper->broken.code == ERR_OK;
}

int64_t helper_heard_mono_us(const struct helper *helper)
{
    return helper->heard_mono_us;
}

/* --- opening -------------------------------------------------------------------------------------------------- */

static enum err check_hello(struct helper *helper, struct err_info *info)
{
    int64_t protocol = 0;
    const char *name = helper->connection->name, *role = json_get_text(helper->hello, "role");
    if (!json_get_i64(helper->hello, "protocol", &protocol) || protocol != PROTOCOL)
        return err_set(info, ERR_VERSION,
            "%s: its helper speaks protocol %lld, this dogwatch %d; run: dogwatch host add", name, (long long)protocol,
            PROTOCOL);
    if (!role || strcmp(role, helper->role) != 0)
        return err_set(info, ERR_DENIED,
            "%s: its helper answers this key in another role than %s; run: dogwatch host add", name, helper->role);
    return ERR_OK;
}

static enum err say_hello(struct helper *helper, int idle_s, const struct wait *wait, struct err_info *info)
{
    json_t *args = json_object();
    json_put_i64(args, "protocol", PROTOCOL);
    json_put_text(args, "version", DOGWATCH_VERSION);
    json_put_i64(args, "idle_s", idle_s > 0 ? idle_s : IDLE_DEFAULT_S);
    enum err err = helper_request(helper, "hello", args, wait_left_us(wait), NULL, NULL, &helper->hello, info);
    return err ? err : check_hello(helper, info);
}

enum err helper_open(struct connection *connection, const char *role, int idle_s, int64_t timeout_us,
    struct helper **out, struct err_info *info)
{
    *out = NULL;
    struct wait wait = wait_within(timeout_us, connection->cancel_fd);
    char command[64]; /* a forced command takes its place: sshd(8), AUTHORIZED_KEYS FILE FORMAT */
    str_format(command, sizeof command, "dogwatch-host --role %s", strcmp(role, "operator") == 0 ? role : "viewer");
    struct helper *helper = xcalloc(1, sizeof *helper);
    helper->connection = connection;
    helper->in = BUF(LINE_CEILING + BLOCK_BYTES);
    helper->errors = BUF(STDERR_CEILING);
    helper->heard_mono_us = clock_mono_us();
    helper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    str_copy(helper->role, sizeof helper->role, role);
    enum err err = helper->wake_fd >= 0
                       ? stream_exec(connection, command, &wait, &helper->channel, info)
                       : err_errno(info, ERR_IO, errno, "%s: cannot listen to the helper", connection->name);
    if (err == ERR_OK)
        err = say_hello(helper, idle_s, &wait, info);
    if (err)
        helper_free(helper);
    else
        *out = helper;
    return err;
}

void helper_free(struct helper *helper)
{
    if (!helper)
        return;
    struct helper_event event;
    while (dequeue(helper, &event))
        json_decref(event.value);
    vec_free(&helper->queue);
    vec_free(&helper->sent);
    stream_close(helper->channel);
    json_decref(helper->hello);
    json_decref(helper->answer);
    buf_free(&helper->in);
    buf_free(&helper->errors);
    if (helper->wake_fd >= 0)
        close(helper->wake_fd);
    free(helper);
}

const json_t *helper_hello(const struct helper *helper)
{
    return helper->hello;
}

bool helper_can(const struct helper *helper, const char *verb)
{
    const json_t *capabilities = json_object_get(helper->hello, "capabilities");
    size_t index;
    json_t *each;
    json_array_foreach (capabilities, index, each)
        if (json_is_string(each) && strcmp(json_string_value(each), verb) == 0)
            return true;
    return false;
}
