/* Measuring volumes: what is counted, where the walk does not go, and how rarely it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "host/volumes/volumes.h"
#include "host/volumes/walk.h"
#include "tests/unit/host/tree.h"

static struct tree tree;

static int fresh_tree(void **state)
{
    (void)state;
    tree_make(&tree);
    tree_dir(&tree, "/v");
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static struct walk_result measure(const char *path)
{
    struct walk_result result;
    char full[TREE_PATH_SIZE];
    assert_int_equal(walk_measure(tree_path(&tree, full, path), NULL, NULL, &result, NULL), ERR_OK);
    return result;
}

static void write_bytes(const char *path, size_t bytes)
{
    char *text = xmalloc(bytes + 1);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    tree_write(&tree, path, text);
    free(text);
}

static int64_t blocks_of(const char *path)
{
    struct stat seen;
    char full[TREE_PATH_SIZE];
    assert_int_equal(lstat(tree_path(&tree, full, path), &seen), 0);
    return seen.st_blocks * 512;
}

static void test_files_and_directories_are_summed(void **state)
{
    (void)state;
    write_bytes("/v/a", 100000);
    write_bytes("/v/deep/er/b", 50000);
    struct walk_result result = measure("/v");
    assert_int_equal(result.files, 2);
    assert_int_equal(result.used_bytes, blocks_of("/v") + blocks_of("/v/deep") + blocks_of("/v/deep/er") +
                                            blocks_of("/v/a") + blocks_of("/v/deep/er/b"));
    assert_true(result.used_bytes > 150000);
}

static void test_a_file_with_many_names_is_counted_once(void **state)
{
    (void)state;
    char from[TREE_PATH_SIZE], to[TREE_PATH_SIZE];
    write_bytes("/v/f0", 4000);
    for (int i = 1; i < 600; i++) { /* more inodes than the set begins with */
        char name[32];
        str_format(name, sizeof name, "/v/f%d", i);
        tree_write(&tree, name, "");
        str_format(to, sizeof to, "%s%s.again", tree.root, name);
        assert_int_equal(link(tree_path(&tree, from, name), to), 0);
    }
    str_format(to, sizeof to, "%s/v/f0.again", tree.root);
    assert_int_equal(link(tree_path(&tree, from, "/v/f0"), to), 0);
    struct walk_result result = measure("/v");
    assert_int_equal(result.files, 600);
    assert_int_equal(result.used_bytes, blocks_of("/v") + blocks_of("/v/f0"));
}

static void test_links_lead_nowhere(void **state)
{
    (void)state;
    char to[TREE_PATH_SIZE], name[TREE_PATH_SIZE];
    write_bytes("/outside/big", 1000000);
    assert_int_equal(symlink(tree_path(&tree, to, "/outside"), tree_path(&tree, name, "/v/dir")), 0);
    assert_int_equal(symlink(tree_path(&tree, to, "/v"), tree_path(&tree, name, "/v/loop")), 0);
    struct walk_result result = measure("/v");
    assert_int_equal(result.files, 2);
    assert_true(result.used_bytes < 100000);
}

static void test_one_file_is_a_volume_of_one_file(void **state)
{
    (void)state;
    write_bytes("/v/config", 10000);
    struct walk_result result = measure("/v/config");
    assert_int_equal(result.files, 1);
    assert_int_equal(result.used_bytes, blocks_of("/v/config"));
}

static void test_endless_depth_is_cut(void **state)
{
    (void)state;
    char full[TREE_PATH_SIZE];
    int here = open(tree_path(&tree, full, "/v"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mkdirat(here, "d", 0755), 0);
        int below = openat(here, "d", O_RDONLY | O_DIRECTORY);
        close(here);
        here = below;
        int file = openat(here, "f", O_CREAT | O_WRONLY, 0644);
        assert_true(file >= 0);
        close(file);
    }
    close(here);
    assert_in_range(measure("/v").files, 90, 110);
}

static void test_a_missing_directory_is_an_error(void **state)
{
    (void)state;
    struct walk_result result;
    struct err_info info;
    char full[TREE_PATH_SIZE];
    assert_int_equal(walk_measure(tree_path(&tree, full, "/gone"), NULL, NULL, &result, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "/gone"));
}

struct rests {
    int count, most;
};

static bool count_rest(int64_t busy_us, void *context)
{
    struct rests *rests = context;
    assert_true(busy_us >= 0);
    return ++rests->count < rests->most;
}

static void test_the_walk_rests_between_steps_and_can_be_given_up(void **state)
{
    (void)state;
    struct walk_result result;
    struct rests all = {.most = 1000}, few = {.most = 2};
    char full[TREE_PATH_SIZE];
    for (int i = 0; i < 4500; i++) {
        str_format(full, sizeof full, "%s/v/file%d", tree.root, i);
        int fd = open(full, O_CREAT | O_WRONLY, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
    tree_path(&tree, full, "/v");
    assert_int_equal(walk_measure(full, count_rest, &all, &result, NULL), ERR_OK);
    assert_true(all.count >= 3);
    assert_int_equal(result.files, 4500);
    assert_int_equal(walk_measure(full, count_rest, &few, &result, NULL), ERR_CANCELLED);
    assert_int_equal(few.count, 2);
}

static void test_the_period_keeps_measuring_cheap(void **state)
{
    (void)state;
    assert_int_equal(volumes_period_us(100, 10), 60 * USEC_PER_SEC);
    assert_int_equal(volumes_period_us(50 * USEC_PER_MSEC, 1), 100 * USEC_PER_SEC);
    assert_int_equal(volumes_period_us(50 * USEC_PER_MSEC, 10), 1000 * USEC_PER_SEC);
    assert_int_equal(volumes_period_us(USEC_PER_SEC, 50), 3600 * USEC_PER_SEC);
    assert_int_equal(volumes_period_us(INT64_MAX / 2, 50), 3600 * USEC_PER_SEC);
    assert_int_equal(volumes_period_us(0, 0), 60 * USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_and_directories_are_summed, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_file_with_many_names_is_counted_once, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_links_lead_nowhere, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_one_file_is_a_volume_of_one_file, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_endless_depth_is_cut, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_missing_directory_is_an_error, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_the_walk_rests_between_steps_and_can_be_given_up, fresh_tree, remove_tree),
        cmocka_unit_test(test_the_period_keeps_measuring_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
