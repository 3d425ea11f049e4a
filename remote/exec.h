/* Run one command on a host with the person's own login: for enrolment only; the engine's keys cannot do this. */
#ifndef REMOTE_EXEC_H
#define REMOTE_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "remote/connection.h"

struct remote_command {
    const char *text;  /* for the login shell on the host: a constant of ours, never made of data */
    const void *input; /* its standard input: this is where data go */
    size_t input_length;
    int64_t timeout_us;
    void (*progress)(void *owner, size_t sent_bytes, size_t all_bytes); /* NULL: none */
    void (*line)(void *owner, const char *line); /* each line of output as it comes, sanitised; NULL: none */
    void *owner;
};

/* `out` and `errors` (either may be NULL: discarded) are filled to their ceilings. *exit_status: 255 where a signal
 * ended it. ERR_OK whenever the command ran to its end; ERR_TIMEOUT, ERR_CLOSED, ERR_CANCELLED, ERR_DENIED (the host
 * refuses to run commands), ERR_FULL (more output than the ceilings). */
enum err remote_exec(struct connection *connection, const struct remote_command *command, struct buf *out,
    struct buf *errors, int *exit_status, struct err_info *info);

#endif
