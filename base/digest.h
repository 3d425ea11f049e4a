/* SHA-256, by OpenSSL's libcrypto. Any thread. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DIGEST_TEXT_SIZE 65 /* 64 hexadecimal digits, lower case */

struct digest; /* one that grows piece by piece */

struct digest *digest_new(void);
void digest_add(struct digest *digest, const void *data, size_t length);
void digest_end(struct digest *digest, char out[DIGEST_TEXT_SIZE]); /* frees it */

void digest_of(const void *data, size_t length, char out[DIGEST_TEXT_SIZE]);

/* Of the rest of the open file, and how many bytes that was. `tick` (may be NULL) is called with each piece's length;
 * false: give up with ERR_CANCELLED. ERR_IO. */
enum err digest_file(int fd, bool (*tick)(void *context, size_t length), void *context, char out[DIGEST_TEXT_SIZE],
    int64_t *bytes, struct err_info *info);

#endif
