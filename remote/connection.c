/* Dialling: socket (TCP or through a jump host), key exchange, host key, login. The libssh session stays non-blocking
 * all its life, so that one deadline holds for all steps together and a readable descriptor cancels any of them; the
 * caller's thread blocks in poll(2) only. What libssh does with known_hosts and config files is switched off:
 * known_hosts.c judges keys. */
#include "remote/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/session.h"
#include "remote/tcp.h"

#define PEEK_BYTES 160

/* libssh writes to sockets without MSG_NOSIGNAL. */
static void set_up_once(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    ssh_init();
}

static uint16_t port_of(const struct remote_target *target)
{
    return target->port ? target->port : 22;
}

/* --- waiting and errors ----------------------------------------------------------------------------------------- */

enum err session_wait(struct connection *connection, const struct wait *wait)
{
    short events = POLLIN;
    if (ssh_get_poll_flags(connection->session) & SSH_WRITE_PENDING)
        events |= POLLOUT;
    return wait_fd(wait, connection->fd, events);
}

static enum err error_of_session(const char *text)
{
    static const struct {
        const char *part;
        enum err err;
    } known[] = {
        {"banner", ERR_GARBAGE},
        {"Protocol", ERR_GARBAGE},
        {"kex error", ERR_INVALID},
        {"no match", ERR_INVALID},
        {"HMAC", ERR_GARBAGE},
        {"Packet len too high", ERR_GARBAGE},
        {"read_packet", ERR_GARBAGE},
        {"imeout", ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(text, known[i].part))
            return known[i].err;
    return ERR_CLOSED;
}

enum err session_error(struct connection *connection, enum err err, const char *what, struct err_info *info)
{
    const char *name = connection->name;
    if (err == ERR_TIMEOUT)
        return err_set(info, err, "%s: %s: no answer in time", name, what);
    if (err == ERR_CANCELLED)
        return err_set(info, err, "%s: %s: given up on request", name, what);
    if (err)
        return err_set(info, err, "%s: %s: cannot wait for the connection", name, what);
    const char *said = ssh_get_error(connection->session);
    char text[400];
    sanitize(text, sizeof text, said, strlen(said));
    err = error_of_session(text);
    return err_set(info, err, "%s: %s: %s", name, what, *text ? text : "the connection was closed");
}

/* --- the session -------------------------------------------------------------------------------------------------- */

static void set_text(ssh_session session, enum ssh_options_e option, const char *value)
{
    ssh_options_set(session, option, value);
}

/* Ask for the kinds of key we know first, as ssh does, so that a host with several keys shows the known one. */
static void prefer_known_keys(ssh_session session, const struct remote_target *target)
{
    char types[256];
    known_hosts_types(&target->known_hosts, target->name, target->address, port_of(target), types, sizeof types);
    char all[640];
    const char *rsa = strstr(types, "ssh-rsa");
    str_format(all, sizeof all, "%.*s%s%s", rsa ? (int)(rsa - types) : (int)strlen(types), types,
        rsa ? "rsa-sha2-512,rsa-sha2-256" : "", *types ? "," : "");
    size_t length = strlen(all);
    str_format(all + length, sizeof all - length, "%s",
        "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256");
    char *comma = strstr(all, ",,");
    if (comma)
        memmove(comma, comma + 1, strlen(comma));
    set_text(session, SSH_OPTIONS_HOSTKEYS, all);
}

static enum err session_new(
    struct connection *connection, const struct remote_target *target, int fd, struct err_info *info)
{
    ssh_session session = ssh_new();
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (!session || own < 0) {
        ssh_free(session);
        close(fd);
        if (own >= 0)
            close(own);
        return err_set(info, ERR_IO, "%s: cannot make an SSH session", connection->name);
    }
    unsigned port = port_of(target);
    int no = 0, yes = 1;
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &(bool){false});
    set_text(session, SSH_OPTIONS_HOST, target->address);
    set_text(session, SSH_OPTIONS_USER, target->user);
    set_text(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    set_text(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_PORT, &port);
    ssh_options_set(session, SSH_OPTIONS_LOG_VERBOSITY, &no);
    ssh_options_set(session, SSH_OPTIONS_GSSAPI_AUTH, &no);
    ssh_options_set(session, SSH_OPTIONS_NODELAY, &yes);
    ssh_options_set(
        session, SSH_OPTIONS_TIMEOUT, &(long){10}); /* nothing may wait inside libssh; this bounds what did */
    prefer_known_keys(session, target);
    ssh_options_set(session, SSH_OPTIONS_FD, &fd); /* the session's to close from here on */
    ssh_set_blocking(session, 0);
    connection->session = session;
    connection->fd = own;
    return ERR_OK;
}

/* --- first words -------------------------------------------------------------------------------------------------- */

/* sshd says these instead of its banner when it will not talk now: sshd_config(5), MaxStartups and PerSourcePenalties.
 */
static bool is_refusal(const char *text)
{
    return strstr(text, "MaxStartups") || strstr(text, "Not allowed at this time");
}

/* Look at the first bytes without taking them: only an SSH server speaks first, and says "SSH-". */
static enum err await_banner(struct connection *connection, const struct wait *wait, struct err_info *info)
{
    const char *name = connection->name;
    enum err err = wait_fd(wait, connection->fd, POLLIN);
    if (err == ERR_TIMEOUT)
        return err_set(info, err, "%s: takes the connection, but its sshd says nothing (stopped or overloaded?)", name);
    if (err)
        return session_error(connection, err, "waiting for sshd", info);
    char raw[PEEK_BYTES], text[PEEK_BYTES * 3];
    ssize_t length = recv(connection->fd, raw, sizeof raw, MSG_PEEK | MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN))
        return err_set(info, ERR_CLOSED, "%s: closed the connection at once (MaxStartups or a firewall?)", name);
    if (length <= 0)
        return ERR_OK;
    size_t compared = length < 4 ? (size_t)length : 4;
    if (memcmp(raw, "SSH-", compared) == 0)
        return ERR_OK;
    const char *newline = memchr(raw, '\n', (size_t)length);
    sanitize(text, sizeof text, raw, newline ? (size_t)(newline - raw) : (size_t)length);
    if (is_refusal(text))
        return err_set(info, ERR_BUSY, "%s: sshd turns connections away for now: %s", name, text);
    return err_set(info, ERR_GARBAGE, "%s: what listens there is no SSH server; it says \"%.80s\"", name, text);
}

