/* The buffer of cells and everything that draws into it. Guarantees: no write outside an area; text is sanitised, and a
 * wide character is either whole or replaced by a blank, also where something is later drawn over half of it. Drawing
 * never allocates. One thread at a time. */
#include "tui/cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/sanitize.h"

enum { SIDE_MAX = 1000, LINE_BYTES = 4096 };

struct cells {
    int width, height;
    enum glyphs glyphs;
    int cursor_x, cursor_y; /* -1: hidden */
    struct cell *grid;
};

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

static const struct cell blank = {.text = " ", .width = 1, .style = ROLE_NORMAL};

struct cells *cells_new(int width, int height)
{
    struct cells *cells = xcalloc(1, sizeof *cells);
    cells_resize(cells, width, height);
    return cells;
}

void cells_free(struct cells *cells)
{
    if (!cells)
        return;
    free(cells->grid);
    free(cells);
}

void cells_resize(struct cells *cells, int width, int height)
{
    cells->width = clamp(width, 1, SIDE_MAX);
    cells->height = clamp(height, 1, SIDE_MAX);
    size_t count = (size_t)cells->width * (size_t)cells->height;
    cells->grid = xreallocarray(cells->grid, count, sizeof *cells->grid);
    cells_clear(cells);
}

void cells_clear(struct cells *cells)
{
    size_t count = (size_t)cells->width * (size_t)cells->height;
    for (size_t i = 0; i < count; i++)
        cells->grid[i] = blank;
    cells->cursor_x = cells->cursor_y = -1;
}

int cells_width(const struct cells *cells)
{
    return cells->width;
}

int cells_height(const struct cells *cells)
{
    return cells->height;
}

void cells_set_glyphs(struct cells *cells, enum glyphs glyphs)
{
    cells->glyphs = glyphs;
}

enum glyphs cells_glyphs(const struct cells *cells)
{
    return cells->glyphs;
}

static struct cell *cell_slot(const struct cells *cells, int x, int y)
{
    return &cells->grid[(size_t)y * (size_t)cells->width + (size_t)x];
}

const struct cell *cells_at(const struct cells *cells, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < cells->width && y < cells->height;
    return inside ? cell_slot(cells, x, y) : NULL;
}

void cells_set_cursor(struct cells *cells, int x, int y)
{
    cells->cursor_x = clamp(x, 0, cells->width - 1);
    cells->cursor_y = clamp(y, 0, cells->height - 1);
}

bool cells_cursor(const struct cells *cells, int *x, int *y)
{
    *x = cells->cursor_x;
    *y = cells->cursor_y;
    return cells->cursor_x >= 0;
}

/* --- areas */

struct area cells_area(struct cells *cells)
{
    return (struct area){cells, 0, 0, cells->width, cells->height};
}

struct area area_sub(struct area area, int x, int y, int width, int height)
{
    int left = clamp(x, 0, area.width), top = clamp(y, 0, area.height);
    int64_t right = (int64_t)x + (width > 0 ? width : 0), bottom = (int64_t)y + (height > 0 ? height : 0);
    int right_edge = right < left ? left : right > area.width ? area.width : (int)right;
    int bottom_edge = bottom < top ? top : bottom > area.height ? area.height : (int)bottom;
    return (struct area){area.cells, area.x + left, area.y + top, right_edge - left, bottom_edge - top};
}

struct area area_row(struct area area, int y)
{
    return area_sub(area, 0, y, area.width, 1);
}

struct area area_center(struct area area, int width, int height)
{
    int w = clamp(width, 0, area.width), h = clamp(height, 0, area.height);
    return area_sub(area, (area.width - w) / 2, (area.height - h) / 2, w, h);
}

enum glyphs area_glyphs(struct area area)
{
    return area.cells->glyphs;
}

/* --- characters */

