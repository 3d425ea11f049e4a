/* What a container is attached to: published ports, mounts, memory file systems, networks, the log. Pure functions; any
 * thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/containers/inspect.h"
#include "host/definition/parts.h"
#include "host/site/bolt.h"

#define SHORT_ID 12 /* digits of its own ID that an engine gives a container as a name in its networks */

/* --- ports ----------------------------------------------------------------------------------------------------------
 */

static const char *port_key(const json_t *port)
{
    return json_get_text(port, "key");
}

/* "80/tcp" and a binding of it; NULL where it is none, or published on a port that is new at each start. */
static json_t *port_of(const char *key, const json_t *binding)
{
    char digits[8], *sort_key;
    int64_t container_port, host_port;
    const char *ip = json_get_text(binding, "HostIp"), *slash = strchr(key, '/');
    if (!slash || (size_t)(slash - key) >= sizeof digits)
        return NULL;
    str_copy(digits, (size_t)(slash - key) + 1, key);
    if (!str_to_i64(digits, 1, 65535, &container_port) ||
        !str_to_i64(json_get_text(binding, "HostPort"), 1, 65535, &host_port))
        return NULL;
    json_t *port = json_object();
    json_put_text(port, "ip", ip && *ip && strcmp(ip, "0.0.0.0") != 0 ? ip : NULL);
    json_put_i64(port, "host", host_port);
    json_put_i64(port, "container", container_port);
    json_put_text(port, "proto", slash + 1);
    sort_key = xasprintf("%05d/%05d/%s/%s", (int)container_port, (int)host_port, slash + 1, ip ? ip : "");
    json_put_text(port, "key", sort_key);
    free(sort_key);
    return port;
}

static void put_ports(struct source *source)
{
    const char *key;
    json_t *bindings, *ports = json_array();
    json_object_foreach (json_object_get(source->host, "PortBindings"), key, bindings) {
        for (size_t i = 0; i < json_array_size(bindings); i++) {
            json_t *port = port_of(key, json_array_get(bindings, i));
            if (port)
                json_array_append_new(ports, port);
            else
                define_refuse(source->entry, "port %s is published on a port of the host that is new each time", key);
        }
    }
    ports = define_sorted(ports, port_key);
    for (size_t i = 0; i < json_array_size(ports); i++)
        json_object_del(json_array_get(ports, i), "key");
    define_put_array(source->entry, "ports", ports);
}

/* --- mounts ---------------------------------------------------------------------------------------------------------
 */

static const char *destination_of(const json_t *item)
{
    return json_get_text(item, "destination");
}

static bool has_option(const json_t *options, const char *option)
{
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *text = json_string_value(json_array_get(options, i));
        if (text && strcmp(text, option) == 0)
            return true;
    }
    return false;
}

static json_t *mount_of(const json_t *theirs, const char *kind)
{
    bool writable = true, is_volume = strcmp(kind, "volume") == 0;
    json_t *mount = json_object();
    json_put_text(mount, "kind", kind);
    json_put_text(mount, is_volume ? "name" : "source", json_get_text(theirs, is_volume ? "Name" : "Source"));
    json_put_text(mount, "destination", json_get_text(theirs, "Destination"));
    json_get_bool(theirs, "RW", &writable);
    if (!writable)
        json_put_bool(mount, "read_only", true);
    if (has_option(json_object_get(theirs, "Options"), "noexec"))
        json_put_bool(mount, "noexec", true);
    return mount;
}

static void put_mounts(struct source *source)
{
    json_t *mounts = json_array();
    const json_t *all = json_object_get(source->description, "Mounts");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *theirs = json_array_get(all, i);
        const char *kind = json_get_text(theirs, "Type");
        if (kind && (strcmp(kind, "volume") == 0 || strcmp(kind, "bind") == 0) && json_get_text(theirs, "Destination"))
            json_array_append_new(mounts, mount_of(theirs, kind));
    }
    define_put_array(source->entry, "mounts", define_sorted(mounts, destination_of));
}

/* --- memory file systems --------------------------------------------------------------------------------------------
 */

/* Options of one, as written: "rw,exec,size=64m,mode=1777". podman adds to them what it does anyway. docker's own are
 * noexec, nosuid and nodev. */
static json_t *tmpfs_of(const struct source *source, const char *destination, const char *options)
{
    static const char *const values[] = {"size", "mode", "uid", "gid"};
    bool noexec = source->kind == RUNTIME_DOCKER;
    json_t *tmpfs = json_object();
    json_put_text(tmpfs, "destination", destination);
    for (const char *at = options; *at;) {
        size_t length = strcspn(at, ",");
        char *option = xstrndup(at, length);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            if (str_starts(option, values[i]) && option[strlen(values[i])] == '=')
                json_put_text(tmpfs, values[i], option + strlen(values[i]) + 1);
        if (strcmp(option, "ro") == 0)
            json_put_bool(tmpfs, "read_only", true);
        noexec = strcmp(option, "noexec") == 0 || (noexec && strcmp(option, "exec") != 0);
        free(option);
        at += length + (at[length] == ',');
    }
    if (noexec)
        json_put_bool(tmpfs, "noexec", true);
    return tmpfs;
}

