/* What podman and docker say of a container, made into one shape. Their `inspect` differs in a few members only, each
 * read from the first place that has it. Pure functions; any thread. */
#include "host/containers/inspect.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/containers/health.h"

#define MOST_LABELS 32
#define MOST_LABEL_KEY 128
#define MOST_LABEL_VALUE 512
#define MOST_LABELS_TOTAL 4096 /* bytes: fifty containers must fit into one line of the protocol */
#define MOST_PORTS 64
#define MOST_MOUNTS 32
#define MOST_PATH 1024
#define MOST_IMAGE 512

static const json_t *member(const json_t *object, const char *outer, const char *inner)
{
    return json_object_get(json_object_get(object, outer), inner);
}

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
    return json_get_text(json_object_get(object, outer), inner);
}

/* Text that is not too long, else NULL: what is cut would be another name. */
static const char *bounded(const char *text, size_t most)
{
    return text && *text && strnlen(text, most + 1) <= most ? text : NULL;
}

/* --- state ----------------------------------------------------------------------------------------------------------
 */

/* podman has more words than docker for the same. */
static const char *normal_state(const char *state)
{
    static const struct {
        const char *said, *meant;
    } words[] = {{"created", "created"}, {"configured", "created"}, {"initialized", "created"}, {"running", "running"},
        {"paused", "paused"}, {"stopped", "exited"}, {"exited", "exited"}, {"restarting", "restarting"},
        {"stopping", "stopping"}, {"removing", "removing"}, {"dead", "dead"}};
    for (size_t i = 0; state && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].said, state) == 0)
            return words[i].meant;
    return "unknown";
}

static void put_health(json_t *entry, enum runtime_kind kind, const json_t *description)
{
    char path[HOST_PATH_SIZE];
    const json_t *state = json_object_get(description, "State");
    const char *said = text_at(state, "Health", "Status");
    if (!said)
        said = text_at(state, "Healthcheck", "Status"); /* podman before 4 */
    const char *word = health_word(said);
    json_put_text(entry, "health", *word ? word : NULL);
    if (kind == RUNTIME_PODMAN && health_path(description, path))
        json_put_text(entry, "health_path", path);
}

static void put_time(json_t *entry, const char *key, const char *text)
{
    int64_t at_us;
    if (text && clock_parse_rfc3339(text, &at_us) && at_us > 0)
        json_put_i64(entry, key, at_us);
}

static void put_state(json_t *entry, enum runtime_kind kind, const json_t *description)
{
    const json_t *state = json_object_get(description, "State");
    const char *word = normal_state(json_get_text(state, "Status"));
    bool alive = strcmp(word, "running") == 0 || strcmp(word, "paused") == 0;
    bool oom_killed;
    int64_t number;
    json_put_text(entry, "state", word);
    if (alive)
        put_health(entry, kind, description);
    if (json_get_i64(state, "ExitCode", &number))
        json_put_i64(entry, "exit_code", number);
    if (json_get_bool(state, "OOMKilled", &oom_killed))
        json_put_bool(entry, "oom_killed", oom_killed);
    if (alive && json_get_i64(state, "Pid", &number) && number > 0)
        json_put_i64(entry, "pid", number);
    if (json_get_i64(description, "RestartCount", &number))
        json_put_i64(entry, "restarts", number);
    put_time(entry, "created_us", json_get_text(description, "Created"));
    put_time(entry, "started_us", json_get_text(state, "StartedAt"));
    put_time(entry, "finished_us", json_get_text(state, "FinishedAt"));
}

static void put_image(json_t *entry, const json_t *description)
{
    const char *image = json_get_text(description, "ImageName");
    const char *id = json_get_text(description, "Image");
    if (!image)
        image = text_at(description, "Config", "Image");
    if (id && str_starts(id, "sha256:"))
        id += strlen("sha256:");
    json_put_text(entry, "image", bounded(image, MOST_IMAGE));
    json_put_text(entry, "image_id", runtime_id_is_valid(id) ? id : NULL);
}

static void put_restart_policy(json_t *entry, const json_t *description)
{
    static const char *const words[] = {"no", "always", "on-failure", "unless-stopped"};
    const json_t *policy = member(description, "HostConfig", "RestartPolicy");
    const char *name = json_get_text(policy, "Name");
    if (name && *name == '\0')
        name = "no";
    for (size_t i = 0; name && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], name) == 0)
            json_put_text(entry, "restart_policy", words[i]);
}

