/* The frame of a screen. Pure drawing; every function gets along with areas of any size, also none. */
#include "tui/layout.h"

#include <string.h>

#include "base/mem.h"

enum { HINT_MAX = 64, BIG_ROWS = 3, BIG_COLUMNS = 3 };

struct layout layout_split(struct area area)
{
    int title = area.height >= 4, status = area.height >= 5, footer = area.height >= 6;
    int body = area.height - title - status - footer;
    return (struct layout){
        .title = area_sub(area, 0, 0, area.width, title),
        .body = area_sub(area, 0, title, area.width, body),
        .status = area_sub(area, 0, title + body, area.width, status),
        .footer = area_sub(area, 0, title + body + status, area.width, footer),
    };
}

/* --- title */

static int crumb_columns(const struct layout_title *title, size_t first)
{
    int columns = first > 0 ? 2 : 0; /* "… " */
    for (size_t i = first; i < title->crumb_count; i++)
        columns += text_columns(title->crumbs[i]) + (i > first ? 3 : 0);
    return columns;
}

static void draw_crumbs(struct area area, const struct layout_title *title)
{
    size_t first = 0;
    while (first + 1 < title->crumb_count && crumb_columns(title, first) > area.width)
        first++;
    int x = first > 0 ? area_text(area, 0, 0, ROLE_DIM, "… ") : 0;
    for (size_t i = first; i < title->crumb_count; i++) {
        bool last = i + 1 == title->crumb_count;
        int room = area.width - x, columns = text_columns(title->crumbs[i]);
        area_fit(
            area, x, 0, columns < room ? columns : room, CELLS_LEFT, last ? ROLE_TITLE : ROLE_DIM, title->crumbs[i]);
        x += columns;
        if (!last)
            x += area_text(area, x, 0, ROLE_DIM, " › ");
    }
}

void layout_title(struct area area, const struct layout_title *title)
{
    if (area.width < 1 || area.height < 1)
        return;
    area_fill(area_row(area, 0), ROLE_NORMAL);
    int x = 0, end = area.width;
    if (title->badge)
        x += area_textf(area, 0, 0, title->badge_style, " %s ", title->badge) + 1;
    int crumbs = crumb_columns(title, 0);
    int name = title->name ? text_columns(title->name) : 0;
    if (name > 0 && x + name + 2 + crumbs <= end)
        x += area_text(area, x, 0, ROLE_ACCENT, title->name) + 2;
    int right = title->right ? text_columns(title->right) : 0;
    if (right > 0 && x + crumbs + 2 + right <= end) {
        area_text(area, end - right, 0, title->right_style, title->right);
        end -= right + 2;
    }
    draw_crumbs(area_sub(area, x, 0, end - x, 1), title);
}

/* --- footer */

struct hint {
    const struct key_binding *binding;
    int columns;
    bool dropped;
};

/* Rows with a hint; a key 0 (taken away by remapping) has none. */
static size_t collect_hints(struct hint hints[HINT_MAX], const struct keymap *const *maps, size_t count)
{
    size_t used = 0;
    char name[KEYS_NAME_SIZE];
    for (size_t m = 0; m < count; m++)
        for (size_t i = 0; i < maps[m]->count && used < HINT_MAX; i++) {
            const struct key_binding *binding = &maps[m]->bindings[i];
            if (!binding->hint || binding->key == 0)
                continue;
            int columns = text_columns(keys_name(binding->key, name)) + 1 + text_columns(binding->hint) + 2;
            hints[used++] = (struct hint){binding, columns, false};
        }
    return used;
}

/* Leave out the least important (the later one of equals) until the rest fits. */
static void drop_hints(struct hint *hints, size_t count, int width)
{
    for (;;) {
        int columns = -2;
        struct hint *least = NULL;
        for (size_t i = 0; i < count; i++) {
            if (hints[i].dropped)
                continue;
            columns += hints[i].columns;
            if (!least || hints[i].binding->priority >= least->binding->priority)
                least = &hints[i];
        }
        if (columns <= width || !least)
            return;
        least->dropped = true;
    }
}

void layout_footer(struct area area, const struct keymap *const *maps, size_t count)
{
    struct hint hints[HINT_MAX];
    char name[KEYS_NAME_SIZE];
    if (area.height < 1)
        return;
    area_fill(area_row(area, 0), ROLE_NORMAL);
    size_t used = collect_hints(hints, maps, count);
    drop_hints(hints, used, area.width);
    int x = 0;
    for (size_t i = 0; i < used; i++) {
        if (hints[i].dropped)
            continue;
        x += area_text(area, x, 0, ROLE_KEY, keys_name(hints[i].binding->key, name)) + 1;
        x += area_text(area, x, 0, ROLE_DIM, hints[i].binding->hint) + 2;
    }
}

