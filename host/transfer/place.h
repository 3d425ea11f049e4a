/* Where a volume is on this host, and whether it may be read or written for this site. A target decides by itself:
 * whoever sends has no say in it. Any thread. */
#ifndef HOST_TRANSFER_PLACE_H
#define HOST_TRANSFER_PLACE_H

#include "host/transfer/transfer.h"

/* The directory (absolute, no symbolic link anywhere on its way) for looking at only (O_PATH); -1 with why. */
int place_open(const char *path, struct err_info *info);

/* Fill transfer->path where it is to be read: a volume that a container of the site uses here. Remembered for the
 * job's later passes, which then need not ask the engine. ERR_NOT_FOUND, ERR_DENIED. */
enum err place_find_source(struct transfer *transfer, struct err_info *info);

/* Fill transfer->path where it is to be written; made where it is missing. ERR_DENIED where the volume is another
 * site's, or holds what nobody can account for, or a bind mount's directory is outside of what may be written:
 * those of host/definition/bind.h. */
enum err place_make_target(struct transfer *transfer, struct err_info *info);

/* ERR_DENIED, naming it, where a container of another site uses the volume (transfer->path is known). */
enum err place_check_foreign(const struct transfer *transfer, struct err_info *info);

/* The directory beside a volume's in which a transfer keeps its snapshots, and in which they arrive; remembered, so
 * that place_forget can take them away even after a restart. ERR_DENIED where somebody else made it. */
enum err place_workshop(const struct transfer *transfer, char out[HOST_PATH_SIZE], struct err_info *info);

/* Take it away with all snapshots in it; false where something of it is left. One that is not root's own, or behind a
 * link, is left alone. */
bool place_remove_workshop(const char *path);

/* Everything that was remembered of the site's transfers: snapshots are deleted, and what was received is brought to
 * the disk. */
void place_forget(const char *site);

#endif
