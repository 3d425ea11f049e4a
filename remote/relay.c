/* Two channels, two ways, a block each: what one peer has no room for waits here, and the other peer waits with it.
 * Rounds never block; when a round moved nothing, the thread sleeps in poll(2) on both connections until the next sign
 * of life, the next word of progress, or until the limit allows more. Runs in the thread that owns the connections. */
#include "remote/relay.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/session.h"
#include "remote/stream.h"

#define READY "dogwatch-stream 1\n" /* host/stream.h says the same */
#define REFUSED "dogwatch-stream refused: "
#define OPEN_US (20 * USEC_PER_SEC)
#define EXIT_WAIT_US (10 * USEC_PER_SEC)
#define SILENCE_US (120 * USEC_PER_SEC)
#define STEP_US (300 * USEC_PER_MSEC)
#define BLOCK_BYTES (128u * 1024)
#define ERRORS_CEILING 4096u
#define LINE_CEILING 1200u

/* One end: its channel, and what came of it and is not written yet. */
struct end {
    struct connection *connection;
    ssh_channel channel;
    char *block; /* from this end */
    size_t at, length;
    bool ended;        /* it sends nothing any more */
    bool eof_sent;     /* we send it nothing any more */
    struct buf errors; /* the beginning of its standard error */
};

struct relay {
    struct end ends[2]; /* the source, the target (its connection is NULL where a sink takes all) */
    const struct relay_options *options;
    relay_sink *sink;
    void *context;
    int64_t bytes, began_us, moved_us, shown_us;
};

/* --- opening --------------------------------------------------------------------------------------------------------
 */

/* Anything else than our greeting: what a helper that knows no streams says, or sudo. */
static enum err refuse(const struct end *end, const char *line, struct err_info *info)
{
    char clean[600];
    bool said_why = str_starts(line, REFUSED);
    const char *text = said_why ? line + strlen(REFUSED) : line;
    const char *shown = *text ? text : buf_text(&end->errors);
    sanitize(clean, sizeof clean, shown, strcspn(shown, "\n"));
    return err_set(info, ERR_DENIED, "%s: %s%s", end->connection->name,
        said_why ? "the stream is refused: "
                 : "its helper gives no stream (is it older than this dogwatch? run: dogwatch host add): ",
        clean);
}

/* Read up to a newline, byte by byte: what follows belongs to the stream. */
static enum err read_line(struct end *end, const struct wait *wait, struct buf *line, struct err_info *info)
{
    char byte;
    while (line->length < LINE_CEILING) {
        ssize_t got = stream_read(end->channel, false, &byte, 1);
        if (got == 1 && byte == '\n')
            return ERR_OK;
        if (got == 1) {
            buf_putc(line, byte);
            continue;
        }
        char said[512];
        ssize_t complained = stream_read(end->channel, true, said, sizeof said);
        if (complained > 0)
            buf_append(&end->errors, said, (size_t)complained);
        if (got == STREAM_BROKEN)
            return session_error(end->connection, ERR_OK, "opening a stream", info);
        if (got == STREAM_ENDED && complained <= 0)
            return refuse(end, buf_text(line), info);
        enum err err = got == 0 && complained <= 0 ? session_wait(end->connection, wait) : ERR_OK;
        if (err)
            return session_error(end->connection, err, "opening a stream", info);
    }
    return ERR_OK;
}

static enum err open_end(struct end *end, const struct relay_end *given, struct err_info *info)
{
    char command[80];
    struct buf line = BUF(LINE_CEILING);
    struct wait wait = wait_within(OPEN_US, given->connection->cancel_fd);
    end->connection = given->connection;
    end->errors = BUF(ERRORS_CEILING);
    end->block = xmalloc(BLOCK_BYTES);
    str_format(command, sizeof command, "stream %.64s", given->word);
    enum err err = stream_exec(end->connection, command, &wait, &end->channel, info);
    if (err == ERR_OK)
        err = read_line(end, &wait, &line, info);
    if (err == ERR_OK && strncmp(buf_text(&line), READY, strlen(READY) - 1) != 0)
        err = refuse(end, buf_text(&line), info);
    buf_free(&line);
    return err;
}

static void close_end(struct end *end)
{
    stream_close(end->channel);
    buf_free(&end->errors);
    free(end->block);
}

/* --- moving ---------------------------------------------------------------------------------------------------------
 */

static enum err lost(const struct end *end, struct err_info *info)
{
    return session_error(end->connection, ERR_OK, "the connection was lost while a stream ran", info);
}

