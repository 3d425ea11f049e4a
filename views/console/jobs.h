/* What can be done with a job, on the list of jobs and on a job's own page. Drawing thread only. */
#ifndef VIEWS_CONSOLE_JOBS_H
#define VIEWS_CONSOLE_JOBS_H

#include "views/console/core.h"

enum job_command { JOB_UNDO = 1, JOB_CANCEL, JOB_LOGS };
extern const struct keymap job_keymap;
/* The same keys, for the footer of the job's own page: only those that do something now have hints. */
const struct keymap *job_keymap_of(const struct job_record *job);

/* Do it, or say why it cannot be done. */
void job_command(struct console *console, int command, const struct job_record *job);

#endif
