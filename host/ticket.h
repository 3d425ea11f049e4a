/* Tickets: what a raw stream is for. A verb writes one and answers its WORD (128 random bits); whoever then opens the
 * command `stream WORD`, or `--receive WORD`, becomes that end of the stream (host/stream.h). They are JSON files of
 * root's in /run/dogwatch/streams, so they end with the boot; they run out by CLOCK_BOOTTIME, whatever the wall clock
 * says. Any thread, any process. */
#ifndef HOST_TICKET_H
#define HOST_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define TICKET_WORD_SIZE 33 /* 32 hexadecimal digits */

bool ticket_word_is_valid(const char *word);

/* Write one: `facts` (borrowed) and with them "kind", "site", "job" and when it runs out. */
enum err ticket_new(const char *kind, const char *site, const char *job, int64_t ttl_s, const json_t *facts,
    char word[TICKET_WORD_SIZE], struct err_info *info);

/* The ticket, the caller's. ERR_DENIED where there is none, it ran out, or is damaged. */
enum err ticket_load(const char *word, json_t **ticket, struct err_info *info);

/* Was it not closed? Cheap, for looking now and then while a stream runs, which may outlast its ticket's time. */
bool ticket_stands(const char *word);

/* Only one stream at a time per ticket. Waits up to timeout_us for another to end (ERR_BUSY). *fd is closed by the
 * caller (or by the process's end). */
enum err ticket_lock(const char *word, int64_t timeout_us, int *fd, struct err_info *info);

/* How a stream ended, an object: {"ok":…} or {"error":…}; or how far it is: {"progress":…}. */
enum err ticket_put_result(const char *word, const json_t *result, struct err_info *info);
json_t *ticket_result(const char *word); /* NULL where there is none; the caller's */

/* Remove it with its result; a stream under way ends within a second, at most 10 s are waited for that. */
void ticket_remove(const char *word);
/* The same for all of a site and job (NULL: of any job); those that ran out unused, of any site, go too. */
void ticket_remove_all(const char *site, const char *job);

#endif
