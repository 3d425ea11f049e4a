/* One thread accepts, one thread a connection pumps its channels, one thread a command. A connection's loop sleeps in
 * poll(2) on the session, on what its commands print and on an eventfd that stops it; libssh itself never waits. */
#include "tests/support/ssh_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define CHANNELS_MAX 16
#define BLOCK_BYTES 32768

struct ssh_server {
    struct ssh_server_options options;
    int listen_fd;
    int stop_fd;
    uint16_t port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    ssh_bind bind;
    char *key;
    char fingerprint[80];
    enum ssh_server_fault fault;
    bool paused, stopping;
    unsigned connections, alive, auth_attempts;
    struct client *clients;
};

struct pipe_ends {
    int program, ours; /* either may be -1 */
};

struct job { /* one channel with a command or a forwarding behind it */
    struct client *client;
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    char *command;
    bool running, finished; /* a thread is there; it has returned */
    pthread_t thread;
    int status;
    struct pipe_ends in, out, errors;
    bool is_forward;
    char pending[BLOCK_BYTES]; /* for the command's input */
    size_t pending_start, pending_length;
};

struct client {
    struct client *next;
    struct ssh_server *server;
    enum ssh_server_fault fault;
    int fd;
    ssh_session session;
    ssh_event event;
    struct ssh_server_callbacks_struct callbacks;
    bool is_in; /* logged in */
    struct job jobs[CHANNELS_MAX];
    size_t job_count;
};

