/* Themes: from text to colours. A theme is a table of one entry a role; theme_look() lays flags over a role and brings
 * the colours down to what the terminal has (truecolor → 256 → 16 → 8 → mono). Pure; any thread. */
#include "tui/style.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "tui/theme_dark.h"
#include "tui/theme_private.h"

enum color_kind { COLOR_DEFAULT, COLOR_INDEX, COLOR_RGB };

struct color {
    enum color_kind kind;
    int value;    /* palette index or 0xRRGGBB */
    int fallback; /* 0–15 for small palettes, -1: the nearest */
};

struct theme_entry {
    struct color foreground, background;
    unsigned attributes;
};

struct theme {
    char *name;
    struct theme_entry roles[ROLE_COUNT];
};

static const char *const color_names[16] = {"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    "bright-black", "bright-red", "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
    "bright-white"};

/* xterm's first sixteen, for distances only. */
static const int color_rgb[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
    0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};

static const struct {
    const char *name;
    unsigned attribute;
} attribute_names[] = {{"bold", LOOK_BOLD}, {"dim", LOOK_DIM}, {"underline", LOOK_UNDERLINE}, {"reverse", LOOK_REVERSE},
    {"italic", LOOK_ITALIC}};

/* --- reading */

struct theme_line {
    const char *path;
    int number;
    struct err_info *info;
};

static int named_color(const char *word)
{
    for (int i = 0; i < 16; i++)
        if (strcmp(word, color_names[i]) == 0)
            return i;
    return -1;
}

static bool parse_hex(const char *digits, int *value)
{
    *value = 0;
    if (strlen(digits) != 6 || strspn(digits, "0123456789abcdefABCDEF") != 6)
        return false;
    *value = (int)strtol(digits, NULL, 16);
    return true;
}

static bool parse_plain_color(const char *word, struct color *out)
{
    int64_t index = 0;
    *out = (struct color){COLOR_DEFAULT, 0, -1};
    if (strcmp(word, "-") == 0)
        return true;
    if (word[0] == '#') {
        out->kind = COLOR_RGB;
        return parse_hex(word + 1, &out->value);
    }
    out->kind = COLOR_INDEX;
    out->value = named_color(word);
    if (out->value >= 0)
        return true;
    if (!str_to_i64(word, 0, 255, &index))
        return false;
    out->value = (int)index;
    return true;
}

static enum err parse_color(const struct theme_line *line, char *word, struct color *out)
{
    char *slash = strchr(word, '/');
    if (slash)
        *slash = '\0';
    if (!parse_plain_color(word, out))
        return err_set(line->info, ERR_INVALID,
            "%s:%d: \"%s\" is not a colour; write -, #rrggbb, 0-255, or a name such as red or bright-red", line->path,
            line->number, word);
    if (!slash)
        return ERR_OK;
    out->fallback = named_color(slash + 1);
    if (out->fallback < 0)
        return err_set(line->info, ERR_INVALID, "%s:%d: after / stands one of the sixteen colour names, not \"%s\"",
            line->path, line->number, slash + 1);
    return ERR_OK;
}

static enum err parse_attribute(const struct theme_line *line, const char *word, unsigned *attributes)
{
    for (size_t i = 0; i < sizeof attribute_names / sizeof *attribute_names; i++)
        if (strcmp(word, attribute_names[i].name) == 0) {
            *attributes |= attribute_names[i].attribute;
            return ERR_OK;
        }
    return err_set(line->info, ERR_INVALID,
        "%s:%d: \"%s\" is not an attribute; there are bold, dim, underline, reverse and italic", line->path,
        line->number, word);
}

static enum err find_role(const struct theme_line *line, const char *word, unsigned *role)
{
    const char *names[ROLE_COUNT];
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        names[i] = style_role_name(i);
    for (*role = 0; *role < ROLE_COUNT; ++*role)
        if (strcmp(word, names[*role]) == 0)
            return ERR_OK;
    const char *nearest = name_nearest(word, names, ROLE_COUNT);
    return err_set(line->info, ERR_INVALID, "%s:%d: there is no role \"%s\"%s%s%s", line->path, line->number, word,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " \t\r");
    size_t length = strcspn(word, " \t\r");
    *at = word + length + (word[length] ? 1 : 0);
    word[length] = '\0';
    return word;
}

