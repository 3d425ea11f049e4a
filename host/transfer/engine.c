/* Calls of podman and docker that only transfers make. No state; any thread. */
#include "host/transfer/engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"

#define ASK_LIMIT_US (60 * USEC_PER_SEC)
#define ANSWER_CEILING (16u * 1024 * 1024)

enum err engine_ask(enum runtime_kind kind, const char *const *words, struct buf *out, struct err_info *info)
{
    return runtime_command(kind, words, ASK_LIMIT_US, out, info);
}

enum err engine_inspect(
    enum runtime_kind kind, const char *what, const char *name, json_t **description, struct err_info *info)
{
    const char *const words[] = {what, "inspect", "--", name, NULL};
    struct buf out = BUF(ANSWER_CEILING);
    json_t *all = NULL;
    *description = NULL;
    enum err result = engine_ask(kind, words, &out, info);
    if (result == ERR_FAILED && info && (strstr(info->message, "o such") || strstr(info->message, "not known")))
        result = ERR_NOT_FOUND;
    if (result == ERR_OK)
        result = json_parse(buf_text(&out), out.length, &all, info);
    if (result == ERR_OK && json_is_object(json_array_get(all, 0)))
        *description = json_incref(json_array_get(all, 0));
    else if (result == ERR_OK)
        result = err_set(info, ERR_NOT_FOUND, "%s knows no %s %s", runtime_name(kind), what, name);
    json_decref(all);
    buf_free(&out);
    return result;
}

enum err engine_volume_path(
    enum runtime_kind kind, const char *name, char path[HOST_PATH_SIZE], json_t **labels, struct err_info *info)
{
    json_t *volume;
    char given[HOST_PATH_SIZE], real[PATH_MAX];
    path[0] = '\0';
    if (labels)
        *labels = NULL;
    enum err result = engine_inspect(kind, "volume", name, &volume, info);
    if (result != ERR_OK)
        return result;
    const char *mountpoint = json_get_text(volume, "Mountpoint");
    host_path(given, sizeof given, mountpoint ? mountpoint : "");
    if (!mountpoint || mountpoint[0] != '/' || !realpath(given, real) || !str_copy(path, HOST_PATH_SIZE, real))
        result = err_set(info, ERR_FAILED, "the volume %s has no directory on this host", name);
    else if (labels)
        *labels = json_incref(json_object_get(volume, "Labels"));
    json_decref(volume);
    return result;
}

enum err engine_volume_make(enum runtime_kind kind, const char *name, const char *site, struct err_info *info)
{
    char site_label[128], volume_label[256];
    str_format(site_label, sizeof site_label, "dogwatch.site=%s", site);
    str_format(volume_label, sizeof volume_label, "dogwatch.volume=%s", name);
    const char *const words[] = {"volume", "create", "--label", site_label, "--label", volume_label, "--", name, NULL};
    return engine_ask(kind, words, NULL, info);
}
