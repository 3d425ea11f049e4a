/* The helper on a host, as docs/protocol.md describes it, seen from the engine. One thread owns a helper (the one that
 * owns its connection); only helper_wake may be called from others. What the helper sends is bounded and checked for
 * form, not for meaning: texts inside are the host's own and not sanitised. */
#ifndef REMOTE_HELPER_H
#define REMOTE_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "remote/connection.h"

struct helper;

/* Open a channel, start the helper in this role ("viewer", "operator") and exchange hello. `idle_s`: the helper ends
 * itself after hearing nothing for so long (10–3600; 0: its default). *out is NULL unless ERR_OK; free it before its
 * connection. ERR_MISSING not installed  ERR_DENIED sudo or policy refuses  ERR_VERSION too old or too new  ERR_GARBAGE
 * ERR_TIMEOUT ERR_CLOSED  ERR_CANCELLED */
enum err helper_open(struct connection *connection, const char *role, int idle_s, int64_t timeout_us,
    struct helper **out, struct err_info *info);
void helper_free(struct helper *helper); /* NULL allowed */

const json_t *helper_hello(const struct helper *helper);        /* the answer to hello; borrowed */
bool helper_can(const struct helper *helper, const char *verb); /* is it among the capabilities? */

/* `value` is borrowed. */
typedef void helper_progress(void *owner, const json_t *value);

/* Ask and wait for the answer. Takes ownership of `args` (NULL: none). *ok (may be NULL) is the caller's (json_decref).
 * What is pushed meanwhile is kept for helper_next; more than 16 MiB of it is ERR_FULL: the connection is then to be
 * dropped. An error answered by the host comes back with its own code and "HOST: message"; helper_is_alive tells
 * whether the channel still works. After ERR_TIMEOUT the late answer is ignored. */
enum err helper_request(struct helper *helper, const char *verb, json_t *args, int64_t timeout_us,
    helper_progress *progress, void *owner, json_t **ok, struct err_info *info);

/* Or ask now and take the answer out of helper_next. Takes ownership of `args`. */
enum err helper_send(
    struct helper *helper, const char *verb, json_t *args, int64_t timeout_us, int64_t *id, struct err_info *info);

enum helper_event_kind {
    HELPER_NOTHING, /* the timeout passed */
    HELPER_WOKEN,   /* helper_wake was called since the last one */
    HELPER_SAMPLE,
    HELPER_INVENTORY,
    HELPER_LOG,
    HELPER_EVENT,
    HELPER_PROGRESS, /* about request `id` */
    HELPER_OK,       /* the good end of request `id` */
    HELPER_ERROR     /* the bad end of request `id`: `value` has code and message */
};

struct helper_event {
    enum helper_event_kind kind;
    int64_t id;    /* of the request; 0 for what is pushed */
    json_t *value; /* the receiver's: json_decref; NULL for NOTHING and WOKEN */
};

/* The next thing that happens, oldest first. ERR_OK (also for NOTHING and WOKEN), or the end of the channel:
 * ERR_CLOSED, ERR_GARBAGE, ERR_CANCELLED, or what the helper said about the connection as a whole. timeout_us < 0:
 * without limit; 0: do not wait. */
enum err helper_next(struct helper *helper, int64_t timeout_us, struct helper_event *event, struct err_info *info);

bool helper_is_alive(const struct helper *helper); /* false once any call ended with the channel broken */
void helper_wake(struct helper *helper);           /* any thread: helper_next returns HELPER_WOKEN */

/* When the last whole line came from the host (CLOCK_MONOTONIC). */
int64_t helper_heard_mono_us(const struct helper *helper);

#endif
