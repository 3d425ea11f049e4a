/* Is it all there, unchanged, and whose word is that? Three things are held against one another: the files, the
 * manifest the host signed, and our receipt, which says which key the host had when it was received and is signed with
 * the operator key. Nothing is believed of a text before its signature was checked. Any thread. */
#include "actions/evidence_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/filetree.h"
#include "base/mem.h"
#include "base/paths.h"
#include "remote/keys.h"

const char *evidence_fault_word(enum evidence_fault fault)
{
    static const char *const words[] = {
        [EVIDENCE_MISSING] = "missing", [EVIDENCE_CHANGED] = "changed", [EVIDENCE_ADDED] = "added"};
    return words[fault];
}

static void add_finding(struct evidence_report *report, enum evidence_fault fault, const char *name)
{
    struct evidence_finding *finding = (void *)vec_add(&report->findings);
    finding->fault = fault;
    finding->name = xstrdup(name);
}

/* One more thing that is wrong. */
__attribute__((format(printf, 2, 3))) static void say(struct evidence_report *report, const char *format, ...)
{
    char words[300];
    size_t length = strlen(report->words);
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    str_format(report->words + length, sizeof report->words - length, "%s%s", length ? "; " : "", words);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static bool is_as_said(int fd, const struct manifest_file *expected)
{
    char sum[DIGEST_TEXT_SIZE];
    int64_t bytes = 0;
    int file = filetree_open_file(fd, expected->name);
    enum err err = file < 0 ? ERR_IO : digest_file(file, NULL, NULL, sum, &bytes, NULL);
    if (file >= 0)
        close(file);
    return !err && bytes == expected->bytes && strcmp(sum, expected->sha256) == 0;
}

static bool is_ours(const char *name)
{
    static const char *const names[] = {
        EVIDENCE_MANIFEST, EVIDENCE_SIGNATURE, EVIDENCE_RECEIPT, EVIDENCE_RECEIPT_SIGNATURE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Both lists are in order: what is only in one is missing, or was added. */
static void compare(
    int fd, const struct manifest *manifest, const struct filetree_names *files, struct evidence_report *report)
{
    size_t i = 0, k = 0;
    while (i < manifest->file_count || k < files->count) {
        const struct manifest_file *expected = i < manifest->file_count ? &manifest->files[i] : NULL;
        const char *there = k < files->count ? files->items[k] : NULL;
        int order = !expected ? 1 : !there ? -1 : strcmp(expected->name, there);
        if (order < 0)
            add_finding(report, EVIDENCE_MISSING, expected->name);
        else if (order > 0 && !is_ours(there))
            add_finding(report, EVIDENCE_ADDED, there);
        else if (order == 0 && !is_as_said(fd, expected))
            add_finding(report, EVIDENCE_CHANGED, expected->name);
        i += order <= 0;
        k += order >= 0;
    }
}

static enum err check_files(
    int fd, const struct manifest *manifest, struct evidence_report *report, struct err_info *info)
{
    struct filetree_names files, odd;
    enum err err = filetree_list(fd, EVIDENCE_MOST_FILES * 2, &files, &odd, info);
    if (!err) {
        compare(fd, manifest, &files, report);
        vec_each (&odd, char *, name)
            add_finding(report, EVIDENCE_ADDED, *name);
    }
    filetree_names_free(&files);
    filetree_names_free(&odd);
    return err;
}

/* --- our receipt -------------------------------------------------------------------------------------------------- */

/* The operator key's public half; false where there is none here. */
static bool operator_key(const char *state_dir, struct host_key *key)
{
    char *path = xasprintf("%s/keys/operator", state_dir), *line = NULL;
    bool found = access(path, F_OK) == 0 && keys_ensure(state_dir, "operator", NULL, &line, NULL) == ERR_OK;
    const char *base64 = found ? strchr(line, ' ') : NULL;
    found = base64 && host_key_describe(key, base64 + 1, NULL) == ERR_OK;
    free(line);
    free(path);
    return found;
}

/* Its members, once its signature is known to be ours. `received` is the key the host had then. */
static enum err take_receipt(
    const struct buf *text, const struct manifest *manifest, struct evidence_report *report, struct host_key *received)
{
    json_t *receipt = NULL;
    enum err err = json_parse(buf_text(text), text->length, &receipt, NULL);
    const char *site = json_get_text(receipt, "site"), *job = json_get_text(receipt, "job"),
               *sum = json_get_text(receipt, "manifest_sha256"), *key = json_get_text(receipt, "host_key");
    json_copy_text(receipt, "host", report->host, sizeof report->host);
    json_get_i64(receipt, "received_us", &report->received_us);
    bool same = !err && site && job && sum && strcmp(site, manifest->site) == 0 && strcmp(job, manifest->job) == 0 &&
                strcmp(sum, manifest->sha256) == 0;
    if (!same)
        say(report, "the receipt is that of other evidence");
    report->receipt_good = same && key && host_key_describe(received, key, NULL) == ERR_OK;
    json_decref(receipt);
    return ERR_OK;
}

static enum err check_receipt(const char *state_dir, int fd, const struct manifest *manifest,
    struct evidence_report *report, struct host_key *received, struct err_info *info)
{
    struct buf text = BUF(65536), signature = BUF(SIGNATURE_CEILING);
    struct host_key ours, signer;
    bool good = false;
    enum err err = ERR_OK;
    report->has_receipt = evidence_read_file(fd, EVIDENCE_RECEIPT, &text, NULL) == ERR_OK &&
                          evidence_read_file(fd, EVIDENCE_RECEIPT_SIGNATURE, &signature, NULL) == ERR_OK;
    if (!report->has_receipt) {
        say(report, "there is no receipt: this was not fetched by dogwatch, or the receipt was taken away");
    } else if (!operator_key(state_dir, &ours)) {
        say(report, "the receipt cannot be checked: %s has no operator key", state_dir);
    } else if (signature_key(&signature, &signer, NULL) != ERR_OK || strcmp(signer.base64, ours.base64) != 0) {
        say(report, "the receipt is not signed with this dogwatch's operator key");
    } else {
        err = signature_verify(&text, &signature, &ours, EVIDENCE_RECEIPT_NAMESPACE, &good, info);
        if (!err && !good)
            say(report, "the receipt was changed after it was signed");
        else if (!err)
            err = take_receipt(&text, manifest, report, received);
    }
    buf_free(&text);
    buf_free(&signature);
    return err;
}

/* --- the host's signature ----------------------------------------------------------------------------------------- */

static void check_key(
    const char *state_dir, const struct host_key *received, struct host_key *signer, struct evidence_report *report)
{
    char *ours = paths_join(state_dir, "known_hosts");
    struct known_hosts_files files = {.ours = ours};
    if (report->host[0] && known_hosts_check(&files, report->host, "", 0, signer, NULL) == ERR_OK)
        report->pinned = signer->verdict;
    bool as_received = report->receipt_good && strcmp(received->base64, signer->base64) == 0;
    report->key_is_pinned = as_received || report->pinned == HOST_KEY_TRUSTED;
    if (report->receipt_good && !as_received)
        say(report, "the manifest is signed with another key than %s had when it was received", report->host);
    else if (!report->key_is_pinned)
        say(report, "nothing says that the key that signed is the host's");
    if (report->receipt_good && !as_received)
        report->key_is_pinned = false;
    free(ours);
}

static enum err check_signature(const char *state_dir, int fd, const struct buf *text, const struct host_key *received,
    struct evidence_report *report, struct err_info *info)
{
    struct buf signature = BUF(SIGNATURE_CEILING);
    struct host_key signer;
    enum err err = ERR_OK;
    if (evidence_read_file(fd, EVIDENCE_SIGNATURE, &signature, NULL) != ERR_OK) {
        say(report, "there is no signature (" EVIDENCE_SIGNATURE ")");
    } else if (signature_key(&signature, &signer, NULL) != ERR_OK) {
        say(report, "the signature is damaged");
    } else {
        str_copy(report->key_type, sizeof report->key_type, signer.type);
        str_copy(report->fingerprint, sizeof report->fingerprint, signer.fingerprint);
        err = signature_verify(text, &signature, &signer, EVIDENCE_NAMESPACE, &report->signature_good, info);
        if (!err && !report->signature_good)
            say(report, "the manifest was changed after it was signed, or the signature is another's");
        check_key(state_dir, received, &signer, report);
    }
    buf_free(&signature);
    return err;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static enum err check_manifest(
    const char *state_dir, int fd, const struct buf *text, struct evidence_report *report, struct err_info *info)
{
    struct manifest manifest;
    struct host_key received = {0};
    struct err_info why = {0};
    if (manifest_parse(buf_text(text), text->length, &manifest, &why) != ERR_OK) {
        say(report, "%s", why.message);
        manifest_free(&manifest);
        return ERR_OK;
    }
    str_copy(report->site, sizeof report->site, manifest.site);
    str_copy(report->job, sizeof report->job, manifest.job);
    report->sealed_us = manifest.sealed_us;
    report->files = (int64_t)manifest.file_count;
    report->bytes = manifest.bytes;
    enum err err = check_receipt(state_dir, fd, &manifest, report, &received, info);
    if (!err)
        err = check_signature(state_dir, fd, text, &received, report, info);
    if (!err)
        err = check_files(fd, &manifest, report, info);
    report->good = !err && report->signature_good && report->key_is_pinned && report->receipt_good &&
                   report->findings.count == 0 && !report->words[0];
    manifest_free(&manifest);
    return err;
}

enum err evidence_verify(
    const char *state_dir, const char *directory, struct evidence_report *report, struct err_info *info)
{
    struct buf text = BUF(MANIFEST_CEILING);
    *report = (struct evidence_report){.pinned = HOST_KEY_UNKNOWN};
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot open %s", directory);
    enum err err = ERR_OK;
    if (evidence_read_file(fd, EVIDENCE_MANIFEST, &text, NULL) != ERR_OK)
        say(report, "there is no manifest (" EVIDENCE_MANIFEST ")");
    else
        err = check_manifest(state_dir, fd, &text, report, info);
    buf_free(&text);
    close(fd);
    return err;
}

void evidence_report_free(struct evidence_report *report)
{
    vec_each (&report->findings, struct evidence_finding, finding)
        free(finding->name);
    vec_free(&report->findings);
}
