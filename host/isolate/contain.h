/* Containing a site and letting it go: the verbs site.contain and site.uncontain (host/verbs.h) are in contain.c and
 * uncontain.c; this is what they share. What was found and done stands in /var/lib/dogwatch/sites/SITE.contain until
 * the site is released. One thread per request. */
#ifndef HOST_ISOLATE_CONTAIN_H
#define HOST_ISOLATE_CONTAIN_H

#include "base/err.h"
#include "base/json.h"

#define CONTAIN_RECORD "contain"

/* The site's containers here, fresh from their engines, as entries of an inventory; a new array, in any case. An error
 * where an engine did not answer: those of the other one are there all the same. */
enum err contain_look(const char *site, json_t **containers, struct err_info *info);

/* {"what":…,"why":…} at the end of the list; the reason is sanitised. */
void contain_leave_out(json_t *list, const char *what, const char *why);

#endif