/* The nearest ASCII to what widgets themselves draw. */
static const struct {
    const char *glyph;
    char ascii;
} ascii_table[] = {
    {"─", '-'},
    {"━", '='},
    {"│", '|'},
    {"┌", '+'},
    {"┐", '+'},
    {"└", '+'},
    {"┘", '+'},
    {"├", '+'},
    {"┤", '+'},
    {"┬", '+'},
    {"┴", '+'},
    {"┼", '+'},
    {"…", '~'},
    {"–", '-'},
    {"▲", '^'},
    {"▼", 'v'},
    {"▴", '^'},
    {"▾", 'v'},
    {"◂", '<'},
    {"▸", '>'},
    {"›", '>'},
    {"‹", '<'},
    {"·", '.'},
    {"•", '*'},
    {"●", '*'},
    {"○", 'o'},
    {"✓", '+'},
    {"✗", 'x'},
    {"✖", 'x'},
    {"▶", '>'},
    {"“", '"'},
    {"”", '"'},
    {"−", '-'},
    {"█", '#'},
    {"░", '.'},
    {"▒", ':'},
    {"▓", '#'},
    {"→", '>'},
    {"←", '<'},
    {"↑", '^'},
    {"↓", 'v'},
    {"⚠", '!'},
    {"×", 'x'},
    {"┆", ':'},
    {"╌", '-'},
    {"▌", '>'},
    {"◆", '*'},
    {"■", '#'},
    {"□", '.'},
    {"‡", '%'},
};

static char nearest_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof ascii_table / sizeof *ascii_table; i++)
        if (strlen(ascii_table[i].glyph) == length && memcmp(ascii_table[i].glyph, text, length) == 0)
            return ascii_table[i].ascii;
    return '?';
}

/* One character with the marks combined onto it. */
struct glyph {
    char text[CELL_TEXT_SIZE];
    int width;
    size_t bytes; /* how far the source advances */
};

static void set_glyph(struct glyph *glyph, const char *text, size_t length, int width)
{
    memcpy(glyph->text, text, length);
    glyph->text[length] = '\0';
    glyph->width = width;
}

static size_t append_marks(struct glyph *glyph, const char *text, size_t length)
{
    size_t used = 0, filled = strlen(glyph->text);
    uint32_t code_point = 0;
    while (used < length) {
        size_t bytes = utf8_decode(text + used, length - used, &code_point);
        if (bytes == 0 || code_point < 0x300 || wcwidth((wchar_t)code_point) != 0)
            break;
        if (filled + bytes < CELL_TEXT_SIZE) {
            memcpy(glyph->text + filled, text + used, bytes);
            filled += bytes;
            glyph->text[filled] = '\0';
        }
        used += bytes;
    }
    return used;
}

/* `text` is sanitised; length > 0. */
static struct glyph next_glyph(const char *text, size_t length, enum glyphs glyphs)
{
    struct glyph glyph = {0};
    unsigned char first = (unsigned char)text[0];
    uint32_t code_point = first;
    if (first < 0x80 && (length == 1 || (unsigned char)text[1] < 0x80)) {
        set_glyph(&glyph, text, 1, 1);
        glyph.bytes = 1;
        return glyph;
    }
    glyph.bytes = first < 0x80 ? 1 : utf8_decode(text, length, &code_point);
    int width = glyph.bytes == 0 ? -1 : wcwidth((wchar_t)code_point);
    if (glyph.bytes == 0)
        glyph.bytes = 1;
    if (glyphs == GLYPHS_ASCII && first >= 0x80) {
        char ascii[2] = {nearest_ascii(text, glyph.bytes), '\0'};
        set_glyph(&glyph, ascii, 1, 1);
        if (width == 0)
            glyph.width = 0; /* a mark on a blank: nothing to show */
        return glyph;
    }
    if (width <= 0)
        set_glyph(&glyph, "\xEF\xBF\xBD", 3, 1); /* unknown to libc, or a mark without a base: U+FFFD */
    else
        set_glyph(&glyph, text, glyph.bytes, width);
    if (glyphs != GLYPHS_ASCII)
        glyph.bytes += append_marks(&glyph, text + glyph.bytes, length - glyph.bytes);
    return glyph;
}

