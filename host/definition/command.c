/* The command line of `create`. What both engines take alike are rows of a table; the rest are small functions, one for
 * each part. Pure; any thread. */
#include "host/definition/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/definition/caps.h"
#include "host/environment.h"

#define FILE_LINE_MOST 60000 /* bytes: the engines read lines of at most 64 KiB */

static void add(struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct command *command, const char *format, ...)
{
    struct buf word = BUF(COMMAND_ENV_CEILING);
    va_list args;
    va_start(args, format);
    buf_vprintf(&word, format, args);
    va_end(args);
    vec_push(&command->words, buf_take(&word));
}

static bool is_set(const json_t *object, const char *key)
{
    bool set = false;
    return json_get_bool(object, key, &set) && set;
}

/* --- what both take alike -------------------------------------------------------------------------------------------
 */

static void add_simple(struct command *command, const json_t *container)
{
    static const struct {
        const char *key, *option;
        bool bytes; /* an engine that is given no unit takes its own */
    } simple[] = {{"user", "user", false}, {"workdir", "workdir", false}, {"hostname", "hostname", false},
        {"stop_signal", "stop-signal", false}, {"stop_timeout_s", "stop-timeout", false},
        {"memory_bytes", "memory", true}, {"memory_swap_bytes", "memory-swap", true},
        {"memory_reservation_bytes", "memory-reservation", true}, {"cpu_shares", "cpu-shares", false},
        {"cpuset", "cpuset-cpus", false}, {"shm_bytes", "shm-size", true}, {"oom_score_adj", "oom-score-adj", false},
        {"read_only", "read-only", false}, {"init", "init", false}, {"tty", "tty", false},
        {"stdin", "interactive", false}, {"dns", "dns", false}, {"dns_search", "dns-search", false},
        {"dns_options", "dns-option", false}, {"groups", "group-add", false}, {"extra_hosts", "add-host", false}};
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        const json_t *value = json_object_get(container, simple[i].key);
        long long number = json_integer_value(value);
        if (json_is_string(value))
            add(command, "--%s=%s", simple[i].option, json_string_value(value));
        else if (json_is_integer(value))
            add(command, "--%s=%lld%s", simple[i].option, number, simple[i].bytes && number > 0 ? "b" : "");
        else if (json_is_true(value))
            add(command, "--%s", simple[i].option);
        for (size_t j = 0; j < json_array_size(value); j++)
            add(command, "--%s=%s", simple[i].option, json_string_value(json_array_get(value, j)));
    }
}

static void add_objects(struct command *command, const json_t *container, const char *job)
{
    static const struct {
        const char *key, *option;
    } objects[] = {{"labels", "label"}, {"sysctls", "sysctl"}};
    const char *name;
    json_t *value;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        json_object_foreach (json_object_get(container, objects[i].key), name, value)
            add(command, "--%s=%s=%s", objects[i].option, name, json_string_value(value));
    add(command, "--label=dogwatch.job=%s", job);
}

static void add_ulimits(struct command *command, const json_t *container)
{
    const json_t *ulimits = json_object_get(container, "ulimits");
    for (size_t i = 0; i < json_array_size(ulimits); i++) {
        int64_t soft = 0, hard = 0;
        const json_t *ulimit = json_array_get(ulimits, i);
        json_get_i64(ulimit, "soft", &soft);
        json_get_i64(ulimit, "hard", &hard);
        add(command, "--ulimit=%s=%lld:%lld", json_get_text(ulimit, "name"), (long long)soft, (long long)hard);
    }
}

/* A billionth is what the engines count in; "0.500000000" is read exactly. */
static void add_cpus(struct command *command, const json_t *container)
{
    int64_t nanos;
    if (json_get_i64(container, "cpu_nanos", &nanos))
        add(command, "--cpus=%lld.%09lld", (long long)(nanos / 1000000000), (long long)(nanos % 1000000000));
}

/* podman's default is a limit, docker's is none. */
static void add_pids_limit(struct command *command, const json_t *container, enum runtime_kind kind)
{
    int64_t limit;
    if (json_get_i64(container, "pids_limit", &limit))
        add(command, "--pids-limit=%lld", (long long)limit);
    else if (kind == RUNTIME_PODMAN)
        add(command, "--pids-limit=-1");
}

static void add_restart(struct command *command, const json_t *container)
{
    const json_t *restart = json_object_get(container, "restart");
    const char *policy = json_get_text(restart, "policy");
    int64_t retries;
    if (policy && json_get_i64(restart, "retries", &retries) && strcmp(policy, "on-failure") == 0)
        add(command, "--restart=%s:%lld", policy, (long long)retries);
    else
        add(command, "--restart=%s", policy ? policy : "no");
}

