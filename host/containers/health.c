/* podman (libpod/healthcheck.go, 4.3 to 5.x) rewrites a file at each check and at each start of a container:
 * {"Status":"healthy","FailingStreak":0,"Log":[…]}. It stands beside the container's run directory,
 * RUN/ID/healthcheck.log with RUN/ID/userdata as run directory, or since 5.3 in a directory of the creator's choice.
 * Only the beginning is read: the log behind it is what the container said, of any length. Pure functions but for the
 * file; any thread. */
#include "host/containers/health.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/containers/runtime.h"

#define BEGINNING_BYTES 128

const char *health_word(const char *said)
{
    static const char *const words[] = {"healthy", "unhealthy", "starting"};
    for (size_t i = 0; said && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], said) == 0)
            return words[i];
    return "";
}

/* --- where it is ----------------------------------------------------------------------------------------------------
 */

static bool has_check(const json_t *config)
{
    const json_t *test = json_object_get(json_object_get(config, "Healthcheck"), "Test");
    const char *how = json_string_value(json_array_get(test, 0));
    return how && *how && strcmp(how, "NONE") != 0;
}

/* Since 5.3: "local" and "events_logger" mean the usual place, anything else is a directory. */
static const char *chosen_directory(const json_t *config)
{
    const char *chosen = json_get_text(config, "HealthLogDestination");
    return chosen && chosen[0] == '/' ? chosen : NULL;
}

/* One of the files in the run directory. That of the network may be another container's: it must bear the ID. */
static bool usual_path(const json_t *description, const char *id, char out[HOST_PATH_SIZE])
{
    static const char *const keys[] = {"HostnamePath", "PidFile", "ConmonPidFile", "ResolvConfPath"};
    char inner[RUNTIME_ID_SIZE + 16];
    str_format(inner, sizeof inner, "/%s/userdata/", id);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *path = json_get_text(description, keys[i]);
        const char *at = path && path[0] == '/' ? strstr(path, inner) : NULL;
        if (at)
            return str_format(out, HOST_PATH_SIZE, "%.*s/%s/healthcheck.log", (int)(at - path), path, id);
    }
    return false;
}

bool health_path(const json_t *description, char out[HOST_PATH_SIZE])
{
    const json_t *config = json_object_get(description, "Config");
    const char *id = json_get_text(description, "Id"), *chosen = chosen_directory(config);
    out[0] = '\0';
    if (!has_check(config) || !runtime_id_is_valid(id))
        return false;
    bool found = chosen ? str_format(out, HOST_PATH_SIZE, "%s/%s-healthcheck.log", chosen, id)
                        : usual_path(description, id, out);
    if (!found)
        out[0] = '\0';
    return found;
}

/* --- what it says ---------------------------------------------------------------------------------------------------
 */

/* What follows `expected`, white space before it left out; NULL where something else stands there. */
static const char *behind(const char *text, const char *expected)
{
    text += strspn(text, " \t\r\n");
    return str_starts(text, expected) ? text + strlen(expected) : NULL;
}

static enum health_reading parse(const char *text, const char **word)
{
    static const char *const tokens[] = {"{", "\"Status\"", ":", "\""};
    char said[16] = "";
    for (size_t i = 0; text && i < sizeof tokens / sizeof *tokens; i++)
        text = behind(text, tokens[i]);
    size_t length = text ? strcspn(text, "\"\\") : 0;
    if (!text || text[length] != '"')
        return HEALTH_UNREADABLE;
    if (length < sizeof said)
        memcpy(said, text, length);
    *word = health_word(said);
    return HEALTH_READ;
}

enum health_reading health_read(const char *path, const char **word)
{
    char full[HOST_PATH_SIZE], text[BEGINNING_BYTES + 1];
    struct stat facts;
    *word = "";
    int fd = open(host_path(full, sizeof full, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? HEALTH_ABSENT : HEALTH_UNREADABLE;
    bool is_file = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    ssize_t got = is_file ? read(fd, text, BEGINNING_BYTES) : -1;
    close(fd);
    if (got <= 0)
        return got == 0 ? HEALTH_ABSENT : HEALTH_UNREADABLE;
    text[got] = '\0';
    return parse(text, word);
}
