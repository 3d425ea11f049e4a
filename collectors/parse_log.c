/* One push of log lines: JSON to a log_batch. Source and cursor must be right, or the lines could not be continued
 * without a gap: such a message is refused whole. Lines that cannot be used are counted as dropped. The texts stay as
 * the host said them, cut at 8 KiB. No state; any thread. */
#include "collectors/parse_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define WHAT "log"
#define LINE_BYTES 8192
#define PRIORITY_UNKNOWN 255

/* Lines are filed by day: a host whose clock is wild, or that lies, must not fill days to come. */
#define FUTURE_US (INT64_C(24) * 3600 * USEC_PER_SEC)

/* "podman/NAME", "journal", "file/auth.log": printable, without blanks */
static bool is_source(const char *source)
{
    size_t length = 0;
    while (source[length] > ' ' && source[length] < 0x7f)
        length++;
    return length > 0 && source[length] == '\0';
}

static uint8_t parse_priority(const json_t *entry)
{
    int64_t priority = PRIORITY_UNKNOWN;
    json_get_i64(entry, "priority", &priority);
    return priority >= 0 && priority <= 7 ? (uint8_t)priority : PRIORITY_UNKNOWN;
}

static bool add_line(struct log_batch *batch, const json_t *entry, int64_t now_us)
{
    const char *text = json_get_text(entry, "text");
    if (!text || batch->count >= PARSE_LINES_MAX)
        return false;
    const char *stream = json_get_text(entry, "stream");
    size_t length = strlen(text);
    struct log_line *line = &batch->lines[batch->count++];
    line->at_us = parse_time_us(entry, "t");
    if (line->at_us == 0 || line->at_us > now_us + FUTURE_US)
        line->at_us = now_us;
    line->text = xstrndup(text, length > LINE_BYTES ? utf8_whole_length(text, LINE_BYTES) : length);
    line->priority = parse_priority(entry);
    line->is_stderr = stream && strcmp(stream, "stderr") == 0;
    return true;
}

static void read_lines(struct log_batch *batch, const json_t *list, int64_t now_us)
{
    size_t count = json_array_size(list);
    batch->lines = xcalloc(count < PARSE_LINES_MAX ? count + 1 : PARSE_LINES_MAX, sizeof *batch->lines);
    for (size_t i = 0; i < count; i++)
        if (!add_line(batch, json_array_get(list, i), now_us))
            batch->dropped++;
}

static enum err read_head(
    const json_t *json, const char *host, struct log_batch *batch, const json_t **lines, struct err_info *info)
{
    int64_t dropped = 0;
    *lines = NULL;
    if (!json_copy_text(json, "source", batch->source, sizeof batch->source) || !is_source(batch->source))
        return parse_garbage(info, WHAT, "without a valid \"source\"", json);
    if (!json_copy_text(json, "cursor", batch->cursor, sizeof batch->cursor) || batch->cursor[0] == '\0')
        return parse_garbage(info, WHAT, "without a valid \"cursor\"", json);
    str_copy(batch->host, sizeof batch->host, host);
    parse_container_name(json, "container", batch->container);
    parse_name(json, "site", batch->site);
    parse_words(json, "unit", batch->unit, sizeof batch->unit);
    if (json_get_i64(json, "dropped", &dropped) && dropped > 0)
        batch->dropped = (uint64_t)dropped;
    return parse_section(json, WHAT, "lines", JSON_ARRAY, lines, info);
}

enum err parse_log(
    const json_t *json, const char *host, int64_t now_us, struct log_batch **batch, struct err_info *info)
{
    *batch = NULL;
    if (!json_is_object(json))
        return parse_garbage(info, WHAT, "is no object", json);
    struct log_batch *made = xcalloc(1, sizeof *made);
    const json_t *lines;
    enum err err = read_head(json, host, made, &lines, info);
    if (err != ERR_OK) {
        log_batch_free(made);
        return err;
    }
    read_lines(made, lines, now_us);
    *batch = made;
    return ERR_OK;
}
