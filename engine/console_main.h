/* `dogwatch`: the console, with an engine behind it. */
#ifndef ENGINE_CONSOLE_MAIN_H
#define ENGINE_CONSOLE_MAIN_H

/* argv[0] is "console" or the program's name. Returns the exit status. */
int console_main(int argc, char **argv);

#endif
