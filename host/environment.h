/* What a child's environment may hold besides the helper's own three entries (host/run.h): values that must not stand
 * in a command line, under names that mean nothing to the child itself. Pure; any thread. */
#ifndef HOST_ENVIRONMENT_H
#define HOST_ENVIRONMENT_H

#include <stdbool.h>

#include "base/err.h"

/* Whether a container engine's command line, and the libraries it is made with, would leave a variable of this name
 * alone. Also false for what is no name ("", with a "=", with a "*" at its end, which podman takes for many). */
bool environment_is_inert(const char *name);

/* The helper's own entries, then `more` ("NAME=VALUE", NULL-terminated; NULL: none). *environment is the caller's to
 * free, its texts are borrowed. ERR_DENIED where an entry's name is not inert. */
enum err environment_make(const char *const more[], const char ***environment, struct err_info *info);

#endif
