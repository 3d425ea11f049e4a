/* Scrolling lines. Kept in a ring of owned strings; drawing walks only the lines on screen. Guarantees: no more than
 * max_lines in memory; what is drawn was sanitised when it came. One thread. */
#include "tui/text.h"

#include <ctype.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"
#include "tui/keys.h"

struct line {
    char *text;     /* sanitised; head and tail joined */
    uint16_t style; /* of the tail */
    uint16_t head;  /* of the first head_columns */
    int head_columns;
    int columns;
};

struct text {
    struct line *ring;
    size_t capacity; /* allocated so far, grows up to max_lines */
    size_t max_lines, first, count, dropped;
    int widest;
    size_t top;     /* index of the first line on screen */
    size_t top_row; /* rows of it that are scrolled away (wrapped lines only) */
    int left;       /* columns scrolled away */
    bool wrap, follow, searching;
    regex_t pattern;
    size_t found; /* line of the last match */
    int drawn_height, drawn_width;
    size_t drawn_last; /* one past the last line drawn */
    char *empty;
};

enum command {
    TEXT_UP = 1,
    TEXT_DOWN,
    TEXT_PAGE_UP,
    TEXT_PAGE_DOWN,
    TEXT_TOP,
    TEXT_END,
    TEXT_LEFT,
    TEXT_RIGHT,
    TEXT_NEXT,
    TEXT_PREVIOUS,
    TEXT_WRAP,
    TEXT_FOLLOW
};

static const struct key_binding text_bindings[] = {
    {KEYS_UP, TEXT_UP, "text-up", NULL, "One line up", 9},
    {'k', TEXT_UP, "text-up", NULL, NULL, 9},
    {KEYS_DOWN, TEXT_DOWN, "text-down", NULL, "One line down", 9},
    {'j', TEXT_DOWN, "text-down", NULL, NULL, 9},
    {KEYS_PAGE_UP, TEXT_PAGE_UP, "text-page-up", NULL, "One page up", 9},
    {KEYS_CTRL('b'), TEXT_PAGE_UP, "text-page-up", NULL, NULL, 9},
    {KEYS_PAGE_DOWN, TEXT_PAGE_DOWN, "text-page-down", NULL, "One page down", 9},
    {KEYS_CTRL('f'), TEXT_PAGE_DOWN, "text-page-down", NULL, NULL, 9},
    {KEYS_HOME, TEXT_TOP, "text-top", NULL, "To the first line", 9},
    {'g', TEXT_TOP, "text-top", NULL, NULL, 9},
    {KEYS_END, TEXT_END, "text-end", NULL, "To the last line", 9},
    {'G', TEXT_END, "text-end", NULL, NULL, 9},
    {KEYS_LEFT, TEXT_LEFT, "text-left", NULL, "Scroll to the left", 9},
    {KEYS_RIGHT, TEXT_RIGHT, "text-right", NULL, "Scroll to the right", 9},
    {'n', TEXT_NEXT, "text-next", "next", "To the next match of the search", 6},
    {'N', TEXT_PREVIOUS, "text-previous", NULL, "To the match before", 9},
    {'w', TEXT_WRAP, "text-wrap", "wrap", "Wrap long lines, or scroll them sideways", 5},
    {'f', TEXT_FOLLOW, "text-follow", "follow", "Stay at the end as lines come", 4},
};
const struct keymap text_keymap = KEYMAP("Text", text_bindings);

/* --- lines */

struct text *text_new(size_t max_lines)
{
    struct text *text = xcalloc(1, sizeof *text);
    text->max_lines = max_lines ? max_lines : 1;
    return text;
}

static struct line *line_at(const struct text *text, size_t index)
{
    return &text->ring[(text->first + index) % text->capacity];
}

void text_clear(struct text *text)
{
    for (size_t i = 0; i < text->count; i++)
        free(line_at(text, i)->text);
    text->first = text->count = text->dropped = text->top = text->top_row = text->found = text->drawn_last = 0;
    text->left = text->widest = 0;
}

static void end_search(struct text *text)
{
    if (text->searching)
        regfree(&text->pattern);
    text->searching = false;
}

void text_free(struct text *text)
{
    if (!text)
        return;
    text_clear(text);
    end_search(text);
    free(text->ring);
    free(text->empty);
    free(text);
}

static void drop_oldest(struct text *text)
{
    free(line_at(text, 0)->text);
    text->first = (text->first + 1) % text->capacity;
    text->count--;
    text->dropped++;
    text->top_row = text->top > 0 ? text->top_row : 0;
    text->top -= text->top > 0 ? 1 : 0; /* what the person reads stays where it is */
    text->found -= text->found > 0 ? 1 : 0;
}

