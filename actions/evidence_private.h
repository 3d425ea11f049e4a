/* Inside actions/evidence*.c: the manifest as it is checked, and OpenSSH's signatures of files. */
#ifndef ACTIONS_EVIDENCE_PRIVATE_H
#define ACTIONS_EVIDENCE_PRIVATE_H

#include "actions/evidence.h"
#include "base/buf.h"
#include "base/digest.h"

#define EVIDENCE_MANIFEST "manifest.json"
#define EVIDENCE_SIGNATURE "manifest.json.sig"
#define EVIDENCE_RECEIPT "received.json"
#define EVIDENCE_RECEIPT_SIGNATURE "received.json.sig"
#define EVIDENCE_NAMESPACE "dogwatch-evidence"         /* of the host's signature */
#define EVIDENCE_RECEIPT_NAMESPACE "dogwatch-received" /* of ours: one can never stand for the other */

#define MANIFEST_CEILING ((size_t)32 << 20)
#define SIGNATURE_CEILING ((size_t)64 << 10)
#define EVIDENCE_MOST_FILES 200000

struct manifest {
    json_t *json;
    char sha256[DIGEST_TEXT_SIZE]; /* of its text */
    char site[64], job[EVIDENCE_JOB_SIZE];
    int64_t sealed_us, bytes;
    struct manifest_file {
        const char *name, *sha256; /* borrowed from json */
        int64_t bytes;
    } * files; /* by name, ascending */
    size_t file_count;
};

/* Every name is checked to be one that stays in the tree, no name twice. ERR_CORRUPT, ERR_VERSION. */
enum err manifest_parse(const char *text, size_t length, struct manifest *manifest, struct err_info *info);
void manifest_free(struct manifest *manifest);

/* --- signatures (ssh-keygen(1) -Y; PROTOCOL.sshsig) ------------------------------------------------------------------
 */

/* The public key a signature carries: who claims to have signed. ERR_CORRUPT. */
enum err signature_key(const struct buf *signature, struct host_key *key, struct err_info *info);
/* *good: this key signed exactly this text, in this namespace. Errors: it could not be checked. */
enum err signature_verify(const struct buf *text, const struct buf *signature, const struct host_key *key,
    const char *name_space, bool *good, struct err_info *info);
enum err signature_make(const struct buf *text, const char *private_key, const char *name_space, struct buf *signature,
    struct err_info *info);

/* Read a file of the tree whole. ERR_NOT_FOUND, ERR_FULL, ERR_IO. */
enum err evidence_read_file(int fd, const char *name, struct buf *out, struct err_info *info);
enum err evidence_write_file(int fd, const char *name, const struct buf *data, struct err_info *info);

/* STATE/evidence, opened; made where it is missing. */
enum err evidence_open_root(const char *state_dir, int *fd, struct err_info *info);

#endif
