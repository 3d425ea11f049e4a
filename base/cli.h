/* Command lines: each subcommand describes its options in a table; --fleet, --state and --help are understood
 * everywhere on the line. `--name value` and `--name=value` are the same; "--" ends the options. */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cli_option {
    const char *name;       /* without "--" */
    const char *value_name; /* NULL for a flag */
    const char *help;
    const char **value; /* where the text goes (borrowed from argv); for options with a value */
    bool *flag;         /* set to true; for flags */
};

struct cli {
    const char *usage;                /* "dogwatch restart SITE [OPTION…]" */
    const char *summary;              /* one or two sentences */
    const struct cli_option *options; /* ends with name == NULL; may be NULL */
    size_t min_words, max_words;      /* how many words besides options */
    /* filled by cli_parse: */
    const char *fleet_dir; /* from --fleet, else NULL */
    const char *state_dir; /* from --state, else NULL */
    bool help;             /* --help was there: it has been printed, end with 0 */
    const char **words;    /* borrowed pointers; freed by cli_free */
    size_t word_count;
};

/* ERR_INVALID with the nearest valid option named. argv[0] is skipped. Call cli_free afterwards in any case. */
enum err cli_parse(struct cli *cli, int argc, char **argv, struct err_info *info);
void cli_free(struct cli *cli);

/* The index in argv of the first word, which only --fleet and --state may precede ("dogwatch --fleet DIR restart
 * SITE"); 0 where there is none. */
int cli_find_verb(int argc, char **argv);

/* Print "dogwatch: message" to standard error and return the exit status for a failed command (2). */
int cli_fail(const struct err_info *info);

#endif
