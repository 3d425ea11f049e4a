/* When a host that is connected counts as lost: nothing heard for a bit more than an interval → a ping; nothing still
 * before two intervals are over (at least 2 s, at most a minute) → lost. Any line is a sign of life. The answers to
 * pings also tell how far the host's clock is off. Pure: the caller brings the times. */
#ifndef COLLECTORS_LIVENESS_H
#define COLLECTORS_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

struct liveness {
    int64_t quiet_us, lost_us;          /* silence after which to ping, and after which it is lost */
    int64_t sample_us;                  /* without a sample for so long it is as good as lost, whatever it answers */
    int64_t ping_id;                    /* the one that is not answered yet; 0: none */
    int64_t ping_mono_us, ping_wall_us; /* when the last one was sent */
    double clock_offset_ms;             /* host minus engine, half a round trip off; NaN: not known yet */
};

void liveness_begin(struct liveness *liveness, int64_t interval_us);

bool liveness_wants_ping(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us);
void liveness_pinged(struct liveness *liveness, int64_t id, int64_t now_mono_us, int64_t now_wall_us);
/* The answer to request `id`, if that was the ping. */
void liveness_answered(struct liveness *liveness, int64_t id, const json_t *answer, int64_t now_mono_us);

bool liveness_is_lost(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us);
bool liveness_lacks_samples(const struct liveness *liveness, int64_t sample_mono_us, int64_t now_mono_us);
/* How long nothing has to be decided; never negative. */
int64_t liveness_wait_us(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us);

#endif
