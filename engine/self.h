/* The engine's own figures: a row like any other. */
#ifndef ENGINE_SELF_H
#define ENGINE_SELF_H

#include "engine/model.h"

struct self { /* {0} to begin with */
    int64_t cpu_us, measured_mono_us;
};

/* Fill all ENGINE_METRIC_COUNT metrics; CPU is the average since the last call, 100 % being one core, and unknown at
 * the first. */
void self_measure(struct self *self, struct model *model, const struct model_outputs *outputs, double *metrics);

#endif
