/* The checks that all parsers of what hosts say share: types, bounds, names, and short sanitised excerpts for messages.
 * No state; any thread. */
#include "collectors/parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"

#define EXCERPT_BYTES 72
#define YEAR_10000_US (INT64_C(253402300800) * 1000000)

struct excerpt {
    char text[EXCERPT_BYTES];
    size_t length;
};

/* For json_dump_callback: keeps the beginning and then stops the dumping. */
static int take_beginning(const char *chunk, size_t length, void *data)
{
    struct excerpt *excerpt = data;
    size_t room = sizeof excerpt->text - excerpt->length;
    size_t taken = length < room ? length : room;
    memcpy(excerpt->text + excerpt->length, chunk, taken);
    excerpt->length += taken;
    return taken == length ? 0 : -1;
}

static void make_excerpt(const json_t *value, char *out, size_t out_size)
{
    struct excerpt excerpt = {.length = 0};
    bool whole = value && json_dump_callback(value, take_beginning, &excerpt, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
    char clean[EXCERPT_BYTES * 3 + 1]; /* a byte may become U+FFFD */
    sanitize(clean, sizeof clean, excerpt.text, utf8_whole_length(excerpt.text, excerpt.length));
    str_format(out, out_size, "%s%s", clean, whole ? "" : "…");
}

void left_out_add(struct left_out *left_out, const char *what, const char *why, const json_t *entry)
{
    if (left_out->count++ > 0)
        return;
    char excerpt[sizeof left_out->first];
    make_excerpt(entry, excerpt, sizeof excerpt);
    str_format(left_out->first, sizeof left_out->first, "%s %s: %s", what, why, excerpt);
}

enum err parse_garbage(struct err_info *info, const char *what, const char *why, const json_t *value)
{
    char excerpt[EXCERPT_BYTES * 3 + 8];
    make_excerpt(value, excerpt, sizeof excerpt);
    return err_set(info, ERR_GARBAGE, "%s %s: %s", what, why, excerpt);
}

enum err parse_section(const json_t *message, const char *what, const char *key, json_type type, const json_t **section,
    struct err_info *info)
{
    *section = json_object_get(message, key);
    if (!*section || json_is_null(*section)) {
        *section = NULL;
        return ERR_OK;
    }
    if (json_typeof(*section) == type)
        return ERR_OK;
    const json_t *wrong = *section;
    *section = NULL;
    char why[64];
    str_format(why, sizeof why, "has a wrong \"%s\"", key);
    return parse_garbage(info, what, why, wrong);
}

static bool is_boot_id(const char *text)
{
    size_t length = strspn(text, "0123456789abcdefABCDEF-");
    return length > 0 && text[length] == '\0';
}

enum err parse_stamp(const json_t *message, const char *what, struct parse_stamp *stamp, struct err_info *info)
{
    *stamp = (struct parse_stamp){0};
    if (!json_is_object(message))
        return parse_garbage(info, what, "is no object", message);
    if (!json_get_i64(message, "seq", &stamp->seq) || stamp->seq < 0)
        return parse_garbage(info, what, "without \"seq\"", message);
    if (!json_copy_text(message, "boot_id", stamp->boot_id, sizeof stamp->boot_id) || !is_boot_id(stamp->boot_id))
        return parse_garbage(info, what, "without \"boot_id\"", message);
    stamp->epoch_us = parse_time_us(message, "epoch_us");
    if (stamp->epoch_us == 0)
        return parse_garbage(info, what, "without \"epoch_us\"", message);
    stamp->mono_us = parse_time_us(message, "mono_us");
    if (stamp->mono_us == 0)
        return parse_garbage(info, what, "without \"mono_us\"", message);
    return ERR_OK;
}

double parse_quantity(const json_t *object, const char *key)
{
    double value = json_get_number(object, key);
    return isfinite(value) && value >= 0 ? value : (double)NAN;
}

double parse_percentage(const json_t *object, const char *key)
{
    double value = parse_quantity(object, key);
    return value <= 100 ? value : (double)NAN;
}

int64_t parse_time_us(const json_t *object, const char *key)
{
    int64_t at_us = 0;
    json_get_i64(object, key, &at_us);
    return at_us > 0 && at_us < YEAR_10000_US ? at_us : 0;
}

bool parse_hex_id(const json_t *object, const char *key, char *out, size_t out_size)
{
    out[0] = '\0';
    const char *text = json_get_text(object, key);
    if (!text)
        return false;
    if (str_starts(text, "sha256:"))
        text += strlen("sha256:");
    size_t length = strspn(text, "0123456789abcdef");
    if (length < 12 || length > 64 || length >= out_size || text[length] != '\0')
        return false;
    return str_copy(out, out_size, text);
}

bool parse_name(const json_t *object, const char *key, char out[NAME_SIZE])
{
    out[0] = '\0';
    const char *text = json_get_text(object, key);
    return text && name_is_valid(text) && str_copy(out, NAME_SIZE, text);
}

bool parse_container_name(const json_t *object, const char *key, char out[CONTAINER_NAME_SIZE])
{
    out[0] = '\0';
    const char *text = json_get_text(object, key);
    return text && name_is_valid_container(text) && str_copy(out, CONTAINER_NAME_SIZE, text);
}

void parse_words(const json_t *object, const char *key, char *out, size_t out_size)
{
    out[0] = '\0';
    const char *text = json_get_text(object, key);
    if (text)
        str_copy(out, out_size, text);
}

void parse_list_add(char *list, size_t size, const char *item)
{
    static const char more[] = "…";
    size_t length = strlen(list), separator = length > 0 ? strlen(", ") : 0;
    if (str_ends(list, more))
        return;
    size_t needed = separator + strlen(item) + strlen(", ") + sizeof more; /* the mark must fit after it */
    bool fits = length + needed <= size;
    str_format(list + length, size - length, "%s%s", separator ? ", " : "", fits ? item : more);
}

void parse_sort_unique(
    struct parse_list *list, int (*compare)(const void *, const void *), struct left_out *left_out, const char *what)
{
    char *base = list->items;
    size_t size = list->item_size, kept = 0;
    if (list->count > 1)
        qsort(base, list->count, size, compare);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && compare(base + (kept - 1) * size, base + i * size) == 0) {
            left_out_add(left_out, what, "twice", NULL);
            continue;
        }
        if (kept != i)
            memcpy(base + kept * size, base + i * size, size);
        kept++;
    }
    list->count = kept;
}
