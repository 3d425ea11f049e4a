/* `logs.tail`: read from the end of a file backwards to where the wanted lines begin, then forwards; what the journal
 * has is asked of journalctl. Runs in the request's own thread. */
#include "host/logs/tail.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/inventory.h"
#include "host/logs/file.h"
#include "host/logs/journal.h"
#include "host/logs/record.h"
#include "host/verbs.h"

#define LINES_DEFAULT 100
#define MOST_BYTES (960u * 1024u) /* of a message of 1 MiB */

/* The newest lines that fit. */
struct newest {
    json_t *lines;
    size_t count, bytes;
    struct record_joiner joiner;
    enum record_format format;
    size_t sizes[TAIL_MOST_LINES + 1]; /* as JSON */
};

static void drop_oldest(struct newest *newest)
{
    newest->bytes -= newest->sizes[0];
    size_t left = json_array_size(newest->lines) - 1;
    json_array_remove(newest->lines, 0);
    for (size_t i = 0; i < left; i++)
        newest->sizes[i] = newest->sizes[i + 1];
}

static void keep(struct newest *newest, const struct record *record)
{
    size_t bytes, index = json_array_size(newest->lines);
    json_array_append_new(newest->lines, record_json(record, &bytes));
    newest->sizes[index] = bytes;
    newest->bytes += bytes;
    while (json_array_size(newest->lines) > newest->count || newest->bytes > MOST_BYTES)
        drop_oldest(newest);
}

static void visit(void *context, char *line, size_t length, uint64_t start, const struct file_position *after)
{
    (void)after;
    struct newest *newest = context;
    struct record record;
    record_parse(newest->format, line, length, clock_wall_us(), &record);
    if (record_join(&newest->joiner, &record, start))
        keep(newest, &record);
    record_release(&record);
}

static enum err tail_file(const struct source_facts *facts, struct newest *newest, struct err_info *info)
{
    struct log_file file;
    struct file_block block;
    struct record record;
    log_file_init(&file, facts->path);
    file_block_init(&block);
    log_file_begin_with_last(&file, &block, newest->count);
    enum err result = ERR_OK;
    if (file.fd < 0)
        result = err_set(info, ERR_NOT_FOUND, "%s has no log yet", facts->identity.source);
    else
        while (log_file_read(&file, &block, visit, newest))
            file.was_switched = false;
    while (record_joiner_take(&newest->joiner, &record))
        keep(newest, &record);
    log_file_close(&file);
    file_block_free(&block);
    return result;
}

static void visit_entry(void *context, const struct journal_entry *entry)
{
    keep(context, &entry->record);
}

enum err tail_lines(const struct source_facts *facts, size_t count, json_t **lines, struct err_info *info)
{
    struct newest *newest = xcalloc(1, sizeof *newest);
    newest->count = count;
    newest->format = facts->format;
    newest->lines = json_array();
    record_joiner_init(&newest->joiner);
    enum err result =
        facts->in_journal ? journal_tail(facts->id, count, visit_entry, newest, info) : tail_file(facts, newest, info);
    *lines = result == ERR_OK ? json_incref(newest->lines) : NULL;
    json_decref(newest->lines);
    record_joiner_free(&newest->joiner);
    free(newest);
    return result;
}

/* --- the verb -------------------------------------------------------------------------------------------------------
 */

static enum err find_source(
    const json_t *args, const json_t *inventory, struct source_facts *out, struct err_info *info)
{
    const char *container = json_get_text(args, "container"), *source = json_get_text(args, "source");
    struct source_list list;
    sources_list(inventory, &list);
    const struct source_facts *found =
        container ? sources_find_container(&list, inventory, container) : sources_find(&list, source);
    if (found)
        *out = *found;
    vec_free(&list);
    if (!found)
        return err_set(info, ERR_NOT_FOUND, "this host has no readable log of %s", container ? container : source);
    return ERR_OK;
}

enum err verb_logs_tail(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    int64_t count = LINES_DEFAULT;
    struct source_facts facts;
    json_t *lines;
    if (!json_get_text(args, "container") == !json_get_text(args, "source"))
        return err_set(info, ERR_INVALID, "logs.tail needs either a container or a source");
    if (json_object_get(args, "lines") &&
        (!json_get_i64(args, "lines", &count) || count < 1 || count > TAIL_MOST_LINES))
        return err_set(info, ERR_INVALID, "logs.tail takes lines from 1 to %d", TAIL_MOST_LINES);
    json_t *inventory = inventory_current();
    enum err result = ERR_OK;
    if (!inventory && json_get_text(args, "container"))
        result = inventory_refresh(&inventory, info);
    if (result == ERR_OK)
        result = find_source(args, inventory, &facts, info);
    json_decref(inventory);
    if (result == ERR_OK)
        result = tail_lines(&facts, (size_t)count, &lines, info);
    if (result != ERR_OK)
        return result;
    *ok = json_object();
    json_object_set_new(*ok, "lines", lines);
    return ERR_OK;
}
