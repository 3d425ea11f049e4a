/* Reading one piece of a picture from the store. All of it runs on the data thread. */
#ifndef VIEWS_CONSOLE_FETCH_H
#define VIEWS_CONSOLE_FETCH_H

#include "store/logs.h"
#include "views/console/newest.h"
#include "views/console/picture.h"

/* Each returns a new piece, the caller's, or NULL where it could not be read. */
struct job_list *fetch_jobs(struct store_reader *reader);
struct events *fetch_events(struct store_reader *reader, const struct subject *of);
struct job_detail *fetch_job(struct store_reader *reader, int64_t id);
/* What can be charted: read from disk, and the newest hour from the engine's memory. */
struct history *fetch_history(const char *state_dir, struct newest *newest, const struct subject *of, int64_t range_us);
/* `known` (may be NULL) holds what was fetched before: only keys that are not in it, or all where `again`, are read. */
struct sparks *fetch_sparks(
    const char *state_dir, struct newest *newest, const struct wish *wish, const struct sparks *known, bool again);

/* The end of a log, followed. */
struct log_follower;
struct log_follower *log_follower_new(const char *state_dir);
void log_follower_free(struct log_follower *follower); /* NULL allowed */
/* The lines wished for: all of them when the wish is another one, else only what came since. NULL where nothing did. */
struct log_tail *log_follower_read(struct log_follower *follower, const struct wish *wish);

#endif
