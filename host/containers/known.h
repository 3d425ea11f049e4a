/* What is known of one container engine: its containers and volumes as of the last look, and how to look again with as
 * few calls of its command line as possible. One thread at a time. */
#ifndef HOST_CONTAINERS_KNOWN_H
#define HOST_CONTAINERS_KNOWN_H

#include "host/containers/runtime.h"

struct known;

struct known *known_new(enum runtime_kind kind);
void known_free(struct known *known);

/* What to look at. */
struct known_ask {
    bool all;               /* inspect every container, whether its listing changed or not */
    const char *const *ids; /* inspect these in any case */
    size_t id_count;
};

/* Look again. What could not be learned keeps its last value, containers with "state":"unknown"; ERR_CANCELLED changes
 * nothing. True where something differs from before. */
bool known_look(struct known *known, const struct known_ask *ask);

/* Take over what a health check says, read elsewhere (host/containers/health.h), without a look; "": nothing.
 * Containers that do not run, or of an engine that does not answer, have no health. True where that is news. */
bool known_take_health(struct known *known, const char *id, const char *health);

/* What is to be published: copies, the caller's (known_view_free), that may go to another thread. */
struct known_view {
    bool used; /* there is such an engine here: else everything below is empty */
    bool ok;
    bool unsettled; /* a container could not be described: the next look should come soon */
    char version[RUNTIME_VERSION_SIZE];
    char error[400];
    json_t *containers; /* array of inventory entries */
    json_t *volumes;    /* array of named volumes, sites only by label */
};
void known_view(const struct known *known, struct known_view *view);
void known_view_free(struct known_view *view);

#endif
