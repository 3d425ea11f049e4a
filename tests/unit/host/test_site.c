/* Stopping, starting and restarting a site's containers: order, honesty about how they ended, and what is left when
 * something fails in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "host/path.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/verbs.h"
#include "tests/unit/host/asking.h"
#include "tests/unit/host/fake_engine.h"

#define DB FAKE_ID("aa")
#define APP FAKE_ID("bb")
#define CRON FAKE_ID("cc")
#define LABELS "\"Config\":{\"Labels\":{\"dogwatch.site\":\"a.org\"}}"
#define ALWAYS LABELS ",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"}}"
#define NEVER LABELS ",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"no\"}}"
#define CREATED(second) ",\"Created\":\"2026-01-01T00:00:0" second "Z\""
#define ARGS "{\"site\":\"a.org\",\"job\":\"7\",\"grace_s\":5,\"ttl_s\":60}"

/* Two containers of a.org that are kept up, and a third that has ended and is not; the lease is held by job 7. */
static int make_site(void **state)
{
    (void)state;
    asking_begin();
    fake_engine_make(&tree, "podman");
    fake_engine_add(&tree, "podman", APP, "app", "running|0|200", ALWAYS CREATED("2"));
    fake_engine_add(&tree, "podman", DB, "db", "running|0|100", ALWAYS CREATED("1"));
    fake_engine_add(&tree, "podman", CRON, "cron", "exited|0|0", NEVER CREATED("3"));
    assert_int_equal(ask(verb_lease_take, ARGS), ERR_OK);
    return 0;
}

/* Only the calls that change something, with the IDs cut to their last two digits: "stop bb, start aa". */
static void assert_changes(const char *expected)
{
    char *calls = fake_engine_calls(&tree, "podman"), *rest = calls;
    struct buf changes = BUF(4096);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (str_starts(line, "stop ") || str_starts(line, "start "))
            buf_printf(&changes, "%s%.*s %s", changes.length ? ", " : "", (int)strcspn(line, " "), line,
                line + strlen(line) - 2);
    assert_string_equal(buf_text(&changes), expected);
    buf_free(&changes);
    free(calls);
}

static const json_t *said_of(const char *name)
{
    const json_t *containers = json_object_get(answer, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++)
        if (strcmp(json_get_text(json_array_get(containers, i), "name"), name) == 0)
            return json_array_get(containers, i);
    fail_msg("nothing was said of %s", name);
    return NULL;
}

static void test_restart_stops_the_newest_first_and_starts_the_oldest_first(void **state)
{
    (void)state;
    bool left_alone = false;
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_OK);
    assert_changes("stop bb, stop aa, start aa, start bb");
    assert_string_equal(json_get_text(said_of("app"), "state"), "running");
    assert_string_equal(json_get_text(said_of("app"), "ended_by"), "exit");
    assert_string_equal(json_get_text(said_of("cron"), "state"), "exited");
    assert_true(json_get_bool(said_of("cron"), "left_alone", &left_alone) && left_alone);
}

static void test_restart_starts_what_was_stopped_but_is_kept_up(void **state)
{
    (void)state;
    fake_engine_write(&tree, "podman", DB, "exited|1|0");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_OK);
    assert_changes("stop bb, start aa, start bb");
}

static void test_a_restart_of_what_nobody_keeps_up_starts_everything(void **state)
{
    (void)state;
    fake_engine_add(&tree, "podman", APP, "app", "exited|0|0", NEVER CREATED("2"));
    fake_engine_add(&tree, "podman", DB, "db", "created|0|0", NEVER CREATED("1"));
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_OK);
    assert_changes("start aa, start bb, start cc");
}

