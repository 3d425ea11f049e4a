/* The vocabulary of the helper, whole: what is not in this table cannot be asked of a host. Const; any thread. */
#include "host/verbs.h"

#include <string.h>

static const struct verb verbs[] = {
    {.name = "hello", .handle = verb_hello},
    {.name = "ping", .handle = verb_ping},
    {.name = "subscribe", .handle = verb_subscribe, .then = subscribe_begin},
    {.name = "inventory", .own_thread = true, .handle = verb_inventory},
    {.name = "site.status", .needs_site = true, .own_thread = true, .handle = verb_site_status},
    {.name = "logs.tail", .own_thread = true, .handle = verb_logs_tail},
    {.name = "logs.follow", .own_thread = true, .handle = verb_logs_follow, .then = logs_follow_begin},
    {.name = "lease.take",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_lease_take},
    {.name = "lease.renew",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .unlogged = true,
        .handle = verb_lease_renew},
    {.name = "lease.release",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_lease_release},
    {.name = "site.start",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_site_start},
    {.name = "site.stop",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_site_stop},
    {.name = "site.restart",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_site_restart},
    {.name = "site.mark",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_site_mark},
    {.name = "image.find",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_image_find},
    {.name = "transfer.key",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_key},
    {.name = "transfer.check",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_check},
    {.name = "transfer.open",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_open},
    {.name = "transfer.send",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_send},
    {.name = "transfer.result",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_result},
    {.name = "transfer.close",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_transfer_close},
    {.name = "volume.detach",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_volume_detach},
    {.name = "volume.attach",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_volume_attach},
    {.name = "route.get", .needs_site = true, .own_thread = true, .handle = verb_route_get},
    {.name = "route.hold",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_route_hold},
    {.name = "route.drain",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_route_drain},
    {.name = "route.release",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_route_release},
    {.name = "route.set",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_route_set},
    {.name = "route.notice",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_route_notice},
    {.name = "evidence.collect",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_evidence_collect},
    {.name = "evidence.open",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_evidence_open},
    {.name = "evidence.remove",
        .least_role = HOST_ROLE_OPERATOR,
        .needs_site = true,
        .own_thread = true,
        .handle = verb_evidence_remove},
};

#define VERB_COUNT (sizeof verbs / sizeof *verbs)
_Static_assert(VERB_COUNT <= 64, "a policy's rules keep verbs as bits of 64");

size_t verb_count(void)
{
    return VERB_COUNT;
}

const struct verb *verb_at(size_t index)
{
    return &verbs[index];
}

size_t verb_index(const struct verb *verb)
{
    return (size_t)(verb - verbs);
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}
