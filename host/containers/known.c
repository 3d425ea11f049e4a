/* One engine's containers. A look costs one listing (about 45 ms of CPU with podman); only containers whose listing
 * changed are inspected, volumes are listed only when containers came or went or their directory changed, and
 * everything is asked anew every half hour (about 170 ms of CPU with 50 containers). Runs in the thread of a round
 * (host/inventory.c). */
#include "host/containers/known.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/containers/inspect.h"
#include "host/path.h"

#define EVERYTHING_EVERY_US (1800 * USEC_PER_SEC)

struct entry {
    struct runtime_row row; /* as last listed */
    json_t *container;      /* NULL: listed, but not described yet */
    bool is_described;      /* by this look */
};

struct known {
    enum runtime_kind kind;
    bool used, ok;
    char version[RUNTIME_VERSION_SIZE];
    char error[400];
    VEC(struct entry) entries;
    json_t *volumes;
    int64_t everything_mono_us; /* when all was asked last; 0: never */
    int64_t volumes_changed_ns; /* of the directory that holds the named volumes */
};

struct known *known_new(enum runtime_kind kind)
{
    struct known *known = xcalloc(1, sizeof *known);
    known->kind = kind;
    known->volumes = json_array();
    return known;
}

void known_free(struct known *known)
{
    if (!known)
        return;
    vec_each (&known->entries, struct entry, entry)
        json_decref(entry->container);
    vec_free(&known->entries);
    json_decref(known->volumes);
    free(known);
}

static struct entry *find_entry(struct known *known, const char *id)
{
    vec_each (&known->entries, struct entry, entry)
        if (strcmp(entry->row.id, id) == 0)
            return entry;
    return NULL;
}

/* --- a look that failed ---------------------------------------------------------------------------------------------
 */

static void make_unknown(struct entry *entry)
{
    if (!entry->container)
        return;
    json_t *container = json_copy(entry->container);
    json_put_text(container, "state", "unknown");
    json_object_del(container, "health");
    json_decref(entry->container);
    entry->container = container;
    entry->row.status[0] = '\0'; /* what is listed next is news in any case */
}

static bool fail(struct known *known, const struct err_info *info)
{
    bool changed = known->ok || strcmp(known->error, info->message) != 0;
    if (known->ok || known->error[0] == '\0')
        log_warning("%s does not answer: %s", runtime_name(known->kind), info->message);
    if (known->ok)
        vec_each (&known->entries, struct entry, entry)
            make_unknown(entry);
    known->ok = false;
    known->version[0] = '\0';
    known->everything_mono_us = 0;
    str_copy(known->error, sizeof known->error, info->message);
    return changed;
}

/* --- containers -----------------------------------------------------------------------------------------------------
 */

static bool is_among(const char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return false;
}

/* The entries become those of the listing, in its order. True where a container came or went. */
static bool take_listing(struct known *known, const struct runtime_rows *rows)
{
    VEC(struct entry) now = {0};
    bool changed = rows->count != known->entries.count;
    vec_each (rows, struct runtime_row, row) {
        struct entry *added = vec_add(&now), *before = find_entry(known, row->id);
        changed = changed || !before;
        if (before) {
            *added = *before;
            before->container = NULL;
        } else {
            str_copy(added->row.id, sizeof added->row.id, row->id);
        }
        added->is_described = false;
    }
    vec_each (&known->entries, struct entry, gone)
        json_decref(gone->container);
    vec_free(&known->entries);
    known->entries.items = now.items;
    known->entries.count = now.count;
    known->entries.capacity = now.capacity;
    return changed;
}

struct description {
    struct known *known;
    bool changed;
};

static void take_description(const json_t *description, void *context)
{
    struct description *taking = context;
    json_t *container = inspect_container(taking->known->kind, description);
    struct entry *entry = container ? find_entry(taking->known, json_get_text(container, "id")) : NULL;
    if (!entry) {
        json_decref(container);
        return;
    }
    entry->is_described = true;
    if (entry->container && json_equal(entry->container, container)) {
        json_decref(container);
        return;
    }
    json_decref(entry->container);
    entry->container = container;
    taking->changed = true;
}

static bool is_same_row(const struct runtime_row *a, const struct runtime_row *b)
{
    return strcmp(a->status, b->status) == 0 && strcmp(a->names, b->names) == 0;
}

