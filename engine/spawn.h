/* Start an engine that outlives this process. */
#ifndef ENGINE_SPAWN_H
#define ENGINE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SPAWN_TIMEOUT_US (INT64_C(15) * 1000000)

/* Make sure that an engine answers for `state_dir`: ask, and where none does, start this program again as `dogwatch
 * engine`, detached, logging to STATE/engine.log, and wait until it answers. *started (may be NULL) tells whether one
 * had to be started. ERR_FAILED with the engine's own last words where it ended, ERR_TIMEOUT where it does not answer.
 */
enum err spawn_engine(
    const char *fleet_dir, const char *state_dir, int64_t timeout_us, bool *started, struct err_info *info);

#endif
