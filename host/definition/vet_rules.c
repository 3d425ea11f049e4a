/* Rules for single values: texts, lists and objects of texts. Pure functions; any thread. */
#include "host/definition/vet_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "host/containers/runtime.h"
#include "host/definition/caps.h"

#define MOST_ENTRIES 256 /* of a list or an object */
#define MOST_TEXT 32768
#define MOST_LABEL 8192

/* --- texts ----------------------------------------------------------------------------------------------------------
 */

/* Printable, without control characters, of 1 to `most` bytes. */
bool vet_is_plain(const char *text, size_t most)
{
    if (!text || !*text || strnlen(text, most + 1) > most)
        return false;
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* Letters, digits and `more`, beginning with a letter or digit. */
bool vet_is_word(const char *text, const char *more, size_t most)
{
    if (!vet_is_plain(text, most) || !isalnum((unsigned char)*text))
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(more, *text))
            return false;
    return true;
}

bool vet_is_container_name(const json_t *value)
{
    return name_is_valid_container(json_string_value(value));
}

bool vet_is_name(const json_t *value)
{
    return name_is_valid(json_string_value(value));
}

bool vet_is_runtime(const json_t *value)
{
    return runtime_by_name(json_string_value(value)) != RUNTIME_COUNT;
}

bool vet_is_image(const json_t *value)
{
    return vet_is_word(json_string_value(value), "._/:@-", 512);
}

bool vet_is_id(const json_t *value)
{
    return runtime_id_is_valid(json_string_value(value));
}

bool vet_is_user(const json_t *value)
{
    return vet_is_word(json_string_value(value), "._:-", 128);
}

bool vet_is_host_name(const json_t *value)
{
    return vet_is_word(json_string_value(value), ".-", 253);
}

bool vet_is_signal(const json_t *value)
{
    return vet_is_word(json_string_value(value), "+-", 16);
}

bool vet_is_cpu_set(const json_t *value)
{
    const char *text = json_string_value(value);
    return vet_is_plain(text, 128) && strspn(text, "0123456789,-") == strlen(text);
}

/* A place in a container: absolute, and nothing in it that a command line takes apart. */
bool vet_is_place(const char *path)
{
    return vet_is_plain(path, 1024) && path[0] == '/' && path[1] && !strpbrk(path, ":,\"'\\") &&
           !strstr(path, "/../") && !str_ends(path, "/..");
}

bool vet_is_directory(const json_t *value)
{
    const char *path = json_string_value(value);
    return vet_is_plain(path, 1024) && path[0] == '/';
}

bool vet_is_flag(const json_t *value)
{
    return json_is_boolean(value);
}

bool vet_is_none(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strcmp(text, "none") == 0;
}

/* --- lists and objects ----------------------------------------------------------------------------------------------
 */

bool vet_each(const json_t *array, size_t most, vet_rule *rule)
{
    if (!json_is_array(array) || json_array_size(array) > most)
        return false;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!rule(json_array_get(array, i)))
            return false;
    return true;
}

/* What a process gets as an argument: anything. */
static bool is_argument(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= MOST_TEXT;
}

bool vet_are_arguments(const json_t *value)
{
    return json_array_size(value) > 0 && vet_each(value, MOST_ENTRIES, is_argument);
}

/* An engine can be told one other first word: what follows it is the command. */
bool vet_is_one_argument(const json_t *value)
{
    return json_array_size(value) == 1 && vet_each(value, 1, is_argument) &&
           *json_string_value(json_array_get(value, 0));
}

static bool is_layer(const json_t *value)
{
    return vet_is_word(json_string_value(value), ":", 128);
}

bool vet_are_layers(const json_t *value)
{
    return vet_each(value, MOST_ENTRIES, is_layer);
}

bool vet_are_sentences(const json_t *value)
{
    return vet_each(value, MOST_ENTRIES, is_argument);
}

/* Names of letters, digits, "_", "." and "-". */
bool vet_is_environment(const json_t *value)
{
    const char *key;
    json_t *text;
    if (!json_is_object(value) || json_object_size(value) > MOST_ENTRIES)
        return false;
    json_object_foreach ((json_t *)value, key, text) {
        const char *name = *key == '_' ? key + 1 : key;
        if ((*name && !vet_is_word(name, "_.-", 256)) || !*key || !is_argument(text))
            return false;
    }
    return true;
}

bool vet_are_labels(const json_t *value)
{
    const char *key;
    json_t *text;
    if (!json_is_object(value) || json_object_size(value) > MOST_ENTRIES)
        return false;
    json_object_foreach ((json_t *)value, key, text)
        if (!vet_is_plain(key, 256) || strchr(key, '=') || !is_argument(text) ||
            json_string_length(text) > MOST_LABEL || strcmp(key, "dogwatch.job") == 0)
            return false;
    return true;
}

/* Those of namespaces that are a container's own (sysctl(8), namespaces(7)). */
bool vet_are_sysctls(const json_t *value)
{
    static const char *const own[] = {"net.", "fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"};
    const char *key;
    json_t *text;
    if (!json_is_object(value) || json_object_size(value) > MOST_ENTRIES)
        return false;
    json_object_foreach ((json_t *)value, key, text) {
        bool is_own = false;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            is_own = is_own || str_starts(key, own[i]);
        const char *setting = json_string_value(text);
        if (!is_own || !vet_is_word(key, "._/-", 128) || !vet_is_plain(setting, 256) || strpbrk(setting, ",\""))
            return false;
    }
    return true;
}

static bool is_cap(const json_t *value)
{
    caps_set cap = caps_by_name(json_string_value(value));
    return cap && (cap & ~caps_allowed()) == 0;
}

bool vet_are_caps(const json_t *value)
{
    return vet_each(value, 64, is_cap);
}

bool vet_are_groups(const json_t *value)
{
    return vet_each(value, 64, vet_is_user);
}

bool vet_is_address(const json_t *value)
{
    char binary[sizeof(struct in6_addr)];
    const char *text = json_string_value(value);
    return text && (inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1);
}

bool vet_are_addresses(const json_t *value)
{
    return vet_each(value, 16, vet_is_address);
}

bool vet_are_host_names(const json_t *value)
{
    return vet_each(value, 16, vet_is_host_name);
}

static bool is_dns_option(const json_t *value)
{
    return vet_is_word(json_string_value(value), ":-", 64);
}

bool vet_are_dns_options(const json_t *value)
{
    return vet_each(value, 16, is_dns_option);
}

/* "name:192.0.2.1" */
static bool is_extra_host(const json_t *value)
{
    char name[256];
    const char *text = json_string_value(value), *colon = text ? strchr(text, ':') : NULL;
    if (!colon || (size_t)(colon - text) >= sizeof name)
        return false;
    str_copy(name, (size_t)(colon - text) + 1, text);
    json_t *address = json_string(colon + 1);
    bool is_good = vet_is_word(name, ".-_", 253) && (vet_is_address(address) || strcmp(colon + 1, "host-gateway") == 0);
    json_decref(address);
    return is_good;
}

bool vet_are_extra_hosts(const json_t *value)
{
    return vet_each(value, 64, is_extra_host);
}
