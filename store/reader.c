/* The store, reading side: opening, noticing changes, events and jobs (snapshots: store/snapshot.c). Statements are
 * prepared when first used and kept. One thread at a time; never creates or changes the file. */
#include "store/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/internal.h"
#include "store/job_rows.h"
#include "store/database.h"
#include "store/sql.h"

#define READER_BUSY_MS 2000
#define EVENTS_DEFAULT 1000

struct store_reader {
    char *path;
    sqlite3 *db;
    dev_t device; /* of the file that is open */
    ino_t inode;
    sqlite3_stmt *data_version;
    int64_t seen_version; /* of the last store_reader_changed; −1 before */
};

static enum err check_exists(const char *path, const char *state_dir, struct err_info *info)
{
    if (access(path, R_OK) == 0)
        return ERR_OK;
    int why = errno;
    if (why == ENOENT || why == ENOTDIR)
        return err_set(info, ERR_NOT_FOUND, "no store at %s: start `dogwatch engine`", state_dir);
    return err_errno(info, err_from_errno(why), why, "cannot read the store %s", path);
}

static void disconnect(struct store_reader *reader)
{
    sqlite3_finalize(reader->data_version);
    sql_close(reader->db);
    reader->data_version = NULL;
    reader->db = NULL;
}

/* Open the file that is there now. */
static enum err connect_reader(struct store_reader *reader, struct err_info *info)
{
    struct stat status;
    enum err result = sql_open(reader->path, SQL_READ_ONLY, &reader->db, info);
    if (result != ERR_OK)
        return result;
    sqlite3_busy_timeout(reader->db, READER_BUSY_MS);
    result = database_check_readable(reader->db, reader->path, info);
    if (result == ERR_OK)
        result = sql_run(reader->db, "PRAGMA query_only = 1; PRAGMA cache_size = -65536;", info);
    if (result == ERR_OK)
        result = sql_prepare(reader->db, "PRAGMA data_version", &reader->data_version, info);
    if (result == ERR_OK && stat(reader->path, &status) == 0) {
        reader->device = status.st_dev;
        reader->inode = status.st_ino;
    }
    reader->seen_version = -1;
    if (result != ERR_OK)
        disconnect(reader);
    return result;
}

enum err store_reader_open(const char *state_dir, struct store_reader **out, struct err_info *info)
{
    *out = NULL;
    struct store_reader *reader = xcalloc(1, sizeof *reader);
    reader->path = paths_join(state_dir, DATABASE_NAME);
    enum err result = check_exists(reader->path, state_dir, info);
    if (result == ERR_OK)
        result = connect_reader(reader, info);
    if (result != ERR_OK) {
        store_reader_close(reader);
        return result;
    }
    *out = reader;
    return ERR_OK;
}

void store_reader_close(struct store_reader *reader)
{
    if (!reader)
        return;
    disconnect(reader);
    free(reader->path);
    free(reader);
}

/* A damaged store is set aside while we hold it open: then the one in its place is what people want to see. A failure
 * keeps the old one. */
static void follow_replacement(struct store_reader *reader)
{
    struct stat status;
    if (stat(reader->path, &status) != 0 || (status.st_dev == reader->device && status.st_ino == reader->inode))
        return;
    struct store_reader fresh = {.path = reader->path};
    if (connect_reader(&fresh, NULL) != ERR_OK)
        return;
    disconnect(reader);
    *reader = fresh;
}

sqlite3 *store_reader_db(struct store_reader *reader)
{
    return reader->db;
}

bool store_reader_changed(struct store_reader *reader)
{
    follow_replacement(reader);
    int64_t version = reader->seen_version;
    if (sqlite3_step(reader->data_version) == SQLITE_ROW)
        version = sqlite3_column_int64(reader->data_version, 0);
    sqlite3_reset(reader->data_version);
    bool changed = version != reader->seen_version;
    reader->seen_version = version;
    return changed;
}

/* --- events --- */

/* The text is put together from constants, by which conditions are there; the values are bound. */
static enum err prepare_events(
    sqlite3 *db, const struct event_filter *filter, sqlite3_stmt **out, struct err_info *info)
{
    const struct {
        bool wanted;
        const char *condition;
    } conditions[] = {
        {filter->object_kind >= 0, " AND object_kind = ?1"},
        {filter->object != NULL, " AND object = ?2"},
        {filter->host != NULL, " AND host = ?3"},
        {filter->site != NULL, " AND site = ?4"},
        {filter->since_us > 0, " AND at_us >= ?5"},
        {filter->before_id > 0, " AND id < ?6"},
    };
    struct buf text = BUF(1024);
    buf_puts(&text, "SELECT id, at_us, severity, kind, object_kind, object, host, site, text FROM event WHERE 1");
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++)
        if (conditions[i].wanted)
            buf_puts(&text, conditions[i].condition);
    buf_puts(&text, " ORDER BY id DESC LIMIT ?7");
    enum err result = sql_prepare(db, buf_text(&text), out, info);
    buf_free(&text);
    if (result != ERR_OK)
        return result;
    sqlite3_bind_int(*out, 1, filter->object_kind);
    sql_bind_text(*out, 2, filter->object);
    sql_bind_text(*out, 3, filter->host);
    sql_bind_text(*out, 4, filter->site);
    sqlite3_bind_int64(*out, 5, filter->since_us);
    sqlite3_bind_int64(*out, 6, filter->before_id);
    sqlite3_bind_int64(*out, 7, filter->limit ? (int64_t)filter->limit : EVENTS_DEFAULT);
    return ERR_OK;
}

static void read_event(sqlite3_stmt *statement, struct event *event)
{
    event->id = sqlite3_column_int64(statement, 0);
    event->at_us = sqlite3_column_int64(statement, 1);
    event->severity = (enum severity)sqlite3_column_int(statement, 2);
    str_copy(event->kind, sizeof event->kind, sql_column_text(statement, 3));
    event->object_kind = (enum object_kind)sqlite3_column_int(statement, 4);
    str_copy(event->object, sizeof event->object, sql_column_text(statement, 5));
    str_copy(event->host, sizeof event->host, sql_column_text(statement, 6));
    str_copy(event->site, sizeof event->site, sql_column_text(statement, 7));
    str_copy(event->text, sizeof event->text, sql_column_text(statement, 8));
}

enum err store_read_events(
    struct store_reader *reader, const struct event_filter *filter, struct event_list *out, struct err_info *info)
{
    *out = (struct event_list){0};
    sqlite3_stmt *statement;
    enum err result = prepare_events(reader->db, filter, &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        read_event(statement, vec_add(&out->items));
    if (code != SQLITE_DONE)
        result = sql_fail(info, reader->db, "cannot read the timeline");
    sqlite3_finalize(statement);
    return result;
}

void event_list_free(struct event_list *list)
{
    vec_free(&list->items);
}

/* --- jobs --- */

enum err store_read_jobs(struct store_reader *reader, size_t limit, struct job_list *out, struct err_info *info)
{
    return job_rows_list(reader->db, JOBS_NEWEST, limit, out, info);
}

enum err store_read_job(
    struct store_reader *reader, int64_t id, struct job_record *job, struct job_step_list *steps, struct err_info *info)
{
    return job_rows_one(reader->db, id, job, steps, info);
}
