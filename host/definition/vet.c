/* What a definition may say. Whoever sends it may be an attacker with an operator's key: nothing in it may reach beyond
 * the site's own containers, volumes and directories. No privileges, no host namespaces, no devices (there are no
 * members for them), directories only where bind.h says, kernel settings only of the container's own namespaces.
 * Pure functions; any thread. */
#include "host/definition/vet.h"

#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "host/definition/bind.h"
#include "host/definition/define.h"
#include "host/definition/vet_rules.h"

#define MOST_CONTAINERS 32
#define MOST_VOLUMES 64
#define MOST_NETWORKS 16

struct member {
    const char *key;
    vet_rule *rule; /* NULL: a whole number from least to most */
    const char *is; /* what it may be, for the message */
    int64_t least, most;
};

/* --- objects with members of their own ------------------------------------------------------------------------------
 */

static const struct member *find_member(const struct member *members, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].key, key) == 0)
            return &members[i];
    return NULL;
}

static bool obeys(const struct member *member, const json_t *value)
{
    if (member->rule)
        return member->rule(value);
    return json_is_integer(value) && json_integer_value(value) >= member->least &&
           json_integer_value(value) <= member->most;
}

/* Only known members, vet_each by its rule; those in `needed` (NULL-terminated) are there. *wrong: the first that is
 * not as it should be (a key of the object or of `needed`). */
static bool obeys_all(const json_t *object, const struct member *members, size_t count, const char *const *needed,
    const char **wrong, const char **is)
{
    const char *key;
    json_t *value;
    *wrong = "it";
    *is = "an object";
    if (!json_is_object(object))
        return false;
    json_object_foreach ((json_t *)object, key, value) {
        const struct member *member = find_member(members, count, key);
        *wrong = key;
        *is = member ? member->is : "a member that is known here";
        if (!member || !obeys(member, value))
            return false;
    }
    *is = "there";
    for (; needed && *needed; needed++) {
        *wrong = *needed;
        if (!json_object_get(object, *needed))
            return false;
    }
    return true;
}

#define OBEYS(value, members, ...)                                                                                     \
    obeys_all(value, members, sizeof(members) / sizeof *(members), (const char *const[]){__VA_ARGS__, NULL},           \
        &(const char *){NULL}, &(const char *){NULL})

static bool is_protocol(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && (strcmp(text, "tcp") == 0 || strcmp(text, "udp") == 0 || strcmp(text, "sctp") == 0);
}

static bool is_port(const json_t *value)
{
    static const struct member members[] = {{.key = "ip", .rule = vet_is_address},
        {.key = "proto", .rule = is_protocol}, {.key = "host", .least = 1, .most = 65535},
        {.key = "container", .least = 1, .most = 65535}};
    return OBEYS(value, members, "host", "container", "proto");
}

static bool are_ports(const json_t *value)
{
    return vet_each(value, 64, is_port);
}

static bool is_mount_kind(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && (strcmp(text, "volume") == 0 || strcmp(text, "bind") == 0);
}

static bool is_bind_source(const json_t *value)
{
    return bind_is_allowed(json_string_value(value)) || bind_is_everywhere(json_string_value(value));
}

static bool is_destination(const json_t *value)
{
    return vet_is_place(json_string_value(value));
}

static bool is_mount(const json_t *value)
{
    static const struct member members[] = {{.key = "kind", .rule = is_mount_kind},
        {.key = "name", .rule = vet_is_container_name}, {.key = "source", .rule = is_bind_source},
        {.key = "destination", .rule = is_destination}, {.key = "read_only", .rule = vet_is_flag},
        {.key = "noexec", .rule = vet_is_flag}};
    bool read_only = false, is_volume = false;
    if (!OBEYS(value, members, "kind", "destination"))
        return false;
    is_volume = strcmp(json_get_text(value, "kind"), "volume") == 0;
    json_get_bool(value, "read_only", &read_only);
    if (is_volume)
        return json_object_get(value, "name") && !json_object_get(value, "source");
    return json_object_get(value, "source") && !json_object_get(value, "name") &&
           (read_only || bind_is_allowed(json_get_text(value, "source")));
}