static void grow(struct text *text)
{
    size_t larger = text->capacity ? text->capacity * 2 : 64;
    if (larger > text->max_lines)
        larger = text->max_lines;
    struct line *ring = xcalloc(larger, sizeof *ring); /* nothing was dropped before it is full: first is 0 */
    if (text->count)
        memcpy(ring, text->ring, text->count * sizeof *ring);
    free(text->ring);
    text->ring = ring;
    text->capacity = larger;
}

/* Takes the sanitised text. */
static void push_line(struct text *text, char *line, unsigned head, int head_columns, unsigned style)
{
    if (text->count == text->max_lines)
        drop_oldest(text);
    else if (text->count == text->capacity)
        grow(text);
    struct line *slot = line_at(text, text->count++);
    *slot = (struct line){line, (uint16_t)style, (uint16_t)head, head_columns, text_columns(line)};
    if (slot->columns > text->widest)
        text->widest = slot->columns;
}

static char *clean_copy(const char *from, size_t length)
{
    if (length <= TEXT_LINE_MAX - 4)
        return sanitize_dup(from, length, TEXT_LINE_MAX);
    char *head = sanitize_dup(from, TEXT_LINE_MAX - 4, TEXT_LINE_MAX - 4);
    char *cut = xasprintf("%s…", head);
    free(head);
    return cut;
}

void text_add(struct text *text, unsigned style, const char *lines)
{
    const char *at = lines ? lines : "";
    for (;;) {
        size_t length = strcspn(at, "\n");
        size_t shown = length > 0 && at[length - 1] == '\r' ? length - 1 : length;
        push_line(text, clean_copy(at, shown), 0, 0, style);
        if (at[length] == '\0' || at[length + 1] == '\0')
            return;
        at += length + 1;
    }
}

void text_addf(struct text *text, unsigned style, const char *format, ...)
{
    char lines[2 * TEXT_LINE_MAX];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(lines, sizeof lines, format, args);
    va_end(args);
    if (written >= 0)
        text_add(text, style, lines);
}

void text_add_pair(struct text *text, unsigned head_style, const char *head, unsigned tail_style, const char *tail)
{
    char *joined = xasprintf("%s%s", head, tail);
    char *line = clean_copy(joined, strcspn(joined, "\n"));
    push_line(text, line, head_style, text_columns(head), tail_style);
    free(joined);
}

size_t text_count(const struct text *text)
{
    return text->count;
}

size_t text_dropped(const struct text *text)
{
    return text->dropped;
}

int text_widest(const struct text *text)
{
    return text->widest;
}

const char *text_line(const struct text *text, size_t index)
{
    return index < text->count ? line_at(text, index)->text : NULL;
}

void text_set_wrap(struct text *text, bool wrap)
{
    text->wrap = wrap;
    text->left = 0;
    text->top_row = 0;
}

void text_set_follow(struct text *text, bool follow)
{
    text->follow = follow;
}

size_t text_place(const struct text *text)
{
    return text->top;
}

void text_set_place(struct text *text, size_t line)
{
    text->follow = false;
    text->top = line < text->count ? line : text->count ? text->count - 1 : 0;
    text->top_row = 0;
}

bool text_is_following(const struct text *text)
{
    return text->follow;
}

void text_set_empty(struct text *text, const char *message)
{
    xstr_set(&text->empty, message);
}

/* --- scrolling */

static int columns_of(const char *text, size_t bytes)
{
    char *head = xstrndup(text, bytes);
    int columns = text_columns(head);
    free(head);
    return columns;
}

/* Where a row of a wrapped line begins. */
struct row_start {
    size_t byte;
    int column;
};

static int character_columns(const char *at, size_t *bytes)
{
    for (*bytes = 1; ((unsigned char)at[*bytes] & 0xC0) == 0x80;)
        ++*bytes; /* the rest of an UTF-8 sequence */
    return *bytes == 1 ? 1 : columns_of(at, *bytes);
}

/* A word that fits into a row of its own is worth moving there; a longer one is cut where it stands. */
static bool is_short_word(const char *word, int width)
{
    return columns_of(word, strcspn(word, " ")) <= width;
}

/* Rows but the first stand below the tail, or as far in as the line begins, where that leaves them room. */
static int hang_of(const struct line *line, int width)
{
    int blanks = (int)strspn(line->text, " "), hang = line->head_columns > 0 ? line->head_columns : blanks;
    return hang * 2 <= width ? hang : 0;
}

/* Move to the beginning of the next row: after the last blank that fits, or in the middle of a word that is wider than
 * a row. The blank itself may hang over. False where this row is the last. */
