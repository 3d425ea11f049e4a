/* docker keeps a JSON file per container. podman keeps what a container was made of as one JSON text in a database
 * (bolt in version 4, SQLite in 5), in one piece unless it is long: the text is searched for as it is, since opening
 * the database would wait for whoever holds its lock. What was overwritten may still be found there: an ID never gets
 * other labels, so that does no harm. */
#include "host/containers/stored.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/containers/inspect.h"
#include "host/path.h"

#define DATABASE_CEILING (256u * 1024 * 1024)
#define CONFIG_CEILING (1024u * 1024)
#define REACH (256u * 1024) /* how far behind its ID a container's labels stand */

/* --- podman ---------------------------------------------------------------------------------------------------------
 */

/* A JSON value that begins there; what follows it does not matter. NULL where it is none, or cut. */
static json_t *parse_prefix(const char *text, size_t length)
{
    return json_loadb(text, length, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, NULL);
}

static void take_name(const char *quoted, size_t left, char name[CONTAINER_NAME_SIZE])
{
    json_t *value = parse_prefix(quoted, left < CONTAINER_NAME_SIZE + 8 ? left : CONTAINER_NAME_SIZE + 8);
    name[0] = '\0';
    if (json_is_string(value))
        str_copy(name, CONTAINER_NAME_SIZE, json_string_value(value));
    json_decref(value);
}

/* …"id":"…","name":"…",…,"labels":{…},…; other containers' texts begin with {"spec":. */
static bool find_in_text(
    const char *text, size_t length, const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE])
{
    static const char next[] = "{\"spec\":", labels_key[] = "\"labels\":{";
    char key[RUNTIME_ID_SIZE + 32];
    str_format(key, sizeof key, "\"id\":\"%s\",\"name\":\"", id);
    const char *found = memmem(text, length, key, strlen(key));
    if (!found)
        return false;
    const char *rest = found + strlen(key) - 1; /* at the quote before the name */
    size_t left = length - (size_t)(rest - text);
    left = left < REACH ? left : REACH;
    take_name(rest, left, name);
    const char *end = memmem(rest, left, next, strlen(next));
    if (end)
        left = (size_t)(end - rest);
    const char *labels = memmem(rest, left, labels_key, strlen(labels_key));
    size_t before = labels ? (size_t)(labels - rest) + strlen(labels_key) - 1 : 0;
    json_t *object = labels ? parse_prefix(rest + before, left - before) : NULL;
    bool any = inspect_site(object, name, site);
    json_decref(object);
    return any;
}

static bool find_in_file(const char *file, const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE])
{
    char path[HOST_PATH_SIZE];
    struct stat facts;
    bool found = false;
    int fd = open(host_path(path, sizeof path, file), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0 && facts.st_size <= DATABASE_CEILING) {
        void *text = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text != MAP_FAILED) {
            found = find_in_text(text, (size_t)facts.st_size, id, site, name);
            munmap(text, (size_t)facts.st_size);
        }
    }
    close(fd);
    return found;
}

static bool find_podman(const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE])
{
    static const char *const files[] = {"/var/lib/containers/storage/libpod/bolt_state.db",
        "/var/lib/containers/storage/db.sql-wal", "/var/lib/containers/storage/db.sql"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (find_in_file(files[i], id, site, name))
            return true;
    return false;
}

/* --- docker ---------------------------------------------------------------------------------------------------------
 */

static bool find_docker(const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE])
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(CONFIG_CEILING);
    json_t *config = NULL;
    host_path_format(path, sizeof path, "/var/lib/docker/containers/%s/config.v2.json", id);
    if (buf_read_file(&text, path, NULL) == ERR_OK)
        json_parse(buf_text(&text), text.length, &config, NULL);
    const char *said = json_get_text(config, "Name");
    str_copy(name, CONTAINER_NAME_SIZE, said ? said + (said[0] == '/') : "");
    bool any = config && inspect_site(json_object_get(json_object_get(config, "Config"), "Labels"), name, site);
    json_decref(config);
    buf_free(&text);
    return any;
}

bool stored_find(enum runtime_kind kind, const char *id, char site[NAME_SIZE], char name[CONTAINER_NAME_SIZE])
{
    site[0] = name[0] = '\0';
    if (!runtime_id_is_valid(id))
        return false;
    return kind == RUNTIME_DOCKER ? find_docker(id, site, name) : find_podman(id, site, name);
}
