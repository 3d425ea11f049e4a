/* What a person can do to the fleet: one const row per action. Footer, help, command palette, command line and audit
 * names come from this table; an action's file makes its plan, the steps of a plan are rows of actions/step.h. */
#ifndef ACTIONS_ACTION_H
#define ACTIONS_ACTION_H

#include "actions/plan.h"
#include "fleet/fleet.h"
#include "store/reader.h"

enum action_risk {
    RISK_SAFE,       /* no confirmation */
    RISK_DISTURBING, /* y/N, default no */
    RISK_MOVING,     /* the plan, and typing the object's name */
    RISK_DRASTIC,    /* as moving */
};

/* What a person may add to an action's name and object; docs/socket.md has them as JSON. */
struct plan_options {
    char to[NAME_SIZE];    /* the host to move to; "": the best one */
    int64_t limit_bytes_s; /* bandwidth of copying; 0: no limit */
    int64_t keep_us;       /* how long the old copy is kept; 0: PLAN_KEEP_US */
    bool through_console;  /* copy through the console although the hosts may reach one another */
    VEC(char *) more;      /* further objects of the same kind, after the first */
};
#define PLAN_KEEP_US (INT64_C(3) * 86400 * 1000000)
#define PLAN_MORE_MAX 200

void plan_options_free(struct plan_options *options); /* what it owns; leaves it empty */
/* Absent members are as above, unknown ones and wrong values ERR_INVALID. NULL: nothing given. */
enum err plan_options_from_json(const json_t *json, struct plan_options *options, struct err_info *info);
json_t *plan_options_to_json(const struct plan_options *options); /* a new reference */

/* One of them as a person gives it: a row of a table, which is an option of the command line and a field of the
 * console's dialog, with the same checks and the same words. */
#define ACTION_OPTION_SIZE 128
struct action_option {
    const char *name;       /* "limit": --limit on the command line */
    const char *value_name; /* "RATE"; NULL: it is given or not */
    const char *help;
    const char *without; /* what holds where it is not given: "no limit"; NULL where there is no value */
    unsigned takes;      /* of enum action_takes: the actions that take it */
    bool is_place;       /* a host: on the console chosen from a list */
    /* "" takes it back; where there is no value anything else sets it. ERR_INVALID says what would do. */
    enum err (*set)(struct plan_options *options, const char *text, struct err_info *info);
    /* As it would be given now; "" where it is not. Returns nothing that `set` refuses. */
    void (*get)(const struct plan_options *options, char out[ACTION_OPTION_SIZE]);
};
/* The next row after `row` (NULL: the first) for actions that take any of `takes`; NULL after the last. */
const struct action_option *action_option_next(unsigned takes, const struct action_option *row);

/* What a plan is made from; all borrowed for the call. */
struct plan_request {
    const struct snapshot *snapshot; /* the present */
    const struct fleet *fleet;
    struct store_reader *history; /* earlier jobs, for predictions */
    const char *object;
    const struct plan_options *options;
    struct plan_asker *asker; /* asks hosts; NULL: only what the snapshot says */
};

/* Ask a host's helper now, in the viewer's role: a plan changes nothing. Takes ownership of `args`; *ok is the
 * caller's. The connection is kept until the plan is made. actions/plan_ask.c */
enum err plan_ask(const struct plan_request *request, const char *host, const char *verb, json_t *args, json_t **ok,
    struct err_info *info);

/* Read-only: fills `plan` (emptied before) or refuses. The caller frees it with plan_free in any case. */
typedef enum err action_plan(const struct plan_request *request, struct plan *plan, struct err_info *info);

struct action {
    const char *name; /* "restart": on the command line, in jobs and in the audit trail */
    const char *key;  /* as keys_parse of tui/keys.h reads it */
    enum object_kind object_kind;
    enum action_risk risk;
    const char *title; /* "Restart" */
    const char *help;  /* one sentence */
    action_plan *plan;
    unsigned takes;       /* of enum action_takes */
    const char *opposite; /* the action that takes a done one back (`undo`); NULL: there is none */
    const char *after;    /* what to look at once it is done, for a person; NULL: nothing */
    bool is_internal;     /* begun by the engine itself, never by a person */
    /* Not kept waiting: jobs that work on its site are cancelled, and what hosts say after the site's last job is
     * waited for only where that moved it elsewhere. */
    bool is_urgent;
};

enum action_takes {
    TAKES_TARGET = 1, /* --to HOST, --limit RATE, --keep TIME, --through-console */
    TAKES_MANY = 2,   /* several objects: one job, one after the other, ended by the first failure */
    TAKES_HOST = 4,   /* a host's name as well: all sites on it, as above */
    TAKES_COPY = 8,   /* --on HOST (`to` in the options): which copy, where more than one host has the site */
};

const struct action *action_find(const char *name);            /* NULL where there is none */
const struct action *action_first(void);                       /* NULL where there are none */
const struct action *action_next(const struct action *action); /* NULL after the last */

/* actions/restart.c, move.c, isolate.c, onoff.c, expire.c */
action_plan restart_plan, migrate_plan, isolate_plan, release_plan, stop_plan, start_plan, expire_plan;

#endif
