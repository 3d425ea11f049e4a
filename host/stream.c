/* From a word to the end of a stream that it stands for. Runs in the main thread, in a process that does nothing else.
 */
#include "host/stream.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/evidence/send.h"
#include "host/run.h"
#include "host/ticket.h"
#include "host/transfer/confine.h"
#include "host/transfer/receive.h"
#include "host/transfer/relay.h"
#include "host/transfer/send.h"

#define OTHERS_END_US (10 * USEC_PER_SEC) /* for the stream before on the same ticket to notice that it is over */

/* `receivable`: a one-shot key may open it, too; else only the operator's. */
static const struct stream_kind {
    const char *name;
    bool receivable;
    stream_runner *run;
} kinds[] = {
    {"transfer-in", true, receive_run},       /* host/transfer/ */
    {"evidence", false, evidence_run_stream}, /* host/evidence/send.h */
    {"transfer-out", false, send_run_stream}, /* further kinds: a row here, a runner of type stream_runner */
};

static const struct stream_kind *find_kind(const char *name)
{
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* "client-address client-port server-address server-port", ssh(1). */
static int port_of_connection(const char *connection)
{
    int64_t port = 0;
    const char *last = connection ? strrchr(connection, ' ') : NULL;
    return last && str_to_i64(last + 1, 1, 65535, &port) ? (int)port : 0;
}

static int server_port; /* set once, before the first thread */

int stream_server_port(void)
{
    return server_port;
}

void stream_take_asked(struct stream_asked *asked)
{
    server_port = port_of_connection(getenv("SSH_CONNECTION"));
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    if (!command || !str_copy(asked->command, sizeof asked->command, command))
        asked->command[0] = '\0';
}

static void say(int fd, const char *text)
{
    ssize_t ignored = write(fd, text, strlen(text));
    (void)ignored;
}

static enum err run_ticket(
    const struct stream_kind *kind, const char *word, const json_t *ticket, struct audit *audit, struct err_info *info)
{
    const char *site = json_get_text(ticket, "site"), *job = json_get_text(ticket, "job");
    audit_record(audit, "stream %s begins site=%s job=%s", kind->name, site ? site : "?", job ? job : "?");
    int64_t began_us = clock_mono_us();
    enum err result = kind->run(word, ticket, STDIN_FILENO, STDOUT_FILENO, info);
    audit_record(audit, "stream %s ended site=%s job=%s: %s%s%s, %lld ms", kind->name, site ? site : "?",
        job ? job : "?", result == ERR_OK ? "ok" : err_word(result), result == ERR_OK ? "" : ": ",
        result == ERR_OK ? "" : info->message, (long long)((clock_mono_us() - began_us) / USEC_PER_MSEC));
    return result;
}

/* `greets`: by the operator's channel, whose first line says how it went; else on standard error. */
static int be_end(const char *word, bool greets, struct audit *audit)
{
    struct err_info info = {0};
    json_t *ticket = NULL;
    int lock = -1;
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is seen by write(2) */
    enum err result = ticket_load(word, &ticket, &info);
    const struct stream_kind *kind = find_kind(json_get_text(ticket, "kind"));
    if (result == ERR_OK && (!kind || (!greets && !kind->receivable)))
        result = err_set(&info, ERR_DENIED, "this stream is not to be had that way");
    if (result == ERR_OK)
        result = ticket_lock(word, OTHERS_END_US, &lock, &info);
    if (result != ERR_OK)
        audit_refusal(audit, "a stream was refused: %s", info.message);
    if (result != ERR_OK && greets) {
        char line[sizeof STREAM_REFUSED + sizeof info.message + 1];
        str_format(line, sizeof line, STREAM_REFUSED "%s\n", info.message);
        say(STDOUT_FILENO, line);
    } else if (result == ERR_OK) {
        if (greets)
            say(STDOUT_FILENO, STREAM_READY);
        result = run_ticket(kind, word, ticket, audit, &info);
    }
    if (result != ERR_OK) {
        char line[sizeof info.message + 1];
        str_format(line, sizeof line, "%s\n", info.message);
        say(STDERR_FILENO, line);
    }
    run_end_all();
    json_decref(ticket);
    return result == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool stream_serve(const struct stream_asked *asked, enum host_role role, struct audit *audit, int *status)
{
    if (role != HOST_ROLE_OPERATOR || !str_starts(asked->command, "stream "))
        return false;
    *status = be_end(asked->command + strlen("stream "), true, audit);
    return true;
}

bool stream_is_one(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--receive") == 0;
}

int stream_main(const char *word, const struct stream_asked *asked, struct audit *audit)
{
    const char *meant = asked->command + strlen(STREAM_TRANSFER " ");
    if (str_starts(asked->command, STREAM_TRANSFER " ") && strcmp(meant, word) == 0)
        return be_end(word, false, audit);
    audit_refusal(audit, "a stream was refused: its sender meant another one");
    say(STDERR_FILENO, "this key opens another transfer here than the one that was meant\n");
    return EXIT_FAILURE;
}

bool stream_is_own(int argc, char **argv)
{
    bool confines = argc >= 4 && (strcmp(argv[1], "--confine") == 0 || strcmp(argv[1], "--confine-to-read") == 0);
    return confines || (argc >= 3 && strcmp(argv[1], "--relay") == 0);
}

int stream_own_main(int argc, char **argv)
{
    if (strcmp(argv[1], "--relay") == 0)
        return relay_main(argc, argv);
    return confine_main(argv[2], strcmp(argv[1], "--confine-to-read") == 0, argv + 3);
}
