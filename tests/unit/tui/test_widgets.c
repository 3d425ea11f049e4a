/* Text, input line, dialogs and the frame of a screen. */
#include "tests/unit/tui/screen.h"

#include <math.h>

#include "tui/dialog.h"
#include "tui/input.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "tui/text.h"

/* --- text */

static struct text *numbered(size_t max, int count)
{
    struct text *text = text_new(max);
    for (int i = 1; i <= count; i++)
        text_addf(text, ROLE_NORMAL, "line %d", i);
    return text;
}

static void text_forgets_the_oldest_lines_and_counts_them(void **state)
{
    (void)state;
    struct text *text = numbered(100, 250);
    assert_int_equal(text_count(text), 100);
    assert_int_equal(text_dropped(text), 150);
    assert_string_equal(text_line(text, 0), "line 151");
    assert_string_equal(text_line(text, 99), "line 250");
    assert_null(text_line(text, 100));
    text_free(text);
}

static void what_is_read_stays_in_place_as_old_lines_go(void **state)
{
    (void)state;
    struct cells *cells = cells_new(12, 3);
    struct text *text = numbered(50, 50);
    text_draw(text, cells_area(cells));
    for (int i = 0; i < 10; i++)
        text_key(text, 'j');
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "line 11    ▴");
    text_add(text, ROLE_NORMAL, "line 51\nline 52");
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "line 11    ▴");
    text_free(text);
    cells_free(cells);
}

static void following_stays_at_the_end_until_scrolled_up(void **state)
{
    (void)state;
    struct cells *cells = cells_new(12, 3);
    struct text *text = numbered(50, 9);
    text_set_follow(text, true);
    text_draw(text, cells_area(cells));
    assert_row(cells, 2, "line 9");
    text_add(text, ROLE_NORMAL, "line 10");
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 2, "line 10");
    text_key(text, KEYS_UP);
    assert_false(text_is_following(text));
    text_add(text, ROLE_NORMAL, "line 11");
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 2, "line 9     ▾");
    text_free(text);
    cells_free(cells);
}

static void search_finds_goes_round_and_shows_matches(void **state)
{
    (void)state;
    struct err_info info = {0};
    struct cells *cells = cells_new(20, 3);
    struct text *text = numbered(50, 30);
    text_draw(text, cells_area(cells));
    assert_int_equal(text_search(text, "LINE 2", &info), ERR_NOT_FOUND);
    assert_int_equal(text_search(text, "line 2[05]$", &info), ERR_OK);
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 2, "line 20            ▾");
    assert_int_equal(cells_at(cells, 0, 2)->style, ROLE_NORMAL | STYLE_MATCH);
    assert_int_equal(cells_at(cells, 7, 2)->style, ROLE_NORMAL);
    assert_true(text_key(text, 'n'));
    assert_true(text_key(text, 'n')); /* round to the first */
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 2, "line 20            ▾");
    assert_int_equal(text_search(text, "(", &info), ERR_INVALID);
    assert_int_equal(text_search(text, "", &info), ERR_OK);
    assert_false(text_key(text, 'n'));
    text_free(text);
    cells_free(cells);
}

static void long_lines_wrap_or_scroll_sideways(void **state)
{
    (void)state;
    struct cells *cells = cells_new(10, 4);
    struct text *text = text_new(10);
    text_add_pair(text, ROLE_KEY, "12:00 ", ROLE_NORMAL, "abcdefghijklmnop");
    text_add(text, ROLE_NORMAL, "second");
    text_set_wrap(text, true);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "12:00 abcd");
    assert_row(cells, 1, "efghijklmn");
    assert_row(cells, 3, "second");
    assert_int_equal(cells_at(cells, 0, 0)->style, ROLE_KEY);
    assert_int_equal(cells_at(cells, 6, 0)->style, ROLE_NORMAL);
    assert_int_equal(text_rows(text, 10), 4);
    text_key(text, 'w');
    text_key(text, KEYS_RIGHT);
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "cdefghijkl");
    text_free(text);
    cells_free(cells);
}

static void wrapped_words_stay_whole_where_they_fit(void **state)
{
    (void)state;
    struct cells *cells = cells_new(10, 5);
    struct text *text = text_new(10);
    text_add(text, ROLE_NORMAL, "  1. wait until grün, then häää ok");
    text_set_wrap(text, true);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "  1. wait");
    assert_row(cells, 1, "  until"); /* as far in as the line begins; "grün," would end in column 13 */
    assert_row(cells, 2, "  grün,");
    assert_row(cells, 3, "  then");
    assert_row(cells, 4, "  häää ok");
    assert_int_equal(text_rows(text, 10), 5);
    for (int width = 1; width < 40; width++) { /* nothing is lost at any width */
        struct cells *narrow = cells_new(width, 40);
        struct buf drawn = BUF(1 << 16);
        char letters[64];
        size_t count = 0;
        text_draw(text, cells_area(narrow));
        cells_to_text(narrow, &drawn);
        for (const char *at = buf_text(&drawn); *at; at++)
            if (!strchr(" \n", *at))
                letters[count++] = *at;
        letters[count] = '\0';
        assert_string_equal(letters, "1.waituntilgrün,thenhäääok");
        buf_free(&drawn);
        cells_free(narrow);
    }
    text_free(text);
    cells_free(cells);
}

