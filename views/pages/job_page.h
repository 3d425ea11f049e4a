/* One job while it runs and afterwards: its steps, what each did, what was seen where it failed. */
#ifndef VIEWS_PAGES_JOB_PAGE_H
#define VIEWS_PAGES_JOB_PAGE_H

#include "views/console/core.h"

struct view *job_page_new(struct console *console, int64_t job);

#endif
