/* Lines as podman, docker and syslog daemons write them. Whatever a line holds, something sensible comes out: a line
 * that breaks its format is text without a time. No state but the joiner's; any thread. */
#include "host/logs/record.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define MOST_STAMP 40
#define DOCKER_PIECE 16384 /* bytes in which dockerd cuts long lines (daemon/logger/copier.go) */
#define DAY_US (INT64_C(24) * 3600 * USEC_PER_SEC)
#define SHORT_STAMP_LENGTH (sizeof "Jan  2 03:04:05" - 1)

static const char *const stream_names[RECORD_STREAM_COUNT] = {[RECORD_STDOUT] = "stdout", [RECORD_STDERR] = "stderr"};

static enum record_stream stream_by_name(const char *name, size_t length)
{
    for (enum record_stream stream = RECORD_STDOUT; stream < RECORD_STREAM_COUNT; stream++)
        if (strlen(stream_names[stream]) == length && memcmp(name, stream_names[stream], length) == 0)
            return stream;
    return RECORD_NO_STREAM;
}

/* The word at *text, which is moved behind it and one blank; 0 where there is none that a blank ends. */
static size_t take_word(const char **text, size_t *left, const char **word)
{
    const char *blank = memchr(*text, ' ', *left);
    if (!blank || blank == *text)
        return 0;
    *word = *text;
    size_t length = (size_t)(blank - *text);
    *text = blank + 1;
    *left -= length + 1;
    return length;
}

static bool parse_stamp(const char *word, size_t length, int64_t *t_us)
{
    char stamp[MOST_STAMP];
    if (length == 0 || length >= sizeof stamp)
        return false;
    memcpy(stamp, word, length);
    stamp[length] = '\0';
    return clock_parse_rfc3339(stamp, t_us);
}

/* --- podman ---------------------------------------------------------------------------------------------------------
 */

static bool parse_k8s(const char *line, size_t length, struct record *record)
{
    const char *text = line, *word = NULL;
    size_t left = length;
    int64_t t_us;
    size_t stamp_length = take_word(&text, &left, &word);
    if (!parse_stamp(word, stamp_length, &t_us))
        return false;
    size_t stream_length = take_word(&text, &left, &word);
    enum record_stream stream = stream_length ? stream_by_name(word, stream_length) : RECORD_NO_STREAM;
    if (stream == RECORD_NO_STREAM || left == 0 || (text[0] != 'F' && text[0] != 'P') || (left > 1 && text[1] != ' '))
        return false;
    record->t_us = t_us;
    record->stream = stream;
    record->is_partial = text[0] == 'P';
    record->length = left > 2 ? left - 2 : 0;
    record->text = text + (left - record->length);
    return true;
}

/* --- docker ---------------------------------------------------------------------------------------------------------
 */

/* "\u0000" becomes "\ufffd" in place: jansson refuses a whole text for it. */
static void replace_nul_escapes(char *line, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++) {
        if (line[i] != '\\')
            continue;
        if (length - i >= 6 && memcmp(line + i, "\\u0000", 6) == 0)
            memcpy(line + i, "\\ufffd", 6);
        i++; /* what is escaped begins no escape */
    }
}

static bool parse_json_file(char *line, size_t length, struct record *record)
{
    json_t *object;
    replace_nul_escapes(line, length);
    if (length == 0 || line[0] != '{' || json_parse(line, length, &object, NULL) != ERR_OK)
        return false;
    const char *stream = json_get_text(object, "stream"), *stamp = json_get_text(object, "time");
    const json_t *text = json_object_get(object, "log");
    if (!json_is_string(text)) {
        json_decref(object);
        return false;
    }
    record->holder = object;
    record->text = json_string_value(text);
    record->length = json_string_length(text);
    if (!stamp || !clock_parse_rfc3339(stamp, &record->t_us))
        record->t_us = 0;
    record->stream = stream ? stream_by_name(stream, strlen(stream)) : RECORD_NO_STREAM;
    if (record->length && record->text[record->length - 1] == '\n')
        record->length--;
    else /* a short one without newline is what the process said last */
        record->is_partial = record->length >= DOCKER_PIECE;
    return true;
}

/* --- syslog ---------------------------------------------------------------------------------------------------------
 */

/* "Jan  2 03:04:05", local time without a year: the last such moment that is not in the future. */
static bool parse_short_stamp(const char *line, size_t length, int64_t now_us, int64_t *t_us)
{
    char stamp[SHORT_STAMP_LENGTH + 1], with_year[SHORT_STAMP_LENGTH + 16];
    if (length <= SHORT_STAMP_LENGTH || line[SHORT_STAMP_LENGTH] != ' ')
        return false;
    memcpy(stamp, line, SHORT_STAMP_LENGTH);
    stamp[SHORT_STAMP_LENGTH] = '\0';
    time_t now = (time_t)(now_us / USEC_PER_SEC);
    struct tm today;
    localtime_r(&now, &today);
    for (int year = today.tm_year + 1900; year >= today.tm_year + 1899; year--) {
        struct tm when = {.tm_isdst = -1};
        str_format(with_year, sizeof with_year, "%d %s", year, stamp);
        const char *end = strptime(with_year, "%Y %b %d %H:%M:%S", &when);
        if (!end || *end)
            return false;
        when.tm_isdst = -1;
        *t_us = (int64_t)mktime(&when) * USEC_PER_SEC;
        if (*t_us <= now_us + DAY_US)
            return true;
    }
    return false;
}

