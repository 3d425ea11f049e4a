/* Tried with docker 20.10: both work on containers that run, are paused or have ended; published ports come back with
 * the network. An address that docker had chosen itself may be another one afterwards: on the default bridge none can
 * be asked for. Names and addresses come from docker, that is from whoever made the container: they are checked by
 * rule. */
#include "host/isolate/networks.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/site/bolt.h"

#define CHANGE_LIMIT_US (20 * USEC_PER_SEC)
#define MOST_CONTAINERS 256
#define MOST_ALIASES 16
#define MOST_NETWORKS 16 /* of one container */

/* --- what docker says -----------------------------------------------------------------------------------------------
 */

static bool can_be_taken(const char *network)
{
    return name_is_valid_container(network) && strcmp(network, "host") != 0 && strcmp(network, "none") != 0 &&
           !bolt_is(network);
}

static const json_t *networks_of(const json_t *description)
{
    return json_object_get(json_object_get(description, "NetworkSettings"), "Networks");
}

static void count(const json_t *description, void *context)
{
    int *told = context;
    const char *name;
    json_t *network;
    *told = 0;
    json_object_foreach ((json_t *)networks_of(description), name, network)
        *told += can_be_taken(name);
}

int networks_count(enum runtime_kind kind, const char *id)
{
    int told = -1;
    if (kind < RUNTIME_COUNT && runtime_id_is_valid(id))
        runtime_inspect(kind, &id, 1, count, &told, NULL);
    return told;
}

static bool is_noted(const json_t *list, const char *id, const char *network)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *known = json_get_text(json_array_get(list, i), "id");
        const char *of = json_get_text(json_array_get(list, i), "network");
        if (known && of && strcmp(known, id) == 0 && strcmp(of, network) == 0)
            return true;
    }
    return false;
}

static void note_address(json_t *entry, const char *key, const char *address, int family)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    if (address && inet_pton(family, address, bytes) == 1)
        json_put_text(entry, key, address);
}

/* Each container is its own alias by the beginning of its ID: docker gives it that again. */
static void note_aliases(json_t *entry, const json_t *aliases, const char *id)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(aliases) && json_array_size(kept) < MOST_ALIASES; i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        if (name_is_valid_container(alias) && strncmp(id, alias, strlen(alias)) != 0)
            json_array_append_new(kept, json_string(alias));
    }
    json_object_set_new(entry, "aliases", kept);
}

static void note_networks(const json_t *description, void *context)
{
    json_t *list = context, *network;
    const char *id = json_get_text(description, "Id"), *name = json_get_text(description, "Name"), *key;
    size_t count = 0;
    if (!runtime_id_is_valid(id))
        return;
    json_object_foreach ((json_t *)networks_of(description), key, network) {
        if (!can_be_taken(key) || is_noted(list, id, key) || ++count > MOST_NETWORKS)
            continue;
        const json_t *wished = json_object_get(network, "IPAMConfig");
        json_t *entry = json_object();
        json_put_text(entry, "id", id);
        json_put_text(entry, "name", name && name[0] == '/' ? name + 1 : name);
        json_put_text(entry, "network", key);
        note_address(entry, "ip", json_get_text(wished, "IPv4Address"), AF_INET);
        note_address(entry, "ip6", json_get_text(wished, "IPv6Address"), AF_INET6);
        note_aliases(entry, json_object_get(network, "Aliases"), id);
        json_array_append_new(list, entry);
    }
}

enum err networks_note(const json_t *containers, json_t *list, struct err_info *info)
{
    const char *ids[MOST_CONTAINERS];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(containers) && count < MOST_CONTAINERS; i++) {
        const json_t *container = json_array_get(containers, i);
        const char *id = json_get_text(container, "id");
        if (runtime_by_name(json_get_text(container, "runtime")) == RUNTIME_DOCKER && runtime_id_is_valid(id))
            ids[count++] = id;
    }
    return count ? runtime_inspect(RUNTIME_DOCKER, ids, count, note_networks, list, info) : ERR_OK;
}

/* --- one container and network --------------------------------------------------------------------------------------
 */

struct sought {
    const char *id, *network;
    bool is_there, is_connected;
};

static void see(const json_t *description, void *context)
{
    struct sought *sought = context;
    const char *id = json_get_text(description, "Id");
    if (!id || strcmp(id, sought->id) != 0)
        return;
    sought->is_there = true;
    sought->is_connected = json_object_get(networks_of(description), sought->network) != NULL;
}

/* An entry that makes no sense is as one whose container is gone. */
static enum err look_at(const json_t *entry, struct sought *sought, struct err_info *info)
{
    *sought = (struct sought){.id = json_get_text(entry, "id"), .network = json_get_text(entry, "network")};
    if (!runtime_id_is_valid(sought->id) || !sought->network || !can_be_taken(sought->network))
        return ERR_OK;
    return runtime_inspect(RUNTIME_DOCKER, &sought->id, 1, see, sought, info);
}

static enum err disconnect(const json_t *entry, struct err_info *info)
{
    struct sought sought;
    enum err result = look_at(entry, &sought, info);
    if (result != ERR_OK || !sought.is_there || !sought.is_connected)
        return result;
    const char *const words[] = {"network", "disconnect", "--", sought.network, sought.id, NULL};
    return runtime_command(RUNTIME_DOCKER, words, CHANGE_LIMIT_US, NULL, info);
}

static enum err connect_again(const json_t *entry, struct err_info *info)
{
    struct sought sought;
    const char *words[2 * MOST_ALIASES + 10] = {"network", "connect"};
    size_t count = 2;
    const json_t *aliases = json_object_get(entry, "aliases");
    enum err result = look_at(entry, &sought, info);
    if (result != ERR_OK || !sought.is_there || sought.is_connected)
        return result;
    for (size_t i = 0; i < json_array_size(aliases) && i < MOST_ALIASES; i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        if (!name_is_valid_container(alias))
            continue;
        words[count++] = "--alias";
        words[count++] = alias;
    }
    static const char *const addresses[][2] = {{"ip", "--ip"}, {"ip6", "--ip6"}};
    for (size_t i = 0; i < 2; i++) {
        const char *address = json_get_text(entry, addresses[i][0]);
        if (!address || address[strspn(address, "0123456789abcdefABCDEF.:")] != '\0')
            continue;
        words[count++] = addresses[i][1];
        words[count++] = address;
    }
    words[count++] = "--";
    words[count++] = sought.network;
    words[count++] = sought.id;
    return runtime_command(RUNTIME_DOCKER, words, CHANGE_LIMIT_US, NULL, info);
}

/* All of them; the first failure is the one reported. */
static enum err change_all(
    const json_t *list, enum err (*change)(const json_t *, struct err_info *), struct err_info *info)
{
    enum err result = ERR_OK;
    struct err_info later;
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum err this_one = change(json_array_get(list, i), result == ERR_OK ? info : &later);
        result = result == ERR_OK ? this_one : result;
    }
    return result;
}

enum err networks_disconnect(const json_t *list, struct err_info *info)
{
    return change_all(list, disconnect, info);
}

enum err networks_connect(const json_t *list, struct err_info *info)
{
    return change_all(list, connect_again, info);
}
