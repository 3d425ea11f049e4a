/* The manifest a host signed. The signature says who wrote it, not that it is well-meant: a host that was broken into
 * signs as well, so every name and size in it is checked like any other word from outside. Any thread. */
#include "actions/evidence_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filetree.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"

#define FORMAT 1

static bool is_ours(const char *name)
{
    static const char *const names[] = {
        EVIDENCE_MANIFEST, EVIDENCE_SIGNATURE, EVIDENCE_RECEIPT, EVIDENCE_RECEIPT_SIGNATURE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_sum(const char *text)
{
    return text && strlen(text) == DIGEST_TEXT_SIZE - 1 && strspn(text, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1;
}

static enum err take_file(const json_t *entry, struct manifest *manifest, struct err_info *info)
{
    struct manifest_file *file = &manifest->files[manifest->file_count];
    const char *before = manifest->file_count ? file[-1].name : "";
    *file = (struct manifest_file){.name = json_get_text(entry, "name"), .sha256 = json_get_text(entry, "sha256")};
    if (!filetree_name_is_valid(file->name) || is_ours(file->name))
        return err_set(info, ERR_CORRUPT, "the manifest has a name that can be no file of evidence");
    if (strcmp(before, file->name) >= 0)
        return err_set(info, ERR_CORRUPT, "the manifest's names are not in order at %s", file->name);
    if (!is_sum(file->sha256) || !json_get_i64(entry, "bytes", &file->bytes) || file->bytes < 0 ||
        file->bytes > INT64_MAX / 2 - manifest->bytes)
        return err_set(info, ERR_CORRUPT, "the manifest has no size or sum of %s", file->name);
    manifest->bytes += file->bytes;
    manifest->file_count++;
    return ERR_OK;
}

static enum err take_files(struct manifest *manifest, struct err_info *info)
{
    const json_t *list = json_object_get(manifest->json, "files"), *entry;
    size_t i, count = json_array_size(list);
    enum err result = ERR_OK;
    if (count == 0 || count > EVIDENCE_MOST_FILES)
        return err_set(info, ERR_CORRUPT, "the manifest names %zu files", count);
    manifest->files = xcalloc(count, sizeof *manifest->files);
    json_array_foreach (list, i, entry) {
        result = take_file(entry, manifest, info);
        if (result != ERR_OK)
            break;
    }
    return result;
}

enum err manifest_parse(const char *text, size_t length, struct manifest *manifest, struct err_info *info)
{
    int64_t format = 0;
    *manifest = (struct manifest){0};
    digest_of(text, length, manifest->sha256);
    if (json_parse(text, length, &manifest->json, info) != ERR_OK || !json_is_object(manifest->json))
        return err_set(info, ERR_CORRUPT, "the manifest is no JSON object");
    if (!json_get_i64(manifest->json, "format", &format) || format != FORMAT)
        return err_set(info, ERR_VERSION, "the manifest has a format this dogwatch does not know");
    if (!json_copy_text(manifest->json, "site", manifest->site, sizeof manifest->site) ||
        !json_copy_text(manifest->json, "job", manifest->job, sizeof manifest->job) || !name_is_valid(manifest->site))
        return err_set(info, ERR_CORRUPT, "the manifest does not say of what site and job it is");
    json_get_i64(manifest->json, "epoch_us", &manifest->sealed_us);
    return take_files(manifest, info);
}

void manifest_free(struct manifest *manifest)
{
    json_decref(manifest->json);
    free(manifest->files);
    *manifest = (struct manifest){0};
}

/* --- names and files -------------------------------------------------------------------------------------------------
 */

bool evidence_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return name && name[0] && name[0] != '.' && name[0] != '-' && strlen(name) < EVIDENCE_NAME_SIZE &&
           strspn(name, allowed) == strlen(name) && !strstr(name, "..");
}

bool evidence_name(const char *site, const char *job, const char *host, char out[EVIDENCE_NAME_SIZE])
{
    bool fits =
        name_is_valid(site) && name_is_valid(host) && str_format(out, EVIDENCE_NAME_SIZE, "%s-%s-%s", site, job, host);
    for (char *colon = out; fits && (colon = strchr(colon, ':')) != NULL;)
        *colon = '_';
    return fits && evidence_name_is_valid(out);
}

char *evidence_directory(const char *state_dir, const char *name)
{
    return xasprintf("%s/evidence/%s", state_dir, name);
}

enum err evidence_open_root(const char *state_dir, int *fd, struct err_info *info)
{
    char *path = paths_join(state_dir, "evidence");
    enum err err = paths_make_dir(path, info);
    *fd = err == ERR_OK ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == ERR_OK && *fd < 0)
        err = err_errno(info, err_from_errno(errno), errno, "cannot open %s", path);
    free(path);
    return err;
}

enum err evidence_read_file(int fd, const char *name, struct buf *out, struct err_info *info)
{
    char piece[16384];
    int file = filetree_open_file(fd, name);
    if (file < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot read %s", name);
    ssize_t got;
    enum err err = ERR_OK;
    while (err == ERR_OK && (got = read(file, piece, sizeof piece)) != 0) {
        if (got > 0)
            err = buf_append(out, piece, (size_t)got);
        else if (errno != EINTR)
            err = err_errno(info, ERR_IO, errno, "cannot read %s", name);
    }
    if (err == ERR_FULL)
        err_set(info, err, "%s is too large", name);
    close(file);
    return err;
}

enum err evidence_write_file(int fd, const char *name, const struct buf *data, struct err_info *info)
{
    int file = filetree_make_file(fd, name);
    size_t done = 0;
    while (file >= 0 && done < data->length) {
        ssize_t wrote = write(file, data->data + done, data->length - done);
        if (wrote < 0 && errno != EINTR)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    bool good = file >= 0 && done == data->length && fsync(file) == 0;
    int why = errno;
    if (file >= 0)
        close(file);
    return good ? ERR_OK : err_errno(info, err_from_errno(why), why, "cannot write %s", name);
}
