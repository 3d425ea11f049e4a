/* The hook that podman's runtime asks: what it refuses, that it lets start whatever it is not sure of, and where it
 * lies. */
#include "tests/unit/host/marked_site.h"

#define USUAL "/usr/share/containers/oci/hooks.d/dogwatch.json"
#define LOCAL "/etc/containers/oci/hooks.d/dogwatch.json"
#define DATABASE "/var/lib/containers/storage/libpod/bolt_state.db"
#define LETS_START 0
#define REFUSES 1

static int make_podman(void **state)
{
    (void)state;
    make_host("podman");
    return 0;
}

static void set_mark(const char *mark)
{
    char *args = xasprintf("{\"site\":\"a.org\",\"job\":\"7\",%s}", mark);
    if (ask(verb_site_mark, args) != ERR_OK)
        fail_msg("%s", info.message);
    free(args);
}

static int ask_hook(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    int status = guard_run(ends[0]);
    close(ends[0]);
    return status;
}

static int ask_about(const char *id)
{
    char *text = xasprintf("{\"ociVersion\":\"1.0\",\"id\":\"%s\",\"pid\":77,\"bundle\":\"/x\"}", id);
    int status = ask_hook(text);
    free(text);
    return status;
}

static void containers_of_a_marked_site_are_refused_others_are_not(void **state)
{
    (void)state;
    assert_int_equal(ask_about(WEB), LETS_START);
    set_mark("\"mark\":\"stopped\"");
    assert_int_equal(ask_about(WEB), REFUSES);
    assert_int_equal(ask_about(APP), REFUSES);
    assert_int_equal(ask_about(OTHER), LETS_START);
    set_mark("\"mark\":\"none\"");
    assert_int_equal(ask_about(WEB), LETS_START);
}

static void a_copy_on_trial_may_start_until_the_next_boot(void **state)
{
    (void)state;
    json_t *record;
    set_mark("\"mark\":\"incoming\"");
    assert_int_equal(ask_about(WEB), REFUSES);
    set_mark("\"mark\":\"incoming\",\"trial\":true");
    assert_int_equal(ask_about(WEB), LETS_START);
    assert_int_equal(record_read("a.org", "mark", &record, &info), ERR_OK);
    json_put_text(record, "boot_id", "another boot");
    assert_int_equal(record_write("a.org", "mark", record, &info), ERR_OK);
    json_decref(record);
    assert_int_equal(ask_about(WEB), REFUSES);
}

/* As podman 4.3 keeps them: one text per container, and bytes of all kinds around them. */
#define KEPT(id, name, labels)                                                                                         \
    "\x01\x7f{\"spec\":{\"x\":1},\"id\":\"" id "\",\"name\":\"" name "\",\"lockID\":1," labels "\"stopSignal\":15}"

static void a_container_made_after_the_mark_is_known_by_its_label_or_name(void **state)
{
    (void)state;
    set_mark("\"mark\":\"kept\"");
    tree_write(&tree, DATABASE,
        KEPT(FAKE_ID("d1"), "odd", "\"labels\":{\"x\":\"}\",\"dogwatch.site\":\"a.org\"},")
            KEPT(FAKE_ID("d2"), "free", "") KEPT(FAKE_ID("d3"), "A.org", "") KEPT(FAKE_ID("d4"), "odd2",
                "\"labels\":{\"dogwatch.site\":\"b.org\"},") KEPT(FAKE_ID("d5"), "odd3", "\"labels\":{\"dogwatch.si"));
    assert_int_equal(ask_about(FAKE_ID("d1")), REFUSES);
    assert_int_equal(ask_about(FAKE_ID("d2")), LETS_START); /* the next one's labels are not its own */
    assert_int_equal(ask_about(FAKE_ID("d3")), REFUSES);
    assert_int_equal(ask_about(FAKE_ID("d4")), LETS_START);
    assert_int_equal(ask_about(FAKE_ID("d5")), LETS_START);
    assert_int_equal(ask_about(FAKE_ID("d6")), LETS_START);
}

