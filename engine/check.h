/* `dogwatch check [DIR]`: are the fleet files right? */
#ifndef ENGINE_CHECK_H
#define ENGINE_CHECK_H

/* argv[0] is "check". Returns the exit status: 0 the files are fine, 1 they have errors (all are printed), 2 they could
 * not be checked. */
int check_main(int argc, char **argv);

#endif
