/* One job at a time may change a site: taking, keeping, losing and giving back its lease. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "host/facts.h"
#include "host/path.h"
#include "host/site/lease.h"
#include "host/site/record.h"
#include "host/verbs.h"
#include "tests/unit/host/tree.h"

#define LEASE_FILE "/var/lib/dogwatch/sites/a.org.lease"

static struct tree tree;
static struct err_info info;

static int fresh_tree(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    tree_write(&tree, "/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    tree_dir(&tree, "/var/lib");
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    clock_freeze_wall(0);
    tree_remove(&tree);
    return 0;
}

static enum err ask(verb_handler *verb, const char *args, int64_t *expires_us)
{
    json_t *parsed, *ok = NULL;
    assert_int_equal(json_parse(args, strlen(args), &parsed, NULL), ERR_OK);
    info.message[0] = '\0';
    enum err result = verb(NULL, 1, parsed, &ok, &info);
    if (expires_us)
        json_get_i64(ok, "expires_us", expires_us);
    json_decref(ok);
    json_decref(parsed);
    return result;
}

#define TAKE_7 "{\"site\":\"a.org\",\"job\":\"7\",\"holder\":\"anna\",\"ttl_s\":60}"
#define TAKE_8 "{\"site\":\"a.org\",\"job\":\"8\",\"holder\":\"berta\",\"ttl_s\":60}"

static void test_a_second_job_is_told_who_holds_it(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_lease_take, TAKE_7, NULL), ERR_OK);
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_BUSY);
    assert_non_null(strstr(info.message, "anna"));
    assert_non_null(strstr(info.message, "job 7"));
    assert_int_equal(lease_check("a.org", "7", &info), ERR_OK);
    assert_int_equal(lease_check("a.org", "8", &info), ERR_BUSY);
    assert_int_equal(lease_check("b.org", "7", &info), ERR_BUSY);
}

static void test_the_same_job_takes_it_again_and_renews(void **state)
{
    (void)state;
    int64_t first_us = 0, again_us = 0, renewed_us = 0;
    assert_int_equal(ask(verb_lease_take, TAKE_7, &first_us), ERR_OK);
    assert_int_equal(ask(verb_lease_take, TAKE_7, &again_us), ERR_OK);
    assert_int_equal(
        ask(verb_lease_renew, "{\"site\":\"a.org\",\"job\":7,\"ttl_s\":600}", &renewed_us), ERR_OK); /* a number too */
    assert_true(again_us >= first_us);
    assert_true(renewed_us > first_us + 500 * USEC_PER_SEC);
    json_t *object = json_object();
    lease_put("a.org", object);
    const json_t *lease = json_object_get(object, "lease");
    assert_string_equal(json_get_text(lease, "job"), "7");
    assert_string_equal(json_get_text(lease, "holder"), "anna");
    json_decref(object);
}

static void test_only_its_job_renews_and_releases(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_lease_renew, TAKE_7, NULL), ERR_NOT_FOUND);
    assert_int_equal(ask(verb_lease_take, TAKE_7, NULL), ERR_OK);
    assert_int_equal(ask(verb_lease_renew, TAKE_8, NULL), ERR_BUSY);
    assert_int_equal(ask(verb_lease_release, TAKE_8, NULL), ERR_BUSY);
    assert_int_equal(ask(verb_lease_release, TAKE_7, NULL), ERR_OK);
    assert_int_equal(ask(verb_lease_release, TAKE_7, NULL), ERR_OK); /* twice is no error */
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_OK);
}

/* The file as a job of this boot, or of another, would have left it. */
static void leave_lease(const char *boot_id, int64_t expires_boot_us)
{
    char *text = xasprintf("{\"site\":\"a.org\",\"job\":\"7\",\"holder\":\"anna\",\"boot_id\":\"%s\","
                           "\"expires_boot_us\":%lld,\"expires_us\":9999999999999999}",
        boot_id, (long long)expires_boot_us);
    tree_write(&tree, LEASE_FILE, text);
    free(text);
}

