/* Marks: what a marked site allows, who may change its mark, and that nothing is forgotten on the way. */
#include "tests/unit/host/marked_site.h"

#include "host/inventory.h"

#define MARK_FILE "/var/lib/dogwatch/sites/a.org.mark"

static int make_podman(void **state)
{
    (void)state;
    make_host("podman");
    return 0;
}

static int make_docker(void **state)
{
    (void)state;
    make_host("docker");
    return 0;
}

static void set_mark(const char *more)
{
    char *args = xasprintf("{\"site\":\"a.org\",\"job\":\"7\",%s}", more);
    if (ask(verb_site_mark, args) != ERR_OK)
        fail_msg("%s", info.message);
    free(args);
}

static void assert_not_started(const char *word, const char *way_out)
{
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_DENIED);
    assert_non_null(strstr(info.message, word));
    assert_non_null(strstr(info.message, "job 7"));
    assert_non_null(strstr(info.message, way_out));
    assert_int_equal(ask(verb_site_restart, ARGS("")), ERR_DENIED);
    assert_changes("podman", "");
}

static void a_marked_site_is_not_started_and_the_way_out_is_named(void **state)
{
    (void)state;
    set_mark("\"mark\":\"stopped\"");
    assert_not_started("marked stopped", "`dogwatch start a.org`");
    set_mark("\"mark\":\"leaving\",\"peer\":\"mosh02\"");
    assert_not_started("marked leaving", "with mosh02");
    set_mark("\"mark\":\"kept\"");
    assert_not_started("marked kept", "`dogwatch undo 7`");
    set_mark("\"mark\":\"incoming\"");
    assert_not_started("marked incoming", "job 7 is making it here");
}

static void the_way_out_names_the_job_as_commands_take_it(void **state)
{
    (void)state;
    char text[600];
    struct mark mark = {.what = MARK_KEPT, .job = "1ec188938d045f43.12"};
    mark_say("a.org", &mark, text, sizeof text);
    assert_non_null(strstr(text, "by job 1ec188938d045f43.12;"));
    assert_non_null(strstr(text, "`dogwatch undo 12`"));
    str_copy(mark.job, sizeof mark.job, "by.hand");
    mark_say("a.org", &mark, text, sizeof text);
    assert_non_null(strstr(text, "`dogwatch undo by.hand`"));
}

static void a_marked_site_can_be_stopped(void **state)
{
    (void)state;
    set_mark("\"mark\":\"leaving\"");
    assert_int_equal(ask(verb_site_stop, ARGS("")), ERR_OK);
    assert_changes("podman", "stop -t 10 -- bb, stop -t 10 -- aa");
}

static void the_mark_is_gone_when_it_is_none_and_the_site_starts_again(void **state)
{
    (void)state;
    set_mark("\"mark\":\"stopped\"");
    assert_true(exists(MARK_FILE));
    set_mark("\"mark\":\"none\",\"from\":[\"stopped\"]");
    assert_false(exists(MARK_FILE));
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_OK);
}

static void a_copy_on_trial_is_started_by_its_own_job_in_this_boot_only(void **state)
{
    (void)state;
    json_t *record;
    set_mark("\"mark\":\"incoming\",\"trial\":true");
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_OK);
    assert_int_equal(mark_allows_start("a.org", "8", &info), ERR_DENIED);
    assert_int_equal(record_read("a.org", "mark", &record, &info), ERR_OK);
    json_put_text(record, "boot_id", "another boot");
    assert_int_equal(record_write("a.org", "mark", record, &info), ERR_OK);
    json_decref(record);
    assert_int_equal(mark_allows_start("a.org", "7", &info), ERR_DENIED);
}

static void a_mark_is_changed_only_from_those_that_were_meant(void **state)
{
    (void)state;
    set_mark("\"mark\":\"kept\",\"from\":[\"none\"]");
    assert_int_equal(ask(verb_site_mark, ARGS(",\"mark\":\"stopped\",\"from\":[\"none\",\"leaving\"]")), ERR_BUSY);
    assert_non_null(strstr(info.message, "marked kept"));
    set_mark("\"mark\":\"none\"");
    assert_int_equal(ask(verb_site_mark, ARGS(",\"mark\":\"kept\",\"from\":[\"leaving\"]")), ERR_BUSY);
    assert_non_null(strstr(info.message, "bears no mark"));
}

static const char *was(void)
{
    return json_get_text(json_object_get(answer, "was"), "mark");
}

