/* What runs in a container: its command, environment, user, labels, health check and end. Only what its image does not
 * bring. podman describes the command after its own fashion (the entrypoint as one text), and its environment with what
 * it adds to every container; both are undone here. Pure functions; any thread. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/definition/parts.h"

#define NSEC_PER_USEC 1000
#define DEFAULT_STOP_S 10

/* --- the command ----------------------------------------------------------------------------------------------------
 */

static bool is_joined(const json_t *words, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        size_t length = strlen(word ? word : "");
        if (!word || (i > 0 && *text++ != ' ') || strncmp(text, word, length) != 0)
            return false;
        text += length;
    }
    return *text == '\0';
}

/* All words of podman's process. Args is the rest behind Path, but all of them where there is only one; with --init,
 * podman's own program and "--" come first. */
static json_t *podman_words(const struct source *source, bool args_are_all)
{
    const json_t *args = json_object_get(source->description, "Args");
    const char *path = json_get_text(source->description, "Path");
    bool init = false;
    json_t *words = json_array();
    if (path && !args_are_all)
        json_array_append_new(words, json_string(path));
    json_array_extend(words, (json_t *)args);
    json_get_bool(source->host, "Init", &init);
    const char *second = json_string_value(json_array_get(words, 1));
    if (init && second && strcmp(second, "--") == 0) {
        json_array_remove(words, 0);
        json_array_remove(words, 0);
    }
    return words;
}

/* The words before those of Cmd, where they read as `joined`; NULL where they do not. */
static json_t *words_before_cmd(const struct source *source, bool args_are_all, const char *joined)
{
    json_t *words = podman_words(source, args_are_all);
    size_t all = json_array_size(words), cmd_count = json_array_size(json_object_get(source->config, "Cmd"));
    size_t count = all - (cmd_count < all ? cmd_count : all);
    while (json_array_size(words) > count)
        json_array_remove(words, count);
    if (is_joined(words, count, joined))
        return words;
    json_decref(words);
    return NULL;
}

/* podman joins the words of an entrypoint with blanks: which they were stands in the process's own. */
static json_t *podman_entrypoint(const struct source *source)
{
    const char *joined = json_get_text(source->config, "Entrypoint");
    if (!joined || !*joined)
        return json_array();
    json_t *words = words_before_cmd(source, false, joined);
    if (!words)
        words = words_before_cmd(source, true, joined);
    if (!words)
        words = json_pack("[s]", joined);
    return words;
}

static json_t *entrypoint_of(const struct source *source)
{
    const json_t *entrypoint = json_object_get(source->config, "Entrypoint");
    return json_is_string(entrypoint) ? podman_entrypoint(source) : define_texts(entrypoint, false);
}

/* An engine can be told another first word, and what follows it; so an entrypoint of several words becomes one word and
 * a longer command. */
static void put_command(struct source *source)
{
    json_t *entrypoint = entrypoint_of(source), *cmd = define_texts(json_object_get(source->config, "Cmd"), false);
    json_t *usual_entrypoint = define_texts(json_object_get(source->image, "Entrypoint"), false);
    json_t *usual_cmd = define_texts(json_object_get(source->image, "Cmd"), false);
    bool same_entrypoint = json_equal(entrypoint, usual_entrypoint), same_cmd = json_equal(cmd, usual_cmd);
    if (same_entrypoint && !same_cmd && json_array_size(cmd) > 0) {
        json_object_set(source->entry, "cmd", cmd);
    } else if (!same_entrypoint || !same_cmd) {
        json_array_extend(entrypoint, cmd);
        json_t *first = json_array();
        json_array_append(first, json_array_get(entrypoint, 0));
        json_array_remove(entrypoint, 0);
        define_put_array(source->entry, "entrypoint", first);
        define_put_array(source->entry, "cmd", json_incref(entrypoint));
    }
    json_decref(entrypoint);
    json_decref(cmd);
    json_decref(usual_entrypoint);
    json_decref(usual_cmd);
}

/* --- the environment ------------------------------------------------------------------------------------------------
 */

