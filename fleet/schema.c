/* The schema of the fleet files: which keys there are, what they take and where it goes. To add a key, add a row (and a
 * member in fleet/fleet.h); reading, messages and reference follow. Constant; any thread. */
#include "fleet/schema.h"

#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "fleet/fleet.h"
#include "fleet/values.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define RANGE(least, greatest, text) .min = (least), .max = (greatest), .range = (text)
#define KIB 1024.0
#define SECONDS 1e6

static const char *const volume_drivers[] = {
    [VOLUME_DIR] = "dir", [VOLUME_BTRFS] = "btrfs", [VOLUME_MOUNT] = "mount", [VOLUME_MOUNT + 1] = NULL};

/* --- volumes, containers, health ---------------------------------------------------------------------------------- */

static const struct field volume_fields[] = {
    {.key = "driver",
        .type = &value_choice,
        .words = volume_drivers,
        .offset = offsetof(struct volume_def, driver),
        .otherwise = "dir",
        .help =
            "how it is stored and moved: a directory, a btrfs subvolume, or network storage mounted on one host at a "
            "time"},
    {.key = "size",
        .type = &value_size,
        RANGE(KIB *KIB, KIB *KIB *KIB *KIB *KIB, "1M to 1024T"),
        .offset = offsetof(struct volume_def, size_bytes),
        .help = "how much room it is meant to take"},
};

static const struct record volume_record = {.kind = "volume",
    .fields = volume_fields,
    .count = COUNT(volume_fields),
    .size = sizeof(struct volume_def),
    .name_offset = offsetof(struct volume_def, name),
    .place_offset = offsetof(struct volume_def, place)};

static const struct field container_fields[] = {
    {.key = "image",
        .type = &value_image,
        .required = true,
        RANGE(1, 255, "1 to 255 bytes"),
        .offset = offsetof(struct container_def, image),
        .help = "the image to run, as the container engine writes it"},
    {.key = "publish",
        .type = &value_port,
        RANGE(1, 65535, "1 to 65535"),
        .offset = offsetof(struct container_def, publish),
        .help = "the port on the host that leads to the container"},
    {.key = "memory",
        .type = &value_size,
        RANGE(KIB *KIB, 64 * KIB * KIB * KIB * KIB, "1M to 64T"),
        .offset = offsetof(struct container_def, memory_bytes),
        .otherwise = "no limit",
        .help = "the most memory it may use"},
    {.key = "cpus",
        .type = &value_number,
        RANGE(0.01, 1024, "0.01 to 1024"),
        .offset = offsetof(struct container_def, cpus),
        .otherwise = "no limit",
        .help = "the most CPU it may use, in cores"},
    {.key = "user",
        .type = &value_user,
        .offset = offsetof(struct container_def, user),
        .otherwise = "the image's",
        .help = "the numeric user and group its processes run as"},
    {.key = "read_only",
        .type = &value_flag,
        .offset = offsetof(struct container_def, read_only),
        .otherwise = "false",
        .help = "whether its root file system is read-only"},
    {.key = "mounts",
        .type = &value_path,
        .shape = SHAPE_PAIRS,
        .refers = REFERS_VOLUME,
        RANGE(1, 255, "1 to 255 bytes"),
        .most = 64,
        .offset = offsetof(struct container_def, mounts),
        .help = "volumes of the site and where in the container they appear"},
};

static const struct record container_record = {.kind = "container",
    .fields = container_fields,
    .count = COUNT(container_fields),
    .size = sizeof(struct container_def),
    .name_offset = offsetof(struct container_def, name),
    .place_offset = offsetof(struct container_def, place)};

static const struct field health_fields[] = {
    {.key = "path",
        .type = &value_url_path,
        RANGE(1, 1024, "1 to 1024 bytes"),
        .offset = offsetof(struct health_def, path),
        .otherwise = "/",
        .help = "what is requested"},
    {.key = "status",
        .type = &value_status,
        RANGE(100, 599, "100 to 599"),
        .offset = offsetof(struct health_def, status),
        .otherwise = "200",
        .help = "the status a healthy site answers with"},
    {.key = "contains",
        .type = &value_text,
        RANGE(1, 256, "1 to 256 bytes"),
        .offset = offsetof(struct health_def, contains),
        .otherwise = "the body is not looked at",
        .help = "text the body of a healthy answer contains"},
};

static void finish_health(void *record)
{
    struct health_def *health = record;
    health->given = true;
}

static const struct record health_record = {.kind = "health",
    .fields = health_fields,
    .count = COUNT(health_fields),
    .size = sizeof(struct health_def),
    .name_offset = NO_OFFSET,
    .place_offset = NO_OFFSET,
    .finish = finish_health};

