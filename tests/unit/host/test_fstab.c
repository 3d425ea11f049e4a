/* The administrator's /etc/fstab: only the one option changes, whatever else is in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/path.h"
#include "host/storage/fstab.h"
#include "tests/unit/host/tree.h"

#define POINT "/srv/a.org"

static struct tree tree;

static int make_host(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    return 0;
}

static int remove_host(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void assert_rewritten_bytes(const char *text, size_t length, bool at_boot, const char *expected, size_t wanted)
{
    struct buf in = BUF(8u << 20), out = BUF(8u << 20);
    buf_append(&in, text, length);
    assert_int_equal(fstab_rewrite(&in, POINT, at_boot, &out), ERR_OK);
    if (out.length != wanted || memcmp(buf_text(&out), expected, wanted) != 0)
        fail_msg("\"%s\" became \"%s\"", text, buf_text(&out));
    buf_free(&in);
    buf_free(&out);
}

static void assert_rewritten(const char *text, bool at_boot, const char *expected)
{
    assert_rewritten_bytes(text, strlen(text), at_boot, expected, strlen(expected));
}

/* `off` is the same row with the option, `on` without it, both ways. */
static void assert_both_ways(const char *off, const char *on)
{
    assert_rewritten(off, true, on);
    assert_rewritten(on, false, off);
    assert_rewritten(on, true, on);
    assert_rewritten(off, false, off);
}

static void the_option_goes_and_comes_back(void **state)
{
    (void)state;
    assert_both_ways("nas:/a " POINT " nfs rw,noauto 0 0\n", "nas:/a " POINT " nfs rw 0 0\n");
    assert_both_ways("nas:/a " POINT " nfs defaults,noauto 0 0\n", "nas:/a " POINT " nfs defaults 0 0\n");
    assert_rewritten("nas:/a " POINT " nfs noauto 0 0\n", true, "nas:/a " POINT " nfs defaults 0 0\n");
    assert_rewritten("nas:/a " POINT " nfs noauto,noauto 0 0\n", true, "nas:/a " POINT " nfs defaults 0 0\n");
    assert_rewritten("nas:/a " POINT " nfs noauto,rw,_netdev 0 0\n", true, "nas:/a " POINT " nfs rw,_netdev 0 0\n");
}

static void every_other_byte_stays(void **state)
{
    (void)state;
    assert_both_ways("# nas:/a " POINT " nfs rw,noauto 0 0\n\n \t# x\n\t /dev/sda1\t/   ext4 \t rw  0\t1  \n"
                     "nas:/a\t\t" POINT
                     "  nfs \t rw,noauto\t0   0\t# mine \n\xff\xfe garbage\nproc /proc proc noauto\n",
        "# nas:/a " POINT " nfs rw,noauto 0 0\n\n \t# x\n\t /dev/sda1\t/   ext4 \t rw  0\t1  \n"
        "nas:/a\t\t" POINT "  nfs \t rw\t0   0\t# mine \n\xff\xfe garbage\nproc /proc proc noauto\n");
    assert_both_ways("nas:/a " POINT " nfs rw,noauto", "nas:/a " POINT " nfs rw"); /* no newline at the end */
    assert_both_ways("\r\nnas:/a " POINT " nfs rw,noauto\r\nx /y z\r\n", "\r\nnas:/a " POINT " nfs rw\r\nx /y z\r\n");
    assert_both_ways("nas:/a " POINT " nfs rw,,nofail,noauto 0 0\n", "nas:/a " POINT " nfs rw,,nofail 0 0\n");
    assert_rewritten("", true, "");
    assert_rewritten("\n", false, "\n");
    assert_rewritten_bytes("\0\n"
                           "n " POINT " t noauto,r\0\n",
        27, true,
        "\0\n"
        "n " POINT " t r\0\n",
        20);
}

