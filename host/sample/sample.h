/* Samples of the host, pushed at the asked interval (docs/protocol.md "sample"). */
#ifndef HOST_SAMPLE_H
#define HOST_SAMPLE_H

#include "base/json.h"
#include "host/session.h"

struct sampler;

/* Begins the sections; no thread yet. Lives as long as the process. */
struct sampler *sampler_new(struct session *session);

/* One sample, now. interval_us: how far they are apart. The sampler's thread. */
json_t *sampler_take(struct sampler *sampler, int64_t interval_us);

/* When the sample after one at `now_us` is due: at the next multiple of the interval on the host's clock, but not
 * within half an interval. Hosts differ in when they booted, so their samples do not come in step. */
int64_t sample_due_us(int64_t now_us, int64_t interval_us);

#endif