static void wrapped_pairs_stand_below_their_tail(void **state)
{
    (void)state;
    struct cells *cells = cells_new(20, 4);
    struct text *text = text_new(10);
    text_add_pair(text, ROLE_KEY, "R       ", ROLE_NORMAL, "stop it and start it");
    text_set_wrap(text, true);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "R       stop it and");
    assert_row(cells, 1, "        start it");
    text_free(text);
    cells_free(cells);
}

static void one_line_longer_than_the_window_can_be_read_to_its_end(void **state)
{
    (void)state;
    struct cells *cells = cells_new(4, 2);
    struct text *text = text_new(10);
    text_add(text, ROLE_NORMAL, "aaaabbbbccccddddeeee");
    text_set_wrap(text, true);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "aaaa");
    text_key(text, KEYS_DOWN);
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 0, "bbb▴");
    text_key(text, KEYS_END);
    cells_clear(cells);
    text_draw(text, cells_area(cells));
    assert_row(cells, 1, "eeee");
    text_free(text);
    cells_free(cells);
}

static void hostile_lines_are_cut_and_cleaned(void **state)
{
    (void)state;
    struct text *text = text_new(3);
    char *line = xmalloc(100001);
    memset(line, 'x', 100000);
    line[100000] = '\0';
    text_add(text, ROLE_NORMAL, line);
    text_add(text, ROLE_NORMAL, "a\x1b[31mb");
    assert_true(strlen(text_line(text, 0)) <= TEXT_LINE_MAX);
    assert_null(strchr(text_line(text, 1), '\x1b'));
    free(line);
    text_free(text);
}

/* --- input */

static void type(struct input *input, const char *keys)
{
    for (; *keys; keys++)
        input_key(input, *keys);
}

static void a_line_is_edited_like_in_a_shell(void **state)
{
    (void)state;
    struct input *input = input_new(":", NULL);
    type(input, "restart example");
    input_key(input, KEYS_CTRL('w'));
    assert_string_equal(input_text(input), "restart ");
    input_key(input, 0xe9);
    input_key(input, 'x');
    input_key(input, KEYS_LEFT);
    input_key(input, KEYS_BACKSPACE); /* all bytes of é */
    assert_string_equal(input_text(input), "restart x");
    input_key(input, KEYS_CTRL('a'));
    input_key(input, KEYS_DELETE);
    assert_string_equal(input_text(input), "estart x");
    input_key(input, KEYS_CTRL('k'));
    assert_string_equal(input_text(input), "");
    assert_int_equal(input_key(input, KEYS_F(1)), INPUT_IGNORED);
    assert_int_equal(input_key(input, 0x202e), INPUT_IGNORED); /* a bidi override cannot be typed */
    assert_int_equal(input_key(input, KEYS_CTRL('c')), INPUT_CANCELLED);
    input_free(input);
}

static void a_line_has_an_end(void **state)
{
    (void)state;
    struct input *input = input_new(":", NULL);
    for (int i = 0; i < 2000; i++)
        input_key(input, 0x65e5);
    assert_true(strlen(input_text(input)) < INPUT_TEXT_SIZE);
    assert_int_equal(strlen(input_text(input)) % 3, 0);
    input_free(input);
}

static void history_is_walked_up_and_down(void **state)
{
    (void)state;
    struct input *input = input_new("/", NULL);
    type(input, "one\r");
    input_set(input, "");
    type(input, "two\r");
    input_set(input, "");
    input_key(input, KEYS_UP);
    assert_string_equal(input_text(input), "two");
    input_key(input, KEYS_UP);
    input_key(input, KEYS_UP);
    assert_string_equal(input_text(input), "one");
    input_key(input, KEYS_DOWN);
    input_key(input, KEYS_DOWN);
    assert_string_equal(input_text(input), "");
    input_free(input);
}

static void offer(void *context, const char *typed, void (*add)(void *, const char *, const char *), void *list)
{
    static const char *const words[] = {"sites", "site", "snapshots"};
    (void)context;
    for (size_t i = 0; i < 3; i++)
        if (strncmp(words[i], typed, strlen(typed)) == 0)
            add(list, words[i], "go there");
}

