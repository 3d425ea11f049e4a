/* What a transfer is, from JSON and back. Pure functions; any thread. */
#include "host/transfer/transfer.h"

#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"

#define MOST_PASSES 1000

static const char *const drivers[] = {[TRANSFER_RSYNC] = "dir", [TRANSFER_BTRFS] = "btrfs"};

bool transfer_is_bind(const struct transfer *transfer)
{
    return strchr(transfer->volume, ':') != NULL;
}

/* An absolute path as it would be written by hand: no "//", "." or ".." parts, nothing that is not text. */
static bool path_is_plain(const char *path)
{
    if (path[0] != '/' || path[1] == '\0' || !sanitize_is_clean(path, strlen(path)))
        return false;
    for (const char *part = path; *part;) {
        size_t length = strcspn(++part, "/");
        bool is_dots = (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.');
        if (length == 0 || is_dots)
            return false;
        part += length;
    }
    return true;
}

/* A volume's name as the inventory has it. */
static bool volume_is_valid(const char *volume, const char *site)
{
    const char *colon = strchr(volume, ':');
    if (!colon)
        return name_is_valid_container(volume);
    return (size_t)(colon - volume) == strlen(site) && str_starts(volume, site) && path_is_plain(colon + 1);
}

static enum err read_volume(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    const char *driver = json_get_text(args, "driver"), *path = json_get_text(args, "path");
    if (!json_copy_text(args, "volume", transfer->volume, sizeof transfer->volume) ||
        !volume_is_valid(transfer->volume, transfer->site))
        return err_set(info, ERR_INVALID, "args.volume is a volume's name, or SITE:DESTINATION of a bind mount");
    transfer->method = driver && strcmp(driver, drivers[TRANSFER_BTRFS]) == 0 ? TRANSFER_BTRFS : TRANSFER_RSYNC;
    if (driver && strcmp(driver, drivers[transfer->method]) != 0)
        return err_set(info, ERR_INVALID, "args.driver is \"dir\" or \"btrfs\"; what is mounted is not carried");
    if (!transfer_is_bind(transfer))
        return ERR_OK;
    if (!path || !path_is_plain(path) || !str_copy(transfer->path, sizeof transfer->path, path))
        return err_set(
            info, ERR_INVALID, "args.path is where the directory of %s is, without . and ..", transfer->volume);
    return ERR_OK;
}

/* What engines print: registries, ports, paths, tags, digests. */
static bool image_is_valid(const char *image)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@-";
    return image[0] != '-' && image[strspn(image, allowed)] == '\0';
}

static enum err read_image(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    const char *id = json_get_text(args, "image_id"), *image = json_get_text(args, "image");
    transfer->method = TRANSFER_IMAGE;
    if (id && str_starts(id, "sha256:"))
        id += strlen("sha256:");
    if (!runtime_id_is_valid(id))
        return err_set(info, ERR_INVALID, "args.image_id is an image's ID: 64 hexadecimal digits");
    str_copy(transfer->image_id, sizeof transfer->image_id, id);
    if (image && image_is_valid(image) && !str_copy(transfer->image, sizeof transfer->image, image))
        transfer->image[0] = '\0';
    return ERR_OK;
}

enum err transfer_read_args(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    const char *what = json_get_text(args, "what");
    *transfer = (struct transfer){.pass = 1};
    enum err result = lease_job(args, transfer->job, info);
    if (result != ERR_OK)
        return result;
    if (!json_copy_text(args, "site", transfer->site, sizeof transfer->site) || !name_is_valid(transfer->site))
        return err_set(info, ERR_INVALID, "args.site is no valid name of a site");
    transfer->runtime = runtime_by_name(json_get_text(args, "runtime"));
    if (transfer->runtime == RUNTIME_COUNT)
        return err_set(info, ERR_INVALID, "args.runtime is \"podman\" or \"docker\"");
    if (what && strcmp(what, "volume") == 0)
        return read_volume(args, transfer, info);
    if (what && strcmp(what, "image") == 0)
        return read_image(args, transfer, info);
    return err_set(info, ERR_INVALID, "args.what is \"volume\" or \"image\"");
}

enum err transfer_read_pass(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    json_get_i64(args, "pass", &transfer->pass);
    json_get_bool(args, "last", &transfer->last);
    json_get_i64(args, "limit_bytes_s", &transfer->limit_bytes_s);
    if (transfer->pass < 1 || transfer->pass > MOST_PASSES)
        return err_set(info, ERR_INVALID, "args.pass is from 1 to %d", MOST_PASSES);
    if (transfer->limit_bytes_s < 0)
        return err_set(info, ERR_INVALID, "args.limit_bytes_s is 0 (none) or more");
    return ERR_OK;
}

json_t *transfer_to_json(const struct transfer *transfer)
{
    json_t *facts = json_object();
    bool is_image = transfer->method == TRANSFER_IMAGE;
    json_put_text(facts, "what", is_image ? "image" : "volume");
    json_put_text(facts, "site", transfer->site);
    json_put_text(facts, "job", transfer->job);
    json_put_text(facts, "runtime", runtime_name(transfer->runtime));
    json_put_text(facts, is_image ? "image_id" : "volume", is_image ? transfer->image_id : transfer->volume);
    json_put_text(facts, is_image ? "image" : "driver", is_image ? transfer->image : drivers[transfer->method]);
    json_put_text(facts, "path", transfer->path);
    json_put_i64(facts, "pass", transfer->pass);
    json_put_bool(facts, "last", transfer->last);
    json_put_i64(facts, "limit_bytes_s", transfer->limit_bytes_s);
    return facts;
}

enum err transfer_from_json(const json_t *facts, struct transfer *transfer, struct err_info *info)
{
    enum err result = transfer_read_args(facts, transfer, info);
    if (result == ERR_OK)
        result = transfer_read_pass(facts, transfer, info);
    if (result == ERR_OK && transfer->method != TRANSFER_IMAGE &&
        !json_copy_text(facts, "path", transfer->path, sizeof transfer->path))
        result = err_set(info, ERR_CORRUPT, "the transfer has no directory");
    return result;
}