/* Blank the other half of a wide character that is about to be overwritten. */
static void break_wide(struct cells *cells, int x, int y)
{
    struct cell *cell = cell_slot(cells, x, y);
    struct cell *other = NULL;
    if (cell->width == 0 && x > 0)
        other = cell_slot(cells, x - 1, y);
    else if (cell->width == 2 && x + 1 < cells->width)
        other = cell_slot(cells, x + 1, y);
    if (!other)
        return;
    uint16_t style = other->style;
    *other = blank;
    other->style = style;
}

static void write_cell(struct cells *cells, int x, int y, unsigned style, const char *text, int width)
{
    struct cell *cell = cell_slot(cells, x, y);
    memset(cell->text, 0, sizeof cell->text);
    memcpy(cell->text, text, strlen(text));
    cell->width = (uint8_t)width;
    cell->style = (uint16_t)style;
}

/* x and y are relative to the area; y lies within it. */
static void put_glyph(struct area area, int x, int y, unsigned style, const struct glyph *glyph)
{
    if (x < 0 || x >= area.width)
        return;
    int left = area.x + x, top = area.y + y;
    break_wide(area.cells, left, top);
    if (x + glyph->width > area.width) { /* only half of a wide character would fit */
        write_cell(area.cells, left, top, style, " ", 1);
        return;
    }
    if (glyph->width == 2) {
        break_wide(area.cells, left + 1, top);
        write_cell(area.cells, left + 1, top, style, "", 0);
    }
    write_cell(area.cells, left, top, style, glyph->text, glyph->width);
}

/* Text that may be drawn: itself where it is clean, else a sanitised copy in `room`. */
static const char *clean(const char *text, char room[LINE_BYTES], size_t *length)
{
    *length = strnlen(text, LINE_BYTES - 1);
    if (sanitize_is_clean(text, *length))
        return text;
    *length = sanitize(room, LINE_BYTES, text, *length);
    return room;
}

int area_text_from(struct area area, int x, int y, int skip, unsigned style, const char *text)
{
    if (!text || y < 0 || y >= area.height || x >= area.width)
        return 0;
    char room[LINE_BYTES];
    size_t length = 0;
    const char *at = clean(text, room, &length);
    int column = x;
    while (length > 0 && column < area.width) {
        struct glyph glyph = next_glyph(at, length, area.cells->glyphs);
        at += glyph.bytes;
        length -= glyph.bytes;
        if (skip > 0) {
            skip -= glyph.width;
            column += skip < 0 ? -skip : 0; /* the right half of a wide character that scrolled out: a blank */
            continue;
        }
        if (glyph.width > 0)
            put_glyph(area, column, y, style, &glyph);
        column += glyph.width;
    }
    return (column > area.width ? area.width : column) - x;
}

int area_text(struct area area, int x, int y, unsigned style, const char *text)
{
    return area_text_from(area, x, y, 0, style, text);
}

int area_textf(struct area area, int x, int y, unsigned style, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return written < 0 ? 0 : area_text(area, x, y, style, line);
}

void area_repeat(struct area area, int x, int y, int count, unsigned style, const char *character)
{
    struct glyph glyph = next_glyph(character, strlen(character), area.cells->glyphs);
    if (y < 0 || y >= area.height || glyph.width != 1)
        return;
    int end = (int64_t)x + count > area.width ? area.width : x + count;
    for (int column = x < 0 ? 0 : x; column < end; column++)
        put_glyph(area, column, y, style, &glyph);
}

void area_fit(struct area area, int x, int y, int width, enum cells_align align, unsigned style, const char *text)
{
    if (width <= 0)
        return;
    int columns = text_columns(text ? text : "");
    area_repeat(area, x, y, width, style, " ");
    if (columns > width) {
        struct area head = area_sub(area, x, y, width - 1, 1);
        if (x >= 0)
            area_text(head, 0, 0, style, text);
        area_repeat(area, x + width - 1, y, 1, style, "…");
        return;
    }
    int room = width - columns;
    int shift = align == CELLS_RIGHT ? room : align == CELLS_CENTER ? room / 2 : 0;
    area_text(area, x + shift, y, style, text);
}

void area_fill(struct area area, unsigned style)
{
    for (int y = 0; y < area.height; y++)
        area_repeat(area, 0, y, area.width, style, " ");
}

