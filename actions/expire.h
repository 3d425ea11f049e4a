/* The removal of kept copies whose time is over; jobs_look_after (actions/jobs.h) begins it. */
#ifndef ACTIONS_EXPIRE_H
#define ACTIONS_EXPIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/name.h"
#include "store/reader.h"

/* The next kept copy that is due; `cursor` begins at 0 and is moved on. False where there is no more. Only copies of
 * sites that run elsewhere are due, on hosts that can be reached. */
bool expire_is_due(const struct snapshot *snapshot, size_t *cursor, char site[NAME_SIZE], char host[NAME_SIZE]);

/* The next half of a move that was left behind, because a host could not be reached when its job ended: an incoming
 * copy that nobody makes any more, or a leaving one whose site runs elsewhere. As above. */
bool expire_is_left(const struct snapshot *snapshot, size_t *cursor, char site[NAME_SIZE], char host[NAME_SIZE]);

#endif
