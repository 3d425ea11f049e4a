/* Evidence that left its host: fetched into STATE/evidence/SITE-JOB-HOST, checked on its way in, and verifiable ever
 * after (docs/evidence.md). What a host sends is hostile until it was checked: nothing is written outside of that
 * directory, nothing that the signed manifest does not name, nothing larger than it says. Any thread; one writer per
 * directory. */
#ifndef ACTIONS_EVIDENCE_H
#define ACTIONS_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/vec.h"
#include "remote/connection.h"
#include "remote/helper.h"

#define EVIDENCE_NAME_SIZE 208 /* SITE-JOB-HOST */
#define EVIDENCE_JOB_SIZE 65

/* The directory's name; the job's ':' is '_'. With the host, as a job may isolate a site on several. false where one of
 * them can be no part of it. */
bool evidence_name(const char *site, const char *job, const char *host, char out[EVIDENCE_NAME_SIZE]);
bool evidence_name_is_valid(const char *name);

/* --- fetching ----------------------------------------------------------------------------------------------------- */

struct evidence_request {
    const char *state_dir, *host, *site; /* host: its name in the fleet */
    const char *job;                     /* whose evidence, as hosts know it */
    const char *lease_job;               /* who holds the site's lease there; NULL: the same */
    const struct host_key *key;          /* what the host showed us and is pinned */
    /* NULL, or called with each piece: false gives up. */
    bool (*progress)(void *owner, int64_t done_bytes, int64_t total_bytes);
    void *owner;
};

struct evidence_outcome {
    char name[EVIDENCE_NAME_SIZE];
    int64_t bytes, files;
    bool was_here; /* it had been fetched before */
};

/* Fetch it whole, check it, and sign for it. Where it was broken off it goes on with the files that are missing.
 * ERR_CORRUPT, ERR_HOST_KEY (signed with another key), ERR_FULL (no room here), ERR_CANCELLED, and what the host and
 * the connection say. */
enum err evidence_pull(const struct evidence_request *request, struct connection *connection, struct helper *helper,
    struct evidence_outcome *outcome, struct err_info *info);

/* The same from any source of the tar that evidence.open sends, in two steps. Bytes read, 0 at the end, -1. */
typedef ssize_t evidence_read(void *source, void *data, size_t size, struct err_info *info);
/* How many files of its manifest are here already: the tar is to begin behind them. */
size_t evidence_have(const struct evidence_request *request);
enum err evidence_take_in(const struct evidence_request *request, size_t skipped, evidence_read *read, void *source,
    struct evidence_outcome *outcome, struct err_info *info);

/* --- looking ------------------------------------------------------------------------------------------------------ */

struct evidence_entry {
    char name[EVIDENCE_NAME_SIZE];
    char site[64], job[EVIDENCE_JOB_SIZE], host[64]; /* "" where not known */
    int64_t sealed_us, received_us;                  /* by the host's clock; by ours; 0: not known */
    int64_t bytes, files;
    bool is_partial; /* fetching was broken off */
};
struct evidence_entries {
    struct evidence_entry *items;
    size_t count, capacity;
};

/* What there is in STATE/evidence, by name; the caller frees it with vec_free. */
enum err evidence_list(const char *state_dir, struct evidence_entries *entries, struct err_info *info);

/* Its manifest and receipt as JSON ("manifest", "receipt"); the caller's. Nothing is checked. */
enum err evidence_show(const char *state_dir, const char *name, json_t **out, struct err_info *info);

/* Take it away; who did so is written to STATE/evidence/removed.log. */
enum err evidence_remove(const char *state_dir, const char *name, const char *who, struct err_info *info);

/* --- verifying ---------------------------------------------------------------------------------------------------- */

enum evidence_fault { EVIDENCE_MISSING, EVIDENCE_CHANGED, EVIDENCE_ADDED };
const char *evidence_fault_word(enum evidence_fault fault);

struct evidence_report {
    bool good; /* all of what follows is as it should be */
    char site[64], job[EVIDENCE_JOB_SIZE], host[64];
    int64_t sealed_us, received_us, files, bytes;

    char key_type[HOST_KEY_TYPE_SIZE], fingerprint[HOST_KEY_FINGERPRINT_SIZE]; /* who signed; "" where unreadable */
    bool signature_good;            /* the manifest is what that key signed */
    bool key_is_pinned;             /* it is the host's: now, or when we received it */
    enum host_key_verdict pinned;   /* now */
    bool has_receipt, receipt_good; /* our own signature of what was received, and when */
    char words[512];                /* what is wrong with manifest, signature or receipt; "" where nothing is */

    VEC(struct evidence_finding {
        enum evidence_fault fault;
        char *name;
    })
    findings;
};

/* Check all of it: ERR_OK where it could be checked, whatever the result. `directory` may be anywhere (a copy).
 * ERR_NOT_FOUND, ERR_IO. The caller frees the report in any case. */
enum err evidence_verify(
    const char *state_dir, const char *directory, struct evidence_report *report, struct err_info *info);
void evidence_report_free(struct evidence_report *report);

char *evidence_directory(const char *state_dir, const char *name); /* the caller's */

#endif
