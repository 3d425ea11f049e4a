/* A ceiling on what one host can put into the timeline. What a host reports may cause EVENT_LIMIT_MOST events a minute,
 * whatever object they are about; those beyond it are counted and told as one event, "host.flood", when the minute is
 * over. That a host answers again is the engine's own finding and always told. One thread: the model's. */
#ifndef ENGINE_EVENT_LIMIT_H
#define ENGINE_EVENT_LIMIT_H

#include <stdint.h>

#include "fleet/state.h"

#define EVENT_LIMIT_MOST 100

struct event_limit;

typedef void event_limit_put(void *owner, const struct event *event);

struct event_limit *event_limit_new(event_limit_put *put, void *owner);
void event_limit_free(struct event_limit *limit); /* without telling what is counted; NULL allowed */

/* `cause`: whose report made the event; a site may be on another host. event->at_us is now. */
void event_limit_add(struct event_limit *limit, const char *cause, const struct event *event);
/* Tell of the minutes that are over; of all that is counted where `now_us` is INT64_MAX. */
void event_limit_check(struct event_limit *limit, int64_t now_us);

#endif
