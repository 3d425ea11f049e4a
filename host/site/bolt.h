/* Bolts: what makes docker refuse the start of a container that does not run. It is told to be in a network that there
 * is not, whose name says why: docker takes that of a stopped container as it is, and starts none whose networks are
 * not all there, whoever asks. Nothing else of the container changes, and what runs is not touched. Any thread. */
#ifndef HOST_SITE_BOLT_H
#define HOST_SITE_BOLT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

/* Whether a network of this name is none but a bolt. */
bool bolt_is(const char *network);

/* What bolts the container that docker describes so; NULL: nothing. Borrowed. */
const char *bolt_of(const json_t *description);

/* Whether it can be bolted now: it has ended or never begun, has networks of its own, and is not removed by docker
 * where a start fails (--rm). */
bool bolt_fits(const json_t *description);

/* The container of the site, by ID. Where it has been started meanwhile this is an error, and it goes on. */
enum err bolt_put(const char *site, const char *id, struct err_info *info);
enum err bolt_draw(const char *network, const char *id, struct err_info *info);

#endif
