/* The newest hour of sites, containers and volumes at full rate: the engine has it in memory, and is asked for it. What
 * is on disk of them begins at one minute. Data thread only; never waits long for an engine that does not answer. */
#ifndef VIEWS_CONSOLE_NEWEST_H
#define VIEWS_CONSOLE_NEWEST_H

#include "store/series.h"
#include "views/console.h"

#define NEWEST_RANGE_US (3600 * INT64_C(1000000)) /* how far back the engine's memory goes */

struct newest;

struct newest *newest_new(const struct console_link *link); /* borrowed; NULL: there is none to ask */
void newest_free(struct newest *newest);                    /* NULL allowed */

/* Replace `points`, read from disk (they may be none), by the last range_us (at most NEWEST_RANGE_US) at full rate;
 * times before the first that the engine knows keep what is on disk. metric: index in the kind's table, or −1 for all
 * with a history. Leaves `points` as they are where the engine keeps nothing, or does not answer; then it is left alone
 * for half a minute. */
void newest_merge(struct newest *newest, enum object_kind kind, const char *key, int metric, int64_t range_us,
    int64_t now_us, struct series_points *points);

#endif
