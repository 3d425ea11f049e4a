/* What the engine knows of the containers, and what they changed on disk: inspect, diff, logs, image; the writable
 * layer; the volumes. Archives are made by tar(1) of the host straight from the directories: no process of the
 * container is needed, symbolic links, sockets, pipes and devices are kept as what they are, nothing is followed or
 * opened. One thread per request. */
#include "host/evidence/archive.h"
#include "host/evidence/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sanitize.h"
#include "host/containers/inspect.h"

#define TEXT_LIMIT ((int64_t)64 << 20)
#define LOG_LIMIT ((int64_t)512 << 20)

/* --- the engine's words ---------------------------------------------------------------------------------------------
 */

static enum err keep_words(struct evidence *evidence, enum runtime_kind kind, const char *const *words,
    const char *object, const char *name, struct err_info *info)
{
    char program[HOST_PATH_SIZE];
    const char *argv[12] = {program};
    size_t count = 1;
    if (!runtime_program(kind, program))
        return ERR_OK;
    for (size_t i = 0; words[i] && count < 9; i++)
        argv[count++] = words[i];
    argv[count++] = "--";
    argv[count] = object;
    return output_program(
        evidence, &(struct output_run){.argv = argv, .name = name, .limit = TEXT_LIMIT, .keep = true}, info);
}

/* The engine's own file of the log where there is one (with the engine's times, and what stood in it before it was cut
 * off from the engine's view), else what the engine prints. */