static void die(const char *what)
{
    fprintf(stderr, "ssh_server: %s: %s\n", what, strerror(errno));
    abort();
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- commands ------------------------------------------------------------------------------------------------- */

static int run_program(struct job *job)
{
    const char *const *argv = job->client->server->options.argv;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(job->in.program, 0);
        dup2(job->out.program, 1);
        dup2(job->errors.program, 2);
        close_range(3, ~0u, 0);
        signal(SIGPIPE, SIG_DFL);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close_fd(&job->in.program);
    close_fd(&job->out.program);
    close_fd(&job->errors.program);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void *job_thread(void *arg)
{
    struct job *job = arg;
    const struct ssh_server_options *options = &job->client->server->options;
    if (options->argv)
        job->status = run_program(job);
    else if (options->command)
        job->status =
            options->command(options->owner, job->command, job->in.program, job->out.program, job->errors.program);
    close_fd(&job->in.program);
    close_fd(&job->out.program); /* the loop sees the end of output */
    close_fd(&job->errors.program);
    return NULL;
}

static void make_pipe(struct pipe_ends *ends, bool to_program)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        die("pipe");
    ends->program = fds[to_program ? 0 : 1];
    ends->ours = fds[to_program ? 1 : 0];
    fcntl(ends->ours, F_SETFL, O_NONBLOCK);
}

static int on_exec(ssh_session session, ssh_channel channel, const char *command, void *owner)
{
    (void)session;
    (void)channel;
    struct job *job = owner;
    job->command = xstrdup(command);
    make_pipe(&job->in, true);
    make_pipe(&job->out, false);
    make_pipe(&job->errors, false);
    job->running = pthread_create(&job->thread, NULL, job_thread, job) == 0;
    return job->running ? SSH_OK : SSH_ERROR;
}

/* --- what a client may do ------------------------------------------------------------------------------------- */

static struct job *new_job(struct client *client, ssh_channel channel)
{
    if (client->job_count == CHANNELS_MAX)
        return NULL;
    struct job *job = &client->jobs[client->job_count++];
    *job = (struct job){.client = client, .channel = channel, .in = {-1, -1}, .out = {-1, -1}, .errors = {-1, -1}};
    job->callbacks = (struct ssh_channel_callbacks_struct){.userdata = job, .channel_exec_request_function = on_exec};
    ssh_callbacks_init(&job->callbacks);
    ssh_set_channel_callbacks(channel, &job->callbacks);
    return job;
}

static ssh_channel on_open_session(ssh_session session, void *owner)
{
    struct client *client = owner;
    if (client->fault == SSH_SERVER_REFUSES_CHANNELS || client->job_count == CHANNELS_MAX)
        return NULL;
    ssh_channel channel = ssh_channel_new(session);
    new_job(client, channel);
    return channel;
}

static int on_public_key(ssh_session session, const char *user, struct ssh_key_struct *key, char state, void *owner)
{
    (void)session;
    (void)user;
    struct client *client = owner;
    struct ssh_server *server = client->server;
    char *base64 = NULL;
    ssh_pki_export_pubkey_base64(key, &base64);
    const char *wanted = server->options.authorized;
    bool right = client->fault != SSH_SERVER_REFUSES_AUTH && (!wanted || (base64 && strcmp(base64, wanted) == 0));
    ssh_string_free_char(base64);
    pthread_mutex_lock(&server->lock);
    server->auth_attempts++;
    pthread_mutex_unlock(&server->lock);
    client->is_in = right && state == SSH_PUBLICKEY_STATE_VALID;
    return right ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

static int connect_to(const char *address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        close_fd(&fd);
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int on_message(ssh_session session, ssh_message message, void *owner)
{
    (void)session;
    struct client *client = owner;
    bool is_open = ssh_message_type(message) == SSH_REQUEST_CHANNEL_OPEN;
    if (is_open && client->fault == SSH_SERVER_STALLS_CHANNELS)
        return 0; /* taken, never answered */
    if (!is_open || ssh_message_subtype(message) != SSH_CHANNEL_DIRECT_TCPIP)
        return 1;
    int fd = connect_to(ssh_message_channel_request_open_destination(message),
        ssh_message_channel_request_open_destination_port(message));
    if (fd < 0)
        return 1;
    ssh_channel channel = ssh_message_channel_request_open_reply_accept(message);
    struct job *job = channel ? new_job(client, channel) : NULL;
    if (!job) {
        close(fd);
        return 0;
    }
    job->is_forward = true;
    job->in.ours = fd;
    job->out.ours = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return 0;
}

/* --- pumping -------------------------------------------------------------------------------------------------- */

static void feed(struct job *job)
{
    while (job->in.ours >= 0) {
        if (job->pending_length == 0) {
            int got = ssh_channel_read_nonblocking(job->channel, job->pending, sizeof job->pending, 0);
            if (got == SSH_EOF || got == SSH_ERROR || (got == 0 && ssh_channel_is_eof(job->channel))) {
                if (job->is_forward)
                    shutdown(job->in.ours, SHUT_WR);
                close_fd(&job->in.ours);
            }
            if (got <= 0)
                return;
            job->pending_start = 0;
            job->pending_length = (size_t)got;
        }
        ssize_t took = write(job->in.ours, job->pending + job->pending_start, job->pending_length);
        if (took < 0 && errno == EAGAIN)
            return;
        if (took < 0) {
            job->pending_length = 0;
            close_fd(&job->in.ours);
            return;
        }
        job->pending_start += (size_t)took;
        job->pending_length -= (size_t)took;
    }
}

static void drain(struct job *job, struct pipe_ends *ends, bool is_stderr)
{
    char block[BLOCK_BYTES];
    while (ends->ours >= 0 && ssh_channel_is_open(job->channel)) {
        uint32_t room = ssh_channel_window_size(job->channel);
        if (room == 0)
            return;
        ssize_t got = read(ends->ours, block, room < sizeof block ? room : sizeof block);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_fd(&ends->ours);
            return;
        }
        if (is_stderr)
            ssh_channel_write_stderr(job->channel, block, (uint32_t)got);
        else
            ssh_channel_write(job->channel, block, (uint32_t)got);
    }
}

static void finish(struct job *job)
{
    bool has_output = job->running || job->is_forward;
    if (!has_output || job->finished || job->out.ours >= 0 || job->errors.ours >= 0)
        return;
    job->finished = true;
    close_fd(&job->in.ours);
    if (job->running) {
        pthread_join(job->thread, NULL);
        ssh_channel_request_send_exit_status(job->channel, job->status);
    }
    ssh_channel_send_eof(job->channel);
    ssh_channel_close(job->channel);
}

static void pump(struct client *client)
{
    for (size_t i = 0; i < client->job_count; i++) {
        struct job *job = &client->jobs[i];
        feed(job);
        drain(job, &job->out, false);
        drain(job, &job->errors, true);
        finish(job);
    }
}

static bool hold_while_paused(struct ssh_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->paused && !server->stopping)
        pthread_cond_wait(&server->changed, &server->lock);
    bool go_on = !server->stopping;
    pthread_mutex_unlock(&server->lock);
    return go_on;
}

static size_t watch(struct client *client, struct pollfd *fds)
{
    size_t count = 0;
    bool flush = ssh_get_poll_flags(client->session) & SSH_WRITE_PENDING;
    fds[count++] = (struct pollfd){.fd = client->fd, .events = (short)(POLLIN | (flush ? POLLOUT : 0))};
    fds[count++] = (struct pollfd){.fd = client->server->stop_fd, .events = POLLIN};
    for (size_t i = 0; i < client->job_count; i++) {
        struct job *job = &client->jobs[i];
        bool room = ssh_channel_is_open(job->channel) && ssh_channel_window_size(job->channel) > 0;
        fds[count++] = (struct pollfd){.fd = room ? job->out.ours : -1, .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = room ? job->errors.ours : -1, .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = job->pending_length ? job->in.ours : -1, .events = POLLOUT};
    }
    return count;
}

static void serve_channels(struct client *client)
{
    for (;;) {
        struct pollfd fds[2 + 3 * CHANNELS_MAX];
        size_t count = watch(client, fds);
        if (poll(fds, count, -1) < 0 && errno != EINTR)
            return;
        if (!hold_while_paused(client->server) || fds[1].revents)
            return;
        if (ssh_event_dopoll(client->event, 0) == SSH_ERROR || !ssh_is_connected(client->session))
            return;
        pump(client);
    }
}

static bool log_in(struct client *client)
{
    while (!client->is_in) {
        struct pollfd fds[2];
        watch(client, fds);
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return false;
        if (!hold_while_paused(client->server) || fds[1].revents)
            return false;
        if (client->fault == SSH_SERVER_STALLS_IN_AUTH)
            fds[0].fd = -1, poll(fds, 2, -1);
        if (ssh_event_dopoll(client->event, 0) == SSH_ERROR || !ssh_is_connected(client->session))
            return false;
    }
    return true;
}

/* --- connections ---------------------------------------------------------------------------------------------- */

static void say(struct client *client, const char *text)
{
    if (send(client->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return;
}

static void await_stop(struct client *client)
{
    struct pollfd fds[] = {{.fd = client->server->stop_fd, .events = POLLIN}, {.fd = client->fd, .events = 0}};
    poll(fds, 2, -1);
}

/* True where there is no SSH to be spoken. */
static bool misbehave(struct client *client)
{
    switch (client->fault) {
    case SSH_SERVER_SILENT:
        await_stop(client);
        return true;
    case SSH_SERVER_GARBAGE:
        say(client, "HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J");
        await_stop(client);
        return true;
    case SSH_SERVER_MAX_STARTUPS:
        say(client, "Exceeded MaxStartups\r\n");
        return true;
    case SSH_SERVER_CLOSES:
        return true;
    case SSH_SERVER_STALLS_IN_KEX:
        say(client, "SSH-2.0-Stalled\r\n");
        await_stop(client);
        return true;
    default:
        return false;
    }
}

static void serve(struct client *client)
{
    client->callbacks = (struct ssh_server_callbacks_struct){.userdata = client,
        .auth_pubkey_function = on_public_key,
        .channel_open_request_session_function = client->fault == SSH_SERVER_STALLS_CHANNELS ? NULL : on_open_session};
    ssh_callbacks_init(&client->callbacks);
    ssh_set_server_callbacks(client->session, &client->callbacks);
    ssh_set_message_callback(client->session, on_message, client);
    ssh_set_auth_methods(client->session, SSH_AUTH_METHOD_PUBLICKEY);
    if (ssh_handle_key_exchange(client->session) != SSH_OK)
        return;
    ssh_set_blocking(client->session, 0);
    client->event = ssh_event_new();
    ssh_event_add_session(client->event, client->session);
    if (log_in(client))
        serve_channels(client);
}

static void free_jobs(struct client *client)
{
    for (size_t i = 0; i < client->job_count; i++) {
        struct job *job = &client->jobs[i];
        close_fd(&job->in.ours); /* a command that reads sees its end */
        close_fd(&job->out.ours);
        close_fd(&job->errors.ours);
        if (job->running && !job->finished)
            pthread_join(job->thread, NULL);
        free(job->command);
    }
}

static void *client_thread(void *arg)
{
    struct client *client = arg;
    struct ssh_server *server = client->server;
    if (!misbehave(client)) {
        pthread_mutex_lock(&server->lock);
        client->session = ssh_new();
        bool taken = ssh_bind_accept_fd(server->bind, client->session, fcntl(client->fd, F_DUPFD_CLOEXEC, 3)) == SSH_OK;
        pthread_mutex_unlock(&server->lock);
        if (taken)
            serve(client);
    }
    free_jobs(client);
    if (client->event) {
        ssh_event_remove_session(client->event, client->session);
        ssh_event_free(client->event);
    }
    if (client->session) {
        ssh_disconnect(client->session);
        ssh_free(client->session);
    }
    pthread_mutex_lock(&server->lock);
    close(client->fd);
    for (struct client **at = &server->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    server->alive--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    free(client);
    return NULL;
}

static void take(struct ssh_server *server, int fd)
{
    struct client *client = xcalloc(1, sizeof *client);
    client->server = server;
    client->fd = fd;
    pthread_mutex_lock(&server->lock);
    client->fault = server->fault;
    client->next = server->clients;
    server->clients = client;
    server->connections++;
    server->alive++;
    pthread_mutex_unlock(&server->lock);
    pthread_t thread;
    if (pthread_create(&thread, NULL, client_thread, client) != 0)
        die("thread");
    pthread_detach(thread);
}

static void *accept_thread(void *arg)
{
    struct ssh_server *server = arg;
    for (;;) {
        struct pollfd fds[] = {{.fd = server->listen_fd, .events = POLLIN}, {.fd = server->stop_fd, .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[1].revents)
            return NULL;
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            take(server, fd);
    }
}

/* --- the server ----------------------------------------------------------------------------------------------- */

void ssh_server_new_key(struct ssh_server *server)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t hash_length = 0;
    char *base64 = NULL;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK ||
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &hash_length) != 0)
        die("host key");
    char *fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, hash_length);
    ssh_bind bind = ssh_bind_new();
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &(bool){false});
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key); /* the bind's from here on */
    pthread_mutex_lock(&server->lock);
    ssh_bind_free(server->bind);
    server->bind = bind;
    xstr_set(&server->key, base64);
    str_copy(server->fingerprint, sizeof server->fingerprint, fingerprint);
    pthread_mutex_unlock(&server->lock);
    ssh_string_free_char(base64);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
}

