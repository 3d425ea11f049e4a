/* Names of keys both ways, keymaps, and the help made from them. Pure but for what the caller hands in; one thread. */
#include "tui/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"

static const struct {
    int key;
    const char *name;
} named_keys[] = {
    {KEYS_TAB, "Tab"},
    {KEYS_ENTER, "Enter"},
    {KEYS_ESC, "Esc"},
    {KEYS_SPACE, "Space"},
    {KEYS_BACKSPACE, "Backspace"},
    {KEYS_UP, "Up"},
    {KEYS_DOWN, "Down"},
    {KEYS_LEFT, "Left"},
    {KEYS_RIGHT, "Right"},
    {KEYS_HOME, "Home"},
    {KEYS_END, "End"},
    {KEYS_PAGE_UP, "PgUp"},
    {KEYS_PAGE_DOWN, "PgDn"},
    {KEYS_INSERT, "Ins"},
    {KEYS_DELETE, "Del"},
    {KEYS_BACK_TAB, "S-Tab"},
    {KEYS_SHIFT_LEFT, "S-Left"},
    {KEYS_SHIFT_RIGHT, "S-Right"},
};
enum { NAMED_COUNT = sizeof named_keys / sizeof *named_keys };

/* --- names */

static const char *named(int key)
{
    for (size_t i = 0; i < NAMED_COUNT; i++)
        if (named_keys[i].key == key)
            return named_keys[i].name;
    return NULL;
}

static void encode_utf8(int code_point, char out[5])
{
    unsigned value = (unsigned)code_point;
    size_t length = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; value >>= 6)
        out[i] = (char)(0x80 | (value & 0x3F));
    out[0] = (char)(lead[length] | value);
    out[length] = '\0';
}

const char *keys_name(int key, char out[KEYS_NAME_SIZE])
{
    const char *alt = key > 0 && (key & KEYS_ALT) ? "M-" : "";
    int plain = key > 0 ? key & ~KEYS_ALT : 0;
    char character[5];
    if (named(plain))
        str_format(out, KEYS_NAME_SIZE, "%s%s", alt, named(plain));
    else if (plain > KEYS_F0 && plain <= KEYS_LAST)
        str_format(out, KEYS_NAME_SIZE, "%sF%d", alt, plain - KEYS_F0);
    else if (plain > 0 && plain < 32)
        str_format(out, KEYS_NAME_SIZE, "%sC-%c", alt, plain <= 26 ? plain + 'a' - 1 : plain + 'A' - 1);
    else if (plain > 32 && plain < 0x110000) {
        encode_utf8(plain, character);
        str_format(out, KEYS_NAME_SIZE, "%s%s", alt, character);
    } else
        str_copy(out, KEYS_NAME_SIZE, "?");
    return out;
}

static bool parse_function_key(const char *name, int *key)
{
    int64_t number = 0;
    if (name[0] != 'F' || !str_to_i64(name + 1, 1, KEYS_LAST - KEYS_F0, &number))
        return false;
    *key = KEYS_F((int)number);
    return true;
}

static bool parse_plain(const char *name, int *key)
{
    uint32_t code_point = 0;
    size_t length = strlen(name), used = utf8_decode(name, length, &code_point);
    if (used == length && used > 0 && code_point > 32 && code_point != 127) {
        *key = (int)code_point;
        return true;
    }
    if (str_starts(name, "C-") && length == 3 && name[2] > ' ' && strchr("abcdefghijklmnopqrstuvwxyz[\\]^_", name[2])) {
        *key = KEYS_CTRL(name[2]);
        return true;
    }
    for (size_t i = 0; i < NAMED_COUNT; i++)
        if (strcasecmp(name, named_keys[i].name) == 0) {
            *key = named_keys[i].key;
            return true;
        }
    return parse_function_key(name, key);
}

bool keys_parse(const char *name, int *key)
{
    *key = 0;
    bool alt = str_starts(name, "M-") && name[2];
    if (!parse_plain(alt ? name + 2 : name, key))
        return false;
    *key |= alt ? KEYS_ALT : 0;
    return true;
}

/* --- keymaps */

int keymap_command(const struct keymap *map, int key)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->bindings[i].key == key && key != 0)
            return map->bindings[i].command;
    return 0;
}

