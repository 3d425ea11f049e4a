/* Where the evidence of one isolation is kept until it has left the host: /var/lib/dogwatch/evidence/SITE-JOB, for root
 * alone. Nothing in it changes once it is sealed. Any thread, any process. */
#ifndef HOST_EVIDENCE_VAULT_H
#define HOST_EVIDENCE_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/name.h"
#include "host/path.h"
#include "host/site/lease.h"

#define VAULT_NAME_SIZE (NAME_SIZE + LEASE_JOB_SIZE)
#define VAULT_DIRECTORY "/var/lib/dogwatch/evidence"
#define VAULT_MANIFEST "manifest.json"
#define VAULT_SIGNATURE "manifest.json.sig"

struct vault {
    char name[VAULT_NAME_SIZE]; /* SITE-JOB, the job's ':' as '_' */
    char path[HOST_PATH_SIZE];  /* below the root of host/path.h */
    int fd;                     /* of the directory */
};

/* ERR_NOT_FOUND where there is none, unless `make`. Close it with vault_close, also after an error. */
enum err vault_open(const char *site, const char *job, bool make, struct vault *vault, struct err_info *info);
void vault_close(struct vault *vault);

bool vault_is_sealed(const struct vault *vault);

/* What may still be written there: a tenth of the file system, and at least 1 GiB, stays free for the host. */
int64_t vault_room_bytes(const struct vault *vault);
void vault_pretend_room(int64_t bytes); /* tests only; -1: the truth again */

/* Remove a file or a tree inside; ERR_OK where it is not there. Follows no symbolic link. */
enum err vault_remove(const struct vault *vault, const char *name, struct err_info *info);
/* Remove all of it, the directory too. */
enum err vault_remove_all(struct vault *vault, struct err_info *info);

#endif
