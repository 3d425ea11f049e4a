/* journalctl as a child: its cursors are kept by whoever stores the lines, because --cursor-file is not written while
 * it follows. An entry belongs to a container only where the engine's own process wrote it (_UID=0): everybody may send
 * the journal a CONTAINER_ID_FULL. The follower's thread; journal_tail any. */
#include "host/logs/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/logs/sources.h"
#include "host/run.h"

#define LINE_MOST (128u * 1024u)
#define READ_STEP (16u * 1024u)
#define READ_STEPS 16
#define FIRST_LINES "--lines=100"
#define RESTART_US (10 * USEC_PER_SEC)
#define TAIL_LIMIT_US (20 * USEC_PER_SEC)
#define TAIL_BYTES (24u * 1024u * 1024u)
#define FIELDS                                                                                                         \
    "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_UID,CONTAINER_ID_FULL,CONTAINER_NAME,"  \
    "CONTAINER_PARTIAL_MESSAGE"

/* --- entries --------------------------------------------------------------------------------------------------------
 */

/* A text, or the bytes of one that is not UTF-8; a field that came twice is an array of such: the first counts. */
static size_t append_message(struct buf *out, const json_t *message)
{
    if (json_is_string(message)) {
        size_t length = json_string_length(message), room = out->ceiling - out->length;
        buf_append(out, json_string_value(message), length < room ? length : room);
    } else if (json_is_array(message) && json_is_integer(json_array_get(message, 0))) {
        for (size_t i = 0; i < json_array_size(message); i++)
            buf_putc(out, (char)json_integer_value(json_array_get(message, i)));
    } else if (json_is_array(message) && json_is_string(json_array_get(message, 0))) {
        append_message(out, json_array_get(message, 0));
    }
    return out->length;
}

/* "sshd[123]: " before what the system says, as syslog writes it */
static void append_speaker(struct buf *out, const json_t *object)
{
    const char *name = json_get_text(object, "SYSLOG_IDENTIFIER"), *pid = json_get_text(object, "SYSLOG_PID");
    if (!name)
        name = json_get_text(object, "_COMM");
    if (!pid)
        pid = json_get_text(object, "_PID");
    if (name && pid)
        buf_printf(out, "%.100s[%.10s]: ", name, pid);
    else if (name)
        buf_printf(out, "%.100s: ", name);
}

static bool has_text(const json_t *object, const char *key, const char *value)
{
    const char *text = json_get_text(object, key);
    return text && strcmp(text, value) == 0;
}

bool journal_entry_parse(char *line, size_t length, struct journal_entry *entry)
{
    int64_t number;
    *entry = (struct journal_entry){.record.priority = -1};
    if (json_parse(line, length, &entry->object, NULL) != ERR_OK)
        return false;
    const json_t *object = entry->object;
    entry->cursor = json_get_text(object, "__CURSOR");
    if (!entry->cursor || strlen(entry->cursor) >= LOG_CURSOR_SIZE - strlen("journal:"))
        return false;
    if (has_text(object, "_UID", "0"))
        entry->id = json_get_text(object, "CONTAINER_ID_FULL");
    entry->container = entry->id ? json_get_text(object, "CONTAINER_NAME") : NULL;
    entry->is_docker = has_text(object, "_COMM", "dockerd");
    if (str_to_i64(json_get_text(object, "__REALTIME_TIMESTAMP"), 0, INT64_MAX, &number))
        entry->record.t_us = number;
    if (str_to_i64(json_get_text(object, "PRIORITY"), 0, 7, &number))
        entry->record.priority = (int)number;
    if (entry->id) /* podman and docker: 6 is standard output, 3 standard error */
        entry->record.stream = entry->record.priority == 3 ? RECORD_STDERR : RECORD_STDOUT;
    struct buf text = BUF(RECORD_TEXT_MOST * 2);
    if (!entry->id)
        append_speaker(&text, object);
    entry->record.length = append_message(&text, json_object_get(object, "MESSAGE"));
    entry->text = buf_take(&text);
    entry->record.text = entry->text;
    return true;
}

void journal_entry_release(struct journal_entry *entry)
{
    json_decref(entry->object);
    free(entry->text);
    *entry = (struct journal_entry){0};
}

/* The whole lines of the buffer; returns how many could not be read. */
static int64_t visit_lines(struct buf *buf, journal_visitor *visit, void *context)
{
    int64_t unreadable = 0;
    size_t done = 0;
    char *newline;
    while (done < buf->length && (newline = memchr(buf->data + done, '\n', buf->length - done)) != NULL) {
        struct journal_entry entry;
        size_t length = (size_t)(newline - (buf->data + done));
        if (journal_entry_parse(buf->data + done, length, &entry))
            visit(context, &entry);
        else
            unreadable += length > 0;
        journal_entry_release(&entry);
        done += length + 1;
    }
    buf_consume(buf, done);
    return unreadable;
}

/* --- cursors --------------------------------------------------------------------------------------------------------
 */

/* "s=SEQNUM_ID;i=SEQNUM;b=BOOT;m=MONOTONIC;t=REALTIME;x=HASH", hexadecimal */
static bool cursor_number(const char *cursor, const char *key, uint64_t *number)
{
    const char *found = strstr(cursor, key);
    char *end;
    if (!found)
        return false;
    errno = 0;
    *number = strtoull(found + strlen(key), &end, 16);
    return errno == 0 && end != found + strlen(key);
}

