/* `dogwatch evidence …`: what was fetched of isolated sites. Works without an engine; argv[0] is "evidence". */
#ifndef ENGINE_EVIDENCE_MAIN_H
#define ENGINE_EVIDENCE_MAIN_H

#include <stdbool.h>

#include "base/err.h"

/* 0 good; 1 evidence does not verify, or could not be fetched; 2 the command line was wrong, or names what is not
 * there. */
int evidence_main(int argc, char **argv);

/* Fetch what a host keeps of a site and is not here yet (engine/evidence_fetch.c). host NULL: every host the store
 * knows the site on; job NULL: all that is sealed. Progress goes to standard error. */
struct evidence_fetch {
    const char *fleet_dir, *state_dir; /* as given on the command line; may be NULL */
    const char *site, *host, *job;
    bool json;
};
enum err evidence_fetch(const struct evidence_fetch *fetch, struct err_info *info);

/* Remove the copy that is still on its host, once ours was verified: ERR_FAILED where it is not good. */
enum err evidence_drop(const char *fleet_dir, const char *state_dir, const char *name, struct err_info *info);

#endif
