/* The engine's answer to "where is this site really?" (docs/socket.md `where`, docs/jobs.md) as lines for a person: for
 * the command line and the console. Pure functions; any thread. */
#ifndef VIEWS_WHERE_H
#define VIEWS_WHERE_H

#include <stdint.h>

#include "base/json.h"
#include "views/freshness.h"

/* One line, not sanitised; borrowed during the call. "" separates. */
typedef void where_line(void *owner, enum concern concern, const char *text);

/* The verdict, one line a host that has something of the site or did not answer, one for all the others, and the way
 * out. */
void where_tell(const json_t *where, int64_t now_us, where_line *line, void *owner);

/* CONCERN_OK: active on exactly one host, and every host answered. */
enum concern where_concern(const json_t *where);

#endif