static bool next_row(const struct line *line, int width, struct row_start *row)
{
    struct row_start at = *row, after_blank = *row;
    bool in_words = false; /* an indentation is no place to break */
    width -= row->byte > 0 ? hang_of(line, width) : 0;
    for (size_t bytes; line->text[at.byte]; at.byte += bytes) {
        int columns = character_columns(&line->text[at.byte], &bytes);
        bool is_blank = line->text[at.byte] == ' ';
        if (at.column + columns - row->column > width && !is_blank && at.byte > row->byte) {
            bool whole = after_blank.byte > row->byte && is_short_word(&line->text[after_blank.byte], width);
            *row = whole ? after_blank : at;
            return true;
        }
        at.column += columns;
        in_words |= !is_blank;
        if (is_blank && in_words)
            after_blank = (struct row_start){at.byte + bytes, at.column};
    }
    return false;
}

static size_t line_rows(const struct text *text, const struct line *line, int width)
{
    struct row_start row = {0, 0};
    size_t rows = 1;
    if (!text->wrap || width < 1 || line->columns <= width)
        return 1;
    while (next_row(line, width, &row))
        rows++;
    return rows;
}

/* A place to begin drawing: a line, and how many of its rows are scrolled away. */
struct place {
    size_t line, row;
};

/* The last place at which the window is still full (or the beginning). */
static struct place last_place(const struct text *text)
{
    size_t height = text->drawn_height > 0 ? (size_t)text->drawn_height : 1, rows = 0, line = text->count;
    while (line > 0 && rows < height)
        rows += line_rows(text, line_at(text, --line), text->drawn_width);
    return (struct place){line, rows > height ? rows - height : 0};
}

static void scroll_to(struct text *text, size_t line, size_t row)
{
    struct place last = last_place(text);
    bool beyond = line > last.line || (line == last.line && row > last.row);
    text->top = beyond ? last.line : line;
    text->top_row = beyond ? last.row : row;
}

static void scroll_up(struct text *text, int rows)
{
    for (; rows > 0 && text->top + text->top_row > 0; rows--) {
        if (text->top_row > 0)
            text->top_row--;
        else
            text->top_row = line_rows(text, line_at(text, --text->top), text->drawn_width) - 1;
    }
    text->follow = false;
}

static void scroll_down(struct text *text, int rows)
{
    size_t line = text->top, row = text->top_row;
    for (; rows > 0 && line < text->count; rows--)
        if (++row >= line_rows(text, line_at(text, line), text->drawn_width)) {
            line++;
            row = 0;
        }
    scroll_to(text, line, row);
}

static void scroll_sideways(struct text *text, int columns)
{
    int most = text->widest - text->drawn_width;
    int left = text->left + columns;
    text->left = text->wrap || left < 0 || most < 0 ? 0 : left > most ? most : left;
}

static void run_command(struct text *text, int command)
{
    int page = text->drawn_height > 2 ? text->drawn_height - 1 : 1;
    switch ((enum command)command) {
    case TEXT_UP:
        scroll_up(text, 1);
        break;
    case TEXT_DOWN:
        scroll_down(text, 1);
        break;
    case TEXT_PAGE_UP:
        scroll_up(text, page);
        break;
    case TEXT_PAGE_DOWN:
        scroll_down(text, page);
        break;
    case TEXT_TOP:
        text->follow = false;
        text->top = text->top_row = 0;
        break;
    case TEXT_END:
        scroll_to(text, text->count, 0);
        break;
    case TEXT_LEFT:
        scroll_sideways(text, -8);
        break;
    case TEXT_RIGHT:
        scroll_sideways(text, 8);
        break;
    case TEXT_NEXT:
        (void)text_search_next(text, false);
        break;
    case TEXT_PREVIOUS:
        (void)text_search_next(text, true);
        break;
    case TEXT_WRAP:
        text_set_wrap(text, !text->wrap);
        break;
    case TEXT_FOLLOW:
        text->follow = !text->follow;
        break;
    }
}

bool text_key(struct text *text, int key)
{
    int command = keymap_command(&text_keymap, key);
    bool for_search = command == TEXT_NEXT || command == TEXT_PREVIOUS;
    if (!command || (for_search && !text->searching))
        return false;
    run_command(text, command);
    return true;
}

/* --- searching */

static bool has_upper(const char *pattern)
{
    for (const char *at = pattern; *at; at++)
        if (isupper((unsigned char)*at))
            return true;
    return false;
}

static bool matches(const struct text *text, size_t index)
{
    return regexec(&text->pattern, line_at(text, index)->text, 0, NULL, 0) == 0;
}

