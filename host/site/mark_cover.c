/* The containers of a marked site: their IDs are written into the mark, docker's restart policies are taken away and
 * given back, and those of docker that do not run are bolted as long as the mark refuses their start. In this order:
 * written down, then changed; a crash in between changes once more to what is. In threads of their own (host/verbs.c).
 */
#include "host/site/mark.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/containers/runtime.h"
#include "host/site/bolt.h"
#include "host/site/record.h"

#define UPDATE_LIMIT_US (20 * USEC_PER_SEC)
#define MOST_COVERED 256 /* containers of one site */

/* --- the file -------------------------------------------------------------------------------------------------------
 */

static json_t *member_of(json_t *record, const char *key, json_t *empty)
{
    json_t *value = json_object_get(record, key);
    bool is_right = value && json_typeof(value) == json_typeof(empty);
    if (is_right)
        json_decref(empty);
    else
        json_object_set_new(record, key, empty);
    return json_object_get(record, key);
}

/* Once each, and no more than are looked at. */
static void add_id(json_t *ids, const char *id)
{
    bool is_known = json_array_size(ids) >= MOST_COVERED;
    for (size_t i = 0; !is_known && i < json_array_size(ids); i++)
        is_known = json_is_string(json_array_get(ids, i)) && strcmp(json_string_value(json_array_get(ids, i)), id) == 0;
    if (!is_known)
        json_array_append_new(ids, json_string(id));
}

/* --- what docker says -----------------------------------------------------------------------------------------------
 */

/* "always", "unless-stopped", "on-failure:3"; "" where it is "no" or not known. */
static void policy_text(const json_t *description, char *out, size_t out_size)
{
    static const char *const known[] = {"always", "unless-stopped", "on-failure"};
    const json_t *policy = json_object_get(json_object_get(description, "HostConfig"), "RestartPolicy");
    const char *name = json_get_text(policy, "Name");
    int64_t count = 0;
    out[0] = '\0';
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0)
            str_copy(out, out_size, known[i]);
    if (strcmp(out, "on-failure") == 0 && json_get_i64(policy, "MaximumRetryCount", &count) && count > 0 &&
        count <= INT32_MAX)
        str_format(out, out_size, "on-failure:%d", (int)count);
}

struct noting {
    bool refused;      /* the mark lets nobody start them now */
    json_t *record;    /* the file, to be */
    json_t *to_end;    /* IDs of those that would start by themselves */
    json_t *to_bolt;   /* IDs */
    json_t *to_unbolt; /* ID → network */
};

static void note_policy(struct noting *noting, const char *id, const json_t *description)
{
    char policy[32];
    json_t *policies = member_of(noting->record, "policies", json_object());
    policy_text(description, policy, sizeof policy);
    if (!policy[0])
        return;
    json_array_append_new(noting->to_end, json_string(id));
    if (!json_get_text(policies, id))
        json_put_text(policies, id, policy);
}

static void note_bolt(struct noting *noting, const char *id, const json_t *description)
{
    const char *bolt = bolt_of(description);
    bool is_to_be = noting->refused && bolt_fits(description);
    if (bolt && !noting->refused)
        json_put_text(noting->to_unbolt, id, bolt);
    if (!bolt && is_to_be)
        json_array_append_new(noting->to_bolt, json_string(id));
    if (bolt || is_to_be)
        add_id(member_of(noting->record, "bolts", json_array()), id);
}

static void note_container(const json_t *description, void *context)
{
    const char *id = json_get_text(description, "Id");
    if (!runtime_id_is_valid(id))
        return;
    note_policy(context, id, description);
    note_bolt(context, id, description);
}

static enum err note_containers(struct noting *noting, const json_t *containers, struct err_info *info)
{
    const char *ids[MOST_COVERED];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(containers) && count < MOST_COVERED; i++) {
        const json_t *container = json_array_get(containers, i);
        const char *id = json_get_text(container, "id");
        if (runtime_by_name(json_get_text(container, "runtime")) == RUNTIME_DOCKER && runtime_id_is_valid(id))
            ids[count++] = id;
    }
    return count ? runtime_inspect(RUNTIME_DOCKER, ids, count, note_container, noting, info) : ERR_OK;
}

/* --- covering -------------------------------------------------------------------------------------------------------
 */

static enum err set_policy(const char *id, const char *policy, struct err_info *info)
{
    char option[48];
    str_format(option, sizeof option, "--restart=%s", policy);
    const char *const update[] = {"update", option, "--", id, NULL};
    return runtime_command(RUNTIME_DOCKER, update, UPDATE_LIMIT_US, NULL, info);
}

