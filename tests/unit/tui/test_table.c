/* The table: order, filters, selection by ID, marks, columns that come and go. */
#include "tests/unit/tui/screen.h"

#include <math.h>

#include "base/vec.h"
#include "tui/keys.h"
#include "tui/table.h"

struct thing {
    const char *id;
    double load; /* NaN: unknown */
    const char *state;
};

struct things {
    const struct thing *list;
    size_t asked_cells;
};

static const struct table_column columns[] = {
    {"name", "NAME", NULL, 8, 20, CELLS_LEFT, 0, TABLE_BY_TEXT, false},
    {"load", "CPU", "%", 6, 8, CELLS_RIGHT, 1, TABLE_BY_NUMBER, true},
    {"state", "STATE", NULL, 7, 12, CELLS_LEFT, 2, TABLE_BY_TEXT, false},
    {"trend", "TREND", NULL, 6, 10, CELLS_LEFT, 3, TABLE_UNSORTED, false},
};

static const char *thing_id(void *context, size_t row)
{
    return ((struct things *)context)->list[row].id;
}

static void thing_cell(void *context, size_t row, size_t column, struct table_cell *out)
{
    struct things *things = context;
    const struct thing *thing = &things->list[row];
    static const double trend[] = {1, 2, NAN, 4};
    things->asked_cells++;
    if (column == 0)
        str_copy(out->text, sizeof out->text, thing->id);
    else if (column == 1 && isfinite(thing->load))
        str_format(out->text, sizeof out->text, "%.1f", thing->load);
    else if (column == 1)
        str_copy(out->text, sizeof out->text, "–");
    else if (column == 2)
        str_copy(out->text, sizeof out->text, thing->state ? thing->state : "–");
    else {
        out->spark = trend;
        out->spark_count = 4;
    }
    if (column == 2 && thing->state && strcmp(thing->state, "down") == 0)
        out->style = ROLE_CRITICAL;
}

static void thing_sort_key(void *context, size_t row, size_t column, struct table_key_value *out)
{
    const struct thing *thing = &((struct things *)context)->list[row];
    out->number = thing->load;
    out->text = column == 0 ? thing->id : thing->state;
}

static const struct thing first[] = {
    {"mosh10", 5, "up"}, {"mosh2", NAN, "down"}, {"Gate", 99.5, "up"}, {"mosh1", 5, NULL}, {"nas1", -0.0, "up"}};

static struct table *make(struct things *things, const struct thing *list, size_t count)
{
    *things = (struct things){list, 0};
    struct table_source source = {.context = things, .id = thing_id, .cell = thing_cell, .sort_key = thing_sort_key};
    struct table *table = table_new(columns, 4, &source);
    table_refresh(table, count);
    return table;
}

static void expect_order(const struct table *table, const char *expected)
{
    struct buf order = BUF(4000);
    size_t row = 0;
    for (size_t i = 0; table_row_at(table, i, &row); i++)
        (void)buf_printf(&order, "%s%s", i ? " " : "", first[row].id);
    assert_string_equal(buf_text(&order), expected);
    buf_free(&order);
}

static void text_sorts_naturally_and_ignores_case(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    expect_order(table, "mosh10 mosh2 Gate mosh1 nas1");
    table_sort(table, "name", false);
    expect_order(table, "Gate mosh1 mosh2 mosh10 nas1");
    table_sort(table, "name", true);
    expect_order(table, "nas1 mosh10 mosh2 mosh1 Gate");
    table_free(table);
}

static void unknown_is_last_in_both_directions_and_equals_keep_their_order(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    table_sort(table, "load", false);
    expect_order(table, "nas1 mosh10 mosh1 Gate mosh2");
    table_sort(table, "load", true);
    expect_order(table, "Gate mosh10 mosh1 nas1 mosh2");
    table_sort(table, "state", false);
    expect_order(table, "mosh2 mosh10 Gate nas1 mosh1");
    table_sort(table, "state", true);
    expect_order(table, "mosh10 Gate nas1 mosh2 mosh1");
    table_free(table);
}

