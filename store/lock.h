/* One engine per state directory: a lock on STATE/engine.lock, released by the kernel however the process ends. */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "base/err.h"

/* Make the state directory (0700) if it is not there and take the lock; *fd is −1 on failure. The file then holds the
 * process id. Close fd to release. ERR_BUSY names the process that has it. */
enum err store_lock(const char *state_dir, int *fd, struct err_info *info);

/* The process id of the engine that holds the lock; 0 where none does. Never waits, never creates anything. */
long store_lock_holder(const char *state_dir);

#endif
