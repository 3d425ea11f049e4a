/* The systemd journal through journalctl: one process for the system and all containers that log there. */
#ifndef HOST_LOGS_JOURNAL_H
#define HOST_LOGS_JOURNAL_H

#include "base/err.h"
#include "host/logs/batch.h"
#include "host/logs/record.h"

struct journal_entry {
    const char *cursor;    /* borrowed */
    const char *id;        /* the container's ID; NULL: the system's own entry */
    const char *container; /* its name as the engine says; NULL: unknown */
    bool is_docker;
    struct record record;
    char *text; /* owned: where the record's text is made */
    json_t *object;
};

/* One line of `journalctl --output=json`; false where it is none. Call journal_entry_release afterwards. */
bool journal_entry_parse(char *line, size_t length, struct journal_entry *entry);
void journal_entry_release(struct journal_entry *entry);

typedef void journal_visitor(void *context, const struct journal_entry *entry);

/* The last `count` entries of the system, or (id not "") of one container. Any thread. */
enum err journal_tail(const char *id, size_t count, journal_visitor *visit, void *context, struct err_info *info);

/* --- following: the thread that called journal_new has to live as long ------------------------------------------- */

struct journal;

/* From behind the cursor ("" : with the last 100 entries). Never fails: what cannot be started is tried again. */
struct journal *journal_new(const char *cursor);
void journal_free(struct journal *journal);
const char *journal_position(const struct journal *journal); /* the cursor of what was read last; "": nothing yet */
int journal_fd(const struct journal *journal);               /* to poll for reading; -1 while journalctl does not run */
/* Read what is there, bounded; starts journalctl again where it ended. True where there may be more now. *lost: grows
 * by the places where something is missing. */
bool journal_read(struct journal *journal, journal_visitor *visit, void *context, int64_t *lost);

/* Whether one position is at or behind the other; cursors are journald's (systemd.journal-fields(7)). */
bool journal_cursor_is_covered(const char *cursor, const char *by);

#endif