static enum err shake_hands(struct connection *connection, const struct wait *wait, struct err_info *info)
{
    enum err err = await_banner(connection, wait, info);
    if (err)
        return err;
    int rc;
    while ((rc = ssh_connect(connection->session)) == SSH_AGAIN) {
        err = session_wait(connection, wait);
        if (err)
            return session_error(connection, err, "SSH handshake", info);
    }
    return rc == SSH_OK ? ERR_OK : session_error(connection, ERR_OK, "SSH handshake", info);
}

/* --- the host's key ----------------------------------------------------------------------------------------------- */

static enum err take_host_key(struct connection *connection, struct err_info *info)
{
    ssh_key key = NULL;
    char *base64 = NULL;
    enum err err = ERR_GARBAGE;
    if (ssh_get_server_publickey(connection->session, &key) == SSH_OK &&
        ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
        err = host_key_describe(&connection->host_key, base64, info);
    else
        err_set(info, err, "%s: shows a host key that cannot be read", connection->name);
    ssh_string_free_char(base64);
    ssh_key_free(key);
    return err;
}

static enum err judge_host_key(struct connection *connection, const struct remote_target *target, struct err_info *info)
{
    const struct host_key *key = &connection->host_key;
    const char *name = connection->name;
    const char *pinned = target->pinned_fingerprint;
    if (key->verdict == HOST_KEY_REVOKED)
        return err_set(info, ERR_HOST_KEY,
            "%s: its host key %s is REVOKED (%s): do not log in there before you know why", name, key->fingerprint,
            key->where);
    if (pinned && strcmp(pinned, key->fingerprint) == 0)
        return ERR_OK;
    if (pinned)
        return err_set(
            info, ERR_HOST_KEY, "%s: shows the host key %s, not the expected %s", name, key->fingerprint, pinned);
    if (key->verdict == HOST_KEY_TRUSTED)
        return ERR_OK;
    if (key->verdict == HOST_KEY_CHANGED)
        return err_set(info, ERR_HOST_KEY,
            "%s: its host key changed: was %s (%s), is %s; if the host was installed anew: dogwatch host trust %s",
            name, key->was, key->where, key->fingerprint, name);
    return err_set(info, ERR_HOST_KEY, "%s: its host key %s is not known%s; compare it, then: dogwatch host trust %s",
        name, key->fingerprint,
        key->has_authority ? " (a @cert-authority line is, but host certificates are not supported)" : "", name);
}

/* --- dialling -------------------------------------------------------------------------------------------------------
 */

static enum err open_socket(struct connection *connection, const struct remote_target *target, const struct wait *wait,
    unsigned depth, int *fd, struct err_info *info)
{
    *fd = -1;
    if (!target->jump)
        return tcp_connect(target->address, port_of(target), wait, fd, info);
    if (depth >= REMOTE_JUMP_MAX)
        return err_set(info, ERR_INVALID, "%s: more than %d jump hosts in a row", connection->name, REMOTE_JUMP_MAX);
    return jump_open(target, wait, depth, &connection->jump, fd, info);
}

/* Up to and with what is known about the host key. */
static enum err reach(const struct remote_target *given, const struct wait *wait, unsigned depth,
    struct connection **out, struct err_info *info)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_once);
    *out = NULL;
    struct remote_target target = *given;
    target.name = target.name ? target.name : target.address;
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->fd = -1;
    connection->cancel_fd = wait->cancel_fd;
    str_copy(connection->name, sizeof connection->name, target.name);
    str_copy(connection->user, sizeof connection->user, target.user);
    int fd;
    enum err err = open_socket(connection, &target, wait, depth, &fd, info);
    if (err == ERR_OK)
        err = session_new(connection, &target, fd, info);
    if (err == ERR_OK)
        err = shake_hands(connection, wait, info);
    if (err == ERR_OK)
        err = take_host_key(connection, info);
    if (err == ERR_OK)
        err = known_hosts_check(
            &target.known_hosts, target.name, target.address, port_of(&target), &connection->host_key, info);
    if (err)
        connection_free(connection);
    else
        *out = connection;
    return err;
}

