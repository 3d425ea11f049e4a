/* site.describe: what a site on this host is made of, for whoever plans to move it. Nothing is changed. In a thread of
 * its own; the slow parts (changed files, sizes) have deadlines, and are left out when these pass. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/definition/define.h"
#include "host/definition/gather.h"
#include "host/definition/volume_kind.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/session.h"
#include "host/site/mark.h"
#include "host/site/site.h"
#include "host/verbs.h"
#include "host/volumes/walk.h"

#define DIFF_LIMIT_US (5 * USEC_PER_SEC)
#define DIFF_CEILING (16u * 1024 * 1024)
#define WALK_LIMIT_US (4 * USEC_PER_SEC) /* all volumes together */
#define FRESH_US (900 * USEC_PER_SEC)

/* --- the first process ----------------------------------------------------------------------------------------------
 */

static int signal_number(const char *name)
{
    int64_t number;
    if (!name)
        return SIGTERM;
    if (str_to_i64(name, 1, 64, &number))
        return (int)number;
    for (int i = 1; i < 32; i++) {
        const char *known = sigabbrev_np(i);
        if (known && str_starts(name, "SIG") && strcmp(name + 3, known) == 0)
            return i;
    }
    return SIGTERM;
}

/* "SigCgt:\t0000000000004a02": the signals it has a handler for (proc_pid_status(5)). A first process without a handler
 * is not reached by a signal from its own namespace's outside either, but by SIGKILL (pid_namespaces(7)). */
static bool has_handler(int64_t pid, int signal_of_end, bool *handles)
{
    char path[HOST_PATH_SIZE], word[64];
    struct buf text = BUF(65536);
    bool known = false;
    host_path_format(path, sizeof path, "/proc/%lld/status", (long long)pid);
    buf_read_file(&text, path, NULL);
    for (const char *line = buf_text(&text); line && !known; line = proc_next_line(line)) {
        const char *at = line;
        char *end;
        if (!proc_take_word(&at, word, sizeof word) || strcmp(word, "SigCgt:") != 0 ||
            !proc_take_word(&at, word, sizeof word))
            continue;
        uint64_t mask = strtoull(word, &end, 16);
        known = *end == '\0';
        *handles = mask >> (signal_of_end - 1) & 1;
    }
    buf_free(&text);
    return known;
}

static void put_handles_term(json_t *answer, const json_t *entry, const json_t *definition, const json_t *image)
{
    bool init = false, handles = false;
    int64_t pid = 0;
    const char *name = json_get_text(definition, "stop_signal");
    if (!name)
        name = json_get_text(json_object_get(image, "Config"), "StopSignal");
    json_get_bool(definition, "init", &init);
    if (init)
        json_put_bool(answer, "handles_term", true);
    else if (json_get_i64(entry, "pid", &pid) && pid > 0 && has_handler(pid, signal_number(name), &handles))
        json_put_bool(answer, "handles_term", handles);
}

/* --- changed files --------------------------------------------------------------------------------------------------
 */

/* Whether `path` is `inner`, above it, or (both ways) below it. */
static bool is_within(const char *path, const char *inner)
{
    size_t length = strlen(path);
    return strncmp(path, inner, length) == 0 && (inner[length] == '/' || inner[length] == '\0');
}

/* What engines write into every container, and what is mounted over it: no file of the site's. Directories above such a
 * place count as changed as well. */
static bool is_mounted(const char *path, const json_t *definition)
{
    static const char *const engine_files[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/dev",
        "/proc", "/sys", "/run/.containerenv", "/run/secrets", "/.dockerenv", "/var/tmp", "/tmp"};
    static const char *const kinds[] = {"mounts", "tmpfs"};
    for (size_t i = 0; i < sizeof engine_files / sizeof *engine_files; i++) {
        bool may_be_below = i < 10; /* what lies in /tmp is the site's */
        if (is_within(path, engine_files[i]) || (may_be_below && is_within(engine_files[i], path)))
            return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json_t *all = json_object_get(definition, kinds[i]);
        for (size_t j = 0; j < json_array_size(all); j++) {
            const char *destination = json_get_text(json_array_get(all, j), "destination");
            if (destination && (is_within(path, destination) || is_within(destination, path)))
                return true;
        }
    }
    return false;
}

