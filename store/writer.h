/* What the writer thread does: one batch of puts, one transaction. Internal to store/. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/intake.h"
#include "store/rows.h"

enum put_type { PUT_ROW, PUT_REMOVE, PUT_KEEP_ONLY, PUT_ENGINE, PUT_FLEET, PUT_EVENT };

struct put {
    struct intake_item item;
    enum put_type type;
    enum object_kind kind;
    int64_t at_us;
    size_t key_count;  /* PUT_KEEP_ONLY */
    const char *host;  /* PUT_KEEP_ONLY; NULL: all; in the payload */
    const char **keys; /* PUT_KEEP_ONLY; sorted; in the payload */
    const char *key;   /* PUT_REMOVE; in the payload */
    max_align_t payload[];
};

struct fleet_row {
    char name[NAME_SIZE * 2], environment[NAME_SIZE];
    int64_t interval_us;
};

struct object_statements {
    sqlite3_stmt *upsert, *remove, *keys;
};

struct writer {
    sqlite3 *db;
    struct object_statements objects[OBJECT_KINDS];
    sqlite3_stmt *engine, *fleet, *event, *event_prune, *counter;
    int64_t revision; /* of the transaction being written; rows carry it */
    int64_t removals[OBJECT_KINDS];
    int64_t events_since_prune;
};

enum err writer_open(
    struct writer *writer, sqlite3 *db, struct err_info *info); /* the connection becomes the writer's */
void writer_close(struct writer *writer);

/* All or nothing. *bad counts items that the database can never take (they are left out); the rest is still written. */
enum err writer_commit(
    struct writer *writer, struct intake_item *const *items, size_t count, size_t *bad, struct err_info *info);

#endif
