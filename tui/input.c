/* A line editor for one line, with history and completion. Guarantees: the text is always valid UTF-8 and at most
 * INPUT_TEXT_SIZE - 1 bytes; the cursor stands between characters. One thread. */
#include "tui/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"
#include "base/vec.h"
#include "tui/keys.h"

enum { HISTORY_MAX = 100, HELP_TEXT_SIZE = 128 };

struct candidate {
    char text[INPUT_TEXT_SIZE];
    char help[HELP_TEXT_SIZE];
};

struct input {
    char *prompt;
    const struct input_completion *completion;
    char text[INPUT_TEXT_SIZE];
    size_t length, cursor; /* bytes */
    char *error;
    VEC(struct candidate) candidates;
    int chosen; /* index of the candidate, -1: the text itself */
    VEC(char *) history;
    size_t history_at; /* == history.count: the line being typed */
};

/* --- completion */

static void add_candidate(void *list, const char *candidate, const char *help)
{
    struct input *input = list;
    if (input->candidates.count >= INPUT_CANDIDATE_MAX)
        return;
    struct candidate *added = vec_add(&input->candidates);
    sanitize(added->text, sizeof added->text, candidate, strlen(candidate));
    if (help)
        sanitize(added->help, sizeof added->help, help, strlen(help));
}

static void complete(struct input *input)
{
    vec_clear(&input->candidates);
    input->chosen = -1;
    if (input->completion)
        input->completion->complete(input->completion->context, input->text, add_candidate, input);
}

static void choose(struct input *input, int step)
{
    int count = (int)input->candidates.count;
    if (count == 0)
        return;
    if (input->chosen < 0)
        input->chosen = step > 0 ? 0 : count - 1;
    else
        input->chosen = (input->chosen + step + count) % count;
}

/* Before the line is edited, what was chosen becomes the line. */
static void take_choice(struct input *input)
{
    if (input->chosen < 0)
        return;
    str_copy(input->text, sizeof input->text, input->candidates.items[input->chosen].text);
    input->length = input->cursor = strlen(input->text);
    input->chosen = -1;
}

/* --- life */

struct input *input_new(const char *prompt, const struct input_completion *completion)
{
    struct input *input = xcalloc(1, sizeof *input);
    input->prompt = xstrdup(prompt);
    input->completion = completion;
    complete(input);
    return input;
}

void input_free(struct input *input)
{
    if (!input)
        return;
    for (size_t i = 0; i < input->history.count; i++)
        free(input->history.items[i]);
    vec_free(&input->history);
    vec_free(&input->candidates);
    free(input->prompt);
    free(input->error);
    free(input);
}

static void replace_text(struct input *input, const char *text)
{
    char clean[INPUT_TEXT_SIZE];
    sanitize(clean, sizeof clean, text, strlen(text));
    str_copy(input->text, sizeof input->text, clean);
    input->length = input->cursor = strlen(input->text);
}

void input_set(struct input *input, const char *text)
{
    replace_text(input, text ? text : "");
    input->history_at = input->history.count;
    input_set_error(input, NULL);
    complete(input);
}

const char *input_text(const struct input *input)
{
    return input->text;
}

const char *input_choice(const struct input *input)
{
    return input->chosen < 0 ? input->text : input->candidates.items[input->chosen].text;
}

void input_set_error(struct input *input, const char *message)
{
    xstr_set(&input->error, message);
}

/* --- history */

static void remember(struct input *input, const char *line)
{
    size_t count = input->history.count;
    bool again = count > 0 && strcmp(input->history.items[count - 1], line) == 0;
    if (*line && !again) {
        if (count == HISTORY_MAX) {
            free(input->history.items[0]);
            memmove(input->history.items, input->history.items + 1, (count - 1) * sizeof *input->history.items);
            input->history.count--;
        }
        vec_push(&input->history, xstrdup(line));
    }
    input->history_at = input->history.count;
}

static void walk_history(struct input *input, int step)
{
    size_t count = input->history.count;
    if ((step < 0 && input->history_at == 0) || (step > 0 && input->history_at >= count))
        return;
    input->history_at = step < 0 ? input->history_at - 1 : input->history_at + 1;
    replace_text(input, input->history_at < count ? input->history.items[input->history_at] : "");
    complete(input);
}

/* --- editing */

static size_t before(const struct input *input, size_t at)
{
    while (at > 0 && ((unsigned char)input->text[--at] & 0xC0) == 0x80)
        ;
    return at;
}

static size_t after(const struct input *input, size_t at)
{
    if (at < input->length)
        at++;
    while (at < input->length && ((unsigned char)input->text[at] & 0xC0) == 0x80)
        at++;
    return at;
}

static void remove_bytes(struct input *input, size_t begin, size_t end)
{
    memmove(input->text + begin, input->text + end, input->length - end + 1);
    input->length -= end - begin;
    input->cursor = begin;
}

static size_t word_begin(const struct input *input)
{
    size_t at = input->cursor;
    while (at > 0 && input->text[at - 1] == ' ')
        at--;
    while (at > 0 && input->text[at - 1] != ' ')
        at--;
    return at;
}

