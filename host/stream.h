/* Raw streams: this process is not a helper that speaks JSON lines, but one end of a stream of bytes, as a ticket says
 * (host/ticket.h). It is so where sshd's forced command was asked for `stream WORD` by the operator's key, and where a
 * one-shot key's forced command is `dogwatch-host --receive WORD`. It ends with its channel. */
#ifndef HOST_STREAM_H
#define HOST_STREAM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "host/audit.h"
#include "host/policy.h"

/* What kinds of streams there are: rows of a const table in stream.c. in_fd is what the peer sends, out_fd goes to the
 * peer; both stay the caller's, and may be made non-blocking. `ticket` is borrowed. A runner looks at
 * ticket_stands(word) at least every second and ends when it does not; it gives up a silent peer by itself. */
typedef enum err stream_runner(const char *word, const json_t *ticket, int in_fd, int out_fd, struct err_info *info);

/* The first line of a `stream WORD` channel, before the bytes: so the console knows that this end is what it asked for.
 * Where it is refused: STREAM_REFUSED, the reason, and a newline. */
#define STREAM_READY "dogwatch-stream 1\n"
#define STREAM_REFUSED "dogwatch-stream refused: "

/* What a sender asks for with its one-shot key: this, and the word of the ticket it means. */
#define STREAM_TRANSFER "dogwatch-transfer"

/* What the client asked for, taken before the environment is cleared. */
struct stream_asked {
    char command[512]; /* SSH_ORIGINAL_COMMAND; "" where there was none, or it did not fit */
};
void stream_take_asked(struct stream_asked *asked);
/* sshd's own port on the connection this process serves, from SSH_CONNECTION; 0 where it is not known. */
int stream_server_port(void);

/* Are the arguments `--receive WORD`? Then stream_main is that end and returns the exit status; where the client meant
 * another word (one key, two tickets) it refuses. */
bool stream_is_one(int argc, char **argv);
int stream_main(const char *word, const struct stream_asked *asked, struct audit *audit);

/* `--relay …`, `--confine …` and `--confine-to-read …`, which only our own programs call, with descriptors that must
 * not be closed. */
bool stream_is_own(int argc, char **argv);
int stream_own_main(int argc, char **argv);

/* Where an operator's connection was asked for `stream WORD`: be that end; true, and *status as above. */
bool stream_serve(const struct stream_asked *asked, enum host_role role, struct audit *audit, int *status);

#endif