static void completion_is_chosen_with_tab_and_drawn(void **state)
{
    (void)state;
    static const struct input_completion completion = {offer, NULL};
    struct cells *cells = cells_new(30, 5);
    struct input *input = input_new(":", &completion);
    type(input, "si");
    assert_string_equal(input_choice(input), "si");
    input_key(input, KEYS_TAB);
    input_key(input, KEYS_TAB);
    assert_string_equal(input_choice(input), "site");
    struct area all = cells_area(cells);
    assert_int_equal(input_draw_candidates(input, area_sub(all, 0, 0, 30, 4)), 2);
    input_draw(input, area_row(all, 4));
    golden_cells("input-completion", cells);
    int x = 0, y = 0;
    assert_true(cells_cursor(cells, &x, &y));
    assert_int_equal(x, 5);
    assert_int_equal(y, 4);
    type(input, "s"); /* typing goes on from what was chosen */
    assert_string_equal(input_text(input), "sites");
    assert_int_equal(input_key(input, KEYS_ENTER), INPUT_ACCEPTED);
    input_free(input);
    cells_free(cells);
}

/* --- dialogs */

static struct text *plan(void)
{
    struct text *text = text_new(20);
    text_add(text, ROLE_NORMAL, "1  hold requests at gate\n2  stop example.org on mosh01\n3  start it again");
    text_add(text, ROLE_WARNING, "No health check: only the process is looked at.");
    return text;
}

static void only_y_confirms(void **state)
{
    (void)state;
    for (int key = 1; key < 0x250; key++) {
        struct dialog *dialog = dialog_confirm("Restart", NULL, "Restart?");
        enum dialog_result result = dialog_key(dialog, key);
        if ((result == DIALOG_YES) != (key == 'y' || key == 'Y'))
            fail_msg("key %d answers %d", key, (int)result);
        dialog_free(dialog);
    }
    struct dialog *dialog = dialog_confirm("Restart", NULL, "Restart?");
    assert_int_equal(dialog_key(dialog, KEYS_ENTER), DIALOG_NO);
    dialog_free(dialog);
}

static enum dialog_result type_into(struct dialog *dialog, const char *keys)
{
    enum dialog_result result = DIALOG_OPEN;
    for (; *keys && result == DIALOG_OPEN; keys++)
        result = dialog_key(dialog, *keys);
    return result;
}

static void a_drastic_thing_needs_the_exact_name(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        enum dialog_result result;
    } table[] = {{"example.org\r", DIALOG_YES}, {"example.or\r", DIALOG_OPEN}, {"Example.org\r", DIALOG_OPEN},
        {"\r", DIALOG_OPEN}, {"y", DIALOG_OPEN}, {"example.org\x1b", DIALOG_NO}, {"q", DIALOG_OPEN}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct dialog *dialog = dialog_type_name("Migrate", plan(), "example.org");
        assert_int_equal(type_into(dialog, table[i].keys), table[i].result);
        dialog_free(dialog);
    }
}

static void dialogs_look_as_they_should(void **state)
{
    (void)state;
    struct cells *cells = cells_new(70, 14);
    struct dialog *dialog = dialog_confirm("Restart example.org", plan(), "Restart example.org on mosh01?");
    dialog_set_progress(dialog, 0.25, "25 %");
    dialog_draw(dialog, cells_area(cells));
    golden_cells("dialog-confirm", cells);
    dialog_free(dialog);
    cells_clear(cells);
    dialog = dialog_type_name("Migrate example.org", plan(), "example.org");
    type_into(dialog, "exam\r");
    dialog_draw(dialog, cells_area(cells));
    golden_cells("dialog-name", cells);
    dialog_free(dialog);
    cells_free(cells);
}

static void the_question_can_be_read_in_the_smallest_terminal(void **state)
{
    (void)state;
    struct buf text = BUF(10000);
    struct cells *cells = cells_new(20, 5);
    struct dialog *dialog = dialog_confirm("Restart", plan(), "Restart a?");
    dialog_draw(dialog, cells_area(cells));
    cells_to_text(cells, &text);
    assert_non_null(strstr(buf_text(&text), "Restart a? y/N"));
    dialog_free(dialog);
    cells_free(cells);
    buf_free(&text);
}

static void a_long_warning_above_the_question_is_not_cut(void **state)
{
    (void)state;
    struct buf text = BUF(10000);
    struct cells *cells = cells_new(50, 20);
    struct dialog *dialog = dialog_type_name("Migrate", plan(), "example.org");
    struct text *note = text_new(10);
    text_add(note, ROLE_WARNING,
        "! the old copy that is kept there is brought up to date and used: it is no way back any more\n2 steps");
    dialog_set_note(dialog, note);
    dialog_draw(dialog, cells_area(cells));
    cells_to_text(cells, &text);
    assert_non_null(strstr(buf_text(&text), "! the old copy"));
    assert_non_null(strstr(buf_text(&text), "more"));
    assert_non_null(strstr(buf_text(&text), "2 steps"));
    dialog_free(dialog);
    cells_free(cells);
    buf_free(&text);
}

