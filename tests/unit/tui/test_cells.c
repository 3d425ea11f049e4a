/* Cells: clipping, sanitising, wide characters, alignment, ASCII. */
#include "tests/unit/tui/screen.h"

static void text_is_cut_at_the_edge_of_its_area(void **state)
{
    (void)state;
    struct cells *cells = cells_new(10, 2);
    struct area area = area_sub(cells_area(cells), 2, 0, 4, 1);
    assert_int_equal(area_text(area, 1, 0, ROLE_OK, "abcdefgh"), 3);
    area_text(area, 0, 1, ROLE_OK, "below");
    area_text(area, 0, -1, ROLE_OK, "above");
    assert_row(cells, 0, "   abc");
    assert_row(cells, 1, "");
    cells_free(cells);
}

static void sub_areas_never_leave_their_parent(void **state)
{
    (void)state;
    struct cells *cells = cells_new(10, 5);
    struct area inner = area_sub(area_sub(cells_area(cells), 3, 1, 4, 3), -5, -5, 1000, 1000);
    assert_int_equal(inner.x, 3);
    assert_int_equal(inner.y, 1);
    assert_int_equal(inner.width, 4);
    assert_int_equal(inner.height, 3);
    struct area none = area_sub(cells_area(cells), 12, 2, 3, 3);
    assert_int_equal(none.width, 0);
    area_fill(none, ROLE_OK);
    area_text(none, 0, 0, ROLE_OK, "x");
    area_box(none, ROLE_OK, "t");
    cells_free(cells);
}

static void wide_characters_take_two_cells_and_are_never_halved(void **state)
{
    (void)state;
    struct cells *cells = cells_new(6, 2);
    struct area area = cells_area(cells);
    assert_int_equal(area_text(area, 0, 0, ROLE_NORMAL, "日本x"), 5);
    assert_int_equal(cells_at(cells, 0, 0)->width, 2);
    assert_int_equal(cells_at(cells, 1, 0)->width, 0);
    area_text(area, 1, 0, ROLE_NORMAL, "a"); /* over the right half of the first */
    assert_row(cells, 0, " a本x");
    area_text(area, 2, 0, ROLE_NORMAL, "b"); /* over the left half of the second */
    assert_row(cells, 0, " ab x");
    area_text(area_sub(area, 0, 1, 3, 1), 0, 0, ROLE_NORMAL, "日本"); /* the second does not fit */
    assert_row(cells, 1, "日");
    cells_free(cells);
}

static void wide_over_wide_shifted_by_one_leaves_blanks(void **state)
{
    (void)state;
    struct cells *cells = cells_new(6, 1);
    area_text(cells_area(cells), 0, 0, ROLE_NORMAL, "日本");
    area_text(cells_area(cells), 1, 0, ROLE_NORMAL, "語");
    assert_row(cells, 0, " 語");
    assert_int_equal(cells_at(cells, 3, 0)->width, 1);
    cells_free(cells);
}

static void combining_marks_stay_with_their_base(void **state)
{
    (void)state;
    struct cells *cells = cells_new(4, 1);
    assert_int_equal(area_text(cells_area(cells), 0, 0, ROLE_NORMAL, "e\xCC\x81x"), 2);
    assert_string_equal(cells_at(cells, 0, 0)->text, "e\xCC\x81");
    assert_string_equal(cells_at(cells, 1, 0)->text, "x");
    assert_int_equal(area_text(cells_area(cells), 0, 0, ROLE_NORMAL, "\xCC\x81"), 1); /* no base */
    assert_string_equal(cells_at(cells, 0, 0)->text, "\xEF\xBF\xBD");
    char zalgo[200] = "z";
    for (int i = 0; i < 60; i++)
        memcpy(zalgo + strlen(zalgo), "\xCC\x81", 3);
    assert_int_equal(area_text(cells_area(cells), 0, 0, ROLE_NORMAL, zalgo), 1);
    assert_true(strlen(cells_at(cells, 0, 0)->text) < CELL_TEXT_SIZE);
    cells_free(cells);
}