static bool are_mounts(const json_t *value)
{
    return vet_each(value, 64, is_mount);
}

static bool is_figure(const json_t *value)
{
    return vet_is_word(json_string_value(value), "%", 24);
}

static bool is_tmpfs(const json_t *value)
{
    static const struct member members[] = {{.key = "destination", .rule = is_destination},
        {.key = "size", .rule = is_figure}, {.key = "mode", .rule = is_figure}, {.key = "uid", .rule = is_figure},
        {.key = "gid", .rule = is_figure}, {.key = "read_only", .rule = vet_is_flag},
        {.key = "noexec", .rule = vet_is_flag}};
    return OBEYS(value, members, "destination");
}

static bool are_tmpfs(const json_t *value)
{
    return vet_each(value, 64, is_tmpfs);
}

static bool is_health(const json_t *value)
{
    static const struct member members[] = {{.key = "test", .rule = vet_are_arguments},
        {.key = "interval_us", .least = 0, .most = INT64_C(86400000000)},
        {.key = "timeout_us", .least = 0, .most = INT64_C(86400000000)},
        {.key = "start_period_us", .least = 0, .most = INT64_C(86400000000)},
        {.key = "retries", .least = 0, .most = 1000}};
    return OBEYS(value, members, "test");
}

static bool is_policy(const json_t *value)
{
    const char *text = json_string_value(value);
    return text &&
           (strcmp(text, "always") == 0 || strcmp(text, "on-failure") == 0 || strcmp(text, "unless-stopped") == 0);
}

static bool is_restart(const json_t *value)
{
    static const struct member members[] = {
        {.key = "policy", .rule = is_policy}, {.key = "retries", .least = 1, .most = 1000000}};
    return OBEYS(value, members, "policy");
}

static bool is_ulimit_name(const json_t *value)
{
    static const char *const names[] = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice",
        "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"};
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], text) == 0)
            return true;
    return false;
}

static bool is_ulimit(const json_t *value)
{
    static const struct member members[] = {{.key = "name", .rule = is_ulimit_name},
        {.key = "soft", .least = -1, .most = INT64_MAX}, {.key = "hard", .least = -1, .most = INT64_MAX}};
    return OBEYS(value, members, "name", "soft", "hard");
}

static bool are_ulimits(const json_t *value)
{
    return vet_each(value, 16, is_ulimit);
}

static bool is_alias(const json_t *value)
{
    return vet_is_word(json_string_value(value), "._-", 128);
}

static bool are_aliases(const json_t *value)
{
    return vet_each(value, 32, is_alias);
}

static bool is_network_use(const json_t *value)
{
    static const struct member members[] = {
        {.key = "name", .rule = vet_is_container_name}, {.key = "aliases", .rule = are_aliases}};
    return OBEYS(value, members, "name");
}

static bool are_network_uses(const json_t *value)
{
    return vet_each(value, MOST_NETWORKS, is_network_use);
}

static bool is_log_driver(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && (strcmp(text, "file") == 0 || strcmp(text, "journald") == 0 || strcmp(text, "none") == 0);
}

static bool is_tag(const json_t *value)
{
    const char *text = json_string_value(value);
    return vet_is_plain(text, 128) && !strpbrk(text, ",\"");
}

static bool is_log(const json_t *value)
{
    static const struct member members[] = {{.key = "driver", .rule = is_log_driver}, {.key = "tag", .rule = is_tag},
        {.key = "max_size_bytes", .least = 1, .most = INT64_C(1) << 40},
        {.key = "max_files", .least = 1, .most = 1000}};
    return OBEYS(value, members, "driver");
}

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

#define BYTES_MOST (INT64_C(1) << 50)

