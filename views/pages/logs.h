/* The log of one object over the whole screen, followed; '/' searches. */
#ifndef VIEWS_PAGES_LOGS_H
#define VIEWS_PAGES_LOGS_H

#include "views/console/core.h"

struct view *logs_new(struct console *console, const struct subject *subject);

#endif