static bool array_has(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *item = json_string_value(json_array_get(array, i));
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

/* Files of ours are called environment-SITE-PID.NAME.NAME… after those of podman's own variables that stand in them. */
static bool stands_in_file(const char *path, const char *name)
{
    size_t length = strlen(name);
    const char *at = strstr(path, "/run/dogwatch/") ? strrchr(path, '-') : NULL;
    while (at && (at = strchr(at, '.')) != NULL)
        if (strncmp(++at, name, length) == 0 && (at[length] == '.' || at[length] == '\0'))
            return true;
    return false;
}

/* Whether somebody asked for this variable, as far as podman remembers: by name, or in a file that we do not know. */
static bool was_asked_for(const struct source *source, const char *name)
{
    static const char *const options[] = {"--env", "-e"};
    size_t length = strlen(name), at = 0;
    const char *value;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        for (at = 0; (value = define_option(source, options[i], &at)) != NULL;)
            if (strncmp(value, name, length) == 0 && (value[length] == '=' || value[length] == '\0'))
                return true;
    for (at = 0; (value = define_option(source, "--env-file", &at)) != NULL;)
        if (!strstr(value, "/run/dogwatch/") || stands_in_file(value, name))
            return true;
    return false;
}

static bool image_names(const struct source *source, const char *name)
{
    const json_t *usual = json_object_get(source->image, "Env");
    size_t length = strlen(name);
    for (size_t i = 0; i < json_array_size(usual); i++) {
        const char *pair = json_string_value(json_array_get(usual, i));
        if (pair && strncmp(pair, name, length) == 0 && pair[length] == '=')
            return true;
    }
    return false;
}

/* podman shows what it adds to every container as if it had been asked for. Where it is not known what was asked for, a
 * home is kept: it is the one that podman would find. */
static bool is_podmans_own(const struct source *source, const char *name, const char *value)
{
    static const struct {
        const char *name, *value; /* NULL: any */
    } added[] = {{"container", NULL}, {"TERM", "xterm"}, {"HOME", NULL}, {"HOSTNAME", NULL},
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
    bool is_unknown_home = !source->command && strcmp(name, "HOME") == 0;
    if (source->kind != RUNTIME_PODMAN || image_names(source, name) || is_unknown_home)
        return false;
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        if (strcmp(added[i].name, name) == 0 && (!added[i].value || strcmp(added[i].value, value) == 0))
            return !was_asked_for(source, name);
    return false;
}

static void put_environment(struct source *source)
{
    const json_t *all = json_object_get(source->config, "Env"), *usual = json_object_get(source->image, "Env");
    json_t *env = json_object();
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *pair = json_string_value(json_array_get(all, i));
        size_t length = pair ? strcspn(pair, "=") : 0;
        if (!pair || length == 0 || pair[length] == '\0' || array_has(usual, pair))
            continue;
        char *name = xstrndup(pair, length);
        if (!is_podmans_own(source, name, pair + length + 1))
            json_put_text(env, name, pair + length + 1);
        free(name);
    }
    define_put_object(source->entry, "env", env);
}

/* --- labels ---------------------------------------------------------------------------------------------------------
 */

static bool is_label_of_engine(const char *key)
{
    static const char *const prefixes[] = {"dogwatch.job", "desktop.docker.io/", "io.container.manager",
        "PODMAN_SYSTEMD_UNIT", "io.containers.autoupdate.authfile"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(key, prefixes[i]))
            return true;
    return false;
}

/* Site and role always, so that the container belongs to them on a host where nothing else says so. */
static void put_labels(struct source *source)
{
    const char *key;
    json_t *value, *kept = json_object();
    const json_t *usual = json_object_get(source->image, "Labels");
    json_object_foreach (json_object_get(source->config, "Labels"), key, value)
        if (json_is_string(value) && !is_label_of_engine(key) && !json_equal(value, json_object_get(usual, key)))
            json_object_set(kept, key, value);
    json_object_set_new(kept, "dogwatch.site", json_string(source->site));
    if (source->role)
        json_object_set_new(kept, "dogwatch.container", json_string(source->role));
    define_put_object(source->entry, "labels", kept);
}

/* --- health ---------------------------------------------------------------------------------------------------------
 */

/* An engine says 0 or nothing where it takes its default (the same in both). */
static void put_health_us(json_t *health, const json_t *check, const char *key, const char *theirs, int64_t usual_us)
{
    int64_t ns = 0;
    json_get_i64(check, theirs, &ns);
    json_put_i64(health, key, ns > 0 ? ns / NSEC_PER_USEC : usual_us);
}

static json_t *health_of(const json_t *config)
{
    const json_t *check = json_object_get(config, "Healthcheck");
    json_t *health = json_object(), *test = define_texts(json_object_get(check, "Test"), false);
    const char *first = json_string_value(json_array_get(test, 0));
    int64_t retries = 0;
    if (!first || strcmp(first, "NONE") == 0) {
        json_decref(test);
        return health;
    }
    json_object_set_new(health, "test", test);
    put_health_us(health, check, "interval_us", "Interval", 30 * USEC_PER_SEC);
    put_health_us(health, check, "timeout_us", "Timeout", 30 * USEC_PER_SEC);
    put_health_us(health, check, "start_period_us", "StartPeriod", 0);
    json_get_i64(check, "Retries", &retries);
    json_put_i64(health, "retries", retries > 0 ? retries : 3);
    return health;
}

static void put_health(struct source *source)
{
    json_t *health = health_of(source->config), *usual = health_of(source->image);
    if (json_object_size(health) == 0 && json_object_size(usual) > 0)
        json_object_set_new(source->entry, "health", json_pack("{s:[s]}", "test", "NONE"));
    else if (!json_equal(health, usual))
        json_object_set(source->entry, "health", health);
    json_decref(health);
    json_decref(usual);
}

/* --- its end --------------------------------------------------------------------------------------------------------
 */

/* podman says a number, docker a name. */
static char *signal_name(const json_t *value)
{
    const char *text = json_string_value(value);
    int number = json_is_integer(value) ? (int)json_integer_value(value) : 0;
    int64_t written;
    if (str_to_i64(text, 1, 64, &written))
        number = (int)written;
    if (number > 0) {
        const char *abbreviated = number < SIGRTMIN ? sigabbrev_np(number) : NULL;
        return abbreviated ? xasprintf("SIG%s", abbreviated) : xasprintf("%d", number);
    }
    if (!text || !*text)
        return xstrdup("SIGTERM");
    return xasprintf("%s%s", str_starts(text, "SIG") ? "" : "SIG", text);
}

static void put_stop(struct source *source)
{
    int64_t timeout_s = DEFAULT_STOP_S;
    char *name = signal_name(json_object_get(source->config, "StopSignal"));
    char *usual = signal_name(json_object_get(source->image, "StopSignal"));
    if (strcmp(name, usual) != 0)
        json_put_text(source->entry, "stop_signal", name);
    if (json_get_i64(source->config, "StopTimeout", &timeout_s) && timeout_s != DEFAULT_STOP_S)
        json_put_i64(source->entry, "stop_timeout_s", timeout_s);
    free(name);
    free(usual);
}

/* --- all of it ------------------------------------------------------------------------------------------------------
 */

/* A text that differs from the image's; "" and `nothing` mean the same. */
static void put_if_other(struct source *source, const char *key, const char *theirs, const char *nothing)
{
    const char *text = json_get_text(source->config, theirs), *usual = json_get_text(source->image, theirs);
    text = !text || !*text ? nothing : text;
    usual = !usual || !*usual ? nothing : usual;
    if (strcmp(text, usual) != 0)
        json_put_text(source->entry, key, text);
}

static void put_hostname(struct source *source)
{
    const char *hostname = json_get_text(source->config, "Hostname");
    if (hostname && *hostname && strncmp(hostname, source->id, 12) != 0)
        json_put_text(source->entry, "hostname", hostname);
}

static void put_flag(struct source *source, const char *key, const char *theirs)
{
    bool set = false;
    if (json_get_bool(source->config, theirs, &set) && set)
        json_put_bool(source->entry, key, true);
}

void define_process(struct source *source)
{
    const char *domain = json_get_text(source->config, "Domainname");
    put_command(source);
    put_environment(source);
    put_if_other(source, "user", "User", "");
    put_if_other(source, "workdir", "WorkingDir", "/");
    put_hostname(source);
    json_put_text(source->entry, "domainname", domain && *domain ? domain : NULL);
    put_flag(source, "tty", "Tty");
    put_flag(source, "stdin", "OpenStdin");
    put_labels(source);
    put_health(source);
    put_stop(source);
}
