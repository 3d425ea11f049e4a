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

/* What a plan is made from; all borrowed for the call. */
struct plan_request {
    const struct snapshot *snapshot; /* the present */
    const struct fleet *fleet;
    struct store_reader *history; /* earlier jobs, for predictions */
    const char *object;
};

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
};

const struct action *action_find(const char *name);            /* NULL where there is none */
const struct action *action_first(void);                       /* NULL where there are none */
const struct action *action_next(const struct action *action); /* NULL after the last */

/* actions/restart.c */
action_plan restart_plan;

#endif
