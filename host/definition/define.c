/* A container's definition, put together of its parts (parts.h), and how two of them are compared. Pure functions; any
 * thread. */
#include "host/definition/define.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"
#include "host/definition/parts.h"

#define MOST_SENTENCE 300

/* --- tools ----------------------------------------------------------------------------------------------------------
 */

void define_refuse(json_t *entry, const char *format, ...)
{
    char said[MOST_SENTENCE], shown[MOST_SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    sanitize(shown, sizeof shown, said, strlen(said));
    json_t *all = json_object_get(entry, "unsupported");
    if (!all)
        json_object_set_new(entry, "unsupported", all = json_array());
    json_array_append_new(all, json_string(shown));
}

const char *define_option(const struct source *source, const char *option, size_t *at)
{
    size_t length = strlen(option), count = json_array_size(source->command);
    while (*at < count) {
        const char *word = json_string_value(json_array_get(source->command, (*at)++));
        if (!word || strncmp(word, option, length) != 0)
            continue;
        if (word[length] == '=')
            return word + length + 1;
        if (word[length] == '\0' && *at < count)
            return json_string_value(json_array_get(source->command, (*at)++));
    }
    return NULL;
}

void define_put_array(json_t *entry, const char *key, json_t *array)
{
    if (json_array_size(array))
        json_object_set_new(entry, key, array);
    else
        json_decref(array);
}

void define_put_object(json_t *entry, const char *key, json_t *object)
{
    if (json_object_size(object))
        json_object_set_new(entry, key, object);
    else
        json_decref(object);
}

/* Insertion: these arrays have a handful of entries. */
json_t *define_sorted(json_t *array, const char *(*text_of)(const json_t *item))
{
    json_t *sorted = json_array();
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *item = json_array_get(array, i);
        size_t at = json_array_size(sorted);
        while (at > 0 && strcmp(text_of(json_array_get(sorted, at - 1)), text_of(item)) > 0)
            at--;
        json_array_insert(sorted, at, item);
    }
    json_decref(array);
    return sorted;
}

static const char *text_itself(const json_t *item)
{
    return json_string_value(item);
}

json_t *define_texts(const json_t *array, bool sorted)
{
    json_t *texts = json_array();
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text)
            json_array_append_new(texts, json_string(text));
    }
    return sorted ? define_sorted(texts, text_itself) : texts;
}

/* --- a container ----------------------------------------------------------------------------------------------------
 */

static void put_image(struct source *source, const json_t *image)
{
    const char *name = json_get_text(source->description, "ImageName");
    const char *id = json_get_text(source->description, "Image");
    if (!name)
        name = json_get_text(source->config, "Image");
    if (id && str_starts(id, "sha256:"))
        id += strlen("sha256:");
    json_put_text(source->entry, "image", name && *name ? name : NULL);
    json_put_text(source->entry, "image_id", runtime_id_is_valid(id) ? id : NULL);
    json_t *layers = define_texts(json_object_get(json_object_get(image, "RootFS"), "Layers"), false);
    define_put_array(source->entry, "layers", layers);
}

json_t *define_container(
    enum runtime_kind kind, const json_t *description, const json_t *image, const char *site, const char *role)
{
    const char *id = json_get_text(description, "Id"), *name = json_get_text(description, "Name");
    if (name && name[0] == '/') /* docker */
        name++;
    if (!runtime_id_is_valid(id) || !name_is_valid_container(name))
        return NULL;
    struct source source = {.kind = kind,
        .id = id,
        .name = name,
        .site = site,
        .role = role,
        .description = description,
        .config = json_object_get(description, "Config"),
        .host = json_object_get(description, "HostConfig"),
        .image = json_object_get(image, "Config"),
        .entry = json_object()};
    source.command = json_object_get(source.config, "CreateCommand");
    json_put_text(source.entry, "name", name);
    json_put_text(source.entry, "role", role);
    json_put_text(source.entry, "runtime", runtime_name(kind));
    put_image(&source, image);
    define_process(&source);
    define_limits(&source);
    define_attachments(&source);
    define_unsupported(&source);
    return source.entry;
}

/* --- volumes and networks -------------------------------------------------------------------------------------------
 */

static void put_site_labels(json_t *entry, const json_t *labels, const char *site)
{
    const char *key;
    json_t *value, *kept = json_object();
    json_object_foreach ((json_t *)labels, key, value)
        if (json_is_string(value) && strcmp(key, "dogwatch.job") != 0)
            json_object_set(kept, key, value);
    json_object_set_new(kept, "dogwatch.site", json_string(site));
    define_put_object(entry, "labels", kept);
}

json_t *define_volume(const json_t *description, const char *site)
{
    const char *name = json_get_text(description, "Name"), *driver = json_get_text(description, "Driver");
    if (!name_is_valid_container(name))
        return NULL;
    json_t *entry = json_object();
    json_put_text(entry, "name", name);
    put_site_labels(entry, json_object_get(description, "Labels"), site);
    if (driver && strcmp(driver, "local") != 0)
        define_refuse(entry, "volume %s is kept by the volume driver %s", name, driver);
    else if (json_object_size(json_object_get(description, "Options")) > 0)
        define_refuse(entry, "volume %s is mounted with options of its own", name);
    return entry;
}

json_t *define_network(enum runtime_kind kind, const json_t *description, const char *site)
{
    bool docker = kind == RUNTIME_DOCKER, internal = false;
    const char *name = json_get_text(description, docker ? "Name" : "name");
    const char *driver = json_get_text(description, docker ? "Driver" : "driver");
    if (!name_is_valid_container(name))
        return NULL;
    json_t *entry = json_object();
    json_put_text(entry, "name", name);
    if (json_get_bool(description, docker ? "Internal" : "internal", &internal) && internal)
        json_put_bool(entry, "internal", true);
    put_site_labels(entry, json_object_get(description, docker ? "Labels" : "labels"), site);
    if (!driver || strcmp(driver, "bridge") != 0)
        define_refuse(entry, "network %s is no bridge but %s", name, driver ? driver : "unknown");
    return entry;
}

/* --- comparing ------------------------------------------------------------------------------------------------------
 */

static bool may_differ(const char *member)
{
    static const char *const members[] = {"name", "role", "runtime", "image", "image_id", "layers", "unsupported"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i], member) == 0)
            return true;
    return false;
}

json_t *define_differences(const json_t *wanted, const json_t *made)
{
    const char *key;
    json_t *value, *different = json_array();
    json_object_foreach ((json_t *)wanted, key, value)
        if (!may_differ(key) && !json_equal(value, json_object_get(made, key)))
            json_array_append_new(different, json_string(key));
    json_object_foreach ((json_t *)made, key, value)
        if (!may_differ(key) && !json_object_get(wanted, key))
            json_array_append_new(different, json_string(key));
    return different;
}

bool define_is_vital(const char *member)
{
    static const char *const members[] = {"entrypoint", "cmd", "env", "user", "workdir", "groups", "mounts", "ports",
        "network", "networks", "labels", "read_only", "no_new_privileges"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i], member) == 0)
            return true;
    return false;
}