/* --- layout */

static const struct key_binding hints[] = {
    {'R', 1, "restart", "restart", "Restart", 1},
    {'l', 2, "logs", "logs", "Logs", 3},
    {'?', 3, "help", "help", "Help", 2},
};
static const struct keymap hint_map = KEYMAP("Sites", hints);

static void screen_frame(struct cells *cells)
{
    static const char *const crumbs[] = {"fleet", "sites", "example.org"};
    const struct keymap *maps[] = {&hint_map};
    struct layout layout = layout_split(cells_area(cells));
    layout_title(layout.title,
        &(struct layout_title){"dogwatch", "PRODUCTION", ROLE_ENV_PRODUCTION, crumbs, 3, "engine ok 03:04", ROLE_OK});
    area_text(layout.body, 0, 0, ROLE_NORMAL, "body");
    layout_status(layout.status, ROLE_WARNING, "mosh02 is unknown: connection timed out", ROLE_DIM, "4 s ago");
    layout_footer(layout.footer, maps, 1);
}

static void frames_shrink_by_importance(void **state)
{
    (void)state;
    static const int sizes[][2] = {{80, 7}, {40, 7}, {20, 5}, {16, 6}};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        struct cells *cells = cells_new(sizes[i][0], sizes[i][1]);
        screen_frame(cells);
        str_format(name, sizeof name, "layout-%dx%d", sizes[i][0], sizes[i][1]);
        golden_cells(name, cells);
        cells_free(cells);
    }
}

static void fields_and_big_figures(void **state)
{
    (void)state;
    static const struct layout_field fields[] = {
        {"image", "localhost/infra/3f2c/web", ROLE_NORMAL}, {"state", "down", ROLE_CRITICAL}};
    struct cells *cells = cells_new(34, 7);
    assert_int_equal(layout_fields(cells_area(cells), fields, 2), 2);
    assert_int_equal(layout_big(cells_area(cells), 0, 3, ROLE_OK, "71/75"), 19);
    assert_int_equal(layout_big(cells_area(cells), 0, 6, ROLE_OK, "71/75"), 5); /* no room: plain */
    golden_cells("layout-fields", cells);
    cells_free(cells);
}

static void everything_is_drawn_at_every_size(void **state)
{
    (void)state;
    for (int width = 1; width <= 300; width += width < 30 ? 1 : 45)
        for (int height = 1; height <= 100; height += height < 12 ? 1 : 29) {
            struct cells *cells = cells_new(width, height);
            screen_frame(cells);
            struct dialog *dialog = dialog_type_name("A title", plan(), "example.org");
            dialog_set_progress(dialog, NAN, "working");
            dialog_draw(dialog, cells_area(cells));
            dialog_free(dialog);
            dialog = dialog_message("Error", plan(), ROLE_CRITICAL);
            dialog_draw(dialog, cells_area(cells));
            dialog_free(dialog);
            layout_empty(cells_area(cells), ROLE_DIM, "one\ntwo\nthree");
            layout_big(cells_area(cells), 0, 0, ROLE_OK, "12:34");
            cells_free(cells);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forgets_the_oldest_lines_and_counts_them),
        cmocka_unit_test(what_is_read_stays_in_place_as_old_lines_go),
        cmocka_unit_test(following_stays_at_the_end_until_scrolled_up),
        cmocka_unit_test(search_finds_goes_round_and_shows_matches),
        cmocka_unit_test(long_lines_wrap_or_scroll_sideways),
        cmocka_unit_test(wrapped_words_stay_whole_where_they_fit),
        cmocka_unit_test(wrapped_pairs_stand_below_their_tail),
        cmocka_unit_test(one_line_longer_than_the_window_can_be_read_to_its_end),
        cmocka_unit_test(hostile_lines_are_cut_and_cleaned),
        cmocka_unit_test(a_line_is_edited_like_in_a_shell),
        cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(history_is_walked_up_and_down),
        cmocka_unit_test(completion_is_chosen_with_tab_and_drawn),
        cmocka_unit_test(only_y_confirms),
        cmocka_unit_test(a_drastic_thing_needs_the_exact_name),
        cmocka_unit_test(dialogs_look_as_they_should),
        cmocka_unit_test(the_question_can_be_read_in_the_smallest_terminal),
        cmocka_unit_test(a_long_warning_above_the_question_is_not_cut),
        cmocka_unit_test(frames_shrink_by_importance),
        cmocka_unit_test(fields_and_big_figures),
        cmocka_unit_test(everything_is_drawn_at_every_size),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
