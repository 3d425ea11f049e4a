/* What can be asked over the socket (docs/socket.md): one table row a command. */
#ifndef ENGINE_COMMANDS_H
#define ENGINE_COMMANDS_H

#include "actions/jobs.h"
#include "engine/model.h"
#include "engine/reload.h"
#include "engine/socket.h"

/* What the commands work on; all of it outlives the server. */
struct command_context {
    struct model *model;
    struct model_outputs outputs;
    struct fleet_box *fleets;
    struct reload *reload;
    struct jobs *jobs;
    int64_t started_us;
    uid_t own_uid; /* besides root, who may use commands that change something */
};

/* A socket_answer; `owner` is a struct command_context. */
json_t *commands_answer(void *owner, const struct peer *peer, const json_t *request);

#endif
