/* A definition from outside, checked before anything of it is used: each member it may have is a row of a table with
 * its rule, and what is not in a table is refused. Pure functions; any thread. */
#ifndef HOST_DEFINITION_VET_H
#define HOST_DEFINITION_VET_H

#include "base/err.h"
#include "base/json.h"

/* ERR_INVALID or ERR_DENIED: the message names the container, the member and what it may be. */
enum err vet_definition(const json_t *definition, const char *site, struct err_info *info);

#endif
