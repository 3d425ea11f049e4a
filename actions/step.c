/* The table of all kinds of steps. */
#include "actions/step.h"

#include <string.h>

const struct step_kind *const step_kinds[] = {&step_lease, &step_note, &step_restart, &step_gate, &step_proof,
    &step_release, &step_leave, &step_stop, &step_start, &step_hold, &step_drain, &step_route, &step_unhold,
    &step_notice, &step_page, &step_incoming, &step_image, &step_copy, &step_create, &step_last_pass, &step_activate,
    &step_keep, &step_close, &step_remove, &step_contain, &step_uncontain, &step_evidence, &step_pull, NULL};

const struct step_kind *step_find(const char *name)
{
    for (size_t i = 0; step_kinds[i]; i++)
        if (strcmp(step_kinds[i]->name, name) == 0)
            return step_kinds[i];
    return NULL;
}

const char *step_text(const struct plan_step *step, const char *key)
{
    const char *text = json_get_text(step->parameters, key);
    return text ? text : "";
}
