/* What was made on this host for a site that came here, so that it can be taken away again, in
 * /var/lib/dogwatch/sites/SITE.made: directories, whichever job made them, and the volumes that the present job made or
 * is about to remove (volumes made before say by their labels whose they are). Written down before a thing is made.
 * Whoever calls holds the site's lease. Any thread. */
#ifndef HOST_DEFINITION_MADE_H
#define HOST_DEFINITION_MADE_H

#include "base/err.h"
#include "base/json.h"

/* Note one of the kind "volumes" (as "podman/NAME") or "directories" (a path). */
enum err made_note(const char *site, const char *job, const char *kind, const char *what, struct err_info *info);
/* All of a kind: a new array of texts. */
json_t *made_list(const char *site, const char *job, const char *kind);
/* Nothing of it is left. */
void made_forget(const char *site);

#endif
