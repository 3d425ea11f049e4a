/* The subcommands that ask the engine for something, or look at what it did. All return the exit status; argv[0] is the
 * subcommand's name. */
#ifndef ENGINE_VERB_MAIN_H
#define ENGINE_VERB_MAIN_H

/* `dogwatch ACTION OBJECT`, for every action of actions/action.h: plan, confirm, run. 0 done (or accepted, without
 * --wait), 1 the job failed or was cancelled, 2 it could not be made. */
int verb_main(int argc, char **argv);

int jobs_main(int argc, char **argv);  /* `dogwatch jobs`: list; 0, or 2 */
int job_main(int argc, char **argv);   /* `dogwatch job N [--follow|--cancel]`: 1 where it failed */
int audit_main(int argc, char **argv); /* `dogwatch audit [verify]`: 1 where the chain is broken */

#endif
