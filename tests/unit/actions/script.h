/* What all hosts that tests of actions pretend have in common: a helper's lines over the SSH server of tests/support,
 * memory that several processes share, an engine that trusts them. */
#ifndef TESTS_UNIT_ACTIONS_SCRIPT_H
#define TESTS_UNIT_ACTIONS_SCRIPT_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/paths.h"
#include "fleet/fleet.h"
#include "remote/keys.h"
#include "remote/known_hosts.h"
#include "tests/support/ssh_server.h"

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* Takes over the message. */
static inline void script_say(int fd, json_t *message)
{
    struct buf line = BUF((size_t)1 << 20);
    json_write(&line, message);
    buf_putc(&line, '\n');
    for (size_t done = 0; done < line.length;) {
        ssize_t put = write(fd, line.data + done, line.length - done);
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    buf_free(&line);
    json_decref(message);
}

static inline json_t *script_refusal(const char *code, const char *message)
{
    return json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message);
}

/* Takes over `answer`: what script_refusal gave, or else what is good. */
static inline void script_answer(int fd, const json_t *request, json_t *answer)
{
    json_t *message = json_object_get(answer, "error") ? json_incref(answer) : json_pack("{s:O}", "ok", answer);
    json_object_set(message, "id", json_object_get(request, "id"));
    json_decref(answer);
    script_say(fd, message);
}

/* What comes in, until `take` ends it: then the connection breaks. */
static inline int script_listen(
    int in_fd, int out_fd, bool (*take)(void *owner, int out_fd, const json_t *request), void *owner)
{
    FILE *in = fdopen(dup(in_fd), "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    bool goes_on = true;
    while (goes_on && (length = getline(&line, &size, in)) > 0) {
        json_t *request = NULL;
        goes_on = json_parse(line, (size_t)length, &request, NULL) == ERR_OK && take(owner, out_fd, request);
        json_decref(request);
    }
    free(line);
    fclose(in);
    return 0;
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

/* Memory that is still the same in the children; free it with munmap. */
static inline void *script_share(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static inline void script_share_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &shared);
    pthread_mutexattr_destroy(&shared);
}

/* Until another process has set it. */
static inline void script_await(pthread_mutex_t *mutex, const bool *ready)
{
    for (bool seen = false; !seen; usleep(1000)) {
        pthread_mutex_lock(mutex);
        seen = *ready;
        pthread_mutex_unlock(mutex);
    }
}

static inline void script_set(pthread_mutex_t *mutex, bool *ready)
{
    pthread_mutex_lock(mutex);
    *ready = true;
    pthread_mutex_unlock(mutex);
}

/* A listening socket on any free port; `address` in the host's order. */
static inline int script_open_port(in_addr_t address, uint16_t *port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    socklen_t length = sizeof own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(fd, (struct sockaddr *)&own, sizeof own);
    listen(fd, 64);
    getsockname(fd, (struct sockaddr *)&own, &length);
    *port = ntohs(own.sin_port);
    return fd;
}

/* One visitor's request, answered with "Welcome" and the status that is chosen for it. */
static inline void script_serve_page(int listener, int (*status)(void *owner, int fd), void *owner)
{
    char text[512];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t done = read(fd, text, sizeof text);
    int length = snprintf(text, sizeof text,
        "HTTP/1.1 %d Word\r\nContent-Length: 7\r\nConnection: close\r\n\r\nWelcome", status(owner, fd));
    done = write(fd, text, (size_t)length);
    (void)done;
    close(fd);
}

/* --- the engine's side -------------------------------------------------------------------------------------------- */

/* The fleet files stay in force as long as the test. */
static inline const struct fleet *script_hold(void *owner)
{
    return owner;
}

static inline void script_let_go(void *owner, const struct fleet *fleet)
{
    (void)owner, (void)fleet;
}

/* The engine has keys, and knows this host's. */
static inline enum err script_trust(
    const char *state_dir, const char *name, const char *host_key, struct err_info *info)
{
    struct host_key key;
    char *path = paths_join(state_dir, "known_hosts");
    enum err err = keys_ensure(state_dir, "operator", NULL, NULL, info);
    if (!err)
        err = keys_ensure(state_dir, "viewer", NULL, NULL, info);
    if (!err)
        err = host_key_describe(&key, host_key, info);
    if (!err)
        err = known_hosts_set(path, name, &key, info);
    free(path);
    return err;
}

#endif
