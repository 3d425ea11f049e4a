/* One way of a raw stream. The first line is the host's word that its end is there; what it says on standard error is
 * kept for the message of a bad end. Memory is bounded by the caller's piece. Runs in the connection's thread. */
#include "remote/inflow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/stream.h"

#define READY "dogwatch-stream 1" /* host/stream.h */
#define REFUSED "dogwatch-stream refused: "
#define LINE_BYTES 1200u
#define ERRORS_CEILING 4096u
#define EXIT_WAIT_US (10 * USEC_PER_SEC)

struct inflow {
    struct connection *connection;
    ssh_channel channel;
    struct buf errors;
    bool out_ended, errors_ended;
};

static ssize_t lost(struct inflow *inflow, struct err_info *info)
{
    session_error(inflow->connection, ERR_OK, "the connection was lost while a stream was read", info);
    return -1;
}

/* What is there now on standard error, to its ceiling. */
static bool take_errors(struct inflow *inflow)
{
    char piece[1024];
    ssize_t got = 0;
    while (!inflow->errors_ended && (got = stream_read(inflow->channel, true, piece, sizeof piece)) > 0)
        buf_append(&inflow->errors, piece, (size_t)got);
    inflow->errors_ended = inflow->errors_ended || got == STREAM_ENDED;
    return got != STREAM_BROKEN;
}

/* The sender has ended its output: how? */
static ssize_t end_of(struct inflow *inflow, struct err_info *info)
{
    char said[400];
    struct wait wait = wait_within(EXIT_WAIT_US, inflow->connection->cancel_fd);
    int status = stream_exit_status(inflow->connection, inflow->channel, &wait);
    take_errors(inflow);
    if (status == 0)
        return 0;
    sanitize(said, sizeof said, buf_text(&inflow->errors), inflow->errors.length);
    err_set(info, ERR_FAILED, "%s: the stream ended before its end%s%s", inflow->connection->name, said[0] ? ": " : "",
        said);
    return -1;
}

ssize_t inflow_read(struct inflow *inflow, void *data, size_t size, int64_t silence_us, struct err_info *info)
{
    struct wait wait = wait_within(silence_us, inflow->connection->cancel_fd);
    while (!inflow->out_ended) {
        if (!take_errors(inflow))
            return lost(inflow, info);
        ssize_t got = stream_read(inflow->channel, false, data, size); /* last: see remote/exec.c */
        if (got > 0)
            return got;
        if (got == STREAM_BROKEN)
            return lost(inflow, info);
        inflow->out_ended = got == STREAM_ENDED;
        enum err waited = inflow->out_ended ? ERR_OK : session_wait(inflow->connection, &wait);
        if (waited) {
            session_error(inflow->connection, waited, "reading a stream", info);
            return -1;
        }
    }
    return end_of(inflow, info);
}

/* Byte by byte: what follows the line belongs to the caller. */
static enum err read_line(struct inflow *inflow, char line[LINE_BYTES], int64_t timeout_us, struct err_info *info)
{
    size_t length = 0;
    int64_t deadline_us = clock_mono_us() + timeout_us;
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        ssize_t got = inflow_read(inflow, line + length, 1, left_us > 0 ? left_us : 0, info);
        if (got < 0)
            return info && info->code ? info->code : ERR_CLOSED;
        if (got == 0 || length == LINE_BYTES - 1)
            return err_set(info, ERR_GARBAGE,
                "%s: this is not the stream that was asked for; is its helper as new as "
                "this dogwatch?",
                inflow->connection->name);
        if (line[length] == '\n') {
            line[length] = '\0';
            return ERR_OK;
        }
        length++;
    }
}

static enum err greet(struct inflow *inflow, int64_t timeout_us, struct err_info *info)
{
    char line[LINE_BYTES], why[LINE_BYTES];
    enum err err = read_line(inflow, line, timeout_us, info);
    if (err || strcmp(line, READY) == 0)
        return err;
    bool refused = str_starts(line, REFUSED);
    const char *said = refused ? line + strlen(REFUSED) : line;
    sanitize(why, sizeof why, said, strlen(said));
    return err_set(
        info, refused ? ERR_DENIED : ERR_GARBAGE, "%s: the stream was refused: %.600s", inflow->connection->name, why);
}

enum err inflow_open(
    struct connection *connection, const char *word, int64_t timeout_us, struct inflow **out, struct err_info *info)
{
    struct err_info own = {0};
    char command[80];
    *out = NULL;
    info = info ? info : &own;
    if (strlen(word) != 32 || strspn(word, "0123456789abcdef") != 32)
        return err_set(info, ERR_GARBAGE, "%s: the host named no stream", connection->name);
    str_format(command, sizeof command, "stream %s", word);
    struct wait wait = wait_within(timeout_us, connection->cancel_fd);
    struct inflow *inflow = xcalloc(1, sizeof *inflow);
    inflow->connection = connection;
    inflow->errors = BUF(ERRORS_CEILING);
    enum err err = stream_exec(connection, command, &wait, &inflow->channel, info);
    if (err == ERR_OK)
        err = greet(inflow, wait_left_us(&wait), info);
    if (err)
        inflow_free(inflow);
    else
        *out = inflow;
    return err;
}

void inflow_free(struct inflow *inflow)
{
    if (!inflow)
        return;
    stream_close(inflow->channel);
    buf_free(&inflow->errors);
    free(inflow);
}