static void other_mount_points_are_not_touched(void **state)
{
    (void)state;
    static const char others[] = "nas:/a " POINT "x nfs rw,noauto 0 0\nnas:/a /srv nfs rw,noauto 0 0\n"
                                 "nas:/a " POINT "/b nfs noauto 0 0\nnas:/a /srv/a.or\\147x nfs noauto 0 0\n"
                                 "nas:/a " POINT "\n" POINT " /x nfs noauto\nLABEL=s none swap noauto 0 0\n"
                                 "nas:/a /srv/a.org\\000 nfs noauto 0 0\n";
    assert_rewritten(others, true, others);
    assert_rewritten(others, false, others);
}

static void the_mount_point_may_be_escaped_or_end_in_a_slash(void **state)
{
    (void)state;
    assert_both_ways("nas:/a /srv/a\\056or\\147 nfs rw,noauto 0 0\n", "nas:/a /srv/a\\056or\\147 nfs rw 0 0\n");
    assert_both_ways("nas:/a " POINT "// nfs rw,noauto 0 0\n", "nas:/a " POINT "// nfs rw 0 0\n");
}

static void words_that_only_look_like_it_stay(void **state)
{
    (void)state;
    static const char row[] = "nas:/a " POINT " fuse xnoauto,noautox,noauto=1,context=\"u,noauto,v\",NOAUTO 0 0\n";
    assert_rewritten(row, true, row);
    assert_both_ways("nas:/a " POINT " fuse context=\"u,noauto,v\",noauto 0 0\n",
        "nas:/a " POINT " fuse context=\"u,noauto,v\" 0 0\n");
}

static void a_row_without_options_gets_them(void **state)
{
    (void)state;
    assert_rewritten("nas:/a " POINT " nfs\n", false, "nas:/a " POINT " nfs noauto\n");
    assert_rewritten("nas:/a " POINT " nfs  \r\n", false, "nas:/a " POINT " nfs noauto  \r\n");
    assert_rewritten("nas:/a " POINT " nfs", true, "nas:/a " POINT " nfs");
}

static void of_auto_and_noauto_the_last_one_counts(void **state)
{
    (void)state;
    assert_both_ways("nas:/a " POINT " nfs auto,rw,noauto 0 0\n", "nas:/a " POINT " nfs auto,rw 0 0\n");
    assert_rewritten("n " POINT " nfs noauto,auto 0 0\n", true, "n " POINT " nfs auto 0 0\n"); /* old tools skip it */
    assert_rewritten("n " POINT " nfs noauto,auto 0 0\n", false, "n " POINT " nfs noauto,auto,noauto 0 0\n");
}

static void what_systemd_mounts_on_access_or_with_a_unit_stays(void **state)
{
    (void)state;
    static const char *const options[] = {"noauto,x-systemd.automount", "x-systemd.automount,nofail",
        "comment=systemd.automount,noauto", "noauto,x-systemd.wanted-by=docker.service",
        "x-systemd.required-by=a.service"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char row[200];
        str_format(row, sizeof row, "nas:/a " POINT " nfs %s 0 0\n", options[i]);
        assert_rewritten(row, true, row);
        assert_rewritten(row, false, row);
        tree_write(&tree, "/etc/fstab", row);
        assert_int_equal(fstab_when(POINT), i < 3 ? FSTAB_ON_ACCESS : FSTAB_WITH_UNIT);
    }
    assert_both_ways("n " POINT " nfs x-systemd.after=x.service,nofail,noauto 0 0\n",
        "n " POINT " nfs x-systemd.after=x.service,nofail 0 0\n");
}

