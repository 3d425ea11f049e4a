/* `dogwatch engine`: the headless process that collects, keeps the store, and runs jobs. One per state directory. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>

/* argv[0] is "engine". Returns the exit status: 0 ended as asked, 2 could not begin. */
int engine_main(int argc, char **argv);

/* Tests: the same, with what jobs call before and after each step (actions/jobs.h). */
int engine_main_with(int argc, char **argv, void (*crash_point)(const char *step, bool before));

#endif
