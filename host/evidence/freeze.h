/* Hold a site's containers still, remember which of them were running until then, and let exactly those run again. The
 * list stands in /var/lib/dogwatch/sites/SITE.paused and outlives the evidence. Any thread, any process. */
#ifndef HOST_EVIDENCE_FREEZE_H
#define HOST_EVIDENCE_FREEZE_H

#include "base/err.h"
#include "base/json.h"

/* What we froze of this site runs again: `thawed` (an array, or NULL) gets their names. Those that are gone or not
 * frozen any more are passed over. Asked again it goes on with those that are left. ERR_OK where nothing was frozen. */
enum err freeze_thaw(const char *site, json_t *thawed, struct err_info *info);

#endif
