/* One inventory of a host: JSON to containers and volumes with their keys. An entry without a valid name, id or
 * runtime, or there twice, is left out and counted: it could be neither shown nor acted upon without doubt. Everything
 * else that is wrong in an entry is unknown. No state; any thread. */
#include "collectors/parse_inventory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WHAT "inventory"
#define RUNTIMES_MAX 8

/* The engine whose objects get "@docker" at the end of their key where another one has the same name. */
static const char second_runtime[] = "docker";

/* A word as programs are named, so that no text of a host is taken for one: "podman", "docker", "containerd". */
static bool parse_runtime(const json_t *object, const char *key, char out[16])
{
    char name[NAME_SIZE];
    out[0] = '\0';
    return parse_name(object, key, name) && strlen(name) < 16 && str_copy(out, 16, name);
}

/* --- runtimes --- */

static void add_runtime(const json_t *entry, struct inventory *inventory)
{
    char name[16], version[24], item[64];
    bool ok = false;
    if (!parse_runtime(entry, "name", name))
        return;
    json_get_bool(entry, "ok", &ok);
    parse_words(entry, "version", version, sizeof version);
    str_format(item, sizeof item, "%s%s%s", name, ok && version[0] ? " " : "", ok ? version : " (no answer)");
    parse_list_add(inventory->runtimes, sizeof inventory->runtimes, item);
    if (!ok)
        parse_list_add(inventory->silent, sizeof inventory->silent, name);
}

static enum err parse_runtimes(const json_t *json, struct inventory *inventory, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "runtimes", JSON_ARRAY, &list, info);
    for (size_t i = 0; i < json_array_size(list) && i < RUNTIMES_MAX; i++)
        add_runtime(json_array_get(list, i), inventory);
    return err;
}

/* --- ports and mounts, as one line --- */

static bool is_any_address(const char *ip)
{
    return !ip || ip[0] == '\0' || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static bool is_port(int64_t port)
{
    return port > 0 && port <= 65535;
}

/* "8080→80/tcp", "127.0.0.1:8080→80/tcp", "[::1]:8080→80/tcp"; "80/tcp" where it is not published; false: unusable */
static bool port_text(const json_t *entry, char *out, size_t size)
{
    int64_t host = 0, container = 0;
    char proto[NAME_SIZE];
    const char *ip = json_get_text(entry, "ip");
    json_get_i64(entry, "host", &host);
    json_get_i64(entry, "container", &container);
    if (!is_port(container) || host < 0 || host > 65535)
        return false;
    if (!parse_name(entry, "proto", proto))
        str_copy(proto, sizeof proto, "tcp");
    if (!is_port(host))
        return str_format(out, size, "%d/%s", (int)container, proto);
    const char *left = "", *right = "";
    if (!is_any_address(ip)) {
        bool is_v6 = strchr(ip, ':') != NULL;
        left = is_v6 ? "[" : "";
        right = is_v6 ? "]:" : ":";
    } else {
        ip = "";
    }
    return str_format(out, size, "%s%s%s%d→%d/%s", left, ip, right, (int)host, (int)container, proto);
}

/* Docker tells a port published on all addresses twice, for IPv4 and for IPv6. */
static bool is_told_before(const json_t *list, size_t index, const char *text)
{
    char other[96];
    for (size_t i = 0; i < index; i++)
        if (port_text(json_array_get(list, i), other, sizeof other) && strcmp(other, text) == 0)
            return true;
    return false;
}

#define PORTS_MAX 64 /* more do not fit into the text by far */

static void parse_ports(const json_t *entry, char *out, size_t size)
{
    const json_t *list = json_object_get(entry, "ports");
    char text[96];
    for (size_t i = 0; i < json_array_size(list) && i < PORTS_MAX; i++)
        if (port_text(json_array_get(list, i), text, sizeof text) && !is_told_before(list, i, text))
            parse_list_add(out, size, text);
}

/* "data→/var/www", "/srv/conf→/etc/conf:ro" */
static bool mount_text(const json_t *entry, char *out, size_t size)
{
    const char *kind = json_get_text(entry, "kind"), *destination = json_get_text(entry, "destination");
    const char *from = json_get_text(entry, kind && strcmp(kind, "bind") == 0 ? "source" : "name");
    bool writable = true;
    json_get_bool(entry, "rw", &writable);
    if (!from || !destination)
        return false;
    return str_format(out, size, "%s→%s%s", from, destination, writable ? "" : ":ro");
}

static void parse_mounts(const json_t *entry, char *out, size_t size)
{
    const json_t *list = json_object_get(entry, "mounts");
    char text[PATH_TEXT_SIZE];
    for (size_t i = 0; i < json_array_size(list); i++)
        if (mount_text(json_array_get(list, i), text, sizeof text))
            parse_list_add(out, size, text);
}

/* --- containers --- */

static int parse_exit_code(const json_t *entry)
{
    int64_t code = 0;
    json_get_i64(entry, "exit_code", &code);
    return code >= INT32_MIN && code <= INT32_MAX ? (int)code : 0;
}

static bool is_kept_up(const char *restart_policy)
{
    return restart_policy && restart_policy[0] && strcmp(restart_policy, "no") != 0;
}

static void read_state(const json_t *entry, struct container_state *container)
{
    container->state = run_state_parse(json_get_text(entry, "state"));
    container->health = health_parse(json_get_text(entry, "health"));
    container->exit_code = parse_exit_code(entry);
    json_get_bool(entry, "oom_killed", &container->oom_killed);
    container->created_us = parse_time_us(entry, "created_us");
    container->started_us = parse_time_us(entry, "started_us");
    container->finished_us = parse_time_us(entry, "finished_us");
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
    container->metrics[CONTAINER_RESTARTS] = parse_quantity(entry, "restarts");
}

/* NULL, or why the entry is of no use. */
static const char *read_container(const json_t *entry, const char *host, struct container_state *container)
{
    *container = (struct container_state){0};
    if (!parse_container_name(entry, "name", container->name))
        return "without a valid name";
    if (!parse_hex_id(entry, "id", container->id, sizeof container->id))
        return "without a valid id";
    if (!parse_runtime(entry, "runtime", container->runtime))
        return "without a runtime";
    str_copy(container->host, sizeof container->host, host);
    parse_name(entry, "site", container->site);
    parse_name(entry, "role", container->role);
    parse_words(entry, "image", container->image, sizeof container->image);
    parse_hex_id(entry, "image_id", container->image_id, sizeof container->image_id);
    read_state(entry, container);
    container->starts_at_boot = is_kept_up(json_get_text(entry, "restart_policy"));
    parse_ports(entry, container->ports, sizeof container->ports);
    parse_mounts(entry, container->mounts, sizeof container->mounts);
    return NULL;
}

static enum err parse_containers(
    const json_t *json, const char *host, struct inventory *inventory, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "containers", JSON_ARRAY, &list, info);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct container_state container;
        const char *why = i < PARSE_CONTAINERS_MAX ? read_container(entry, host, &container) : "too many";
        if (why)
            left_out_add(&inventory->left_out, "container", why, entry);
        else
            vec_push(&inventory->containers, container);
    }
    return err;
}