/* --- sites -------------------------------------------------------------------------------------------------------- */

static const struct field site_fields[] = {
    {.key = "domains",
        .type = &value_domain,
        .shape = SHAPE_LIST,
        .refers = REFERS_DOMAIN,
        .most = 64,
        .offset = offsetof(struct site_def, domains),
        .help = "the names it answers to; each belongs to one site only"},
    {.key = "member",
        .type = &value_text,
        RANGE(1, 120, "1 to 120 bytes"),
        .offset = offsetof(struct site_def, member),
        .help = "whom it belongs to"},
    {.key = "containers",
        .shape = SHAPE_RECORDS,
        .record = &container_record,
        .required = true,
        .most = 64,
        .offset = offsetof(struct site_def, containers),
        .help = "what runs, by name; at least one"},
    {.key = "volumes",
        .shape = SHAPE_RECORDS,
        .record = &volume_record,
        .most = 64,
        .offset = offsetof(struct site_def, volumes),
        .help = "what it keeps, by name"},
    {.key = "health",
        .shape = SHAPE_RECORD,
        .record = &health_record,
        .offset = offsetof(struct site_def, health),
        .help = "how to tell that it works"},
};

static void finish_site(void *record)
{
    struct site_def *site = record;
    if (!site->health.path)
        xstr_set(&site->health.path, "/");
    if (site->health.status == 0)
        site->health.status = 200;
}

static const struct record site_record = {.kind = "site",
    .fields = site_fields,
    .count = COUNT(site_fields),
    .size = sizeof(struct site_def),
    .name_offset = offsetof(struct site_def, name),
    .place_offset = offsetof(struct site_def, place),
    .finish = finish_site};

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static const struct field host_fields[] = {
    {.key = "address",
        .type = &value_address,
        .required = true,
        .offset = offsetof(struct host_def, address),
        .help = "where its sshd is reached"},
    {.key = "port",
        .type = &value_port,
        RANGE(1, 65535, "1 to 65535"),
        .offset = offsetof(struct host_def, port),
        .otherwise = "22",
        .help = "the port of its sshd"},
    {.key = "user",
        .type = &value_login,
        .offset = offsetof(struct host_def, user),
        .otherwise = "dogwatch",
        .help = "whom to log in as"},
    {.key = "jump",
        .type = &value_name,
        .refers = REFERS_JUMP,
        .offset = offsetof(struct host_def, jump),
        .otherwise = "it is dialled directly",
        .help = "another host of the fleet through which it is reached"},
    {.key = "roles",
        .type = &value_role,
        .shape = SHAPE_LIST,
        .most = 4,
        .offset = offsetof(struct host_def, roles),
        .otherwise = "[compute]",
        .help = "what it is for: compute, proxy, storage, backup"},
    {.key = "labels",
        .type = &value_text,
        .shape = SHAPE_PAIRS,
        RANGE(1, 128, "1 to 128 bytes"),
        .most = 16,
        .offset = offsetof(struct host_def, labels),
        .help = "your own names and texts, such as rack: a1"},
};

static void finish_host(void *record)
{
    struct host_def *host = record;
    if (!host->user)
        xstr_set(&host->user, "dogwatch");
    if (host->port == 0)
        host->port = 22;
    if (host->roles == 0)
        host->roles = ROLE_COMPUTE;
}

static const struct record host_record = {.kind = "host",
    .fields = host_fields,
    .count = COUNT(host_fields),
    .size = sizeof(struct host_def),
    .name_offset = offsetof(struct host_def, name),
    .place_offset = offsetof(struct host_def, place),
    .finish = finish_host};

/* --- the files ---------------------------------------------------------------------------------------------------- */

static const struct field fleet_file_fields[] = {
    {.key = "fleet",
        .type = &value_name,
        .required = true,
        .offset = offsetof(struct fleet, name),
        .help = "the fleet's name, shown in every title"},
    {.key = "environment",
        .type = &value_name,
        .offset = offsetof(struct fleet, environment),
        .otherwise = "production",
        .help = "colours the title, so that test and production are never mistaken for one another"},
    {.key = "interval",
        .type = &value_duration,
        RANGE(1 * SECONDS, 600 * SECONDS, "1s to 10m"),
        .offset = offsetof(struct fleet, interval_us),
        .otherwise = "10s",
        .help = "how often each host is sampled"},
};

static void finish_fleet(void *record)
{
    struct fleet *fleet = record;
    if (!fleet->environment)
        xstr_set(&fleet->environment, "production");
    if (fleet->interval_us == 0)
        fleet->interval_us = (int64_t)(10 * SECONDS);
}

