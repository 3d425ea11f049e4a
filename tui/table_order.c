/* Sorting many rows within a frame. Every row's sort key is asked once and turned into 64-bit words whose unsigned
 * order is the wanted order; then a stable merge sort runs on plain words. A text key is several words: rows equal in
 * the first are sorted again by the next. Unknown values (NaN, NULL) come last in either direction. Cost: O(n log n)
 * word comparisons a level. */
#include <ctype.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/table_private.h"

enum { KEY_BYTES = 512 }; /* of a normalised text key; longer texts compare equal beyond */

struct item {
    uint64_t word;
    uint32_t row;
};

struct sorter {
    struct item *items, *spare;
    uint64_t *words; /* the text keys of all rows, one after the other */
    size_t word_count, word_capacity;
    uint32_t *first;    /* by row: where its words begin */
    uint64_t direction; /* xor-ed onto every word: 0, or all ones for descending */
};

static bool is_sorted(const struct item *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (items[i].word < items[i - 1].word)
            return false;
    return true;
}

static void insertion_sort(struct item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct item moving = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].word > moving.word; at--)
            items[at] = items[at - 1];
        items[at] = moving;
    }
}

static void merge_sort(struct item *items, struct item *spare, size_t count)
{
    if (count < 24) {
        insertion_sort(items, count);
        return;
    }
    size_t half = count / 2, left = 0, right = half;
    merge_sort(items, spare, half);
    merge_sort(items + half, spare, count - half);
    if (items[half - 1].word <= items[half].word)
        return;
    memcpy(spare, items, half * sizeof *items);
    for (size_t out = 0; left < half; out++) {
        bool take_right = right < count && items[right].word < spare[left].word;
        items[out] = take_right ? items[right++] : spare[left++];
    }
}

static void sort_items(struct sorter *sorter, struct item *items, size_t count)
{
    if (!is_sorted(items, count))
        merge_sort(items, sorter->spare, count);
}

/* --- numbers */

/* IEEE 754 doubles order like sign-magnitude integers: flip all bits of negatives, the sign bit of the others. */
static uint64_t number_word(double number, uint64_t direction)
{
    uint64_t bits;
    if (isnan(number))
        return UINT64_MAX;
    number += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &number, sizeof bits);
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    return bits ^ direction;
}

/* --- texts */

/* Lower case; a run of digits becomes '0', its length, its digits: "host2" < "host10". Returns bytes written, no NUL
 * inside. */
static size_t normalise(const char *text, unsigned char out[KEY_BYTES])
{
    size_t used = 0;
    while (*text && used < KEY_BYTES - 1) {
        if (!isdigit((unsigned char)*text)) {
            out[used++] = (unsigned char)tolower((unsigned char)*text++);
            continue;
        }
        while (*text == '0' && isdigit((unsigned char)text[1]))
            text++;
        size_t digits = strspn(text, "0123456789"), room = KEY_BYTES - 3;
        if (digits > 255 || used + 2 + digits > room)
            break;
        out[used++] = '0';
        out[used++] = (unsigned char)digits;
        memcpy(out + used, text, digits);
        used += digits;
        text += digits;
    }
    return used;
}

static void append_words(struct sorter *sorter, const unsigned char *key, size_t length)
{
    size_t count = length / 8 + 1; /* at least one NUL ends the last word */
    if (sorter->word_count + count > sorter->word_capacity) {
        sorter->word_capacity = 2 * sorter->word_capacity + count + 1024;
        sorter->words = xreallocarray(sorter->words, sorter->word_capacity, sizeof *sorter->words);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        size_t left = length - i * 8;
        memcpy(&word, key + i * 8, left < 8 ? left : 8);
        sorter->words[sorter->word_count++] = be64toh(word) ^ sorter->direction;
    }
}

static void append_text(struct sorter *sorter, size_t row, const char *text)
{
    unsigned char key[KEY_BYTES];
    sorter->first[row] = (uint32_t)sorter->word_count;
    if (text)
        append_words(sorter, key, normalise(text, key));
    else { /* unknown: after everything in either direction; 0xFF never occurs in UTF-8 */
        memset(key, sorter->direction ? 0 : 0xFF, 7);
        append_words(sorter, key, sorter->direction ? 0 : 7);
    }
}

/* A word with a zero byte is the key's last. */
static bool ends_key(uint64_t word)
{
    return ((word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080)) != 0;
}

/* Sort items that are equal in all words before `depth`. */
static void sort_texts(struct sorter *sorter, struct item *items, size_t count, uint32_t depth)
{
    for (size_t i = 0; i < count; i++)
        items[i].word = sorter->words[sorter->first[items[i].row] + depth];
    sort_items(sorter, items, count);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && items[end].word == items[begin].word; end++)
            ;
        if (end - begin > 1 && !ends_key(items[begin].word ^ sorter->direction))
            sort_texts(sorter, items + begin, end - begin, depth + 1);
    }
}

/* --- together */

static void read_keys(struct table *table, struct sorter *sorter, size_t column)
{
    bool numbers = table->columns[column].compare == TABLE_BY_NUMBER;
    for (size_t row = 0; row < table->total; row++) {
        struct table_key_value value = {.number = NAN};
        table->source.sort_key(table->source.context, row, column, &value);
        sorter->items[row] = (struct item){number_word(value.number, sorter->direction), (uint32_t)row};
        if (!numbers)
            append_text(sorter, row, value.text);
    }
}

void table_order_sort(struct table *table)
{
    size_t count = table->total;
    if (table->sort_column < 0 || !table->source.sort_key || count < 2) {
        for (size_t i = 0; i < count; i++)
            table->sorted[i] = (uint32_t)i;
        return;
    }
    struct sorter sorter = {
        .items = xcalloc(count, sizeof *sorter.items),
        .spare = xcalloc(count, sizeof *sorter.spare),
        .first = xcalloc(count, sizeof *sorter.first),
        .direction = table->descending ? UINT64_MAX : 0,
    };
    size_t column = (size_t)table->sort_column;
    read_keys(table, &sorter, column);
    if (table->columns[column].compare == TABLE_BY_NUMBER)
        sort_items(&sorter, sorter.items, count);
    else
        sort_texts(&sorter, sorter.items, count, 0);
    for (size_t i = 0; i < count; i++)
        table->sorted[i] = sorter.items[i].row;
    free(sorter.items);
    free(sorter.spare);
    free(sorter.words);
    free(sorter.first);
}
