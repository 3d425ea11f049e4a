/* How much a directory holds, found without being noticed: in small steps with rests between them, on one file system,
 * following no symbolic link. One thread at a time per call. */
#ifndef HOST_VOLUMES_WALK_H
#define HOST_VOLUMES_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct walk_result {
    int64_t used_bytes; /* blocks in use; a file with several links is counted once */
    int64_t files;      /* everything but directories */
    int64_t busy_us;    /* without the rests */
};

/* Called after each step with the time it took; rests as it likes. False: give up. */
typedef bool walk_rest(int64_t busy_us, void *context);

/* Measure `path` (a directory, or one file). Directories deeper than 100 levels are not entered. ERR_NOT_FOUND,
 * ERR_DENIED, ERR_IO, ERR_CANCELLED. What vanishes or cannot be read meanwhile is left out. */
enum err walk_measure(
    const char *path, walk_rest *rest, void *context, struct walk_result *result, struct err_info *info);

#endif
