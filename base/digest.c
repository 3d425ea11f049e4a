/* SHA256_Update and not EVP: EVP's providers would add 4 MB to the static helper that is copied to every host; the
 * plain functions add 28 KB (measured with libcrypto 3.0). They are deprecated there, but not to go before OpenSSL 4.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define PIECE_BYTES 131072u

struct digest {
    SHA256_CTX state;
};

struct digest *digest_new(void)
{
    struct digest *digest = xcalloc(1, sizeof *digest);
    SHA256_Init(&digest->state);
    return digest;
}

void digest_add(struct digest *digest, const void *data, size_t length)
{
    SHA256_Update(&digest->state, data, length);
}

void digest_end(struct digest *digest, char out[DIGEST_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[SHA256_DIGEST_LENGTH];
    SHA256_Final(sum, &digest->state);
    for (size_t i = 0; i < sizeof sum; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[DIGEST_TEXT_SIZE - 1] = '\0';
    free(digest);
}

void digest_of(const void *data, size_t length, char out[DIGEST_TEXT_SIZE])
{
    struct digest *digest = digest_new();
    digest_add(digest, data, length);
    digest_end(digest, out);
}

enum err digest_file(int fd, bool (*tick)(void *context, size_t length), void *context, char out[DIGEST_TEXT_SIZE],
    int64_t *bytes, struct err_info *info)
{
    struct digest *digest = digest_new();
    char *piece = xmalloc(PIECE_BYTES);
    enum err result = ERR_OK;
    ssize_t got;
    *bytes = 0;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (result == ERR_OK && (got = read(fd, piece, PIECE_BYTES)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            result = err_errno(info, ERR_IO, errno, "cannot read what is to be hashed");
            break;
        }
        digest_add(digest, piece, (size_t)got);
        *bytes += got;
        if (tick && !tick(context, (size_t)got))
            result = err_set(info, ERR_CANCELLED, "hashing was given up");
    }
    free(piece);
    digest_end(digest, out);
    if (result != ERR_OK)
        out[0] = '\0';
    return result;
}
