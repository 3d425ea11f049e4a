/* From a vetted definition to the words an engine's command line makes the container with. Every value stands behind
 * "--option=" or behind "--", so that none is ever taken for an option. No value of the environment is among them,
 * because what stands in a command line anybody on the host may see: they go through a file that only root can read,
 * and those of several lines, which no such file can hold, through the environment of the command itself. */
#ifndef HOST_DEFINITION_COMMAND_H
#define HOST_DEFINITION_COMMAND_H

#include "base/buf.h"
#include "base/vec.h"
#include "host/containers/runtime.h"

#define COMMAND_ENV_CEILING (1024u * 1024)

struct command {
    VEC(char *) words; /* without the program; NULL-terminated once command_make is through */
    struct buf env;    /* what is to stand in the file; empty: no file is needed */
    char *env_file;    /* its path */
    VEC(char *) own;   /* "NAME=VALUE" for the command's own environment; NULL-terminated like the words */
};

struct command_for {
    enum runtime_kind kind;
    const char *image;    /* as it is called here */
    const char *job;      /* becomes the label dogwatch.job */
    const char *env_file; /* where `env` may be; names of what stands in it may be put behind */
};

/* Whether a variable can be handed to an engine: one of several lines cannot where its name means something to the
 * engine's own command (host/environment.h). Pure. */
bool command_takes_variable(const char *name, const char *value);

/* ERR_INVALID where the engine has no words for something of it. The caller frees. Pure. */
enum err command_make(
    struct command *command, const json_t *container, const struct command_for *how, struct err_info *info);
void command_free(struct command *command);

/* Networks of docker beyond the first: words that attach the container (by ID) to one. */
void command_connect(struct command *command, const json_t *network, const char *id);
/* How many of the definition's networks stand in the words of command_make. */
size_t command_networks_at_once(enum runtime_kind kind);
/* How the engine calls a network of a definition. */
const char *command_network_name(enum runtime_kind kind, const char *name);

#endif