static const struct member container_members[] = {
    {.key = "name", .rule = vet_is_container_name, .is = "a container's name"},
    {.key = "role", .rule = vet_is_name, .is = "a name"},
    {.key = "runtime", .rule = vet_is_runtime, .is = "podman or docker"},
    {.key = "image", .rule = vet_is_image, .is = "an image's name"},
    {.key = "image_id", .rule = vet_is_id, .is = "an image's ID"},
    {.key = "layers", .rule = vet_are_layers, .is = "a list of layers"},
    {.key = "entrypoint", .rule = vet_is_one_argument, .is = "a list of one text"},
    {.key = "cmd", .rule = vet_are_arguments, .is = "a list of texts"},
    {.key = "env", .rule = vet_is_environment, .is = "an object of texts with names of letters, digits, _, . and -"},
    {.key = "user", .rule = vet_is_user, .is = "a user and group"},
    {.key = "workdir", .rule = vet_is_directory, .is = "an absolute path"},
    {.key = "hostname", .rule = vet_is_host_name, .is = "a host's name"},
    {.key = "domainname", .rule = vet_is_host_name, .is = "a domain"},
    {.key = "tty", .rule = vet_is_flag, .is = "true or false"},
    {.key = "stdin", .rule = vet_is_flag, .is = "true or false"},
    {.key = "labels", .rule = vet_are_labels, .is = "an object of texts, without dogwatch.job"},
    {.key = "health", .rule = is_health, .is = "a health check"},
    {.key = "stop_signal", .rule = vet_is_signal, .is = "a signal"},
    {.key = "stop_timeout_s", .least = 0, .most = 3600, .is = "from 0 to 3600"},
    {.key = "ports", .rule = are_ports, .is = "a list of published ports"},
    {.key = "mounts", .rule = are_mounts, .is = "a list of volumes, and of directories below " BIND_ROOTS},
    {.key = "tmpfs", .rule = are_tmpfs, .is = "a list of memory file systems"},
    {.key = "memory_bytes", .least = 1, .most = BYTES_MOST, .is = "a number of bytes"},
    {.key = "memory_swap_bytes", .least = -1, .most = BYTES_MOST, .is = "a number of bytes or -1"},
    {.key = "memory_reservation_bytes", .least = 1, .most = BYTES_MOST, .is = "a number of bytes"},
    {.key = "cpu_nanos", .least = 1, .most = INT64_C(1000000000000), .is = "a number of billionths"},
    {.key = "cpu_shares", .least = 1, .most = 1 << 20, .is = "a number"},
    {.key = "cpuset", .rule = vet_is_cpu_set, .is = "a set of CPUs"},
    {.key = "pids_limit", .least = 1, .most = 1 << 22, .is = "a number"},
    {.key = "shm_bytes", .least = 1, .most = BYTES_MOST, .is = "a number of bytes"},
    {.key = "oom_score_adj", .least = 0, .most = 1000, .is = "from 0 to 1000"},
    {.key = "read_only", .rule = vet_is_flag, .is = "true or false"},
    {.key = "init", .rule = vet_is_flag, .is = "true or false"},
    {.key = "no_new_privileges", .rule = vet_is_flag, .is = "true or false"},
    {.key = "groups", .rule = vet_are_groups, .is = "a list of groups"},
    {.key = "extra_hosts", .rule = vet_are_extra_hosts, .is = "a list of NAME:ADDRESS"},
    {.key = "dns", .rule = vet_are_addresses, .is = "a list of addresses"},
    {.key = "dns_search", .rule = vet_are_host_names, .is = "a list of domains"},
    {.key = "dns_options", .rule = vet_are_dns_options, .is = "a list of options"},
    {.key = "ulimits", .rule = are_ulimits, .is = "a list of limits"},
    {.key = "sysctls", .rule = vet_are_sysctls, .is = "an object of settings of a container's own namespaces"},
    {.key = "caps", .rule = vet_are_caps, .is = "a list of capabilities that stay within a container"},
    {.key = "ambient_caps", .rule = vet_are_caps, .is = "a list of capabilities that stay within a container"},
    {.key = "restart", .rule = is_restart, .is = "a restart policy"},
    {.key = "network", .rule = vet_is_none, .is = "\"none\""},
    {.key = "networks", .rule = are_network_uses, .is = "a list of networks and names in them"},
    {.key = "log", .rule = is_log, .is = "a way of logging"},
    {.key = "unsupported", .rule = vet_are_sentences, .is = "a list of sentences"},
};
static const struct member volume_members[] = {
    {.key = "name", .rule = vet_is_container_name, .is = "a volume's name"},
    {.key = "labels", .rule = vet_are_labels, .is = "an object of texts, without dogwatch.job"},
    {.key = "unsupported", .rule = vet_are_sentences, .is = "a list of sentences"},
};
static const struct member network_members[] = {
    {.key = "name", .rule = vet_is_container_name, .is = "a network's name"},
    {.key = "internal", .rule = vet_is_flag, .is = "true or false"},
    {.key = "labels", .rule = vet_are_labels, .is = "an object of texts, without dogwatch.job"},
    {.key = "unsupported", .rule = vet_are_sentences, .is = "a list of sentences"},
};

