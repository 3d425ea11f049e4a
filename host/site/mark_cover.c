/* The containers of a marked site: their IDs are written into the mark, and docker's restart policies are taken away
 * and given back. In this order: written down, then changed; a crash in between changes a policy once more to what it
 * is. In threads of their own (host/verbs.c). */
#include "host/site/mark.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/containers/runtime.h"
#include "host/site/record.h"

#define UPDATE_LIMIT_US (20 * USEC_PER_SEC)
#define MOST_COVERED 256 /* containers of one site */

/* --- restart policies of docker -------------------------------------------------------------------------------------
 */

static enum err set_policy(const char *id, const char *policy, struct err_info *info)
{
    char option[48];
    str_format(option, sizeof option, "--restart=%s", policy);
    const char *const update[] = {"update", option, "--", id, NULL};
    return runtime_command(RUNTIME_DOCKER, update, UPDATE_LIMIT_US, NULL, info);
}

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
    json_t *policies; /* ID → policy, of the file */
    json_t *to_end;   /* IDs of those that would start by themselves */
};

static void note_policy(const json_t *description, void *context)
{
    struct noting *noting = context;
    char policy[32];
    const char *id = json_get_text(description, "Id");
    policy_text(description, policy, sizeof policy);
    if (!runtime_id_is_valid(id) || !policy[0])
        return;
    json_array_append_new(noting->to_end, json_string(id));
    if (!json_get_text(noting->policies, id))
        json_put_text(noting->policies, id, policy);
}

static enum err note_policies(const json_t *containers, json_t *policies, json_t *to_end, struct err_info *info)
{
    const char *ids[MOST_COVERED];
    struct noting noting = {policies, to_end};
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(containers) && count < MOST_COVERED; i++) {
        const json_t *container = json_array_get(containers, i);
        const char *id = json_get_text(container, "id");
        if (runtime_by_name(json_get_text(container, "runtime")) == RUNTIME_DOCKER && runtime_id_is_valid(id))
            ids[count++] = id;
    }
    return count ? runtime_inspect(RUNTIME_DOCKER, ids, count, note_policy, &noting, info) : ERR_OK;
}

struct existing {
    const char *id;
    bool is_there;
};

static void note_existing(const json_t *description, void *context)
{
    struct existing *existing = context;
    const char *id = json_get_text(description, "Id");
    existing->is_there = existing->is_there || (id && strcmp(id, existing->id) == 0);
}

/* Those that are gone need none any more. */
enum err mark_uncover(const json_t *record, struct err_info *info)
{
    json_t *policies = json_object_get(record, "policies");
    enum err result = ERR_OK;
    const char *id;
    json_t *policy;
    json_object_foreach (policies, id, policy) {
        struct existing existing = {.id = id};
        if (result != ERR_OK || !runtime_id_is_valid(id) || !json_is_string(policy))
            continue;
        result = runtime_inspect(RUNTIME_DOCKER, &id, 1, note_existing, &existing, info);
        if (result == ERR_OK && existing.is_there)
            result = set_policy(id, json_string_value(policy), info);
    }
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "the mark stands: its restart policy is not back");
}

/* --- covering -------------------------------------------------------------------------------------------------------
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

static void note_ids(json_t *record, const json_t *containers)
{
    json_t *ids = member_of(record, "containers", json_array());
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const char *id = json_get_text(json_array_get(containers, i), "id");
        bool is_known = !runtime_id_is_valid(id) || json_array_size(ids) >= MOST_COVERED;
        for (size_t j = 0; !is_known && j < json_array_size(ids); j++)
            is_known =
                json_is_string(json_array_get(ids, j)) && strcmp(json_string_value(json_array_get(ids, j)), id) == 0;
        if (!is_known)
            json_array_append_new(ids, json_string(id));
    }
}

static enum err cover_record(const char *site, json_t *record, const json_t *containers, struct err_info *info)
{
    json_t *before = json_deep_copy(record), *to_end = json_array();
    note_ids(record, containers);
    enum err result = note_policies(containers, member_of(record, "policies", json_object()), to_end, info);
    if (result == ERR_OK && !json_equal(before, record))
        result = record_write(site, "mark", record, info);
    for (size_t i = 0; i < json_array_size(to_end) && result == ERR_OK; i++)
        result = set_policy(json_string_value(json_array_get(to_end, i)), "no", info);
    json_decref(to_end);
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
