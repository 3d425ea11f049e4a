/* The engine's socket, serving side. One thread accepts; each connection has a thread of its own with a small stack,
 * so that a slow answer or a client that does not read holds up nobody else. Everything a client can make grow is
 * bounded: connections, the length of a line, how long half a line may lie there, how long it may not read. */
#include "engine/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"

#define STACK_BYTES ((size_t)512 << 10)
#define HALF_LINE_MS 10000
#define SEND_TIMEOUT_S 10
#define PIECE_BYTES 16384

struct connection {
    struct connection *next;
    struct server *server;
    int fd;
    struct peer peer;
};

struct server {
    socket_answer *answer;
    void *owner;
    char *path;
    int listener;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t gone;            /* a connection ended */
    struct connection *connections; /* a chain */
    size_t count;
    bool ending;
};

/* --- addresses ---------------------------------------------------------------------------------------------------- */

enum err socket_address(const char *state_dir, struct sockaddr_un *address, int *fd, struct err_info *info)
{
    *fd = -1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    char *path = paths_join(state_dir, SOCKET_NAME);
    bool fits = str_copy(address->sun_path, sizeof address->sun_path, path);
    free(path);
    if (fits)
        return ERR_OK;
    *fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        int why = errno;
        return err_errno(info, err_from_errno(why), why, "cannot open the state directory %s", state_dir);
    }
    str_format(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/" SOCKET_NAME, *fd);
    return ERR_OK;
}

/* A person's name for a user id. */
static void peer_name(uid_t uid, char *out, size_t out_size)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    if (getpwuid_r(uid, &entry, text, sizeof text, &found) == 0 && found)
        str_copy(out, out_size, found->pw_name);
    else
        str_format(out, out_size, "uid %lu", (unsigned long)uid);
}

/* --- one connection ----------------------------------------------------------------------------------------------- */

static bool send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        length -= (size_t)sent;
    }
    return true;
}

static json_t *refusal(enum err code, const char *message)
{
    json_t *error = json_object(), *answer = json_object();
    json_put_text(error, "code", err_word(code));
    json_put_text(error, "message", message);
    json_object_set_new(answer, "error", error);
    return answer;
}

static bool send_answer(int fd, json_t *answer)
{
    struct buf line = BUF(SOCKET_LINE_MAX);
    if (json_write(&line, answer) != ERR_OK || buf_putc(&line, '\n') != ERR_OK) {
        json_t *id = json_incref(json_object_get(answer, "id"));
        json_decref(answer);
        answer = refusal(ERR_FULL, "the answer is longer than 1 MiB");
        if (id)
            json_object_set_new(answer, "id", id);
        buf_clear(&line);
        json_write(&line, answer);
        buf_putc(&line, '\n');
    }
    bool sent = send_all(fd, buf_text(&line), line.length);
    buf_free(&line);
    json_decref(answer);
    return sent;
}

static bool answer_line(struct connection *connection, const char *line, size_t length)
{
    struct err_info info = {0};
    json_t *request;
    if (json_parse(line, length, &request, &info) != ERR_OK) {
        send_answer(connection->fd, refusal(ERR_GARBAGE, info.message));
        return false;
    }
    json_t *answer = json_is_object(request)
                         ? connection->server->answer(connection->server->owner, &connection->peer, request)
                         : refusal(ERR_GARBAGE, "a request is a JSON object");
    const json_t *id = json_object_get(request, "id");
    if (json_is_integer(id))
        json_object_set_new(answer, "id", json_integer(json_integer_value(id)));
    json_decref(request);
    return send_answer(connection->fd, answer);
}

/* Answer what is whole in the buffer; false where the connection is to end. */
static bool answer_lines(struct connection *connection, struct buf *input)
{
    char *end;
    while (input->length && (end = memchr(input->data, '\n', input->length))) {
        size_t length = (size_t)(end - input->data);
        if (length && !answer_line(connection, input->data, length))
            return false;
        buf_consume(input, length + 1);
    }
    return true;
}

static bool read_more(int fd, struct buf *input)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int ready = poll(&waiting, 1, input->length ? HALF_LINE_MS : -1);
    if (ready < 0)
        return errno == EINTR;
    char piece[PIECE_BYTES];
    ssize_t got = ready ? recv(fd, piece, sizeof piece, 0) : 0;
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0)
        return false;
    if (buf_append(input, piece, (size_t)got) == ERR_OK)
        return true;
    send_answer(fd, refusal(ERR_GARBAGE, "a line is longer than 1 MiB"));
    return false;
}

static void leave(struct connection *connection)
{
    struct server *server = connection->server;
    pthread_mutex_lock(&server->mutex);
    struct connection **link = &server->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    server->count--;
    close(connection->fd);
    pthread_cond_broadcast(&server->gone);
    pthread_mutex_unlock(&server->mutex);
    free(connection);
}

