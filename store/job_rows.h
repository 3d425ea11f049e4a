/* Reading jobs, for both sides of the store. Internal to store/. */
#ifndef STORE_JOB_ROWS_H
#define STORE_JOB_ROWS_H

#include <sqlite3.h>

#include "store/jobs.h"

enum job_selection { JOBS_NEWEST, JOBS_UNFINISHED };

enum err job_rows_list(
    sqlite3 *db, enum job_selection selection, size_t limit, struct job_list *out, struct err_info *info);
enum err job_rows_one(
    sqlite3 *db, int64_t id, struct job_record *job, struct job_step_list *steps, struct err_info *info);

#endif
