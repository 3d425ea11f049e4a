/* Themes: parsing, messages, and what is left of colours on small terminals. */
#include "tests/unit/tui/screen.h"

#include "tui/style.h"

static void refuse(const char *text, const char *expected)
{
    struct err_info info = {0};
    struct theme *theme = NULL;
    assert_int_equal(theme_parse("mine.theme", text, &theme, &info), ERR_INVALID);
    assert_null(theme);
    if (!strstr(info.message, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, info.message);
}

static struct theme *parse(const char *text)
{
    struct err_info info = {0};
    struct theme *theme = NULL;
    if (theme_parse("themes/mine.theme", text, &theme, &info))
        fail_msg("%s", info.message);
    return theme;
}

static void mistakes_are_named_with_file_and_line(void **state)
{
    (void)state;
    refuse("# fine\nok = red -\ncritcal = red -\n",
        "mine.theme:3: there is no role \"critcal\"; did you mean \"critical\"?");
    refuse("ok = #12345 -", "mine.theme:1: \"#12345\" is not a colour");
    refuse("ok = 256 -", "is not a colour");
    refuse("ok = red", "needs a foreground and a background");
    refuse("ok red -", "role = foreground background");
    refuse("\n\nok = red - blink", "mine.theme:3: \"blink\" is not an attribute");
    refuse("ok = #00ff00/lime -", "sixteen colour names");
}

static void roles_left_out_keep_the_default(void **state)
{
    (void)state;
    struct theme *theme = parse("ok = 34 - bold\n"), *dark = theme_default();
    struct look mine = theme_look(theme, COLOR_DEPTH_TRUE, ROLE_CRITICAL),
                theirs = theme_look(dark, COLOR_DEPTH_TRUE, ROLE_CRITICAL);
    assert_int_equal(mine.foreground, theirs.foreground);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_256, ROLE_OK).foreground, 34);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_256, ROLE_OK).attributes, LOOK_BOLD);
    assert_string_equal(theme_name(theme), "mine");
    theme_free(theme);
    theme_free(dark);
}

static void colours_come_down_with_the_terminal(void **state)
{
    (void)state;
    struct theme *theme = parse("ok = #5fd787 #000000\nwarning = #fe0101/yellow -\nunknown = #ff0000 -\ndim = 240 -\n");
    assert_int_equal(theme_look(theme, COLOR_DEPTH_TRUE, ROLE_OK).foreground, LOOK_RGB | 0x5fd787);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_256, ROLE_OK).foreground, 78); /* 5f d7 87 is in the cube */
    assert_int_equal(theme_look(theme, COLOR_DEPTH_16, ROLE_WARNING).foreground, 3);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_16, ROLE_UNKNOWN).foreground, 9);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_8, ROLE_UNKNOWN).foreground, 1);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_16, ROLE_DIM).foreground, 8);
    assert_int_equal(theme_look(theme, COLOR_DEPTH_MONO, ROLE_WARNING).foreground, -1);
    theme_free(theme);
}

static void selection_is_visible_at_every_depth(void **state)
{
    (void)state;
    static const char *const names[] = {"dark", "light", "high-contrast", "mono"};
    for (size_t i = 0; i < 4; i++) {
        struct theme *theme = NULL;
        struct err_info info = {0};
        if (theme_load(names[i], &theme, &info))
            fail_msg("%s", info.message);
        for (int depth = COLOR_DEPTH_MONO; depth <= COLOR_DEPTH_TRUE; depth++)
            for (unsigned role = 0; role < ROLE_COUNT; role++) {
                struct look plain = theme_look(theme, (enum color_depth)depth, role);
                struct look look = theme_look(theme, (enum color_depth)depth, role | STYLE_SELECTED);
                bool differs = look.background != plain.background || look.attributes != plain.attributes;
                if (role != ROLE_SELECTED && role != ROLE_MATCH && role < ROLE_ENV_PRODUCTION && !differs &&
                    !(plain.attributes & LOOK_REVERSE))
                    fail_msg("%s: %s at depth %d looks the same selected", names[i], style_role_name(role), depth);
                if (look.foreground == look.background && look.foreground >= 0)
                    fail_msg("%s: %s at depth %d cannot be read when selected", names[i], style_role_name(role), depth);
            }
        theme_free(theme);
    }
}

