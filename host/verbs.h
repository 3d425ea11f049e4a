/* The vocabulary: one const row per verb. The table is in verbs.c; a handler lives in the file of its subject. */
#ifndef HOST_VERBS_H
#define HOST_VERBS_H

#include "host/session.h"

enum host_role { HOST_ROLE_VIEWER, HOST_ROLE_OPERATOR };

/* Returns ERR_OK with *ok set (a new reference), or an error with `info` filled. `args` is an object, borrowed. */
typedef enum err verb_handler(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info);

struct verb {
    const char *name;
    enum host_role least_role;
    bool needs_site; /* args.site must be a valid name and allowed by policy before the handler runs */
    bool own_thread; /* may take long: runs in a thread of its own, others go on */
    bool unlogged;   /* changes the host, but too often to be worth a line in syslog each time */
    verb_handler *handle;
    void (*then)(
        struct session *session); /* after a good answer was sent: what it pushes comes behind it; may be NULL */
};

const struct verb *verb_find(const char *name); /* NULL where there is none */
size_t verb_count(void);                        /* at most 64: a policy's rules keep them as bits */
const struct verb *verb_at(size_t index);
size_t verb_index(const struct verb *verb);

/* host/dispatch.c */
verb_handler verb_hello, verb_ping;
/* host/sample/sample.c */
verb_handler verb_subscribe;
void subscribe_begin(struct session *session);

/* host/inventory.c */
verb_handler verb_inventory, verb_site_status;
/* host/site/site.c */
verb_handler verb_site_start, verb_site_stop, verb_site_restart;
/* host/isolate/contain.c, host/isolate/uncontain.c */
verb_handler verb_site_contain, verb_site_uncontain;
/* host/site/mark_set.c */
verb_handler verb_site_mark;
/* host/site/lease.c */
verb_handler verb_lease_take, verb_lease_renew, verb_lease_release;
/* host/definition/room.c, describe.c, gather.c, create.c, remove.c */
verb_handler verb_host_room, verb_site_describe, verb_site_definition, verb_site_create, verb_site_remove;
/* host/logs/tail.c, host/logs/follow.c */
verb_handler verb_logs_tail, verb_logs_follow;
void logs_follow_begin(struct session *session);
/* host/evidence/list.c, host/evidence/collect.c, host/evidence/send.c */
verb_handler verb_evidence_list, verb_evidence_collect, verb_evidence_open, verb_evidence_remove;
/* host/transfer/way.c, open.c, send.c, mountpoint.c */
verb_handler verb_transfer_key, verb_transfer_check, verb_transfer_open, verb_transfer_close, verb_transfer_send,
    verb_transfer_result, verb_image_find, verb_volume_detach, verb_volume_attach;
/* host/route/route.c */
verb_handler verb_route_get, verb_route_hold, verb_route_drain, verb_route_release, verb_route_set, verb_route_notice;

#endif
