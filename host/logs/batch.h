/* Lines of one source on their way out: rate limit, count of what was left out, and messages of bounded size. One
 * thread at a time. */
#ifndef HOST_LOGS_BATCH_H
#define HOST_LOGS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/name.h"
#include "host/logs/record.h"

#define BATCH_MOST_LINES 256
#define BATCH_MOST_BYTES (512u * 1024u) /* as JSON, without the last line: a message has at most 1 MiB */
#define BATCH_BURST_S 10                /* lines that may come at once, in seconds of the rate */

#define LOG_SOURCE_SIZE 160
#define LOG_CURSOR_SIZE 501

struct log_identity {
    char source[LOG_SOURCE_SIZE];
    char container[CONTAINER_NAME_SIZE]; /* "": none */
    char site[NAME_SIZE];                /* "": none */
    char unit[CONTAINER_NAME_SIZE];
};

struct batch {
    double rate_lines_s;
    double tokens;
    int64_t filled_us; /* the newest time a line bore: a backlog is no flood */
    int64_t read_us;   /* when the last line was read */
    json_t *lines;     /* NULL: none */
    size_t bytes;
    int64_t dropped; /* since the last message */
};

void batch_init(struct batch *batch, int64_t rate_lines_s);
void batch_free(struct batch *batch);
/* Take the line, or count it as left out. `now_us` dates lines without a time. True where the batch is full and has to
 * be taken before the next line. */
bool batch_add(struct batch *batch, struct record *record, int64_t now_us);
bool batch_is_empty(const struct batch *batch); /* nothing to tell: no lines, none left out */
/* The "log" message (docs/protocol.md), the caller's; the batch is empty again. */
json_t *batch_take(struct batch *batch, const struct log_identity *identity, const char *cursor);

#endif
