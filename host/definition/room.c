/* host.room: what a host has free for a site that may come. From files, and the engines' versions where nobody has
 * asked for them yet; well below 200 ms. In a thread of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/vec.h"
#include "host/containers/runtime.h"
#include "host/facts.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/session.h"
#include "host/site/mark.h"
#include "host/storage/fstab.h"
#include "host/verbs.h"

#define FILE_CEILING (4u * 1024 * 1024)
#define TCP_LISTEN 0x0A /* net/tcp_states.h */
#define MOST_PORTS 65536

/* --- memory and disks -----------------------------------------------------------------------------------------------
 */

/* "MemTotal:  2030840 kB" (proc_meminfo(5)) */
static void put_memory(json_t *room)
{
    static const struct {
        const char *theirs, *ours;
    } figures[] = {{"MemTotal:", "memory_total_bytes"}, {"MemAvailable:", "memory_available_bytes"}};
    char path[HOST_PATH_SIZE], word[64];
    struct buf text = BUF(FILE_CEILING);
    uint64_t kib;
    buf_read_file(&text, host_path(path, sizeof path, "/proc/meminfo"), NULL);
    for (const char *line = buf_text(&text); line; line = proc_next_line(line)) {
        const char *at = line;
        if (!proc_take_word(&at, word, sizeof word) || !proc_take_u64(&at, &kib) || kib > INT64_MAX / 1024)
            continue;
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
            if (strcmp(figures[i].theirs, word) == 0)
                json_put_i64(room, figures[i].ours, (int64_t)kib * 1024);
    }
    buf_free(&text);
}

/* The nearest directory above that is there: an engine makes its store when it is first used. False where it fails. */
static bool space_at(const char *path, struct statvfs *space)
{
    char above[HOST_PATH_SIZE], full[HOST_PATH_SIZE];
    str_copy(above, sizeof above, path);
    for (;;) {
        if (statvfs(host_path(full, sizeof full, above), space) == 0)
            return true;
        char *slash = strrchr(above, '/');
        if (!slash || slash == above)
            return false;
        *slash = '\0';
    }
}

static void put_free(json_t *entry, const char *key, const char *path)
{
    struct statvfs space;
    if (space_at(path, &space))
        json_put_i64(entry, key, (int64_t)space.f_bavail * (int64_t)space.f_frsize);
}

/* The type of the file system a path is in: of the mounts above it the longest, and of equal ones the last. */
static void put_type(json_t *entry, const char *key, const char *path)
{
    char full[HOST_PATH_SIZE], mount[1024], word[256], type[256] = "";
    struct buf text = BUF(FILE_CEILING);
    size_t longest = 0;
    buf_read_file(&text, host_path(full, sizeof full, "/proc/self/mountinfo"), NULL);
    for (const char *line = buf_text(&text); line; line = proc_next_line(line)) {
        const char *at = line;
        if (!proc_skip(&at, 4) || !proc_take_word(&at, mount, sizeof mount) || !str_starts(path, mount))
            continue;
        size_t length = strlen(mount);
        bool is_above = length == 1 || path[length] == '/' || path[length] == '\0';
        while (proc_take_word(&at, word, sizeof word) && strcmp(word, "-") != 0)
            continue;
        if (is_above && length >= longest && proc_take_word(&at, word, sizeof word)) {
            longest = length;
            str_copy(type, sizeof type, word);
        }
    }
    json_put_text(entry, key, *type ? type : NULL);
    buf_free(&text);
}

/* --- engines --------------------------------------------------------------------------------------------------------
 */

static const json_t *find_runtime(const json_t *inventory, const char *name)
{
    const json_t *runtimes = json_object_get(inventory, "runtimes");
    for (size_t i = 0; i < json_array_size(runtimes); i++) {
        const char *its = json_get_text(json_array_get(runtimes, i), "name");
        if (its && strcmp(its, name) == 0)
            return json_array_get(runtimes, i);
    }
    return NULL;
}

/* An engine that was never used here is asked as well: it is what a site would be made with. */
static json_t *runtime_entry(enum runtime_kind kind, const json_t *inventory)
{
    static const char *const stores[] = {
        [RUNTIME_PODMAN] = "/var/lib/containers/storage", [RUNTIME_DOCKER] = "/var/lib/docker"};
    const json_t *known = find_runtime(inventory, runtime_name(kind));
    char version[RUNTIME_VERSION_SIZE];
    struct err_info info = {0};
    bool ok = false;
    json_t *entry = json_object();
    json_put_text(entry, "name", runtime_name(kind));
    if (known && json_get_bool(known, "ok", &ok)) {
        json_put_text(entry, "version", json_get_text(known, "version"));
        json_put_text(entry, "error", json_get_text(known, "error"));
    } else if ((ok = runtime_version(kind, version, &info) == ERR_OK)) {
        json_put_text(entry, "version", version);
    } else {
        json_put_text(entry, "error", info.message);
    }
    json_put_bool(entry, "ok", ok);
    put_free(entry, "store_free_bytes", stores[kind]);
    put_free(entry, "volumes_free_bytes", runtime_volume_store(kind));
    put_type(entry, "volumes_fs", runtime_volume_store(kind));
    return entry;
}