/* "C /etc", "A /etc/motd", "D /old": a directory is named before what changed in it, and is no file. */
static int64_t count_changes(char *text, const json_t *definition)
{
    int64_t changes = 0;
    char *rest = text, *line = strsep(&rest, "\n");
    while (line) {
        char *next = rest ? strsep(&rest, "\n") : NULL;
        bool is_line = strlen(line) > 3 && strchr("ACD", line[0]) && line[1] == ' ' && line[2] == '/';
        bool is_directory = is_line && next && strlen(next) > 3 && next[1] == ' ' && is_within(line + 2, next + 2);
        if (is_line && !is_directory && !is_mounted(line + 2, definition))
            changes++;
        line = next;
    }
    return changes;
}

static void put_layer_changes(json_t *answer, enum runtime_kind kind, const char *id, const json_t *definition)
{
    const char *const words[] = {"diff", "--", id, NULL};
    struct buf said = BUF(DIFF_CEILING);
    if (runtime_command(kind, words, DIFF_LIMIT_US, &said, NULL) == ERR_OK) {
        char *text = buf_take(&said);
        json_put_i64(answer, "layer_changes", text ? count_changes(text, definition) : 0);
        free(text);
    }
    buf_free(&said);
}

/* --- containers -----------------------------------------------------------------------------------------------------
 */

static void copy_members(json_t *answer, const json_t *from, const char *const *members)
{
    for (; *members; members++) {
        json_t *value = json_object_get(from, *members);
        if (value)
            json_object_set(answer, *members, value);
    }
}

/* What only the engine it is on can do: the site can move, but not to another engine. */
static void put_bound(json_t *answer, const json_t *definition)
{
    json_t *reasons = json_array();
    const json_t *mounts = json_object_get(definition, "mounts");
    bool noexec = false;
    if (json_object_get(definition, "ambient_caps"))
        json_array_append_new(reasons, json_string("its user has capabilities, which docker gives to root alone"));
    if (json_object_get(definition, "domainname"))
        json_array_append_new(reasons, json_string("it has a domain, which podman does not give"));
    for (size_t i = 0; i < json_array_size(mounts) && !noexec; i++)
        if (json_get_bool(json_array_get(mounts, i), "noexec", &noexec) && noexec)
            json_array_append_new(reasons, json_string("no program runs from its volume, which docker cannot forbid"));
    json_object_set_new(answer, "bound_to_runtime", reasons);
}

static json_t *describe_container(const json_t *entry, const char *site)
{
    static const char *const of_entry[] = {
        "name", "id", "runtime", "role", "state", "image", "image_id", "ports", NULL};
    static const char *const of_definition[] = {"layers", "unsupported", NULL};
    enum runtime_kind kind = runtime_by_name(json_get_text(entry, "runtime"));
    const char *id = json_get_text(entry, "id");
    int64_t number = 0;
    bool init = false;
    json_t *image = NULL, *answer = json_object();
    json_t *definition = gather_container(kind, id, site, json_get_text(entry, "role"), &image);
    copy_members(answer, entry, of_entry);
    if (definition) {
        const char *policy = json_get_text(json_object_get(definition, "restart"), "policy");
        json_put_text(answer, "restart_policy", policy ? policy : "no");
        copy_members(answer, definition, of_definition);
        if (json_get_i64(definition, "memory_bytes", &number))
            json_put_i64(answer, "memory_limit_bytes", number);
        if (json_get_i64(definition, "cpu_nanos", &number))
            json_put_number(answer, "cpus", (double)number / 1e9);
        json_get_bool(definition, "init", &init);
        json_put_bool(answer, "init", init);
        put_handles_term(answer, entry, definition, image);
        put_bound(answer, definition);
        put_layer_changes(answer, kind, id, definition);
    }
    if (json_get_i64(image, "Size", &number))
        json_put_i64(answer, "image_bytes", number);
    json_decref(definition);
    json_decref(image);
    return answer;
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_get_text(object, key);
    return value && text && strcmp(value, text) == 0;
}

static bool is_mount_of(const json_t *mount, const json_t *volume)
{
    if (is_text(volume, "kind", "bind"))
        return is_text(mount, "source", json_get_text(volume, "path"));
    return is_text(mount, "name", json_get_text(volume, "name"));
}

