/* Which logs this host has: its containers' and its own. Names are looked up here; no path ever comes from outside.
 * Any thread. */
#ifndef HOST_LOGS_SOURCES_H
#define HOST_LOGS_SOURCES_H

#include <stdbool.h>

#include "base/json.h"
#include "base/vec.h"
#include "host/logs/batch.h"
#include "host/logs/record.h"
#include "host/path.h"

#define SOURCE_ID_SIZE 65

struct source_facts {
    struct log_identity identity;
    char id[SOURCE_ID_SIZE];   /* of the container; "": none */
    int64_t created_us;        /* of the container; 0: unknown */
    bool in_journal;           /* read by journalctl; path is then empty */
    char path[HOST_PATH_SIZE]; /* below the root */
    enum record_format format;
};

struct source_list {
    struct source_facts *items;
    size_t count;
    size_t capacity;
};

/* The containers of this inventory (NULL: none) whose logs can be read, and the system's: "journal" where journald
 * runs, else the syslog files there are. The caller frees the list with vec_free. */
void sources_list(const json_t *inventory, struct source_list *list);

/* By source name ("podman/NAME", "journal", "file/syslog"), or by container name (a running one first); NULL where
 * there is none. */
const struct source_facts *sources_find(const struct source_list *list, const char *source);
const struct source_facts *sources_find_container(
    const struct source_list *list, const json_t *inventory, const char *container);

/* journald is there and journalctl, too: its path below the root; NULL otherwise. Valid until the next call. */
const char *sources_journalctl(char out[HOST_PATH_SIZE]);

#endif
