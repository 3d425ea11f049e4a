/* `dogwatch host …` with a running engine told of it: what was mended on a host is tried at once, not at the next turn
 * of the collector's back-off. */
#ifndef ENGINE_HOST_COMMAND_H
#define ENGINE_HOST_COMMAND_H

int host_command_main(int argc, char **argv); /* as host_main of actions/enrol.h */

#endif