static const struct field hosts_file_fields[] = {
    {.key = "hosts",
        .shape = SHAPE_RECORDS,
        .record = &host_record,
        .most = 10000,
        .may_be_empty = true,
        .offset = offsetof(struct fleet, hosts),
        .help = "the hosts, by name"},
};

static const struct field sites_file_fields[] = {
    {.key = "sites",
        .shape = SHAPE_RECORDS,
        .record = &site_record,
        .most = 200000,
        .may_be_empty = true,
        .offset = offsetof(struct fleet, sites),
        .help = "the sites, by name; any number of files"},
};

/* All three are read into one struct fleet. */
#define FILE_RECORD(name, rows, finish_with)                                                                           \
    {                                                                                                                  \
        .kind = (name), .fields = (rows), .count = COUNT(rows), .size = sizeof(struct fleet),                          \
        .name_offset = NO_OFFSET, .place_offset = NO_OFFSET, .finish = (finish_with)                                   \
    }
const struct record schema_fleet_file = FILE_RECORD("fleet.yaml", fleet_file_fields, finish_fleet);
const struct record schema_hosts_file = FILE_RECORD("hosts.yaml", hosts_file_fields, NULL);
const struct record schema_sites_file = FILE_RECORD("sites/*.yaml", sites_file_fields, NULL);

#define KEYS_FIT(rows) _Static_assert(COUNT(rows) <= SCHEMA_MAX_KEYS, "raise SCHEMA_MAX_KEYS")
KEYS_FIT(volume_fields);
KEYS_FIT(container_fields);
KEYS_FIT(health_fields);
KEYS_FIT(site_fields);
KEYS_FIT(host_fields);
KEYS_FIT(fleet_file_fields);

static const struct record *const files[] = {&schema_fleet_file, &schema_hosts_file, &schema_sites_file};

/* --- looking up --------------------------------------------------------------------------------------------------- */

const struct field *schema_find(const struct record *record, const char *key, size_t length)
{
    for (size_t i = 0; i < record->count; i++)
        if (strlen(record->fields[i].key) == length && memcmp(record->fields[i].key, key, length) == 0)
            return &record->fields[i];
    return NULL;
}

const char *schema_nearest(const struct record *record, const char *key)
{
    const char *keys[SCHEMA_MAX_KEYS];
    for (size_t i = 0; i < record->count; i++)
        keys[i] = record->fields[i].key;
    return name_nearest(key, keys, record->count);
}

const char *schema_keys(const struct record *record, char out[SCHEMA_KEYS_SIZE])
{
    out[0] = '\0';
    for (size_t i = 0; i < record->count; i++) {
        size_t used = strlen(out);
        str_format(out + used, SCHEMA_KEYS_SIZE - used, "%s%s", used ? ", " : "", record->fields[i].key);
    }
    return out;
}

const char *schema_file_of(const char *key)
{
    for (size_t i = 0; i < COUNT(files); i++)
        if (schema_find(files[i], key, strlen(key)))
            return files[i]->kind;
    return NULL;
}

/* --- the reference ------------------------------------------------------------------------------------------------ */

/* "a list of domains, up to 64" */
static void describe_type(struct buf *out, const struct field *field)
{
    static const char *const shapes[] = {
        [SHAPE_SCALAR] = "",
        [SHAPE_LIST] = "list: ",
        [SHAPE_PAIRS] = "name: ",
        [SHAPE_RECORD] = "mapping, see ",
        [SHAPE_RECORDS] = "name: mapping, see ",
    };
    buf_puts(out, shapes[field->shape]);
    for (size_t i = 0; field->words && field->words[i]; i++)
        buf_printf(out, "%s%s", i ? ", " : "", field->words[i]);
    if (!field->words)
        buf_puts(out, field->record ? field->record->kind : field->type->word);
    if (field->range)
        buf_printf(out, ", %s", field->range);
    if (field->most)
        buf_printf(out, "; up to %zu", field->most);
}

static void describe_record(struct buf *out, const struct record *record)
{
    buf_printf(out, "### %s\n\n| key | type | if not given | meaning |\n| --- | --- | --- | --- |\n", record->kind);
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        buf_printf(out, "| `%s` | ", field->key);
        describe_type(out, field);
        const char *otherwise = field->otherwise ? field->otherwise : "";
        buf_printf(out, " | %s | %s |\n", field->required ? "**required**" : otherwise, field->help);
    }
    buf_putc(out, '\n');
    for (size_t i = 0; i < record->count; i++)
        if (record->fields[i].record)
            describe_record(out, record->fields[i].record);
}

void schema_describe(struct buf *out)
{
    for (size_t i = 0; i < COUNT(files); i++)
        describe_record(out, files[i]);
}