/* docker's --mount type=tmpfs stands elsewhere, in other words. */
static void add_docker_tmpfs(struct source *source, json_t *all)
{
    const json_t *mounts = json_object_get(source->host, "Mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *theirs = json_array_get(mounts, i), *options = json_object_get(theirs, "TmpfsOptions");
        const char *kind = json_get_text(theirs, "Type"), *destination = json_get_text(theirs, "Target");
        int64_t size = 0, mode = 0;
        char written[64] = "", mode_text[24] = "";
        if (!kind || strcmp(kind, "tmpfs") != 0 || !destination)
            continue;
        if (json_get_i64(options, "SizeBytes", &size) && size > 0)
            str_format(written, sizeof written, "size=%lld", (long long)size);
        if (json_get_i64(options, "Mode", &mode) && mode > 0)
            str_format(mode_text, sizeof mode_text, "%smode=%llo", *written ? "," : "", (unsigned long long)mode);
        char *both = xasprintf("%s%s", written, mode_text);
        json_array_append_new(all, tmpfs_of(source, destination, both));
        free(both);
    }
}

static void put_tmpfs(struct source *source)
{
    const char *destination;
    json_t *options, *all = json_array();
    json_object_foreach (json_object_get(source->host, "Tmpfs"), destination, options)
        if (json_is_string(options))
            json_array_append_new(all, tmpfs_of(source, destination, json_string_value(options)));
    add_docker_tmpfs(source, all);
    define_put_array(source->entry, "tmpfs", define_sorted(all, destination_of));
}

/* --- networks -------------------------------------------------------------------------------------------------------
 */

static const char *network_name(const json_t *network)
{
    return json_get_text(network, "name");
}

static bool is_engines_own(enum runtime_kind kind, const char *name)
{
    return strcmp(name, kind == RUNTIME_DOCKER ? "bridge" : "podman") == 0;
}

/* Its other names there, without those the engine gives by itself. */
static json_t *aliases_of(const struct source *source, const json_t *network)
{
    json_t *aliases = define_texts(json_object_get(network, "Aliases"), true);
    for (size_t i = json_array_size(aliases); i-- > 0;) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        bool is_own = strncmp(alias, source->id, SHORT_ID) == 0 || strcmp(alias, source->name) == 0;
        bool is_double = i > 0 && strcmp(alias, json_string_value(json_array_get(aliases, i - 1))) == 0;
        if (is_own || is_double)
            json_array_remove(aliases, i);
    }
    return aliases;
}

static void put_networks(struct source *source)
{
    const char *name, *mode = json_get_text(source->host, "NetworkMode");
    json_t *network, *networks = json_array();
    size_t own_count = 0;
    if (mode && strcmp(mode, "none") == 0)
        json_put_text(source->entry, "network", "none");
    json_object_foreach (
        json_object_get(json_object_get(source->description, "NetworkSettings"), "Networks"), name, network) {
        if (strcmp(name, "none") == 0 || strcmp(name, "host") == 0 || bolt_is(name))
            continue;
        bool is_own = is_engines_own(source->kind, name);
        own_count += is_own;
        json_t *entry = json_object();
        json_put_text(entry, "name", is_own ? "default" : name);
        define_put_array(entry, "aliases", aliases_of(source, network));
        json_array_append_new(networks, entry);
    }
    bool only_default = own_count == json_array_size(networks);
    define_put_array(source->entry, "networks",
        only_default ? (json_decref(networks), json_array()) : define_sorted(networks, network_name));
}

/* --- the log --------------------------------------------------------------------------------------------------------
 */

/* "10m" (docker: binary), "10MB", "10.49MB" (podman: decimal, four figures) → bytes with four figures, so that both
 * read the same. 0 where it is none. */
static int64_t log_size(const char *text, bool binary)
{
    static const char units[] = "bkmgt";
    char *end;
    double value = text ? strtod(text, &end) : 0;
    if (!(value > 0 && value < 1e15))
        return 0;
    const char *unit = *end ? strchr(units, *end | 0x20) : units;
    if (!unit)
        return 0;
    value *= pow(binary ? 1024 : 1000, (double)(unit - units));
    double figures = pow(10, floor(log10(value)) - 3);
    return value < 1e15 ? (int64_t)(figures < 1 ? value : round(value / figures) * figures) : 0;
}

static void put_log(struct source *source)
{
    static const struct {
        const char *theirs, *ours;
    } drivers[] = {
        {"k8s-file", "file"}, {"json-file", "file"}, {"local", "file"}, {"journald", "journald"}, {"none", "none"}};
    const json_t *theirs = json_object_get(source->host, "LogConfig"), *options = json_object_get(theirs, "Config");
    const char *driver = json_get_text(theirs, "Type"), *ours = NULL;
    for (size_t i = 0; driver && i < sizeof drivers / sizeof *drivers; i++)
        if (strcmp(drivers[i].theirs, driver) == 0)
            ours = drivers[i].ours;
    if (!ours)
        return; /* said by define_unsupported */
    bool docker = source->kind == RUNTIME_DOCKER;
    int64_t size = log_size(docker ? json_get_text(options, "max-size") : json_get_text(theirs, "Size"), docker);
    int64_t files = 0;
    const char *tag = docker ? json_get_text(options, "tag") : json_get_text(theirs, "Tag");
    json_t *log = json_object();
    json_put_text(log, "driver", ours);
    if (size > 0 && strcmp(ours, "file") == 0)
        json_put_i64(log, "max_size_bytes", size);
    if (str_to_i64(json_get_text(options, "max-file"), 1, 1000, &files))
        json_put_i64(log, "max_files", files);
    json_put_text(log, "tag", tag && *tag ? tag : NULL);
    json_object_set_new(source->entry, "log", log);
}

void define_attachments(struct source *source)
{
    put_ports(source);
    put_mounts(source);
    put_tmpfs(source);
    put_networks(source);
    put_log(source);
}
