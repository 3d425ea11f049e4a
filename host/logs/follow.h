/* Following all logs of the host. One thread: the one that calls follower_new. */
#ifndef HOST_LOGS_FOLLOW_H
#define HOST_LOGS_FOLLOW_H

#include "base/json.h"

#define FOLLOW_RATE_DEFAULT 500
#define FOLLOW_FIRST_LINES 100

struct follower;

/* Takes over the message ("log" of docs/protocol.md); may block, and the logs wait in their files. */
typedef void follower_emit(void *context, json_t *message);

/* `cursors` (an object source → cursor, or NULL) is borrowed. */
struct follower *follower_new(const json_t *cursors, int64_t rate_lines_s, follower_emit *emit, void *context);
void follower_free(struct follower *follower);

/* The containers as of this inventory (NULL: none known yet). A container that was made after follower_new begins with
 * its first line, any other without a cursor with its last FOLLOW_FIRST_LINES; one that is gone is read to its end. */
void follower_set_inventory(struct follower *follower, const json_t *inventory);

/* Wait until something was written or the time is over, and emit what there is. */
void follower_round(struct follower *follower, int64_t timeout_us);

#endif
