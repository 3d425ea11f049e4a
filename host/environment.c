/* Names that programs act upon. A value that may not be seen in a command line travels to a container engine's client
 * in that client's own environment; a site's variable must then never be one that the client, its language's runtime,
 * the C library or a shell that starts it would obey. Pure; any thread. */
#include "host/environment.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const char *const own[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"};
#define OWN_COUNT (sizeof own / sizeof *own)

/* podman(1), containers.conf(5), containers-storage.conf(5), docker(1) "ENVIRONMENT"; pkg.go.dev/runtime, net/http, os,
 * crypto/x509, time; ld.so(8), environ(7), resolver(5), gpg(1), sd_notify(3), bash(1). */
static const char *const obeyed[] = {"PATH", "HOME", "LANG", "LANGUAGE", "TERM", "COLUMNS", "LINES", "USER", "LOGNAME",
    "SHELL", "PWD", "TMPDIR", "TZ", "TZDIR", "ZONEINFO", "HOSTNAME", "container", "NO_COLOR", "GODEBUG", "GOGC",
    "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE", "GOROOT", "GOCOVERDIR", "STORAGE_DRIVER", "STORAGE_OPTS",
    "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "SSH_AUTH_SOCK", "SSH_CONNECTION",
    "GNUPGHOME", "GPG_AGENT_INFO", "GPG_TTY", "NOTIFY_SOCKET", "MAINPID", "GCONV_PATH", "LOCPATH", "NLSPATH",
    "GETCONF_DIR", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "SQLITE_TMPDIR", "ENV", "IFS", "PS4", "CDPATH",
    "SHELLOPTS", "REQUEST_METHOD", "INVOCATION_ID", "JOURNAL_STREAM", "DISABLE_HC_SYSTEMD"};

static const char *const obeyed_beginnings[] = {"LD_", "LC_", "GLIBC_", "MALLOC_", "BASH", "XDG_", "DBUS_", "LISTEN_",
    "SYSTEMD_", "CONTAINER_", "CONTAINERS_", "_CONTAINERS_", "PODMAN_", "_PODMAN_", "BUILDAH_", "BUILDKIT_", "BUILDX_",
    "CONMON_", "_OCI_", "SNAP", "WATCHDOG_", "CNI_", "NETAVARK_", "DOCKER_", "MOBY_", "OTEL_"};

bool environment_is_inert(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || strchr(name, '=') || name[length - 1] == '*')
        return false;
    for (size_t i = 0; i < sizeof obeyed / sizeof *obeyed; i++)
        if (strcmp(name, obeyed[i]) == 0)
            return false;
    for (size_t i = 0; i < sizeof obeyed_beginnings / sizeof *obeyed_beginnings; i++)
        if (str_starts(name, obeyed_beginnings[i]))
            return false;
    return length < strlen("_PROXY") || strcasecmp(name + length - strlen("_PROXY"), "_PROXY") != 0;
}

static enum err check(const char *entry, struct err_info *info)
{
    size_t length = strcspn(entry, "=");
    char *name = xstrndup(entry, length);
    enum err result = entry[length] == '=' && environment_is_inert(name)
                          ? ERR_OK
                          : err_set(info, ERR_DENIED, "no program is started with the variable %.200s", name);
    free(name);
    return result;
}

enum err environment_make(const char *const more[], const char ***environment, struct err_info *info)
{
    size_t count = 0;
    *environment = NULL;
    for (; more && more[count]; count++) {
        enum err result = check(more[count], info);
        if (result != ERR_OK)
            return result;
    }
    *environment = xcalloc(OWN_COUNT + count + 1, sizeof **environment);
    memcpy(*environment, own, sizeof own);
    for (size_t i = 0; i < count; i++)
        (*environment)[OWN_COUNT + i] = more[i];
    return ERR_OK;
}
