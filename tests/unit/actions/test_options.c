/* Options as a person gives them: what is wrong is refused in words, and what is shown is what would be given again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "actions/action.h"

static const struct action_option *row_of(const char *name)
{
    const struct action_option *row = action_option_next(~0U, NULL);
    while (row && strcmp(row->name, name) != 0)
        row = action_option_next(~0U, row);
    assert_non_null(row);
    return row;
}

static void assert_same(const struct plan_options *a, const struct plan_options *b)
{
    assert_string_equal(a->to, b->to);
    assert_int_equal(a->limit_bytes_s, b->limit_bytes_s);
    assert_int_equal(a->keep_us, b->keep_us);
    assert_int_equal(a->through_console, b->through_console);
    assert_int_equal(a->more.count, b->more.count);
}

static void what_is_shown_is_what_would_be_given(void **state)
{
    (void)state;
    static const struct {
        const char *name, *given, *shown;
    } cases[] = {{"limit", "10M", "10M"}, {"limit", "1536K", "1536K"}, {"limit", "1024K", "1M"},
        {"limit", "1000", "1000"}, {"keep", "72h", "3d"}, {"keep", "36h", "36h"}, {"keep", "90", "90s"},
        {"keep", "1500ms", "1s"}, {"to", "mosh02", "mosh02"}, {"on", "mosh02", "mosh02"},
        {"through-console", "yes", "yes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan_options options = {0}, again = {0};
        const struct action_option *row = row_of(cases[i].name);
        char shown[ACTION_OPTION_SIZE], shown_again[ACTION_OPTION_SIZE];
        assert_int_equal(row->set(&options, cases[i].given, NULL), ERR_OK);
        row->get(&options, shown);
        assert_string_equal(shown, cases[i].shown);
        assert_int_equal(row->set(&again, shown, NULL), ERR_OK);
        row->get(&again, shown_again);
        assert_string_equal(shown_again, shown);
        assert_int_equal(row->set(&options, "", NULL), ERR_OK); /* taken back */
        row->get(&options, shown);
        assert_string_equal(shown, "");
    }
}

static void what_is_wrong_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *given, *says;
    } cases[] = {{"limit", "fast", "500K or 10M"}, {"limit", "0", "500K or 10M"}, {"limit", "-1M", "500K or 10M"},
        {"keep", "long", "12h or 3d"}, {"keep", "500d", "to a year"}, {"keep", "10ms", "to a year"},
        {"to", "no/host", "no name of a host"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan_options options = {.to = "mosh03", .limit_bytes_s = 7, .keep_us = 60000000};
        const struct plan_options before = options;
        struct err_info info = {0};
        assert_int_equal(row_of(cases[i].name)->set(&options, cases[i].given, &info), ERR_INVALID);
        assert_non_null(strstr(info.message, cases[i].says));
        assert_same(&options, &before);
    }
}

/* The command line and the engine's socket mean the same by them. */
static void options_go_through_json_unchanged(void **state)
{
    (void)state;
    struct plan_options options = {0}, again;
    assert_int_equal(row_of("limit")->set(&options, "2M", NULL), ERR_OK);
    assert_int_equal(row_of("keep")->set(&options, "1d", NULL), ERR_OK);
    assert_int_equal(row_of("through-console")->set(&options, "yes", NULL), ERR_OK);
    json_t *json = plan_options_to_json(&options);
    assert_int_equal(plan_options_from_json(json, &again, NULL), ERR_OK);
    assert_same(&options, &again);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_is_what_would_be_given),
        cmocka_unit_test(what_is_wrong_is_refused_and_changes_nothing),
        cmocka_unit_test(options_go_through_json_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