/* --- volumes --- */

/* "SITE:/DESTINATION" */
static bool is_bind_name(const char *name, const char *site)
{
    size_t length = strlen(site);
    return length > 0 && strncmp(name, site, length) == 0 && name[length] == ':' && name[length + 1] == '/';
}

static const char *read_volume(const json_t *entry, const char *host, struct volume_state *volume)
{
    *volume = (struct volume_state){0};
    const char *kind = json_get_text(entry, "kind");
    bool is_bind = kind && strcmp(kind, "bind") == 0;
    parse_name(entry, "site", volume->site);
    if (!json_copy_text(entry, "name", volume->name, sizeof volume->name))
        return "without a name, or with too long a one";
    if (is_bind ? !is_bind_name(volume->name, volume->site) : !name_is_valid_container(volume->name))
        return "without a valid name";
    if (!parse_runtime(entry, "runtime", volume->runtime))
        return "without a runtime";
    str_copy(volume->host, sizeof volume->host, host);
    parse_words(entry, "driver", volume->driver, sizeof volume->driver);
    if (is_bind)
        str_copy(volume->driver, sizeof volume->driver, "bind");
    parse_words(entry, "path", volume->path, sizeof volume->path);
    metrics_clear(volume->metrics, VOLUME_METRIC_COUNT);
    return NULL;
}

static enum err parse_volumes(const json_t *json, const char *host, struct inventory *inventory, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "volumes", JSON_ARRAY, &list, info);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct volume_state volume;
        const char *why = i < PARSE_VOLUMES_MAX ? read_volume(entry, host, &volume) : "too many";
        if (why)
            left_out_add(&inventory->left_out, "volume", why, entry);
        else
            vec_push(&inventory->volumes, volume);
    }
    return err;
}

/* --- marks --- */

static const char *read_mark(const json_t *entry, struct site_marking *marking)
{
    *marking = (struct site_marking){0};
    if (!parse_name(entry, "site", marking->site))
        return "without a valid site";
    if (!site_mark_parse(json_get_text(entry, "mark"), &marking->mark) || marking->mark == MARK_NONE)
        return "of an unknown kind";
    json_get_bool(entry, "trial", &marking->trial);
    parse_words(entry, "job", marking->job, sizeof marking->job);
    parse_name(entry, "peer", marking->peer);
    marking->since_us = parse_time_us(entry, "since_us");
    marking->until_us = parse_time_us(entry, "until_us");
    return NULL;
}