static enum err keep_log(
    struct evidence *evidence, enum runtime_kind kind, const json_t *container, const char *name, struct err_info *info)
{
    char path[HOST_PATH_SIZE], program[HOST_PATH_SIZE];
    struct stat seen;
    const char *log_path = json_get_text(container, "log_path");
    int fd = log_path && log_path[0] == '/'
                 ? open(host_path(path, sizeof path, log_path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    if (fd >= 0 && fstat(fd, &seen) == 0 && S_ISREG(seen.st_mode)) {
        enum err result = output_copy(evidence, fd, LOG_LIMIT, name, info);
        close(fd);
        return result;
    }
    if (fd >= 0)
        close(fd);
    if (!runtime_program(kind, program))
        return ERR_OK;
    const char *const argv[] = {program, "logs", "--timestamps", "--", json_get_text(container, "id"), NULL};
    return output_program(evidence,
        &(struct output_run){.argv = argv, .name = name, .limit = LOG_LIMIT, .keep = true, .with_errors = true}, info);
}

static enum err keep_container(struct evidence *evidence, const json_t *container, struct err_info *info)
{
    static const struct {
        const char *const words[3];
        const char *suffix;
        bool of_image;
    } kinds[] = {{{"container", "inspect"}, "inspect.json", false}, {{"diff"}, "diff.txt", false},
        {{"image", "inspect"}, "image.json", true}};
    char label[EVIDENCE_LABEL_SIZE], name[OUTPUT_NAME_SIZE];
    enum runtime_kind kind = runtime_by_name(json_get_text(container, "runtime"));
    const char *id = json_get_text(container, "id"), *image = json_get_text(container, "image_id");
    enum err result = ERR_OK;
    evidence_label(container, label);
    if (kind == RUNTIME_COUNT || !runtime_id_is_valid(id))
        return ERR_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && result == ERR_OK; i++) {
        if (kinds[i].of_image && !runtime_id_is_valid(image))
            continue;
        str_format(name, sizeof name, "containers/%s/%s", label, kinds[i].suffix);
        result = keep_words(evidence, kind, kinds[i].words, kinds[i].of_image ? image : id, name, info);
    }
    str_format(name, sizeof name, "containers/%s/log", label);
    return result == ERR_OK ? keep_log(evidence, kind, container, name, info) : result;
}

enum err stage_containers(struct evidence *evidence, struct err_info *info)
{
    json_t *container;
    size_t i;
    enum err result = output_json(evidence, "containers/inventory.json", evidence->containers, info);
    json_array_foreach (evidence->containers, i, container) {
        if (result == ERR_OK)
            result = keep_container(evidence, container, info);
    }
    return result;
}

/* --- filesystem -----------------------------------------------------------------------------------------------------
 */

static void see_layer(const json_t *description, void *context)
{
    const json_t *driver = json_object_get(description, "GraphDriver");
    const char *path = json_get_text(json_object_get(driver, "Data"), "UpperDir");
    if (path && path[0] == '/' && !strstr(path, "/../"))
        str_copy(context, HOST_PATH_SIZE, path);
}

/* Without an overlay the whole file system is had from the engine. */
static enum err keep_export(
    struct evidence *evidence, enum runtime_kind kind, const char *id, const char *name, struct err_info *info)
{
    char program[HOST_PATH_SIZE];
    if (!runtime_program(kind, program))
        return ERR_OK;
    const char *const argv[] = {program, "export", "--", id, NULL};
    return output_program(
        evidence, &(struct output_run){.argv = argv, .name = name, .limit = ARCHIVE_MOST_BYTES}, info);
}

enum err stage_filesystem(struct evidence *evidence, struct err_info *info)
{
    json_t *container;
    size_t i;
    enum err result = ERR_OK;
    json_array_foreach (evidence->containers, i, container) {
        char label[EVIDENCE_LABEL_SIZE], name[OUTPUT_NAME_SIZE], layer[HOST_PATH_SIZE] = "", path[HOST_PATH_SIZE];
        enum runtime_kind kind = runtime_by_name(json_get_text(container, "runtime"));
        const char *id = json_get_text(container, "id");
        if (result != ERR_OK || kind == RUNTIME_COUNT || !runtime_id_is_valid(id))
            continue;
        runtime_inspect(kind, &id, 1, see_layer, layer, NULL);
        evidence_label(container, label);
        if (layer[0]) {
            str_format(name, sizeof name, "filesystem/%s.changes.tar", label);
            result = archive_keep(evidence, host_path(path, sizeof path, layer), name, info);
        } else {
            str_format(name, sizeof name, "filesystem/%s.export.tar", label);
            result = keep_export(evidence, kind, id, name, info);
        }
        if (result == ERR_OK)
            result = archive_keep_tmpfs(evidence, container, info);
    }
    return result;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

static bool has_source(const json_t *list, const char *source)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (list, i, entry)
        if (strcmp(json_get_text(entry, "path"), source) == 0)
            return true;
    return false;
}

static void add_volume(json_t *list, const json_t *from, const char *path, const char *container)
{
    if (!path || path[0] != '/' || strstr(path, "/../") || has_source(list, path))
        return;
    json_t *entry = json_object();
    json_put_text(entry, "name", json_get_text(from, "name"));
    json_put_text(entry, "kind", json_get_text(from, "kind"));
    json_object_set_new(entry, "path", json_string(path));
    json_put_text(entry, "container", container);
    json_put_text(entry, "destination", json_get_text(from, "destination"));
    if (json_get_text(entry, "path"))
        json_array_append(list, entry);
    json_decref(entry);
}

/* What the site's containers mount, and volumes that are the site's by label; each directory once. */
static json_t *list_volumes(const struct evidence *evidence)
{
    json_t *list = json_array(), *container, *entry;
    size_t i, k;
    json_array_foreach (evidence->containers, i, container) {
        json_array_foreach (json_object_get(container, "mounts"), k, entry) {
            const char *kind = json_get_text(entry, "kind"), *source = json_get_text(entry, "source");
            bool is_bind = kind && strcmp(kind, "bind") == 0;
            if (source && (!is_bind || inspect_bind_is_data(source)))
                add_volume(list, entry, source, json_get_text(container, "name"));
        }
    }
    json_array_foreach (evidence->volumes, i, entry)
        add_volume(list, entry, json_get_text(entry, "path"), NULL);
    return list;
}

/* A name for the archive: the volume's, with what is no letter, digit, '.', '_' or '-' as '_', behind a number. */
static void name_archive(const json_t *volume, size_t number, char out[OUTPUT_NAME_SIZE])
{
    char word[100];
    const char *name = json_get_text(volume, "name");
    str_format(word, sizeof word, "%s", name ? name : "unnamed");
    for (char *at = word; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *at))
            *at = '_';
    str_format(out, OUTPUT_NAME_SIZE, "volumes/%02zu-%s.tar", number, word);
}

enum err stage_volumes(struct evidence *evidence, struct err_info *info)
{
    json_t *list = list_volumes(evidence), *volume;
    size_t i;
    enum err result = ERR_OK;
    json_array_foreach (list, i, volume) {
        char name[OUTPUT_NAME_SIZE], path[HOST_PATH_SIZE];
        name_archive(volume, i + 1, name);
        json_put_text(volume, "file", name);
        if (result == ERR_OK)
            result = archive_keep(evidence, host_path(path, sizeof path, json_get_text(volume, "path")), name, info);
    }
    if (result == ERR_OK)
        result = output_json(evidence, "volumes/index.json", list, info);
    json_decref(list);
    return result;
}
