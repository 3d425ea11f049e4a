/* Where every source of log lines goes on, in memory: behind each batch that was accepted, and how many of its lines
 * were given up since. Of one host at most LOG_SOURCES_MOST are remembered; beyond that those that were silent for
 * longest are forgotten, and would begin anew. Thread-safe. Internal to store/. */
#ifndef STORE_LOG_CURSORS_H
#define STORE_LOG_CURSORS_H

#include <stdint.h>

#include "fleet/state.h"
#include "store/log_day.h"

#define LOG_SOURCES_MOST 8192

struct log_cursors;

struct log_cursors *log_cursors_new(void);
void log_cursors_free(struct log_cursors *cursors);

/* What a file says; the highest sequence of a source counts. */
void log_cursors_load(struct log_cursors *cursors, const struct log_cursor *cursor);
int64_t log_cursors_next_sequence(struct log_cursors *cursors); /* one more than was loaded or given */

void log_cursors_accept(struct log_cursors *cursors, const struct log_batch *batch);
void log_cursors_lose(struct log_cursors *cursors, const struct log_batch *batch); /* its lines will never be written */
/* How many lines of that source were given up and not told yet; from now on they count as told. */
uint64_t log_cursors_take_lost(struct log_cursors *cursors, const struct log_batch *batch);
void log_cursors_return_lost(struct log_cursors *cursors, const struct log_batch *batch, uint64_t count);
uint64_t log_cursors_lost_ever(struct log_cursors *cursors);

char *log_cursors_json(struct log_cursors *cursors, const char *host); /* malloc'd */

#endif
