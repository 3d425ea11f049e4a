/* Bolting docker's containers. docker has no hook that is asked before a start, but from 1.10 on it writes any network
 * down for a container that does not run ("docker network connect"), and looks for them all when it is started; one
 * that is gone fails the start on purpose (moby pull request 17187), before anything of the container is set up. It is
 * kept in the container's own file, so it outlasts docker and the host. Taken away again, the container is as before.
 * Any thread. */
#include "host/site/bolt.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/containers/runtime.h"

#define PREFIX "dogwatch-refuses-the-start-of." /* then the site */
#define CHANGE_LIMIT_US (20 * USEC_PER_SEC)

bool bolt_is(const char *network)
{
    return network && str_starts(network, PREFIX) && name_is_valid(network + strlen(PREFIX));
}

const char *bolt_of(const json_t *description)
{
    const char *name;
    json_t *network;
    json_object_foreach (json_object_get(json_object_get(description, "NetworkSettings"), "Networks"), name, network)
        if (bolt_is(name))
            return name;
    return NULL;
}

bool bolt_fits(const json_t *description)
{
    const json_t *host = json_object_get(description, "HostConfig");
    const char *state = json_get_text(json_object_get(description, "State"), "Status");
    const char *mode = json_get_text(host, "NetworkMode");
    bool is_removed = false, has_none = false;
    json_get_bool(host, "AutoRemove", &is_removed);
    json_get_bool(json_object_get(description, "Config"), "NetworkDisabled", &has_none);
    bool is_down = state && (strcmp(state, "exited") == 0 || strcmp(state, "created") == 0);
    return is_down && !is_removed && !has_none && !(mode && str_starts(mode, "container:"));
}

enum err bolt_put(const char *site, const char *id, struct err_info *info)
{
    char network[sizeof PREFIX + NAME_SIZE];
    str_format(network, sizeof network, PREFIX "%s", site);
    const char *const words[] = {"network", "connect", "--", network, id, NULL};
    return runtime_command(RUNTIME_DOCKER, words, CHANGE_LIMIT_US, NULL, info);
}

enum err bolt_draw(const char *network, const char *id, struct err_info *info)
{
    const char *const words[] = {"network", "disconnect", "--", network, id, NULL};
    return runtime_command(RUNTIME_DOCKER, words, CHANGE_LIMIT_US, NULL, info);
}