static void hostile_text_is_made_harmless(void **state)
{
    (void)state;
    struct cells *cells = cells_new(40, 1);
    area_text(cells_area(cells), 0, 0, ROLE_NORMAL,
        "a\x1b[2Jb\x07"
        "c\n\r\xff\xe2\x80\xae"
        "d\xc2\x9b");
    for (int x = 0; x < 40; x++)
        for (const char *at = cells_at(cells, x, 0)->text; *at; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
    struct buf text = BUF(1000);
    cells_to_text(cells, &text);
    assert_null(strstr(buf_text(&text), "\xe2\x80\xae"));
    assert_non_null(strchr(buf_text(&text), 'd'));
    buf_free(&text);
    cells_free(cells);
}

static void fit_pads_aligns_and_marks_a_cut(void **state)
{
    (void)state;
    struct cells *cells = cells_new(8, 4);
    struct area area = cells_area(cells);
    area_repeat(area, 0, 0, 8, ROLE_NORMAL, "#");
    area_fit(area, 1, 0, 5, CELLS_RIGHT, ROLE_OK, "42");
    assert_row(cells, 0, "#   42##");
    area_fit(area, 0, 1, 5, CELLS_LEFT, ROLE_OK, "mosh01.example");
    assert_row(cells, 1, "mosh…");
    area_fit(area, 0, 2, 4, CELLS_LEFT, ROLE_OK, "a日本"); /* the cut goes through a wide one */
    assert_row(cells, 2, "a日…");
    area_fit(area, 0, 3, 7, CELLS_CENTER, ROLE_OK, "abc");
    assert_row(cells, 3, "  abc");
    assert_int_equal(cells_at(cells, 6, 3)->style, ROLE_OK);
    cells_free(cells);
}

static void skipping_columns_scrolls_sideways(void **state)
{
    (void)state;
    struct cells *cells = cells_new(8, 2);
    area_text_from(cells_area(cells), 0, 0, 3, ROLE_NORMAL, "abcdefg");
    assert_row(cells, 0, "defg");
    area_text_from(cells_area(cells), 0, 1, 1, ROLE_NORMAL, "日x"); /* half of it is gone */
    assert_row(cells, 1, " x");
    cells_free(cells);
}

static void ascii_glyphs_leave_nothing_but_ascii(void **state)
{
    (void)state;
    struct cells *cells = cells_new(12, 3);
    cells_set_glyphs(cells, GLYPHS_ASCII);
    struct area inside = area_box(cells_area(cells), ROLE_BORDER, NULL);
    area_fit(inside, 0, 0, 8, CELLS_LEFT, ROLE_NORMAL, "é日 – abcdefghi");
    assert_row(cells, 0, "+----------+");
    assert_row(cells, 1, "|?? - ab~  |");
    cells_free(cells);
}

static void box_returns_its_inside_and_cuts_its_title(void **state)
{
    (void)state;
    struct cells *cells = cells_new(14, 4);
    struct area inside = area_box(cells_area(cells), ROLE_BORDER, "A long title");
    assert_int_equal(inside.width, 12);
    assert_int_equal(inside.height, 2);
    area_text(inside, 0, 0, ROLE_NORMAL, "inside");
    golden_cells("box", cells);
    cells_free(cells);
}

static void restyle_keeps_the_text(void **state)
{
    (void)state;
    struct cells *cells = cells_new(5, 1);
    area_text(cells_area(cells), 0, 0, ROLE_CRITICAL, "abcde");
    area_restyle(cells_area(cells), 1, 0, 2, -1, STYLE_SELECTED);
    area_restyle(cells_area(cells), 3, 0, 1, ROLE_OK, 0);
    assert_row(cells, 0, "abcde");
    assert_int_equal(cells_at(cells, 1, 0)->style, ROLE_CRITICAL | STYLE_SELECTED);
    assert_int_equal(cells_at(cells, 3, 0)->style, ROLE_OK);
    assert_int_equal(cells_at(cells, 4, 0)->style, ROLE_CRITICAL);
    cells_free(cells);
}

static void hash_tells_equal_screens_from_different_ones(void **state)
{
    (void)state;
    struct cells *one = cells_new(9, 3), *two = cells_new(9, 3);
    area_text(cells_area(one), 0, 0, ROLE_OK, "longer text");
    cells_clear(one);
    area_text(cells_area(one), 0, 0, ROLE_OK, "ab");
    area_text(cells_area(two), 0, 0, ROLE_OK, "ab");
    assert_true(cells_hash(one) == cells_hash(two));
    area_restyle(cells_area(two), 0, 0, 1, ROLE_DIM, 0);
    assert_true(cells_hash(one) != cells_hash(two));
    cells_free(one);
    cells_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_at_the_edge_of_its_area),
        cmocka_unit_test(sub_areas_never_leave_their_parent),
        cmocka_unit_test(wide_characters_take_two_cells_and_are_never_halved),
        cmocka_unit_test(wide_over_wide_shifted_by_one_leaves_blanks),
        cmocka_unit_test(combining_marks_stay_with_their_base),
        cmocka_unit_test(hostile_text_is_made_harmless),
        cmocka_unit_test(fit_pads_aligns_and_marks_a_cut),
        cmocka_unit_test(skipping_columns_scrolls_sideways),
        cmocka_unit_test(ascii_glyphs_leave_nothing_but_ascii),
        cmocka_unit_test(box_returns_its_inside_and_cuts_its_title),
        cmocka_unit_test(restyle_keeps_the_text),
        cmocka_unit_test(hash_tells_equal_screens_from_different_ones),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
