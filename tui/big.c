/* Big figures for a wall. Each square of the font is drawn as a block of cells; a cell is about twice as high as wide,
 * so a block has twice as many columns as rows. Pure drawing; any thread that owns the cells. */
#include "tui/big.h"

#include <string.h>

enum { GLYPH_COLUMNS = 3, GLYPH_ROWS = 5, TEXT_MAX = 32 };

/* Columns and rows of one square, by size; size 0 is plain text. */
static const struct {
    int columns, rows;
} blocks[] = {{1, 1}, {1, 1}, {2, 1}, {3, 2}, {4, 2}, {6, 3}, {8, 4}, {10, 5}};
#define SIZE_COUNT ((int)(sizeof blocks / sizeof *blocks))

static const struct {
    char character;
    const char *squares; /* rows of three, from the top */
} glyphs[] = {
    {'0', "####.##.##.####"},
    {'1', ".#.##..#..#.###"},
    {'2', "###..#####..###"},
    {'3', "###..####..####"},
    {'4', "#.##.####..#..#"},
    {'5', "####..###..####"},
    {'6', "####..####.####"},
    {'7', "###..#..#..#..#"},
    {'8', "####.#####.####"},
    {'9', "####.####..####"},
    {'.', ".............#."},
    {':', "....#.....#...."},
    {'%', "#.#..#.#.#..#.#"},
    {'-', "......###......"},
    {'/', "..#..#.#.#..#.."},
    {' ', "..............."},
};

static const char *squares_of(char character)
{
    for (size_t i = 0; i < sizeof glyphs / sizeof *glyphs; i++)
        if (glyphs[i].character == character)
            return glyphs[i].squares;
    return NULL;
}

static bool is_drawable(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!squares_of(text[i]))
            return false;
    return length > 0 && length <= TEXT_MAX;
}

static int columns_at(int size, const char *text)
{
    return ((int)strlen(text) * (GLYPH_COLUMNS + 1) - 1) * blocks[size].columns;
}

int big_size(struct area area, const char *text)
{
    if (!is_drawable(text))
        return 0;
    for (int size = SIZE_COUNT - 1; size > 0; size--)
        if (columns_at(size, text) <= area.width && GLYPH_ROWS * blocks[size].rows <= area.height)
            return size;
    return 0;
}

int big_size_largest(void)
{
    return SIZE_COUNT - 1;
}

static void draw_glyph(struct area area, int size, unsigned style, const char *squares)
{
    int columns = blocks[size].columns, rows = blocks[size].rows;
    const char *ink = area_glyphs(area) == GLYPHS_ASCII ? "#" : "█";
    for (int y = 0; y < GLYPH_ROWS * rows; y++)
        for (int square = 0; square < GLYPH_COLUMNS; square++)
            if (squares[y / rows * GLYPH_COLUMNS + square] == '#')
                area_repeat(area, square * columns, y, columns, style, ink);
}

void big_draw(struct area area, int size, unsigned style, const char *text)
{
    int fitting = big_size(area, text);
    if (size > fitting)
        size = fitting;
    if (size <= 0) {
        area_fit(area, 0, area.height / 2, area.width, CELLS_CENTER, style | STYLE_BOLD, text);
        return;
    }
    struct area place = area_center(area, columns_at(size, text), GLYPH_ROWS * blocks[size].rows);
    for (int x = 0; *text; text++, x += (GLYPH_COLUMNS + 1) * blocks[size].columns)
        draw_glyph(area_sub(place, x, 0, place.width, place.height), size, style, squares_of(*text));
}
