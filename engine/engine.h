/* `dogwatch engine`: the headless process that collects, keeps the store, and runs jobs. One per state directory. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/* argv[0] is "engine". Returns the exit status: 0 ended as asked, 2 could not begin. */
int engine_main(int argc, char **argv);

#endif
