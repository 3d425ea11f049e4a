/* base/paths: where things are, and files that are whole or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/paths.h"

static char root[64]; /* a fresh directory for each test */

static int make_root(void **state)
{
    (void)state;
    memcpy(root, "/tmp/dogwatch-test-paths-XXXXXX", sizeof "/tmp/dogwatch-test-paths-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_STATE_HOME");
    return setenv("HOME", root, 1);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path below root, in one of four rotating buffers. */
static const char *below(const char *name)
{
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    str_format(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void assert_path(char *path, const char *expected)
{
    assert_string_equal(path, expected);
    free(path);
}

static int count_entries(const char *directory)
{
    int count = 0;
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count - 2; /* "." and ".." */
}

static void given_directory_is_made_absolute(void **state)
{
    (void)state;
    assert_path(paths_fleet_dir("/nonexistent/fleet"), "/nonexistent/fleet");
    assert_path(paths_state_dir("/tmp/../tmp"), "/tmp");
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    char *expected = paths_join(here, "nonexistent-fleet");
    assert_path(paths_fleet_dir("nonexistent-fleet"), expected);
    free(expected);
}

static void personal_directories_follow_xdg_and_home(void **state)
{
    (void)state;
    /* An own fleet.yaml and an own state directory win over the system's. */
    assert_int_equal(paths_make_dir(below(".config/dogwatch"), NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below(".config/dogwatch/fleet.yaml"), "", 0, 0600, NULL), ERR_OK);
    assert_int_equal(paths_make_dir(below(".local/state/dogwatch"), NULL), ERR_OK);
    assert_path(paths_fleet_dir(NULL), below(".config/dogwatch"));
    assert_path(paths_state_dir(NULL), below(".local/state/dogwatch"));

    assert_int_equal(paths_make_dir(below("xdg/dogwatch"), NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below("xdg/dogwatch/fleet.yaml"), "", 0, 0600, NULL), ERR_OK);
    setenv("XDG_CONFIG_HOME", below("xdg"), 1);
    setenv("XDG_STATE_HOME", below("xdg"), 1);
    assert_path(paths_fleet_dir(NULL), below("xdg/dogwatch"));
    assert_path(paths_state_dir(NULL), below("xdg/dogwatch"));

    setenv("XDG_CONFIG_HOME", "relative", 1); /* to be ignored, says the specification */
    assert_path(paths_fleet_dir(NULL), below(".config/dogwatch"));
}

static void without_home_the_system_directories_are_used(void **state)
{
    (void)state;
    unsetenv("HOME");
    assert_path(paths_fleet_dir(NULL), "/etc/dogwatch");
    assert_path(paths_state_dir(NULL), "/var/lib/dogwatch");
}

static void join_puts_one_slash(void **state)
{
    (void)state;
    assert_path(paths_join("/a", "b"), "/a/b");
    assert_path(paths_join("/a/", "b"), "/a/b");
    assert_path(paths_join("/", "b"), "/b");
    assert_path(paths_join("", "b"), "b");
}

static void directories_are_made_private_with_their_parents(void **state)
{
    (void)state;
    struct stat status;
    mode_t saved = umask(0);
    assert_int_equal(paths_make_dir(below("a/b//c/"), NULL), ERR_OK);
    umask(saved);
    assert_int_equal(stat(below("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(below("a"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(paths_make_dir(below("a/b/c"), NULL), ERR_OK); /* again is fine */
}

static void file_in_the_way_of_a_directory_is_named(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(paths_write_atomic(below("file"), "x", 1, 0600, NULL), ERR_OK);
    assert_int_equal(paths_make_dir(below("file"), &info), ERR_EXISTS);
    assert_non_null(strstr(info.message, below("file")));
    assert_int_equal(paths_make_dir(below("file/sub"), &info), ERR_EXISTS);
    assert_int_equal(paths_make_dir("", &info), ERR_INVALID);
    assert_int_equal(paths_make_dir("/proc/dogwatch", &info), ERR_NOT_FOUND); /* the kernel's answer */
}

static void written_file_has_content_and_mode_whatever_the_umask(void **state)
{
    (void)state;
    struct stat status;
    struct buf buf = BUF(100);
    mode_t saved = umask(077);
    assert_int_equal(paths_write_atomic(below("file"), "a\0b", 3, 0644, NULL), ERR_OK);
    umask(saved);
    assert_int_equal(buf_read_file(&buf, below("file"), NULL), ERR_OK);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "a\0b", 3);
    assert_int_equal(stat(below("file"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    buf_free(&buf);
}

static void replacing_leaves_nothing_beside_the_file(void **state)
{
    (void)state;
    struct buf buf = BUF(100);
    assert_int_equal(paths_write_atomic(below("file"), "the old content", 15, 0600, NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below("file"), "new", 3, 0600, NULL), ERR_OK);
    assert_int_equal(buf_read_file(&buf, below("file"), NULL), ERR_OK);
    assert_string_equal(buf_text(&buf), "new");
    assert_int_equal(count_entries(root), 1);
    buf_free(&buf);
}

static void failed_write_names_the_file_and_leaves_nothing(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(paths_write_atomic(below("no/file"), "x", 1, 0600, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, below("no/file")));
    assert_int_equal(paths_make_dir(below("taken"), NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below("taken"), "x", 1, 0600, &info), ERR_IO); /* a directory */
    assert_int_equal(count_entries(root), 1);
    assert_int_equal(paths_write_atomic("/proc/file", "x", 1, 0600, &info), ERR_NOT_FOUND);
}

static void unwritable_directory_is_denied_and_the_old_file_stays(void **state)
{
    (void)state;
    struct err_info info;
    struct buf buf = BUF(100);
    assert_int_equal(paths_make_dir(below("sealed"), NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below("sealed/file"), "old", 3, 0600, NULL), ERR_OK);
    assert_int_equal(chmod(below("sealed"), 0500), 0);
    if (geteuid() == 0 && (chown(root, 65534, 65534) || chown(below("sealed"), 65534, 65534) ||
                              chown(below("sealed/file"), 65534, 65534) || seteuid(65534)))
        fail_msg("cannot become nobody: %d", errno);
    enum err result = paths_write_atomic(below("sealed/file"), "new", 3, 0600, &info);
    enum err made = paths_make_dir(below("sealed/sub"), NULL);
    assert_int_equal(buf_read_file(&buf, below("sealed/file"), NULL), ERR_OK);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(below("sealed"), 0700), 0);
    assert_int_equal(result, ERR_DENIED);
    assert_int_equal(made, ERR_DENIED);
    assert_string_equal(buf_text(&buf), "old");
    assert_int_equal(count_entries(below("sealed")), 1);
    buf_free(&buf);
}

static void a_replaced_file_keeps_owner_mode_attributes_and_the_link_to_it(void **state)
{
    (void)state;
    struct stat before, after, link;
    struct buf buf = BUF(100);
    char value[8] = "";
    assert_int_equal(paths_make_dir(below("real"), NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below("real/file"), "old", 3, 0640, NULL), ERR_OK);
    assert_int_equal(symlink("real/file", below("link")), 0);
    bool owned = geteuid() != 0 || chown(below("real/file"), 12, 34) == 0;
    bool attributes = setxattr(below("real/file"), "user.note", "kept", 4, 0) == 0; /* not on every file system */
    assert_true(owned);
    assert_int_equal(stat(below("link"), &before), 0);
    assert_int_equal(paths_replace(below("link"), "a\0b", 3, NULL), ERR_OK);
    assert_int_equal(lstat(below("link"), &link), 0);
    assert_true(S_ISLNK(link.st_mode));
    assert_int_equal(stat(below("real/file"), &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    if (attributes)
        assert_int_equal(getxattr(below("real/file"), "user.note", value, sizeof value), 4);
    assert_int_equal(buf_read_file(&buf, below("link"), NULL), ERR_OK);
    assert_memory_equal(buf.data, "a\0b", 3);
    assert_int_equal(count_entries(below("real")), 1);
    buf_free(&buf);
}

static void what_is_not_there_is_not_replaced(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(paths_replace(below("none"), "x", 1, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, below("none")));
    assert_int_equal(symlink("nowhere", below("dangling")), 0);
    assert_int_equal(paths_replace(below("dangling"), "x", 1, NULL), ERR_NOT_FOUND);
    assert_int_equal(count_entries(root), 1);
}

static void only_a_directory_that_can_be_read_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(paths_count_entries(root, 9), 0);
    assert_int_equal(paths_write_atomic(below("a"), "", 0, 0600, NULL), ERR_OK);
    assert_int_equal(paths_write_atomic(below(".b"), "", 0, 0600, NULL), ERR_OK);
    assert_int_equal(paths_count_entries(root, 9), 2);
    assert_int_equal(paths_count_entries(root, 1), 1);
    assert_int_equal(paths_count_entries(below("a"), 9), -1);
    assert_int_equal(paths_count_entries(below("none"), 9), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(given_directory_is_made_absolute, make_root, remove_root),
        cmocka_unit_test_setup_teardown(personal_directories_follow_xdg_and_home, make_root, remove_root),
        cmocka_unit_test_setup_teardown(without_home_the_system_directories_are_used, make_root, remove_root),
        cmocka_unit_test_setup_teardown(join_puts_one_slash, make_root, remove_root),
        cmocka_unit_test_setup_teardown(only_a_directory_that_can_be_read_may_be_empty, make_root, remove_root),
        cmocka_unit_test_setup_teardown(directories_are_made_private_with_their_parents, make_root, remove_root),
        cmocka_unit_test_setup_teardown(file_in_the_way_of_a_directory_is_named, make_root, remove_root),
        cmocka_unit_test_setup_teardown(written_file_has_content_and_mode_whatever_the_umask, make_root, remove_root),
        cmocka_unit_test_setup_teardown(replacing_leaves_nothing_beside_the_file, make_root, remove_root),
        cmocka_unit_test_setup_teardown(
            a_replaced_file_keeps_owner_mode_attributes_and_the_link_to_it, make_root, remove_root),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_replaced, make_root, remove_root),
        cmocka_unit_test_setup_teardown(failed_write_names_the_file_and_leaves_nothing, make_root, remove_root),
        cmocka_unit_test_setup_teardown(unwritable_directory_is_denied_and_the_old_file_stays, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
