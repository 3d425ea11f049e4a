/* The store, writing side. A put packs its arguments into one allocation and queues it; the writer thread takes up to a
 * thousand (after lingering a few milliseconds) and commits them together. A batch that fails goes back to the front of
 * the queue and is tried again every few seconds. Puts come from any thread. */
#include "store/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "store/internal.h"
#include "store/database.h"
#include "store/sql.h"

#define BATCH_ITEMS 1000
#define LINGER_US (5 * USEC_PER_MSEC)
#define RETRY_US (3 * USEC_PER_SEC)
#define WAITING_ITEMS 262144
#define WAITING_BYTES ((size_t)256 << 20)

static void release_put(void *owner, struct intake_item *item, bool lost)
{
    (void)owner;
    (void)lost; /* the intake counts */
    free(item);
}

/* --- the writer thread --- */

static void note_success(struct store *store, size_t count, size_t bad, int64_t took_us)
{
    pthread_mutex_lock(&store->stats_mutex);
    bool was_failing = store->stats.failing_since_us != 0;
    store->stats.written += count - bad;
    store->stats.dropped += bad;
    store->stats.last_batch_ms = (double)took_us / (double)USEC_PER_MSEC;
    store->stats.failing_since_us = 0;
    store->stats.last_error[0] = '\0';
    pthread_mutex_unlock(&store->stats_mutex);
    if (was_failing)
        log_info("the store %s can be written again", store->path);
}

static void note_failure(struct store *store, const char *message)
{
    pthread_mutex_lock(&store->stats_mutex);
    bool is_new = store->stats.failing_since_us == 0;
    if (is_new)
        store->stats.failing_since_us = clock_wall_us();
    str_format(store->stats.last_error, sizeof store->stats.last_error, "%s: %s", store->path, message);
    pthread_mutex_unlock(&store->stats_mutex);
    if (is_new)
        log_error("the store cannot be written, what comes is kept in memory: %s", message);
}

static void *write_puts(void *arg)
{
    static const struct intake_batch batch = {BATCH_ITEMS, SIZE_MAX, -1, LINGER_US};
    struct store *store = arg;
    struct intake_item *items[BATCH_ITEMS];
    size_t count;
    while ((count = intake_take(store->intake, items, &batch)) > 0) {
        struct err_info info = {0};
        size_t bad;
        int64_t started_us = clock_mono_us();
        bool last_try = intake_is_closed(store->intake);
        if (writer_commit(&store->writer, items, count, &bad, &info) == ERR_OK) {
            note_success(store, count, bad, clock_mono_us() - started_us);
            for (size_t i = 0; i < count; i++)
                free(items[i]);
            continue;
        }
        note_failure(store, info.message);
        intake_return(store->intake, items, count);
        if (last_try)
            break;
        intake_pause(store->intake, RETRY_US);
    }
    return NULL;
}

/* --- opening and closing --- */

static void free_store(struct store *store)
{
    intake_free(store->intake);
    writer_close(&store->writer);
    sql_close(store->durable);
    pthread_mutex_destroy(&store->durable_mutex);
    pthread_mutex_destroy(&store->stats_mutex);
    free(store->path);
    free(store);
}

static enum err open_connections(struct store *store, struct err_info *info)
{
    sqlite3 *db = NULL;
    enum err result = database_open(store->path, &db, store->stats.notice, sizeof store->stats.notice, info);
    if (result == ERR_OK)
        result = writer_open(&store->writer, db, info);
    if (result == ERR_OK)
        result = database_connect(store->path, true, &store->durable, info);
    return result;
}

