/* The table of actions. */
#include "actions/action.h"

#include <string.h>

static const struct action actions[] = {
    {
        .name = "restart",
        .key = "R",
        .object_kind = KIND_SITE,
        .risk = RISK_DISTURBING,
        .title = "Restart",
        .help = "restart a site: stop and start its containers, and see that it is well afterwards",
        .plan = restart_plan,
    },
};
#define ACTION_COUNT (sizeof actions / sizeof *actions)

const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

const struct action *action_first(void)
{
    return actions;
}

const struct action *action_next(const struct action *action)
{
    size_t next = (size_t)(action - actions) + 1;
    return next < ACTION_COUNT ? &actions[next] : NULL;
}