static void put_log(json_t *entry, const json_t *description)
{
    const json_t *config = member(description, "HostConfig", "LogConfig");
    const char *path = json_get_text(description, "LogPath"); /* docker */
    if (!bounded(path, MOST_PATH))
        path = json_get_text(config, "Path");
    json_put_text(entry, "log_driver", bounded(json_get_text(config, "Type"), 32));
    path = bounded(path, MOST_PATH);
    json_put_text(entry, "log_path", path && path[0] == '/' ? path : NULL);
}

/* --- labels ---------------------------------------------------------------------------------------------------------
 */

/* The labels we go by first, whatever else the image brings. */
static const char *const site_labels[] = {"dogwatch.site", "com.docker.compose.project", "io.podman.compose.project"};
static const char *const role_labels[] = {
    "dogwatch.container", "com.docker.compose.service", "io.podman.compose.service"};

bool inspect_site(const json_t *labels, const char *container_name, char out[NAME_SIZE])
{
    for (size_t i = 0; i < sizeof site_labels / sizeof *site_labels; i++)
        if (json_copy_text(labels, site_labels[i], out, NAME_SIZE) && name_is_valid(out))
            return true;
    if (container_name && str_copy(out, NAME_SIZE, container_name)) {
        for (char *c = out; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        if (name_is_valid(out))
            return true;
    }
    out[0] = '\0';
    return false;
}

static void put_role(json_t *entry, const json_t *labels)
{
    char role[NAME_SIZE];
    for (size_t i = 0; i < sizeof role_labels / sizeof *role_labels; i++) {
        if (json_copy_text(labels, role_labels[i], role, sizeof role) && name_is_valid(role)) {
            json_put_text(entry, "role", role);
            return;
        }
    }
}

static void put_label(json_t *labels, const char *key, const char *value, size_t *bytes)
{
    char shown[MOST_LABEL_VALUE + 1];
    size_t key_length = strnlen(key, MOST_LABEL_KEY + 1);
    if (!value || key_length > MOST_LABEL_KEY || json_object_size(labels) >= MOST_LABELS ||
        json_object_get(labels, key))
        return;
    str_copy(shown, sizeof shown, value);
    *bytes += key_length + strlen(shown);
    if (*bytes <= MOST_LABELS_TOTAL)
        json_put_text(labels, key, shown);
}

static void put_labels(json_t *entry, const json_t *all)
{
    json_t *labels = json_object();
    size_t bytes = 0;
    const char *key;
    json_t *value;
    for (size_t i = 0; i < sizeof site_labels / sizeof *site_labels; i++) {
        put_label(labels, site_labels[i], json_get_text(all, site_labels[i]), &bytes);
        put_label(labels, role_labels[i], json_get_text(all, role_labels[i]), &bytes);
    }
    json_object_foreach ((json_t *)all, key, value)
        put_label(labels, key, json_string_value(value), &bytes);
    json_object_set_new(entry, "labels", labels);
}

/* --- ports ----------------------------------------------------------------------------------------------------------
 */

/* "80/tcp" */
static bool parse_container_port(const char *text, int64_t *port, const char **protocol)
{
    static const char *const protocols[] = {"tcp", "udp", "sctp"};
    char digits[8];
    size_t length = strcspn(text, "/");
    if (length == 0 || length >= sizeof digits || text[length] != '/')
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(text + length + 1, protocols[i]) == 0) {
            *protocol = protocols[i];
            return str_to_i64(digits, 1, 65535, port);
        }
    }
    return false;
}

static void put_port(json_t *ports, const json_t *binding, int64_t container_port, const char *protocol)
{
    int64_t host_port;
    const char *ip = json_get_text(binding, "HostIp");
    if (json_array_size(ports) >= MOST_PORTS || !str_to_i64(json_get_text(binding, "HostPort"), 1, 65535, &host_port))
        return;
    json_t *port = json_object();
    json_put_text(port, "ip", bounded(ip, 45) ? ip : "0.0.0.0");
    json_put_i64(port, "host", host_port);
    json_put_i64(port, "container", container_port);
    json_put_text(port, "proto", protocol);
    json_array_append_new(ports, port);
}

