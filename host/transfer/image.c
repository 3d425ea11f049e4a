/* An image's ID is the digest of its configuration's bytes. podman keeps them in an archive of the image's own kind
 * (OCI or docker), docker knows only the latter; so between podmans the ID always stays, and from an OCI image to
 * docker it changes while layers and settings do not (docs/transfer.md has what was measured). */
#include "host/transfer/image.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/site/record.h"
#include "host/transfer/engine.h"
#include "host/transfer/pump.h"

#define IMAGES_AT_ONCE 50
#define MOST_IMAGES 2000
#define LIST_CEILING (4u * 1024 * 1024)
#define RECORD "images"
#define MOST_REMEMBERED 64

/* --- what an image is -----------------------------------------------------------------------------------------------
 */

/* What of an image's configuration its containers see. */
static const char *const config_members[] = {"Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels",
    "Shell", "StopSignal", "User", "Volumes", "WorkingDir"};

static bool is_empty(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!value || json_is_null(value) || (text && (!*text || strcmp(text, "/") == 0)))
        return true;
    return (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

json_t *image_normalised(const json_t *description)
{
    const json_t *config = json_object_get(description, "Config");
    json_t *layers = json_object_get(json_object_get(description, "RootFS"), "Layers");
    const char *id = json_get_text(description, "Id");
    int64_t bytes;
    if (id && str_starts(id, "sha256:"))
        id += strlen("sha256:");
    if (!runtime_id_is_valid(id) || !json_is_array(layers))
        return NULL;
    json_t *image = json_object(), *kept = json_object();
    for (size_t i = 0; i < sizeof config_members / sizeof *config_members; i++) {
        json_t *value = json_object_get(config, config_members[i]);
        if (!is_empty(value))
            json_object_set(kept, config_members[i], value);
    }
    json_put_text(image, "image_id", id);
    if (json_get_i64(description, "Size", &bytes))
        json_put_i64(image, "bytes", bytes);
    json_object_set(image, "layers", layers);
    json_object_set_new(image, "config", kept);
    return image;
}

enum err image_describe(enum runtime_kind kind, const char *id, json_t **image, struct err_info *info)
{
    json_t *description;
    *image = NULL;
    enum err result = engine_inspect(kind, "image", id, &description, info);
    if (result != ERR_OK)
        return result;
    *image = image_normalised(description);
    json_decref(description);
    return *image ? ERR_OK : err_set(info, ERR_GARBAGE, "%s describes the image %s oddly", runtime_name(kind), id);
}

/* --- which one it is here -------------------------------------------------------------------------------------------
 */

static bool is_same(const json_t *image, const json_t *layers, const json_t *config)
{
    return json_equal(json_object_get(image, "layers"), layers) && json_equal(json_object_get(image, "config"), config);
}

/* Up to IMAGES_AT_ONCE IDs. */
static enum err search(enum runtime_kind kind, const char *const *ids, size_t count, const json_t *layers,
    const json_t *config, char found[RUNTIME_ID_SIZE], struct err_info *info)
{
    const char *words[IMAGES_AT_ONCE + 4] = {"image", "inspect", "--"};
    struct buf out = BUF(LIST_CEILING * 4);
    json_t *all = NULL;
    memcpy(words + 3, ids, count * sizeof *ids);
    enum err result = engine_ask(kind, words, &out, info);
    if (result == ERR_OK)
        result = json_parse(buf_text(&out), out.length, &all, info);
    for (size_t i = 0; i < json_array_size(all) && !*found; i++) {
        json_t *image = image_normalised(json_array_get(all, i));
        if (image && is_same(image, layers, config))
            json_copy_text(image, "image_id", found, RUNTIME_ID_SIZE);
        json_decref(image);
    }
    json_decref(all);
    buf_free(&out);
    return result;
}

static enum err search_all(enum runtime_kind kind, const json_t *layers, const json_t *config,
    char found[RUNTIME_ID_SIZE], struct err_info *info)
{
    static const char *const words[] = {"images", "-q", "--no-trunc", NULL};
    struct buf out = BUF(LIST_CEILING);
    VEC(const char *) ids = {0};
    enum err result = engine_ask(kind, words, &out, info);
    char *rest = out.data;
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL && ids.count < MOST_IMAGES;) {
        line += str_starts(line, "sha256:") ? strlen("sha256:") : 0;
        if (runtime_id_is_valid(line) && (!ids.count || strcmp(ids.items[ids.count - 1], line) != 0))
            vec_push(&ids, line);
    }
    for (size_t at = 0; at < ids.count && result == ERR_OK && !*found; at += IMAGES_AT_ONCE) {
        size_t count = ids.count - at < IMAGES_AT_ONCE ? ids.count - at : IMAGES_AT_ONCE;
        result = search(kind, ids.items + at, count, layers, config, found, info);
    }
    vec_free(&ids);
    buf_free(&out);
    return result;
}

