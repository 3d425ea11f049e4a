/* The line protocol of one connection: what comes in is cut into bounded lines, each of which must be one JSON object;
 * what goes out is one line per message, whole or not at all.
 *
 * One thread (main's) reads in session_run; any thread writes. A write never waits longer than the write limit; once it
 * fails, the session ends and later messages are dropped. Ending wakes everybody who waits in session_wait. */
#include "host/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define LINE_IN_BYTES 65536    /* with its newline */
#define LINE_OUT_BYTES 1048576 /* with its newline */
#define READ_STEP 4096
#define KEEP_OUT_BYTES 65536 /* a larger outgoing buffer is given back after use */
#define IDLE_US (120 * USEC_PER_SEC)
#define WRITE_STEP_US USEC_PER_SEC
#define LAST_WRITE_LIMIT_US (2 * USEC_PER_SEC) /* for saying why the end comes */
#define WRITE_LIMIT_US (30 * USEC_PER_SEC)

struct session {
    int in_fd, out_fd;
    int in_flags, out_flags; /* as they were before */
    int wake_fd;             /* eventfd: ends the poll of session_run */
    session_handler *handle;
    void *context;
    struct buf in; /* the reading thread's */
    pthread_mutex_t write_mutex;
    struct buf out; /* write_mutex */
    _Atomic int64_t idle_us, write_limit_us;
    pthread_mutex_t mutex; /* guards `ending` for the condition */
    pthread_cond_t changed;
    _Atomic bool ending;
};

struct session *session_new(int in_fd, int out_fd, session_handler *handle, void *context)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->handle = handle;
    session->context = context;
    session->in_fd = in_fd;
    session->out_fd = out_fd;
    session->in_flags = fcntl(in_fd, F_GETFL);
    session->out_flags = fcntl(out_fd, F_GETFL);
    fcntl(in_fd, F_SETFL, session->in_flags | O_NONBLOCK);
    fcntl(out_fd, F_SETFL, session->out_flags | O_NONBLOCK);
    session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    session->in = BUF(LINE_IN_BYTES + READ_STEP);
    session->out = BUF(LINE_OUT_BYTES);
    session->idle_us = IDLE_US;
    session->write_limit_us = WRITE_LIMIT_US;
    pthread_mutex_init(&session->write_mutex, NULL);
    pthread_mutex_init(&session->mutex, NULL);
    pthread_cond_init(&session->changed, NULL);
    return session;
}

void *session_context(struct session *session)
{
    return session->context;
}

void session_set_idle(struct session *session, int64_t idle_us)
{
    session->idle_us = idle_us;
}

void session_set_write_limit(struct session *session, int64_t limit_us)
{
    session->write_limit_us = limit_us;
}

/* --- ending ---------------------------------------------------------------------------------------------------------
 */

bool session_is_ending(struct session *session)
{
    return session->ending;
}

static void mark_ending(struct session *session)
{
    pthread_mutex_lock(&session->mutex);
    session->ending = true;
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->mutex);
    ssize_t ignored = write(session->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
}

bool session_wait(struct session *session, int64_t timeout_us)
{
    struct timespec deadline = clock_timespec(clock_mono_us() + timeout_us);
    pthread_mutex_lock(&session->mutex);
    int outcome = 0;
    while (!session->ending && outcome == 0)
        outcome = pthread_cond_clockwait(&session->changed, &session->mutex, CLOCK_MONOTONIC, &deadline);
    bool ending = session->ending;
    pthread_mutex_unlock(&session->mutex);
    return ending;
}

/* --- writing --------------------------------------------------------------------------------------------------------
 */

/* Wait until the peer reads on; false once it did not for too long, is gone, or the session ends. */
static bool await_room(struct session *session, int64_t since_us)
{
    int64_t left_us = since_us + session->write_limit_us - clock_mono_us();
    if (left_us <= 0)
        return false;
    int64_t step_us = left_us < WRITE_STEP_US ? left_us : WRITE_STEP_US; /* the limit may get shorter meanwhile */
    struct pollfd wait[] = {{.fd = session->out_fd, .events = POLLOUT}, {.fd = session->wake_fd, .events = POLLIN}};
    int ready = poll(wait, 2, (int)(step_us / USEC_PER_MSEC) + 1);
    return ready <= 0 || !(wait[1].revents || (wait[0].revents & (POLLERR | POLLNVAL)));
}

/* The caller holds the write mutex. */
static bool write_all(struct session *session, const char *data, size_t length)
{
    int64_t since_us = clock_mono_us();
    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(session->out_fd, data + done, length - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if ((wrote < 0 && errno != EAGAIN && errno != EINTR) || !await_room(session, since_us))
            return false;
    }
    return true;
}

/* Borrows the message. ERR_FULL where it is too long for a line; a failed write ends the session. */
static enum err send_message(struct session *session, const json_t *message)
{
    bool wrote = true;
    pthread_mutex_lock(&session->write_mutex);
    buf_clear(&session->out);
    enum err result = session->ending ? ERR_CLOSED : json_write(&session->out, message);
    if (result == ERR_OK)
        result = buf_putc(&session->out, '\n');
    if (result == ERR_OK)
        wrote = write_all(session, session->out.data, session->out.length);
    if (session->out.capacity > KEEP_OUT_BYTES)
        buf_free(&session->out);
    pthread_mutex_unlock(&session->write_mutex);
    if (!wrote)
        mark_ending(session);
    return result;
}

