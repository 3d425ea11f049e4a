/* What a job made on this host for a site that is to come here, so that the same job can take it away again, in
 * /var/lib/dogwatch/sites/SITE.made. What another job made is nobody's to take away by this record: the site may have
 * lived in it since. Whoever calls holds the site's lease. Any thread. */
#ifndef HOST_DEFINITION_MADE_H
#define HOST_DEFINITION_MADE_H

#include "base/err.h"
#include "base/json.h"

/* Note one of the kind "volumes" (as "podman/NAME") or "directories" (a path). */
enum err made_note(const char *site, const char *job, const char *kind, const char *what, struct err_info *info);
/* All of a kind that this job made: a new array of texts. */
json_t *made_list(const char *site, const char *job, const char *kind);
/* Nothing of it is left. */
void made_forget(const char *site);

#endif
