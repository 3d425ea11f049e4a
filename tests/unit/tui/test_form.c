/* Forms: what is typed where, what Enter and Esc do, and that one can be used at any size. */
#include "tests/unit/tui/screen.h"

#include "tui/form.h"
#include "tui/keys.h"

static struct form *example(void)
{
    struct form *form = form_new("Migrate example.org");
    form_add_text(form, "reason", "why: it is kept with the job", "none", "");
    form_add_text(form, "limit RATE", "copy no faster than that a second: 500K, 10M", "no limit", "10M");
    form_add_switch(form, "through-console", "copy by way of this machine", false);
    return form;
}

static void type(struct form *form, const char *text)
{
    for (; *text; text++)
        assert_int_equal(form_key(form, *text), FORM_OPEN);
}

static void keys_go_to_the_field_that_is_chosen(void **state)
{
    (void)state;
    struct form *form = example();
    type(form, "it is full");
    form_key(form, KEYS_DOWN);
    form_key(form, KEYS_CTRL('u'));
    type(form, "2G");
    form_key(form, KEYS_TAB);
    type(form, "x "); /* only a blank turns it */
    assert_string_equal(form_value(form, 0), "it is full");
    assert_string_equal(form_value(form, 1), "2G");
    assert_string_equal(form_value(form, 2), "yes");
    form_key(form, KEYS_TAB); /* round to the first */
    type(form, "!");
    form_key(form, KEYS_UP);
    type(form, "n");
    assert_string_equal(form_value(form, 0), "it is full!");
    assert_string_equal(form_value(form, 2), "");
    form_free(form);
}

static void enter_takes_from_any_field_and_escape_leaves(void **state)
{
    (void)state;
    for (int downs = 0; downs < 3; downs++) {
        struct form *form = example();
        for (int i = 0; i < downs; i++)
            form_key(form, KEYS_DOWN);
        assert_int_equal(form_key(form, KEYS_ENTER), FORM_TAKEN);
        assert_int_equal(form_key(form, KEYS_ESC), FORM_LEFT);
        assert_int_equal(form_key(form, KEYS_CTRL('c')), FORM_LEFT);
        form_free(form);
    }
}

static void what_is_wrong_is_said_until_the_next_key(void **state)
{
    (void)state;
    struct buf text = BUF(100000);
    struct cells *cells = cells_new(70, 12);
    struct form *form = example();
    form_refuse(form, 1, "10X is no rate; try 500K or 10M (bytes a second)");
    form_draw(form, cells_area(cells));
    golden_cells("form-refused", cells);
    form_key(form, KEYS_DOWN);
    cells_clear(cells);
    form_draw(form, cells_area(cells));
    cells_to_text(cells, &text);
    assert_null(strstr(buf_text(&text), "is no rate"));
    assert_non_null(strstr(buf_text(&text), "copy by way of this machine")); /* the one after the refused one */
    form_free(form);
    cells_free(cells);
    buf_free(&text);
}

/* Whatever the size, what is typed can be seen. */
static void the_chosen_field_is_seen_at_every_size(void **state)
{
    (void)state;
    for (int width = 1; width <= 300; width += width < 30 ? 1 : 45)
        for (int height = 1; height <= 60; height += height < 12 ? 1 : 16) {
            struct cells *cells = cells_new(width, height);
            struct buf text = BUF(100000);
            struct form *form = example();
            form_key(form, KEYS_DOWN);
            form_draw(form, cells_area(cells));
            cells_to_text(cells, &text);
            if (width >= 20)
                assert_non_null(strstr(buf_text(&text), "10M"));
            form_free(form);
            buf_free(&text);
            cells_free(cells);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_to_the_field_that_is_chosen),
        cmocka_unit_test(enter_takes_from_any_field_and_escape_leaves),
        cmocka_unit_test(what_is_wrong_is_said_until_the_next_key),
        cmocka_unit_test(the_chosen_field_is_seen_at_every_size),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
