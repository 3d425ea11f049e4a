/* From the inventory to a site's definition: its containers one by one, then the volumes and networks they name. Any
 * thread. */
#include "host/definition/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "host/definition/define.h"
#include "host/inventory.h"
#include "host/session.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/site.h"
#include "host/verbs.h"

#define REQUEST_MOST 60000 /* bytes: a request's line has 65,536, and other members besides */

static void keep_first(const json_t *description, void *context)
{
    json_t **kept = context;
    if (!*kept)
        *kept = json_incref((json_t *)description);
}

json_t *gather_one(enum runtime_kind kind, const char *object, const char *name)
{
    json_t *description = NULL;
    if (runtime_describe(kind, object, &name, 1, keep_first, &description, NULL) == ERR_OK)
        return description;
    json_decref(description);
    return NULL;
}

enum err gather_inventory(json_t **inventory, struct err_info *info)
{
    enum err result = inventory_refresh(inventory, info);
    const json_t *runtimes = json_object_get(*inventory, "runtimes");
    for (size_t i = 0; i < json_array_size(runtimes) && result == ERR_OK; i++) {
        bool ok = true;
        const json_t *runtime = json_array_get(runtimes, i);
        if (json_get_bool(runtime, "ok", &ok) && !ok)
            result = err_set(info, ERR_TIMEOUT, "%s does not answer on this host: %s; nothing was changed",
                json_get_text(runtime, "name"), json_get_text(runtime, "error"));
    }
    if (result != ERR_OK) {
        json_decref(*inventory);
        *inventory = NULL;
    }
    return result;
}

/* A mark takes docker's restart policies away, and keeps them: "always", "on-failure:3". */
static void put_policy_without_mark(json_t *entry, enum runtime_kind kind, const char *id, const char *site)
{
    json_t *record = kind == RUNTIME_DOCKER ? mark_record(site) : NULL;
    const char *policy = mark_policy(record, id, NULL), *colon = policy ? strchr(policy, ':') : NULL;
    int64_t retries;
    if (policy && strcmp(policy, "no") != 0) {
        char word[32];
        json_t *restart = json_object();
        str_copy(word, sizeof word, policy);
        word[strcspn(word, ":")] = '\0';
        json_put_text(restart, "policy", word);
        if (colon && str_to_i64(colon + 1, 1, INT32_MAX, &retries))
            json_put_i64(restart, "retries", retries);
        json_object_set_new(entry, "restart", restart);
    }
    json_decref(record);
}

json_t *gather_container(enum runtime_kind kind, const char *id, const char *site, const char *role, json_t **image)
{
    json_t *description = gather_one(kind, "container", id);
    const char *image_id = json_get_text(description, "Image");
    if (image_id && str_starts(image_id, "sha256:"))
        image_id += strlen("sha256:");
    json_t *its_image = runtime_id_is_valid(image_id) ? gather_one(kind, "image", image_id) : NULL;
    json_t *entry = define_container(kind, description, its_image, site, role);
    json_decref(description);
    if (entry)
        put_policy_without_mark(entry, kind, id, site);
    if (image)
        *image = its_image;
    else
        json_decref(its_image);
    return entry;
}

/* --- all of a site --------------------------------------------------------------------------------------------------
 */

