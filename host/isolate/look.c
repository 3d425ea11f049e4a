/* A site's containers, as fast as they can be had: a listing and one description per engine, without volumes, versions
 * and whatever else an inventory has. An engine that does not answer hides nothing of the other one. */
#include "host/isolate/contain.h"

#include <string.h>

#include "base/vec.h"
#include "host/containers/inspect.h"
#include "host/containers/runtime.h"

struct looking {
    enum runtime_kind kind;
    const char *site;
    json_t *containers;
};

static void take(const json_t *description, void *context)
{
    struct looking *looking = context;
    json_t *container = inspect_container(looking->kind, description);
    const char *site = json_get_text(container, "site");
    if (site && strcmp(site, looking->site) == 0)
        json_array_append(looking->containers, container);
    json_decref(container);
}

static enum err look_at_engine(struct looking *looking, struct err_info *info)
{
    struct runtime_rows rows;
    VEC(const char *) ids = {0};
    enum err result = runtime_list(looking->kind, &rows, info);
    for (size_t i = 0; i < rows.count; i++)
        vec_push(&ids, rows.items[i].id);
    if (result == ERR_OK && ids.count)
        result = runtime_inspect(looking->kind, ids.items, ids.count, take, looking, info);
    vec_free(&ids);
    vec_free(&rows);
    return result;
}

enum err contain_look(const char *site, json_t **containers, struct err_info *info)
{
    struct looking looking = {.site = site, .containers = json_array()};
    struct err_info later;
    enum err result = ERR_OK;
    for (looking.kind = 0; looking.kind < RUNTIME_COUNT; looking.kind++) {
        if (!runtime_is_used(looking.kind))
            continue;
        enum err this_one = look_at_engine(&looking, result == ERR_OK ? info : &later);
        result = result == ERR_OK ? this_one : result;
    }
    *containers = looking.containers;
    return result;
}
