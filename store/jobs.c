/* Jobs and their journal. Every write is one transaction on the durable connection (synchronous=FULL): when a call
 * returns ERR_OK, a power failure cannot take it back. Any thread of the engine; the connection's mutex orders them. */
#include "store/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/job_rows.h"
#include "store/sql.h"

static const char *const job_words[JOB_STATE_COUNT] = {"planned", "running", "done", "failed", "cancelled", "undone"};
static const char *const step_words[STEP_STATE_COUNT] = {"pending", "running", "done", "failed", "skipped", "undone"};

const char *job_state_word(enum job_state state)
{
    return (size_t)state < JOB_STATE_COUNT ? job_words[state] : "unknown";
}

const char *step_state_word(enum step_state state)
{
    return (size_t)state < STEP_STATE_COUNT ? step_words[state] : "unknown";
}

void job_record_free(struct job_record *job)
{
    xstr_set(&job->plan_json, NULL);
}

void job_step_record_free(struct job_step_record *step)
{
    xstr_set(&step->command, NULL);
    xstr_set(&step->outcome, NULL);
    xstr_set(&step->undo, NULL);
    xstr_set(&step->progress, NULL);
}

void job_list_free(struct job_list *list)
{
    vec_each (&list->items, struct job_record, job)
        job_record_free(job);
    vec_free(&list->items);
}

void job_step_list_free(struct job_step_list *list)
{
    vec_each (&list->items, struct job_step_record, step)
        job_step_record_free(step);
    vec_free(&list->items);
}

/* --- writing --- */

static void bind_job(sqlite3_stmt *statement, const struct job_record *job)
{
    sql_bind_text(statement, 1, job->action);
    sqlite3_bind_int(statement, 2, (int)job->object_kind);
    sql_bind_text(statement, 3, job->object);
    sql_bind_text(statement, 4, job->site);
    sql_bind_text(statement, 5, job->host);
    sql_bind_text(statement, 6, job->who);
    sql_bind_text(statement, 7, job->reason);
    sqlite3_bind_int(statement, 8, (int)job->state);
    sqlite3_bind_int64(statement, 9, job->created_us);
    sqlite3_bind_int64(statement, 10, job->started_us);
    sqlite3_bind_int64(statement, 11, job->ended_us);
    sqlite3_bind_int(statement, 12, job->progress_pct);
    sql_bind_text(statement, 13, job->message);
    sql_bind_text(statement, 14, job->plan_json);
}

/* Prepare, let `bind` fill, step, and say how many rows changed. */
static enum err write_once(sqlite3 *db, const char *text, void (*bind)(sqlite3_stmt *, const void *),
    const void *record, int *changed, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, text, &statement, info);
    if (result != ERR_OK)
        return result;
    bind(statement, record);
    result = sql_step_done(statement, info);
    *changed = sqlite3_changes(db);
    sqlite3_finalize(statement);
    return result;
}

static void bind_new_job(sqlite3_stmt *statement, const void *record)
{
    bind_job(statement, record);
}

enum err store_job_create(struct store *store, struct job_record *job, struct err_info *info)
{
    static const char text[] =
        "INSERT INTO job (action, object_kind, object, site, host, who, reason, state, created_us, started_us,"
        " ended_us, progress_pct, message, plan_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    int changed;
    if (job->created_us == 0)
        job->created_us = clock_wall_us();
    sqlite3 *db = store_lock_durable(store);
    enum err result = write_once(db, text, bind_new_job, job, &changed, info);
    if (result == ERR_OK)
        job->id = sqlite3_last_insert_rowid(db);
    store_unlock_durable(store);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "cannot record the job");
}

static void bind_job_update(sqlite3_stmt *statement, const void *record)
{
    const struct job_record *job = record;
    sqlite3_bind_int(statement, 1, (int)job->state);
    sqlite3_bind_int64(statement, 2, job->started_us);
    sqlite3_bind_int64(statement, 3, job->ended_us);
    sqlite3_bind_int(statement, 4, job->progress_pct);
    sql_bind_text(statement, 5, job->message);
    sqlite3_bind_int64(statement, 6, job->id);
}

enum err store_job_update(struct store *store, const struct job_record *job, struct err_info *info)
{
    static const char text[] =
        "UPDATE job SET state = ?, started_us = ?, ended_us = ?, progress_pct = ?, message = ? WHERE id = ?";
    int changed = 0;
    sqlite3 *db = store_lock_durable(store);
    enum err result = write_once(db, text, bind_job_update, job, &changed, info);
    store_unlock_durable(store);
    if (result != ERR_OK)
        return err_prefix(info, result, "cannot record the state of job %lld", (long long)job->id);
    return changed ? ERR_OK : err_set(info, ERR_NOT_FOUND, "there is no job %lld", (long long)job->id);
}