struct kind {
    const char *key, *what;
    const struct member *members;
    size_t count, most;
    const char *needed[3];
};
static const struct kind kinds[] = {
    {"containers", "container", container_members, sizeof container_members / sizeof *container_members,
        MOST_CONTAINERS, {"name", "image_id"}},
    {"volumes", "volume", volume_members, sizeof volume_members / sizeof *volume_members, MOST_VOLUMES, {"name"}},
    {"networks", "network", network_members, sizeof network_members / sizeof *network_members, MOST_NETWORKS, {"name"}},
};

/* Names are said once, and labels say the site that is meant. */
static enum err vet_identity(
    const struct kind *kind, const json_t *all, size_t index, const char *site, struct err_info *info)
{
    const json_t *object = json_array_get(all, index);
    const char *name = json_get_text(object, "name");
    const char *label = json_get_text(json_object_get(object, "labels"), "dogwatch.site");
    for (size_t i = 0; i < index; i++)
        if (strcmp(json_get_text(json_array_get(all, i), "name"), name) == 0)
            return err_set(info, ERR_INVALID, "the definition has two of the %s %s", kind->what, name);
    if (label && strcmp(label, site) != 0)
        return err_set(
            info, ERR_DENIED, "the definition's %s %s says it is of %.100s, not of %s", kind->what, name, label, site);
    return ERR_OK;
}

static enum err vet_kind(const struct kind *kind, const json_t *definition, const char *site, struct err_info *info)
{
    const json_t *all = json_object_get(definition, kind->key);
    if (all && (!json_is_array(all) || json_array_size(all) > kind->most))
        return err_set(info, ERR_INVALID, "definition.%s is no list of at most %zu", kind->key, kind->most);
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(all) && result == ERR_OK; i++) {
        const json_t *object = json_array_get(all, i);
        const char *wrong, *is, *name = json_get_text(object, "name");
        if (!obeys_all(object, kind->members, kind->count, kind->needed, &wrong, &is))
            return err_set(info, ERR_DENIED, "in the definition of %s %.100s, %.100s is not %s", kind->what,
                name_is_valid_container(name) ? name : "without a name", wrong, is);
        result = vet_identity(kind, all, i, site, info);
    }
    return result;
}

enum err vet_definition(const json_t *definition, const char *site, struct err_info *info)
{
    int64_t format = 0;
    if (!json_get_i64(definition, "format", &format) || format != DEFINITION_FORMAT)
        return err_set(info, ERR_VERSION,
            "the definition is of format %lld, not %d: bring both hosts' helpers to the "
            "same version",
            (long long)format, DEFINITION_FORMAT);
    const char *of = json_get_text(definition, "site");
    if (!of || strcmp(of, site) != 0)
        return err_set(info, ERR_DENIED, "the definition is of another site than %s", site);
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && result == ERR_OK; i++)
        result = vet_kind(&kinds[i], definition, site, info);
    if (result == ERR_OK && json_array_size(json_object_get(definition, "containers")) == 0)
        result = err_set(info, ERR_INVALID, "the definition of %s has no containers", site);
    return result;
}
