/* `:jobs`: what was done to the fleet and what is being done, the newest first. Enter opens the job with its steps. */
#include "views/console/list.h"
#include "views/pages/job_page.h"

static void open(struct console *console, const void *object)
{
    console_push(console, job_page_new(console, ((const struct job_record *)object)->id));
}

const struct list_screen jobs_screen = {
    .kind = ROWS_JOBS,
    .empty = "no jobs yet\n\nR on a site restarts it, after showing what it would do",
    .empty_scope = "no jobs here",
    .open = open,
};
