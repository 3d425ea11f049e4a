/* JSON with bounds: parsing refuses duplicate keys and deep nesting, reading never takes another type for the asked
 * one, writing leaves the unknown out. Error texts quote the peer and are sanitised. No state; any thread. */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"

/* jansson's parser and destructor recurse; threads here have small stacks. No message of ours nests more than six deep.
 */
#define MAX_DEPTH 64

/* Enough to tell any two byte counts below 10^15 apart, and short for what was 0.1 when it was measured. */
#define WRITE_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

/* Brackets outside strings. Whether they match is the parser's affair. Returns where the nesting passes MAX_DEPTH, or
 * length. */
static size_t find_too_deep(const char *text, size_t length)
{
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '['))
            depth++;
        else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > MAX_DEPTH)
            return i;
    }
    return length;
}

enum err json_parse(const char *text, size_t length, json_t **out, struct err_info *info)
{
    *out = NULL;
    size_t too_deep = find_too_deep(text, length);
    if (too_deep < length)
        return err_set(info, ERR_GARBAGE, "JSON nested deeper than %d at byte %zu", MAX_DEPTH, too_deep);
    json_error_t error;
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (*out)
        return ERR_OK;
    char reason[JSON_ERROR_TEXT_LENGTH];
    sanitize(reason, sizeof reason, error.text, strnlen(error.text, sizeof error.text));
    return err_set(info, ERR_GARBAGE, "invalid JSON at byte %d: %s", error.position, reason);
}

static int append_chunk(const char *chunk, size_t length, void *buf)
{
    return buf_append(buf, chunk, length) == ERR_OK ? 0 : -1;
}

enum err json_write(struct buf *buf, const json_t *value)
{
    size_t before = buf->length;
    if (value && json_dump_callback(value, append_chunk, buf, WRITE_FLAGS) == 0)
        return ERR_OK;
    buf->length = before; /* half a message is no message */
    if (buf->data)
        buf->data[before] = '\0';
    return buf->overflowed ? ERR_FULL : ERR_INVALID;
}

const char *json_get_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool json_copy_text(const json_t *object, const char *key, char *out, size_t out_size)
{
    const char *text = json_get_text(object, key);
    if (!text || strlen(text) >= out_size)
        return false;
    return str_copy(out, out_size, text);
}

bool json_get_i64(const json_t *object, const char *key, int64_t *out)
{
    const json_t *member = json_object_get(object, key);
    if (!json_is_integer(member))
        return false;
    *out = json_integer_value(member);
    return true;
}

bool json_get_bool(const json_t *object, const char *key, bool *out)
{
    const json_t *member = json_object_get(object, key);
    if (!json_is_boolean(member))
        return false;
    *out = json_is_true(member);
    return true;
}

double json_get_number(const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    return json_is_number(member) ? json_number_value(member) : (double)NAN;
}

void json_put_number(json_t *object, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(object, key, json_real(value));
}

void json_put_i64(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static bool is_utf8(const char *text, size_t length)
{
    uint32_t code_point;
    for (size_t at = 0, bytes; at < length; at += bytes)
        if ((bytes = utf8_decode(text + at, length - at, &code_point)) == 0)
            return false;
    return true;
}

/* The text with U+FFFD for each byte that is not UTF-8; all else stays, control characters too (JSON escapes them). */
static json_t *repaired_text(const char *text, size_t length)
{
    struct buf buf = BUF(length * 3);
    uint32_t code_point;
    for (size_t at = 0; at < length;) {
        size_t bytes = utf8_decode(text + at, length - at, &code_point);
        if (bytes)
            buf_append(&buf, text + at, bytes);
        else
            buf_puts(&buf, "\xEF\xBF\xBD");
        at += bytes ? bytes : 1;
    }
    json_t *value = json_stringn_nocheck(buf_text(&buf), buf.length);
    buf_free(&buf);
    return value;
}

void json_put_text(json_t *object, const char *key, const char *text)
{
    if (!text)
        return;
    size_t length = strlen(text);
    json_object_set_new(
        object, key, is_utf8(text, length) ? json_stringn_nocheck(text, length) : repaired_text(text, length));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}