static void test_its_time_is_over_by_the_boot_clock(void **state)
{
    (void)state;
    leave_lease(host_boot_id(), clock_boot_us() - 1);
    assert_int_equal(lease_check("a.org", "7", &info), ERR_BUSY);
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_OK);
}

static void test_a_wrong_wall_clock_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_lease_take, TAKE_7, NULL), ERR_OK);
    clock_freeze_wall(clock_wall_us() + 86400 * USEC_PER_SEC);
    assert_int_equal(lease_check("a.org", "7", &info), ERR_OK);
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_BUSY);
}

static void test_a_new_boot_ends_it(void **state)
{
    (void)state;
    leave_lease("99999999-2222-3333-4444-555555555555", clock_boot_us() + 600 * USEC_PER_SEC);
    assert_int_equal(lease_check("a.org", "7", &info), ERR_BUSY);
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_OK);
}

static void test_a_damaged_file_holds_nobody_off(void **state)
{
    (void)state;
    static const char *const damaged[] = {"", "{", "[]", "{\"job\":7}", "\x01\xff"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        tree_write(&tree, LEASE_FILE, damaged[i]);
        assert_int_equal(lease_check("a.org", "8", &info), ERR_BUSY);
        assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_OK);
    }
}

static void test_odd_arguments_are_refused(void **state)
{
    (void)state;
    static const char *const odd[] = {"{\"site\":\"a.org\",\"ttl_s\":60}",
        "{\"site\":\"a.org\",\"job\":\"\",\"ttl_s\":60}", "{\"site\":\"a.org\",\"job\":\"a b\",\"ttl_s\":60}",
        "{\"site\":\"a.org\",\"job\":-1,\"ttl_s\":60}", "{\"site\":\"a.org\",\"job\":\"7\"}",
        "{\"site\":\"a.org\",\"job\":\"7\",\"ttl_s\":4}", "{\"site\":\"a.org\",\"job\":\"7\",\"ttl_s\":601}",
        "{\"site\":\"../../etc/x\",\"job\":\"7\",\"ttl_s\":60}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_int_equal(ask(verb_lease_take, odd[i], NULL), ERR_INVALID);
        assert_true(info.message[0]);
    }
}

static void test_a_holders_name_cannot_paint(void **state)
{
    (void)state;
    assert_int_equal(
        ask(verb_lease_take, "{\"site\":\"a.org\",\"job\":\"7\",\"holder\":\"\\u001b[31mx\",\"ttl_s\":60}", NULL),
        ERR_OK);
    assert_int_equal(ask(verb_lease_take, TAKE_8, NULL), ERR_BUSY);
    assert_null(strchr(info.message, '\033'));
}

/* Eight processes ask at once, each with another job: one gets it. */
static void test_of_many_at_once_one_gets_it(void **state)
{
    (void)state;
    pid_t children[8];
    int winners = 0, status;
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char args[128];
            str_format(args, sizeof args, "{\"site\":\"a.org\",\"job\":\"%d\",\"holder\":\"x\",\"ttl_s\":60}", i + 1);
            _exit(ask(verb_lease_take, args, NULL) == ERR_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        winners += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    assert_int_equal(winners, 1);
}

static void test_the_files_are_for_root_alone(void **state)
{
    (void)state;
    struct stat seen;
    char path[TREE_PATH_SIZE];
    assert_int_equal(ask(verb_lease_take, TAKE_7, NULL), ERR_OK);
    assert_int_equal(stat(tree_path(&tree, path, "/var/lib/dogwatch/sites"), &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0700);
    assert_int_equal(stat(tree_path(&tree, path, LEASE_FILE), &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_second_job_is_told_who_holds_it, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_the_same_job_takes_it_again_and_renews, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_only_its_job_renews_and_releases, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_its_time_is_over_by_the_boot_clock, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_wrong_wall_clock_changes_nothing, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_new_boot_ends_it, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_damaged_file_holds_nobody_off, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_odd_arguments_are_refused, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_holders_name_cannot_paint, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_of_many_at_once_one_gets_it, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_the_files_are_for_root_alone, fresh_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