enum err connection_dial(const struct remote_target *target, const struct wait *wait, unsigned depth,
    struct connection **out, struct err_info *info)
{
    struct connection *connection;
    *out = NULL;
    enum err err = reach(target, wait, depth, &connection, info);
    if (err)
        return err;
    err = judge_host_key(connection, target, info);
    if (err == ERR_OK)
        err = auth_log_in(connection, target, wait, info);
    if (err)
        connection_free(connection);
    else
        *out = connection;
    return err;
}

enum err remote_dial(const struct remote_target *target, int64_t timeout_us, int cancel_fd, struct connection **out,
    struct err_info *info)
{
    struct wait wait = wait_within(timeout_us, cancel_fd);
    return connection_dial(target, &wait, 0, out, info);
}

enum err remote_host_key(
    const struct remote_target *target, int64_t timeout_us, int cancel_fd, struct host_key *key, struct err_info *info)
{
    *key = (struct host_key){0};
    struct wait wait = wait_within(timeout_us, cancel_fd);
    struct connection *connection;
    enum err err = reach(target, &wait, 0, &connection, info);
    if (err)
        return err;
    *key = connection->host_key;
    connection_free(connection);
    return ERR_OK;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    if (connection->session) {
        if (ssh_is_connected(connection->session))
            ssh_disconnect(connection->session);
        ssh_free(connection->session);
    }
    if (connection->fd >= 0)
        close(connection->fd);
    jump_free(connection->jump);
    free(connection);
}

const char *connection_name(const struct connection *connection)
{
    return connection->name;
}

const struct host_key *connection_host_key(const struct connection *connection)
{
    return &connection->host_key;
}