void layout_status(struct area area, unsigned style, const char *message, unsigned right_style, const char *right)
{
    if (area.height < 1)
        return;
    area_fill(area_row(area, 0), ROLE_NORMAL);
    int columns = right ? text_columns(right) : 0, end = area.width - columns;
    if (right && end >= 0)
        area_text(area, end, 0, right_style, right);
    else
        end = area.width;
    int room = end - (columns > 0 ? 2 : 0), needed = message ? text_columns(message) : 0;
    if (message)
        area_fit(area, 0, 0, needed < room ? needed : room, CELLS_LEFT, style, message);
}

/* --- bodies */

static int widest_indented(const char *message)
{
    int widest = 0;
    for (const char *at = message; *at; at += at[0] == '\n') {
        size_t length = strcspn(at, "\n");
        char line[512];
        str_format(line, sizeof line, "%.*s", (int)length, at);
        int columns = str_starts(line, "  ") ? text_columns(line) : 0;
        widest = columns > widest ? columns : widest;
        at += length;
    }
    return widest;
}

void layout_empty(struct area area, unsigned style, const char *message)
{
    int rows = 1, widest = widest_indented(message);
    for (const char *at = message; *at; at++)
        rows += *at == '\n';
    int y = rows < area.height ? (area.height - rows) / 2 : 0;
    for (const char *at = message; at; y++) {
        char line[512];
        size_t length = strcspn(at, "\n");
        str_format(line, sizeof line, "%.*s", (int)length, at);
        if (str_starts(line, "  ") && widest <= area.width)
            area_text(area, (area.width - widest) / 2, y, style, line);
        else
            area_fit(area, 0, y, area.width, CELLS_CENTER, style, line);
        at = at[length] ? at + length + 1 : NULL;
    }
}

int layout_fields(struct area area, const struct layout_field *fields, size_t count)
{
    int widest = 0, y = 0;
    for (size_t i = 0; i < count; i++) {
        int columns = text_columns(fields[i].name);
        widest = columns > widest ? columns : widest;
    }
    if (widest > area.width / 2)
        widest = area.width / 2;
    for (size_t i = 0; i < count && y < area.height; i++, y++) {
        area_fit(area, 0, y, widest, CELLS_RIGHT, ROLE_DIM, fields[i].name);
        int left = widest + 2;
        area_fit(area, left, y, area.width - left, CELLS_LEFT, fields[i].style, fields[i].value);
    }
    return y;
}

/* --- big digits: three rows of three columns, after the seven-segment display */

static const struct {
    char character;
    const char *rows[BIG_ROWS];
} big_glyphs[] = {
    {'0', {"█▀█", "█ █", "▀▀▀"}},
    {'1', {" ▄█", "  █", "  ▀"}},
    {'2', {"▀▀█", "█▀▀", "▀▀▀"}},
    {'3', {"▀▀█", " ▀█", "▀▀▀"}},
    {'4', {"█ █", "▀▀█", "  ▀"}},
    {'5', {"█▀▀", "▀▀█", "▀▀▀"}},
    {'6', {"█▀▀", "█▀█", "▀▀▀"}},
    {'7', {"▀▀█", "  █", "  ▀"}},
    {'8', {"█▀█", "█▀█", "▀▀▀"}},
    {'9', {"█▀█", "▀▀█", "▀▀▀"}},
    {'.', {"   ", "   ", " ▄ "}},
    {':', {" ▄ ", " ▄ ", "   "}},
    {'%', {"█ ▄", " ▄▀", "█ ▀"}},
    {'-', {"   ", "▀▀▀", "   "}},
    {'/', {"  █", " █ ", "█  "}},
    {' ', {"   ", "   ", "   "}},
};

static const char *const *big_rows(char character)
{
    for (size_t i = 0; i < sizeof big_glyphs / sizeof *big_glyphs; i++)
        if (big_glyphs[i].character == character)
            return big_glyphs[i].rows;
    return NULL;
}

static bool fits_big(struct area area, int x, int y, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!big_rows(text[i]))
            return false;
    bool blocks = area_glyphs(area) != GLYPHS_ASCII;
    return blocks && y + BIG_ROWS <= area.height && x + (int)length * (BIG_COLUMNS + 1) - 1 <= area.width;
}

int layout_big(struct area area, int x, int y, unsigned style, const char *text)
{
    if (strlen(text) > 200 || !fits_big(area, x, y, text))
        return area_text(area, x, y, style | STYLE_BOLD, text);
    int left = x;
    for (; *text; text++, left += BIG_COLUMNS + 1)
        for (int row = 0; row < BIG_ROWS; row++)
            area_text(area, left, y + row, style, big_rows(*text)[row]);
    return left - 1 - x;
}
