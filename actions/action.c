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
        .help = "restart a site: stop and start its containers while requests wait, and see that it is well afterwards",
        .plan = restart_plan,
        .takes = TAKES_MANY | TAKES_HOST,
    },
    {
        .name = "migrate",
        .key = "m",
        .object_kind = KIND_SITE,
        .risk = RISK_MOVING,
        .title = "Migrate",
        .help = "move a site to another host while it runs; the old copy is kept for a while",
        .plan = migrate_plan,
        .takes = TAKES_TARGET,
        .opposite = "migrate",
    },
    {
        .name = "isolate",
        .key = "i",
        .object_kind = KIND_SITE,
        .risk = RISK_DRASTIC,
        .title = "Isolate",
        .help = "cut a site off from everything at once, show visitors a notice page, and keep evidence",
        .plan = isolate_plan,
        .is_urgent = true,
        .opposite = "release",
        .after = "`dogwatch evidence list` shows what was kept",
    },
    {
        .name = "release",
        .key = "I",
        .object_kind = KIND_SITE,
        .risk = RISK_DRASTIC,
        .title = "Release",
        .help = "let an isolated site go: cut its stalled connections, then everything is as it was",
        .plan = release_plan,
    },
    {
        .name = "stop",
        .key = "x",
        .object_kind = KIND_SITE,
        .risk = RISK_MOVING,
        .title = "Stop",
        .help = "stop a site: visitors see a notice page, and it does not start at boot",
        .plan = stop_plan,
        .takes = TAKES_COPY,
        .opposite = "start",
    },
    {
        .name = "start",
        .key = "s",
        .object_kind = KIND_SITE,
        .risk = RISK_DISTURBING,
        .title = "Start",
        .help = "start a stopped site, and lead visitors to it again once it is well",
        .plan = start_plan,
        .opposite = "stop",
    },
    {
        .name = "expire",
        .key = "",
        .object_kind = KIND_SITE,
        .risk = RISK_DRASTIC,
        .title = "Expire",
        .help = "remove the old copy of a site that moved, when the time it was to be kept is over",
        .plan = expire_plan,
        .is_internal = true,
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
