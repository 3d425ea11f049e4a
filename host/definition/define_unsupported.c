/* What a definition does not carry, said so that a person knows what would be missing. Most of it are rows of tables: a
 * member, what it says where it is harmless, and what it means. Pure functions; any thread. */
#include <string.h>

#include "base/mem.h"
#include "host/definition/caps.h"
#include "host/definition/command.h"
#include "host/definition/parts.h"
#include "host/definition/bind.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, text) == 0)
            return true;
    return false;
}

/* --- by members -----------------------------------------------------------------------------------------------------
 */

static void refuse_modes(struct source *source)
{
    static const struct {
        const char *theirs;
        const char *harmless[5]; /* NULL-terminated */
        const char *meaning;
    } modes[] = {
        {"PidMode", {"", "private", NULL}, "it sees processes of others (pid)"},
        {"IpcMode", {"", "private", "shareable", "none", NULL}, "it shares others' memory (ipc)"},
        {"UTSMode", {"", "private", NULL}, "it shares another's host name (uts)"},
        {"UsernsMode", {"", NULL}, "its users are mapped in a way of their own"},
        {"CgroupParent", {"", NULL}, "it stands below a control group of its own"},
        {"Cgroups", {"", "default", "enabled", NULL}, "its control groups are not the usual ones"},
        {"Runtime", {"", "oci", "runc", "crun", NULL}, "it is run by a program of its own"},
        {"VolumeDriver", {"", "local", NULL}, "its volumes are kept by a driver"},
        {"CpusetMems", {"", NULL}, "it is bound to memory nodes"},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        const char *text = json_get_text(source->host, modes[i].theirs);
        if (text && !is_one_of(text, modes[i].harmless))
            define_refuse(source->entry, "%s: %s", modes[i].meaning, text);
    }
}

static void refuse_network(struct source *source)
{
    static const char *const foreign[] = {"container:", "ns:", "slirp4netns", "pasta", "private"};
    const char *mode = json_get_text(source->host, "NetworkMode");
    if (mode && strcmp(mode, "host") == 0)
        define_refuse(source->entry, "it uses the host's own network");
    for (size_t i = 0; mode && i < sizeof foreign / sizeof *foreign; i++)
        if (str_starts(mode, foreign[i]))
            define_refuse(source->entry, "its network is not its own: %s", mode);
}

static void refuse_flags(struct source *source)
{
    static const struct {
        const char *theirs, *meaning;
    } flags[] = {{"Privileged", "it is privileged: it may do on the host whatever root may"},
        {"AutoRemove", "it is removed as soon as it stops (--rm)"}, {"OomKillDisable", "it is never killed for memory"},
        {"PublishAllPorts", "all its ports are published on ports of the host that are new each time"}};
    bool set = false;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (json_get_bool(source->host, flags[i].theirs, &set) && set)
            define_refuse(source->entry, "%s", flags[i].meaning);
    if (json_get_bool(source->config, "SystemdMode", &set) && set)
        define_refuse(source->entry, "systemd runs in it");
}

/* Arrays or objects that have to be empty. */
static void refuse_collections(struct source *source)
{
    static const struct {
        const char *theirs, *meaning;
    } collections[] = {{"Devices", "devices of the host are handed in"},
        {"DeviceRequests", "devices of the host are handed in (GPUs)"},
        {"DeviceCgroupRules", "it has rules for devices of the host"},
        {"VolumesFrom", "it takes the volumes of another container (--volumes-from)"},
        {"Links", "it is linked to another container (--link)"}, {"StorageOpt", "its storage has options of its own"},
        {"BlkioWeightDevice", "its disks have weights"}, {"BlkioDeviceReadBps", "its disk reads are limited"},
        {"BlkioDeviceWriteBps", "its disk writes are limited"}, {"BlkioDeviceReadIOps", "its disk reads are limited"},
        {"BlkioDeviceWriteIOps", "its disk writes are limited"}, {"CgroupConf", "it has control group settings"}};
    for (size_t i = 0; i < sizeof collections / sizeof *collections; i++) {
        const json_t *value = json_object_get(source->host, collections[i].theirs);
        if (json_array_size(value) + json_object_size(value) > 0)
            define_refuse(source->entry, "%s", collections[i].meaning);
    }
    int64_t oom_score = 0;
    if (json_get_i64(source->host, "OomScoreAdj", &oom_score) && oom_score < 0)
        define_refuse(source->entry, "it is spared when the host runs out of memory");
    if (json_array_size(json_object_get(source->config, "Secrets")) > 0)
        define_refuse(source->entry, "it has secrets of its engine, which no command shows");
}

static void refuse_security(struct source *source)
{
    static const char *const prefixes[] = {"no-new-privileges", "label=type:container_t"};
    const json_t *options = json_object_get(source->host, "SecurityOpt"), *masked;
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *option = json_string_value(json_array_get(options, i));
        bool known = !option;
        for (size_t j = 0; j < sizeof prefixes / sizeof *prefixes && option; j++)
            known = known || str_starts(option, prefixes[j]);
        if (!known)
            define_refuse(source->entry, "it has a security option of its own: %.80s", option);
    }
    masked = json_object_get(source->host, "MaskedPaths"); /* docker always names them, unless it shows everything */
    if (json_is_array(masked) && json_array_size(masked) == 0)
        define_refuse(source->entry, "it sees all of the host's /proc and /sys");
    caps_set more = caps_of_array(json_object_get(source->entry, "caps")) & ~caps_allowed();
    for (size_t i = 0; i < caps_count(); i++)
        if (caps_has(more, i))
            define_refuse(
                source->entry, "it has the capability %s, which reaches beyond its own container", caps_name(i));
}