static void asked_again_by_the_same_job_the_answer_is_the_same(void **state)
{
    (void)state;
    set_mark("\"mark\":\"leaving\"");
    assert_true(json_is_null(json_object_get(answer, "was")));
    for (int i = 0; i < 2; i++) {
        set_mark("\"mark\":\"kept\",\"from\":[\"leaving\"],\"until_us\":99,\"peer\":\"mosh02\"");
        assert_string_equal(was(), "leaving");
    }
    const json_t *now = json_array_get(json_object_get(answer, "marks"), 0);
    int64_t until_us = 0;
    assert_string_equal(json_get_text(now, "peer"), "mosh02");
    assert_true(json_get_i64(now, "until_us", &until_us) && until_us == 99);
    for (int i = 0; i < 2; i++)
        set_mark("\"mark\":\"none\",\"from\":[\"kept\"]");
}

static void a_mark_is_set_by_who_holds_the_lease_only(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_mark, "{\"site\":\"a.org\",\"job\":\"8\",\"mark\":\"stopped\"}"), ERR_BUSY);
    assert_non_null(strstr(info.message, "op"));
    assert_false(exists(MARK_FILE));
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const args[] = {ARGS(",\"mark\":\"fenced\""), ARGS(""), ARGS(",\"mark\":\"quarantined\""),
        ARGS(",\"mark\":\"stopped\",\"trial\":true"), ARGS(",\"mark\":\"kept\",\"peer\":\"../x\""),
        ARGS(",\"mark\":\"kept\",\"from\":[\"active\"]"), ARGS(",\"mark\":\"kept\",\"from\":\"none\""),
        ARGS(",\"mark\":\"kept\",\"until_us\":-1")};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        assert_int_equal(ask(verb_site_mark, args[i]), ERR_INVALID);
    assert_false(exists(MARK_FILE));
}

static void a_file_nobody_understands_forbids_to_start(void **state)
{
    (void)state;
    tree_write(&tree, MARK_FILE, "{\"mark\":\"frozen\"}");
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_DENIED);
    tree_write(&tree, MARK_FILE, "{");
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_CORRUPT);
    assert_changes("podman", "");
}

static void marks_stand_in_the_inventory_and_in_the_status(void **state)
{
    (void)state;
    json_t *inventory;
    set_mark("\"mark\":\"stopped\",\"note\":\"by \\u001b[31mAnna\"");
    assert_int_equal(inventory_refresh(&inventory, &info), ERR_OK);
    const json_t *mark = json_array_get(json_object_get(inventory, "marks"), 0);
    assert_string_equal(json_get_text(mark, "site"), "a.org");
    assert_string_equal(json_get_text(mark, "mark"), "stopped");
    assert_string_equal(json_get_text(mark, "job"), "7");
    assert_null(strchr(json_get_text(mark, "note"), '\x1b'));
    json_decref(inventory);
    assert_int_equal(ask(verb_site_status, ARGS("")), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "marks")), 1);
}

static void what_stood_before_a_quarantine_comes_back_whole(void **state)
{
    (void)state;
    struct mark_wish wish = {.mark = {.what = MARK_QUARANTINED, .job = "9"}, .any = true};
    struct mark mark;
    set_mark("\"mark\":\"kept\",\"peer\":\"mosh02\",\"until_us\":99");
    assert_int_equal(mark_set("a.org", &wish, NULL, &info), ERR_OK);
    str_copy(wish.mark.job, sizeof wish.mark.job, "10"); /* another job contains it once more */
    assert_int_equal(mark_set("a.org", &wish, NULL, &info), ERR_OK);
    json_t *list = mark_list_of("a.org");
    assert_string_equal(json_get_text(json_array_get(list, 0), "before"), "kept");
    json_decref(list);
    assert_int_equal(ask(verb_site_stop, ARGS("")), ERR_DENIED);
    assert_int_equal(ask(verb_site_mark, ARGS(",\"mark\":\"none\"")), ERR_BUSY);
    assert_int_equal(mark_check_restore("a.org", MARK_QUARANTINED, MARK_NONE, &info), ERR_FAILED);
    assert_int_equal(mark_restore("a.org", MARK_QUARANTINED, MARK_NONE, &info), ERR_FAILED);
    for (int i = 0; i < 2; i++)
        assert_int_equal(mark_restore("a.org", MARK_QUARANTINED, MARK_KEPT, &info), ERR_OK);
    assert_int_equal(mark_read("a.org", &mark, &info), ERR_OK);
    assert_int_equal(mark.what, MARK_KEPT);
    assert_string_equal(mark.peer, "mosh02");
    assert_string_equal(mark.job, "7");
    assert_int_equal(mark.until_us, 99);
}

/* --- docker ---------------------------------------------------------------------------------------------------------
 */