static int compare_reference(const void *a, const void *b)
{
    const struct thing *one = a, *two = b;
    int order = strcasecmp(one->id, two->id);
    return order ? order : (one->load > two->load) - (one->load < two->load);
}

static void long_names_with_common_beginnings_sort_like_a_reference(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct thing *list = xcalloc(COUNT, sizeof *list);
    unsigned seed = 7;
    for (size_t i = 0; i < COUNT; i++) { /* letters only: natural order is then strcasecmp's */
        char name[64];
        size_t prefix = (seed = seed * 1103515245 + 12345) >> 16 & 31;
        memset(name, 'a', sizeof name);
        for (size_t k = prefix; k < prefix + 6; k++)
            name[k] = (char)('a' + ((seed = seed * 1103515245 + 12345) >> 16) % 3);
        name[prefix + 6] = '\0';
        list[i] = (struct thing){xstrdup(name), (double)i, "up"}; /* load tells the original place */
    }
    struct things things;
    struct table *table = make(&things, list, COUNT);
    table_sort(table, "name", false);
    struct thing *expected = xcalloc(COUNT, sizeof *expected);
    memcpy(expected, list, COUNT * sizeof *list);
    qsort(expected, COUNT, sizeof *expected, compare_reference);
    for (size_t i = 0, row = 0; i < COUNT; i++) {
        assert_true(table_row_at(table, i, &row));
        assert_ptr_equal(list[row].id, expected[i].id);
    }
    table_free(table);
    free(expected);
    for (size_t i = 0; i < COUNT; i++)
        free((void *)list[i].id);
    free(list);
}

static void selection_follows_its_object_through_sort_and_refresh(void **state)
{
    (void)state;
    static const struct thing later[] = {{"aaa", 1, "up"}, {"nas1", 2, "up"}, {"mosh2", 3, "up"}, {"Gate", 4, "up"}};
    struct things things;
    struct table *table = make(&things, first, 5);
    assert_string_equal(table_selected_id(table), "mosh10");
    table_key(table, KEYS_DOWN);
    assert_string_equal(table_selected_id(table), "mosh2");
    table_sort(table, "load", true);
    assert_string_equal(table_selected_id(table), "mosh2");
    things.list = later;
    table_refresh(table, 4);
    size_t row = 0;
    assert_string_equal(table_selected_id(table), "mosh2");
    assert_true(table_selected_row(table, &row));
    assert_string_equal(later[row].id, "mosh2");
    table_free(table);
}

static void a_vanished_object_leaves_no_selection_until_a_key(void **state)
{
    (void)state;
    static const struct thing later[] = {{"mosh10", 1, "up"}, {"Gate", 2, "up"}, {"mosh1", 3, "up"}};
    struct things things;
    struct table *table = make(&things, first, 5);
    table_key(table, 'j'); /* mosh2 */
    things.list = later;
    table_refresh(table, 3);
    size_t row = 0;
    assert_null(table_selected_id(table));
    assert_true(table_selection_vanished(table));
    assert_false(table_selected_row(table, &row));
    things.list = first; /* it comes back: so does the selection */
    table_refresh(table, 5);
    assert_string_equal(table_selected_id(table), "mosh2");
    things.list = later;
    table_refresh(table, 3);
    table_key(table, 'j'); /* takes hold where it was */
    assert_string_equal(table_selected_id(table), "Gate");
    assert_false(table_selection_vanished(table));
    table_refresh(table, 0);
    assert_null(table_selected_id(table));
    table_key(table, 'j');
    table_key(table, KEYS_END);
    assert_null(table_selected_id(table));
    table_free(table);
}

static void expect_filter(struct table *table, const char *filter, const char *expected)
{
    assert_int_equal(table_set_filter(table, filter, NULL), ERR_OK);
    expect_order(table, expected);
}

