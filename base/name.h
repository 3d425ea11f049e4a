/* Names of hosts, sites, containers and volumes: ^[a-z0-9][a-z0-9._-]{0,62}$ – safe as a file name, in a command line
 * and in a label. Anything else from outside is refused, never repaired. "." sequences such as ".." are refused too. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 63
#define NAME_SIZE (NAME_MAX_BYTES + 1)

bool name_is_valid(const char *name);
/* Container engines allow upper case and up to 128 bytes: ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$. */
bool name_is_valid_container(const char *name);
#define CONTAINER_NAME_SIZE 129

/* The candidate nearest to `name` by edit distance; where none is near, the shortest that has all of `name` in it; NULL
 * where nothing is worth suggesting. */
const char *name_nearest(const char *name, const char *const *candidates, size_t count);

#endif
