/* The inventory object. Entries are shared between the inventories that contain them and never changed: what must
 * differ is a copy. Pure functions; any thread. */
#include "host/containers/compose.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/containers/inspect.h"

#define MOST_BYTES (900u * 1024) /* of a line of 1 MiB, with room for the frame around it */

/* --- runtimes and containers ----------------------------------------------------------------------------------------
 */

static json_t *runtimes_of(const struct known_view views[RUNTIME_COUNT])
{
    json_t *runtimes = json_array();
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        const struct known_view *view = &views[kind];
        if (!view->used)
            continue;
        json_t *runtime = json_object();
        json_put_text(runtime, "name", runtime_name(kind));
        json_put_text(runtime, "version", view->version[0] ? view->version : NULL);
        json_put_bool(runtime, "ok", view->ok);
        json_put_text(runtime, "error", view->error[0] ? view->error : NULL);
        json_array_append_new(runtimes, runtime);
    }
    return runtimes;
}

static int by_age(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    int64_t left_us = 0, right_us = 0;
    json_get_i64(left, "created_us", &left_us);
    json_get_i64(right, "created_us", &right_us);
    if (left_us != right_us)
        return left_us < right_us ? -1 : 1;
    return strcmp(json_get_text(left, "id"), json_get_text(right, "id"));
}

static json_t *containers_of(const struct known_view views[RUNTIME_COUNT])
{
    VEC(json_t *) sorted = {0};
    json_t *containers = json_array();
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++)
        for (size_t i = 0; i < json_array_size(views[kind].containers); i++)
            vec_push(&sorted, json_array_get(views[kind].containers, i));
    if (sorted.count)
        qsort(sorted.items, sorted.count, sizeof *sorted.items, by_age);
    for (size_t i = 0; i < sorted.count; i++)
        json_array_append(containers, sorted.items[i]);
    vec_free(&sorted);
    return containers;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    const char *left = json_get_text(a, key), *right = json_get_text(b, key);
    return left && right && strcmp(left, right) == 0;
}

/* The site of the first container that mounts the volume. */
static const char *site_of_volume(const json_t *containers, const json_t *volume)
{
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        const json_t *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; same_text(container, volume, "runtime") && j < json_array_size(mounts); j++)
            if (same_text(json_array_get(mounts, j), volume, "name"))
                return json_get_text(container, "site");
    }
    return NULL;
}

static void add_named_volumes(json_t *volumes, const json_t *named, const json_t *containers)
{
    for (size_t i = 0; i < json_array_size(named); i++) {
        json_t *volume = json_array_get(named, i);
        const char *site = site_of_volume(containers, volume);
        json_t *entry = json_copy(volume);
        json_put_text(entry, "site", site);
        json_array_append_new(volumes, entry);
    }
}

static bool has_volume(const json_t *volumes, const char *name)
{
    for (size_t i = 0; i < json_array_size(volumes); i++)
        if (strcmp(json_get_text(json_array_get(volumes, i), "name"), name) == 0)
            return true;
    return false;
}

static void add_bind(json_t *volumes, const json_t *container, const json_t *mount)
{
    const char *site = json_get_text(container, "site"), *kind = json_get_text(mount, "kind");
    const char *source = json_get_text(mount, "source"), *destination = json_get_text(mount, "destination");
    if (!site || strcmp(kind, "bind") != 0 || !inspect_bind_is_data(source))
        return;
    char *name = xasprintf("%s:%s", site, destination);
    if (!has_volume(volumes, name)) {
        json_t *entry = json_object();
        json_put_text(entry, "name", name);
        json_put_text(entry, "kind", "bind");
        json_put_text(entry, "runtime", json_get_text(container, "runtime"));
        json_put_text(entry, "path", source);
        json_put_text(entry, "site", site);
        json_array_append_new(volumes, entry);
    }
    free(name);
}

static json_t *volumes_of(const struct known_view views[RUNTIME_COUNT], const json_t *containers)
{
    json_t *volumes = json_array();
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++)
        add_named_volumes(volumes, views[kind].volumes, containers);
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i), *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; j < json_array_size(mounts); j++)
            add_bind(volumes, container, json_array_get(mounts, j));
    }
    return volumes;
}

/* --- its size -------------------------------------------------------------------------------------------------------
 */

static size_t bytes_of(const json_t *value)
{
    return json_dumpb(value, NULL, 0, JSON_COMPACT);
}

static json_t *without_labels(const json_t *containers)
{
    json_t *slim = json_array();
    for (size_t i = 0; i < json_array_size(containers); i++) {
        json_t *container = json_copy(json_array_get(containers, i));
        json_object_del(container, "labels");
        json_array_append_new(slim, container);
    }
    return slim;
}

/* Drop elements from the end until the array has at most `most` bytes. */
static void shorten(json_t *array, size_t most)
{
    size_t bytes = bytes_of(array), count = json_array_size(array);
    while (bytes > most && count > 0) {
        bytes -= bytes_of(json_array_get(array, count - 1)) + 1;
        json_array_remove(array, --count);
    }
}

static void fit(json_t *inventory)
{
    json_t *containers = json_object_get(inventory, "containers"), *volumes = json_object_get(inventory, "volumes");
    if (bytes_of(inventory) <= MOST_BYTES)
        return;
    containers = without_labels(containers);
    json_object_set_new(inventory, "containers", containers);
    if (bytes_of(inventory) <= MOST_BYTES)
        return;
    shorten(volumes, MOST_BYTES / 3);
    shorten(containers, MOST_BYTES / 2);
    json_put_bool(inventory, "truncated", true);
}

json_t *compose_inventory(const struct known_view views[RUNTIME_COUNT])
{
    json_t *inventory = json_object(), *containers = containers_of(views);
    json_object_set_new(inventory, "runtimes", runtimes_of(views));
    json_object_set_new(inventory, "containers", containers);
    json_object_set_new(inventory, "volumes", volumes_of(views, containers));
    fit(inventory);
    return inventory;
}