static void test_how_a_container_ended_is_told_honestly(void **state)
{
    (void)state;
    static const struct {
        const char *exit_code, *ended_by;
    } cases[] = {{"0", "exit"}, {"3", "exit"}, {"143", "term"}, {"131", "term"}, {"137", "kill"}, {"255", "exit"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_engine_write(&tree, "podman", APP, "running|0|200");
        fake_engine_write(&tree, "podman", APP ".stop", cases[i].exit_code);
        assert_int_equal(ask(verb_site_stop, ARGS), ERR_OK);
        assert_string_equal(json_get_text(said_of("app"), "ended_by"), cases[i].ended_by);
        assert_string_equal(json_get_text(said_of("app"), "state"), "exited");
    }
    assert_string_equal(site_ended_by(0, true), "kill"); /* its engine said so */
}

static void test_stop_and_start_bring_back_what_ran(void **state)
{
    (void)state;
    fake_engine_add(&tree, "podman", APP, "app", "running|0|200", NEVER CREATED("2"));
    assert_int_equal(ask(verb_site_stop, ARGS), ERR_OK);
    assert_int_equal(ask(verb_site_start, ARGS), ERR_OK);
    assert_changes("stop bb, stop aa, start aa, start bb"); /* app is not kept up, but it ran; cron did not */
    assert_int_equal(ask(verb_site_start, ARGS), ERR_OK);
    assert_changes("");
}

static void test_a_start_that_fails_says_which_why_and_what_runs(void **state)
{
    (void)state;
    fake_engine_write(&tree, "podman", DB ".start", "Error: port 5432 is \033[1min use\n\n");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_FAILED);
    assert_changes("stop bb, stop aa, start aa, start bb"); /* what can run shall run */
    assert_non_null(strstr(info.message, "db did not start"));
    assert_non_null(strstr(info.message, "port 5432"));
    assert_null(strstr(info.message, "first line"));
    assert_null(strchr(info.message, '\033'));
    assert_non_null(strstr(info.message, "running now: app;"));
    assert_non_null(strstr(info.message, "not running: db, cron"));
}

static void test_a_site_that_does_not_stop_whole_is_not_left_half_stopped(void **state)
{
    (void)state;
    fake_engine_write(&tree, "podman", DB ".stop", "stuck");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_FAILED);
    assert_changes("stop bb, stop aa, start bb");
    assert_non_null(strstr(info.message, "db did not stop"));
    assert_non_null(strstr(info.message, "running now: db, app"));
    fake_engine_write(&tree, "podman", APP ".stop", "stuck");
    fake_engine_write(&tree, "podman", DB ".stop", "0");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_FAILED);
    assert_changes("stop bb");
}

static void test_a_paused_container_refuses_before_anything_is_done(void **state)
{
    (void)state;
    static verb_handler *const verbs[] = {verb_site_stop, verb_site_start, verb_site_restart};
    fake_engine_write(&tree, "podman", DB, "paused|0|100");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        assert_int_equal(ask(verbs[i], ARGS), ERR_FAILED);
        assert_non_null(strstr(info.message, "db is paused"));
    }
    assert_changes("");
}

static void test_an_engine_that_does_not_answer_refuses_before_anything_is_done(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_status, ARGS), ERR_OK);
    fake_engine_write(&tree, "podman", "down", "Error: locked\n");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_TIMEOUT);
    assert_non_null(strstr(info.message, "nothing was changed"));
    assert_changes("");
}

static void test_a_stop_that_was_cut_off_is_finished_before_the_start(void **state)
{
    (void)state;
    fake_engine_write(&tree, "podman", DB, "stopping|0|100");
    assert_int_equal(ask(verb_site_start, ARGS), ERR_OK);
    assert_changes("stop aa, start aa");
    assert_string_equal(json_get_text(said_of("db"), "state"), "running");
}

static void test_without_the_lease_nothing_is_done(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_restart, "{\"site\":\"a.org\",\"job\":\"8\"}"), ERR_BUSY);
    assert_int_equal(ask(verb_site_stop, "{\"site\":\"a.org\"}"), ERR_INVALID);
    assert_int_equal(ask(verb_site_stop, "{\"site\":\"a.org\",\"job\":\"7\",\"grace_s\":301}"), ERR_INVALID);
    assert_int_equal(ask(verb_lease_release, ARGS), ERR_OK);
    assert_int_equal(ask(verb_site_start, ARGS), ERR_BUSY);
    assert_changes("");
}