static void put_ports(json_t *entry, const json_t *description)
{
    json_t *ports = json_array(), *bindings;
    const char *key, *protocol;
    int64_t container_port;
    const json_t *published = member(description, "NetworkSettings", "Ports");
    if (json_object_size(published) == 0) /* docker, when it is stopped */
        published = member(description, "HostConfig", "PortBindings");
    json_object_foreach ((json_t *)published, key, bindings) {
        if (!parse_container_port(key, &container_port, &protocol))
            continue;
        for (size_t i = 0; i < json_array_size(bindings); i++)
            put_port(ports, json_array_get(bindings, i), container_port, protocol);
    }
    json_object_set_new(entry, "ports", ports);
}

/* --- mounts and volumes ---------------------------------------------------------------------------------------------
 */

static void put_mount(json_t *mounts, const json_t *description)
{
    bool writable = false;
    const char *kind = json_get_text(description, "Type"), *name = json_get_text(description, "Name");
    const char *source = bounded(json_get_text(description, "Source"), MOST_PATH);
    const char *destination = bounded(json_get_text(description, "Destination"), MOST_PATH);
    bool is_volume = kind && strcmp(kind, "volume") == 0;
    if (!kind || !source || !destination || (!is_volume && strcmp(kind, "bind") != 0))
        return;
    if (is_volume && !name_is_valid_container(name))
        return;
    json_get_bool(description, "RW", &writable);
    json_t *mount = json_object();
    json_put_text(mount, "kind", kind);
    json_put_text(mount, "name", is_volume ? name : NULL);
    json_put_text(mount, "source", source);
    json_put_text(mount, "destination", destination);
    json_put_bool(mount, "rw", writable);
    json_array_append_new(mounts, mount);
}

static void put_mounts(json_t *entry, const json_t *description)
{
    json_t *mounts = json_array();
    const json_t *all = json_object_get(description, "Mounts");
    for (size_t i = 0; i < json_array_size(all) && json_array_size(mounts) < MOST_MOUNTS; i++)
        put_mount(mounts, json_array_get(all, i));
    json_object_set_new(entry, "mounts", mounts);
}

bool inspect_bind_is_data(const char *source)
{
    static const char *const system_paths[] = {"/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/usr", "/bin",
        "/sbin", "/lib", "/lib64", "/boot", "/var/lib/docker", "/var/lib/containers", "/var/log/journal"};
    if (!source || source[0] != '/' || strcmp(source, "/") == 0 || str_ends(source, ".sock"))
        return false;
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++) {
        size_t length = strlen(system_paths[i]);
        if (strncmp(source, system_paths[i], length) == 0 && (source[length] == '/' || source[length] == '\0'))
            return false;
    }
    return true;
}

json_t *inspect_volume(enum runtime_kind kind, const json_t *description)
{
    const char *name = json_get_text(description, "Name"), *path = json_get_text(description, "Mountpoint");
    char site[NAME_SIZE];
    path = bounded(path, MOST_PATH);
    if (!name_is_valid_container(name) || !path || path[0] != '/')
        return NULL;
    json_t *entry = json_object();
    json_put_text(entry, "name", name);
    json_put_text(entry, "kind", "volume");
    json_put_text(entry, "runtime", runtime_name(kind));
    json_put_text(entry, "driver", bounded(json_get_text(description, "Driver"), 64));
    json_put_text(entry, "path", path);
    if (inspect_site(json_object_get(description, "Labels"), NULL, site))
        json_put_text(entry, "site", site);
    return entry;
}

json_t *inspect_container(enum runtime_kind kind, const json_t *description)
{
    const char *id = json_get_text(description, "Id"), *name = json_get_text(description, "Name");
    const json_t *labels = member(description, "Config", "Labels");
    char site[NAME_SIZE];
    if (name && name[0] == '/') /* docker */
        name++;
    if (!runtime_id_is_valid(id) || !name_is_valid_container(name))
        return NULL;
    json_t *entry = json_object();
    json_put_text(entry, "id", id);
    json_put_text(entry, "name", name);
    json_put_text(entry, "runtime", runtime_name(kind));
    put_state(entry, kind, description);
    put_image(entry, description);
    put_restart_policy(entry, description);
    if (inspect_site(labels, name, site))
        json_put_text(entry, "site", site);
    put_role(entry, labels);
    put_labels(entry, labels);
    put_ports(entry, description);
    put_mounts(entry, description);
    put_log(entry, description);
    return entry;
}
