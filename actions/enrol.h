/* `dogwatch host add|list|test|remove|trust`: bring a host under dogwatch and let it go again. Runs in the person's own
 * process with the person's own login; the engine is not needed. Every step is printed as it happens, and undone where
 * a later one fails. */
#ifndef ACTIONS_ENROL_H
#define ACTIONS_ENROL_H

/* argv[0] is "host". Returns the exit status: 0 fine, 1 a host failed its test, 2 could not be done. */
int host_main(int argc, char **argv);

#endif