static enum err parse_line(struct theme *theme, const struct theme_line *line, char *text)
{
    char *at = text;
    unsigned role = 0;
    struct theme_entry entry = {0};
    enum err err = find_role(line, next_word(&at), &role);
    if (!err && strcmp(next_word(&at), "=") != 0)
        err = err_set(line->info, ERR_INVALID, "%s:%d: write \"role = foreground background attributes\"", line->path,
            line->number);
    char *foreground = next_word(&at), *background = next_word(&at);
    if (!err && (!*foreground || !*background))
        err = err_set(line->info, ERR_INVALID, "%s:%d: %s needs a foreground and a background; - is the terminal's own",
            line->path, line->number, style_role_name(role));
    if (!err)
        err = parse_color(line, foreground, &entry.foreground);
    if (!err)
        err = parse_color(line, background, &entry.background);
    for (char *word = next_word(&at); !err && *word; word = next_word(&at))
        err = parse_attribute(line, word, &entry.attributes);
    if (!err)
        theme->roles[role] = entry;
    return err;
}

static enum err parse_lines(struct theme *theme, const char *path, char *text, struct err_info *info)
{
    struct theme_line line = {path, 0, info};
    enum err err = ERR_OK;
    for (char *at = text, *end = NULL; !err && at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        line.number++;
        at += strspn(at, " \t\r");
        if (*at && *at != '#')
            err = parse_line(theme, &line, at);
    }
    return err;
}

/* "themes/dark.theme" → "dark" */
static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t length = strlen(base);
    if (str_ends(base, THEME_SUFFIX))
        length -= strlen(THEME_SUFFIX);
    return xstrndup(base, length);
}

static enum err theme_build(const char *path, const char *text, struct theme *base, struct err_info *info)
{
    char *copy = xstrdup(text);
    enum err err = parse_lines(base, path, copy, info);
    free(copy);
    base->name = name_of(path);
    return err;
}

struct theme *theme_default(void)
{
    struct theme *theme = xcalloc(1, sizeof *theme);
    (void)theme_build("dark" THEME_SUFFIX, theme_dark_text, theme, NULL); /* a test proves that it parses */
    return theme;
}

enum err theme_parse(const char *path, const char *text, struct theme **out, struct err_info *info)
{
    *out = NULL;
    struct theme *theme = theme_default();
    free(theme->name);
    enum err err = theme_build(path, text, theme, info);
    if (err) {
        theme_free(theme);
        return err;
    }
    *out = theme;
    return ERR_OK;
}

void theme_free(struct theme *theme)
{
    if (!theme)
        return;
    free(theme->name);
    free(theme);
}

const char *theme_name(const struct theme *theme)
{
    return theme->name;
}

/* --- bringing colours down */

static int distance(int a, int b)
{
    int red = ((a >> 16) & 255) - ((b >> 16) & 255), green = ((a >> 8) & 255) - ((b >> 8) & 255);
    int blue = (a & 255) - (b & 255);
    return 3 * red * red + 6 * green * green + blue * blue; /* roughly as the eye weighs them */
}

/* xterm's 256 colours: 16–231 a 6x6x6 cube with these levels, 232–255 greys 8, 18, … 238. */
static const int cube_levels[6] = {0, 95, 135, 175, 215, 255};

static int palette_rgb(int index)
{
    if (index < 16)
        return color_rgb[index];
    if (index >= 232)
        return (8 + 10 * (index - 232)) * 0x010101;
    int cube = index - 16;
    return cube_levels[cube / 36] << 16 | cube_levels[cube / 6 % 6] << 8 | cube_levels[cube % 6];
}

