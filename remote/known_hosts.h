/* Which host keys are trusted: our own file (STATE/known_hosts, one line a host, under its fleet name) and those of ssh
 * (under the address), which are only read. The format is that of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: patterns, "!",
 * [address]:port and hashed names. A line marked @revoked refuses its key always; host certificates are not supported,
 * so a @cert-authority line trusts nothing, but is mentioned in the message. Any thread; changes are atomic.
 */
#ifndef REMOTE_KNOWN_HOSTS_H
#define REMOTE_KNOWN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct known_hosts_files { /* NULL: not looked at; a file that is not there is empty */
    const char *ours;
    const char *user;
    const char *system;
};

enum host_key_verdict { HOST_KEY_TRUSTED, HOST_KEY_UNKNOWN, HOST_KEY_CHANGED, HOST_KEY_REVOKED };

#define HOST_KEY_TYPE_SIZE 48
#define HOST_KEY_FINGERPRINT_SIZE 64
#define HOST_KEY_BASE64_SIZE 4096

struct host_key {
    char type[HOST_KEY_TYPE_SIZE];               /* "ssh-ed25519" */
    char base64[HOST_KEY_BASE64_SIZE];           /* the key as in a known_hosts line */
    char fingerprint[HOST_KEY_FINGERPRINT_SIZE]; /* "SHA256:…" */
    enum host_key_verdict verdict;
    char was[HOST_KEY_FINGERPRINT_SIZE]; /* for CHANGED: the fingerprint that was expected */
    char where[512];                     /* "FILE:LINE" that decided; "" for UNKNOWN */
    bool has_authority;                  /* a @cert-authority line is for this host */
};

/* Fill type and fingerprint of a key given as base64. ERR_INVALID. */
enum err host_key_describe(struct host_key *key, const char *base64, struct err_info *info);

/* Judge key->base64 for a host: verdict, was, where, has_authority. ERR_IO where a file exists but cannot be read. */
enum err known_hosts_check(const struct known_hosts_files *files, const char *name, const char *address, uint16_t port,
    struct host_key *key, struct err_info *info);

/* The key types known for this host, best first, comma-separated, so that the host is asked for a key we know;
 * "" where nothing is known. */
void known_hosts_types(const struct known_hosts_files *files, const char *name, const char *address, uint16_t port,
    char *out, size_t out_size);

/* Make `key` the only one of host `name` in our file. The directory must exist. */
enum err known_hosts_set(const char *ours, const char *name, const struct host_key *key, struct err_info *info);
enum err known_hosts_remove(
    const char *ours, const char *name, struct err_info *info); /* ERR_OK where it is not there */

#endif
