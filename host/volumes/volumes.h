/* How full volumes are, measured in the background (volumes_sample in host/inventory.h reads the results). */
#ifndef HOST_VOLUMES_VOLUMES_H
#define HOST_VOLUMES_VOLUMES_H

#include "host/session.h"

/* Begin measuring the volumes of the published inventories. Once per process; ends with the session. */
void volumes_start(struct session *session);

/* How long until a volume is measured again, after a measuring that was busy for busy_us, where there are `count`
 * volumes: so that all of them together cost at most 0.05 % of a core, but at least once an hour, and never more than
 * once a minute. */
int64_t volumes_period_us(int64_t busy_us, size_t count);

#endif
