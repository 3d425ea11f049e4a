/* Shared by the files of the subcommands that ask the engine for an action. One thread. */
#ifndef ENGINE_VERB_H
#define ENGINE_VERB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "actions/action.h"
#include "base/json.h"
#include "engine/client.h"

/* A plan asks hosts, and may wait for one of them. */
#define VERB_PLAN_TIMEOUT_US (INT64_C(120) * 1000000)

/* What stands on the command line. */
struct verb {
    const char *name;            /* of the action, or "undo" */
    const struct action *action; /* NULL: undo; known once there is a plan */
    const char *object;          /* of undo: the number of the job */
    struct plan_options options;
    const char *reason; /* NULL: not given */
    bool of_host;       /* the object is a host: all sites on it */
    bool dry_run, yes, wait, json, targets;
    char *fleet_dir, *state_dir;
    struct client *client;
};

/* Start an engine where none is alive, wait for its first word about the hosts, and open a client to it. */
enum err verb_connect(struct verb *verb, struct err_info *info);
/* *status is the exit status unless something failed. */
enum err verb_run(struct verb *verb, int *status, struct err_info *info);
enum err verb_print_targets(struct verb *verb, struct err_info *info);

/* --- printing ----------------------------------------------------------------------------------------------------- */

void verb_print_json(json_t *value);               /* one line on standard output; takes ownership */
void verb_print_text(const char *text, FILE *out); /* lines, each sanitised */

/* A misuse (of the command line, or a name that is not there) is told from a failure by its exit status: 2, else 1. */
int verb_exit_status(enum err result);
/* Print the message; returns verb_exit_status. */
int verb_fail(enum err result, const struct err_info *info);

#endif