static void what_cannot_be_understood_starts(void **state)
{
    (void)state;
    set_mark("\"mark\":\"stopped\"");
    assert_int_equal(ask_hook(""), LETS_START);
    assert_int_equal(ask_hook("{"), LETS_START);
    assert_int_equal(ask_hook("{\"id\":\"../../x\"}"), LETS_START);
    assert_int_equal(ask_hook("{\"id\":7}"), LETS_START);
    tree_write(&tree, "/var/lib/dogwatch/sites/b.org.mark", "rubbish");
    tree_write(&tree, "/var/lib/dogwatch/sites/a.org.lease", "{\"mark\":\"stopped\"}");
    assert_int_equal(ask_about(OTHER), LETS_START);
    assert_int_equal(ask_about(WEB), REFUSES);
}

static void the_hook_lies_there_as_long_as_something_is_marked(void **state)
{
    (void)state;
    struct buf text = BUF(4096);
    char path[TREE_PATH_SIZE];
    json_t *hook;
    assert_false(exists(USUAL));
    set_mark("\"mark\":\"stopped\"");
    assert_true(exists(USUAL) && exists(LOCAL));
    assert_int_equal(buf_read_file(&text, tree_path(&tree, path, USUAL), NULL), ERR_OK);
    assert_int_equal(json_parse(buf_text(&text), text.length, &hook, NULL), ERR_OK);
    const json_t *run = json_object_get(hook, "hook");
    assert_int_equal(access(json_get_text(run, "path"), X_OK), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(run, "args"), 1)), "--hook");
    assert_string_equal(json_string_value(json_array_get(json_object_get(hook, "stages"), 0)), "createRuntime");
    json_decref(hook);
    buf_free(&text);
    tree_write(&tree, "/var/lib/dogwatch/sites/b.org.mark", "{\"mark\":\"of tomorrow\"}");
    set_mark("\"mark\":\"none\"");
    assert_true(exists(USUAL));
    unlink(tree_path(&tree, path, "/var/lib/dogwatch/sites/b.org.mark"));
    tree_write(&tree, "/etc/containers/oci/hooks.d/other.json", "{}");
    set_mark("\"mark\":\"stopped\"");
    set_mark("\"mark\":\"none\"");
    assert_false(exists("/usr/share/containers/oci") || exists(LOCAL));
    assert_true(exists("/etc/containers/oci/hooks.d/other.json"));
}

static void the_hook_lies_where_podman_was_told_to_look(void **state)
{
    (void)state;
    tree_write(&tree, "/usr/share/containers/containers.conf", "[engine]\n#hooks_dir = [\n#  \"/never\",\n#]\n");
    tree_write(&tree, "/etc/containers/containers.conf", "[engine]\n  hooks_dir = [\n  \"/srv/hooks\",\n  \"/b\" ]\n");
    tree_write(&tree, "/etc/containers/containers.conf.d/10.conf", "hooks_directory = [\"/c\"]\n");
    set_mark("\"mark\":\"stopped\"");
    assert_true(exists("/srv/hooks/dogwatch.json"));
    assert_false(exists("/never/dogwatch.json") || exists("/c/dogwatch.json") || exists(USUAL));
    set_mark("\"mark\":\"none\"");
    assert_false(exists("/srv/hooks/dogwatch.json"));
}

static void a_host_that_cannot_be_guarded_marks_nothing(void **state)
{
    (void)state;
    tree_write(&tree, "/usr/share/containers/oci", "a file is in the way");
    assert_int_not_equal(ask(verb_site_mark, ARGS(",\"mark\":\"stopped\"")), ERR_OK);
    assert_non_null(strstr(info.message, "podman cannot be kept from starting"));
    assert_false(exists("/var/lib/dogwatch/sites/a.org.mark"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_podman, asking_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(containers_of_a_marked_site_are_refused_others_are_not),
        TEST(a_copy_on_trial_may_start_until_the_next_boot),
        TEST(a_container_made_after_the_mark_is_known_by_its_label_or_name),
        TEST(what_cannot_be_understood_starts),
        TEST(the_hook_lies_there_as_long_as_something_is_marked),
        TEST(the_hook_lies_where_podman_was_told_to_look),
        TEST(a_host_that_cannot_be_guarded_marks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
