/* The end of collecting: a manifest with the SHA-256 of every file, signed with the key this host shows to everybody
 * who logs in, so that whoever knows that key can tell that nothing was changed since (ssh-keygen(1), -Y sign;
 * namespace dogwatch-evidence). The signature is the last thing written, whole or not at all: where it is, the evidence
 * is sealed. One thread per request. */
#include "host/evidence/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/filetree.h"
#include "host/facts.h"
#include "host/run.h"

#define FORMAT 1
#define NAMESPACE "dogwatch-evidence"
#define MANIFEST_CEILING ((size_t)32 << 20)
#define MOST_FILES 200000
#define SIGNATURE_BEGINS "-----BEGIN SSH SIGNATURE-----"
#define SIGN_LIMIT_US (20 * USEC_PER_SEC)

static const char *const keygen_programs[] = {
    "/usr/bin/ssh-keygen", "/bin/ssh-keygen", "/usr/local/bin/ssh-keygen", NULL};

/* In the order of preference. */
static const struct {
    const char *type, *path;
} host_keys[] = {
    {"ssh-ed25519", "/etc/ssh/ssh_host_ed25519_key"},
    {"ecdsa-sha2-nistp256", "/etc/ssh/ssh_host_ecdsa_key"},
    {"ecdsa-sha2-nistp384", "/etc/ssh/ssh_host_ecdsa_key"},
    {"ecdsa-sha2-nistp521", "/etc/ssh/ssh_host_ecdsa_key"},
    {"ssh-rsa", "/etc/ssh/ssh_host_rsa_key"},
};

/* --- the manifest ---------------------------------------------------------------------------------------------------
 */

static bool count_hashed(void *context, size_t length)
{
    struct evidence *evidence = context;
    evidence->bytes += (int64_t)length;
    return evidence_tick(evidence);
}

static enum err add_file(
    struct evidence *evidence, const char *name, json_t *files, int64_t *total, struct err_info *info)
{
    char digest[DIGEST_TEXT_SIZE];
    int64_t bytes = 0;
    str_copy(evidence->file, sizeof evidence->file, name);
    int fd = filetree_open_file(evidence->vault.fd, name);
    if (fd < 0)
        return err_errno(info, ERR_IO, errno, "cannot read %s/%s", evidence->vault.path, name);
    enum err result = digest_file(fd, count_hashed, evidence, digest, &bytes, info);
    if (result == ERR_OK && fsync(fd) != 0)
        result = err_errno(info, ERR_IO, errno, "cannot write %s/%s to the disk", evidence->vault.path, name);
    close(fd);
    if (result != ERR_OK)
        return result;
    json_t *entry = json_object();
    json_put_text(entry, "name", name);
    json_put_i64(entry, "bytes", bytes);
    json_put_text(entry, "sha256", digest);
    json_array_append_new(files, entry);
    *total += bytes;
    return ERR_OK;
}

/* What was noted by each stage, as it stands in stages/WHAT.json, in order of volatility. */
static json_t *load_stages(const struct evidence *evidence)
{
    static const char *const order[] = {
        "sockets", "processes", "freeze", "memory", "containers", "filesystem", "volumes"};
    json_t *stages = json_array();
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct buf text = BUF((size_t)4 << 20);
        char *path = xasprintf("%s/stages/%s.json", evidence->vault.path, order[i]);
        json_t *stage = NULL;
        if (buf_read_file(&text, path, NULL) == ERR_OK &&
            json_parse(buf_text(&text), text.length, &stage, NULL) == ERR_OK)
            json_array_append_new(stages, stage);
        buf_free(&text);
        free(path);
    }
    return stages;
}

static enum err make_manifest(
    struct evidence *evidence, const struct filetree_names *names, json_t *manifest, struct err_info *info)
{
    enum err result = ERR_OK;
    int64_t total = 0;
    json_t *files = json_array();
    json_put_i64(manifest, "format", FORMAT);
    json_put_text(manifest, "site", evidence->site);
    json_put_text(manifest, "job", evidence->job);
    host_put_identity(manifest);
    host_put_times(manifest);
    json_put_text(manifest, "made_by", "dogwatch-host " DOGWATCH_VERSION);
    json_object_set_new(manifest, "stages", load_stages(evidence));
    for (size_t i = 0; i < names->count && result == ERR_OK; i++)
        result = add_file(evidence, names->items[i], files, &total, info);
    json_put_i64(manifest, "bytes", total);
    json_object_set_new(manifest, "files", files);
    return result;
}

/* On the disk before it is signed. */
static enum err write_manifest(struct evidence *evidence, const json_t *manifest, struct err_info *info)
{
    struct buf text = BUF(MANIFEST_CEILING);
    enum err result = json_write(&text, manifest);
    if (result == ERR_OK)
        result = buf_putc(&text, '\n');
    if (result != ERR_OK)
        err_set(info, result, "the manifest would have more than %zu bytes", text.ceiling);
    else
        result = output_text(evidence, VAULT_MANIFEST, buf_text(&text), text.length, info);
    buf_free(&text);
    if (result == ERR_OK && syncfs(evidence->vault.fd) != 0)
        result = err_errno(info, ERR_IO, errno, "cannot write the evidence to the disk");
    return result;
}

/* --- the signature --------------------------------------------------------------------------------------------------
 */

static bool find_key(const char *type, char out[HOST_PATH_SIZE], const char **found_type)
{
    for (size_t i = 0; i < sizeof host_keys / sizeof *host_keys; i++) {
        *found_type = host_keys[i].type;
        if ((!type || strcmp(type, host_keys[i].type) == 0) &&
            access(host_path(out, HOST_PATH_SIZE, host_keys[i].path), R_OK) == 0)
            return true;
    }
    return false;
}