static void docker_is_kept_from_starting_by_itself_until_the_mark_is_gone(void **state)
{
    (void)state;
    set_mark("\"mark\":\"leaving\"");
    assert_changes("docker", "update --restart=no -- aa, update --restart=no -- bb");
    /* docker says so from now on; a mark that follows does not forget what was before */
    fake_engine_add(&tree, "docker", WEB, "web", "running|0|100", OF_SITE);
    fake_engine_add(&tree, "docker", APP, "app", "running|0|200", OF_SITE);
    set_mark("\"mark\":\"kept\"");
    set_mark("\"mark\":\"none\"");
    assert_changes("docker", "update --restart=always -- aa, update --restart=on-failure:3 -- bb");
}

static void a_container_that_is_gone_needs_no_policy_back(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    set_mark("\"mark\":\"leaving\"");
    fake_engine_write(&tree, "docker", "gone", "");
    assert_int_equal(unlink(tree_path(&tree, path, "/state-docker/" WEB)), 0);
    free(fake_engine_calls(&tree, "docker"));
    set_mark("\"mark\":\"none\"");
    assert_changes("docker", "update --restart=on-failure:3 -- bb");
}

#define BOLT "dogwatch-refuses-the-start-of.a.org"
#define BOLTED "\"NetworkSettings\":{\"Networks\":{\"bridge\":{},\"" BOLT "\":{}}}"
#define SHARES_A_NETWORK OF_SITE ",\"HostConfig\":{\"NetworkMode\":\"container:" OTHER "\"}"
#define GONE_AT_ITS_END OF_SITE ",\"HostConfig\":{\"AutoRemove\":true}"
#define WITHOUT_NETWORK "\"Config\":{\"NetworkDisabled\":true,\"Labels\":{\"dogwatch.site\":\"a.org\"}}"

static void docker_cannot_start_what_is_marked_until_the_mark_is_gone(void **state)
{
    (void)state;
    fake_engine_add(&tree, "docker", WEB, "web", "exited|0|0", ALWAYS);
    fake_engine_add(&tree, "docker", APP, "app", "created|0|0", OF_SITE);
    set_mark("\"mark\":\"stopped\"");
    assert_changes(
        "docker", "update --restart=no -- aa, network connect -- " BOLT " aa, network connect -- " BOLT " bb");
    fake_engine_add(&tree, "docker", WEB, "web", "exited|128|0", OF_SITE "," BOLTED);
    fake_engine_add(&tree, "docker", APP, "app", "created|128|0", OF_SITE "," BOLTED);
    set_mark("\"mark\":\"kept\"");
    assert_changes("docker", "");
    set_mark("\"mark\":\"none\"");
    assert_changes("docker",
        "network disconnect -- " BOLT " aa, update --restart=always -- aa, network disconnect -- " BOLT " bb");
}

static void what_runs_is_bolted_once_it_is_stopped(void **state)
{
    (void)state;
    set_mark("\"mark\":\"leaving\"");
    assert_changes("docker", "update --restart=no -- aa, update --restart=no -- bb");
    fake_engine_add(&tree, "docker", WEB, "web", "running|0|100", OF_SITE);
    fake_engine_add(&tree, "docker", APP, "app", "running|0|200", OF_SITE);
    assert_int_equal(ask(verb_site_stop, ARGS("")), ERR_OK);
    assert_changes(
        "docker", "stop -t 10 -- bb, stop -t 10 -- aa, network connect -- " BOLT " aa, network connect -- " BOLT " bb");
}

static void nothing_is_bolted_where_no_mark_stands(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_stop, ARGS("")), ERR_OK);
    assert_changes("docker", "stop -t 10 -- bb, stop -t 10 -- aa");
}

static void a_copy_on_trial_is_unbolted_for_its_job(void **state)
{
    (void)state;
    fake_engine_add(&tree, "docker", WEB, "web", "created|0|0", ALWAYS);
    fake_engine_add(&tree, "docker", APP, "app", "created|0|0", ALWAYS);
    set_mark("\"mark\":\"incoming\"");
    free(fake_engine_calls(&tree, "docker"));
    fake_engine_add(&tree, "docker", WEB, "web", "created|0|0", OF_SITE "," BOLTED);
    fake_engine_add(&tree, "docker", APP, "app", "created|0|0", OF_SITE "," BOLTED);
    set_mark("\"mark\":\"incoming\",\"trial\":true");
    assert_changes("docker", "network disconnect -- " BOLT " aa, network disconnect -- " BOLT " bb");
    fake_engine_add(&tree, "docker", WEB, "web", "created|0|0", OF_SITE);
    fake_engine_add(&tree, "docker", APP, "app", "created|0|0", OF_SITE);
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_OK);
    assert_changes("docker", "start -- aa, start -- bb");
}

