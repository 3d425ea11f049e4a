/* The audit trail: who did what, to what. Each entry carries the SHA-256 of the entry before it and its own fields, so
 * an entry changed, inserted or taken out of the middle is found by store_audit_verify. Durable before it returns. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct store;
struct store_reader;

enum err store_audit_add(struct store *store, const char *who, uid_t uid, const char *action, const char *object,
    const char *text, struct err_info *info);

struct audit_entry { /* texts are borrowed for the length of the call */
    int64_t id;
    int64_t at_us;
    const char *who;
    uid_t uid;
    const char *action, *object, *text;
};
/* Newest first; return false to stop. */
enum err store_read_audit(struct store_reader *reader, size_t limit,
    bool (*each)(void *arg, const struct audit_entry *), void *arg, struct err_info *info);

/* Walk the whole chain. ERR_CORRUPT sets *first_bad_id to the first entry that does not fit; else it is 0. */
enum err store_audit_verify(struct store_reader *reader, int64_t *first_bad_id, struct err_info *info);

#endif