/* "authpriv.info", as busybox writes it */
static int priority_of_word(const char *word, size_t length)
{
    static const char *const severities[] = {"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};
    const char *dot = memchr(word, '.', length);
    size_t left = dot ? length - (size_t)(dot + 1 - word) : 0;
    for (int i = 0; i < (int)(sizeof severities / sizeof *severities); i++)
        if (left && strlen(severities[i]) == left && memcmp(dot + 1, severities[i], left) == 0)
            return i;
    return -1;
}

static bool parse_syslog(const char *line, size_t length, int64_t now_us, struct record *record)
{
    const char *text = line, *word = NULL;
    size_t left = length;
    if (parse_short_stamp(line, length, now_us, &record->t_us)) {
        text += SHORT_STAMP_LENGTH + 1;
        left -= SHORT_STAMP_LENGTH + 1;
    } else if (!parse_stamp(word, take_word(&text, &left, &word), &record->t_us)) {
        return false;
    }
    take_word(&text, &left, &word); /* the host's name, which we know */
    const char *behind = text;
    size_t behind_left = left, word_length = take_word(&behind, &behind_left, &word);
    record->priority = word_length ? priority_of_word(word, word_length) : -1;
    if (record->priority >= 0) {
        text = behind;
        left = behind_left;
    }
    record->text = text;
    record->length = left;
    return true;
}

/* --- any ------------------------------------------------------------------------------------------------------------
 */

void record_parse(enum record_format format, char *line, size_t length, int64_t now_us, struct record *record)
{
    const struct record whole = {.priority = -1, .text = line, .length = length};
    bool parsed = false;
    *record = whole;
    if (format == RECORD_K8S)
        parsed = parse_k8s(line, length, record);
    else if (format == RECORD_JSON_FILE)
        parsed = parse_json_file(line, length, record);
    else if (format == RECORD_SYSLOG)
        parsed = parse_syslog(line, length, now_us, record);
    if (!parsed)
        *record = whole;
}

void record_release(struct record *record)
{
    json_decref(record->holder);
    record->holder = NULL;
}

/* A text for JSON: NUL becomes U+FFFD; *json_bytes as it is written there, every invalid byte counted as one U+FFFD. */
static char *make_text(const char *text, size_t length, size_t *json_bytes)
{
    struct buf made = BUF(RECORD_TEXT_MOST * 3);
    *json_bytes = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == 0)
            buf_puts(&made, "\xEF\xBF\xBD");
        else
            buf_putc(&made, text[i]);
        *json_bytes += byte == 0 || byte >= 0x80 ? 3 : byte < 0x20 ? 6 : byte == '"' || byte == '\\' ? 2 : 1;
    }
    return buf_take(&made);
}

json_t *record_json(const struct record *record, size_t *json_bytes)
{
    size_t length = record->length;
    if (length > RECORD_TEXT_MOST)
        length = utf8_whole_length(record->text, RECORD_TEXT_MOST);
    if (length && record->text[length - 1] == '\r')
        length--;
    char *text = make_text(record->text, length, json_bytes);
    json_t *line = json_object();
    json_put_i64(line, "t", record->t_us);
    json_put_text(line, "text", text);
    json_put_text(line, "stream", stream_names[record->stream]);
    if (record->priority >= 0)
        json_put_i64(line, "priority", record->priority);
    *json_bytes += sizeof "{\"t\":1234567890123456,\"text\":\"\",\"stream\":\"stderr\",\"priority\":6},";
    free(text);
    return line;
}

/* --- joining --------------------------------------------------------------------------------------------------------
 */

void record_joiner_init(struct record_joiner *joiner)
{
    *joiner = (struct record_joiner){0};
    for (size_t i = 0; i < RECORD_STREAM_COUNT; i++)
        joiner->pieces[i].text = BUF(RECORD_TEXT_MOST);
}

void record_joiner_free(struct record_joiner *joiner)
{
    for (size_t i = 0; i < RECORD_STREAM_COUNT; i++)
        buf_free(&joiner->pieces[i].text);
}

static void add_piece(struct record_piece *piece, const struct record *record)
{
    size_t room = piece->text.ceiling - piece->text.length;
    buf_append(&piece->text, record->text, record->length < room ? record->length : room);
}

static void take_piece(struct record_piece *piece, enum record_stream stream, struct record *record)
{
    piece->is_open = false;
    *record = (struct record){.t_us = piece->t_us,
        .stream = stream,
        .priority = -1,
        .text = buf_text(&piece->text),
        .length = piece->text.length,
        .holder = record->holder};
}

bool record_join(struct record_joiner *joiner, struct record *record, uint64_t start)
{
    struct record_piece *piece = &joiner->pieces[record->stream];
    if (!piece->is_open && !record->is_partial) {
        buf_free(&piece->text); /* long lines are rare: no memory is kept for them */
        return true;
    }
    if (!piece->is_open) {
        buf_clear(&piece->text);
        piece->is_open = true;
        piece->start = start;
        piece->t_us = record->t_us;
    }
    add_piece(piece, record);
    if (record->is_partial)
        return false;
    take_piece(piece, record->stream, record);
    return true;
}

uint64_t record_joiner_pending(const struct record_joiner *joiner, uint64_t otherwise)
{
    uint64_t pending = otherwise;
    for (size_t i = 0; i < RECORD_STREAM_COUNT; i++)
        if (joiner->pieces[i].is_open && joiner->pieces[i].start < pending)
            pending = joiner->pieces[i].start;
    return pending;
}

bool record_joiner_take(struct record_joiner *joiner, struct record *record)
{
    *record = (struct record){0};
    for (enum record_stream stream = 0; stream < RECORD_STREAM_COUNT; stream++) {
        if (!joiner->pieces[stream].is_open)
            continue;
        take_piece(&joiner->pieces[stream], stream, record);
        return true;
    }
    return false;
}
