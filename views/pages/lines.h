/* Log lines and events as text, and the wish that brings them. Shared by pages and the log screen. */
#ifndef VIEWS_PAGES_LINES_H
#define VIEWS_PAGES_LINES_H

#include "tui/text.h"
#include "views/console/core.h"

/* Wish for the last lines of the object's log: of a host its system log, of a site all its containers. */
void lines_wish(struct console *console, const struct subject *of, size_t count, struct wish *wish);

/* Fill the text anew; only where the piece is about this object. with_origin: name the container or unit. False: the
 * piece is about something else, or not there yet. */
bool lines_of_log(struct text *text, const struct picture *picture, const struct subject *of, bool with_origin);
bool lines_of_events(
    struct text *text, const struct picture *picture, const struct subject *of, struct freshness freshness);

/* "03:12:45", or with the date where that is not today. Local time. Returns out. */
#define LINES_TIME_SIZE 32
const char *lines_time(int64_t at_us, int64_t now_us, char out[LINES_TIME_SIZE]);

#endif
