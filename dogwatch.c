/* dogwatch – the on-call console of people who run other people's web sites on hardware they own.
 *
 * Start reading here: the table below says which function serves which subcommand and in which directory it lives. Each
 * takes the rest of the command line; --fleet and --state may stand anywhere, also before the subcommand. Without a
 * subcommand the console opens. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "base/cli.h"
#include "base/mem.h"
#include "base/name.h"
#include "engine/check.h"
#include "engine/console_main.h"
#include "engine/engine.h"
#include "engine/evidence_main.h"
#include "engine/host_command.h"
#include "engine/verb_main.h"
#include "views/log_command.h"
#include "views/report.h"
#include "views/wallboard.h"

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
    const char *summary;
};

static int help_main(int argc, char **argv);
static int version_main(int argc, char **argv);
static int run_subcommand(int argc, char **argv);

static const struct subcommand subcommands[] = {
    {"console", console_main, "open the console (also without any word)"},
    {"--wallboard", wallboard_main, "rotating read-only screens for a wall"},
    {"--report", report_main, "print hosts, sites, containers, volumes, jobs or the timeline"},
    {"log", log_main, "search and follow log lines"},
    {"jobs", jobs_main, "list jobs"},
    {"job", job_main, "show one job, or follow it"},
    {"undo", undo_main, "take back what a finished job did"},
    {"cancel", cancel_main, "make a running job undo what it did and stop"},
    {"site", site_main, "ask every host where a site really is"},
    {"host", host_command_main, "add, list, test, trust or remove hosts"},
    {"check", check_main, "check the fleet files"},
    {"evidence", evidence_main, "list, show, verify, fetch or remove the evidence of isolated sites"},
    {"audit", audit_main, "verify the record of who did what"},
    {"engine", engine_main, "collect and run jobs, without a terminal"},
    {"help", help_main, "this text; with a command: what it does and takes"},
    {"--help", help_main, NULL},
    {"-h", help_main, NULL},
    {"--version", version_main, "print the version"},
};
#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof *subcommands)

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("dogwatch " DOGWATCH_VERSION);
    return 0;
}

/* `dogwatch help WORD…` is `dogwatch WORD… --help`. */
static int help_about(int argc, char **argv, int word)
{
    static char option[] = "--help";
    char **words = xcalloc((size_t)argc + 1, sizeof *words);
    words[0] = argv[word];
    for (int i = 1, at = 1; i < argc; i++)
        if (i != word)
            words[at++] = argv[i];
    words[argc - 1] = option;
    int status = run_subcommand(argc, words);
    free(words);
    return status;
}

static int help_main(int argc, char **argv)
{
    int word = cli_find_verb(argc, argv);
    if (word)
        return help_about(argc, argv, word);
    puts("dogwatch – on-call console for hosts and the sites on them\n\n"
         "usage: dogwatch [--fleet DIR] [--state DIR] [COMMAND] [OPTION…]\n");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        if (subcommands[i].summary)
            printf("  %-14s %s\n", subcommands[i].name, subcommands[i].summary);
    puts("\nactions:");
    for (const struct action *action = action_first(); action; action = action_next(action))
        if (!action->is_internal)
            printf("  %-14s %s\n", action->name, action->help);
    puts("\n`dogwatch help COMMAND` explains one of them.");
    return 0;
}

/* --report and the like are subcommands that look like options: the first of them, or else the first word. */
static int find_subcommand(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < SUBCOMMAND_COUNT; k++)
            if (subcommands[k].name[0] == '-' && strcmp(argv[i], subcommands[k].name) == 0) {
                int word = cli_find_verb(argc, argv);
                return word && word < i ? word : i;
            }
    return cli_find_verb(argc, argv);
}

static int unknown_subcommand(const char *name)
{
    const char *names[SUBCOMMAND_COUNT + 32];
    size_t count = 0;
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        names[count++] = subcommands[i].name;
    for (const struct action *action = action_first(); action && count < SUBCOMMAND_COUNT + 32;
         action = action_next(action))
        if (!action->is_internal)
            names[count++] = action->name;
    const char *nearest = name_nearest(name, names, count);
    struct err_info info;
    err_set(&info, ERR_INVALID, "unknown command \"%s\"%s%s%s; `dogwatch help` lists them all", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return cli_fail(&info);
}

/* argv[0] is its name. */
static int run_subcommand(int argc, char **argv)
{
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        if (strcmp(argv[0], subcommands[i].name) == 0)
            return subcommands[i].run(argc, argv);
    const struct action *action = action_find(argv[0]);
    return action && !action->is_internal ? verb_main(argc, argv) : unknown_subcommand(argv[0]);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    int at = find_subcommand(argc, argv);
    if (!at)
        return console_main(argc, argv);

    /* The subcommand moves to the front, everything else keeps its order. */
    char *name = argv[at];
    for (int i = at; i > 1; i--)
        argv[i] = argv[i - 1];
    argv[1] = name;
    return run_subcommand(argc - 1, argv + 1);
}
