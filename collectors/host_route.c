/* A host definition and those of its jump hosts, copied into a chain of remote_targets that outlives the fleet files it
 * was made from. Any thread; no shared state. */
#include "collectors/host_route.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/paths.h"

#define SYSTEM_KNOWN_HOSTS "/etc/ssh/ssh_known_hosts"

struct hop {
    char *name, *address, *user;
    struct remote_target target;
};

struct host_route {
    char *key_file, *ours, *users; /* users: NULL where there is no HOME */
    size_t count;                  /* the host itself, then its jumps from near it to far */
    struct hop hops[1 + REMOTE_JUMP_MAX];
};

static void add_hop(struct host_route *route, const struct host_def *host)
{
    struct hop *hop = &route->hops[route->count++];
    hop->name = xstrdup(host->name);
    hop->address = xstrdup(host->address);
    hop->user = xstrdup(host->user);
    hop->target = (struct remote_target){.name = hop->name,
        .address = hop->address,
        .port = host->port,
        .user = hop->user,
        .identity_file = route->key_file,
        .known_hosts = {.ours = route->ours, .user = route->users, .system = SYSTEM_KNOWN_HOSTS}};
}

static enum err add_hops(
    struct host_route *route, const struct fleet *fleet, const struct host_def *host, struct err_info *info)
{
    const char *first = host->name;
    add_hop(route, host);
    while (host->jump) {
        const char *jump = host->jump;
        host = fleet_host(fleet, jump);
        if (!host)
            return err_set(info, ERR_INVALID, "%s: its jump host %s is not in the fleet files", first, jump);
        if (route->count == 1 + REMOTE_JUMP_MAX)
            return err_set(info, ERR_INVALID, "%s: more than %d jump hosts, or a ring of them", first, REMOTE_JUMP_MAX);
        add_hop(route, host);
        route->hops[route->count - 2].target.jump = &route->hops[route->count - 1].target;
    }
    return ERR_OK;
}

enum err host_route_new(const struct fleet *fleet, const struct host_def *host, const char *state_dir, const char *role,
    struct host_route **out, struct err_info *info)
{
    *out = NULL;
    struct host_route *route = xcalloc(1, sizeof *route);
    const char *home = getenv("HOME");
    route->key_file = xasprintf("%s/keys/%s", state_dir, role);
    route->ours = paths_join(state_dir, "known_hosts");
    route->users = home && home[0] == '/' ? paths_join(home, ".ssh/known_hosts") : NULL;
    enum err err = add_hops(route, fleet, host, info);
    if (err == ERR_OK)
        *out = route;
    else
        host_route_free(route);
    return err;
}

void host_route_free(struct host_route *route)
{
    if (!route)
        return;
    for (size_t i = 0; i < route->count; i++) {
        free(route->hops[i].name);
        free(route->hops[i].address);
        free(route->hops[i].user);
    }
    free(route->key_file);
    free(route->ours);
    free(route->users);
    free(route);
}

const struct remote_target *host_route_target(const struct host_route *route)
{
    return &route->hops[0].target;
}

const char *host_route_jump(const struct host_route *route)
{
    return route->count > 1 ? route->hops[1].name : NULL;
}