/* What transfers brought: SITE.images has source ID → ID here. */
static void remember(const char *site, const char *source_id, const char *id)
{
    json_t *record;
    if (strcmp(source_id, id) == 0)
        return;
    if (record_read(site, RECORD, &record, NULL) != ERR_OK || json_object_size(record) >= MOST_REMEMBERED)
        record = json_object();
    json_put_text(record, source_id, id);
    record_write(site, RECORD, record, NULL);
    json_decref(record);
}

/* Still here, and (where layers are known) made of them? */
static bool recall(
    const char *site, enum runtime_kind kind, const char *source_id, const json_t *layers, char found[RUNTIME_ID_SIZE])
{
    json_t *record = NULL, *image = NULL;
    bool here = record_read(site, RECORD, &record, NULL) == ERR_OK &&
                json_copy_text(record, source_id, found, RUNTIME_ID_SIZE) && runtime_id_is_valid(found) &&
                image_describe(kind, found, &image, NULL) == ERR_OK &&
                (!layers || json_equal(json_object_get(image, "layers"), layers));
    json_decref(image);
    json_decref(record);
    if (!here)
        found[0] = '\0';
    return here;
}

enum err image_find(const char *site, enum runtime_kind kind, const char *id, const json_t *layers,
    const json_t *config, char found[RUNTIME_ID_SIZE], struct err_info *info)
{
    json_t *image;
    found[0] = '\0';
    enum err result = image_describe(kind, id, &image, info);
    json_decref(image);
    if (result == ERR_OK) {
        str_copy(found, RUNTIME_ID_SIZE, id);
        return ERR_OK;
    }
    if (result != ERR_NOT_FOUND || recall(site, kind, id, layers, found))
        return *found ? ERR_OK : result;
    if (layers && config && (result = search_all(kind, layers, config, found, info)) != ERR_OK)
        return result;
    return *found ? ERR_OK : err_set(info, ERR_NOT_FOUND, "%s has no image %.12s here", runtime_name(kind), id);
}

/* --- sending --------------------------------------------------------------------------------------------------------
 */

const char *const *image_save_words(enum runtime_kind from, enum runtime_kind to, const json_t *description)
{
    static const char *const of_docker[] = {"save", "--", NULL};
    static const char *const as_docker[] = {"save", "-q", "--format", "docker-archive", "--", NULL};
    static const char *const as_oci[] = {"save", "-q", "--format", "oci-archive", "--", NULL};
    const char *type = json_get_text(description, "ManifestType");
    if (from == RUNTIME_DOCKER)
        return of_docker;
    return to == RUNTIME_PODMAN && type && strstr(type, "oci") ? as_oci : as_docker;
}

static enum err agree(const struct transfer *transfer, struct frames *frames, const json_t *image,
    enum runtime_kind *to, struct err_info *info)
{
    json_t *header = json_copy((json_t *)(uintptr_t)image), *answer;
    json_put_text(header, "image", transfer->image);
    enum err result = frames_put_json(frames, FRAME_HEADER, header, info);
    json_decref(header);
    if (result == ERR_OK)
        result = frames_await_json(frames, FRAME_ANSWER, &answer, info);
    if (result != ERR_OK)
        return result;
    *to = runtime_by_name(json_get_text(answer, "runtime"));
    json_decref(answer);
    return *to < RUNTIME_COUNT ? ERR_OK : err_set(info, ERR_GARBAGE, "the other end does not name its engine");
}