static void bind_step(sqlite3_stmt *statement, const void *record)
{
    const struct job_step_record *step = record;
    sqlite3_bind_int64(statement, 1, step->job_id);
    sqlite3_bind_int(statement, 2, step->index);
    sql_bind_text(statement, 3, step->name);
    sql_bind_text(statement, 4, step->host);
    sql_bind_text(statement, 5, step->command);
    sqlite3_bind_int(statement, 6, (int)step->state);
    sqlite3_bind_int64(statement, 7, step->started_us);
    sqlite3_bind_int64(statement, 8, step->ended_us);
    sql_bind_text(statement, 9, step->outcome);
    sql_bind_text(statement, 10, step->undo);
    sql_bind_text(statement, 11, step->progress);
    sqlite3_bind_int(statement, 12, step->pass);
    sqlite3_bind_int64(statement, 13, step->done_bytes);
    sqlite3_bind_int64(statement, 14, step->total_bytes);
    sqlite3_bind_int64(statement, 15, step->bytes_s);
    sqlite3_bind_int64(statement, 16, step->alive_us);
}

enum err store_job_step_put(struct store *store, const struct job_step_record *step, struct err_info *info)
{
    /* The SELECT instead of VALUES makes a step of an unknown job change nothing. */
    static const char text[] =
        "INSERT INTO job_step (job_id, step_index, name, host, command, state, started_us, ended_us, outcome, undo,"
        " progress, pass, done_bytes, total_bytes, bytes_s, alive_us)"
        " SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16 FROM job WHERE id = ?1"
        " ON CONFLICT (job_id, step_index) DO UPDATE SET name = excluded.name, host = excluded.host,"
        " command = excluded.command, state = excluded.state, started_us = excluded.started_us,"
        " ended_us = excluded.ended_us, outcome = excluded.outcome, undo = excluded.undo,"
        " progress = excluded.progress, pass = excluded.pass, done_bytes = excluded.done_bytes,"
        " total_bytes = excluded.total_bytes, bytes_s = excluded.bytes_s, alive_us = excluded.alive_us";
    int changed = 0;
    sqlite3 *db = store_lock_durable(store);
    enum err result = write_once(db, text, bind_step, step, &changed, info);
    store_unlock_durable(store);
    if (result != ERR_OK)
        return err_prefix(info, result, "cannot record step %d of job %lld", step->index, (long long)step->job_id);
    return changed ? ERR_OK : err_set(info, ERR_NOT_FOUND, "there is no job %lld", (long long)step->job_id);
}

static void bind_cut(sqlite3_stmt *statement, const void *record)
{
    const struct job_step_record *first = record;
    sqlite3_bind_int64(statement, 1, first->job_id);
    sqlite3_bind_int(statement, 2, first->index);
}

enum err store_job_steps_cut(struct store *store, int64_t job_id, size_t count, struct err_info *info)
{
    const struct job_step_record first = {.job_id = job_id, .index = (int)count};
    int changed = 0;
    sqlite3 *db = store_lock_durable(store);
    enum err result =
        write_once(db, "DELETE FROM job_step WHERE job_id = ? AND step_index >= ?", bind_cut, &first, &changed, info);
    store_unlock_durable(store);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "cannot cut the steps of job %lld", (long long)job_id);
}

/* --- reading --- */

#define JOB_SELECT                                                                                                     \
    "SELECT id, action, object_kind, object, site, host, who, reason, state, created_us, started_us, ended_us,"        \
    " progress_pct, message, plan_json FROM job "

static void read_job(sqlite3_stmt *statement, struct job_record *job)
{
    *job = (struct job_record){.id = sqlite3_column_int64(statement, 0)};
    str_copy(job->action, sizeof job->action, sql_column_text(statement, 1));
    job->object_kind = (enum object_kind)sqlite3_column_int(statement, 2);
    str_copy(job->object, sizeof job->object, sql_column_text(statement, 3));
    str_copy(job->site, sizeof job->site, sql_column_text(statement, 4));
    str_copy(job->host, sizeof job->host, sql_column_text(statement, 5));
    str_copy(job->who, sizeof job->who, sql_column_text(statement, 6));
    str_copy(job->reason, sizeof job->reason, sql_column_text(statement, 7));
    job->state = (enum job_state)sqlite3_column_int(statement, 8);
    job->created_us = sqlite3_column_int64(statement, 9);
    job->started_us = sqlite3_column_int64(statement, 10);
    job->ended_us = sqlite3_column_int64(statement, 11);
    job->progress_pct = sqlite3_column_int(statement, 12);
    str_copy(job->message, sizeof job->message, sql_column_text(statement, 13));
    job->plan_json = xstrdup(sql_column_text(statement, 14));
}