bool journal_cursor_is_covered(const char *cursor, const char *by)
{
    uint64_t one, other;
    const char *key = ";t=";
    size_t length = strcspn(cursor, ";");
    if (strncmp(cursor, by, length) == 0 && by[length] == ';')
        key = ";i="; /* of one sequence: exact */
    return cursor_number(cursor, key, &one) && cursor_number(by, key, &other) && one <= other;
}

/* --- the last entries -----------------------------------------------------------------------------------------------
 */

enum err journal_tail(const char *id, size_t count, journal_visitor *visit, void *context, struct err_info *info)
{
    char program[HOST_PATH_SIZE], lines[32], match[128];
    int status;
    if (!sources_journalctl(program))
        return err_set(info, ERR_NOT_FOUND, "this host has no journal");
    str_format(lines, sizeof lines, "--lines=%zu", count);
    str_format(match, sizeof match, "CONTAINER_ID_FULL=%s", id);
    const char *const argv[] = {
        program, "--output=json", "--all", "--quiet", "--no-pager", FIELDS, lines, *id ? match : NULL, NULL};
    struct buf out = BUF(TAIL_BYTES), errors = BUF(1024);
    enum err result = run_program(argv, TAIL_LIMIT_US, &out, &errors, &status, info);
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_FAILED, "journalctl ended with %d: %.200s", status, buf_text(&errors));
    if (result == ERR_OK)
        visit_lines(&out, visit, context);
    buf_free(&out);
    buf_free(&errors);
    return result;
}

/* --- following ------------------------------------------------------------------------------------------------------
 */

struct journal {
    pid_t pid; /* 0: not running */
    int fd;
    struct buf in;
    bool is_skipping; /* the rest of a line that is too long */
    bool said_any;    /* since it was started */
    int silent_ends;  /* times that it ended without a word */
    int64_t retry_us; /* CLOCK_MONOTONIC; not before */
    char cursor[LOG_CURSOR_SIZE];
};

struct journal *journal_new(const char *cursor)
{
    struct journal *journal = xcalloc(1, sizeof *journal);
    journal->fd = -1;
    journal->in = BUF(LINE_MOST);
    str_copy(journal->cursor, sizeof journal->cursor, cursor);
    return journal;
}

static void stop(struct journal *journal)
{
    if (journal->pid > 0)
        run_end(journal->pid, journal->fd);
    journal->pid = 0;
    journal->fd = -1;
    buf_clear(&journal->in);
    journal->is_skipping = false;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    stop(journal);
    buf_free(&journal->in);
    free(journal);
}

const char *journal_position(const struct journal *journal)
{
    return journal->cursor;
}

int journal_fd(const struct journal *journal)
{
    return journal->fd;
}

static void start(struct journal *journal, int64_t *lost)
{
    char program[HOST_PATH_SIZE], after[LOG_CURSOR_SIZE + 32];
    int64_t now_us = clock_mono_us();
    if (now_us < journal->retry_us || !sources_journalctl(program))
        return;
    journal->retry_us = now_us + RESTART_US;
    if (journal->cursor[0] && journal->silent_ends >= 2) { /* a cursor that it does not take */
        journal->cursor[0] = '\0';
        (*lost)++;
    }
    journal->silent_ends += !journal->said_any;
    journal->said_any = false;
    str_format(after, sizeof after, "--after-cursor=%s", journal->cursor);
    const char *const anew[] = {
        program, "--output=json", "--all", "--quiet", "--no-pager", FIELDS, "--follow", FIRST_LINES, NULL};
    const char *const on[] = {
        program, "--output=json", "--all", "--quiet", "--no-pager", FIELDS, "--follow", "--no-tail", after, NULL};
    if (run_start(journal->cursor[0] ? on : anew, &journal->pid, &journal->fd, NULL) != ERR_OK)
        stop(journal);
}

struct remembering {
    struct journal *journal;
    journal_visitor *visit;
    void *context;
};

static void remember(void *context, const struct journal_entry *entry)
{
    struct remembering *remembering = context;
    struct journal *journal = remembering->journal;
    str_copy(journal->cursor, sizeof journal->cursor, entry->cursor);
    journal->said_any = true;
    journal->silent_ends = 0;
    remembering->visit(remembering->context, entry);
}

/* Put what was read into the buffer; a line that does not fit is left out whole. */
static void take_bytes(struct journal *journal, const char *bytes, size_t length, int64_t *lost)
{
    if (journal->is_skipping) {
        const char *newline = memchr(bytes, '\n', length);
        if (!newline)
            return;
        journal->is_skipping = false;
        length -= (size_t)(newline + 1 - bytes);
        bytes = newline + 1;
    }
    if (buf_append(&journal->in, bytes, length) == ERR_OK)
        return;
    buf_clear(&journal->in);
    (*lost)++;
    const char *newline = memrchr(bytes, '\n', length);
    journal->is_skipping = !newline;
    if (newline)
        buf_append(&journal->in, newline + 1, length - (size_t)(newline + 1 - bytes));
}

bool journal_read(struct journal *journal, journal_visitor *visit, void *context, int64_t *lost)
{
    char chunk[READ_STEP];
    struct remembering remembering = {journal, visit, context};
    if (journal->pid == 0)
        start(journal, lost);
    for (int i = 0; i < READ_STEPS && journal->fd >= 0; i++) {
        ssize_t got = read(journal->fd, chunk, sizeof chunk);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (got <= 0) {
            stop(journal);
            return false;
        }
        take_bytes(journal, chunk, (size_t)got, lost);
        *lost += visit_lines(&journal->in, remember, &remembering);
    }
    return journal->fd >= 0;
}
