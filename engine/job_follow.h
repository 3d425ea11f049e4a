/* Watching a job on a terminal or in a file until it has ended. */
#ifndef ENGINE_JOB_FOLLOW_H
#define ENGINE_JOB_FOLLOW_H

#include "engine/job_print.h"

/* Print each change as it is committed until the job ended; on a terminal also, in a line of its own that is drawn
 * anew, how far the running step has come. Nothing is printed where `quiet`. *view is the job's last state; free it in
 * any case. Ctrl-C asks whether the job is to go on (default) or to be cancelled: ERR_CANCELLED where it goes on
 * unwatched.
 */
enum err job_follow(struct store_reader *reader, const char *state_dir, int64_t id, bool quiet, struct job_view *view,
    struct err_info *info);

#endif