static bool has_name(const json_t *array, const char *name)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *other = json_get_text(json_array_get(array, i), "name");
        if (other && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

static void add_volumes(json_t *volumes, const json_t *container, enum runtime_kind kind, const char *site)
{
    const json_t *mounts = json_object_get(container, "mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const char *name = json_get_text(json_array_get(mounts, i), "name");
        if (!name_is_valid_container(name) || has_name(volumes, name))
            continue;
        json_t *description = gather_one(kind, "volume", name), *volume = define_volume(description, site);
        if (volume)
            json_array_append_new(volumes, volume);
        json_decref(description);
    }
}

static void add_networks(json_t *networks, const json_t *container, enum runtime_kind kind, const char *site)
{
    const json_t *used = json_object_get(container, "networks");
    for (size_t i = 0; i < json_array_size(used); i++) {
        const char *name = json_get_text(json_array_get(used, i), "name");
        if (!name_is_valid_container(name) || strcmp(name, "default") == 0 || has_name(networks, name))
            continue;
        json_t *description = gather_one(kind, "network", name);
        json_t *network = define_network(kind, description, site);
        if (network)
            json_array_append_new(networks, network);
        json_decref(description);
    }
}

/* All that is not carried, in one list. */
static void collect_unsupported(json_t *definition)
{
    static const char *const kinds[] = {"containers", "volumes", "networks"};
    json_t *all = json_array();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json_t *things = json_object_get(definition, kinds[i]);
        for (size_t j = 0; j < json_array_size(things); j++) {
            const json_t *thing = json_array_get(things, j), *said = json_object_get(thing, "unsupported");
            for (size_t k = 0; k < json_array_size(said); k++) {
                char *line =
                    xasprintf("%s: %s", json_get_text(thing, "name"), json_string_value(json_array_get(said, k)));
                json_array_append_new(all, json_string(line));
                free(line);
            }
        }
    }
    json_object_set_new(definition, "unsupported", all);
}

static enum err check_size(const json_t *definition, const char *site, struct err_info *info)
{
    struct buf text = BUF(REQUEST_MOST);
    enum err result = json_write(&text, definition);
    buf_free(&text);
    if (result == ERR_OK)
        return ERR_OK;
    return err_set(info, ERR_FULL, "the definition of %s is larger than %d bytes and cannot be sent to another host",
        site, REQUEST_MOST);
}

enum err gather_definition(const json_t *inventory, const char *site, json_t **definition, struct err_info *info)
{
    json_t *selected = site_select(inventory, site), *containers = json_array(), *volumes = json_array();
    json_t *networks = json_array();
    enum err result = ERR_OK;
    *definition = json_object();
    for (size_t i = 0; i < json_array_size(selected) && result == ERR_OK; i++) {
        const json_t *entry = json_array_get(selected, i);
        enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
        const char *name = json_get_text(entry, "name");
        json_t *container =
            gather_container(kind, json_get_text(entry, "id"), site, json_get_text(entry, "role"), NULL);
        if (!container)
            result = err_set(info, ERR_FAILED, "%s does not describe %s", runtime_name(kind), name);
        else
            json_array_append_new(containers, container);
        add_volumes(volumes, container, kind, site);
        add_networks(networks, container, kind, site);
    }
    if (result == ERR_OK && json_array_size(selected) == 0)
        result = err_set(info, ERR_NOT_FOUND, "no container of %s is on this host", site);
    json_decref(selected);
    json_object_set_new(*definition, "format", json_integer(DEFINITION_FORMAT));
    json_put_text(*definition, "site", site);
    json_object_set_new(*definition, "containers", containers);
    json_object_set_new(*definition, "volumes", volumes);
    json_object_set_new(*definition, "networks", networks);
    collect_unsupported(*definition);
    if (result == ERR_OK)
        result = check_size(*definition, site, info);
    if (result != ERR_OK) {
        json_decref(*definition);
        *definition = NULL;
    }
    return result;
}

enum err verb_site_definition(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE];
    const char *site = json_get_text(args, "site");
    json_t *inventory = NULL, *definition = NULL;
    enum err result = lease_job(args, job, info);
    if (result == ERR_OK)
        result = lease_check(site, job, info);
    if (result == ERR_OK)
        result = gather_inventory(&inventory, info);
    if (result == ERR_OK)
        result = gather_definition(inventory, site, &definition, info);
    json_decref(inventory);
    if (result != ERR_OK)
        return result;
    *ok = json_object();
    json_object_set_new(*ok, "definition", definition);
    return ERR_OK;
}
