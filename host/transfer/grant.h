/* One-shot keys on the target: a line in the authorized_keys of the user the engine's own keys log in as, which lets a
 * key do nothing but run `dogwatch-host --receive WORD`, from one address, until a time. Files are replaced whole,
 * other lines stay as they are. Any thread, any process. */
#ifndef HOST_TRANSFER_GRANT_H
#define HOST_TRANSFER_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GRANT_USER_SIZE 64

struct grant {
    const char *job, *word;
    const char *from;       /* an address, or a name that this host can resolve */
    const char *public_key; /* "ssh-ed25519 AAAA…", anything behind is dropped */
    int64_t ttl_s;
};

/* Also takes away the lines that ran out. ERR_INVALID, ERR_MISSING where this host was not enrolled. */
enum err grant_add(const struct grant *grant, char user[GRANT_USER_SIZE], struct err_info *info);

/* The lines of this job, and of this word where it is not NULL; and those that ran out. */
enum err grant_remove(const char *job, const char *word, struct err_info *info);

#endif