/* --- ports ----------------------------------------------------------------------------------------------------------
 */

struct ports {
    unsigned char taken[MOST_PORTS / 8];
};

static void take_port(struct ports *ports, int64_t port)
{
    if (port > 0 && port < MOST_PORTS)
        ports->taken[port / 8] = (unsigned char)(ports->taken[port / 8] | 1u << (port % 8));
}

/* "  0: 0100007F:1F90 00000000:0000 0A …" (proc_net_tcp(5)) */
static void take_listening(struct ports *ports, const char *path)
{
    char full[HOST_PATH_SIZE], local[64], state[8];
    struct buf text = BUF(FILE_CEILING);
    unsigned port, what;
    buf_read_file(&text, host_path(full, sizeof full, path), NULL);
    for (const char *line = buf_text(&text); line; line = proc_next_line(line)) {
        const char *at = line, *colon;
        if (!proc_skip(&at, 1) || !proc_take_word(&at, local, sizeof local) || !proc_skip(&at, 1) ||
            !proc_take_word(&at, state, sizeof state) || !(colon = strchr(local, ':')))
            continue;
        if (sscanf(colon + 1, "%4x", &port) == 1 && sscanf(state, "%2x", &what) == 1 && what == TCP_LISTEN)
            take_port(ports, port);
    }
    buf_free(&text);
}

static bool is_active(const json_t *container)
{
    struct mark mark;
    const char *site = json_get_text(container, "site");
    return !site || (mark_read(site, &mark, NULL) == ERR_OK && mark.what == MARK_NONE);
}

/* What is stopped now, but may start here any time. */
static void take_published(struct ports *ports, const json_t *inventory)
{
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i), *published = json_object_get(container, "ports");
        if (json_array_size(published) == 0 || !is_active(container))
            continue;
        for (size_t j = 0; j < json_array_size(published); j++) {
            const json_t *port = json_array_get(published, j);
            const char *protocol = json_get_text(port, "proto");
            int64_t number = 0;
            if (protocol && strcmp(protocol, "tcp") == 0 && json_get_i64(port, "host", &number))
                take_port(ports, number);
        }
    }
}

static json_t *list_ports(const struct ports *ports)
{
    json_t *list = json_array();
    for (int port = 0; port < MOST_PORTS; port++)
        if (ports->taken[port / 8] & 1u << (port % 8))
            json_array_append_new(list, json_integer(port));
    return list;
}

/* --- the site -------------------------------------------------------------------------------------------------------
 */

static json_t *names_of(const json_t *inventory, const char *kind, const char *site)
{
    json_t *names = json_array();
    const json_t *things = json_object_get(inventory, kind);
    for (size_t i = 0; i < json_array_size(things); i++) {
        const char *its = json_get_text(json_array_get(things, i), "site");
        if (its && strcmp(its, site) == 0)
            json_array_append(names, json_object_get(json_array_get(things, i), "name"));
    }
    return names;
}

static void put_site(json_t *room, const json_t *inventory, const char *site)
{
    struct mark mark;
    json_object_set_new(room, "containers", names_of(inventory, "containers", site));
    json_object_set_new(room, "volumes", names_of(inventory, "volumes", site));
    if (mark_read(site, &mark, NULL) != ERR_OK)
        json_put_text(room, "mark", "unreadable");
    else if (mark.what != MARK_NONE)
        json_put_text(room, "mark", mark_word(mark.what));
}

enum err verb_host_room(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    const char *site = json_get_text(args, "site");
    if (site && !name_is_valid(site))
        return err_set(info, ERR_INVALID, "args.site is no name of a site");
    struct ports *ports = xcalloc(1, sizeof *ports);
    char path[HOST_PATH_SIZE];
    json_t *inventory = inventory_current(), *runtimes = json_array();
    enum err result = inventory ? ERR_OK : inventory_refresh(&inventory, info);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT && result == ERR_OK; kind++)
        if (runtime_program(kind, path))
            json_array_append_new(runtimes, runtime_entry(kind, inventory));
    if (result == ERR_OK) {
        take_listening(ports, "/proc/net/tcp");
        take_listening(ports, "/proc/net/tcp6");
        take_published(ports, inventory);
        *ok = json_object();
        host_put_times(*ok);
        if (cores > 0)
            json_put_i64(*ok, "cores", cores);
        put_memory(*ok);
        json_object_set(*ok, "runtimes", runtimes);
        json_object_set_new(*ok, "listening", list_ports(ports));
        json_object_set_new(*ok, "mount_points", fstab_points());
        if (site)
            put_site(*ok, inventory, site);
    }
    json_decref(runtimes);
    json_decref(inventory);
    free(ports);
    return result;
}