static void refuse_podman(struct source *source)
{
    static const struct {
        const char *option, *meaning;
    } options[] = {{"--ip", "it has an address of its own choice"}, {"--ip6", "it has an address of its own choice"},
        {"--mac-address", "it has a hardware address of its own choice"}, {"--secret", "it has a secret of podman's"},
        {"--timeout", "it is ended after a time"}, {"--requires", "it needs another container to run"},
        {"--hooks-dir", "it has hooks of its own"}, {"--unsetenv", "a variable of its image is taken away"},
        {"--umask", "its umask is not the usual one"}, {"--tz", "its time zone is set by podman"},
        {"--annotation", "it has annotations"}, {"--personality", "it has a personality of its own"},
        {"--passwd-entry", "it has a password entry of its own"},
        {"--chrootdirs", "it has directories of its own for chroot"}};
    const char *pod = json_get_text(source->description, "Pod"), *root = json_get_text(source->description, "Rootfs");
    const char *unit = json_get_text(json_object_get(source->config, "Labels"), "PODMAN_SYSTEMD_UNIT");
    const char *on_failure = json_get_text(source->config, "HealthcheckOnFailureAction");
    if (unit && *unit)
        define_refuse(source->entry, "the systemd unit %.100s of this host starts it", unit);
    if (on_failure && *on_failure && strcmp(on_failure, "none") != 0)
        define_refuse(source->entry, "podman acts when its health check fails (%s)", on_failure);
    if (pod && *pod)
        define_refuse(source->entry, "it belongs to a pod");
    if (root && *root)
        define_refuse(source->entry, "it is made of a directory instead of an image: %s", root);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t at = 0;
        if (define_option(source, options[i].option, &at))
            define_refuse(source->entry, "%s (%s)", options[i].meaning, options[i].option);
    }
}

/* --- by what is attached --------------------------------------------------------------------------------------------
 */

static void refuse_mount(struct source *source, const json_t *theirs)
{
    const char *kind = json_get_text(theirs, "Type"), *destination = json_get_text(theirs, "Destination");
    const char *from = json_get_text(theirs, "Source"), *propagation = json_get_text(theirs, "Propagation");
    if (!kind || !destination)
        return;
    bool is_bind = strcmp(kind, "bind") == 0;
    if (is_bind && (!from || (!bind_is_allowed(from) && !bind_is_everywhere(from))))
        define_refuse(source->entry, "%s of the host is mounted at %s: only what is below " BIND_ROOTS " moves",
            from ? from : "something", destination);
    if (!is_bind && strcmp(kind, "volume") != 0 && strcmp(kind, "tmpfs") != 0)
        define_refuse(source->entry, "a mount of the kind %s at %s", kind, destination);
    if (propagation && *propagation && !strstr(propagation, "private"))
        define_refuse(source->entry, "mounts in %s are shared with the host (%s)", destination, propagation);
}

static bool is_anywhere(const char *ip)
{
    static const char *const words[] = {"", "0.0.0.0", "::", "::1", NULL};
    return !ip || is_one_of(ip, words) || str_starts(ip, "127.");
}

static void refuse_ports(struct source *source)
{
    const json_t *ports = json_object_get(source->entry, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const char *ip = json_get_text(json_array_get(ports, i), "ip");
        if (!is_anywhere(ip))
            define_refuse(source->entry, "a port is published on %s, an address of this host alone", ip);
    }
}

static void refuse_addresses(struct source *source)
{
    const char *name;
    json_t *network;
    json_object_foreach (
        json_object_get(json_object_get(source->description, "NetworkSettings"), "Networks"), name, network) {
        const char *address = json_get_text(json_object_get(network, "IPAMConfig"), "IPv4Address");
        if (address && *address)
            define_refuse(source->entry, "it has the fixed address %s in network %s", address, name);
    }
}

static void refuse_variables(struct source *source)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(source->entry, "env"), name, value)
        if (!command_takes_variable(name, json_string_value(value)))
            define_refuse(source->entry,
                "its variable %.80s has several lines, and a name that the engine's own command acts on", name);
}

void define_unsupported(struct source *source)
{
    const json_t *mounts = json_object_get(source->description, "Mounts");
    const char *driver = json_get_text(json_object_get(source->host, "LogConfig"), "Type");
    refuse_flags(source);
    refuse_modes(source);
    refuse_network(source);
    refuse_collections(source);
    refuse_security(source);
    if (source->kind == RUNTIME_PODMAN)
        refuse_podman(source);
    for (size_t i = 0; i < json_array_size(mounts); i++)
        refuse_mount(source, json_array_get(mounts, i));
    refuse_ports(source);
    refuse_addresses(source);
    refuse_variables(source);
    if (driver && !json_object_get(source->entry, "log"))
        define_refuse(source->entry, "its log goes to %s", driver);
}
