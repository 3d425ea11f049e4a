/* Volumes that are btrfs subvolumes: read-only snapshots, sent whole in the first pass and as what changed in the next.
 * Snapshots are called pass-N and stand in a directory beside the volume on both ends. */
#ifndef HOST_TRANSFER_BTRFS_H
#define HOST_TRANSFER_BTRFS_H

#include "host/transfer/frames.h"
#include "host/transfer/transfer.h"

bool btrfs_is_subvolume(const char *path);
bool btrfs_is_here(const char *path); /* on a btrfs */

enum err btrfs_send(const struct transfer *transfer, struct frames *frames, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info);

/* `header` is the sender's. On the last pass what came takes the volume's place. */
enum err btrfs_receive(
    const struct transfer *transfer, struct frames *frames, const json_t *header, struct err_info *info);

/* Delete the snapshots in it, and it; true where nothing is left. Whose it is was looked at (place_remove_workshop). */
bool btrfs_remove_workshop(const char *directory);

#endif