static void what_a_bolt_would_harm_is_not_bolted(void **state)
{
    (void)state;
    static const char *const states[] = {"paused|0|100", "restarting|1|0", "dead|0|0", "removing|0|0"};
    static const char *const kinds[] = {SHARES_A_NETWORK, GONE_AT_ITS_END, WITHOUT_NETWORK};
    assert_int_equal(unlink(tree_path(&tree, (char[TREE_PATH_SIZE]){0}, "/state-docker/" APP)), 0);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        fake_engine_add(&tree, "docker", WEB, "web", states[i], OF_SITE);
        set_mark("\"mark\":\"stopped\"");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fake_engine_add(&tree, "docker", WEB, "web", "exited|0|0", kinds[i]);
        set_mark("\"mark\":\"stopped\"");
    }
    assert_changes("docker", "");
}

/* It was written down before, so it is also drawn where a crash came in between. */
static void one_that_cannot_be_bolted_leaves_the_mark_as_it_is(void **state)
{
    (void)state;
    fake_engine_add(&tree, "docker", WEB, "web", "exited|0|0", OF_SITE);
    fake_engine_add(&tree, "docker", APP, "app", "running|0|100", OF_SITE);
    fake_engine_write(&tree, "docker", "network", "it runs");
    set_mark("\"mark\":\"stopped\"");
    assert_changes("docker", "network connect -- " BOLT " aa");
    fake_engine_add(&tree, "docker", WEB, "web", "exited|0|0", OF_SITE "," BOLTED);
    assert_int_equal(ask(verb_site_mark, ARGS(",\"mark\":\"none\"")), ERR_FAILED);
    assert_true(exists(MARK_FILE));
    free(fake_engine_calls(&tree, "docker"));
    assert_int_equal(unlink(tree_path(&tree, (char[TREE_PATH_SIZE]){0}, "/state-docker/network")), 0);
    set_mark("\"mark\":\"none\"");
    assert_changes("docker", "network disconnect -- " BOLT " aa");
}

static void what_is_started_on_trial_is_what_would_be_kept_up(void **state)
{
    (void)state;
    fake_engine_add(&tree, "docker", WEB, "web", "created|0|0", ALWAYS);
    fake_engine_add(&tree, "docker", APP, "app", "created|0|0", OF_SITE); /* meant to run now and then only */
    set_mark("\"mark\":\"incoming\",\"trial\":true");
    fake_engine_add(&tree, "docker", WEB, "web", "created|0|0", OF_SITE);
    free(fake_engine_calls(&tree, "docker"));
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_OK);
    assert_changes("docker", "start -- aa");
}

static void an_engine_that_does_not_answer_leaves_the_mark_and_is_named(void **state)
{
    (void)state;
    set_mark("\"mark\":\"leaving\"");
    fake_engine_write(&tree, "docker", "down", "no daemon");
    assert_int_not_equal(ask(verb_site_mark, ARGS(",\"mark\":\"none\"")), ERR_OK);
    assert_true(exists(MARK_FILE));
}

#define PODMAN(name) cmocka_unit_test_setup_teardown(name, make_podman, asking_end)
#define DOCKER(name) cmocka_unit_test_setup_teardown(name, make_docker, asking_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        PODMAN(a_marked_site_is_not_started_and_the_way_out_is_named),
        cmocka_unit_test(the_way_out_names_the_job_as_commands_take_it),
        PODMAN(a_marked_site_can_be_stopped),
        PODMAN(the_mark_is_gone_when_it_is_none_and_the_site_starts_again),
        PODMAN(a_copy_on_trial_is_started_by_its_own_job_in_this_boot_only),
        PODMAN(a_mark_is_changed_only_from_those_that_were_meant),
        PODMAN(asked_again_by_the_same_job_the_answer_is_the_same),
        PODMAN(a_mark_is_set_by_who_holds_the_lease_only),
        PODMAN(nonsense_is_refused_and_changes_nothing),
        PODMAN(a_file_nobody_understands_forbids_to_start),
        PODMAN(marks_stand_in_the_inventory_and_in_the_status),
        PODMAN(what_stood_before_a_quarantine_comes_back_whole),
        DOCKER(docker_is_kept_from_starting_by_itself_until_the_mark_is_gone),
        DOCKER(a_container_that_is_gone_needs_no_policy_back),
        DOCKER(docker_cannot_start_what_is_marked_until_the_mark_is_gone),
        DOCKER(what_runs_is_bolted_once_it_is_stopped),
        DOCKER(nothing_is_bolted_where_no_mark_stands),
        DOCKER(a_copy_on_trial_is_unbolted_for_its_job),
        DOCKER(what_a_bolt_would_harm_is_not_bolted),
        DOCKER(one_that_cannot_be_bolted_leaves_the_mark_as_it_is),
        DOCKER(what_is_started_on_trial_is_what_would_be_kept_up),
        DOCKER(an_engine_that_does_not_answer_leaves_the_mark_and_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