void area_hline(struct area area, int y, unsigned style)
{
    area_repeat(area, 0, y, area.width, style, "─");
}

struct area area_box(struct area area, unsigned style, const char *title)
{
    int right = area.width - 1, bottom = area.height - 1;
    if (right < 1 || bottom < 1)
        return area;
    area_fill(area, ROLE_NORMAL);
    area_hline(area, 0, style);
    area_hline(area, bottom, style);
    for (int y = 1; y < bottom; y++) {
        area_text(area, 0, y, style, "│");
        area_text(area, right, y, style, "│");
    }
    area_text(area, 0, 0, style, "┌");
    area_text(area, right, 0, style, "┐");
    area_text(area, 0, bottom, style, "└");
    area_text(area, right, bottom, style, "┘");
    if (title && *title && area.width > 6) {
        int room = area.width - 6, columns = text_columns(title);
        area_text(area, 2, 0, style, " ");
        area_fit(area, 3, 0, columns < room ? columns : room, CELLS_LEFT, ROLE_TITLE, title);
        area_text(area, 3 + (columns < room ? columns : room), 0, style, " ");
    }
    return area_sub(area, 1, 1, area.width - 2, area.height - 2);
}

void area_restyle(struct area area, int x, int y, int width, int role, unsigned flags)
{
    if (y < 0 || y >= area.height)
        return;
    int end = (int64_t)x + width > area.width ? area.width : x + width;
    for (int column = x < 0 ? 0 : x; column < end; column++) {
        struct cell *cell = cell_slot(area.cells, area.x + column, area.y + y);
        unsigned style = role < 0 ? cell->style : (cell->style & ~(unsigned)STYLE_ROLE_MASK) | (unsigned)role;
        cell->style = (uint16_t)(style | flags);
    }
}

/* --- measuring and reading back */

int text_columns(const char *text)
{
    char room[LINE_BYTES];
    size_t length = 0;
    const char *at = clean(text, room, &length);
    int columns = 0;
    while (length > 0) {
        struct glyph glyph = next_glyph(at, length, GLYPHS_BRAILLE);
        at += glyph.bytes;
        length -= glyph.bytes;
        columns += glyph.width;
    }
    return columns;
}

static void row_to_text(const struct cells *cells, int y, struct buf *out)
{
    int last = cells->width - 1;
    while (last >= 0 && strcmp(cell_slot(cells, last, y)->text, " ") == 0)
        last--;
    for (int x = 0; x <= last; x++)
        (void)buf_puts(out, cell_slot(cells, x, y)->text);
    (void)buf_putc(out, '\n');
}

void cells_to_text(const struct cells *cells, struct buf *out)
{
    for (int y = 0; y < cells->height; y++)
        row_to_text(cells, y, out);
}

void cells_to_styles(const struct cells *cells, struct buf *out)
{
    char name[STYLE_NAME_SIZE];
    for (int y = 0; y < cells->height; y++) {
        row_to_text(cells, y, out);
        for (int x = 0, end; x < cells->width; x = end) {
            uint16_t style = cell_slot(cells, x, y)->style;
            for (end = x + 1; end < cells->width && cell_slot(cells, end, y)->style == style; end++)
                ;
            if (style != ROLE_NORMAL)
                (void)buf_printf(out, "  %d:%d-%d %s\n", y, x, end - 1, style_name(style, name));
        }
    }
}

/* FNV-1a over bytes; struct cell has no padding. */
static uint64_t hash_cells(const struct cell *from, size_t count)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    const unsigned char *at = (const unsigned char *)from;
    for (size_t i = 0; i < count * sizeof *from; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

uint64_t cells_hash(const struct cells *cells)
{
    uint64_t hash = hash_cells(cells->grid, (size_t)cells->width * (size_t)cells->height);
    return hash ^ (uint64_t)(cells->cursor_x * 1009 + cells->cursor_y);
}

_Static_assert(sizeof(struct cell) == CELL_TEXT_SIZE + 3, "struct cell has padding: hashes would differ");
