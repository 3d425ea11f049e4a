/* The audit trail. hash = SHA-256(hash of the entry before || id || time || uid || each text with its length), numbers
 * as 8 bytes big-endian, 32 zero bytes before the first entry. Ids have no holes, and SQLite's own sequence remembers
 * the last one, so a tail cut off by hand is found too. Any thread of the engine writes; verifying reads. */
#include "store/audit.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/sql.h"

#define HASH_SIZE 32

static bool hash_number(EVP_MD_CTX *context, uint64_t number)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> (8 * (sizeof bytes - 1 - i)));
    return EVP_DigestUpdate(context, bytes, sizeof bytes) == 1;
}

static bool hash_text(EVP_MD_CTX *context, const char *text)
{
    size_t length = strlen(text);
    return hash_number(context, length) && EVP_DigestUpdate(context, text, length) == 1;
}

static bool hash_entry(
    const unsigned char before[HASH_SIZE], const struct audit_entry *entry, unsigned char out[HASH_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, before, HASH_SIZE) == 1 && hash_number(context, (uint64_t)entry->id) &&
                hash_number(context, (uint64_t)entry->at_us) && hash_number(context, entry->uid) &&
                hash_text(context, entry->who) && hash_text(context, entry->action) &&
                hash_text(context, entry->object) && hash_text(context, entry->text) &&
                EVP_DigestFinal_ex(context, out, NULL) == 1;
    EVP_MD_CTX_free(context);
    return done;
}

/* The newest entry's id and hash; zeros where there is none. */
static enum err read_head(sqlite3 *db, int64_t *id, unsigned char hash[HASH_SIZE], struct err_info *info)
{
    sqlite3_stmt *statement;
    *id = 0;
    memset(hash, 0, HASH_SIZE);
    enum err result = sql_prepare(db, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", &statement, info);
    if (result != ERR_OK)
        return result;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *id = sqlite3_column_int64(statement, 0);
        const void *bytes = sqlite3_column_blob(statement, 1);
        if (bytes && sqlite3_column_bytes(statement, 1) == HASH_SIZE)
            memcpy(hash, bytes, HASH_SIZE);
    } else if (code != SQLITE_DONE) {
        result = sql_fail(info, db, "cannot read the audit trail");
    }
    sqlite3_finalize(statement);
    return result;
}

static enum err insert(
    sqlite3 *db, const struct audit_entry *entry, const unsigned char hash[HASH_SIZE], struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db,
        "INSERT INTO audit (id, at_us, who, uid, action, object, text, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        &statement, info);
    if (result != ERR_OK)
        return result;
    sqlite3_bind_int64(statement, 1, entry->id);
    sqlite3_bind_int64(statement, 2, entry->at_us);
    sql_bind_text(statement, 3, entry->who);
    sqlite3_bind_int64(statement, 4, entry->uid);
    sql_bind_text(statement, 5, entry->action);
    sql_bind_text(statement, 6, entry->object);
    sql_bind_text(statement, 7, entry->text);
    sqlite3_bind_blob(statement, 8, hash, HASH_SIZE, SQLITE_STATIC);
    result = sql_step_done(statement, info);
    sqlite3_finalize(statement);
    return result;
}

static enum err append(sqlite3 *db, struct audit_entry *entry, struct err_info *info)
{
    unsigned char before[HASH_SIZE], hash[HASH_SIZE];
    int64_t last_id;
    enum err result = sql_run(db, "BEGIN IMMEDIATE", info);
    if (result != ERR_OK)
        return result;
    result = read_head(db, &last_id, before, info);
    entry->id = last_id + 1;
    if (result == ERR_OK && !hash_entry(before, entry, hash))
        result = err_set(info, ERR_FAILED, "SHA-256 is not available");
    if (result == ERR_OK)
        result = insert(db, entry, hash, info);
    if (result == ERR_OK)
        result = sql_run(db, "COMMIT", info);
    if (result != ERR_OK)
        sql_run(db, "ROLLBACK", NULL);
    return result;
}

enum err store_audit_add(struct store *store, const char *who, uid_t uid, const char *action, const char *object,
    const char *text, struct err_info *info)
{
    struct audit_entry entry = {.at_us = clock_wall_us(),
        .who = who ? who : "",
        .uid = uid,
        .action = action ? action : "",
        .object = object ? object : "",
        .text = text ? text : ""};
    enum err result = append(store_lock_durable(store), &entry, info);
    store_unlock_durable(store);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "cannot write the audit trail");
}

#define AUDIT_SELECT "SELECT id, at_us, who, uid, action, object, text, hash FROM audit "

static struct audit_entry read_entry(sqlite3_stmt *statement)
{
    return (struct audit_entry){
        .id = sqlite3_column_int64(statement, 0),
        .at_us = sqlite3_column_int64(statement, 1),
        .who = sql_column_text(statement, 2),
        .uid = (uid_t)sqlite3_column_int64(statement, 3),
        .action = sql_column_text(statement, 4),
        .object = sql_column_text(statement, 5),
        .text = sql_column_text(statement, 6),
    };
}

enum err store_read_audit(struct store_reader *reader, size_t limit,
    bool (*each)(void *arg, const struct audit_entry *), void *arg, struct err_info *info)
{
    sqlite3 *db = store_reader_db(reader);
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, AUDIT_SELECT "ORDER BY id DESC LIMIT ?", &statement, info);
    if (result != ERR_OK)
        return result;
    int code = SQLITE_DONE;
    bool more = true;
    sqlite3_bind_int64(statement, 1, limit ? (int64_t)limit : -1);
    while (more && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct audit_entry entry = read_entry(statement);
        more = each(arg, &entry);
    }
    if (more && code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the audit trail");
    sqlite3_finalize(statement);
    return result;
}

/* Whether the row is the one that follows `before` and `last_id`; both move on. */
static bool entry_fits(sqlite3_stmt *statement, int64_t *last_id, unsigned char before[HASH_SIZE])
{
    unsigned char hash[HASH_SIZE];
    struct audit_entry entry = read_entry(statement);
    const void *stored = sqlite3_column_blob(statement, 7);
    bool fits = entry.id == *last_id + 1 && stored && sqlite3_column_bytes(statement, 7) == HASH_SIZE &&
                hash_entry(before, &entry, hash) && memcmp(hash, stored, HASH_SIZE) == 0;
    if (fits)
        memcpy(before, hash, HASH_SIZE);
    *last_id = entry.id;
    return fits;
}

enum err store_audit_verify(struct store_reader *reader, int64_t *first_bad_id, struct err_info *info)
{
    sqlite3 *db = store_reader_db(reader);
    sqlite3_stmt *statement;
    *first_bad_id = 0;
    enum err result = sql_prepare(db, AUDIT_SELECT "ORDER BY id", &statement, info);
    if (result != ERR_OK)
        return result;
    unsigned char before[HASH_SIZE] = {0};
    int64_t last_id = 0;
    int code = SQLITE_DONE;
    while (!*first_bad_id && (code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!entry_fits(statement, &last_id, before))
            *first_bad_id = last_id;
    if (!*first_bad_id && code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the audit trail");
    sqlite3_finalize(statement);
    if (result == ERR_OK && !*first_bad_id &&
        sql_integer(db, "SELECT seq FROM sqlite_sequence WHERE name = 'audit'", 0) != last_id)
        *first_bad_id = last_id + 1; /* entries are missing at the end */
    if (*first_bad_id)
        return err_set(info, ERR_CORRUPT,
            "the audit trail was changed by hand: entry %lld does not follow from those before it",
            (long long)*first_bad_id);
    return result;
}
