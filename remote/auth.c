/* Logging in: exactly one key from a file, or the keys of the person's agent; never passwords. Nothing is retried here:
 * sshd bans who fails often. An agent may hang (a smart card, a confirmation nobody gives), and libssh then waits for
 * ever; so it never talks to the agent itself but to a relay thread, which hangs up at the deadline or when the dial is
 * cancelled. */
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "remote/session.h"

/* --- the relay to the agent --------------------------------------------------------------------------------------- */

struct relay {
    int agent_fd;
    int our_fd; /* the other end of the pair libssh has */
    struct wait wait;
    int stop_fd;
    pthread_t thread;
    bool timed_out; /* read after the thread was joined */
};

#define RELAY_STACK_BYTES (64 * 1024)

static bool write_all(int fd, const char *data, size_t length, const struct wait *wait)
{
    while (length > 0) {
        ssize_t written = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EAGAIN && wait_fd(wait, fd, POLLOUT) == ERR_OK)
            continue;
        if (written <= 0)
            return false;
        data += written;
        length -= (size_t)written;
    }
    return true;
}

static bool copy_ready(int from, int to, short revents, const struct wait *wait)
{
    char block[4096];
    if (!revents)
        return true;
    ssize_t length = recv(from, block, sizeof block, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return true;
    return length > 0 && write_all(to, block, (size_t)length, wait);
}

static void *relay_run(void *arg)
{
    struct relay *relay = arg;
    for (;;) {
        struct pollfd fds[] = {{.fd = relay->stop_fd, .events = POLLIN}, {.fd = relay->agent_fd, .events = POLLIN},
            {.fd = relay->our_fd, .events = POLLIN}};
        enum err err = wait_for(&relay->wait, fds, 3);
        relay->timed_out = err == ERR_TIMEOUT;
        if (err || fds[0].revents)
            break;
        if (!copy_ready(relay->agent_fd, relay->our_fd, fds[1].revents, &relay->wait) ||
            !copy_ready(relay->our_fd, relay->agent_fd, fds[2].revents, &relay->wait))
            break;
    }
    shutdown(relay->our_fd, SHUT_WR); /* libssh reads the end; what it still writes goes nowhere */
    return NULL;
}

static int connect_agent(struct err_info *info)
{
    const char *path = getenv("SSH_AUTH_SOCK");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!path || !*path || !str_copy(at.sun_path, sizeof at.sun_path, path)) {
        err_set(info, ERR_AUTH, "no key was named and there is no ssh-agent (SSH_AUTH_SOCK): use --identity FILE");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    err_errno(info, ERR_AUTH, errno, "cannot reach the ssh-agent at %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static enum err relay_start(struct relay *relay, ssh_session session, const struct wait *wait, struct err_info *info)
{
    *relay = (struct relay){.wait = *wait, .our_fd = -1, .stop_fd = -1};
    relay->agent_fd = connect_agent(info);
    if (relay->agent_fd < 0)
        return ERR_AUTH;
    int pair[2] = {-1, -1};
    relay->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, RELAY_STACK_BYTES);
    int failed = relay->stop_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ? errno : 0;
    relay->our_fd = pair[1];
    failed = failed ? failed : pthread_create(&relay->thread, &attributes, relay_run, relay);
    pthread_attr_destroy(&attributes);
    if (!failed) {
        ssh_set_agent_socket(session, pair[0]); /* the session closes it */
        return ERR_OK;
    }
    close(relay->agent_fd);
    if (relay->stop_fd >= 0)
        close(relay->stop_fd);
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    return err_errno(info, ERR_IO, failed, "cannot speak to the ssh-agent");
}

static void relay_stop(struct relay *relay)
{
    eventfd_write(relay->stop_fd, 1);
    pthread_join(relay->thread, NULL);
    close(relay->agent_fd);
    close(relay->our_fd);
    close(relay->stop_fd);
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

static enum err refused(struct connection *connection, const char *what, struct err_info *info)
{
    return err_set(info, ERR_AUTH,
        "%s: refuses %s for the user %s; is its public key in that user's authorized_keys? (dogwatch host add puts it "
        "there)",
        connection->name, what, connection->user);
}

static enum err outcome(struct connection *connection, int rc, enum err waited, const char *what, struct err_info *info)
{
    if (waited)
        return session_error(connection, waited, "logging in", info);
    switch (rc) {
    case SSH_AUTH_SUCCESS:
        return ERR_OK;
    case SSH_AUTH_PARTIAL:
        return err_set(info, ERR_AUTH, "%s: takes %s, but wants a second proof as well, which dogwatch cannot give",
            connection->name, what);
    case SSH_AUTH_DENIED:
        return refused(connection, what, info);
    default:
        break;
    }
    if (ssh_is_connected(connection->session) && ssh_get_error_code(connection->session) == SSH_REQUEST_DENIED)
        return refused(connection, what, info);
    return session_error(connection, ERR_OK, "logging in", info);
}

/* --- the two ways ------------------------------------------------------------------------------------------------- */

static enum err with_agent(struct connection *connection, const struct wait *wait, struct err_info *info)
{
    struct relay relay;
    enum err err = relay_start(&relay, connection->session, wait, info);
    if (err)
        return err_prefix(info, err, "%s", connection->name);
    int rc;
    enum err waited = ERR_OK;
    while (!waited && (rc = ssh_userauth_agent(connection->session, NULL)) == SSH_AUTH_AGAIN)
        waited = session_wait(connection, wait);
    relay_stop(&relay);
    if (!waited && rc == SSH_AUTH_SUCCESS)
        return ERR_OK;
    if (relay.timed_out || wait_left_us(wait) == 0)
        return err_set(
            info, ERR_TIMEOUT, "%s: the ssh-agent (or sshd) did not answer in time while logging in", connection->name);
    return outcome(connection, rc, waited, "every key of the ssh-agent", info);
}

static enum err load_key(const char *path, ssh_key *key, struct err_info *info)
{
    *key = NULL;
    int rc = access(path, R_OK) == 0 ? ssh_pki_import_privkey_file(path, NULL, NULL, NULL, key) : SSH_EOF;
    if (rc == SSH_OK)
        return ERR_OK;
    if (rc == SSH_EOF)
        return err_errno(info, errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED, errno, "cannot read the key %s", path);
    return err_set(info, ERR_INVALID,
        "cannot use the key %s: no private key, or under a passphrase (then: ssh-add it and leave --identity out)",
        path);
}

static enum err with_file(
    struct connection *connection, const char *path, const struct wait *wait, struct err_info *info)
{
    ssh_key key;
    enum err err = load_key(path, &key, info);
    if (err)
        return err_prefix(info, err, "%s", connection->name);
    char what[320];
    str_format(what, sizeof what, "the key %s", path);
    int rc;
    while ((rc = ssh_userauth_publickey(connection->session, NULL, key)) == SSH_AUTH_AGAIN) {
        err = session_wait(connection, wait);
        if (err)
            break;
    }
    ssh_key_free(key);
    return outcome(connection, rc, err, what, info);
}

enum err auth_log_in(
    struct connection *connection, const struct remote_target *target, const struct wait *wait, struct err_info *info)
{
    if (target->identity_file)
        return with_file(connection, target->identity_file, wait, info);
    return with_agent(connection, wait, info);
}
