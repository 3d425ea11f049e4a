/* Evidence comes in as a tar, read by libarchive and by no other format of it. The first two members are the manifest
 * and its signature: only when that is the pinned key's, the rest is looked at, and then it must be exactly the files
 * of the manifest, in its order, plain files of its sizes and sums. They are written to STATE/evidence/.NAME.partial;
 * when all are there, our own signature is added and the directory gets its name. What was broken off keeps its whole
 * files. Any thread. */
#include "actions/evidence_private.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filetree.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/keys.h"

#define PIECE_BYTES 65536u
#define ROOM_KEPT ((uint64_t)64 << 20) /* of our own disk, for the store */
#define INCOMING ".incoming"           /* the file under way */

struct intake {
    const struct evidence_request *request;
    size_t skipped, next; /* files of the manifest: behind which the tar begins; which comes now */
    int root, fd;         /* STATE/evidence; the partial directory */
    char partial[EVIDENCE_NAME_SIZE + 16];
    struct evidence_outcome *outcome;
    struct manifest manifest;
    struct buf manifest_text, signature;
    int64_t done; /* bytes of files */

    struct archive *archive;
    evidence_read *read;
    void *source;
    char piece[PIECE_BYTES];
    struct err_info read_info; /* what the source said */
};

/* --- the partial directory ---------------------------------------------------------------------------------------- */

