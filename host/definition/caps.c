/* Capabilities as bits of the table below (capabilities(7)). The defaults are those compiled into podman 3 and 4
 * (containers/common, default_capabilities) and docker (moby, oci/caps/defaults.go). Const; any thread. */
#include "host/definition/caps.h"

#include <string.h>

#include "base/mem.h"

enum given { PODMAN = 1, DOCKER = 2, ALLOWED = 4, BOTH = PODMAN | DOCKER | ALLOWED };

static const struct {
    const char *name;
    enum given given;
} caps[] = {
    {"AUDIT_CONTROL", 0},
    {"AUDIT_READ", 0},
    {"AUDIT_WRITE", DOCKER | ALLOWED},
    {"BLOCK_SUSPEND", 0},
    {"BPF", 0},
    {"CHECKPOINT_RESTORE", 0},
    {"CHOWN", BOTH},
    {"DAC_OVERRIDE", BOTH},
    {"DAC_READ_SEARCH", 0},
    {"FOWNER", BOTH},
    {"FSETID", BOTH},
    {"IPC_LOCK", ALLOWED},
    {"IPC_OWNER", ALLOWED},
    {"KILL", BOTH},
    {"LEASE", ALLOWED},
    {"LINUX_IMMUTABLE", 0},
    {"MAC_ADMIN", 0},
    {"MAC_OVERRIDE", 0},
    {"MKNOD", DOCKER | ALLOWED},
    {"NET_ADMIN", ALLOWED},
    {"NET_BIND_SERVICE", BOTH},
    {"NET_BROADCAST", ALLOWED},
    {"NET_RAW", DOCKER | ALLOWED},
    {"PERFMON", 0},
    {"SETFCAP", BOTH},
    {"SETGID", BOTH},
    {"SETPCAP", BOTH},
    {"SETUID", BOTH},
    {"SYSLOG", 0},
    {"SYS_ADMIN", 0},
    {"SYS_BOOT", 0},
    {"SYS_CHROOT", BOTH},
    {"SYS_MODULE", 0},
    {"SYS_NICE", ALLOWED},
    {"SYS_PACCT", 0},
    {"SYS_PTRACE", ALLOWED},
    {"SYS_RAWIO", 0},
    {"SYS_RESOURCE", 0},
    {"SYS_TIME", 0},
    {"SYS_TTY_CONFIG", 0},
    {"WAKE_ALARM", 0},
};

#define COUNT (sizeof caps / sizeof *caps)
_Static_assert(COUNT < 64, "a set is a word of 64 bits");

static caps_set with(enum given given)
{
    caps_set set = 0;
    for (size_t i = 0; i < COUNT; i++)
        if (caps[i].given & given)
            set |= UINT64_C(1) << i;
    return set;
}

caps_set caps_default(enum runtime_kind kind)
{
    return with(kind == RUNTIME_DOCKER ? DOCKER : PODMAN);
}

caps_set caps_allowed(void)
{
    return with(ALLOWED);
}

caps_set caps_by_name(const char *name)
{
    if (!name)
        return 0;
    if (strcmp(name, "ALL") == 0)
        return (UINT64_C(1) << COUNT) - 1;
    if (str_starts(name, "CAP_"))
        name += strlen("CAP_");
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(caps[i].name, name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

caps_set caps_of_array(const json_t *names)
{
    caps_set set = 0;
    for (size_t i = 0; i < json_array_size(names); i++)
        set |= caps_by_name(json_string_value(json_array_get(names, i)));
    return set;
}

json_t *caps_to_array(caps_set set)
{
    json_t *names = json_array();
    for (size_t i = 0; i < COUNT; i++)
        if (caps_has(set, i))
            json_array_append_new(names, json_string(caps[i].name));
    return names;
}

size_t caps_count(void)
{
    return COUNT;
}

const char *caps_name(size_t index)
{
    return caps[index].name;
}

bool caps_has(caps_set set, size_t index)
{
    return set >> index & 1;
}