enum err image_send(const struct transfer *transfer, struct frames *frames, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info)
{
    json_t *description;
    char program[HOST_PATH_SIZE];
    enum runtime_kind to = RUNTIME_COUNT;
    enum err result = engine_inspect(transfer->runtime, "image", transfer->image_id, &description, info);
    if (result != ERR_OK)
        return result;
    json_t *image = image_normalised(description);
    if (image)
        json_get_i64(image, "bytes", &count->total_bytes);
    result = image && runtime_program(transfer->runtime, program)
                 ? agree(transfer, frames, image, &to, info)
                 : err_set(info, ERR_GARBAGE, "the image %.12s is described oddly", transfer->image_id);
    if (result == ERR_OK) {
        const char *argv[10] = {program};
        size_t words = 1;
        for (const char *const *word = image_save_words(transfer->runtime, to, description); *word; word++)
            argv[words++] = *word;
        argv[words] = transfer->image_id;
        result = pump_send(frames, argv, transfer->limit_bytes_s, watch, count, info);
    }
    json_decref(image);
    json_decref(description);
    return result;
}

/* --- receiving ------------------------------------------------------------------------------------------------------
 */

/* name → ID of every name an image here bears. */
static json_t *names_here(enum runtime_kind kind)
{
    static const char *const words[] = {"images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", NULL};
    struct buf out = BUF(LIST_CEILING);
    json_t *names = json_object();
    engine_ask(kind, words, &out, NULL);
    char *rest = out.data;
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        char *id = strchr(line, ' ');
        if (!id || strstr(line, "<none>"))
            continue;
        *id++ = '\0';
        id += str_starts(id, "sha256:") ? strlen("sha256:") : 0;
        if (runtime_id_is_valid(id))
            json_put_text(names, line, id);
    }
    buf_free(&out);
    return names;
}

static enum err tag(enum runtime_kind kind, const char *id, const char *name, struct err_info *info)
{
    const char *const words[] = {"tag", "--", id, name, NULL};
    return engine_ask(kind, words, NULL, info);
}

/* An archive names its images itself, and `load` believes it. Give names that were taken away back. */
static enum err restore_names(enum runtime_kind kind, const json_t *before, struct err_info *info)
{
    json_t *now = names_here(kind), *id;
    const char *name;
    enum err result = ERR_OK;
    json_object_foreach ((json_t *)(uintptr_t)before, name, id) {
        if (json_equal(json_object_get(now, name), id))
            continue;
        enum err restored = tag(kind, json_string_value(id), name, info);
        if (restored != ERR_OK)
            log_error("the name %s could not be given back to its image", name);
        result = err_set(info, ERR_DENIED, "the archive gave the name %s of an image here to another one", name);
    }
    json_decref(now);
    return result;
}

/* Loaded: is it the one? And it gets its name, where nobody has it. */
static enum err settle(
    const struct transfer *transfer, const json_t *header, const json_t *before, json_t *said, struct err_info *info)
{
    char id[RUNTIME_ID_SIZE];
    enum err result = restore_names(transfer->runtime, before, info);
    if (result == ERR_OK)
        result = image_find(transfer->site, transfer->runtime, transfer->image_id, json_object_get(header, "layers"),
            json_object_get(header, "config"), id, info);
    if (result != ERR_OK)
        return result;
    if (*transfer->image && !strchr(transfer->image, '@') && !json_object_get(before, transfer->image))
        tag(transfer->runtime, id, transfer->image, NULL);
    remember(transfer->site, transfer->image_id, id);
    json_put_text(said, "image_id", id);
    return ERR_OK;
}

enum err image_receive(
    const struct transfer *transfer, struct frames *frames, const json_t *header, struct err_info *info)
{
    char program[HOST_PATH_SIZE];
    if (!runtime_program(transfer->runtime, program))
        return err_set(info, ERR_NOT_FOUND, "%s is not installed here", runtime_name(transfer->runtime));
    json_t *before = names_here(transfer->runtime), *answer = json_object(), *said = json_object();
    json_put_text(answer, "runtime", runtime_name(transfer->runtime));
    enum err result = frames_put_json(frames, FRAME_ANSWER, answer, info);
    const char *const argv[] = {program, "load", "-q", NULL};
    if (result == ERR_OK)
        result = pump_receive(frames, argv, NULL, info);
    if (result == ERR_OK)
        result = settle(transfer, header, before, said, info);
    json_decref(answer);
    json_decref(said);
    json_decref(before);
    return result;
}
