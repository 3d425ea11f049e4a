/* What changed, told in events (docs/events.md): comparisons of two states of one thing. Pure: they fill events and
 * give them to the writer. One cause, one event: a host that is lost says nothing of its containers and sites. */
#ifndef ENGINE_TIMELINE_H
#define ENGINE_TIMELINE_H

#include "engine/present.h"

/* A file system with less room than this below a volume is low, until it has twice as much. */
#define VOLUME_LOW_PCT 5.0

/* NULL for what was not there before, or is not there any more. */
void timeline_container(const struct present_writer *writer, const struct container_state *before,
    const struct container_state *after, int64_t now_us);
/* Of the file system below a volume: whether it counts as low now, given whether it did. It is told once, and again
 * only after it had room. */
bool timeline_volume(
    const struct present_writer *writer, bool was_low, const struct volume_state *volume, int64_t now_us);
void timeline_host(const struct present_writer *writer, const struct host_state *before, const struct host_state *after,
    int64_t now_us);
/* `last_known` is the last status that was not unknown (SITE_UNKNOWN: none yet). The drifts are without what only does
 * not run: the status says that already. */
void timeline_site(const struct present_writer *writer, enum site_status last_known, const char *drift_before,
    const char *drift, const struct site_state *after, int64_t now_us);
/* A site's mark on one host; NULL for none. */
void timeline_mark(const struct present_writer *writer, const char *host, const struct site_marking *before,
    const struct site_marking *after, int64_t now_us);
/* About the engine or the fleet files: kinds "engine.*", "fleet.*". */
void timeline_engine(const struct present_writer *writer, const char *kind, const char *text, int64_t now_us);

/* Every kind of event, for the documentation and its test. */
struct event_kind {
    const char *kind;
    enum severity severity;
    const char *meaning;
};
extern const struct event_kind event_kinds[]; /* ends with kind == NULL */

#endif
