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
int job_exit_status(enum job_state state); /* 0 done, 1 ended otherwise */

/* {"job","state","action","object",…,"steps":[…]}: docs/jobs.md. A new reference. */
json_t *job_view_json(const struct job_view *view);

/* The whole job, for a person; texts are sanitised. */
void job_view_print(const struct job_view *view, FILE *out);

/* Print each change as it is committed until the job ended (nothing is printed where `quiet`); *view is its last state.
 */
enum err job_follow(struct store_reader *reader, int64_t id, bool quiet, struct job_view *view, struct err_info *info);

#endif