static bool insert_key(struct input *input, int key)
{
    char name[KEYS_NAME_SIZE];
    if (key < 32 || key == KEYS_BACKSPACE || key >= 0x110000)
        return false;
    const char *bytes = key == ' ' ? " " : keys_name(key, name);
    size_t length = strlen(bytes);
    if (!sanitize_is_clean(bytes, length) || input->length + length >= sizeof input->text)
        return false;
    memmove(input->text + input->cursor + length, input->text + input->cursor, input->length - input->cursor + 1);
    memcpy(input->text + input->cursor, bytes, length);
    input->cursor += length;
    input->length += length;
    return true;
}

/* True where the key changed the text. */
static bool edit(struct input *input, int key)
{
    size_t length = input->length, cursor = input->cursor;
    switch (key) {
    case KEYS_BACKSPACE:
    case KEYS_CTRL('h'):
        remove_bytes(input, before(input, cursor), cursor);
        break;
    case KEYS_DELETE:
    case KEYS_CTRL('d'):
        remove_bytes(input, cursor, after(input, cursor));
        break;
    case KEYS_CTRL('u'):
        remove_bytes(input, 0, cursor);
        break;
    case KEYS_CTRL('k'):
        remove_bytes(input, cursor, length);
        break;
    case KEYS_CTRL('w'):
        remove_bytes(input, word_begin(input), cursor);
        break;
    default:
        return insert_key(input, key);
    }
    return input->length != length;
}

static bool move(struct input *input, int key)
{
    switch (key) {
    case KEYS_LEFT:
    case KEYS_CTRL('b'):
        input->cursor = before(input, input->cursor);
        return true;
    case KEYS_RIGHT:
    case KEYS_CTRL('f'):
        input->cursor = after(input, input->cursor);
        return true;
    case KEYS_HOME:
    case KEYS_CTRL('a'):
        input->cursor = 0;
        return true;
    case KEYS_END:
    case KEYS_CTRL('e'):
        input->cursor = input->length;
        return true;
    default:
        return false;
    }
}

enum input_result input_key(struct input *input, int key)
{
    input_set_error(input, NULL);
    switch (key) {
    case KEYS_ENTER:
        remember(input, input_choice(input));
        return INPUT_ACCEPTED;
    case KEYS_ESC:
    case KEYS_CTRL('c'):
        return INPUT_CANCELLED;
    case KEYS_TAB:
    case KEYS_BACK_TAB:
        choose(input, key == KEYS_TAB ? 1 : -1);
        return INPUT_CHANGED;
    case KEYS_UP:
    case KEYS_DOWN:
        walk_history(input, key == KEYS_UP ? -1 : 1);
        return INPUT_CHANGED;
    default:
        break;
    }
    take_choice(input);
    if (move(input, key))
        return INPUT_CHANGED;
    if (!edit(input, key))
        return INPUT_IGNORED;
    complete(input);
    return INPUT_CHANGED;
}

/* --- drawing */

static int cursor_columns(const struct input *input, const char *line)
{
    if (input->chosen >= 0)
        return text_columns(line);
    char *head = xstrndup(line, input->cursor);
    int columns = text_columns(head);
    free(head);
    return columns;
}

void input_draw(struct input *input, struct area area)
{
    struct area row = area_row(area, 0);
    if (row.width < 1 || row.height < 1)
        return;
    const char *line = input_choice(input);
    int prompt = area_text(row, 0, 0, ROLE_ACCENT, input->prompt);
    struct area field = area_sub(row, prompt, 0, row.width - prompt, 1);
    area_fill(field, ROLE_INPUT);
    int cursor = cursor_columns(input, line), skip = cursor >= field.width ? cursor - field.width + 1 : 0;
    int used = area_text_from(field, 0, 0, skip, ROLE_INPUT, line);
    if (field.width > 0)
        cells_set_cursor(field.cells, field.x + cursor - skip, field.y);
    if (input->error)
        area_text(field, used + 2, 0, ROLE_CRITICAL, input->error);
}

int input_draw_candidates(struct input *input, struct area area)
{
    int count = (int)input->candidates.count, rows = count < area.height ? count : area.height;
    int first = input->chosen >= rows ? input->chosen - rows + 1 : 0, widest = 0;
    for (int i = 0; i < rows; i++) {
        int columns = text_columns(input->candidates.items[first + i].text);
        widest = columns > widest ? columns : widest;
    }
    for (int i = 0; i < rows; i++) {
        const struct candidate *candidate = &input->candidates.items[first + i];
        struct area row = area_row(area, area.height - 1 - i);
        unsigned flags = first + i == input->chosen ? STYLE_SELECTED : 0;
        area_fill(row, ROLE_NORMAL | flags);
        area_text(row, 1, 0, ROLE_NORMAL | flags, candidate->text);
        area_text(row, widest + 3, 0, ROLE_DIM | flags, candidate->help);
    }
    return rows;
}
