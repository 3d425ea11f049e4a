/* Choosing the host a site is to move to: the engine's ranking (docs/socket.md `targets`), best first, with reasons,
 * filtered by typing. Drawing thread only. */
#ifndef VIEWS_CONSOLE_TARGETS_H
#define VIEWS_CONSOLE_TARGETS_H

#include "base/json.h"
#include "base/name.h"
#include "tui/cells.h"

struct targets;

enum targets_result { TARGETS_OPEN, TARGETS_CHOSEN, TARGETS_LEFT };

/* `list` is the engine's array; what is needed of it is copied. */
struct targets *targets_new(const char *title, const json_t *list);
void targets_free(struct targets *targets); /* NULL allowed */

/* Up, Down and typing; Enter takes the selected host where it can take the site, Esc leaves. */
enum targets_result targets_key(struct targets *targets, int key);
const char *targets_chosen(const struct targets *targets); /* a host's name; after TARGETS_CHOSEN */
void targets_draw(struct targets *targets, struct area area);

#endif
