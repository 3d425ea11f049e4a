/* What this host says of itself: its boot, its clocks, its names. Any thread. */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include "base/json.h"

/* /proc/sys/kernel/random/boot_id, read once; "" where it is not known. */
const char *host_boot_id(void);

/* "epoch_us" (wall clock) and "mono_us" (CLOCK_BOOTTIME) of now, as every answer about time carries them. */
void host_put_times(json_t *object);

/* "host", "boot_id" (absent where unknown), "os", "kernel". */
void host_put_identity(json_t *object);

#endif