/* --- rights ---------------------------------------------------------------------------------------------------------
 */

static bool runs_as_root(const json_t *container)
{
    const char *user = json_get_text(container, "user");
    size_t length = user ? strcspn(user, ":") : 0;
    return length == 0 || (length == 1 && *user == '0') || (length == 4 && strncmp(user, "root", 4) == 0);
}

/* What podman is asked for by name it gives also to a user other than root, at once; so what docker gives to every
 * container, out of reach for such a user, is not asked of podman for one. */
static void add_caps(struct command *command, const json_t *container, enum runtime_kind kind)
{
    const json_t *names = json_object_get(container, "caps");
    caps_set usual = caps_default(kind), wanted = names ? caps_of_array(names) : usual;
    caps_set more = wanted & ~usual, less = usual & ~wanted;
    if (kind == RUNTIME_PODMAN && !runs_as_root(container))
        more &= ~caps_default(RUNTIME_DOCKER);
    more |= caps_of_array(json_object_get(container, "ambient_caps"));
    for (size_t i = 0; i < caps_count(); i++) {
        if (caps_has(more, i))
            add(command, "--cap-add=%s", caps_name(i));
        if (caps_has(less, i))
            add(command, "--cap-drop=%s", caps_name(i));
    }
    if (is_set(container, "no_new_privileges"))
        add(command, "--security-opt=no-new-privileges");
}

/* --- environment ----------------------------------------------------------------------------------------------------
 */

/* A file has one variable a line. */
static bool fits_into_file(const char *value)
{
    return !strpbrk(value, "\r\n") && strlen(value) <= FILE_LINE_MOST;
}

bool command_takes_variable(const char *name, const char *value)
{
    return fits_into_file(value) || environment_is_inert(name);
}

/* podman adds these by itself. That they were asked for is seen later in the one thing it remembers of the file: its
 * path, to which their names are added. */
static void name_in_path(struct buf *path, const char *name)
{
    static const char *const names[] = {"HOME", "TERM", "PATH", "HOSTNAME", "container"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            buf_printf(path, ".%s", name);
}

/* "--env=NAME" alone has both engines take the value from their command's own environment. */
static enum err add_environment(
    struct command *command, const json_t *container, const char *env_file, struct err_info *info)
{
    const char *name;
    json_t *value;
    struct buf path = BUF(HOST_PATH_SIZE);
    enum err result = ERR_OK;
    buf_puts(&path, env_file);
    json_object_foreach (json_object_get(container, "env"), name, value) {
        const char *text = json_string_value(value);
        if (fits_into_file(text)) {
            buf_printf(&command->env, "%s=%s\n", name, text);
            name_in_path(&path, name);
        } else if (command_takes_variable(name, text)) {
            add(command, "--env=%s", name);
            vec_push(&command->own, xasprintf("%s=%s", name, text));
        } else {
            result = err_set(info, ERR_INVALID,
                "the variable %s of %s has several lines, and a name that the engine's own command acts on", name,
                json_get_text(container, "name"));
        }
    }
    command->env_file = buf_take(&path);
    if (command->env.length)
        add(command, "--env-file=%s", command->env_file);
    vec_push(&command->own, NULL);
    return result;
}

/* --- attachments ----------------------------------------------------------------------------------------------------
 */

static void add_ports(struct command *command, const json_t *container)
{
    const json_t *ports = json_object_get(container, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);
        const char *ip = json_get_text(port, "ip");
        bool is_v6 = ip && strchr(ip, ':');
        int64_t host = 0, inner = 0;
        json_get_i64(port, "host", &host);
        json_get_i64(port, "container", &inner);
        add(command, "--publish=%s%s%s%s%lld:%lld/%s", is_v6 ? "[" : "", ip ? ip : "", is_v6 ? "]" : "", ip ? ":" : "",
            (long long)host, (long long)inner, json_get_text(port, "proto"));
    }
}

/* Volumes bring their own content: nothing of the image's is copied into them ("nocopy"). */
static enum err add_mounts(
    struct command *command, const json_t *container, enum runtime_kind kind, struct err_info *info)
{
    const json_t *mounts = json_object_get(container, "mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *name = json_get_text(mount, "name"), *destination = json_get_text(mount, "destination");
        bool noexec = is_set(mount, "noexec");
        if (noexec && kind == RUNTIME_DOCKER)
            return err_set(
                info, ERR_INVALID, "docker cannot mount %s without letting programs run from it (noexec)", destination);
        add(command, "--volume=%s:%s:%s%s%s", name ? name : json_get_text(mount, "source"), destination,
            is_set(mount, "read_only") ? "ro" : "rw", name ? ",nocopy" : "", noexec ? ",noexec" : "");
    }
    return ERR_OK;
}

