/* From the inventory and a fixed list of files to sources. The path of a container's log is what its engine says, or
 * where its engine puts it by default. Stateless; any thread. */
#include "host/logs/sources.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const system_files[] = {"syslog", "messages", "auth.log", "secure", "kern.log"};

const char *sources_journalctl(char out[HOST_PATH_SIZE])
{
    static const char *const candidates[] = {"/usr/bin/journalctl", "/bin/journalctl"};
    if (access(host_path(out, HOST_PATH_SIZE, "/run/systemd/journal/socket"), F_OK) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (access(host_path(out, HOST_PATH_SIZE, candidates[i]), X_OK) == 0)
            return out;
    return NULL;
}

/* --- containers -----------------------------------------------------------------------------------------------------
 */

/* The drivers whose logs can be read, by what the engines call them; both call their default differently. */
static const struct driver {
    const char *runtime, *driver;
    bool in_journal;
    enum record_format format;
    const char *path; /* of the log by default; %s: the container's ID */
} drivers[] = {
    {"podman", "k8s-file", false, RECORD_K8S, "/var/lib/containers/storage/overlay-containers/%s/userdata/ctr.log"},
    {"podman", "json-file", false, RECORD_K8S, "/var/lib/containers/storage/overlay-containers/%s/userdata/ctr.log"},
    {"podman", "journald", true, RECORD_PLAIN, ""},
    {"docker", "json-file", false, RECORD_JSON_FILE, "/var/lib/docker/containers/%s/%s-json.log"},
    {"docker", "journald", true, RECORD_PLAIN, ""},
};

static const struct driver *find_driver(const char *runtime, const char *name)
{
    const struct driver *first = NULL;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        if (strcmp(drivers[i].runtime, runtime) != 0)
            continue;
        if (name && strcmp(drivers[i].driver, name) == 0)
            return &drivers[i];
        if (!first && !drivers[i].in_journal)
            first = &drivers[i];
    }
    return name ? NULL : first;
}

static void put_path(struct source_facts *facts, const struct driver *driver, const char *said)
{
    if (driver->in_journal)
        return;
    if (said && *said)
        host_path(facts->path, sizeof facts->path, said);
    else if (strcmp(driver->runtime, "docker") == 0)
        host_path_format(
            facts->path, sizeof facts->path, "/var/lib/docker/containers/%s/%s-json.log", facts->id, facts->id);
    else
        host_path_format(facts->path, sizeof facts->path,
            "/var/lib/containers/storage/overlay-containers/%s/userdata/ctr.log", facts->id);
}

static void add_container(struct source_list *list, const json_t *container)
{
    struct source_facts facts = {0};
    const char *runtime = json_get_text(container, "runtime");
    if (!runtime || !json_copy_text(container, "id", facts.id, sizeof facts.id) ||
        !json_copy_text(container, "name", facts.identity.container, sizeof facts.identity.container))
        return;
    const struct driver *driver = find_driver(runtime, json_get_text(container, "log_driver"));
    if (!driver)
        return;
    json_copy_text(container, "site", facts.identity.site, sizeof facts.identity.site);
    str_copy(facts.identity.unit, sizeof facts.identity.unit, facts.identity.container);
    str_format(facts.identity.source, sizeof facts.identity.source, "%s/%s", runtime, facts.identity.container);
    json_get_i64(container, "created_us", &facts.created_us);
    facts.in_journal = driver->in_journal;
    facts.format = driver->format;
    put_path(&facts, driver, json_get_text(container, "log_path"));
    vec_push(list, facts);
}

/* --- the system -----------------------------------------------------------------------------------------------------
 */

static void add_system_file(struct source_list *list, const char *name)
{
    struct source_facts facts = {.format = RECORD_SYSLOG};
    struct stat seen;
    host_path_format(facts.path, sizeof facts.path, "/var/log/%s", name);
    if (stat(facts.path, &seen) != 0 || !S_ISREG(seen.st_mode))
        return;
    str_format(facts.identity.source, sizeof facts.identity.source, "file/%s", name);
    str_copy(facts.identity.unit, sizeof facts.identity.unit, name);
    vec_push(list, facts);
}

void sources_list(const json_t *inventory, struct source_list *list)
{
    char journalctl[HOST_PATH_SIZE];
    const json_t *containers = json_object_get(inventory, "containers");
    *list = (struct source_list){0};
    for (size_t i = 0; i < json_array_size(containers); i++)
        add_container(list, json_array_get(containers, i));
    if (sources_journalctl(journalctl)) {
        struct source_facts facts = {.in_journal = true};
        str_copy(facts.identity.source, sizeof facts.identity.source, "journal");
        str_copy(facts.identity.unit, sizeof facts.identity.unit, "journal");
        vec_push(list, facts);
        return;
    }
    for (size_t i = 0; i < sizeof system_files / sizeof *system_files; i++)
        add_system_file(list, system_files[i]);
}

/* --- finding --------------------------------------------------------------------------------------------------------
 */

const struct source_facts *sources_find(const struct source_list *list, const char *source)
{
    vec_each (list, struct source_facts, facts)
        if (strcmp(facts->identity.source, source) == 0)
            return facts;
    return NULL;
}

static bool is_running(const json_t *inventory, const char *id)
{
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        const char *its_id = json_get_text(container, "id"), *state = json_get_text(container, "state");
        if (its_id && strcmp(its_id, id) == 0)
            return state && strcmp(state, "running") == 0;
    }
    return false;
}

const struct source_facts *sources_find_container(
    const struct source_list *list, const json_t *inventory, const char *container)
{
    const struct source_facts *found = NULL;
    vec_each (list, struct source_facts, facts) {
        if (!facts->id[0] || strcmp(facts->identity.container, container) != 0)
            continue;
        if (is_running(inventory, facts->id))
            return facts;
        if (!found)
            found = facts;
    }
    return found;
}