/* Names of the containers that use it, of whatever site; writable where one of them may write. */
static void put_users(json_t *answer, const json_t *volume, const json_t *containers)
{
    json_t *users = json_array();
    bool writable = false;
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i), *mounts = json_object_get(container, "mounts");
        bool same_engine =
            is_text(volume, "kind", "bind") || is_text(container, "runtime", json_get_text(volume, "runtime"));
        bool uses = false;
        for (size_t j = 0; j < json_array_size(mounts) && same_engine; j++) {
            bool its_own = false;
            if (!is_mount_of(json_array_get(mounts, j), volume))
                continue;
            uses = true;
            writable = writable || (json_get_bool(json_array_get(mounts, j), "rw", &its_own) && its_own);
        }
        if (uses)
            json_array_append(users, json_object_get(container, "name"));
    }
    json_object_set_new(answer, "used_by", users);
    json_put_bool(answer, "writable", writable);
}

/* As measured in the background, where that is not long ago. */
static bool put_measured(json_t *answer, const json_t *volume, const json_t *sample)
{
    const json_t *all = json_object_get(sample, "volumes");
    int64_t measured_us = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *known = json_array_get(all, i);
        if (is_text(known, "name", json_get_text(volume, "name")) &&
            is_text(known, "runtime", json_get_text(volume, "runtime")) &&
            json_get_i64(known, "measured_us", &measured_us) && clock_wall_us() - measured_us < FRESH_US) {
            copy_members(answer, known, (const char *const[]){"used_bytes", "files", NULL});
            return true;
        }
    }
    return false;
}

struct deadline {
    struct session *session;
    int64_t at_us;
};

static bool go_on_until(int64_t busy_us, void *context)
{
    (void)busy_us;
    const struct deadline *deadline = context;
    return clock_mono_us() < deadline->at_us && !session_is_ending(deadline->session);
}

static void put_size(json_t *answer, const json_t *volume, const json_t *sample, struct deadline *deadline)
{
    char path[HOST_PATH_SIZE];
    struct walk_result walked;
    if (put_measured(answer, volume, sample))
        return;
    host_path(path, sizeof path, json_get_text(volume, "path"));
    if (walk_measure(path, go_on_until, deadline, &walked, NULL) == ERR_OK) {
        json_put_i64(answer, "used_bytes", walked.used_bytes);
        json_put_i64(answer, "files", walked.files);
    }
}

static json_t *describe_volumes(struct session *session, const json_t *inventory, const char *site)
{
    static const char *const of_entry[] = {"name", "kind", "runtime", "path", NULL};
    const json_t *all = json_object_get(inventory, "volumes"), *containers = json_object_get(inventory, "containers");
    struct deadline deadline = {session, clock_mono_us() + WALK_LIMIT_US};
    json_t *volumes = json_array(), *sample = json_object();
    volumes_sample(sample);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *volume = json_array_get(all, i);
        if (!is_text(volume, "site", site) || !json_get_text(volume, "path"))
            continue;
        json_t *answer = json_object();
        copy_members(answer, volume, of_entry);
        json_put_text(answer, "driver",
            volume_driver(json_get_text(volume, "path"), is_text(volume, "kind", "volume"), containers));
        put_users(answer, volume, containers);
        put_size(answer, volume, sample, &deadline);
        json_array_append_new(volumes, answer);
    }
    json_decref(sample);
    return volumes;
}

enum err verb_site_describe(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)request_id;
    const char *site = json_get_text(args, "site");
    json_t *inventory;
    enum err result = gather_inventory(&inventory, info);
    if (result != ERR_OK)
        return result;
    json_t *selected = site_select(inventory, site), *containers = json_array();
    for (size_t i = 0; i < json_array_size(selected); i++)
        json_array_append_new(containers, describe_container(json_array_get(selected, i), site));
    if (json_array_size(containers) == 0) {
        result = err_set(info, ERR_NOT_FOUND, "no container of %s is on this host", site);
    } else {
        *ok = json_object();
        json_object_set(*ok, "containers", containers);
        json_object_set_new(*ok, "volumes", describe_volumes(session, inventory, site));
        json_object_set_new(*ok, "marks", mark_list_of(site));
    }
    json_decref(containers);
    json_decref(selected);
    json_decref(inventory);
    return result;
}