static void read_errors(struct end *end, bool *moved)
{
    char said[1024];
    ssize_t got;
    while ((got = stream_read(end->channel, true, said, sizeof said)) > 0) {
        buf_append(&end->errors, said, (size_t)got); /* past the ceiling it is dropped */
        *moved = true;
    }
}

/* Does the limit allow more now? *rest_us: how long not. */
static bool may_read(const struct relay *relay, const struct end *end, int64_t *rest_us)
{
    *rest_us = 0;
    if (end != &relay->ends[0] || relay->options->limit_bytes_s <= 0)
        return true;
    double due_us = (double)relay->bytes * (double)USEC_PER_SEC / (double)relay->options->limit_bytes_s;
    *rest_us = (int64_t)due_us - (clock_mono_us() - relay->began_us);
    return *rest_us <= 0;
}

/* Standard error first: reading it takes in what came of the output, where poll(2) does not see it. */
static enum err fill(struct relay *relay, struct end *end, bool *moved, struct err_info *info)
{
    int64_t rest_us;
    read_errors(end, moved);
    if (end->length > 0 || end->ended || !may_read(relay, end, &rest_us))
        return ERR_OK;
    ssize_t got = stream_read(end->channel, false, end->block, BLOCK_BYTES);
    if (got == STREAM_BROKEN)
        return lost(end, info);
    if (got == STREAM_ENDED)
        end->ended = true;
    if (got > 0) {
        end->at = 0;
        end->length = (size_t)got;
        relay->bytes += end == &relay->ends[0] ? got : 0;
    }
    *moved = *moved || got != 0;
    return ERR_OK;
}

static enum err to_sink(struct relay *relay, struct end *from, bool *moved, struct err_info *info)
{
    if (from->length == 0)
        return ERR_OK;
    *moved = true;
    bool taken = relay->sink(relay->context, from->block, from->length);
    from->length = 0;
    return taken ? ERR_OK : err_set(info, ERR_CANCELLED, "%s: what it sends is not taken", from->connection->name);
}

/* What `from` sent goes to `to`; what has no reader any more is dropped. */
static enum err drain(struct end *from, struct end *to, bool *moved, struct err_info *info)
{
    if (from->length > 0 && ssh_channel_is_closed(to->channel))
        from->length = 0;
    while (from->length > 0) {
        ssize_t took = stream_write(to->connection, to->channel, from->block + from->at, from->length);
        if (took == STREAM_BROKEN)
            return ssh_channel_is_closed(to->channel) && ssh_is_connected(to->connection->session) ? ERR_OK
                                                                                                   : lost(to, info);
        if (took == 0)
            break;
        from->at += (size_t)took;
        from->length -= (size_t)took;
        *moved = true;
    }
    if (from->ended && from->length == 0 && !to->eof_sent) {
        ssh_channel_send_eof(to->channel);
        to->eof_sent = *moved = true;
    }
    return ERR_OK;
}

static enum err move(struct relay *relay, bool *moved, struct err_info *info)
{
    struct end *source = &relay->ends[0], *target = &relay->ends[1];
    enum err err = fill(relay, source, moved, info);
    if (relay->sink)
        return err ? err : to_sink(relay, source, moved, info);
    if (err == ERR_OK)
        err = fill(relay, target, moved, info);
    if (err == ERR_OK)
        err = drain(source, target, moved, info);
    return err ? err : drain(target, source, moved, info);
}

/* --- waiting --------------------------------------------------------------------------------------------------------
 */

static enum err show(struct relay *relay, struct err_info *info)
{
    int64_t now_us = clock_mono_us();
    if (!relay->options->progress || now_us - relay->shown_us < STEP_US)
        return ERR_OK;
    relay->shown_us = now_us;
    return relay->options->progress(relay->options->owner, relay->bytes, info);
}

static enum err check_silence(const struct relay *relay, struct err_info *info)
{
    int64_t silence_us = relay->options->silence_us > 0 ? relay->options->silence_us : SILENCE_US;
    if (clock_mono_us() - relay->moved_us <= silence_us)
        return ERR_OK;
    const struct connection *source = relay->ends[0].connection, *target = relay->ends[1].connection;
    return err_set(info, ERR_TIMEOUT, "%s%s%s: nothing moved for %lld s", source->name, target ? " and " : "",
        target ? target->name : "", (long long)(silence_us / USEC_PER_SEC));
}

