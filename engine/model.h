/* The thread that keeps the present (engine/present.h): fed by the collectors through a sink, it writes what changed to
 * the store, the time series, the memory of the newest hour, and the timeline. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "collectors/sink.h"
#include "engine/fleet_box.h"
#include "engine/present.h"
#include "engine/recent.h"
#include "store/logs.h"
#include "store/reader.h"
#include "store/series.h"
#include "store/store.h"

/* Where it all goes; they outlive the model. */
struct model_outputs {
    struct store *store;
    struct series *series;
    struct log_store *logs;
    struct recent *recent;
};

struct model;

/* `before` (may be NULL) is what an earlier engine knew; borrowed for the call. */
enum err model_start(const struct model_outputs *outputs, struct fleet_box *fleets, const struct snapshot *before,
    struct model **out, struct err_info *info);
void model_stop(struct model *model); /* takes in what waits, ends the thread, frees; NULL allowed */

const struct sink *model_sink(const struct model *model); /* for the collectors; as long as the model */

/* The fleet files were replaced in the box; returns once the model has taken them over. */
void model_fleet_changed(struct model *model);

/* An event about the engine or the fleet files ("engine.started", "fleet.refused", …). Any thread. */
void model_tell(struct model *model, const char *kind, const char *text);

struct model_stats {
    struct present_totals totals;
    size_t depth;     /* reports waiting */
    uint64_t dropped; /* reports that a newer one of the same host overtook, or that had no room */
};
struct model_stats model_stats(struct model *model);

#endif
