/* No hold outlives its job: what this helper holds is let go when its connection is over and its job does not come
 * back for it – because the job's lease ended, or because those who wait have waited as long as they can. A job that
 * asks for the hold again, over another connection, takes it over. */
#ifndef HOST_ROUTE_HELD_H
#define HOST_ROUTE_HELD_H

#include <stdint.h>

#include "base/err.h"

/* Before a hold: from now on this helper answers for it. */
enum err held_take(const char *site, const char *job, int64_t limit_s, struct err_info *info);
/* After it was let go (by whichever helper), or where it did not come about. */
void held_forget(const char *site);

/* The connection is over. Returns when nothing is held any more for which this helper answers; `let_go` ends a hold. */
void held_finish(void (*let_go)(const char *site));

#endif
