/* Names of keys, conflicts, remapping, help. */
#include "tests/unit/tui/screen.h"

#include "tui/keys.h"
#include "tui/table.h"
#include "tui/text.h"

enum { COMMAND_RESTART = 1, COMMAND_LOGS };

static const struct key_binding site_bindings[] = {
    {'R', COMMAND_RESTART, "restart", "restart", "Restart the site", 1},
    {KEYS_F(5), COMMAND_RESTART, "restart", NULL, NULL, 9},
    {KEYS_CTRL('l'), COMMAND_LOGS, "logs", "logs", "Show its log", 2},
};
static const struct keymap site_map = KEYMAP("Sites", site_bindings);

static void names_go_both_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "Z", "é", "日", ":", "C-r", "C-a", "C-\\", "Enter", "Esc", "Tab", "S-Tab",
        "Space", "Backspace", "Up", "PgDn", "F1", "F24", "M-x", "M-Enter", "M-C-r", "Del", "-"};
    char name[KEYS_NAME_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int key = 0;
        if (!keys_parse(names[i], &key))
            fail_msg("\"%s\" is not understood", names[i]);
        assert_string_equal(keys_name(key, name), names[i]);
    }
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "", "C-", "C-rr", "F0", "F25", "F1x", "ab", "Ctrl-r", "M-", "\x01", " ", "\xff"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int key = 1;
        if (keys_parse(names[i], &key))
            fail_msg("\"%s\" was taken for a key", names[i]);
        assert_int_equal(key, 0);
    }
    char name[KEYS_NAME_SIZE];
    assert_string_equal(keys_name(0, name), "?");
    assert_string_equal(keys_name(-1, name), "?");
}

static void names_that_a_terminal_cannot_tell_apart_are_the_same_key(void **state)
{
    (void)state;
    int key = 0;
    assert_true(keys_parse("C-i", &key));
    assert_int_equal(key, KEYS_TAB);
    assert_true(keys_parse("C-m", &key));
    assert_int_equal(key, KEYS_ENTER);
    assert_true(keys_parse("C-[", &key));
    assert_int_equal(key, KEYS_ESC);
}

static void bindings_are_found(void **state)
{
    (void)state;
    assert_int_equal(keymap_command(&site_map, KEYS_F(5)), COMMAND_RESTART);
    assert_int_equal(keymap_command(&site_map, 'r'), 0);
    assert_int_equal(keymap_command(&site_map, 0), 0);
}

static void conflicts_name_both_sides(void **state)
{
    (void)state;
    static const struct key_binding bad[] = {{'j', 7, "jump", NULL, "Jump", 1}};
    static const struct keymap bad_map = KEYMAP("Jumper", bad);
    const struct keymap *maps[] = {&table_keymap, &site_map, &bad_map};
    struct err_info info = {0};
    assert_int_equal(keymap_check(maps, 2, &info), ERR_OK);
    assert_int_equal(keymap_check(maps, 3, &info), ERR_EXISTS);
    assert_non_null(strstr(info.message, "key j means table-down in Table and jump in Jumper"));
}

static void own_keymaps_have_no_conflicts(void **state)
{
    (void)state;
    const struct keymap *table[] = {&table_keymap}, *text[] = {&text_keymap};
    assert_int_equal(keymap_check(table, 1, NULL), ERR_OK);
    assert_int_equal(keymap_check(text, 1, NULL), ERR_OK);
}

static void rebinding_replaces_all_keys_of_a_command(void **state)
{
    (void)state;
    struct err_info info = {0};
    struct keymap *map = keymap_copy(&site_map);
    assert_int_equal(keymap_rebind(map, "restart", 'x', &info), ERR_OK);
    assert_int_equal(keymap_command(map, 'x'), COMMAND_RESTART);
    assert_int_equal(keymap_command(map, 'R'), 0);
    assert_int_equal(keymap_command(map, KEYS_F(5)), 0);
    assert_int_equal(keymap_rebind(map, "logs", 'x', &info), ERR_EXISTS);
    assert_non_null(strstr(info.message, "restart"));
    assert_int_equal(keymap_rebind(map, "log", 'y', &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "logs"));
    keymap_free(map);
}

static void help_lists_every_command_with_all_its_keys(void **state)
{
    (void)state;
    const struct keymap *maps[] = {&site_map};
    struct text *text = text_new(100);
    keymap_help(maps, 1, text);
    assert_int_equal(text_count(text), 3);
    assert_string_equal(text_line(text, 0), "Sites");
    assert_string_equal(text_line(text, 1), "  R, F5             Restart the site");
    assert_string_equal(text_line(text, 2), "  C-l               Show its log");
    text_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(names_that_a_terminal_cannot_tell_apart_are_the_same_key),
        cmocka_unit_test(bindings_are_found),
        cmocka_unit_test(conflicts_name_both_sides),
        cmocka_unit_test(own_keymaps_have_no_conflicts),
        cmocka_unit_test(rebinding_replaces_all_keys_of_a_command),
        cmocka_unit_test(help_lists_every_command_with_all_its_keys),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
