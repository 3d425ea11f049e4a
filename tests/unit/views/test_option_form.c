/* What else a person may say of an action on its plan screen: given, refused, kept, and made from the table. */
#include "tests/unit/views/console_pieces.h"

#include "views/console/action_dialog.h"

/* A move with its plan on the screen. */
static struct stage *planned_move(void)
{
    struct stage *stage = started(80, 24);
    stage_keys(stage, "m");
    stage_answer(stage, some_targets());
    stage_keys(stage, "Enter");
    stage_answer(stage, a_move());
    return stage;
}

static void options_are_given_in_a_form_and_the_plan_is_asked_for_anew(void **state)
{
    (void)state;
    struct stage *stage = planned_move();
    int64_t limit = 0, keep_s = 0;
    bool through_console = false;
    assert_shows(stage, "Tab: give reason, limit, keep, through-console");
    stage_keys(stage, "Tab Down 1 0 M Down 1 2 h Down Space Enter");
    assert_shows(stage, "Asking the engine for the plan");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    stage_answer(stage, a_move());
    assert_shows(stage, "limit 10M, keep 12h, through-console");
    stage_keys(stage, "b a k e r y 0 0 0 5 . e x a m p l e Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "run");
    const json_t *options = json_object_get(stage->asked, "options");
    assert_string_equal(json_get_text(options, "to"), "host04");
    assert_true(json_get_i64(options, "limit_bytes_s", &limit) && limit == 10 << 20);
    assert_true(json_get_i64(options, "keep_s", &keep_s) && keep_s == 12 * 3600);
    assert_true(json_get_bool(options, "through_console", &through_console) && through_console);
    stage_free(stage);
}

static void a_wrong_option_says_what_would_do_and_asks_nothing(void **state)
{
    (void)state;
    struct stage *stage = planned_move();
    stage_keys(stage, "Tab f u l l Down Down l o n g Enter");
    assert_shows(stage, "long is no time; try 12h or 3d");
    assert_int_equal(stage->ticket, 0);
    stage_keys(stage, "C-u 2 d Up f a s t Enter");
    assert_shows(stage, "fast is no rate; try 500K or 10M");
    assert_int_equal(stage->ticket, 0);
    stage_keys(stage, "Esc"); /* nothing of it is taken, the plan is the one that was shown */
    assert_shows(stage, "Type bakery0005.example and Enter");
    assert_hides(stage, "full");
    assert_hides(stage, "keep 2d");
    assert_int_equal(stage->ticket, 0);
    stage_free(stage);
}

/* Another target later: what was given besides stays. */
static void options_stay_while_another_target_is_chosen(void **state)
{
    (void)state;
    struct stage *stage = planned_move();
    stage_keys(stage, "Tab Down 5 0 0 K Enter");
    stage_answer(stage, a_move());
    stage_keys(stage, "Esc Down Enter");
    const json_t *options = json_object_get(stage->asked, "options");
    int64_t limit = 0;
    assert_string_equal(json_get_text(options, "to"), "host01");
    assert_true(json_get_i64(options, "limit_bytes_s", &limit) && limit == 500 << 10);
    stage_free(stage);
}

/* Of every action, from the table: a new option needs nothing here. */
static void every_option_of_an_action_has_a_field_and_no_other(void **state)
{
    (void)state;
    for (const struct action *action = action_first(); action; action = action_next(action)) {
        struct stage *stage = started(140, 45);
        struct subject site = subject_of(KIND_SITE, "bakery0005.example");
        if (action->is_internal) {
            stage_free(stage);
            continue;
        }
        action_dialog_open(stage->console, action, &site, 1);
        if (action->takes & TAKES_TARGET) {
            stage_answer(stage, some_targets());
            stage_keys(stage, "Enter");
        }
        stage_answer(stage, a_plan());
        stage_keys(stage, "Tab");
        assert_shows(stage, "│ reason");
        for (const struct action_option *row = action_option_next(~0U, NULL); row; row = action_option_next(~0U, row)) {
            char label[64];
            str_format(label, sizeof label, "│ %s", row->name);
            if ((row->takes & action->takes) && !row->is_place)
                assert_shows(stage, label);
            else
                assert_hides(stage, label);
        }
        stage_free(stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_given_in_a_form_and_the_plan_is_asked_for_anew),
        cmocka_unit_test(a_wrong_option_says_what_would_do_and_asks_nothing),
        cmocka_unit_test(options_stay_while_another_target_is_chosen),
        cmocka_unit_test(every_option_of_an_action_has_a_field_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
