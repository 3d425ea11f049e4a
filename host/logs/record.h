/* One line of a log as it was written: its formats, and the pieces of long lines put together again. Pure; any thread.
 */
#ifndef HOST_LOGS_RECORD_H
#define HOST_LOGS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

#define RECORD_TEXT_MOST 8192 /* bytes; what is longer is cut */

enum record_format {
    RECORD_K8S,       /* podman: "2026-01-02T03:04:05.123456789+00:00 stdout F text" */
    RECORD_JSON_FILE, /* docker: {"log":"text\n","stream":"stdout","time":"2026-…Z"} */
    RECORD_SYSLOG,    /* RFC 3164 or 3339 stamp, host name, text */
    RECORD_PLAIN      /* no stamp, no stream */
};

enum record_stream { RECORD_NO_STREAM, RECORD_STDOUT, RECORD_STDERR, RECORD_STREAM_COUNT };

struct record {
    int64_t t_us; /* 0: the line does not say */
    enum record_stream stream;
    int priority;     /* 0–7; -1: unknown */
    bool is_partial;  /* the line goes on in the stream's next record */
    const char *text; /* borrowed from the line, or from `holder`; any bytes */
    size_t length;
    json_t *holder; /* NULL: none */
};

/* The line is without its newline and may be changed in place. What is not in the format is all text. `now_us` says
 * which year a stamp without one means. Call record_release afterwards. */
void record_parse(enum record_format format, char *line, size_t length, int64_t now_us, struct record *record);
void record_release(struct record *record);

/* The JSON of one line ("t", "text", "stream", "priority"): cut to RECORD_TEXT_MOST, NULs made visible. *json_bytes:
 * what it takes as text of a message, or a little more. */
json_t *record_json(const struct record *record, size_t *json_bytes);

/* Pieces of lines that wait for their ends, per stream. */
struct record_joiner {
    struct record_piece {
        bool is_open;
        uint64_t start; /* offset of the first piece in its file */
        int64_t t_us;
        struct buf text; /* at most RECORD_TEXT_MOST: what exceeds is cut */
    } pieces[RECORD_STREAM_COUNT];
};

void record_joiner_init(struct record_joiner *joiner);
void record_joiner_free(struct record_joiner *joiner);
/* True where *record is a whole line now (its text may be the joiner's: valid until the next call). `start` is where it
 * begins in its file. */
bool record_join(struct record_joiner *joiner, struct record *record, uint64_t start);
/* The first offset that is still needed to make the open lines again; `otherwise` where none is open. */
uint64_t record_joiner_pending(const struct record_joiner *joiner, uint64_t otherwise);
/* Take one open line as it is; false where there is none left. */
bool record_joiner_take(struct record_joiner *joiner, struct record *record);

#endif
