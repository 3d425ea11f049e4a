/* The subcommands that ask the engine for something, or look at what it did. All return the exit status; argv[0] is the
 * subcommand's name. */
#ifndef ENGINE_VERB_MAIN_H
#define ENGINE_VERB_MAIN_H

/* Exit statuses: 0 done (or accepted, without --wait); 1 failed, cancelled or refused – by the engine, a host, or the
 * person at the question; 2 the command line was wrong, or names what is not there. */

/* `dogwatch ACTION OBJECT…`, for every action of actions/action.h but the internal ones: plan, confirm, run. */
int verb_main(int argc, char **argv);
int undo_main(int argc, char **argv); /* `dogwatch undo JOB`: the same, for what takes a done job back */

int jobs_main(int argc, char **argv);   /* `dogwatch jobs`: list */
int job_main(int argc, char **argv);    /* `dogwatch job N [--follow|--cancel]` */
int cancel_main(int argc, char **argv); /* `dogwatch cancel N` */
int site_main(int argc, char **argv);   /* `dogwatch site where SITE`: 1 where it is in conflict or nowhere */
int audit_main(int argc, char **argv);  /* `dogwatch audit [verify]`: 1 where the chain is broken */

#endif