static enum err parse_marks(const json_t *json, struct inventory *inventory, struct err_info *info)
{
    const json_t *list;
    enum err err = parse_section(json, WHAT, "marks", JSON_ARRAY, &list, info);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct site_marking marking;
        const char *why = i < PARSE_MARKS_MAX ? read_mark(entry, &marking) : "too many";
        if (why)
            left_out_add(&inventory->left_out, "mark", why, entry);
        else
            vec_push(&inventory->marks, marking);
    }
    return err;
}

static int compare_marks(const void *a, const void *b)
{
    return strcmp(((const struct site_marking *)a)->site, ((const struct site_marking *)b)->site);
}

static void settle_marks(struct inventory *inventory)
{
    struct parse_list list = {inventory->marks.items, inventory->marks.count, sizeof *inventory->marks.items};
    parse_sort_unique(&list, compare_marks, &inventory->left_out, "mark");
    inventory->marks.count = list.count;
    vec_each (&inventory->containers, struct container_state, container) {
        struct site_marking wanted = {0};
        str_copy(wanted.site, sizeof wanted.site, container->site);
        const struct site_marking *found =
            list.count ? bsearch(&wanted, list.items, list.count, list.item_size, compare_marks) : NULL;
        container->mark = found ? found->mark : MARK_NONE;
    }
}

/* --- keys, and each once --- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct container_state *)a)->id, ((const struct container_state *)b)->id);
}

static int compare_containers(const void *a, const void *b)
{
    const struct container_state *one = a, *other = b;
    int by_name = strcmp(one->name, other->name);
    return by_name != 0 ? by_name : strcmp(one->runtime, other->runtime);
}

static int compare_volumes(const void *a, const void *b)
{
    const struct volume_state *one = a, *other = b;
    int by_name = strcmp(one->name, other->name);
    return by_name != 0 ? by_name : strcmp(one->runtime, other->runtime);
}

/* "host/name", and "host/name@docker" where the neighbour in the sorted list has the same name. */
static void set_key(char key[KEY_SIZE], const char *host, const char *name, const char *runtime, bool shared)
{
    bool marked = shared && strcmp(runtime, second_runtime) == 0;
    str_format(key, KEY_SIZE, "%s/%s%s%s", host, name, marked ? "@" : "", marked ? second_runtime : "");
}

/* True where an entry of the same name stands beside this one. */
#define IS_SHARED(list, i)                                                                                             \
    (((i) > 0 && strcmp((list)->items[(i)-1].name, (list)->items[i].name) == 0) ||                                     \
        ((i) + 1 < (list)->count && strcmp((list)->items[(i) + 1].name, (list)->items[i].name) == 0))

static void settle_containers(struct inventory *inventory, const char *host)
{
    struct parse_list list = {
        inventory->containers.items, inventory->containers.count, sizeof *inventory->containers.items};
    parse_sort_unique(&list, compare_ids, &inventory->left_out, "container id");
    parse_sort_unique(&list, compare_containers, &inventory->left_out, "container name");
    inventory->containers.count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        struct container_state *container = &inventory->containers.items[i];
        set_key(container->key, host, container->name, container->runtime, IS_SHARED(&inventory->containers, i));
    }
}

static void settle_volumes(struct inventory *inventory, const char *host)
{
    struct parse_list list = {inventory->volumes.items, inventory->volumes.count, sizeof *inventory->volumes.items};
    parse_sort_unique(&list, compare_volumes, &inventory->left_out, "volume name");
    inventory->volumes.count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        struct volume_state *volume = &inventory->volumes.items[i];
        set_key(volume->key, host, volume->name, volume->runtime, IS_SHARED(&inventory->volumes, i));
    }
}

enum err parse_inventory(const json_t *json, const char *host, struct inventory *inventory, struct err_info *info)
{
    *inventory = (struct inventory){0};
    enum err err = parse_stamp(json, WHAT, &inventory->stamp, info);
    if (err == ERR_OK)
        err = parse_runtimes(json, inventory, info);
    if (err == ERR_OK)
        err = parse_containers(json, host, inventory, info);
    if (err == ERR_OK)
        err = parse_volumes(json, host, inventory, info);
    if (err == ERR_OK)
        err = parse_marks(json, inventory, info);
    if (err != ERR_OK)
        return err;
    settle_containers(inventory, host);
    settle_volumes(inventory, host);
    settle_marks(inventory);
    return ERR_OK;
}

void inventory_free(struct inventory *inventory)
{
    vec_free(&inventory->containers);
    vec_free(&inventory->volumes);
    vec_free(&inventory->marks);
}