/* Until something can move, or a step's time passed. */
static enum err rest(struct relay *relay, struct err_info *info)
{
    struct pollfd fds[4];
    size_t count = 0;
    int64_t rest_us, step_us = STEP_US;
    bool limited = !may_read(relay, &relay->ends[0], &rest_us);
    if (limited && rest_us < step_us)
        step_us = rest_us;
    for (size_t i = 0; i < 2; i++) {
        struct connection *connection = relay->ends[i].connection;
        if (!connection)
            continue;
        short out = ssh_get_poll_flags(connection->session) & SSH_WRITE_PENDING ? POLLOUT : 0;
        short in = limited && i == 0 ? 0 : POLLIN; /* what waits there must not keep us awake */
        fds[count++] = (struct pollfd){.fd = connection->fd, .events = (short)(in | out)};
    }
    for (size_t i = 0; i < 2; i++)
        if (relay->ends[i].connection)
            fds[count++] = (struct pollfd){.fd = relay->ends[i].connection->cancel_fd, .events = POLLIN};
    poll(fds, (nfds_t)count, (int)(step_us / USEC_PER_MSEC) + 1);
    for (size_t i = count / 2; i < count; i++)
        if (fds[i].fd >= 0 && fds[i].revents)
            return err_set(
                info, ERR_CANCELLED, "%s: the stream was given up on request", relay->ends[0].connection->name);
    return ERR_OK;
}

/* --- the end --------------------------------------------------------------------------------------------------------
 */

static bool is_over(const struct relay *relay)
{
    const struct end *source = &relay->ends[0], *target = &relay->ends[1];
    return source->ended && source->length == 0 && (relay->sink || (target->ended && target->length == 0));
}

/* An end that failed says so by its exit status and on its standard error. */
static enum err judge(struct end *end, struct err_info *info)
{
    bool moved;
    char clean[600];
    struct wait wait = wait_within(EXIT_WAIT_US, end->connection->cancel_fd);
    int status = stream_exit_status(end->connection, end->channel, &wait);
    if (status == 0)
        return ERR_OK;
    read_errors(end, &moved);
    const char *said = buf_text(&end->errors);
    sanitize(clean, sizeof clean, said, strcspn(said, "\n"));
    if (status == STREAM_EXIT_UNKNOWN)
        return err_set(info, ERR_CLOSED, "%s: its end of the stream was cut off%s%s", end->connection->name,
            *clean ? ": " : "", clean);
    return err_set(info, ERR_FAILED, "%s: its end of the stream failed (%d)%s%s", end->connection->name, status,
        *clean ? ": " : "", clean);
}

/* Of two that failed, the one with more to say is the cause: the target, of whose end the source only hears. */
static enum err judge_both(struct relay *relay, struct err_info *info)
{
    struct err_info of_source = {0};
    enum err err = judge(&relay->ends[0], &of_source);
    if (!relay->sink) {
        enum err of_target = judge(&relay->ends[1], info);
        if (of_target == ERR_FAILED || (of_target && !err))
            return of_target;
    }
    return err ? err_set(info, err, "%s", of_source.message) : ERR_OK;
}

static enum err carry(struct relay *relay, struct err_info *info)
{
    relay->began_us = relay->moved_us = clock_mono_us();
    enum err err = ERR_OK;
    while (err == ERR_OK && !is_over(relay)) {
        bool moved = false;
        err = move(relay, &moved, info);
        if (moved)
            relay->moved_us = clock_mono_us();
        if (err == ERR_OK)
            err = show(relay, info);
        if (err == ERR_OK && !moved)
            err = check_silence(relay, info);
        if (err == ERR_OK && !moved)
            err = rest(relay, info);
    }
    return err ? err : judge_both(relay, info);
}

static enum err run(struct relay *relay, const struct relay_end *source, const struct relay_end *target, int64_t *bytes,
    struct err_info *info)
{
    enum err err = open_end(&relay->ends[0], source, info);
    if (err == ERR_OK && target)
        err = open_end(&relay->ends[1], target, info);
    if (err == ERR_OK)
        err = carry(relay, info);
    if (bytes)
        *bytes = relay->bytes;
    close_end(&relay->ends[0]);
    close_end(&relay->ends[1]);
    return err;
}

enum err relay_between(const struct relay_end *source, const struct relay_end *target,
    const struct relay_options *options, int64_t *bytes, struct err_info *info)
{
    struct relay relay = {.options = options};
    return run(&relay, source, target, bytes, info);
}

enum err relay_pull(const struct relay_end *source, const struct relay_options *options, relay_sink *sink,
    void *context, int64_t *bytes, struct err_info *info)
{
    struct relay relay = {.options = options, .sink = sink, .context = context};
    return run(&relay, source, NULL, bytes, info);
}
