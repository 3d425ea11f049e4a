/* Jobs on a terminal and as JSON: for the subcommands. */
#ifndef ENGINE_JOB_PRINT_H
#define ENGINE_JOB_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/json.h"
#include "store/jobs.h"
#include "store/reader.h"

/* A job with its steps as read from the store. */
struct job_view {
    struct job_record job;
    struct job_step_list steps;
};
enum err job_view_read(struct store_reader *reader, int64_t id, struct job_view *out, struct err_info *info);
void job_view_free(struct job_view *view);

bool job_has_ended(enum job_state state);
/* The command that takes a done job back; false and "" where there is none. */
#define JOB_UNDO_SIZE 48
bool job_undo_command(const struct job_record *job, char out[JOB_UNDO_SIZE]);

int job_exit_status(enum job_state state); /* 0 done, 1 ended otherwise */

/* The object of docs/jobs.md "JSON of a job". A new reference. */
json_t *job_view_json(const struct job_view *view);

/* The whole job, for a person; texts are sanitised. */
void job_view_print(const struct job_view *view, FILE *out);

/* The pieces of that, for what is printed as it happens. Lines are cut at so many columns; 0: never. */
void job_print_head(const struct job_record *job, FILE *out);
void job_print_step(const struct job_step_record *step, size_t columns, FILE *out);
void job_print_end(const struct job_record *job, FILE *out);
void job_print_note(const char *text, size_t columns, FILE *out); /* below the step it is about */

#endif