static void add_tmpfs(struct command *command, const json_t *container, enum runtime_kind kind)
{
    static const char *const values[] = {"size", "mode", "uid", "gid"};
    const json_t *all = json_object_get(container, "tmpfs");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *tmpfs = json_array_get(all, i);
        struct buf options = BUF(1024);
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *value = json_get_text(tmpfs, values[j]);
            if (value)
                buf_printf(&options, ",%s=%s", values[j], value);
        }
        add(command, "--tmpfs=%s:%s,%s%s", json_get_text(tmpfs, "destination"),
            is_set(tmpfs, "read_only") ? "ro" : "rw", is_set(tmpfs, "noexec") ? "noexec" : "exec", buf_text(&options));
        buf_free(&options);
    }
    if (kind == RUNTIME_PODMAN && is_set(container, "read_only"))
        add(command, "--read-only-tmpfs=false"); /* only those of the definition */
}

size_t command_networks_at_once(enum runtime_kind kind)
{
    return kind == RUNTIME_DOCKER ? 1 : SIZE_MAX;
}

const char *command_network_name(enum runtime_kind kind, const char *name)
{
    if (strcmp(name, "default") != 0)
        return name;
    return kind == RUNTIME_DOCKER ? "bridge" : "podman";
}

/* docker names aliases of the one network apart, podman behind the name of each. */
static void add_networks(struct command *command, const json_t *container, enum runtime_kind kind)
{
    const json_t *networks = json_object_get(container, "networks");
    if (json_object_get(container, "network"))
        add(command, "--network=none");
    for (size_t i = 0; i < json_array_size(networks) && i < command_networks_at_once(kind); i++) {
        const json_t *network = json_array_get(networks, i), *aliases = json_object_get(network, "aliases");
        struct buf behind = BUF(8192);
        for (size_t j = 0; j < json_array_size(aliases); j++) {
            const char *alias = json_string_value(json_array_get(aliases, j));
            if (kind == RUNTIME_DOCKER)
                add(command, "--network-alias=%s", alias);
            else
                buf_printf(&behind, "%calias=%s", j ? ',' : ':', alias);
        }
        add(command, "--network=%s%s", command_network_name(kind, json_get_text(network, "name")), buf_text(&behind));
        buf_free(&behind);
    }
}

void command_connect(struct command *command, const json_t *network, const char *id)
{
    const json_t *aliases = json_object_get(network, "aliases");
    *command = (struct command){0};
    add(command, "network");
    add(command, "connect");
    for (size_t i = 0; i < json_array_size(aliases); i++)
        add(command, "--alias=%s", json_string_value(json_array_get(aliases, i)));
    add(command, "--");
    add(command, "%s", command_network_name(RUNTIME_DOCKER, json_get_text(network, "name")));
    add(command, "%s", id);
    vec_push(&command->words, NULL);
}

static void add_log(struct command *command, const json_t *container, enum runtime_kind kind)
{
    const json_t *log = json_object_get(container, "log");
    const char *driver = json_get_text(log, "driver"), *tag = json_get_text(log, "tag");
    int64_t number;
    if (!driver)
        return;
    if (strcmp(driver, "file") == 0)
        driver = kind == RUNTIME_DOCKER ? "json-file" : "k8s-file";
    add(command, "--log-driver=%s", driver);
    if (json_get_i64(log, "max_size_bytes", &number))
        add(command, "--log-opt=max-size=%lldb", (long long)number);
    if (json_get_i64(log, "max_files", &number) && kind == RUNTIME_DOCKER)
        add(command, "--log-opt=max-file=%lld", (long long)number);
    if (tag)
        add(command, "--log-opt=tag=%s", tag);
}

/* --- health ---------------------------------------------------------------------------------------------------------
 */

/* 'word' for a shell, whatever is in it. */
static void put_quoted(struct buf *buf, const char *word)
{
    buf_putc(buf, '\'');
    for (; *word; word++)
        if (*word == '\'')
            buf_puts(buf, "'\\''");
        else
            buf_putc(buf, *word);
    buf_putc(buf, '\'');
}

/* docker's command line knows no check without a shell: the words are quoted for one. podman takes the words as JSON,
 * where the first of them says that no shell is meant, or a single text for one. */
