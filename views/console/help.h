/* `?`: every key that works on the screen below, made from the key tables. */
#ifndef VIEWS_CONSOLE_HELP_H
#define VIEWS_CONSOLE_HELP_H

#include "views/console/core.h"

struct view *help_new(struct console *console); /* for the screen on top now */

#endif