/* mount(8) takes the first; `mount -a` takes all of them, one over the other. */
static void of_two_rows_the_one_that_is_mounted_is_made_automatic(void **state)
{
    (void)state;
    assert_rewritten("one " POINT " nfs rw,noauto 0 0\ntwo " POINT " nfs ro,noauto 0 0\n", true,
        "one " POINT " nfs rw 0 0\ntwo " POINT " nfs ro,noauto 0 0\n");
    assert_rewritten("one " POINT " nfs rw 0 0\ntwo " POINT " nfs ro 0 0\n", false,
        "one " POINT " nfs rw,noauto 0 0\ntwo " POINT " nfs ro,noauto 0 0\n");
    assert_both_ways("/d " POINT " none bind,noauto 0 0\n/d " POINT " none remount,bind,ro,noauto 0 0\n",
        "/d " POINT " none bind 0 0\n/d " POINT " none remount,bind,ro 0 0\n");
}

static void a_long_file_is_changed_in_one_place(void **state)
{
    (void)state;
    struct buf before = BUF(4u << 20), after = BUF(4u << 20);
    for (int i = 0; before.length < (1u << 20); i++) {
        bool own = i == 9000;
        buf_printf(&before, own ? "n " POINT " t noauto 0 0\n" : "nas:/%d /srv/%d nfs rw,noauto 0 0\n", i, i);
        buf_printf(&after, own ? "n " POINT " t defaults 0 0\n" : "nas:/%d /srv/%d nfs rw,noauto 0 0\n", i, i);
    }
    assert_rewritten_bytes(buf_text(&before), before.length, true, buf_text(&after), after.length);
    buf_free(&before);
    buf_free(&after);
}

static void assert_file(const char *expected)
{
    char path[TREE_PATH_SIZE];
    struct buf text = BUF(4096);
    assert_int_equal(buf_read_file(&text, tree_path(&tree, path, "/etc/fstab"), NULL), ERR_OK);
    assert_string_equal(buf_text(&text), expected);
    buf_free(&text);
}

static void the_file_is_replaced_only_where_something_changes(void **state)
{
    (void)state;
    struct stat before, same, changed;
    char path[TREE_PATH_SIZE];
    tree_write(&tree, "/etc/fstab", "n " POINT " nfs noauto 0 0\n");
    assert_int_equal(chmod(tree_path(&tree, path, "/etc/fstab"), 0640), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(fstab_when(POINT), FSTAB_BY_HAND);
    assert_int_equal(fstab_set_boot(POINT, false, NULL), ERR_OK);
    assert_int_equal(stat(path, &same), 0);
    assert_int_equal(before.st_ino, same.st_ino);
    assert_int_equal(fstab_set_boot(POINT, true, NULL), ERR_OK);
    assert_int_equal(stat(path, &changed), 0);
    assert_int_equal(changed.st_mode, before.st_mode);
    assert_file("n " POINT " nfs defaults 0 0\n");
    assert_int_equal(fstab_when(POINT), FSTAB_AT_BOOT);
}

static void a_mount_point_that_is_not_named_is_refused(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(fstab_set_boot(POINT, true, &info), ERR_NOT_FOUND); /* no file at all */
    tree_write(&tree, "/etc/fstab", "# " POINT "\n");
    assert_int_equal(fstab_set_boot(POINT, true, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, POINT));
    assert_int_equal(fstab_when(POINT), FSTAB_NEVER);
}

static void systemd_is_told_where_it_runs(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    struct err_info info;
    tree_write(&tree, "/etc/fstab", "n " POINT " nfs noauto 0 0\n");
    tree_script(&tree, "/usr/bin/systemctl", "#!/bin/sh\necho \"$*\" >>\"${0%/usr/bin/*}/told\"\n");
    assert_int_equal(fstab_set_boot(POINT, true, NULL), ERR_OK);
    assert_int_not_equal(access(tree_path(&tree, path, "/told"), F_OK), 0);
    tree_dir(&tree, "/run/systemd/system");
    assert_int_equal(fstab_set_boot(POINT, false, NULL), ERR_OK);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fstab_set_boot(POINT, false, NULL), ERR_OK); /* nothing changed */
    assert_int_not_equal(access(path, F_OK), 0);
    tree_script(&tree, "/usr/bin/systemctl", "#!/bin/sh\necho 'no \033[1mbus' >&2; exit 1\n");
    assert_int_equal(fstab_set_boot(POINT, true, &info), ERR_FAILED);
    assert_non_null(strstr(info.message, "daemon-reload"));
    assert_null(strchr(info.message, '\033'));
}

