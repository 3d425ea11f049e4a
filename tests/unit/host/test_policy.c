/* The policy: what it allows, and that a bad one allows next to nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "host/policy.h"
#include "tests/unit/host/tree.h"

#define VIEWER HOST_ROLE_VIEWER
#define OPERATOR HOST_ROLE_OPERATOR

static struct policy *parse(const char *text)
{
    return policy_parse("policy", text, strlen(text));
}

static bool allows(const struct policy *policy, enum host_role role, const char *verb, const char *site)
{
    assert_non_null(verb_find(verb));
    return policy_allows(policy, role, verb_find(verb), site);
}

static void test_without_lines_viewers_read_and_operators_do_all(void **state)
{
    (void)state;
    struct policy *policy = parse("\n# nothing\n   \t\n");
    assert_null(policy_error(policy));
    for (size_t i = 0; i < verb_count(); i++) {
        const struct verb *verb = verb_at(i);
        assert_true(policy_allows(policy, OPERATOR, verb, "blog"));
        assert_int_equal(policy_allows(policy, VIEWER, verb, "blog"), verb->least_role == VIEWER);
    }
    policy_free(policy);
}

static void test_the_last_line_that_matches_decides(void **state)
{
    (void)state;
    struct policy *policy = parse("deny operator *\nallow operator site.*,lease.* on blog-*\r\n"
                                  "deny operator site.stop on blog-b # not this one\n");
    assert_null(policy_error(policy));
    assert_true(allows(policy, OPERATOR, "site.restart", "blog-a"));
    assert_true(allows(policy, OPERATOR, "lease.take", "blog-b"));
    assert_false(allows(policy, OPERATOR, "site.stop", "blog-b"));
    assert_false(allows(policy, OPERATOR, "site.restart", "shop"));
    assert_false(allows(policy, OPERATOR, "inventory", NULL));
    assert_true(allows(policy, OPERATOR, "hello", NULL));
    assert_true(allows(policy, VIEWER, "inventory", NULL)); /* the lines are about operators */
    assert_true(policy_allows_somewhere(policy, OPERATOR, verb_find("site.stop")));
    assert_false(policy_allows_somewhere(policy, OPERATOR, verb_find("logs.tail")));
    policy_free(policy);
}

static void test_nothing_lets_a_viewer_change_the_host(void **state)
{
    (void)state;
    struct policy *policy = parse("allow viewer *\nallow viewer site.*\n");
    assert_null(policy_error(policy));
    assert_false(allows(policy, VIEWER, "site.restart", "blog"));
    assert_true(allows(policy, VIEWER, "site.status", "blog"));
    policy_free(policy);
    policy = parse("allow viewer site.restart\n");
    assert_non_null(strstr(policy_error(policy), "policy:1: a viewer never changes a host"));
    policy_free(policy);
}

static void test_errors_name_the_line_and_leave_nothing_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"\nallow operator site.restrat\n", "policy:2: no such verb; did you mean site.restart: site.restrat"},
        {"permit operator *\n", "policy:1: a line begins with allow or deny, not with permit"},
        {"allow root *\n", "policy:1: the role is viewer or operator, not root"},
        {"allow operator\n", "policy:1: expected: allow|deny ROLE"},
        {"allow operator * at blog\n", "policy:1: expected `on` before the sites, not at"},
        {"deny operator logs.tail on blog\n", "policy:1: this verb is about no site"},
        {"deny operator site.stop,,site.start\n", "policy:1: an empty verb in the list"},
        {"allow operator * on a b c d e f g h\n", "policy:1: too many words"},
        {"allow operator *\n\x1b[2Jdeny x\n", "policy:2: "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct policy *policy = parse(bad[i].text);
        assert_non_null(policy_error(policy));
        assert_non_null(strstr(policy_error(policy), bad[i].message));
        assert_null(strchr(policy_error(policy), '\x1b'));
        assert_false(allows(policy, OPERATOR, "inventory", NULL));
        assert_false(allows(policy, OPERATOR, "site.stop", "blog"));
        assert_true(allows(policy, VIEWER, "subscribe", NULL));
        assert_true(allows(policy, VIEWER, "hello", NULL));
        policy_free(policy);
    }
    struct policy *binary = policy_parse("policy", "allow\0operator", 14);
    assert_non_null(policy_error(binary));
    policy_free(binary);
}

static void test_a_file_others_can_write_is_refused(void **state)
{
    (void)state;
    struct tree tree;
    char path[TREE_PATH_SIZE], directory[TREE_PATH_SIZE];
    tree_make(&tree);
    tree_write(&tree, "/etc/policy", "deny operator site.stop\n");
    tree_path(&tree, path, "/etc/policy");
    tree_path(&tree, directory, "/etc");
    static const struct {
        mode_t file, directory;
        bool good;
    } modes[] = {{0644, 0755, true}, {0600, 0700, true}, {0664, 0755, false}, {0646, 0755, false}, {0644, 0777, false},
        {0644, 0775, false}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i].file), 0);
        assert_int_equal(chmod(directory, modes[i].directory), 0);
        struct policy *policy = policy_load(path);
        assert_int_equal(policy_error(policy) == NULL, modes[i].good);
        assert_int_equal(allows(policy, OPERATOR, "site.start", "blog"), modes[i].good);
        policy_free(policy);
    }
    if (geteuid() == 0) {
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(chown(path, 65534, 65534), 0);
        struct policy *policy = policy_load(path);
        assert_non_null(policy_error(policy));
        policy_free(policy);
    }
    tree_remove(&tree);
}

static void test_a_missing_file_is_the_default_and_a_changed_one_is_read_again(void **state)
{
    (void)state;
    struct tree tree;
    char path[TREE_PATH_SIZE];
    tree_make(&tree);
    tree_path(&tree, path, "/policy");
    struct policy *policy = policy_load(path);
    assert_null(policy_error(policy));
    assert_true(allows(policy, OPERATOR, "site.stop", "blog"));
    tree_write(&tree, "/policy", "deny operator site.stop\n");
    policy_refresh(&policy, path);
    assert_false(allows(policy, OPERATOR, "site.stop", "blog"));
    const struct policy *same = policy;
    policy_refresh(&policy, path);
    assert_ptr_equal(policy, same);
    unlink(path);
    policy_refresh(&policy, path);
    assert_true(allows(policy, OPERATOR, "site.stop", "blog"));
    policy_free(policy);
    tree_remove(&tree);
}

static void test_a_huge_file_or_a_directory_is_refused(void **state)
{
    (void)state;
    struct tree tree;
    char path[TREE_PATH_SIZE];
    tree_make(&tree);
    char *huge = xmalloc(70001);
    memset(huge, '\n', 70000);
    huge[70000] = '\0';
    tree_write(&tree, "/policy", huge);
    struct policy *policy = policy_load(tree_path(&tree, path, "/policy"));
    assert_non_null(policy_error(policy));
    policy_free(policy);
    policy = policy_load(tree.root);
    assert_non_null(policy_error(policy));
    policy_free(policy);
    free(huge);
    tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_lines_viewers_read_and_operators_do_all),
        cmocka_unit_test(test_the_last_line_that_matches_decides),
        cmocka_unit_test(test_nothing_lets_a_viewer_change_the_host),
        cmocka_unit_test(test_errors_name_the_line_and_leave_nothing_allowed),
        cmocka_unit_test(test_a_file_others_can_write_is_refused),
        cmocka_unit_test(test_a_missing_file_is_the_default_and_a_changed_one_is_read_again),
        cmocka_unit_test(test_a_huge_file_or_a_directory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
