/* The direct way from the source to the target: a key pair made for one job, ssh with nothing of the host's own
 * configuration, and the target's host keys as the console knows them. Any thread. */
#ifndef HOST_TRANSFER_WAY_H
#define HOST_TRANSFER_WAY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define WAY_TARGET "dogwatch-target" /* what ssh calls the target; where it is stands in the options */
#define WAY_MOST_WORDS 32

struct way_to {
    char address[128];
    char port[8];
    char user[64];
};

/* args.to; *host_keys (may be NULL) is borrowed. */
enum err way_read(const json_t *args, struct way_to *to, const json_t **host_keys, struct err_info *info);

/* The words of ssh up to and with the target, NULL-terminated, in memory of `words`; writes the known_hosts file. */
struct way_words {
    char *items[WAY_MOST_WORDS]; /* owned */
    size_t count;
};
enum err way_ssh(
    const char *site, const struct way_to *to, const json_t *host_keys, struct way_words *words, struct err_info *info);
void way_free(struct way_words *words);

void way_forget(const char *site); /* key pair and known_hosts */

#endif