enum err store_open(const char *state_dir, struct store **out, struct err_info *info)
{
    *out = NULL;
    enum err result = paths_make_dir(state_dir, info);
    if (result != ERR_OK)
        return result;
    struct store *store = xcalloc(1, sizeof *store);
    store->path = paths_join(state_dir, DATABASE_NAME);
    store->intake = intake_new(WAITING_ITEMS, WAITING_BYTES, release_put, store);
    store->stats.last_batch_ms = (double)NAN;
    pthread_mutex_init(&store->durable_mutex, NULL);
    pthread_mutex_init(&store->stats_mutex, NULL);
    result = open_connections(store, info);
    if (result == ERR_OK) {
        int why = pthread_create(&store->thread, NULL, write_puts, store);
        if (why)
            result = err_errno(info, ERR_IO, why, "cannot start the thread that writes the store");
    }
    if (result != ERR_OK) {
        free_store(store);
        return result;
    }
    *out = store;
    return ERR_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    intake_close(store->intake);
    pthread_join(store->thread, NULL);
    struct intake_stats left = intake_stats(store->intake);
    if (left.depth > 0)
        log_error("%zu items could not be written to the store %s", left.depth, store->path);
    sqlite3_wal_checkpoint_v2(store->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    free_store(store);
}

bool store_flush(struct store *store, int64_t timeout_us)
{
    return intake_wait_done(store->intake, timeout_us);
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    struct stat status;
    char *whole = xasprintf("%s%s", path, suffix);
    uint64_t bytes = stat(whole, &status) == 0 ? (uint64_t)status.st_size : 0;
    free(whole);
    return bytes;
}

void store_stats(struct store *store, struct store_stats *out)
{
    struct intake_stats waiting = intake_stats(store->intake);
    pthread_mutex_lock(&store->stats_mutex);
    *out = store->stats;
    pthread_mutex_unlock(&store->stats_mutex);
    out->depth = waiting.depth;
    out->capacity = waiting.capacity;
    out->dropped += waiting.dropped;
    out->db_bytes = file_bytes(store->path, "") + file_bytes(store->path, "-wal");
}

sqlite3 *store_lock_durable(struct store *store)
{
    pthread_mutex_lock(&store->durable_mutex);
    return store->durable;
}

void store_unlock_durable(struct store *store)
{
    pthread_mutex_unlock(&store->durable_mutex);
}

/* --- puts --- */

static struct put *new_put(enum put_type type, enum object_kind kind, size_t payload_size)
{
    struct put *put = xmalloc(sizeof *put + payload_size);
    memset(put, 0, sizeof *put);
    put->type = type;
    put->kind = kind;
    put->item.bytes = sizeof *put + payload_size;
    return put;
}

/* The intake's key of an object: its kind as a character, then its own key. Written behind `size` bytes of payload. */
static const char *write_item_key(struct put *put, size_t size, enum object_kind kind, const char *key)
{
    char *text = (char *)put->payload + size;
    text[0] = (char)('0' + (int)kind);
    memcpy(text + 1, key, strlen(key) + 1);
    put->item.key = text;
    return text + 1;
}

static void put_object(struct store *store, enum object_kind kind, const void *row)
{
    const struct object_table *table = object_table(kind);
    const char *key = (const char *)row + table->key_offset;
    struct put *put = new_put(PUT_ROW, kind, table->row_size + strlen(key) + 2);
    memcpy(put->payload, row, table->row_size);
    write_item_key(put, table->row_size, kind, key);
    intake_put(store->intake, &put->item);
}

void store_put_host(struct store *store, const struct host_state *host)
{
    put_object(store, KIND_HOST, host);
}

void store_put_site(struct store *store, const struct site_state *site)
{
    put_object(store, KIND_SITE, site);
}

void store_put_container(struct store *store, const struct container_state *container)
{
    put_object(store, KIND_CONTAINER, container);
}

void store_put_volume(struct store *store, const struct volume_state *volume)
{
    put_object(store, KIND_VOLUME, volume);
}

void store_remove(struct store *store, enum object_kind kind, const char *key)
{
    if (!object_table(kind))
        return;
    struct put *put = new_put(PUT_REMOVE, kind, strlen(key) + 2);
    put->key = write_item_key(put, 0, kind, key);
    intake_put(store->intake, &put->item);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void store_keep_only(
    struct store *store, enum object_kind kind, const char *host, const char *const *keys, size_t count)
{
    if (!object_table(kind))
        return;
    size_t text_size = 3 + (host ? strlen(host) : 0);
    for (size_t i = 0; i < count; i++)
        text_size += strlen(keys[i]) + 1;
    struct put *put = new_put(PUT_KEEP_ONLY, kind, count * sizeof(char *) + text_size);
    put->keys = (const char **)put->payload;
    put->key_count = count;
    char *text = (char *)(put->keys + count);
    char *item_key = text;
    *text++ = (char)('a' + (int)kind);
    *text++ = host ? '=' : '*';
    put->host = host ? text : NULL;
    text = stpcpy(text, host ? host : "") + 1;
    for (size_t i = 0; i < count; i++) {
        put->keys[i] = text;
        text = stpcpy(text, keys[i]) + 1;
    }
    qsort(put->keys, count, sizeof *put->keys, compare_keys);
    put->item.key = item_key;
    put->item.barrier = true;
    intake_put(store->intake, &put->item);
}

void store_put_engine(struct store *store, const double *metrics)
{
    size_t size = ENGINE_METRIC_COUNT * sizeof *metrics;
    struct put *put = new_put(PUT_ENGINE, KIND_ENGINE, size + sizeof "0engine");
    put->at_us = clock_wall_us();
    memcpy(put->payload, metrics, size);
    write_item_key(put, size, KIND_ENGINE, "engine");
    intake_put(store->intake, &put->item);
}

void store_put_fleet(struct store *store, const char *name, const char *environment, int64_t interval_us)
{
    struct put *put = new_put(PUT_FLEET, KIND_COUNT, sizeof(struct fleet_row) + sizeof "0fleet");
    struct fleet_row *row = (struct fleet_row *)put->payload;
    str_copy(row->name, sizeof row->name, name);
    str_copy(row->environment, sizeof row->environment, environment);
    row->interval_us = interval_us;
    write_item_key(put, sizeof *row, KIND_COUNT, "fleet");
    intake_put(store->intake, &put->item);
}

void store_add_event(struct store *store, const struct event *event)
{
    struct put *put = new_put(PUT_EVENT, event->object_kind, sizeof *event);
    struct event *copy = (struct event *)put->payload;
    *copy = *event;
    if (copy->at_us == 0)
        copy->at_us = clock_wall_us();
    intake_put(store->intake, &put->item);
}
