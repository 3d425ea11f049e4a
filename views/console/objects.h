/* What can be done with the object under the selection, wherever it is shown. Drawing thread only. */
#ifndef VIEWS_CONSOLE_OBJECTS_H
#define VIEWS_CONSOLE_OBJECTS_H

#include "views/console/core.h"

/* Logs, and every action that such an object takes; the footer's hints are for the state it is in. */
const struct keymap *objects_keymap(const struct console *console, const struct subject *subject);
bool objects_is_action_key(int key);

/* True where the key is one of that keymap: it was done, or the person was told why it cannot be. */
bool objects_key(struct console *console, int key);

/* Open the object's page; says so where the object is gone. */
void objects_open(struct console *console, const struct subject *subject);

/* Ask about an action on the marked objects, else on the selected one, or say why that cannot be. */
struct action;
void objects_act(struct console *console, const struct action *action);

/* Why an object is as it is: the reason of a host that is not reached, what differs from what should be, how a
 * container ended. As view_ops.why. */
unsigned objects_why(struct console *console, const struct subject *subject, char out[VIEW_WHY_SIZE]);

/* The name of the site an object belongs to, "" where it belongs to none or is not there any more. Borrowed. */
const char *objects_site(const struct console *console, const struct subject *subject);
bool objects_exists(const struct console *console, const struct subject *subject);

#endif
