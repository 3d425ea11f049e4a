/* Where collectors put what they learned. They know no store: the engine passes a sink, tests pass a recorder.
 * All calls come from the collector's own thread for that host and must not block; ownership of pointers moves to the
 * sink. */
#ifndef COLLECTORS_SINK_H
#define COLLECTORS_SINK_H

#include "fleet/state.h"

/* One sample of one host: the host's own figures and its containers and volumes as far as known now. */
struct host_report {
    struct host_state host; /* status HOST_UP; since_us and lag are the sink's to set */
    int64_t taken_us;       /* the host's clock when the sample was taken */
    bool
        has_inventory; /* false until the first inventory of this connection: then containers and volumes say nothing */
    struct container_state *containers; /* complete: what is not here does not exist (any more) */
    size_t container_count;
    struct volume_state *volumes;
    size_t volume_count;
    struct site_marking *marks; /* sorted by site, each once: what is not here bears none */
    size_t mark_count;
    char silent[64]; /* engines that did not answer, "docker": what is not here of theirs is unknown, not gone */
};
void host_report_free(struct host_report *report);

struct sink {
    void *owner;
    void (*report)(void *owner, struct host_report *report);
    /* The host could not be reached, or was lost: reason_code and the sentence for a person. */
    void (*lost)(void *owner, const char *host, enum err reason_code, const char *reason);
    void (*logs)(void *owner, struct log_batch *batch);
    /* Where to continue a host's logs: fill a JSON object text {"source":"cursor",…} (malloc'd, caller frees) or NULL.
     */
    char *(*log_cursors)(void *owner, const char *host);
};

#endif