static void what_would_stop_a_boot_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *type_and_options;
        bool stops;
    } rows[] = {{"ext4 rw", true}, {"none bind", true}, {"fuse.mergefs", true}, {"ext4 rw,nofail", false},
        {"ext4 _netdev,rw", false}, {"nfs4 rw", false}, {"fuse.sshfs rw", false}, {"ext4 noauto", false},
        {"ext4 x-systemd.automount", false}};
    for (int systemd = 0; systemd < 2; systemd++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char text[200];
            str_format(text, sizeof text, "# x\n/dev/a " POINT "\t%s\n", rows[i].type_and_options);
            tree_write(&tree, "/etc/fstab", text);
            assert_int_equal(fstab_stops_boot(POINT), systemd && rows[i].stops);
        }
        tree_dir(&tree, "/run/systemd/system");
    }
    assert_false(fstab_stops_boot("/srv/b.org"));
}

static void the_nearest_mount_point_above_a_directory_is_found(void **state)
{
    (void)state;
    char point[HOST_PATH_SIZE];
    tree_write(&tree, "/etc/fstab",
        "/dev/a / ext4 rw 0 1\n/dev/b /srv ext4 rw 0 0\nn /srv/a\\040b nfs noauto 0 0\nn /srv/a nfs rw 0 0\n");
    assert_int_equal(fstab_find_above("/srv/a b/data", point), FSTAB_BY_HAND);
    assert_string_equal(point, "/srv/a b");
    assert_int_equal(fstab_find_above("/srv/a", point), FSTAB_AT_BOOT);
    assert_string_equal(point, "/srv/a");
    assert_int_equal(fstab_find_above("/srv/ab", point), FSTAB_AT_BOOT);
    assert_string_equal(point, "/srv");
    assert_int_equal(fstab_find_above("/var/lib", point), FSTAB_NEVER); /* the root is always there */
    assert_string_equal(point, "");
}

static void its_mount_points_are_told_once_each(void **state)
{
    (void)state;
    tree_write(&tree, "/etc/fstab",
        "a / ext4 rw 0 1\nb /srv/a\\040b nfs ro\nc none swap\nb /srv/a\\040b/ nfs rw\n"
        "d /srv/\xff nfs rw\n#e /srv/e nfs rw\nf /srv/f nfs");
    json_t *points = fstab_points();
    assert_int_equal(json_array_size(points), 2);
    assert_string_equal(json_string_value(json_array_get(points, 0)), "/srv/a b");
    assert_string_equal(json_string_value(json_array_get(points, 1)), "/srv/f");
    json_decref(points);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_host, remove_host)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_option_goes_and_comes_back),
        TEST(every_other_byte_stays),
        TEST(other_mount_points_are_not_touched),
        TEST(the_mount_point_may_be_escaped_or_end_in_a_slash),
        TEST(words_that_only_look_like_it_stay),
        TEST(a_row_without_options_gets_them),
        TEST(of_auto_and_noauto_the_last_one_counts),
        TEST(what_systemd_mounts_on_access_or_with_a_unit_stays),
        TEST(of_two_rows_the_one_that_is_mounted_is_made_automatic),
        TEST(a_long_file_is_changed_in_one_place),
        TEST(the_file_is_replaced_only_where_something_changes),
        TEST(a_mount_point_that_is_not_named_is_refused),
        TEST(systemd_is_told_where_it_runs),
        TEST(what_would_stop_a_boot_is_known),
        TEST(its_mount_points_are_told_once_each),
        TEST(the_nearest_mount_point_above_a_directory_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
