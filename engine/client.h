/* The client side of the engine's socket: what the console and the subcommands ask with. One thread at a time per
 * client. */
#ifndef ENGINE_CLIENT_H
#define ENGINE_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define CLIENT_TIMEOUT_US (INT64_C(30) * 1000000)

struct client;

/* ERR_NOT_FOUND or ERR_REFUSED where no engine serves this state directory, ERR_DENIED where this user may not ask. */
enum err client_open(const char *state_dir, struct client **out, struct err_info *info);
void client_free(struct client *client); /* NULL allowed */
/* From any thread: a request that is under way ends soon with ERR_CLOSED; the client is of no more use. */
void client_give_up(struct client *client);

/* Ask and wait for the answer. Takes ownership of `request` (its "id" is set here). *answer is the "ok" member, the
 * caller's. An error that the engine answers comes back with its own code. After ERR_TIMEOUT, ERR_CLOSED and
 * ERR_GARBAGE the client is of no more use. */
enum err client_request(
    struct client *client, json_t *request, int64_t timeout_us, json_t **answer, struct err_info *info);

/* Open, ask once, close. */
enum err client_ask(const char *state_dir, json_t *request, json_t **answer, struct err_info *info);

#endif
