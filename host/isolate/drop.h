/* The drop: one nftables table per site, family netdev, at the host's side of its containers' interfaces, before
 * anything else sees a packet. It is outside of what a container can reach, whatever its capabilities, and cuts
 * neighbours on the same bridge too. Put and taken whole (one transaction). Any thread. */
#ifndef HOST_ISOLATE_DROP_H
#define HOST_ISOLATE_DROP_H

#include "host/isolate/interfaces.h"

/* Everything that comes from these interfaces is dropped, and what goes to them where the kernel can do that (*both,
 * Linux 5.16). Replaces what the site's table was; without any interface the table is empty. */
enum err drop_apply(const char *site, const struct isolate_found *found, bool *both, struct err_info *info);
enum err drop_remove(const char *site, struct err_info *info); /* ERR_OK where there is none */

/* The text for nft; for tests. */
enum err drop_text(const char *site, const struct isolate_found *found, bool both, struct buf *out);

#endif
