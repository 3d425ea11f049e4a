/* SQLite, as this directory uses it: errors as sentences, statements prepared once, constant SQL text. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum sql_open { SQL_READ_ONLY, SQL_READ_WRITE };

/* Open (SQL_READ_WRITE creates, mode 0600). *out is NULL on failure. */
enum err sql_open(const char *path, enum sql_open mode, sqlite3 **out, struct err_info *info);
void sql_close(sqlite3 *db); /* after all its statements were finalized; NULL allowed */

/* Say what failed: "what: SQLite's message", with what to do next where the disk is full or read-only. */
enum err sql_fail(struct err_info *info, sqlite3 *db, const char *what);

/* Run constant text of one or more statements without parameters; rows are ignored. */
enum err sql_run(sqlite3 *db, const char *text, struct err_info *info);
/* For a statement that will be used again and again; sqlite3_finalize it before sql_close. */
enum err sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out, struct err_info *info);
/* Step a statement that gives no rows, then reset it and clear its parameters. */
enum err sql_step_done(sqlite3_stmt *statement, struct err_info *info);
void sql_reset(sqlite3_stmt *statement);
/* The integer in the first column of the first row; `otherwise` where there is none, or it failed. */
int64_t sql_integer(sqlite3 *db, const char *text, int64_t otherwise);

void sql_bind_text(
    sqlite3_stmt *statement, int index, const char *text); /* NULL binds ""; the text must outlive the step */
void sql_bind_real(sqlite3_stmt *statement, int index, double value); /* NaN binds NULL */
double sql_column_real(sqlite3_stmt *statement, int column);          /* NULL reads NaN */
const char *sql_column_text(sqlite3_stmt *statement, int column);     /* NULL reads "" */

#endif
