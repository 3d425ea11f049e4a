/* Reading the fleet files anew: asked for by anybody, done by the main thread, which owns the collectors. */
#ifndef ENGINE_RELOAD_H
#define ENGINE_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "fleet/fleet.h"

struct reload;

struct reload *reload_new(void);
void reload_free(struct reload *reload); /* NULL allowed */

/* --- any thread --- */

/* Ask, and wait until the files were read. ERR_INVALID with the first complaints, ERR_CANCELLED where the engine ends.
 */
enum err reload_ask(struct reload *reload, struct err_info *info);
/* The complaints of the last reading, "" where it was fine. */
void reload_error(struct reload *reload, char *out, size_t out_size);

/* --- the main thread --- */

int reload_fd(const struct reload *reload); /* readable when somebody asked */
/* Take the askers in (they get the outcome of the reload_done that follows). */
void reload_begin(struct reload *reload);
void reload_done(struct reload *reload, enum err result, const char *message); /* message: why not */
void reload_end(struct reload *reload); /* the engine ends: nobody waits any more */

/* The complaints as one text for a person: the first few, and how many more. */
void reload_describe(const struct complaints *complaints, const struct err_info *info, char *out, size_t out_size);

#endif
