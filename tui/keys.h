/* Keys and what they do. A key is an int: a Unicode code point, or one of KEYS_… above them, maybe with KEYS_ALT.
 * A context (a view, a widget) binds keys to its own commands in a const table; footer and help are made from the
 * tables. */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tui/text.h"

enum {
    KEYS_TAB = 9,
    KEYS_ENTER = 13,
    KEYS_ESC = 27,
    KEYS_SPACE = 32,
    KEYS_BACKSPACE = 127,
    KEYS_UP = 0x110000,
    KEYS_DOWN,
    KEYS_LEFT,
    KEYS_RIGHT,
    KEYS_HOME,
    KEYS_END,
    KEYS_PAGE_UP,
    KEYS_PAGE_DOWN,
    KEYS_INSERT,
    KEYS_DELETE,
    KEYS_BACK_TAB,
    KEYS_SHIFT_LEFT,
    KEYS_SHIFT_RIGHT,
    KEYS_F0, /* F1 is KEYS_F0 + 1 … F24 */
    KEYS_LAST = KEYS_F0 + 24,
    KEYS_ALT = 0x1000000, /* or-ed in: Alt held (only with terminal_options.alt_keys) */
};
#define KEYS_CTRL(letter) ((letter)&0x1f) /* KEYS_CTRL('r') */
#define KEYS_F(n) (KEYS_F0 + (n))

/* "C-r", "M-x", "Enter", "Esc", "Space", "F1", "PgUp", "S-Tab", "a", "é". Names that mean Ctrl plus i, m or [ come back
 * as Tab, Enter, Esc, which is what a terminal sends. keys_parse is exact in case except for the words. */
#define KEYS_NAME_SIZE 16
const char *keys_name(int key, char out[KEYS_NAME_SIZE]); /* returns out; "?" for no key */
bool keys_parse(const char *name, int *key);

/* One row of a keymap. Several rows may share one command (alternative keys); the first is the one shown in the footer.
 */
struct key_binding {
    int key;
    int command;      /* the context's own enum, ≥ 1 */
    const char *name; /* "sort-next": stable, for keys.yaml and messages */
    const char *hint; /* one or two words for the footer, NULL: not in the footer */
    const char *help; /* one sentence for the help page; NULL in rows that only add a key */
    int priority;     /* footer: 1 stays longest as the terminal narrows */
};

struct keymap {
    const char *context; /* heading in the help: "Table", "Sites" */
    const struct key_binding *bindings;
    size_t count;
};
#define KEYMAP(title, table)                                                                                           \
    {                                                                                                                  \
        (title), (table), sizeof(table) / sizeof *(table)                                                              \
    }

/* The command bound to the key, 0 where none is. */
int keymap_command(const struct keymap *map, int key);

/* Conflicts: one key bound to two commands in one keymap, or in two of the maps active at the same time (earlier ones
 * would hide it). ERR_EXISTS names key, both commands and contexts; ERR_INVALID a binding without name or command. */
enum err keymap_check(const struct keymap *const *maps, size_t count, struct err_info *info);

/* A changeable copy for remapping; free with keymap_free. The const tables behind names and help must stay. */
struct keymap *keymap_copy(const struct keymap *map);
void keymap_free(struct keymap *map);
/* Give the named command this key instead of all it has. ERR_NOT_FOUND (nearest name), ERR_EXISTS (who has the key). */
enum err keymap_rebind(struct keymap *map, const char *name, int key, struct err_info *info);

/* Append one section per map: heading, then "  key, key   help". */
void keymap_help(const struct keymap *const *maps, size_t count, struct text *text);

#endif
