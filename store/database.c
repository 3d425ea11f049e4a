/* The database file. Schema steps are numbered (PRAGMA user_version); each runs in a transaction of its own, so a crash
 * leaves the file at one version or the next. Metric columns follow fleet/metrics.h without a step: missing ones are
 * added, ones that are no longer known stay. Runs in the thread that opens the store, before any other uses it. */
#include "store/database.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "store/rows.h"
#include "store/sql.h"

/* Version 1, besides the tables of objects. `counter` holds what must outlive a restart: the last change number, and
 * per kind how often something was removed. */
static const char *const version_1 =
    "CREATE TABLE counter (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE fleet (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, environment TEXT NOT NULL,"
    " interval_us INTEGER NOT NULL);"
    "CREATE TABLE engine (one INTEGER PRIMARY KEY CHECK (one = 1), at_us INTEGER NOT NULL);"
    "CREATE TABLE event (id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, severity INTEGER NOT NULL, kind TEXT NOT NULL,"
    " object_kind INTEGER NOT NULL, object TEXT NOT NULL, host TEXT NOT NULL, site TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX event_object ON event (object, object_kind);"
    "CREATE INDEX event_host ON event (host);"
    "CREATE INDEX event_site ON event (site);"
    "CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, object_kind INTEGER NOT NULL,"
    " object TEXT NOT NULL, site TEXT NOT NULL, host TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,"
    " state INTEGER NOT NULL, created_us INTEGER NOT NULL, started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL,"
    " progress_pct INTEGER NOT NULL, message TEXT NOT NULL, plan_json TEXT NOT NULL);"
    "CREATE INDEX job_open ON job (state) WHERE state < 2;"
    "CREATE TABLE job_step (job_id INTEGER NOT NULL REFERENCES job (id), step_index INTEGER NOT NULL, name TEXT NOT "
    "NULL,"
    " host TEXT NOT NULL, command TEXT NOT NULL, state INTEGER NOT NULL, started_us INTEGER NOT NULL,"
    " ended_us INTEGER NOT NULL, outcome TEXT NOT NULL, undo TEXT NOT NULL, progress TEXT NOT NULL,"
    " PRIMARY KEY (job_id, step_index)) WITHOUT ROWID;"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, who TEXT NOT NULL,"
    " uid INTEGER NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, text TEXT NOT NULL, hash BLOB NOT NULL);";

static enum err migrate_to_1(sqlite3 *db, struct err_info *info)
{
    enum err result = sql_run(db, version_1, info);
    for (int kind = 0; kind < OBJECT_KINDS && result == ERR_OK; kind++)
        result = sql_run(db, object_table((enum object_kind)kind)->create_sql, info);
    return result;
}

static bool has_column(sqlite3 *db, const char *table, const char *column)
{
    return sqlite3_table_column_metadata(db, NULL, table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* Tables, columns and their declarations are constants of this program. */
static enum err add_column(
    sqlite3 *db, const char *table, const char *column, const char *declaration, struct err_info *info)
{
    if (has_column(db, table, column))
        return ERR_OK;
    char *text = xasprintf("ALTER TABLE %s ADD COLUMN %s %s", table, column, declaration);
    enum err result = sql_run(db, text, info);
    free(text);
    return result;
}

/* Progress of copying, and when a step last gave a sign of life. */
static enum err migrate_to_2(sqlite3 *db, struct err_info *info)
{
    static const char *const columns[] = {"pass", "done_bytes", "total_bytes", "bytes_s", "alive_us"};
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && result == ERR_OK; i++)
        result = add_column(db, "job_step", columns[i], "INTEGER NOT NULL DEFAULT 0", info);
    return result;
}

/* Marks of sites, and what a container would do at boot. */
static enum err migrate_to_3(sqlite3 *db, struct err_info *info)
{
    static const struct {
        const char *table, *column, *declaration;
    } columns[] = {
        {"site", "mark", "INTEGER NOT NULL DEFAULT 0"},
        {"site", "mark_job", "TEXT NOT NULL DEFAULT ''"},
        {"site", "mark_since_us", "INTEGER NOT NULL DEFAULT 0"},
        {"site", "kept_host", "TEXT NOT NULL DEFAULT ''"},
        {"site", "kept_until_us", "INTEGER NOT NULL DEFAULT 0"},
        {"container", "mark", "INTEGER NOT NULL DEFAULT 0"},
        {"container", "starts_at_boot", "INTEGER NOT NULL DEFAULT 0"},
    };
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && result == ERR_OK; i++)
        result = add_column(db, columns[i].table, columns[i].column, columns[i].declaration, info);
    return result;
}

static enum err (*const migrations[SCHEMA_VERSION])(sqlite3 *db, struct err_info *info) = {
    migrate_to_1, migrate_to_2, migrate_to_3};

static enum err add_metrics(sqlite3 *db, struct err_info *info)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct metric_table *table = metric_table((enum object_kind)kind);
        for (size_t i = 0; i < table->count; i++) {
            enum err result = add_column(db, table->kind, table->metrics[i].key, "REAL", info);
            if (result != ERR_OK)
                return result;
        }
    }
    return ERR_OK;
}