static void test_two_commands_on_one_site_exclude_each_other(void **state)
{
    (void)state;
    int lock;
    assert_int_equal(record_lock("a.org", "busy", false, &lock, NULL), ERR_OK); /* as another helper would hold it */
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_BUSY);
    record_unlock(lock);
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_OK);
}

static void test_an_unknown_site_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_lease_take, "{\"site\":\"b.org\",\"job\":\"7\",\"ttl_s\":60}"), ERR_OK);
    assert_int_equal(ask(verb_site_restart, "{\"site\":\"b.org\",\"job\":\"7\"}"), ERR_NOT_FOUND);
    assert_int_equal(ask(verb_site_status, "{\"site\":\"b.org\"}"), ERR_NOT_FOUND);
}

static void test_status_shows_containers_and_lease(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_status, ARGS), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "containers")), 3);
    assert_string_equal(json_get_text(said_of("db"), "state"), "running");
    assert_string_equal(json_get_text(json_object_get(answer, "lease"), "job"), "7");
}

static void test_a_restart_cut_in_the_middle_is_taken_up_where_it_was(void **state)
{
    (void)state;
    json_t *record;
    fake_engine_add(&tree, "podman", APP, "app", "running|0|200", NEVER CREATED("2"));
    fake_engine_write(&tree, "podman", DB ".start", "Error: not now\n");
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_FAILED);
    assert_int_equal(record_read("a.org", "json", &record, NULL), ERR_OK);
    assert_string_equal(json_get_text(record, "state"), "failed");
    json_put_text(record, "state", "working"); /* as a helper leaves it that is killed after its stops */
    assert_int_equal(record_write("a.org", "json", record, NULL), ERR_OK);
    json_decref(record);
    fake_engine_write(&tree, "podman", APP, "exited|0|0");
    char path[TREE_PATH_SIZE];
    assert_int_equal(unlink(tree_path(&tree, path, "/state-podman/" DB ".start")), 0);
    free(fake_engine_calls(&tree, "podman"));
    assert_int_equal(ask(verb_site_restart, ARGS), ERR_OK);
    assert_changes("start aa, start bb"); /* app too: it ran when the restart began */
    assert_int_equal(record_read("a.org", "json", &record, NULL), ERR_OK);
    assert_string_equal(json_get_text(record, "state"), "done");
    assert_string_equal(json_get_text(record, "verb"), "site.restart");
    json_decref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_restart_stops_the_newest_first_and_starts_the_oldest_first, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_restart_starts_what_was_stopped_but_is_kept_up, make_site, asking_end),
        cmocka_unit_test_setup_teardown(
            test_a_restart_of_what_nobody_keeps_up_starts_everything, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_how_a_container_ended_is_told_honestly, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_stop_and_start_bring_back_what_ran, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_a_start_that_fails_says_which_why_and_what_runs, make_site, asking_end),
        cmocka_unit_test_setup_teardown(
            test_a_site_that_does_not_stop_whole_is_not_left_half_stopped, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_a_paused_container_refuses_before_anything_is_done, make_site, asking_end),
        cmocka_unit_test_setup_teardown(
            test_an_engine_that_does_not_answer_refuses_before_anything_is_done, make_site, asking_end),
        cmocka_unit_test_setup_teardown(
            test_a_stop_that_was_cut_off_is_finished_before_the_start, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_without_the_lease_nothing_is_done, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_two_commands_on_one_site_exclude_each_other, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_an_unknown_site_is_not_found, make_site, asking_end),
        cmocka_unit_test_setup_teardown(test_status_shows_containers_and_lease, make_site, asking_end),
        cmocka_unit_test_setup_teardown(
            test_a_restart_cut_in_the_middle_is_taken_up_where_it_was, make_site, asking_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