static void filters_match_plain_regex_inverted_and_fuzzy(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    expect_filter(table, "mosh", "mosh10 mosh2 mosh1");
    expect_filter(table, "^mosh1$", "mosh1");
    expect_filter(table, "gate", "Gate");
    expect_filter(table, "Gate", "Gate");
    expect_filter(table, "GATE", "");
    expect_filter(table, "!mosh", "Gate nas1");
    expect_filter(table, "!^(m|g)", "nas1");
    expect_filter(table, "~m10", "mosh10");
    expect_filter(table, "", "mosh10 mosh2 Gate mosh1 nas1");
    assert_int_equal(table_shown(table), 5);
    table_free(table);
}

static void a_bad_filter_says_why_and_keeps_the_last(void **state)
{
    (void)state;
    struct things things;
    struct err_info info = {0};
    struct table *table = make(&things, first, 5);
    expect_filter(table, "mosh1", "mosh10 mosh1");
    assert_int_equal(table_set_filter(table, "mosh(", &info), ERR_INVALID);
    assert_non_null(strstr(info.message, "mosh("));
    assert_non_null(table_filter_error(table));
    assert_string_equal(table_filter(table), "mosh1");
    expect_order(table, "mosh10 mosh1");
    expect_filter(table, NULL, "mosh10 mosh2 Gate mosh1 nas1");
    assert_null(table_filter_error(table));
    table_free(table);
}

static void a_filter_stays_through_a_refresh(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 2);
    table_set_filter(table, "mosh1", NULL);
    assert_int_equal(table_shown(table), 1);
    table_refresh(table, 5);
    expect_order(table, "mosh10 mosh1");
    table_free(table);
}

struct names {
    char text[200];
};

static void add_name(void *context, const char *id)
{
    struct names *names = context;
    size_t length = strlen(names->text);
    str_format(names->text + length, sizeof names->text - length, "%s;", id);
}

static void marks_are_ids_and_the_targets(void **state)
{
    (void)state;
    static const struct thing later[] = {{"nas1", 1, "up"}, {"mosh10", 2, "up"}};
    struct things things;
    struct names names = {""};
    struct table *table = make(&things, first, 5);
    assert_int_equal(table_each_target(table, add_name, &names), 1);
    assert_string_equal(names.text, "mosh10;");
    table_key(table, ' '); /* marks mosh10, moves on */
    table_key(table, ' ');
    assert_int_equal(table_mark_count(table), 2);
    assert_true(table_is_marked(table, "mosh2"));
    things.list = later;
    table_refresh(table, 2);
    assert_int_equal(table_mark_count(table), 1); /* mosh2 is gone, and so is its mark */
    names.text[0] = '\0';
    table_each_target(table, add_name, &names);
    assert_string_equal(names.text, "mosh10;");
    table_clear_marks(table);
    assert_int_equal(table_mark_count(table), 0);
    table_free(table);
}

static void find_goes_on_from_the_selection_and_round(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    assert_true(table_find(table, "MOSH"));
    assert_string_equal(table_selected_id(table), "mosh2");
    assert_true(table_find(table, "mosh10"));
    assert_string_equal(table_selected_id(table), "mosh10");
    assert_false(table_find(table, "nothing"));
    assert_string_equal(table_selected_id(table), "mosh10");
    table_free(table);
}

static void draw_golden(const char *name, struct table *table, int width, int height)
{
    struct cells *cells = cells_new(width, height);
    table_draw(table, cells_area(cells));
    golden_cells(name, cells);
    cells_free(cells);
}

static void screens_at_several_widths(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    table_sort(table, "load", true);
    table_key(table, ' ');
    draw_golden("table-wide", table, 60, 9);
    draw_golden("table-narrow", table, 26, 9);
    draw_golden("table-tiny", table, 12, 5);
    table_key(table, KEYS_RIGHT);
    draw_golden("table-scrolled", table, 26, 9);
    table_free(table);
}

static void screens_of_nothing_say_so(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 0);
    table_set_empty(table, "No hosts yet.\nAdd one: dogwatch host add USER@ADDRESS");
    draw_golden("table-empty", table, 50, 8);
    table_refresh(table, 5);
    table_set_filter(table, "zzz", NULL);
    draw_golden("table-no-match", table, 50, 8);
    table_set_filter(table, "[", NULL);
    draw_golden("table-bad-filter", table, 50, 8);
    table_free(table);
}