static void read_step(sqlite3_stmt *statement, struct job_step_record *step)
{
    *step = (struct job_step_record){
        .job_id = sqlite3_column_int64(statement, 0), .index = sqlite3_column_int(statement, 1)};
    str_copy(step->name, sizeof step->name, sql_column_text(statement, 2));
    str_copy(step->host, sizeof step->host, sql_column_text(statement, 3));
    step->command = xstrdup(sql_column_text(statement, 4));
    step->state = (enum step_state)sqlite3_column_int(statement, 5);
    step->started_us = sqlite3_column_int64(statement, 6);
    step->ended_us = sqlite3_column_int64(statement, 7);
    step->outcome = xstrdup(sql_column_text(statement, 8));
    step->undo = xstrdup(sql_column_text(statement, 9));
    step->progress = xstrdup(sql_column_text(statement, 10));
    step->pass = sqlite3_column_int(statement, 11);
    step->done_bytes = sqlite3_column_int64(statement, 12);
    step->total_bytes = sqlite3_column_int64(statement, 13);
    step->bytes_s = sqlite3_column_int64(statement, 14);
    step->alive_us = sqlite3_column_int64(statement, 15);
}

enum err job_rows_list(
    sqlite3 *db, enum job_selection selection, size_t limit, struct job_list *out, struct err_info *info)
{
    static const char *const texts[] = {
        [JOBS_NEWEST] = JOB_SELECT "ORDER BY id DESC LIMIT ?",
        [JOBS_UNFINISHED] = JOB_SELECT "WHERE state < 2 ORDER BY id LIMIT ?", /* planned or running */
    };
    *out = (struct job_list){0};
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, texts[selection], &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    sqlite3_bind_int64(statement, 1, limit ? (int64_t)limit : -1);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        read_job(statement, vec_add(&out->items));
    if (code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the jobs");
    sqlite3_finalize(statement);
    return result;
}

static enum err read_steps(sqlite3 *db, int64_t id, struct job_step_list *out, struct err_info *info)
{
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db,
        "SELECT job_id, step_index, name, host, command, state, started_us, ended_us, outcome, undo, progress,"
        " pass, done_bytes, total_bytes, bytes_s, alive_us FROM job_step WHERE job_id = ? ORDER BY step_index",
        &statement, info);
    if (result != ERR_OK)
        return result;
    int code;
    sqlite3_bind_int64(statement, 1, id);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        read_step(statement, vec_add(&out->items));
    if (code != SQLITE_DONE)
        result = sql_fail(info, db, "cannot read the steps of the job");
    sqlite3_finalize(statement);
    return result;
}

enum err job_rows_one(
    sqlite3 *db, int64_t id, struct job_record *job, struct job_step_list *steps, struct err_info *info)
{
    *job = (struct job_record){0};
    if (steps)
        *steps = (struct job_step_list){0};
    sqlite3_stmt *statement;
    enum err result = sql_prepare(db, JOB_SELECT "WHERE id = ?", &statement, info);
    if (result != ERR_OK)
        return result;
    sqlite3_bind_int64(statement, 1, id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        read_job(statement, job);
    else if (code == SQLITE_DONE)
        result = err_set(info, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    else
        result = sql_fail(info, db, "cannot read the job");
    sqlite3_finalize(statement);
    return result == ERR_OK && steps ? read_steps(db, id, steps, info) : result;
}

enum err store_jobs(struct store *store, size_t limit, struct job_list *out, struct err_info *info)
{
    enum err result = job_rows_list(store_lock_durable(store), JOBS_NEWEST, limit, out, info);
    store_unlock_durable(store);
    return result;
}

enum err store_jobs_unfinished(struct store *store, struct job_list *out, struct err_info *info)
{
    enum err result = job_rows_list(store_lock_durable(store), JOBS_UNFINISHED, 0, out, info);
    store_unlock_durable(store);
    return result;
}

enum err store_job(
    struct store *store, int64_t id, struct job_record *job, struct job_step_list *steps, struct err_info *info)
{
    enum err result = job_rows_one(store_lock_durable(store), id, job, steps, info);
    store_unlock_durable(store);
    return result;
}