static json_t *message_new(int64_t request_id, const char *kind, json_t *value)
{
    json_t *message = json_object();
    if (request_id)
        json_put_i64(message, "id", request_id);
    json_object_set_new(message, kind, value ? value : json_object());
    return message;
}

static json_t *error_value(const struct err_info *why)
{
    json_t *error = json_object();
    json_put_text(error, "code", err_word(why->code));
    json_put_text(error, "message", why->message);
    return error;
}

void session_push(struct session *session, const char *kind, json_t *value)
{
    json_t *message = message_new(0, kind, value);
    if (send_message(session, message) == ERR_FULL)
        log_error("a message of kind %s was dropped: it is longer than %d bytes", kind, LINE_OUT_BYTES);
    json_decref(message);
}

void session_progress(struct session *session, int64_t request_id, json_t *value)
{
    json_t *message = message_new(request_id, "progress", value);
    send_message(session, message);
    json_decref(message);
}

void session_refuse(struct session *session, int64_t request_id, const struct err_info *why)
{
    json_t *message = message_new(request_id, "error", error_value(why));
    send_message(session, message);
    json_decref(message);
}

void session_answer(struct session *session, int64_t request_id, json_t *value)
{
    struct err_info info;
    json_t *message = message_new(request_id, "ok", value);
    if (send_message(session, message) == ERR_FULL) {
        err_set(&info, ERR_FULL, "the answer is longer than a line may be (%d bytes)", LINE_OUT_BYTES);
        session_refuse(session, request_id, &info);
    }
    json_decref(message);
}

void session_end(struct session *session, const struct err_info *why)
{
    if (session->write_limit_us > LAST_WRITE_LIMIT_US)
        session->write_limit_us = LAST_WRITE_LIMIT_US;
    if (why && !session->ending)
        session_push(session, "error", error_value(why));
    mark_ending(session);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static void end_as_garbage(struct session *session, const char *what)
{
    struct err_info info;
    err_set(&info, ERR_GARBAGE, "%s", what);
    session_end(session, &info);
}

static void take_line(struct session *session, const char *line, size_t length)
{
    struct err_info info;
    json_t *request;
    if (length == 0)
        return; /* somebody pressed Enter: says nothing, harms nothing */
    if (length >= LINE_IN_BYTES)
        end_as_garbage(session, "a line is longer than 65536 bytes");
    else if (json_parse(line, length, &request, &info) != ERR_OK)
        session_end(session, &info);
    else {
        if (json_is_object(request))
            session->handle(session, request, session->context);
        else
            end_as_garbage(session, "a line is no JSON object");
        json_decref(request);
    }
}

static void take_lines(struct session *session)
{
    size_t at = 0;
    char *newline;
    while (!session->ending && (newline = memchr(session->in.data + at, '\n', session->in.length - at)) != NULL) {
        size_t length = (size_t)(newline - (session->in.data + at));
        take_line(session, session->in.data + at, length);
        at += length + 1;
    }
    buf_consume(&session->in, at);
    if (!session->ending && session->in.length >= LINE_IN_BYTES)
        end_as_garbage(session, "a line is longer than 65536 bytes");
}

/* False at the end of input. */
static bool read_some(struct session *session)
{
    char chunk[READ_STEP];
    ssize_t got = read(session->in_fd, chunk, sizeof chunk);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    buf_append(&session->in, chunk, (size_t)got);
    take_lines(session);
    return true;
}

/* Wait for input: true where there is some. Ends the session when nothing came for too long or somebody wants it to. */
static bool await_input(struct session *session, int64_t heard_us, int stop_fd)
{
    struct pollfd wait[] = {{.fd = session->in_fd, .events = POLLIN}, {.fd = session->wake_fd, .events = POLLIN},
        {.fd = stop_fd, .events = POLLIN}};
    int64_t left_us = heard_us + session->idle_us - clock_mono_us();
    int ready = left_us > 0 ? poll(wait, 3, (int)(left_us / USEC_PER_MSEC) + 1) : 0;
    struct err_info info;
    if (ready == 0) {
        err_set(&info, ERR_TIMEOUT, "nothing was heard for %lld s", (long long)(session->idle_us / USEC_PER_SEC));
        session_end(session, &info);
    } else if (ready > 0 && wait[2].revents) {
        err_set(&info, ERR_CANCELLED, "the helper was told to end");
        session_end(session, &info);
    }
    return ready > 0 && wait[0].revents;
}

void session_run(struct session *session, int stop_fd)
{
    int64_t heard_us = clock_mono_us();
    while (!session->ending) {
        if (!await_input(session, heard_us, stop_fd))
            continue;
        heard_us = clock_mono_us();
        if (!session->ending && !read_some(session))
            session_end(session, NULL);
    }
    pthread_mutex_lock(&session->write_mutex); /* whoever still writes: let it finish its line */
    fcntl(session->in_fd, F_SETFL, session->in_flags);
    fcntl(session->out_fd, F_SETFL, session->out_flags);
    pthread_mutex_unlock(&session->write_mutex);
}