static int nearest_index(int rgb, int first, int end)
{
    int best = first;
    for (int i = first; i < end; i++)
        if (distance(palette_rgb(i), rgb) < distance(palette_rgb(best), rgb))
            best = i;
    return best;
}

static int bring_down(const struct color *color, enum color_depth depth)
{
    if (color->kind == COLOR_DEFAULT || depth == COLOR_DEPTH_MONO)
        return -1;
    bool rgb = color->kind == COLOR_RGB;
    if (depth == COLOR_DEPTH_TRUE)
        return rgb ? LOOK_RGB | color->value : color->value;
    if (depth == COLOR_DEPTH_256)
        return rgb ? nearest_index(color->value, 16, 256) : color->value;
    int index = color->fallback >= 0 ? color->fallback
                : rgb                ? nearest_index(color->value, 0, 16)
                : color->value < 16  ? color->value
                                     : nearest_index(palette_rgb(color->value), 0, 16);
    return depth == COLOR_DEPTH_8 ? index & 7 : index;
}

/* Lay the background of a flag's role under a cell. Where the palette is too small for a quiet background, reverse
 * shows it. */
static void overlay(struct look *look, const struct theme_entry *entry, enum color_depth depth, bool keep_foreground)
{
    look->attributes |= entry->attributes;
    if (entry->background.kind == COLOR_DEFAULT)
        return;
    if (depth <= COLOR_DEPTH_8) {
        look->attributes |= LOOK_REVERSE;
        return;
    }
    look->background = bring_down(&entry->background, depth);
    if (!keep_foreground || look->foreground == look->background)
        look->foreground = bring_down(&entry->foreground, depth);
}

/* Roles whose colour is no message: they take the foreground of the selection. */
static bool is_quiet(unsigned role)
{
    return role == ROLE_NORMAL || role == ROLE_DIM || role == ROLE_BORDER || role == ROLE_MARKED;
}

/* States with a background of their own keep it on a selected or marked row: they are never to look calmer there. */
static bool keeps_background(unsigned role, const struct theme_entry *entry, enum color_depth depth)
{
    bool is_loud = role == ROLE_CONFLICT || role == ROLE_QUARANTINED;
    return is_loud && entry->background.kind != COLOR_DEFAULT && depth != COLOR_DEPTH_MONO;
}

struct look theme_look(const struct theme *theme, enum color_depth depth, unsigned style)
{
    static const struct {
        unsigned flag, role;
    } overlays[] = {{STYLE_MARKED, ROLE_MARKED}, {STYLE_SELECTED, ROLE_SELECTED}, {STYLE_MATCH, ROLE_MATCH}};
    static const struct {
        unsigned flag, attribute;
    } attributes[] = {{STYLE_BOLD, LOOK_BOLD}, {STYLE_DIM, LOOK_DIM}, {STYLE_UNDERLINE, LOOK_UNDERLINE},
        {STYLE_REVERSE, LOOK_REVERSE}};
    unsigned role = style & STYLE_ROLE_MASK;
    const struct theme_entry *entry = &theme->roles[role < ROLE_COUNT ? role : ROLE_NORMAL];
    struct look look = {
        bring_down(&entry->foreground, depth), bring_down(&entry->background, depth), entry->attributes};
    if (depth == COLOR_DEPTH_MONO && entry->background.kind != COLOR_DEFAULT)
        look.attributes |= LOOK_REVERSE;
    if (depth == COLOR_DEPTH_8 &&
        bring_down(&entry->foreground, COLOR_DEPTH_16) == 8) /* bright black: keep it visible */
        look.foreground = 7;
    for (size_t i = 0; i < sizeof overlays / sizeof *overlays; i++)
        if ((style & overlays[i].flag) && keeps_background(role, entry, depth))
            look.attributes |= LOOK_UNDERLINE;
        else if (style & overlays[i].flag)
            overlay(&look, &theme->roles[overlays[i].role], depth, !is_quiet(role) && overlays[i].flag != STYLE_MATCH);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (style & attributes[i].flag)
            look.attributes |= attributes[i].attribute;
    return look;
}
