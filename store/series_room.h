/* How many time series one host may have: so many files of each kind, then the oldest of what is gone make room, and
 * where nothing is old enough, what is new gets no history. So a host that makes up containers as fast as it can fills
 * no disk and keeps no other host's samples waiting. Runs in the series thread alone. Internal to store/. */
#ifndef STORE_SERIES_ROOM_H
#define STORE_SERIES_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "fleet/metrics.h"

#define SERIES_FILES_MOST 4096 /* of a host, of one kind */

struct series_room;

struct series_room *series_room_new(void);
void series_room_free(struct series_room *room); /* NULL allowed */

/* Whose file that is: of "host/name" the host; "" for keys that name no host. */
void series_room_owner(const char *key, char owner[NAME_SIZE]);
/* The same, of a file's name in its directory. */
void series_room_owner_of_file(const char *file_name, char owner[NAME_SIZE]);

/* One file more or less; nothing for the owner "". */
void series_room_count(struct series_room *room, enum object_kind kind, const char *owner, int change);
size_t series_room_files(const struct series_room *room, enum object_kind kind, const char *owner);

/* Delete the oldest eighth of `most` files of that owner in that directory, but none written to since a day. Returns
 * how many. Looks at most once in ten minutes for each owner. */
size_t series_room_make(
    struct series_room *room, enum object_kind kind, const char *owner, const char *directory, size_t most);

#endif
