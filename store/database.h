/* The database file: opening it for writing, its schema and the steps from older schemas, and what to do with a damaged
 * one. */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define SCHEMA_VERSION 3
#define DATABASE_NAME "dogwatch.db"

/* Open for writing, check quickly that it is whole, migrate. A damaged file is renamed; notice (may be "") then says
 * so. */
enum err database_open(const char *path, sqlite3 **out, char *notice, size_t notice_size, struct err_info *info);

/* A further connection of the writing process; durable: each commit is fsynced. */
enum err database_connect(const char *path, bool durable, sqlite3 **out, struct err_info *info);

/* Rename a damaged file and its WAL to PATH.corrupt-TIME; new_path says how it is called now. */
enum err database_set_aside(const char *path, char *new_path, size_t new_size, struct err_info *info);

/* ERR_VERSION where the file is newer than this program, ERR_NOT_FOUND where it is empty. */
enum err database_check_readable(sqlite3 *db, const char *path, struct err_info *info);

#endif