static void add_health_test(struct command *command, const json_t *test, enum runtime_kind kind)
{
    struct buf text = BUF(COMMAND_ENV_CEILING);
    const char *first = json_string_value(json_array_get(test, 0));
    bool shell = strcmp(first, "CMD-SHELL") == 0, exact = strcmp(first, "CMD") == 0;
    json_t *words = json_deep_copy(test);
    if (exact)
        json_array_remove(words, 0);
    if (kind == RUNTIME_DOCKER && shell) {
        buf_puts(&text, json_array_size(words) > 1 ? json_string_value(json_array_get(words, 1)) : "");
    } else if (kind == RUNTIME_DOCKER) {
        buf_puts(&text, "exec");
        for (size_t i = 0; i < json_array_size(words); i++) {
            buf_putc(&text, ' ');
            put_quoted(&text, json_string_value(json_array_get(words, i)));
        }
    } else if (exact && json_array_size(words) == 1) {
        buf_printf(&text, "CMD %s", json_string_value(json_array_get(words, 0)));
    } else {
        json_write(&text, words);
    }
    add(command, "--health-cmd=%s", buf_text(&text));
    json_decref(words);
    buf_free(&text);
}

static void add_health(struct command *command, const json_t *container, enum runtime_kind kind)
{
    static const struct {
        const char *key, *option;
    } times[] = {{"interval_us", "health-interval"}, {"timeout_us", "health-timeout"},
        {"start_period_us", "health-start-period"}};
    const json_t *health = json_object_get(container, "health"), *test = json_object_get(health, "test");
    const char *first = json_string_value(json_array_get(test, 0));
    int64_t number;
    if (!first)
        return;
    if (strcmp(first, "NONE") == 0) {
        add(command, "--no-healthcheck");
        return;
    }
    add_health_test(command, test, kind);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (json_get_i64(health, times[i].key, &number))
            add(command, "--%s=%lldus", times[i].option, (long long)number);
    if (json_get_i64(health, "retries", &number))
        add(command, "--health-retries=%lld", (long long)number);
}

/* --- all of it ------------------------------------------------------------------------------------------------------
 */

static void add_process(struct command *command, const json_t *container, const struct command_for *how)
{
    const json_t *cmd = json_object_get(container, "cmd"), *entrypoint = json_object_get(container, "entrypoint");
    const char *first = json_string_value(json_array_get(entrypoint, 0));
    if (first && how->kind == RUNTIME_PODMAN) { /* which takes a text that is JSON for a list */
        struct buf text = BUF(COMMAND_ENV_CEILING);
        json_write(&text, entrypoint);
        add(command, "--entrypoint=%s", buf_text(&text));
        buf_free(&text);
    } else if (first) {
        add(command, "--entrypoint=%s", first);
    }
    add(command, "--");
    add(command, "%s", how->image);
    for (size_t i = 0; i < json_array_size(cmd); i++)
        add(command, "%s", json_string_value(json_array_get(cmd, i)));
}

enum err command_make(
    struct command *command, const json_t *container, const struct command_for *how, struct err_info *info)
{
    const char *domain = json_get_text(container, "domainname");
    *command = (struct command){.env = BUF(COMMAND_ENV_CEILING)};
    if (domain && how->kind == RUNTIME_PODMAN)
        return err_set(
            info, ERR_INVALID, "podman cannot give %s the domain %s", json_get_text(container, "name"), domain);
    if (json_array_size(json_object_get(container, "ambient_caps")) && how->kind == RUNTIME_DOCKER)
        return err_set(info, ERR_INVALID, "docker cannot give the user of %s capabilities, as podman does",
            json_get_text(container, "name"));
    add(command, "create");
    add(command, "--pull=never");
    add(command, "--name=%s", json_get_text(container, "name"));
    if (domain)
        add(command, "--domainname=%s", domain);
    if (how->kind == RUNTIME_PODMAN)
        add(command, "--http-proxy=false");
    add_simple(command, container);
    add_objects(command, container, how->job);
    add_ulimits(command, container);
    add_cpus(command, container);
    add_pids_limit(command, container, how->kind);
    add_restart(command, container);
    add_caps(command, container, how->kind);
    enum err result = add_environment(command, container, how->env_file, info);
    add_ports(command, container);
    add_tmpfs(command, container, how->kind);
    add_networks(command, container, how->kind);
    add_log(command, container, how->kind);
    add_health(command, container, how->kind);
    if (result == ERR_OK)
        result = add_mounts(command, container, how->kind, info);
    add_process(command, container, how);
    vec_push(&command->words, NULL);
    return result;
}

void command_free(struct command *command)
{
    for (size_t i = 0; i < command->words.count; i++)
        free(command->words.items[i]);
    vec_free(&command->words);
    for (size_t i = 0; i < command->own.count; i++)
        free(command->own.items[i]);
    vec_free(&command->own);
    free(command->env_file);
    buf_free(&command->env);
}
