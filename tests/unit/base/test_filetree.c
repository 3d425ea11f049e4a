/* Trees of files: no name and no link leads out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/filetree.h"
#include "base/mem.h"

static char root[64];
static int tree, above;
static struct err_info info;

static int make(void **state)
{
    (void)state;
    str_copy(root, sizeof root, "/tmp/dogwatch-filetree-XXXXXX");
    assert_non_null(mkdtemp(root));
    above = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tree = filetree_make_dir(above, "tree");
    assert_true(tree >= 0);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    close(tree);
    assert_int_equal(filetree_empty(above, &info), ERR_OK);
    close(above);
    return rmdir(root);
}

static void write_file(int fd, const char *name, const char *text)
{
    int file = filetree_make_file(fd, name);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static void test_names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a/.", "a\nb", "a\\b",
        "\xc3\xa4", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL};
    for (size_t i = 0; bad[i]; i++)
        if (filetree_name_is_valid(bad[i]))
            fail_msg("%s is taken for a name", bad[i]);
    assert_false(filetree_name_is_valid(NULL));
    assert_true(filetree_name_is_valid("processes/podman-a.org/12/environ"));
    assert_true(filetree_name_is_valid("..a/.b"));
}

static void test_files_and_directories_are_made_for_us_alone(void **state)
{
    (void)state;
    struct stat seen;
    write_file(tree, "a/b/c", "old");
    write_file(tree, "a/b/c", "new!");
    assert_int_equal(fstatat(tree, "a/b/c", &seen, 0), 0);
    assert_int_equal(seen.st_size, 4);
    assert_int_equal(seen.st_mode & 0777, 0600);
    assert_int_equal(fstatat(tree, "a/b", &seen, 0), 0);
    assert_int_equal(seen.st_mode & 0777, 0700);
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    write_file(above, "outside/file", "keep me");
    assert_int_equal(symlinkat("../outside", tree, "link"), 0);
    assert_int_equal(symlinkat("../outside/file", tree, "file"), 0);
    assert_int_equal(filetree_make_file(tree, "link/new"), -1);
    assert_int_equal(filetree_make_dir(tree, "link/new"), -1);
    assert_int_equal(filetree_open_file(tree, "file"), -1);
    assert_int_equal(errno, ELOOP);
    write_file(tree, "file", "ours"); /* replaces the link, not what it points to */
    assert_int_equal(filetree_remove(tree, "link", &info), ERR_OK);
    int file = filetree_open_file(above, "outside/file");
    char text[16] = "";
    assert_int_equal(read(file, text, sizeof text - 1), 7);
    assert_string_equal(text, "keep me");
    close(file);
}

static void test_a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(mkfifoat(tree, "pipe", 0600), 0);
    assert_int_equal(filetree_open_file(tree, "pipe"), -1);
    assert_int_equal(errno, ENOTSUP);
}

static void test_the_list_is_sorted_and_names_what_is_odd(void **state)
{
    (void)state;
    struct filetree_names files, odd;
    write_file(tree, "b", "");
    write_file(tree, "a/z", "");
    write_file(tree, "a/b/c", "");
    assert_int_equal(symlinkat("/etc", tree, "a/link"), 0);
    assert_int_equal(filetree_list(tree, 10, &files, &odd, &info), ERR_OK);
    assert_int_equal(files.count, 3);
    assert_string_equal(files.items[0], "a/b/c");
    assert_string_equal(files.items[1], "a/z");
    assert_string_equal(files.items[2], "b");
    assert_int_equal(odd.count, 1);
    assert_string_equal(odd.items[0], "a/link");
    filetree_names_free(&files);
    filetree_names_free(&odd);
    assert_int_equal(filetree_list(tree, 2, &files, &odd, &info), ERR_FULL);
    filetree_names_free(&files);
    filetree_names_free(&odd);
}

static void test_removing_takes_all_of_it_and_may_be_asked_again(void **state)
{
    (void)state;
    struct stat seen;
    write_file(tree, "a/b/c", "");
    write_file(tree, "keep", "");
    assert_int_equal(filetree_remove(tree, "a", &info), ERR_OK);
    assert_int_equal(filetree_remove(tree, "a", &info), ERR_OK);
    assert_int_equal(fstatat(tree, "a", &seen, 0), -1);
    assert_int_equal(fstatat(tree, "keep", &seen, 0), 0);
    assert_int_equal(filetree_empty(tree, &info), ERR_OK);
    assert_int_equal(filetree_empty(tree, &info), ERR_OK);
    assert_int_equal(fstatat(tree, "keep", &seen, 0), -1);
}

static bool give_up(void *context, size_t length)
{
    (void)context, (void)length;
    return false;
}

/* FIPS 180-4's example. */
static void test_sums_are_those_of_sha256(void **state)
{
    (void)state;
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char sum[DIGEST_TEXT_SIZE];
    int64_t bytes;
    digest_of("abc", 3, sum);
    assert_string_equal(sum, abc);
    write_file(tree, "abc", "abc");
    int file = filetree_open_file(tree, "abc");
    assert_int_equal(digest_file(file, NULL, NULL, sum, &bytes, &info), ERR_OK);
    assert_string_equal(sum, abc);
    assert_int_equal(bytes, 3);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(digest_file(file, give_up, NULL, sum, &bytes, &info), ERR_CANCELLED);
    assert_string_equal(sum, "");
    close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_that_lead_elsewhere_are_refused),
        TEST(test_files_and_directories_are_made_for_us_alone),
        TEST(test_links_are_not_followed),
        TEST(test_a_pipe_is_not_waited_for),
        TEST(test_the_list_is_sorted_and_names_what_is_odd),
        TEST(test_removing_takes_all_of_it_and_may_be_asked_again),
        TEST(test_sums_are_those_of_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