static void note_ids(json_t *record, const json_t *containers)
{
    json_t *ids = member_of(record, "containers", json_array());
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const char *id = json_get_text(json_array_get(containers, i), "id");
        if (runtime_id_is_valid(id))
            add_id(ids, id);
    }
}

/* One that could not be bolted is no reason to stop here: someone has started it meanwhile, or its docker takes no such
 * network, and it is as on its way before. */
static enum err change(const char *site, const struct noting *noting, struct err_info *info)
{
    struct err_info why;
    enum err result = ERR_OK;
    const char *id;
    json_t *network;
    for (size_t i = 0; i < json_array_size(noting->to_end) && result == ERR_OK; i++)
        result = set_policy(json_string_value(json_array_get(noting->to_end, i)), "no", info);
    for (size_t i = 0; i < json_array_size(noting->to_bolt) && result == ERR_OK; i++)
        if (bolt_put(site, json_string_value(json_array_get(noting->to_bolt, i)), &why) != ERR_OK)
            log_warning("%s is marked, but docker can be told to start a container of it: %s", site, why.message);
    json_object_foreach (noting->to_unbolt, id, network)
        if (result == ERR_OK)
            result = bolt_draw(json_string_value(network), id, info);
    return result;
}

static enum err cover_record(const char *site, json_t *record, const json_t *containers, struct err_info *info)
{
    char why[600];
    json_t *before = json_deep_copy(record);
    struct noting noting = {.refused = mark_refuses(record, NULL, why, sizeof why),
        .record = record,
        .to_end = json_array(),
        .to_bolt = json_array(),
        .to_unbolt = json_object()};
    note_ids(record, containers);
    enum err result = note_containers(&noting, containers, info);
    if (result == ERR_OK && !json_equal(before, record))
        result = record_write(site, "mark", record, info);
    if (result == ERR_OK)
        result = change(site, &noting, info);
    json_decref(noting.to_end);
    json_decref(noting.to_bolt);
    json_decref(noting.to_unbolt);
    json_decref(before);
    return result == ERR_OK ? ERR_OK
                            : err_prefix(info, result, "the mark stands, but docker may start %s by itself", site);
}

enum err mark_cover(const char *site, const json_t *containers, struct err_info *info)
{
    json_t *record;
    int lock;
    enum err result = record_lock(site, "marking", true, &lock, info);
    if (result != ERR_OK)
        return result;
    result = record_read(site, "mark", &record, info);
    if (result == ERR_OK)
        result = cover_record(site, record, containers, info);
    else if (result == ERR_NOT_FOUND)
        result = ERR_OK;
    json_decref(record);
    record_unlock(lock);
    return result;
}

/* --- uncovering -----------------------------------------------------------------------------------------------------
 */

/* ID → the network that bolts it, or null; those that are gone are not in it. */
static void note_existing(const json_t *description, void *context)
{
    const char *id = json_get_text(description, "Id"), *bolt = bolt_of(description);
    if (runtime_id_is_valid(id))
        json_object_set_new(context, id, bolt ? json_string(bolt) : json_null());
}

static enum err look_at_covered(const json_t *record, json_t *existing, struct err_info *info)
{
    const char *ids[2 * MOST_COVERED], *id;
    json_t *policy, *bolts = json_object_get(record, "bolts");
    size_t count = 0;
    json_object_foreach (json_object_get(record, "policies"), id, policy)
        if (runtime_id_is_valid(id) && count < MOST_COVERED)
            ids[count++] = id;
    for (size_t i = 0; i < json_array_size(bolts) && i < MOST_COVERED; i++) {
        id = json_string_value(json_array_get(bolts, i));
        if (runtime_id_is_valid(id))
            ids[count++] = id;
    }
    return count ? runtime_inspect(RUNTIME_DOCKER, ids, count, note_existing, existing, info) : ERR_OK;
}

enum err mark_uncover(const json_t *record, struct err_info *info)
{
    const json_t *policies = json_object_get(record, "policies");
    json_t *existing = json_object(), *bolt;
    const char *id;
    enum err result = look_at_covered(record, existing, info);
    json_object_foreach (existing, id, bolt) {
        const char *policy = json_get_text(policies, id);
        if (result == ERR_OK && json_is_string(bolt))
            result = bolt_draw(json_string_value(bolt), id, info);
        if (result == ERR_OK && policy)
            result = set_policy(id, policy, info);
    }
    json_decref(existing);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "the mark stands: docker's settings are not back");
}