struct ssh_server *ssh_server_start(const struct ssh_server_options *options)
{
    signal(SIGPIPE, SIG_IGN);
    struct ssh_server *server = xcalloc(1, sizeof *server);
    server->options = *options;
    server->fault = options->fault;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    ssh_server_new_key(server);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    inet_pton(AF_INET, options->bind_address ? options->bind_address : "127.0.0.1", &at.sin_addr);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (bind(server->listen_fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(server->listen_fd, 128) != 0 ||
        getsockname(server->listen_fd, (struct sockaddr *)&at, &size) != 0)
        die("listen");
    server->port = ntohs(at.sin_port);
    if (pthread_create(&server->acceptor, NULL, accept_thread, server) != 0)
        die("thread");
    return server;
}

void ssh_server_stop(struct ssh_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    eventfd_write(server->stop_fd, 1);
    pthread_join(server->acceptor, NULL);
    ssh_server_cut(server);
    pthread_mutex_lock(&server->lock);
    while (server->alive > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    close(server->listen_fd);
    close(server->stop_fd);
    ssh_bind_free(server->bind);
    free(server->key);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
}

uint16_t ssh_server_port(const struct ssh_server *server)
{
    return server->port;
}

const char *ssh_server_key(const struct ssh_server *server)
{
    return server->key;
}

const char *ssh_server_fingerprint(const struct ssh_server *server)
{
    return server->fingerprint;
}

void ssh_server_set_fault(struct ssh_server *server, enum ssh_server_fault fault)
{
    pthread_mutex_lock(&server->lock);
    server->fault = fault;
    pthread_mutex_unlock(&server->lock);
}

unsigned ssh_server_connections(struct ssh_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->connections;
    pthread_mutex_unlock(&server->lock);
    return count;
}

unsigned ssh_server_auth_attempts(struct ssh_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->auth_attempts;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void ssh_server_pause(struct ssh_server *server, bool paused)
{
    pthread_mutex_lock(&server->lock);
    server->paused = paused;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

void ssh_server_cut(struct ssh_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (struct client *client = server->clients; client; client = client->next)
        shutdown(client->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

/* --- directories ---------------------------------------------------------------------------------------------- */

char *test_dir_new(void)
{
    char *path = xstrdup("/tmp/dogwatch-test-XXXXXX");
    if (!mkdtemp(path))
        die("mkdtemp");
    return path;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void test_dir_free(char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}