/* Inspect those whose listing changed, those asked for, and those never described. */
static enum err describe(struct known *known, const struct runtime_rows *rows, const struct known_ask *ask,
    bool *changed, struct err_info *info)
{
    struct description taking = {.known = known};
    VEC(const char *) ids = {0};
    for (size_t i = 0; i < rows->count; i++) {
        const struct entry *entry = &known->entries.items[i];
        bool is_news = ask->all || !entry->container || !is_same_row(&entry->row, &rows->items[i]);
        if (is_news || is_among(ask->ids, ask->id_count, entry->row.id))
            vec_push(&ids, rows->items[i].id);
    }
    enum err result =
        ids.count ? runtime_inspect(known->kind, ids.items, ids.count, take_description, &taking, info) : ERR_OK;
    for (size_t i = 0; result == ERR_OK && i < rows->count; i++) {
        struct entry *entry = &known->entries.items[i];
        bool is_stale = !entry->is_described && is_among(ids.items, ids.count, entry->row.id);
        if (is_stale) /* gone meanwhile, or not to be described: the next look asks again */
            make_unknown(entry);
        else
            entry->row = rows->items[i];
        taking.changed = taking.changed || is_stale;
    }
    vec_free(&ids);
    *changed = *changed || taking.changed;
    return result;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

/* When a named volume was made or removed; those of another storage root are found by the half hour's pass. */
static int64_t volumes_changed_ns(enum runtime_kind kind)
{
    char path[HOST_PATH_SIZE];
    struct stat seen;
    if (stat(host_path(path, sizeof path, runtime_volume_store(kind)), &seen) != 0)
        return 0;
    return seen.st_mtim.tv_sec * INT64_C(1000000000) + seen.st_mtim.tv_nsec;
}

struct volume_taking {
    enum runtime_kind kind;
    json_t *volumes;
};

static void take_volume(const json_t *description, void *context)
{
    struct volume_taking *taking = context;
    json_t *volume = inspect_volume(taking->kind, description);
    if (volume)
        json_array_append_new(taking->volumes, volume);
}

/* Volumes that cannot be listed keep their last state: the containers are what matters. */
static bool look_at_volumes(struct known *known, bool needed)
{
    struct err_info info;
    int64_t changed_ns = volumes_changed_ns(known->kind);
    if (!needed && changed_ns == known->volumes_changed_ns)
        return false;
    struct volume_taking taking = {known->kind, json_array()};
    if (runtime_volumes(known->kind, take_volume, &taking, &info) != ERR_OK) {
        log_warning("the volumes of %s are as last known: %s", runtime_name(known->kind), info.message);
        json_decref(taking.volumes);
        return false;
    }
    known->volumes_changed_ns = changed_ns;
    bool changed = !json_equal(known->volumes, taking.volumes);
    json_decref(known->volumes);
    known->volumes = taking.volumes;
    return changed;
}

/* --- a look ---------------------------------------------------------------------------------------------------------
 */

static bool forget(struct known *known)
{
    bool changed = known->used;
    take_listing(known, &(struct runtime_rows){0});
    json_decref(known->volumes);
    known->volumes = json_array();
    known->used = known->ok = false;
    known->error[0] = known->version[0] = '\0';
    return changed;
}

bool known_look(struct known *known, const struct known_ask *ask)
{
    struct runtime_rows rows;
    struct err_info info = {0};
    if (!runtime_is_used(known->kind))
        return forget(known);
    int64_t now_us = clock_mono_us();
    bool everything = !known->everything_mono_us || now_us - known->everything_mono_us > EVERYTHING_EVERY_US;
    struct known_ask asked = {ask->all || everything, ask->ids, ask->id_count};
    bool changed = !known->used, set_changed = false;
    known->used = true;
    enum err result = runtime_list(known->kind, &rows, &info);
    if (result == ERR_OK) {
        set_changed = take_listing(known, &rows);
        result = describe(known, &rows, &asked, &changed, &info);
    }
    vec_free(&rows);
    if (result == ERR_CANCELLED)
        return false;
    if (result != ERR_OK)
        return fail(known, &info) || changed || set_changed;
    changed = changed || !known->ok || set_changed;
    if (!known->ok || known->version[0] == '\0')
        runtime_version(known->kind, known->version, NULL);
    known->ok = true;
    known->error[0] = '\0';
    if (everything || asked.all)
        known->everything_mono_us = now_us;
    return look_at_volumes(known, set_changed || everything) || changed;
}

/* --- health ---------------------------------------------------------------------------------------------------------
 */

/* As the engine will list it: else the next look would inspect it for news that we brought. */
static void tell_row(struct runtime_row *row, const char *health)
{
    char *parenthesis = strchr(row->status, '(');
    if (parenthesis && *health)
        str_format(parenthesis, sizeof row->status - (size_t)(parenthesis - row->status), "(%s)", health);
}

bool known_take_health(struct known *known, const char *id, const char *health)
{
    struct entry *entry = find_entry(known, id);
    const char *before = entry ? json_get_text(entry->container, "health") : NULL;
    const char *state = entry ? json_get_text(entry->container, "state") : NULL;
    bool is_alive = state && (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0);
    if (!is_alive || strcmp(before ? before : "", health) == 0)
        return false;
    json_t *container = json_copy(entry->container);
    json_object_del(container, "health");
    json_put_text(container, "health", *health ? health : NULL);
    json_decref(entry->container);
    entry->container = container;
    tell_row(&entry->row, health);
    return true;
}

void known_view(const struct known *known, struct known_view *view)
{
    *view = (struct known_view){.used = known->used, .ok = known->ok, .containers = json_array()};
    vec_each (&known->entries, const struct entry, undescribed)
        view->unsettled = view->unsettled || !undescribed->row.status[0];
    str_copy(view->version, sizeof view->version, known->version);
    str_copy(view->error, sizeof view->error, known->error);
    vec_each (&known->entries, struct entry, entry)
        if (entry->container)
            json_array_append_new(view->containers, json_deep_copy(entry->container));
    view->volumes = json_deep_copy(known->volumes);
}

void known_view_free(struct known_view *view)
{
    json_decref(view->containers);
    json_decref(view->volumes);
    *view = (struct known_view){0};
}