static void loud_states_stay_loud_on_the_selected_row(void **state)
{
    (void)state;
    struct theme *theme = theme_default();
    static const unsigned roles[] = {ROLE_CONFLICT, ROLE_QUARANTINED};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct look look = theme_look(theme, COLOR_DEPTH_256, roles[i]);
        struct look selected = theme_look(theme, COLOR_DEPTH_256, roles[i] | STYLE_SELECTED);
        assert_int_equal(look.background, selected.background);
        assert_int_not_equal(look.attributes, selected.attributes);
    }
    theme_free(theme);
}

static void state_colours_survive_on_the_selected_row(void **state)
{
    (void)state;
    struct theme *theme = theme_default();
    struct look critical = theme_look(theme, COLOR_DEPTH_256, ROLE_CRITICAL);
    struct look selected = theme_look(theme, COLOR_DEPTH_256, ROLE_CRITICAL | STYLE_SELECTED);
    assert_int_equal(critical.foreground, selected.foreground);
    assert_int_not_equal(critical.background, selected.background);
    theme_free(theme);
}

static void shipped_dark_file_is_the_one_compiled_in(void **state)
{
    (void)state;
    struct theme *file = NULL, *compiled = theme_default();
    struct err_info info = {0};
    if (theme_load("themes/dark.theme", &file, &info))
        fail_msg("%s", info.message);
    for (unsigned role = 0; role < ROLE_COUNT; role++)
        for (int depth = COLOR_DEPTH_MONO; depth <= COLOR_DEPTH_TRUE; depth++) {
            struct look a = theme_look(file, (enum color_depth)depth, role),
                        b = theme_look(compiled, (enum color_depth)depth, role);
            assert_memory_equal(&a, &b, sizeof a);
        }
    theme_free(file);
    theme_free(compiled);
}

static void shipped_themes_name_every_role(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "themes/dark.theme", "themes/light.theme", "themes/high-contrast.theme", "themes/mono.theme"};
    for (size_t i = 0; i < 4; i++) {
        struct buf text = BUF(100000);
        assert_int_equal(buf_read_file(&text, paths[i], NULL), ERR_OK);
        for (unsigned role = 0; role < ROLE_COUNT; role++) {
            char line[64];
            str_format(line, sizeof line, "\n%s ", style_role_name(role));
            if (!strstr(buf_text(&text), line))
                fail_msg("%s has no %s", paths[i], style_role_name(role));
        }
        buf_free(&text);
    }
}

static void an_unknown_theme_names_those_there_are(void **state)
{
    (void)state;
    struct theme *theme = NULL;
    struct err_info info = {0};
    assert_int_equal(theme_load("drak", &theme, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "high-contrast"));
    assert_int_equal(theme_load("../themes/dark", &theme, &info), ERR_NOT_FOUND);
    assert_int_equal(theme_load("dark", &theme, &info), ERR_OK);
    theme_free(theme);
}

static void styles_have_names(void **state)
{
    (void)state;
    char name[STYLE_NAME_SIZE];
    assert_string_equal(style_name(ROLE_CRITICAL | STYLE_BOLD | STYLE_SELECTED, name), "critical+bold+selected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_file_and_line),
        cmocka_unit_test(roles_left_out_keep_the_default),
        cmocka_unit_test(colours_come_down_with_the_terminal),
        cmocka_unit_test(selection_is_visible_at_every_depth),
        cmocka_unit_test(loud_states_stay_loud_on_the_selected_row),
        cmocka_unit_test(state_colours_survive_on_the_selected_row),
        cmocka_unit_test(shipped_dark_file_is_the_one_compiled_in),
        cmocka_unit_test(shipped_themes_name_every_role),
        cmocka_unit_test(an_unknown_theme_names_those_there_are),
        cmocka_unit_test(styles_have_names),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
