/* Freezing is written down before it is done: after a crash in between, a container that was never frozen is on the
 * list, which does no harm. The evidence gets a copy of the list with the times. One thread per request. */
#include "host/evidence/freeze.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/containers/inspect.h"
#include "host/evidence/stages.h"
#include "host/site/record.h"

#define RECORD "paused"

static json_t *load_record(const char *site)
{
    json_t *record;
    if (record_read(site, RECORD, &record, NULL) != ERR_OK)
        record = json_object();
    if (!json_is_array(json_object_get(record, "containers")))
        json_object_set_new(record, "containers", json_array());
    return record;
}

static bool is_listed(const json_t *list, const char *id)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (list, i, entry) {
        const char *known = json_get_text(entry, "id");
        if (known && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

static bool is_state(const json_t *container, const char *state)
{
    const char *now = json_get_text(container, "state");
    return now && strcmp(now, state) == 0;
}

static void list_container(json_t *list, const json_t *container)
{
    json_t *entry = json_object();
    json_put_text(entry, "runtime", json_get_text(container, "runtime"));
    json_put_text(entry, "id", json_get_text(container, "id"));
    json_put_text(entry, "name", json_get_text(container, "name"));
    json_put_i64(entry, "at_us", clock_wall_us());
    json_array_append_new(list, entry);
}

/* Freeze what runs. A container that does not freeze is left out: the others are worth it all the same. */
static void freeze_running(struct evidence *evidence)
{
    json_t *container;
    size_t i;
    json_array_foreach (evidence->containers, i, container) {
        char label[EVIDENCE_LABEL_SIZE];
        struct err_info why = {0};
        enum runtime_kind kind = runtime_by_name(json_get_text(container, "runtime"));
        if (!is_state(container, "running") || kind == RUNTIME_COUNT)
            continue;
        if (runtime_pause(kind, json_get_text(container, "id"), &why) != ERR_OK)
            evidence_leave_out(evidence, evidence_label(container, label), "not frozen: %s", why.message);
    }
}

enum err stage_freeze(struct evidence *evidence, struct err_info *info)
{
    json_t *container, *record = load_record(evidence->site), *list = json_object_get(record, "containers");
    size_t i;
    json_array_foreach (evidence->containers, i, container)
        if (is_state(container, "running") && !is_listed(list, json_get_text(container, "id")))
            list_container(list, container);
    json_put_text(record, "job", evidence->job);
    enum err result = record_write(evidence->site, RECORD, record, info);
    if (result == ERR_OK) {
        freeze_running(evidence);
        result = output_json(evidence, "freeze/paused.json", record, info);
    }
    json_decref(record);
    return result;
}

/* --- thawing --------------------------------------------------------------------------------------------------------
 */

static void see_state(const json_t *description, void *context)
{
    const char *status = json_get_text(json_object_get(description, "State"), "Status");
    *(bool *)context = status && strcmp(status, "paused") == 0;
}

static enum err thaw(const json_t *entry, json_t *thawed, struct err_info *info)
{
    bool is_paused = false;
    const char *id = json_get_text(entry, "id"), *name = json_get_text(entry, "name");
    enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
    if (kind == RUNTIME_COUNT || !runtime_id_is_valid(id))
        return ERR_OK;
    enum err result = runtime_inspect(kind, &id, 1, see_state, &is_paused, info);
    if (result == ERR_OK && is_paused)
        result = runtime_unpause(kind, id, info);
    if (result == ERR_OK && is_paused && thawed)
        json_array_append_new(thawed, json_string(name ? name : id));
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "%s stays frozen", name ? name : id);
}

enum err freeze_thaw(const char *site, json_t *thawed, struct err_info *info)
{
    const json_t *entry;
    size_t i;
    struct err_info later;
    json_t *record = load_record(site);
    enum err result = ERR_OK;
    json_array_foreach (json_object_get(record, "containers"), i, entry) {
        enum err this_one = thaw(entry, thawed, result == ERR_OK ? info : &later);
        result = result == ERR_OK ? this_one : result;
    }
    json_decref(record);
    return result == ERR_OK ? record_remove(site, RECORD, info) : result;
}
