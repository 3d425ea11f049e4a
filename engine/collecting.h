/* The collectors of all hosts in the fleet files, one each. One thread (the engine's main thread) makes all calls. */
#ifndef ENGINE_COLLECTING_H
#define ENGINE_COLLECTING_H

#include "collectors/collector.h"
#include "collectors/sink.h"
#include "fleet/fleet.h"

/* collectors/collector.h as a table: tests pass their own. */
struct collector_calls {
    struct collector *(*start)(
        const struct fleet *fleet, const struct host_def *host, const char *state_dir, const struct sink *sink);
    void (*retry)(struct collector *collector);
    void (*cancel)(struct collector *collector);
    void (*free)(struct collector *collector);
};
extern const struct collector_calls real_collectors;

struct collecting;

/* `state_dir`, `sink` and `calls` outlive it. */
struct collecting *collecting_new(const char *state_dir, const struct sink *sink, const struct collector_calls *calls);

/* Bring the collectors in line with the fleet files: those of hosts that are gone end, those of hosts whose way of
 * being reached changed (their own entry, one of their jump hosts, the interval) begin anew, all others go on
 * undisturbed, but hosts that wait for their next try are tried now. Waits for those that end. */
void collecting_apply(struct collecting *collecting, const struct fleet *fleet);

size_t collecting_count(const struct collecting *collecting);
void collecting_cancel(struct collecting *collecting); /* asks all to end, returns at once */
void collecting_free(struct collecting *collecting);   /* waits for all; NULL allowed */

#endif
