/* The heartbeat of a connected host, as rules without a network. TCP notices a dead peer late and a stopped one never
 * (and so does libssh's keepalive), so the application asks. Runs in the collector's thread. */
#include "collectors/liveness.h"

#include <math.h>

#include "base/clock.h"
#include "collectors/parse.h"

/* Also without silence: the helper ends when it hears nothing for two minutes, and clocks drift. */
#define PING_EVERY_US (30 * USEC_PER_SEC)

/* A clock read through a longer round trip is not worth showing. */
#define ROUND_TRIP_MAX_US (2 * USEC_PER_SEC)

/* A helper that answers but sends no samples is no source of truth; a slow section may make one late. */
#define SAMPLE_INTERVALS_MAX 5
#define SAMPLE_WAIT_MIN_US (20 * USEC_PER_SEC)

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A sample may be late by an eighth of the interval before it costs a ping; an eighth is kept to notice in time. */
void liveness_begin(struct liveness *liveness, int64_t interval_us)
{
    if (interval_us < USEC_PER_SEC)
        interval_us = USEC_PER_SEC;
    *liveness = (struct liveness){.clock_offset_ms = NAN};
    liveness->quiet_us = least(interval_us + interval_us / 8, PING_EVERY_US);
    liveness->lost_us = least(2 * interval_us - interval_us / 8, 2 * PING_EVERY_US);
    liveness->sample_us = SAMPLE_INTERVALS_MAX * interval_us;
    if (liveness->sample_us < SAMPLE_WAIT_MIN_US)
        liveness->sample_us = SAMPLE_WAIT_MIN_US;
}

bool liveness_wants_ping(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us)
{
    if (now_mono_us - liveness->ping_mono_us >= PING_EVERY_US)
        return true;
    return liveness->ping_id == 0 && now_mono_us - heard_mono_us >= liveness->quiet_us;
}

void liveness_pinged(struct liveness *liveness, int64_t id, int64_t now_mono_us, int64_t now_wall_us)
{
    liveness->ping_id = id;
    liveness->ping_mono_us = now_mono_us;
    liveness->ping_wall_us = now_wall_us;
}

void liveness_answered(struct liveness *liveness, int64_t id, const json_t *answer, int64_t now_mono_us)
{
    if (id == 0 || id != liveness->ping_id)
        return;
    liveness->ping_id = 0;
    int64_t host_us = parse_time_us(answer, "epoch_us"), trip_us = now_mono_us - liveness->ping_mono_us;
    if (host_us == 0 || trip_us > ROUND_TRIP_MAX_US)
        return;
    int64_t offset_us = host_us - (liveness->ping_wall_us + trip_us / 2);
    liveness->clock_offset_ms = (double)offset_us / (double)USEC_PER_MSEC;
}

bool liveness_is_lost(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us)
{
    return now_mono_us - heard_mono_us >= liveness->lost_us;
}

bool liveness_lacks_samples(const struct liveness *liveness, int64_t sample_mono_us, int64_t now_mono_us)
{
    return now_mono_us - sample_mono_us > liveness->sample_us;
}

int64_t liveness_wait_us(const struct liveness *liveness, int64_t heard_mono_us, int64_t now_mono_us)
{
    int64_t until = least(heard_mono_us + liveness->lost_us, liveness->ping_mono_us + PING_EVERY_US);
    if (liveness->ping_id == 0)
        until = least(until, heard_mono_us + liveness->quiet_us);
    return until > now_mono_us ? until - now_mono_us : 0;
}
