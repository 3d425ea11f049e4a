/* What a container may use and do: memory, CPUs, processes, rights, how it is started again. Members that mean the same
 * in both engines are rows of a table. Pure functions; any thread. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "host/definition/caps.h"
#include "host/definition/parts.h"

#define NANO INT64_C(1000000000)

/* --- numbers, flags, lists ------------------------------------------------------------------------------------------
 */

/* podman says 0 where swap is not limited beside memory; docker says -1. */
static void put_swap(struct source *source)
{
    int64_t memory = 0, swap = 0;
    json_get_i64(source->host, "Memory", &memory);
    json_get_i64(source->host, "MemorySwap", &swap);
    if (memory > 0 && (swap != 0 || source->kind == RUNTIME_PODMAN))
        json_put_i64(source->entry, "memory_swap_bytes", swap > 0 ? swap : -1);
}

/* Written where they are greater than zero: 0, -1 and nothing all mean "no limit". */
static void put_numbers(struct source *source)
{
    static const struct {
        const char *key, *theirs;
    } numbers[] = {{"memory_bytes", "Memory"}, {"memory_reservation_bytes", "MemoryReservation"},
        {"cpu_shares", "CpuShares"}, {"pids_limit", "PidsLimit"}, {"shm_bytes", "ShmSize"},
        {"oom_score_adj", "OomScoreAdj"}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value = 0;
        if (json_get_i64(source->host, numbers[i].theirs, &value) && value > 0)
            json_put_i64(source->entry, numbers[i].key, value);
    }
    put_swap(source);
}

static void put_cpus(struct source *source)
{
    int64_t nanos = 0, quota = 0, period = 0;
    const char *set = json_get_text(source->host, "CpusetCpus");
    json_get_i64(source->host, "NanoCpus", &nanos);
    json_get_i64(source->host, "CpuQuota", &quota);
    json_get_i64(source->host, "CpuPeriod", &period);
    if (nanos <= 0 && quota > 0 && quota < INT64_MAX / NANO)
        nanos = quota * NANO / (period > 0 ? period : 100000);
    if (nanos > 0)
        json_put_i64(source->entry, "cpu_nanos", nanos);
    json_put_text(source->entry, "cpuset", set && *set ? set : NULL);
}

static void put_flags(struct source *source)
{
    bool set = false;
    if (json_get_bool(source->host, "ReadonlyRootfs", &set) && set)
        json_put_bool(source->entry, "read_only", true);
    if (json_get_bool(source->host, "Init", &set) && set)
        json_put_bool(source->entry, "init", true);
    const json_t *options = json_object_get(source->host, "SecurityOpt");
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *option = json_string_value(json_array_get(options, i));
        if (option && (strcmp(option, "no-new-privileges") == 0 || strcmp(option, "no-new-privileges:true") == 0 ||
                          strcmp(option, "no-new-privileges=true") == 0))
            json_put_bool(source->entry, "no_new_privileges", true);
    }
}

static void put_lists(struct source *source)
{
    static const struct {
        const char *key, *theirs;
        bool sorted;
    } lists[] = {{"groups", "GroupAdd", true}, {"extra_hosts", "ExtraHosts", true}, {"dns", "Dns", false},
        {"dns_search", "DnsSearch", false}, {"dns_options", "DnsOptions", true}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        define_put_array(
            source->entry, lists[i].key, define_texts(json_object_get(source->host, lists[i].theirs), lists[i].sorted));
}

/* --- ulimits and sysctls --------------------------------------------------------------------------------------------
 */

static const char *name_of(const json_t *item)
{
    return json_get_text(item, "name");
}

/* docker "nofile", podman "RLIMIT_NOFILE" */
static void put_ulimits(struct source *source)
{
    json_t *ulimits = json_array();
    const json_t *all = json_object_get(source->host, "Ulimits");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *theirs = json_array_get(all, i);
        const char *said = json_get_text(theirs, "Name");
        int64_t soft, hard;
        char name[32];
        if (!said || !json_get_i64(theirs, "Soft", &soft) || !json_get_i64(theirs, "Hard", &hard))
            continue;
        str_copy(name, sizeof name, str_starts(said, "RLIMIT_") ? said + strlen("RLIMIT_") : said);
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        json_t *ulimit = json_object();
        json_put_text(ulimit, "name", name);
        json_put_i64(ulimit, "soft", soft);
        json_put_i64(ulimit, "hard", hard);
        json_array_append_new(ulimits, ulimit);
    }
    define_put_array(source->entry, "ulimits", define_sorted(ulimits, name_of));
}

/* podman 4 does not describe them: they are among the words it was given. */
static void put_sysctls(struct source *source)
{
    json_t *sysctls = json_object();
    const char *key, *pair;
    json_t *value;
    size_t at = 0;
    json_object_foreach (json_object_get(source->host, "Sysctls"), key, value)
        if (json_is_string(value))
            json_object_set(sysctls, key, value);
    while ((pair = define_option(source, "--sysctl", &at)) != NULL) {
        char name[128];
        size_t length = strcspn(pair, "=");
        if (pair[length] == '=' && length < sizeof name) {
            memcpy(name, pair, length);
            name[length] = '\0';
            json_put_text(sysctls, name, pair + length + 1);
        }
    }
    define_put_object(source->entry, "sysctls", sysctls);
}

/* --- rights ---------------------------------------------------------------------------------------------------------
 */

/* What user, not group; "" where the image says it and nobody knows. */
static bool is_root(const struct source *source)
{
    const char *user = json_get_text(source->config, "User");
    size_t length = user ? strcspn(user, ":") : 0;
    return length == 0 || (length == 1 && *user == '0') || (length == 4 && strncmp(user, "root", 4) == 0);
}

/* podman gives a user other than root the capabilities that were asked for by name, and no others; docker gives such a
 * user none. */
static void put_caps(struct source *source)
{
    caps_set set;
    if (source->kind == RUNTIME_PODMAN) {
        const json_t *effective = json_object_get(source->description, "EffectiveCaps");
        set = caps_of_array(json_object_get(source->description, "BoundingCaps"));
        if (!is_root(source))
            define_put_array(source->entry, "ambient_caps", caps_to_array(caps_of_array(effective)));
    } else {
        set = caps_default(source->kind) & ~caps_of_array(json_object_get(source->host, "CapDrop"));
        set |= caps_of_array(json_object_get(source->host, "CapAdd"));
    }
    json_object_set_new(source->entry, "caps", caps_to_array(set));
}

/* --- starting again -------------------------------------------------------------------------------------------------
 */

static void put_restart(struct source *source)
{
    const json_t *theirs = json_object_get(source->host, "RestartPolicy");
    const char *policy = json_get_text(theirs, "Name");
    int64_t retries = 0;
    if (!policy || !*policy || strcmp(policy, "no") == 0)
        return;
    json_t *restart = json_object();
    json_put_text(restart, "policy", policy);
    if (json_get_i64(theirs, "MaximumRetryCount", &retries) && retries > 0)
        json_put_i64(restart, "retries", retries);
    json_object_set_new(source->entry, "restart", restart);
}

void define_limits(struct source *source)
{
    put_numbers(source);
    put_cpus(source);
    put_flags(source);
    put_lists(source);
    put_ulimits(source);
    put_sysctls(source);
    put_caps(source);
    put_restart(source);
}
