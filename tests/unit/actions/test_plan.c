/* Plans: kept as JSON and read back the same, refused where they are none, told in lines. */
#include "tests/unit/fleet/files.h"

#include "actions/plan.h"
#include "actions/step.h"
#include "base/clock.h"

static struct plan example(void)
{
    struct plan plan = {.object_kind = KIND_SITE, .cut_us = 1600 * USEC_PER_MSEC};
    str_copy(plan.action, sizeof plan.action, "restart");
    str_copy(plan.object, sizeof plan.object, "example.org");
    str_copy(plan.site, sizeof plan.site, "example.org");
    str_copy(plan.host, sizeof plan.host, "mosh01");
    plan.cut_rests_on = xstrdup("it took so long in job 3");
    vec_push(&plan.identity, xstrdup("aaaa"));
    vec_push(&plan.identity, xstrdup("bbbb"));
    json_t *parameters = json_object();
    json_put_i64(parameters, "grace_s", 10);
    plan_add_step(&plan, &step_lease, "mosh01", NULL, "release it", "take the lease of %s", "example.org");
    plan_add_step(&plan, &step_restart, "mosh01", parameters, NULL, "stop and start it");
    plan_runs(&plan, "site.restart: %s stop -t 10, start", "docker");
    plan_warn(&plan, "no health check of %s", "web");
    return plan;
}

static char *as_text(const struct plan *plan)
{
    struct buf text = BUF(65536);
    plan_to_text(plan, &text);
    return buf_take(&text);
}

static void a_plan_is_the_same_after_it_was_kept(void **state)
{
    (void)state;
    struct plan plan = example(), again;
    json_t *json = plan_to_json(&plan);
    assert_int_equal(plan_from_json(json, &again, NULL), ERR_OK);
    json_t *json_again = plan_to_json(&again);
    assert_true(json_equal(json, json_again));
    assert_ptr_equal(again.steps.items[1].kind, &step_restart);
    assert_string_equal(again.identity.items[1], "bbbb");
    char *text = as_text(&plan), *text_again = as_text(&again);
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    json_decref(json);
    json_decref(json_again);
    plan_free(&plan);
    plan_free(&again);
}

static void a_plan_is_told_in_lines(void **state)
{
    (void)state;
    struct plan plan = example();
    char *text = as_text(&plan);
    assert_string_equal(text, "restart example.org on mosh01\n\n"
                              " 1. mosh01: take the lease of example.org\n"
                              "      runs: lease.take\n"
                              "      undo: release it\n"
                              " 2. mosh01: stop and start it\n"
                              "      runs: site.restart: docker stop -t 10, start\n"
                              "\nVisitors are cut off for about 1.6s: it took so long in job 3.\n"
                              "\nWarnings:\n"
                              "  ! no health check of web\n");
    free(text);
    plan_free(&plan);
}

static void the_title_says_what_is_meant(void **state)
{
    (void)state;
    static const struct {
        enum object_kind kind;
        const char *object, *to, *options, *title;
    } cases[] = {{KIND_SITE, "example.org", "", "{}", "restart example.org on mosh01\n"},
        {KIND_SITE, "example.org", "mosh02", "{\"to\":\"mosh02\"}", "restart example.org from mosh01 to mosh02\n"},
        {KIND_SITE, "example.org", "", "{\"more\":[\"a\",\"b\"]}", "restart example.org and 2 more\n"},
        {KIND_HOST, "mosh01", "", "{}", "restart all sites on mosh01\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan plan = example();
        plan.object_kind = cases[i].kind;
        plan.options = json_loads(cases[i].options, 0, NULL);
        str_copy(plan.object, sizeof plan.object, cases[i].object);
        str_copy(plan.to, sizeof plan.to, cases[i].to);
        char *text = as_text(&plan);
        assert_true(str_starts(text, cases[i].title));
        free(text);
        plan_free(&plan);
    }
}

static void what_is_no_plan_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "[]",
        "{\"action\":\"restart\",\"object\":\"a\",\"steps\":[]}",
        "{\"action\":\"restart\",\"object\":\"a\",\"steps\":{}}",
        "{\"action\":\"restart\",\"object\":\"a\",\"steps\":[7]}",
        "{\"action\":\"restart\",\"object\":\"a\",\"steps\":[{\"step\":\"lease\",\"host\":\"h\",\"command\":\"c\"}]}",
        "{\"action\":\"restart\",\"object\":\"a\",\"steps\":[{\"step\":\"fly\",\"host\":\"h\",\"command\":\"c\","
        "\"parameters\":{}}]}",
        "{\"action\":\"an action with a name too long\",\"object\":\"a\",\"steps\":[{\"step\":\"lease\",\"host\":\"h\","
        "\"command\":\"c\",\"parameters\":{}}]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *json = json_loads(wrong[i], 0, NULL);
        struct plan plan;
        struct err_info info = {0};
        assert_non_null(json);
        if (plan_from_json(json, &plan, &info) != ERR_CORRUPT)
            fail_msg("taken for a plan: %s", wrong[i]);
        plan_free(&plan);
        json_decref(json);
    }
}

static void a_step_of_a_newer_dogwatch_is_named(void **state)
{
    (void)state;
    json_t *json = json_loads("{\"action\":\"restart\",\"object\":\"a\",\"steps\":[{\"step\":\"fly\",\"host\":\"h\","
                              "\"command\":\"c\",\"parameters\":{}}]}",
        0, NULL);
    struct plan plan;
    struct err_info info = {0};
    assert_int_equal(plan_from_json(json, &plan, &info), ERR_CORRUPT);
    assert_non_null(strstr(info.message, "fly"));
    plan_free(&plan);
    json_decref(json);
}

/* The runner relies on it: a step is run again, or its truth can be found out. */
static void every_step_can_be_judged_after_a_crash(void **state)
{
    (void)state;
    static const char *const names[] = {"lease", "note", "restart", "gate", "release"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct step_kind *kind = step_find(names[i]);
        assert_non_null(kind);
        assert_non_null(kind->run);
        assert_true(kind->again || kind->truth);
    }
    assert_null(step_find("fly"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_the_same_after_it_was_kept),
        cmocka_unit_test(a_plan_is_told_in_lines),
        cmocka_unit_test(the_title_says_what_is_meant),
        cmocka_unit_test(what_is_no_plan_is_refused),
        cmocka_unit_test(a_step_of_a_newer_dogwatch_is_named),
        cmocka_unit_test(every_step_can_be_judged_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
