/* One command with its input and outputs over one channel: what can be written is written, what came is read, then the
 * thread sleeps until either is possible again. Memory is bounded by the callers' buffers. Runs in the connection's
 * thread. */
#include "remote/exec.h"

#include <string.h>

#include "base/clock.h"
#include "base/sanitize.h"
#include "remote/session.h"
#include "remote/stream.h"

#define LINE_CEILING 4096u
#define EXIT_WAIT_US (5 * USEC_PER_SEC)

struct run {
    struct connection *connection;
    const struct remote_command *command;
    ssh_channel channel;
    size_t sent;
    bool eof_sent, out_ended, errors_ended;
    struct buf *out, *errors;
    struct buf line; /* of output, unfinished */
};

static enum err lost(struct run *run, struct err_info *info)
{
    return session_error(run->connection, ERR_OK, "the connection was lost while a command ran", info);
}

/* *moved: something was written. */
static enum err write_input(struct run *run, bool *moved, struct err_info *info)
{
    const struct remote_command *command = run->command;
    *moved = false;
    while (run->sent < command->input_length) {
        ssize_t took = stream_write(
            run->connection, run->channel, (const char *)command->input + run->sent, command->input_length - run->sent);
        if (took == STREAM_BROKEN)
            return ssh_channel_is_closed(run->channel) ? ERR_OK : lost(run, info);
        if (took == 0)
            return ERR_OK;
        run->sent += (size_t)took;
        *moved = true;
        if (command->progress)
            command->progress(command->owner, run->sent, command->input_length);
    }
    if (!run->eof_sent)
        ssh_channel_send_eof(run->channel);
    run->eof_sent = true;
    return ERR_OK;
}

static void give_line(struct run *run)
{
    char clean[LINE_CEILING];
    sanitize(clean, sizeof clean, buf_text(&run->line), run->line.length);
    run->command->line(run->command->owner, clean);
    buf_clear(&run->line);
}

static void give_lines(struct run *run, const char *block, size_t length)
{
    for (size_t i = 0; run->command->line && i < length; i++) {
        if (block[i] == '\n')
            give_line(run);
        else
            buf_putc(&run->line, block[i]); /* a longer line is cut */
    }
}

/* Read one of the two outputs as far as it goes now. */
static enum err read_output(struct run *run, bool from_stderr, bool *moved, struct err_info *info)
{
    char block[8192];
    bool *ended = from_stderr ? &run->errors_ended : &run->out_ended;
    struct buf *into = from_stderr ? run->errors : run->out;
    ssize_t got = 0;
    while (!*ended && (got = stream_read(run->channel, from_stderr, block, sizeof block)) > 0) {
        *moved = true;
        if (into && buf_append(into, block, (size_t)got) != ERR_OK)
            return err_set(
                info, ERR_FULL, "%s: a command printed more than %zu bytes", run->connection->name, into->ceiling);
        if (!from_stderr)
            give_lines(run, block, (size_t)got);
    }
    if (!*ended && got == STREAM_ENDED)
        *ended = *moved = true;
    return got == STREAM_BROKEN ? lost(run, info) : ERR_OK;
}

/* Reading one output takes in what has come for the other, where poll(2) does not see it. So standard output is read
 * last: nothing of it is left when we wait, and what is left of standard error is followed by its end. */
static enum err exchange(struct run *run, const struct wait *wait, struct err_info *info)
{
    while (!run->out_ended || !run->errors_ended) {
        bool wrote, read = false;
        enum err err = write_input(run, &wrote, info);
        if (err == ERR_OK)
            err = read_output(run, true, &read, info);
        if (err == ERR_OK)
            err = read_output(run, false, &read, info);
        if (err)
            return err;
        if (wrote || read || (run->out_ended && run->errors_ended))
            continue;
        err = session_wait(run->connection, wait);
        if (err)
            return session_error(run->connection, err, "running a command", info);
    }
    return ERR_OK;
}

enum err remote_exec(struct connection *connection, const struct remote_command *command, struct buf *out,
    struct buf *errors, int *exit_status, struct err_info *info)
{
    *exit_status = 255;
    struct wait wait = wait_within(command->timeout_us, connection->cancel_fd);
    struct run run = {
        .connection = connection, .command = command, .out = out, .errors = errors, .line = BUF(LINE_CEILING - 1)};
    enum err err = stream_exec(connection, command->text, &wait, &run.channel, info);
    if (err == ERR_OK)
        err = exchange(&run, &wait, info);
    if (err == ERR_OK) {
        if (run.line.length > 0)
            give_line(&run);
        struct wait end = wait_within(EXIT_WAIT_US, connection->cancel_fd);
        int status = stream_exit_status(connection, run.channel, &end);
        *exit_status = status == STREAM_EXIT_UNKNOWN ? 255 : status;
    }
    stream_close(run.channel);
    buf_free(&run.line);
    return err;
}
