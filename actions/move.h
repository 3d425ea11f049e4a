/* The planning of a move: what it is made of, and whether it may be done. Private to actions/. */
#ifndef ACTIONS_MOVE_H
#define ACTIONS_MOVE_H

#include "actions/action.h"
#include "actions/proxies.h"

#define MOVE_GRACE_S 10

struct move {
    const struct plan_request *request;
    const struct site_state *site;
    struct plan *plan;
    char to[NAME_SIZE];
    char runtime[16]; /* on the target */
    char from_runtime[16];
    json_t *described;  /* site.describe of the source */
    json_t *room;       /* host.room of the target */
    json_t *containers; /* that run: name and id */
    json_t *health;     /* NULL: not declared */
    struct plan_proxies proxies;
    int64_t bytes, files, memory_bytes; /* bytes −1: not known */
    int64_t port;                       /* published; 0: none */
    bool ignores_term, is_kept_there;
};

/* move_check.c: ask both ends what is there, choose target and engine, refuse in words. Fills `move` up to `proxies`.
 */
enum err move_look(struct move *move, struct err_info *info);

bool move_text_is(const json_t *object, const char *key, const char *wanted);

#endif
