/* The server side of the engine's socket (docs/socket.md): connections, lines, who asks. What the commands are it does
 * not know. */
#ifndef ENGINE_SOCKET_H
#define ENGINE_SOCKET_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/json.h"

#define SOCKET_NAME "engine.sock"
#define SOCKET_LINE_MAX ((size_t)1 << 20)
#define SOCKET_CONNECTIONS_MAX 64

/* Who asks, from SO_PEERCRED: the kernel says it, not the client. */
struct peer {
    uid_t uid;
    char name[64]; /* of the user; "uid 1234" where it has none */
};

/* Answers one request; called in the connection's own thread, several at the same time. `request` is borrowed. */
typedef json_t *socket_answer(void *owner, const struct peer *peer, const json_t *request);

struct server;

/* Listens on STATE/engine.sock; a socket that was left there is replaced, so the engine's lock must be held. */
enum err server_start(
    const char *state_dir, socket_answer *answer, void *owner, struct server **out, struct err_info *info);
/* Ends all connections, waits for answers under way, removes the socket. NULL allowed. */
void server_free(struct server *server);
size_t server_connections(struct server *server);

/* Write the socket's address; *fd is −1, or a descriptor to close after bind or connect (a path that is too long for an
 * address is reached through it). */
enum err socket_address(const char *state_dir, struct sockaddr_un *address, int *fd, struct err_info *info);

#endif
