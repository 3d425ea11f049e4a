/* One host, one thread: dial (paced), helper, subscribe, follow logs, and put what comes into the sink; on any failure
 * say why through sink->lost, back off, try again. A host that is slow or dead never delays another. */
#ifndef COLLECTORS_COLLECTOR_H
#define COLLECTORS_COLLECTOR_H

#include "collectors/sink.h"
#include "fleet/fleet.h"

struct collector;

/* Copies what it needs of the host and of its jump hosts. Starts the thread at once (small stack). `sink` outlives the
 * collector. Where no thread can be started, sink->lost says so from within this call. */
struct collector *collector_start(
    const struct fleet *fleet, const struct host_def *host, const char *state_dir, const struct sink *sink);

/* Somebody mended something: where it waits before trying again, try now. Any thread; returns at once. */
void collector_retry(struct collector *collector);

/* Ask it to end (wakes every wait); returns at once. */
void collector_cancel(struct collector *collector);

/* Cancel, wait for the thread (bounded by its deadlines; it is woken out of them) and free. */
void collector_free(struct collector *collector);

#endif