static enum err open_partial(struct intake *intake, struct err_info *info)
{
    const struct evidence_request *request = intake->request;
    if (!evidence_name(request->site, request->job, request->host, intake->outcome->name))
        return err_set(info, ERR_INVALID, "evidence of such a site or job can have no name");
    str_format(intake->partial, sizeof intake->partial, ".%s.partial", intake->outcome->name);
    enum err err = evidence_open_root(request->state_dir, &intake->root, info);
    if (err)
        return err;
    intake->fd = filetree_make_dir(intake->root, intake->partial);
    if (intake->fd >= 0 && flock(intake->fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(info, ERR_BUSY, "%s is being fetched already", intake->outcome->name);
    return intake->fd >= 0 ? ERR_OK
                           : err_errno(info, err_from_errno(errno), errno, "cannot make %s/evidence/%s",
                                 request->state_dir, intake->partial);
}

static bool has_file(int fd, const struct manifest_file *expected)
{
    int file = filetree_open_file(fd, expected->name);
    off_t size = file >= 0 ? lseek(file, 0, SEEK_END) : -1;
    if (file >= 0)
        close(file);
    return size == expected->bytes;
}

size_t evidence_have(const struct evidence_request *request)
{
    struct evidence_outcome outcome = {0};
    struct intake *intake = xcalloc(1, sizeof *intake);
    struct buf text = BUF(MANIFEST_CEILING);
    size_t have = 0;
    *intake = (struct intake){.request = request, .outcome = &outcome, .root = -1, .fd = -1};
    if (open_partial(intake, NULL) == ERR_OK &&
        evidence_read_file(intake->fd, EVIDENCE_MANIFEST, &text, NULL) == ERR_OK &&
        manifest_parse(buf_text(&text), text.length, &intake->manifest, NULL) == ERR_OK)
        while (have < intake->manifest.file_count && has_file(intake->fd, &intake->manifest.files[have]))
            have++;
    manifest_free(&intake->manifest);
    buf_free(&text);
    if (intake->fd >= 0)
        close(intake->fd);
    if (intake->root >= 0)
        close(intake->root);
    free(intake);
    return have;
}

/* --- the archive -------------------------------------------------------------------------------------------------- */

static la_ssize_t read_source(struct archive *archive, void *context, const void **piece)
{
    struct intake *intake = context;
    *piece = intake->piece;
    ssize_t got = intake->read(intake->source, intake->piece, sizeof intake->piece, &intake->read_info);
    if (got < 0)
        archive_set_error(archive, EIO, "the source failed");
    return got < 0 ? ARCHIVE_FATAL : got;
}

/* What libarchive or the source has to say. */
static enum err archive_failed(struct intake *intake, struct err_info *info)
{
    char said[200];
    if (intake->read_info.message[0])
        return err_set(info, intake->read_info.code, "%s", intake->read_info.message);
    const char *words = archive_error_string(intake->archive);
    sanitize(said, sizeof said, words ? words : "", words ? strlen(words) : 0);
    return err_set(info, ERR_CORRUPT, "%s sent no whole archive: %s", intake->request->host, said);
}

/* The next member must be this one, a plain file. ERR_CLOSED at the archive's end. */
static enum err next_member(struct intake *intake, const char *name, int64_t *bytes, struct err_info *info)
{
    struct archive_entry *entry;
    char shown[200];
    int rc = archive_read_next_header(intake->archive, &entry);
    if (rc == ARCHIVE_EOF)
        return err_set(info, ERR_CLOSED, "%s sent an archive that ends before %s", intake->request->host, name);
    if (rc != ARCHIVE_OK)
        return archive_failed(intake, info);
    const char *path = archive_entry_pathname(entry);
    path = path ? path : "";
    bool same = strcmp(path + (str_starts(path, "./") ? 2 : 0), name) == 0;
    sanitize(shown, sizeof shown, path, strlen(path));
    if (!same)
        return err_set(info, ERR_CORRUPT, "%s sent \"%s\" where %s was to come", intake->request->host, shown, name);
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
        !archive_entry_size_is_set(entry))
        return err_set(info, ERR_CORRUPT, "%s sent %s, which is no plain file", intake->request->host, name);
    *bytes = archive_entry_size(entry);
    return ERR_OK;
}

static enum err member_into_buffer(struct intake *intake, const char *name, struct buf *out, struct err_info *info)
{
    char piece[8192];
    int64_t bytes = 0;
    la_ssize_t got = 0;
    enum err err = next_member(intake, name, &bytes, info);
    while (!err && (got = archive_read_data(intake->archive, piece, sizeof piece)) > 0)
        if (buf_append(out, piece, (size_t)got) != ERR_OK)
            err = err_set(info, ERR_CORRUPT, "%s sent a %s that is too large", intake->request->host, name);
    return err || got >= 0 ? err : archive_failed(intake, info);
}

/* --- manifest and signature --------------------------------------------------------------------------------------- */

static enum err check_signature(struct intake *intake, struct err_info *info)
{
    const struct host_key *pinned = intake->request->key;
    struct host_key signer;
    bool good = false;
    enum err err = signature_key(&intake->signature, &signer, info);
    if (!err && strcmp(signer.base64, pinned->base64) != 0)
        err = err_set(info, ERR_HOST_KEY, "the manifest is signed with %s (%s), and the key of %s is %s: not taken",
            signer.fingerprint, signer.type, intake->request->host, pinned->fingerprint);
    if (!err)
        err = signature_verify(&intake->manifest_text, &intake->signature, pinned, EVIDENCE_NAMESPACE, &good, info);
    if (!err && !good)
        err = err_set(
            info, ERR_CORRUPT, "the manifest is not what the key of %s signed: not taken", intake->request->host);
    return err;
}

/* Where fetching goes on, the manifest must be the one it began with; else it begins anew with the next try. */
static enum err check_same(struct intake *intake, struct err_info *info)
{
    struct buf before = BUF(MANIFEST_CEILING);
    enum err err = evidence_read_file(intake->fd, EVIDENCE_MANIFEST, &before, NULL);
    bool same = !err && before.length == intake->manifest_text.length &&
                memcmp(before.data, intake->manifest_text.data, before.length) == 0;
    buf_free(&before);
    if (same)
        return ERR_OK;
    enum err emptied = filetree_empty(intake->fd, info);
    if (emptied || intake->skipped == 0)
        return emptied;
    return err_set(
        info, ERR_CORRUPT, "what %s has now is not what fetching began with: fetch it again", intake->request->host);
}

static enum err check_room(const struct intake *intake, struct err_info *info)
{
    struct statvfs here;
    uint64_t needed = 0;
    for (size_t i = intake->skipped; i < intake->manifest.file_count; i++)
        needed += (uint64_t)intake->manifest.files[i].bytes + 4096;
    if (fstatvfs(intake->fd, &here) != 0)
        return err_errno(info, ERR_IO, errno, "cannot tell how much room there is here");
    uint64_t room = (uint64_t)here.f_bavail * here.f_frsize;
    return needed + ROOM_KEPT <= room
               ? ERR_OK
               : err_set(info, ERR_FULL, "the evidence has %llu bytes more, and there is room for %llu in %s",
                     (unsigned long long)needed, (unsigned long long)(room > ROOM_KEPT ? room - ROOM_KEPT : 0),
                     intake->request->state_dir);
}

static enum err take_manifest(struct intake *intake, struct err_info *info)
{
    const struct evidence_request *request = intake->request;
    enum err err = member_into_buffer(intake, EVIDENCE_MANIFEST, &intake->manifest_text, info);
    if (!err)
        err = member_into_buffer(intake, EVIDENCE_SIGNATURE, &intake->signature, info);
    if (!err)
        err = check_signature(intake, info);
    if (!err)
        err = manifest_parse(buf_text(&intake->manifest_text), intake->manifest_text.length, &intake->manifest, info);
    if (!err && (strcmp(intake->manifest.site, request->site) != 0 || strcmp(intake->manifest.job, request->job) != 0))
        err = err_set(info, ERR_CORRUPT, "%s sent the evidence of another site or job", request->host);
    if (!err && intake->skipped > intake->manifest.file_count)
        err = err_set(info, ERR_CORRUPT, "%s sent a manifest of fewer files than are here", request->host);
    if (!err)
        err = check_same(intake, info);
    if (!err)
        err = check_room(intake, info);
    if (!err)
        err = evidence_write_file(intake->fd, EVIDENCE_MANIFEST, &intake->manifest_text, info);
    if (!err)
        err = evidence_write_file(intake->fd, EVIDENCE_SIGNATURE, &intake->signature, info);
    return err;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static enum err write_piece(int file, const char *data, size_t length, struct err_info *info)
{
    while (length > 0) {
        ssize_t wrote = write(file, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_errno(info, errno == ENOSPC ? ERR_FULL : ERR_IO, errno, "cannot write evidence");
        data += wrote;
        length -= (size_t)wrote;
    }
    return ERR_OK;
}

static enum err copy_member(
    struct intake *intake, int file, struct digest *digest, int64_t *written, struct err_info *info)
{
    const struct evidence_request *request = intake->request;
    char *piece = xmalloc(PIECE_BYTES);
    int64_t limit = intake->manifest.files[intake->next].bytes;
    la_ssize_t got = 0;
    enum err err = ERR_OK;
    while (!err && (got = archive_read_data(intake->archive, piece, PIECE_BYTES)) > 0) {
        *written += got;
        if (*written > limit)
            err = err_set(info, ERR_CORRUPT, "more came than the manifest says");
        digest_add(digest, piece, (size_t)got);
        err = err ? err : write_piece(file, piece, (size_t)got, info);
        if (!err && request->progress &&
            !request->progress(request->owner, intake->done + *written, intake->manifest.bytes))
            err = err_set(info, ERR_CANCELLED, "fetching was given up; what came is kept");
    }
    free(piece);
    return err || got >= 0 ? err : archive_failed(intake, info);
}

/* Put in its place only when it is whole and right. */
static enum err settle_file(const struct intake *intake, const struct manifest_file *expected, struct err_info *info)
{
    char parent[1024];
    const char *slash = strrchr(expected->name, '/');
    str_format(parent, sizeof parent, "%.*s", slash ? (int)(slash - expected->name) : 0, expected->name);
    int directory = filetree_make_dir(intake->fd, parent);
    bool good = directory >= 0 && renameat(intake->fd, INCOMING, directory, slash ? slash + 1 : expected->name) == 0;
    int why = errno;
    if (directory >= 0)
        close(directory);
    return good ? ERR_OK : err_errno(info, err_from_errno(why), why, "cannot write %s", expected->name);
}

static enum err take_file(struct intake *intake, struct err_info *info)
{
    const struct manifest_file *expected = &intake->manifest.files[intake->next];
    char sum[DIGEST_TEXT_SIZE];
    int64_t bytes = 0, written = 0;
    enum err err = next_member(intake, expected->name, &bytes, info);
    if (!err && bytes != expected->bytes)
        err = err_set(info, ERR_CORRUPT, "%s has another size than the manifest says", expected->name);
    int file = err ? -1 : filetree_make_file(intake->fd, INCOMING);
    if (!err && file < 0)
        err = err_errno(info, err_from_errno(errno), errno, "cannot write evidence");
    if (err)
        return err;
    struct digest *digest = digest_new();
    err = copy_member(intake, file, digest, &written, info);
    digest_end(digest, sum);
    close(file);
    if (!err && (written != expected->bytes || strcmp(sum, expected->sha256) != 0))
        err = err_set(info, ERR_CORRUPT, "%s is not what the manifest says", expected->name);
    if (!err)
        err = settle_file(intake, expected, info);
    intake->done += written;
    return err ? err_prefix(info, err, "%s", intake->request->host) : ERR_OK;
}

static enum err take_files(struct intake *intake, struct err_info *info)
{
    struct archive_entry *entry;
    enum err err = ERR_OK;
    for (size_t i = 0; i < intake->skipped; i++)
        intake->done += intake->manifest.files[i].bytes;
    for (intake->next = intake->skipped; !err && intake->next < intake->manifest.file_count; intake->next++)
        err = take_file(intake, info);
    if (err)
        return err;
    int rc = archive_read_next_header(intake->archive, &entry);
    if (rc == ARCHIVE_OK)
        return err_set(info, ERR_CORRUPT, "%s sent more than the manifest names: not taken", intake->request->host);
    return rc == ARCHIVE_EOF ? ERR_OK : archive_failed(intake, info);
}

/* --- our signature ------------------------------------------------------------------------------------------------ */

/* Who received what from whom, and when: signed with the operator key, so that the evidence can be checked also when
 * the host, or its key, is no more, and so that nobody can put a later one in its place. */
static enum err sign_receipt(const struct intake *intake, struct err_info *info)
{
    const struct evidence_request *request = intake->request;
    char node[256] = "", now[CLOCK_RFC3339_SIZE], *key_path = NULL;
    struct buf text = BUF(65536), signature = BUF(SIGNATURE_CEILING);
    json_t *receipt = json_object();
    int64_t at_us = clock_wall_us();
    gethostname(node, sizeof node - 1);
    json_put_i64(receipt, "format", 1);
    json_put_text(receipt, "site", request->site);
    json_put_text(receipt, "job", request->job);
    json_put_text(receipt, "host", request->host);
    json_put_text(receipt, "host_key_type", request->key->type);
    json_put_text(receipt, "host_key", request->key->base64);
    json_put_text(receipt, "manifest_sha256", intake->manifest.sha256);
    json_put_i64(receipt, "received_us", at_us);
    json_put_text(receipt, "received", clock_rfc3339(at_us, 0, now));
    json_put_text(receipt, "received_by", node);
    enum err err = json_write(&text, receipt);
    err = err ? err : buf_putc(&text, '\n');
    if (!err)
        err = keys_ensure(request->state_dir, "operator", &key_path, NULL, info);
    if (!err)
        err = signature_make(&text, key_path, EVIDENCE_RECEIPT_NAMESPACE, &signature, info);
    if (!err)
        err = evidence_write_file(intake->fd, EVIDENCE_RECEIPT, &text, info);
    if (!err)
        err = evidence_write_file(intake->fd, EVIDENCE_RECEIPT_SIGNATURE, &signature, info);
    json_decref(receipt);
    buf_free(&text);
    buf_free(&signature);
    free(key_path);
    return err;
}

static enum err finish(struct intake *intake, struct err_info *info)
{
    filetree_remove(intake->fd, INCOMING, NULL);
    enum err err = sign_receipt(intake, info);
    if (!err &&
        (syncfs(intake->fd) != 0 || renameat(intake->root, intake->partial, intake->root, intake->outcome->name) != 0 ||
            fsync(intake->root) != 0))
        err = err_errno(info, err_from_errno(errno), errno, "cannot put the evidence in its place");
    intake->outcome->bytes = intake->manifest.bytes;
    intake->outcome->files = (int64_t)intake->manifest.file_count;
    return err;
}

static enum err unpack(struct intake *intake, struct err_info *info)
{
    intake->archive = archive_read_new();
    archive_read_support_format_tar(intake->archive);
    enum err err = archive_read_open(intake->archive, intake, NULL, read_source, NULL) == ARCHIVE_OK
                       ? take_manifest(intake, info)
                       : archive_failed(intake, info);
    if (!err)
        err = take_files(intake, info);
    archive_read_free(intake->archive);
    return err;
}

enum err evidence_take_in(const struct evidence_request *request, size_t skipped, evidence_read *read, void *source,
    struct evidence_outcome *outcome, struct err_info *info)
{
    struct intake *intake = xcalloc(1, sizeof *intake);
    *outcome = (struct evidence_outcome){0};
    intake->request = request;
    intake->skipped = skipped;
    intake->outcome = outcome;
    intake->read = read;
    intake->source = source;
    intake->root = intake->fd = -1;
    intake->manifest_text = BUF(MANIFEST_CEILING);
    intake->signature = BUF(SIGNATURE_CEILING);
    enum err err = open_partial(intake, info);
    if (!err)
        err = unpack(intake, info);
    if (!err)
        err = finish(intake, info);
    manifest_free(&intake->manifest);
    buf_free(&intake->manifest_text);
    buf_free(&intake->signature);
    if (intake->fd >= 0)
        close(intake->fd);
    if (intake->root >= 0)
        close(intake->root);
    free(intake);
    return err;
}
