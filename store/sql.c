/* SQLite, as this directory uses it. No state of its own; a connection belongs to one thread at a time. */
#include "store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define BUSY_TIMEOUT_MS 10000

static const struct {
    int sqlite_code;
    enum err code;
    const char *advice;
} codes[] = {
    {SQLITE_FULL, ERR_FULL, "; make room on that disk, it goes on by itself"},
    {SQLITE_CORRUPT, ERR_CORRUPT, "; the next start of the engine sets the damaged file aside"},
    {SQLITE_NOTADB, ERR_CORRUPT, "; the next start of the engine sets the damaged file aside"},
    {SQLITE_READONLY, ERR_DENIED, "; make the file and its directory writable"},
    {SQLITE_PERM, ERR_DENIED, ""},
    {SQLITE_AUTH, ERR_DENIED, ""},
    {SQLITE_CANTOPEN, ERR_DENIED, "; check the rights on the file and its directory"},
    {SQLITE_BUSY, ERR_BUSY, ""},
    {SQLITE_LOCKED, ERR_BUSY, ""},
    {SQLITE_CONSTRAINT, ERR_INVALID, ""},
    {SQLITE_MISMATCH, ERR_INVALID, ""},
    {SQLITE_TOOBIG, ERR_INVALID, ""},
    {SQLITE_RANGE, ERR_INVALID, ""},
    {SQLITE_INTERRUPT, ERR_CANCELLED, ""},
};

static enum err code_of(int sqlite_code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].sqlite_code == (sqlite_code & 0xff))
            return codes[i].code;
    return sqlite_code == SQLITE_OK ? ERR_OK : ERR_IO;
}

enum err sql_fail(struct err_info *info, sqlite3 *db, const char *what)
{
    int code = sqlite3_extended_errcode(db);
    int system_errno = sqlite3_system_errno(db);
    const char *advice = "";
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].sqlite_code == (code & 0xff))
            advice = codes[i].advice;
    bool from_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    enum err result = code_of(code) == ERR_OK ? ERR_IO : code_of(code);
    if (from_system && system_errno) {
        result = err_from_errno(system_errno);
        return err_errno(info, result == ERR_NOT_FOUND ? ERR_IO : result, system_errno, "%s: %s%s", what,
            sqlite3_errmsg(db), advice);
    }
    return err_set(info, result, "%s: %s%s", what, sqlite3_errmsg(db), advice);
}

enum err sql_open(const char *path, enum sql_open mode, sqlite3 **out, struct err_info *info)
{
    *out = NULL;
    if (mode == SQL_READ_WRITE) { /* SQLite would make it with the umask's rights */
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            int why = errno;
            return err_errno(info, err_from_errno(why), why, "cannot open %s", path);
        }
        close(fd);
    }
    int flags = mode == SQL_READ_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        char *what = xasprintf("cannot open %s", path);
        enum err result = sql_fail(info, db, what);
        free(what);
        sqlite3_close(db);
        return result;
    }
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(db, 1);
    *out = db;
    return ERR_OK;
}

void sql_close(sqlite3 *db)
{
    sqlite3_close(db);
}

enum err sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out, struct err_info *info)
{
    *out = NULL;
    if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK)
        return ERR_OK;
    return sql_fail(info, db, "cannot use the database");
}

enum err sql_run(sqlite3 *db, const char *text, struct err_info *info)
{
    while (*text) {
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(db, text, -1, &statement, &text) != SQLITE_OK)
            return sql_fail(info, db, "cannot use the database");
        int code = SQLITE_DONE;
        while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
            continue;
        if (code != SQLITE_DONE) {
            enum err result = sql_fail(info, db, "cannot change the database");
            sqlite3_finalize(statement);
            return result;
        }
        sqlite3_finalize(statement);
    }
    return ERR_OK;
}

void sql_reset(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

enum err sql_step_done(sqlite3_stmt *statement, struct err_info *info)
{
    enum err result = ERR_OK;
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        result = sql_fail(info, sqlite3_db_handle(statement), "cannot write the database");
    sql_reset(statement);
    return result;
}

int64_t sql_integer(sqlite3 *db, const char *text, int64_t otherwise)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = otherwise;
    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

void sql_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text ? text : "", -1, SQLITE_STATIC);
}

void sql_bind_real(sqlite3_stmt *statement, int index, double value)
{
    if (isnan(value))
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_double(statement, index, value);
}

double sql_column_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? (double)NAN
                                                                 : sqlite3_column_double(statement, column);
}

const char *sql_column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}