/* One step inside one transaction; step == NULL adds the metric columns. */
static enum err run_step(
    sqlite3 *db, enum err (*step)(sqlite3 *, struct err_info *), int version, struct err_info *info)
{
    enum err result = sql_run(db, "BEGIN IMMEDIATE", info);
    if (result != ERR_OK)
        return result;
    result = step(db, info);
    if (result == ERR_OK) {
        char pragma[48];
        str_format(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
        result = sql_run(db, pragma, info);
    }
    if (result == ERR_OK)
        result = sql_run(db, "COMMIT", info);
    if (result != ERR_OK)
        sql_run(db, "ROLLBACK", NULL);
    return result;
}

static enum err migrate(sqlite3 *db, struct err_info *info)
{
    int64_t version = sql_integer(db, "PRAGMA user_version", 0);
    for (; version < SCHEMA_VERSION; version++) {
        enum err result = run_step(db, migrations[version], (int)version + 1, info);
        if (result != ERR_OK)
            return err_prefix(
                info, result, "bringing the schema from version %d to %d", (int)version, (int)version + 1);
    }
    return run_step(db, add_metrics, SCHEMA_VERSION, info);
}

static enum err refuse_newer(sqlite3 *db, const char *path, struct err_info *info)
{
    int64_t version = sql_integer(db, "PRAGMA user_version", 0);
    if (version <= SCHEMA_VERSION)
        return ERR_OK;
    return err_set(info, ERR_VERSION,
        "%s has schema version %d, this dogwatch knows up to %d: use the newer dogwatch, or another --state", path,
        (int)version, SCHEMA_VERSION);
}

enum err database_check_readable(sqlite3 *db, const char *path, struct err_info *info)
{
    sqlite3_stmt *statement = NULL;
    enum err result = sql_prepare(db, "SELECT count(*) FROM sqlite_schema", &statement, info);
    if (result == ERR_OK && sqlite3_step(statement) != SQLITE_ROW)
        result = sql_fail(info, db, "cannot read the store");
    sqlite3_finalize(statement);
    if (result != ERR_OK)
        return err_prefix(info, result, "%s", path);
    int64_t version = sql_integer(db, "PRAGMA user_version", 0);
    if (version == 0)
        return err_set(info, ERR_NOT_FOUND, "the store %s is empty: start `dogwatch engine`", path);
    if (version < SCHEMA_VERSION)
        return err_set(info, ERR_VERSION,
            "the store %s was written by an older dogwatch: end its engine, if one runs, and start `dogwatch engine`",
            path);
    return refuse_newer(db, path, info);
}

enum err database_connect(const char *path, bool durable, sqlite3 **out, struct err_info *info)
{
    enum err result = sql_open(path, SQL_READ_WRITE, out, info);
    if (result != ERR_OK)
        return result;
    result = sql_run(*out,
        durable ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                : "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216;"
                  "PRAGMA cache_size = -16384;",
        info);
    if (result == ERR_OK) {
        int keep_wal = 1; /* readers without the right to make files still find it after a clean end */
        sqlite3_file_control(*out, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
        return ERR_OK;
    }
    sql_close(*out);
    *out = NULL;
    return err_prefix(info, result, "%s", path);
}

/* SQLite's finding may have several lines. */
static enum err damaged(struct err_info *info, const char *finding)
{
    char text[200];
    sanitize(text, sizeof text, finding, strlen(finding));
    return err_set(info, ERR_CORRUPT, "%s", text);
}

/* Reads every page, checks that they hang together; not that every index is complete. ERR_CORRUPT with SQLite's first
 * finding. */
static enum err quick_check(sqlite3 *db, struct err_info *info)
{
    sqlite3_stmt *statement = NULL;
    enum err result = sql_prepare(db, "PRAGMA quick_check(1)", &statement, info);
    if (result != ERR_OK)
        return result;
    if (sqlite3_step(statement) != SQLITE_ROW)
        result = sql_fail(info, db, "cannot check the database");
    else if (strcmp(sql_column_text(statement, 0), "ok") != 0)
        result = damaged(info, sql_column_text(statement, 0));
    sqlite3_finalize(statement);
    return result;
}

static enum err open_once(const char *path, sqlite3 **out, struct err_info *info)
{
    enum err result = database_connect(path, false, out, info);
    if (result != ERR_OK)
        return result;
    result = refuse_newer(*out, path, info);
    if (result == ERR_OK)
        result = quick_check(*out, info);
    if (result == ERR_OK)
        result = migrate(*out, info);
    if (result != ERR_OK) {
        sql_close(*out);
        *out = NULL;
    }
    return result;
}

/* Rename the file and what belongs to it; a WAL without its file would be applied to the fresh one. */
enum err database_set_aside(const char *path, char *new_path, size_t new_size, struct err_info *info)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    time_t now = (time_t)(clock_wall_us() / USEC_PER_SEC);
    struct tm parts;
    char stamp[32];
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
    str_format(new_path, new_size, "%s.corrupt-%s", path, stamp);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *from = xasprintf("%s%s", path, suffixes[i]);
        char *to = xasprintf("%s%s", new_path, suffixes[i]);
        int why = rename(from, to) == 0 ? 0 : errno;
        free(from);
        free(to);
        if (why && !(why == ENOENT && i > 0))
            return err_errno(info, err_from_errno(why), why, "cannot set the damaged %s aside", path);
    }
    return ERR_OK;
}

enum err database_open(const char *path, sqlite3 **out, char *notice, size_t notice_size, struct err_info *info)
{
    struct err_info first = {0};
    notice[0] = '\0';
    enum err result = open_once(path, out, &first);
    if (result != ERR_CORRUPT) {
        if (result != ERR_OK)
            err_set(info, result, "%s", first.message);
        return result;
    }
    char aside[4096];
    result = database_set_aside(path, aside, sizeof aside, info);
    if (result != ERR_OK)
        return result;
    str_format(notice, notice_size,
        "the store was damaged (%.160s); it is kept as %.200s, a fresh one is begun: the history of "
        "jobs, events and audit is lost, the present comes back with the next samples",
        first.message, aside);
    log_error("%s", notice);
    return open_once(path, out, info);
}