static void *serve(void *arg)
{
    struct connection *connection = arg;
    struct buf input = BUF(SOCKET_LINE_MAX);
    while (answer_lines(connection, &input) && read_more(connection->fd, &input))
        continue;
    buf_free(&input);
    leave(connection);
    return NULL;
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */

static void identify(int fd, struct peer *peer)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    peer->uid = (uid_t)-1; /* nobody */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
        peer->uid = credentials.uid;
    peer_name(peer->uid, peer->name, sizeof peer->name);
}

static bool start_thread(struct connection *connection)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&thread, &attributes, serve, connection) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

static void welcome(struct server *server, int fd)
{
    struct timeval patience = {.tv_sec = SEND_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->fd = fd;
    identify(fd, &connection->peer);
    pthread_mutex_lock(&server->mutex);
    bool room = server->count < SOCKET_CONNECTIONS_MAX && !server->ending;
    if (room) {
        connection->next = server->connections;
        server->connections = connection;
        server->count++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (room && start_thread(connection))
        return;
    send_answer(fd, refusal(ERR_BUSY, "too many connections; try again later"));
    if (room) {
        leave(connection);
    } else {
        close(fd);
        free(connection);
    }
}

static void *accept_connections(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(server, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        pthread_mutex_lock(&server->mutex);
        bool ending = server->ending;
        if (!ending) { /* no descriptors left, for example: until a connection ends, or for a second */
            log_error("cannot accept on the engine's socket: %s", strerror(errno));
            struct timespec deadline = clock_timespec(clock_mono_us() + USEC_PER_SEC);
            pthread_cond_clockwait(&server->gone, &server->mutex, CLOCK_MONOTONIC, &deadline);
        }
        pthread_mutex_unlock(&server->mutex);
        if (ending)
            return NULL;
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* 0600; where an administrator let a group into the state directory, that group may ask too. */
static void set_access(const char *path, const char *state_dir)
{
    struct stat status;
    bool shared = stat(state_dir, &status) == 0 && (status.st_mode & S_IXGRP);
    if (shared && lchown(path, (uid_t)-1, status.st_gid) == 0 && chmod(path, 0660) == 0)
        return;
    chmod(path, 0600);
}

static enum err listen_on(struct server *server, const char *state_dir, struct err_info *info)
{
    struct sockaddr_un address;
    int directory;
    enum err result = socket_address(state_dir, &address, &directory, info);
    if (result != ERR_OK)
        return result;
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(server->path);
    /* The mode of the descriptor is that of the file to come: nobody can connect before set_access. */
    bool listening = server->listener >= 0 && fchmod(server->listener, 0600) == 0 &&
                     bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                     listen(server->listener, SOCKET_CONNECTIONS_MAX) == 0;
    int why = errno;
    if (directory >= 0)
        close(directory);
    if (!listening)
        return err_errno(info, err_from_errno(why), why, "cannot listen on %s", server->path);
    set_access(server->path, state_dir);
    return ERR_OK;
}

static void free_server(struct server *server)
{
    if (server->listener >= 0)
        close(server->listener);
    pthread_cond_destroy(&server->gone);
    pthread_mutex_destroy(&server->mutex);
    free(server->path);
    free(server);
}

enum err server_start(
    const char *state_dir, socket_answer *answer, void *owner, struct server **out, struct err_info *info)
{
    *out = NULL;
    struct server *server = xcalloc(1, sizeof *server);
    server->answer = answer;
    server->owner = owner;
    server->path = paths_join(state_dir, SOCKET_NAME);
    server->listener = -1;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->gone, NULL);
    enum err result = listen_on(server, state_dir, info);
    int why = result == ERR_OK ? pthread_create(&server->thread, NULL, accept_connections, server) : 0;
    if (why)
        result = err_errno(info, ERR_IO, why, "cannot start the socket's thread");
    if (result != ERR_OK) {
        free_server(server);
        return result;
    }
    *out = server;
    return ERR_OK;
}

size_t server_connections(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    size_t count = server->count;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    unlink(server->path);
    pthread_mutex_lock(&server->mutex);
    server->ending = true;
    shutdown(server->listener, SHUT_RDWR); /* wakes accept(2) on Linux */
    pthread_cond_broadcast(&server->gone);
    pthread_mutex_unlock(&server->mutex);
    pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->mutex);
    for (struct connection *connection = server->connections; connection; connection = connection->next)
        shutdown(connection->fd, SHUT_RDWR);
    while (server->count)
        pthread_cond_wait(&server->gone, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    free_server(server);
}