static int64_t number_id(void *context, size_t row)
{
    (void)context;
    return 1000 - (int64_t)row;
}

static void number_cell(void *context, size_t row, size_t column, struct table_cell *out)
{
    struct things *things = context;
    things->asked_cells++;
    str_format(out->text, sizeof out->text, "%zu.%zu", row, column);
}

static void many_rows_page_and_keep_the_selection_on_screen(void **state)
{
    (void)state;
    char position[TABLE_POSITION_SIZE];
    struct things things = {NULL, 0};
    struct table_source source = {.context = &things, .number_id = number_id, .cell = number_cell};
    struct table *table = table_new(columns, 4, &source);
    struct cells *cells = cells_new(60, 12); /* ten rows of data */
    table_refresh(table, 50000);
    table_draw(table, cells_area(cells));
    assert_true(things.asked_cells <= 10 * 4 * 2); /* only what is on screen */
    assert_string_equal(table_position(table, position), "1/50000");
    table_key(table, KEYS_PAGE_DOWN);
    table_draw(table, cells_area(cells));
    assert_string_equal(table_selected_id(table), "991");
    table_key(table, KEYS_END);
    table_draw(table, cells_area(cells));
    assert_string_equal(table_position(table, position), "50000/50000");
    assert_row(cells, 10, " 49999.0   49999.1  49999.2  49999.3");
    assert_true(table_select_id(table, "1000"));
    assert_string_equal(table_position(table, position), "1/50000");
    assert_false(table_select_id(table, "77777"));
    cells_free(cells);
    table_free(table);
}

static void every_size_is_drawn(void **state)
{
    (void)state;
    struct things things;
    struct table *table = make(&things, first, 5);
    for (int width = 1; width <= 300; width += width < 30 ? 1 : 27)
        for (int height = 1; height <= 100; height += height < 12 ? 1 : 22) {
            struct cells *cells = cells_new(width, height);
            table_key(table, 'j');
            table_draw(table, cells_area(cells));
            table_key(table, KEYS_RIGHT);
            table_draw(table, cells_area(cells));
            table_key(table, KEYS_LEFT);
            cells_free(cells);
        }
    table_free(table);
}

static void sort_keys_walk_over_sortable_columns_only(void **state)
{
    (void)state;
    bool descending = false;
    struct things things;
    struct table *table = make(&things, first, 5);
    assert_null(table_sort_column(table, &descending));
    table_key(table, '>');
    assert_string_equal(table_sort_column(table, &descending), "name");
    table_key(table, '>');
    assert_string_equal(table_sort_column(table, &descending), "load");
    assert_true(descending); /* largest first */
    table_key(table, '>');
    table_key(table, '>'); /* over "trend", round to the first */
    assert_string_equal(table_sort_column(table, &descending), "name");
    table_key(table, '<');
    assert_string_equal(table_sort_column(table, &descending), "state");
    table_key(table, '~');
    assert_true((table_sort_column(table, &descending), descending));
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_sorts_naturally_and_ignores_case),
        cmocka_unit_test(unknown_is_last_in_both_directions_and_equals_keep_their_order),
        cmocka_unit_test(long_names_with_common_beginnings_sort_like_a_reference),
        cmocka_unit_test(selection_follows_its_object_through_sort_and_refresh),
        cmocka_unit_test(a_vanished_object_leaves_no_selection_until_a_key),
        cmocka_unit_test(filters_match_plain_regex_inverted_and_fuzzy),
        cmocka_unit_test(a_bad_filter_says_why_and_keeps_the_last),
        cmocka_unit_test(a_filter_stays_through_a_refresh),
        cmocka_unit_test(marks_are_ids_and_the_targets),
        cmocka_unit_test(find_goes_on_from_the_selection_and_round),
        cmocka_unit_test(screens_at_several_widths),
        cmocka_unit_test(screens_of_nothing_say_so),
        cmocka_unit_test(many_rows_page_and_keep_the_selection_on_screen),
        cmocka_unit_test(every_size_is_drawn),
        cmocka_unit_test(sort_keys_walk_over_sortable_columns_only),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
