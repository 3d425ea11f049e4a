/* What a container's health check last said, from the file in which podman keeps it: read without running anything. */
#ifndef HOST_CONTAINERS_HEALTH_H
#define HOST_CONTAINERS_HEALTH_H

#include <stdbool.h>

#include "base/json.h"
#include "host/path.h"

/* "healthy", "unhealthy" or "starting" as a constant; "" for any other word and for NULL. */
const char *health_word(const char *said);

/* Where the engine of this description (one object of `podman inspect`) writes the state of the health check, as the
 * host names it; false, *out empty, where there is no check or no such file is known (docker). */
bool health_path(const json_t *description, char out[HOST_PATH_SIZE]);

enum health_reading {
    HEALTH_READ,       /* *word is a constant as of health_word */
    HEALTH_ABSENT,     /* no file, or it is empty: it is just being written */
    HEALTH_UNREADABLE, /* another format than the one known, no plain file, no permission */
};

/* Reads the beginning of the file, whatever its size. `path` as the host names it. */
enum health_reading health_read(const char *path, const char **word);

#endif
