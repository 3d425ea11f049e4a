/* The fleet files as they are in force, shared by the engine's threads: whoever needs them holds them for as long as it
 * looks at them, and a reload replaces them for everybody who asks afterwards. Any thread. */
#ifndef ENGINE_FLEET_BOX_H
#define ENGINE_FLEET_BOX_H

#include "fleet/fleet.h"

struct fleet_box;

struct fleet_box *fleet_box_new(struct fleet *fleet); /* takes ownership */
void fleet_box_free(struct fleet_box *box);           /* nobody may hold anything any more; NULL allowed */

void fleet_box_replace(struct fleet_box *box, struct fleet *fleet); /* takes ownership */

const struct fleet *fleet_box_hold(struct fleet_box *box); /* never NULL; give it back with fleet_box_release */
void fleet_box_release(struct fleet_box *box, const struct fleet *fleet);

#endif