static void take_back(int fd, struct buf *out)
{
    char piece[1024];
    ssize_t got;
    for (off_t at = 0; (got = pread(fd, piece, sizeof piece, at)) > 0; at += got)
        buf_append(out, piece, (size_t)got);
}

/* ssh-keygen signs its standard input, and never writes into the vault: what it leaves half done is no seal. */
static enum err run_keygen(
    const char *const argv[], int manifest, struct buf *signature, struct buf *errors, struct err_info *info)
{
    struct run_fds fds = {.in = manifest, .third = -1, .fourth = -1};
    pid_t pid;
    int status = -1;
    fds.out = memfd_create("signature", MFD_CLOEXEC);
    fds.errors = memfd_create("errors", MFD_CLOEXEC);
    enum err result = fds.out >= 0 && fds.errors >= 0
                          ? run_spawn(argv, &fds, &pid, info)
                          : err_errno(info, ERR_IO, errno, "cannot take in what ssh-keygen says");
    if (result == ERR_OK && !run_await(pid, SIGN_LIMIT_US, &status)) {
        run_end(pid, -1);
        result = err_set(info, ERR_TIMEOUT, "ssh-keygen did not sign the manifest in time");
    }
    take_back(fds.out, signature);
    take_back(fds.errors, errors);
    if (result == ERR_OK && (status != 0 || !str_starts(buf_text(signature), SIGNATURE_BEGINS)))
        result = err_set(info, ERR_FAILED, "ssh-keygen did not sign the manifest: %.300s", buf_text(errors));
    if (fds.out >= 0)
        close(fds.out);
    if (fds.errors >= 0)
        close(fds.errors);
    return result;
}

static enum err sign_with(const char *keygen, const char *key, const struct vault *vault, struct err_info *info)
{
    const char *const argv[] = {keygen, "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key, NULL};
    char path[HOST_PATH_SIZE + sizeof VAULT_SIGNATURE];
    struct buf signature = BUF(65536), errors = BUF(4096);
    int manifest = openat(vault->fd, VAULT_MANIFEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (manifest < 0)
        return err_errno(info, ERR_IO, errno, "cannot read %s/" VAULT_MANIFEST, vault->path);
    str_format(path, sizeof path, "%s/" VAULT_SIGNATURE, vault->path);
    enum err result = run_keygen(argv, manifest, &signature, &errors, info);
    if (result == ERR_OK)
        result = paths_write_atomic(path, buf_text(&signature), signature.length, 0600, info);
    close(manifest);
    buf_free(&signature);
    buf_free(&errors);
    return result;
}

static enum err sign(struct evidence *evidence, struct err_info *info)
{
    char keygen[HOST_PATH_SIZE], key[HOST_PATH_SIZE];
    const char *type;
    if (!evidence_program(keygen_programs, keygen))
        return err_set(info, ERR_MISSING, "ssh-keygen is not installed on this host: the manifest cannot be signed");
    if (!find_key(evidence->key_type, key, &type))
        return err_set(info, ERR_NOT_FOUND, "this host has no %s key in /etc/ssh to sign with",
            evidence->key_type ? evidence->key_type : "SSH host");
    return sign_with(keygen, key, &evidence->vault, info);
}

/* --- the answer -----------------------------------------------------------------------------------------------------
 */

static enum err tell(struct evidence *evidence, struct err_info *info)
{
    char digest[DIGEST_TEXT_SIZE];
    int64_t bytes = 0;
    int fd = openat(evidence->vault.fd, VAULT_MANIFEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(info, ERR_IO, errno, "cannot read %s/" VAULT_MANIFEST, evidence->vault.path);
    enum err result = digest_file(fd, NULL, NULL, digest, &bytes, info);
    close(fd);
    if (result != ERR_OK)
        return result;
    evidence->answer = json_object();
    json_put_text(evidence->answer, "manifest_sha256", digest);
    json_t *entry = json_object();
    json_put_text(entry, "name", VAULT_MANIFEST);
    json_put_i64(entry, "bytes", bytes);
    json_array_clear(evidence->files);
    json_array_append_new(evidence->files, entry);
    return ERR_OK;
}

/* All files but those of an earlier try to seal. */
static enum err list_files(const struct evidence *evidence, struct filetree_names *names, struct err_info *info)
{
    struct filetree_names odd;
    size_t kept = 0;
    enum err result = filetree_list(evidence->vault.fd, MOST_FILES, names, &odd, info);
    if (result == ERR_OK && odd.count)
        result = err_set(info, ERR_CORRUPT, "%s is among the evidence and was not put there by dogwatch", odd.items[0]);
    for (size_t i = 0; i < names->count; i++) {
        bool is_ours = strcmp(names->items[i], VAULT_MANIFEST) == 0 || strcmp(names->items[i], VAULT_SIGNATURE) == 0;
        if (is_ours)
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
    filetree_names_free(&odd);
    if (result == ERR_OK && kept == 0)
        result = err_set(info, ERR_NOT_FOUND, "there is no evidence to seal: nothing was collected");
    return result;
}

/* Asked again it only says once more what was sealed. */
enum err stage_seal(struct evidence *evidence, struct err_info *info)
{
    if (vault_is_sealed(&evidence->vault))
        return tell(evidence, info);
    struct filetree_names names;
    json_t *manifest = json_object();
    enum err result = list_files(evidence, &names, info);
    if (result == ERR_OK)
        result = make_manifest(evidence, &names, manifest, info);
    if (result == ERR_OK)
        result = write_manifest(evidence, manifest, info);
    if (result == ERR_OK)
        result = sign(evidence, info);
    filetree_names_free(&names);
    json_decref(manifest);
    return result == ERR_OK ? tell(evidence, info) : result;
}