enum err text_search(struct text *text, const char *pattern, struct err_info *info)
{
    regex_t compiled;
    if (!pattern || !*pattern) {
        end_search(text);
        return ERR_OK;
    }
    int failure = regcomp(&compiled, pattern, REG_EXTENDED | (has_upper(pattern) ? 0 : REG_ICASE));
    if (failure) {
        char why[128];
        regerror(failure, &compiled, why, sizeof why);
        return err_set(info, ERR_INVALID, "\"%s\" is not a pattern: %s", pattern, why);
    }
    end_search(text);
    text->pattern = compiled;
    text->searching = true;
    text->found = text->top ? text->top - 1 : text->count ? text->count - 1 : 0;
    if (!text_search_next(text, false))
        return err_set(info, ERR_NOT_FOUND, "nothing matches \"%s\"", pattern);
    return ERR_OK;
}

bool text_search_next(struct text *text, bool backwards)
{
    if (!text->searching)
        return false;
    for (size_t step = 1; step <= text->count; step++) {
        size_t index = (text->found + (backwards ? text->count - step : step)) % text->count;
        if (!matches(text, index))
            continue;
        text->found = index;
        text->follow = false;
        if (index < text->top || index >= text->drawn_last)
            scroll_to(text, index > 2 ? index - 2 : 0, 0);
        return true;
    }
    return false;
}

/* --- drawing */

/* Give every match of the line on this display row its background. `from` is the first column of the line that is
 * shown. */
static void show_matches(const struct text *text, const struct line *line, struct area row, int from)
{
    regmatch_t match;
    size_t at = 0;
    for (int guard = 0; guard < 200; guard++) {
        if (regexec(&text->pattern, line->text + at, 1, &match, at ? REG_NOTBOL : 0) != 0)
            return;
        size_t begin = at + (size_t)match.rm_so, end = at + (size_t)match.rm_eo;
        if (end == begin)
            return; /* an empty match: nothing to show */
        int left = columns_of(line->text, begin), right = columns_of(line->text, end);
        int shown = left - from < 0 ? 0 : left - from;
        if (right > from)
            area_restyle(row, shown, 0, right - from - shown, -1, STYLE_MATCH);
        at = end;
    }
}

static void draw_row(const struct text *text, const struct line *line, struct area row, int from)
{
    area_text_from(row, 0, 0, from, line->style, line->text);
    if (line->head_columns > from)
        area_restyle(row, 0, 0, line->head_columns - from, (int)(line->head & STYLE_ROLE_MASK),
            line->head & ~(unsigned)STYLE_ROLE_MASK);
    if (text->searching)
        show_matches(text, line, row, from);
}

/* Rows before `skip` are scrolled away. Returns the rows the line would still need. */
static int draw_line(const struct text *text, const struct line *line, struct area area, int y, int skip)
{
    struct row_start row = {0, 0}, next = {0, 0};
    int rows = (int)line_rows(text, line, area.width);
    for (int i = 0; i < rows && y + i - skip < area.height; i++, row = next) {
        bool more = rows > 1 && next_row(line, area.width, &next);
        int hang = i > 0 ? hang_of(line, area.width) : 0;
        int width = more ? next.column - row.column : area.width;
        if (i >= skip)
            draw_row(text, line, area_sub(area, hang, y + i - skip, width, 1), text->wrap ? row.column : text->left);
    }
    return rows - skip;
}

static void draw_empty(const struct text *text, struct area area)
{
    if (text->empty)
        area_fit(area, 0, area.height / 2, area.width, CELLS_CENTER, ROLE_DIM, text->empty);
}

void text_draw(struct text *text, struct area area)
{
    text->drawn_width = area.width;
    text->drawn_height = area.height;
    if (area.width < 1 || area.height < 1)
        return;
    if (text->count == 0) {
        draw_empty(text, area);
        return;
    }
    scroll_to(text, text->follow ? text->count : text->top, text->follow ? 0 : text->top_row);
    scroll_sideways(text, 0);
    size_t index = text->top;
    int y = 0;
    for (; index < text->count && y < area.height; index++)
        y += draw_line(text, line_at(text, index), area, y, index == text->top ? (int)text->top_row : 0);
    text->drawn_last = index;
    if (text->top + text->top_row > 0)
        area_text(area, area.width - 1, 0, ROLE_ACCENT, "▴");
    if (index < text->count || y > area.height)
        area_text(area, area.width - 1, area.height - 1, ROLE_ACCENT, "▾");
}

size_t text_rows(const struct text *text, int width)
{
    size_t rows = 0;
    for (size_t i = 0; i < text->count; i++)
        rows += line_rows(text, line_at(text, i), width);
    return rows;
}

const char *text_position(const struct text *text, char out[TEXT_POSITION_SIZE])
{
    if (text->count == 0)
        str_copy(out, TEXT_POSITION_SIZE, "0/0");
    else
        str_format(out, TEXT_POSITION_SIZE, "%zu-%zu/%zu%s", text->top + 1, text->drawn_last, text->count,
            text->dropped ? "+" : "");
    return out;
}