/* A binding of the same key that stands before map[at].bindings[row] and means something else. */
static const struct key_binding *find_conflict(
    const struct keymap *const *maps, size_t at, size_t row, const char **context)
{
    const struct key_binding *mine = &maps[at]->bindings[row];
    for (size_t m = 0; m <= at; m++) {
        size_t end = m == at ? row : maps[m]->count;
        for (size_t i = 0; i < end; i++) {
            const struct key_binding *other = &maps[m]->bindings[i];
            bool same = m == at && other->command == mine->command;
            if (other->key == mine->key && mine->key != 0 && !same) {
                *context = maps[m]->context;
                return other;
            }
        }
    }
    return NULL;
}

static enum err check_map(const struct keymap *const *maps, size_t at, struct err_info *info)
{
    const struct keymap *map = maps[at];
    for (size_t i = 0; i < map->count; i++) {
        const struct key_binding *binding = &map->bindings[i];
        char key[KEYS_NAME_SIZE];
        const char *context = NULL;
        if (!binding->name || binding->command < 1)
            return err_set(info, ERR_INVALID, "keymap %s: row %zu has no name or no command", map->context, i + 1);
        const struct key_binding *other = find_conflict(maps, at, i, &context);
        if (other)
            return err_set(info, ERR_EXISTS, "key %s means %s in %s and %s in %s; give one of them another key",
                keys_name(binding->key, key), other->name, context, binding->name, map->context);
    }
    return ERR_OK;
}

enum err keymap_check(const struct keymap *const *maps, size_t count, struct err_info *info)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = check_map(maps, i, info);
    return err;
}

struct keymap *keymap_copy(const struct keymap *map)
{
    struct keymap *copy = xmalloc(sizeof *copy);
    struct key_binding *bindings = xreallocarray(NULL, map->count ? map->count : 1, sizeof *bindings);
    if (map->count)
        memcpy(bindings, map->bindings, map->count * sizeof *bindings);
    *copy = (struct keymap){map->context, bindings, map->count};
    return copy;
}

void keymap_free(struct keymap *map)
{
    if (!map)
        return;
    free((void *)map->bindings);
    free(map);
}

static enum err unknown_command(const struct keymap *map, const char *name, struct err_info *info)
{
    const char **names = xcalloc(map->count + 1, sizeof *names);
    for (size_t i = 0; i < map->count; i++)
        names[i] = map->bindings[i].name;
    const char *nearest = name_nearest(name, names, map->count);
    enum err err = err_set(info, ERR_NOT_FOUND, "%s has no command \"%s\"%s%s%s", map->context, name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return err;
}

enum err keymap_rebind(struct keymap *map, const char *name, int key, struct err_info *info)
{
    struct key_binding *bindings = (struct key_binding *)map->bindings; /* keymap_copy made them */
    struct key_binding *mine = NULL;
    char key_name[KEYS_NAME_SIZE];
    for (size_t i = 0; i < map->count; i++) {
        bool same = strcmp(bindings[i].name, name) == 0;
        if (same && !mine)
            mine = &bindings[i];
        if (!same && bindings[i].key == key)
            return err_set(info, ERR_EXISTS, "key %s already means %s in %s", keys_name(key, key_name),
                bindings[i].name, map->context);
    }
    if (!mine)
        return unknown_command(map, name, info);
    for (size_t i = 0; i < map->count; i++)
        if (bindings[i].command == mine->command)
            bindings[i].key = 0;
    mine->key = key;
    return ERR_OK;
}

/* --- help */

enum { HELP_KEYS_WIDTH = 18 };

/* "Down, j": all keys of the command. */
static void list_keys(const struct keymap *map, int command, struct buf *out)
{
    char name[KEYS_NAME_SIZE];
    for (size_t i = 0; i < map->count; i++)
        if (map->bindings[i].command == command && map->bindings[i].key)
            (void)buf_printf(out, "%s%s", out->length ? ", " : "", keys_name(map->bindings[i].key, name));
}

static void help_section(const struct keymap *map, struct text *text)
{
    text_add(text, ROLE_TITLE, map->context);
    for (size_t i = 0; i < map->count; i++) {
        const struct key_binding *binding = &map->bindings[i];
        if (!binding->help)
            continue;
        struct buf keys = BUF(200), head = BUF(400);
        list_keys(map, binding->command, &keys);
        int room = HELP_KEYS_WIDTH - text_columns(buf_text(&keys));
        (void)buf_printf(&head, "  %s%*s", buf_text(&keys), room > 1 ? room : 1, "");
        text_add_pair(text, ROLE_KEY, buf_text(&head), ROLE_NORMAL, binding->help);
        buf_free(&keys);
        buf_free(&head);
    }
}

void keymap_help(const struct keymap *const *maps, size_t count, struct text *text)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_add(text, ROLE_NORMAL, "");
        help_section(maps[i], text);
    }
}
