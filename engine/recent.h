/* The newest hour of sites, containers and volumes at full rate, in memory: their files on disk begin at one minute
 * (store/series.h). One ring of floats an object, only metrics with a history; bounded by a budget of bytes. Any
 * thread. */
#ifndef ENGINE_RECENT_H
#define ENGINE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "fleet/metrics.h"

#define RECENT_BUDGET_BYTES ((size_t)384 << 20)

struct recent;

struct recent *recent_new(int64_t interval_us, size_t budget_bytes);
void recent_free(struct recent *recent); /* NULL allowed */

/* Another interval: what was kept at the old one goes. */
void recent_set_interval(struct recent *recent, int64_t interval_us);

/* metrics: all of the kind, as in its table. Kinds without rings are ignored. */
void recent_add(struct recent *recent, enum object_kind kind, const char *key, int64_t at_us, const double *metrics);
void recent_remove(struct recent *recent, enum object_kind kind, const char *key);

/* {"step_us","end_us","series":{metric key: [number or null, …, oldest first]}}; NULL where nothing is kept. */
json_t *recent_read(struct recent *recent, enum object_kind kind, const char *key);

/* Leave in such an answer only the series of this metric (a key of fleet/metrics.h); NULL: all. */
void recent_keep_metric(json_t *answer, const char *metric);

struct recent_stats {
    size_t objects, bytes;
    size_t refused; /* samples of objects without a ring, because the budget is spent */
};
struct recent_stats recent_stats(struct recent *recent);

/* What one object of the kind takes. */
size_t recent_bytes_each(enum object_kind kind, int64_t interval_us);

#endif
