/* Storage that a move mounts and unmounts: on which host it is mounted at boot, and that no container of the site
 * starts where it is missing. */
#include "tests/unit/host/marked_site.h"

#include <signal.h>
#include <sys/resource.h>

#include "host/definition/made.h"

#define POINT "/srv/a.org"
#define BUNDLE "/run/bundle"
#define HOOK "/usr/share/containers/oci/hooks.d/dogwatch.json"
#define USES(source) ",\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"" source "\",\"Destination\":\"/data\",\"RW\":true}]"
#define ROW(options) "nas:/a " POINT " nfs " options " 0 0\n"
#define VOLUME ARGS(",\"runtime\":\"podman\",\"volume\":\"a.org:/data\",\"path\":\"" POINT "\"")

static const char mount_script[] = "#!/bin/sh\nroot=${0%/usr/bin/*}; echo mount $2 >>$root/mounter\n"
                                   "[ -e $root/broken ] && { echo \"mount: $2: no route to nas\" >&2; exit 32; }\n"
                                   "echo nas:/a $2 nfs rw 0 0 >>$root/proc/self/mounts\n";
static const char umount_script[] = "#!/bin/sh\nroot=${0%/usr/bin/*}; echo umount $2 >>$root/mounter\n"
                                    "sed -i \"\\\\|nas:/a $2 |{x;s/^/x/;/^x$/{x;d};x}\" $root/proc/self/mounts\n";

static int make_storage(void **state)
{
    (void)state;
    make_host("podman");
    fake_engine_add(&tree, "podman", WEB, "web", "exited|0|0", ALWAYS USES(POINT "/www"));
    fake_engine_add(&tree, "podman", APP, "app", "exited|0|0", ALWAYS);
    tree_script(&tree, "/usr/bin/mount", mount_script);
    tree_script(&tree, "/usr/bin/umount", umount_script);
    tree_write(&tree, "/proc/self/mounts", "/dev/sda1 / ext4 rw 0 0\n");
    tree_write(&tree, "/etc/fstab", ROW("noauto"));
    tree_write(&tree, BUNDLE "/config.json",
        "{\"mounts\":[{\"destination\":\"/proc\",\"source\":\"proc\"},"
        "{\"destination\":\"/data\",\"source\":\"" POINT "/www\"}]}");
    return 0;
}

static int remove_storage(void **state)
{
    (void)state;
    json_decref(answer);
    answer = NULL;
    tree_remove(&tree);
    return 0;
}

static void done(verb_handler *verb, const char *args)
{
    if (ask(verb, args) != ERR_OK)
        fail_msg("%s", info.message);
}

static void assert_file(const char *path, const char *expected)
{
    char full[TREE_PATH_SIZE];
    struct buf text = BUF(1u << 20);
    buf_read_file(&text, tree_path(&tree, full, path), NULL);
    assert_string_equal(buf_text(&text), expected);
    buf_free(&text);
}

static bool said(const char *key)
{
    bool value = false;
    assert_true(json_get_bool(answer, key, &value));
    return value;
}

static bool may_start(const char *id, const char *bundle)
{
    int ends[2];
    char *text = xasprintf("{\"ociVersion\":\"1.0\",\"id\":\"%s\",\"bundle\":\"%s\"}", id, bundle);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    int status = guard_run(ends[0]);
    close(ends[0]);
    free(text);
    return status == 0;
}

/* --- attach and detach ------------------------------------------------------------------------------------------- */

static void what_is_attached_is_mounted_at_boot_what_is_detached_is_not(void **state)
{
    (void)state;
    done(verb_volume_attach, VOLUME);
    assert_true(said("mounted") && said("at_boot"));
    assert_file("/etc/fstab", ROW("defaults"));
    done(verb_volume_attach, VOLUME); /* again is the same */
    assert_file("/mounter", "mount " POINT "\n");
    done(verb_volume_detach, VOLUME);
    assert_false(said("mounted") || said("at_boot"));
    assert_file("/etc/fstab", ROW("defaults,noauto"));
    done(verb_volume_detach, VOLUME);
    assert_file("/mounter", "mount " POINT "\numount " POINT "\n");
    assert_null(json_get_text(answer, "by_hand"));
}

static void a_detach_that_was_cut_off_still_takes_it_out_of_the_boot(void **state)
{
    (void)state;
    tree_write(&tree, "/etc/fstab", ROW("rw"));
    done(verb_volume_detach, VOLUME); /* is not mounted any more */
    assert_false(exists("/mounter"));
    assert_file("/etc/fstab", ROW("rw,noauto"));
}

static void storage_that_cannot_be_mounted_is_not_mounted_at_boot_either(void **state)
{
    (void)state;
    tree_write(&tree, "/broken", "");
    assert_int_equal(ask(verb_volume_attach, VOLUME), ERR_FAILED);
    assert_non_null(strstr(info.message, "no route to nas"));
    assert_file("/etc/fstab", ROW("noauto"));
    tree_write(&tree, "/etc/fstab", "# none\n");
    assert_int_equal(ask(verb_volume_attach, VOLUME), ERR_DENIED);
}

/* A file so long that it cannot be written again, as on a full disk. */
static void a_fstab_that_cannot_be_written_leaves_it_to_a_person(void **state)
{
    (void)state;
    struct rlimit before, small;
    struct buf text = BUF(1u << 20);
    while (text.length < 100000)
        buf_puts(&text, "# long\n");
    buf_puts(&text, ROW("noauto"));
    tree_write(&tree, "/etc/fstab", buf_text(&text));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){65536, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err result = ask(verb_volume_attach, VOLUME);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(result, ERR_OK);
    assert_true(said("mounted"));
    assert_false(said("at_boot"));
    const char *by_hand = json_get_text(answer, "by_hand");
    assert_true(by_hand && strstr(by_hand, "take noauto out of the row of " POINT) && strstr(by_hand, "too large"));
    assert_file("/etc/fstab", buf_text(&text));
    buf_free(&text);
}

static void what_systemd_mounts_with_a_unit_is_left_to_a_person(void **state)
{
    (void)state;
    tree_write(&tree, "/etc/fstab", ROW("x-systemd.wanted-by=docker.service"));
    done(verb_volume_attach, VOLUME);
    assert_null(json_get_text(answer, "by_hand"));
    done(verb_volume_detach, VOLUME);
    assert_true(said("at_boot"));
    assert_non_null(strstr(json_get_text(answer, "by_hand"), "unit of systemd"));
}

static void storage_without_which_the_host_does_not_boot_is_told(void **state)
{
    (void)state;
    tree_script(&tree, "/usr/bin/systemctl", "#!/bin/sh\n");
    tree_dir(&tree, "/run/systemd/system");
    tree_write(&tree, "/etc/fstab", "/dev/lun " POINT " ext4 noauto 0 0\n");
    done(verb_volume_attach, VOLUME);
    assert_true(said("at_boot"));
    assert_non_null(strstr(json_get_text(answer, "by_hand"), "_netdev or nofail"));
    done(verb_volume_detach, VOLUME);
    assert_null(json_get_text(answer, "by_hand"));
}

static void what_is_mounted_on_access_loses_no_more_than_its_file_system(void **state)
{
    (void)state;
    static const char armed[] = "systemd-1 " POINT " autofs rw 0 0\n";
    tree_write(&tree, "/etc/fstab", ROW("noauto,x-systemd.automount"));
    tree_write(&tree, "/proc/self/mounts", "systemd-1 " POINT " autofs rw 0 0\nnas:/a " POINT " nfs rw 0 0\n");
    done(verb_volume_detach, VOLUME);
    assert_file("/proc/self/mounts", armed);
    assert_false(said("mounted"));
    done(verb_volume_attach, VOLUME);
    assert_true(said("mounted"));
    assert_file("/etc/fstab", ROW("noauto,x-systemd.automount"));
}

/* The engine's own directory is in it, as it was on the host where the storage was mounted before. */
static void a_named_volume_may_be_mounted_one_directory_above(void **state)
{
    (void)state;
    char row[TREE_PATH_SIZE], expected[TREE_PATH_SIZE];
    static const char named[] = ARGS(",\"runtime\":\"podman\",\"volume\":\"data\"");
    tree_dir(&tree, "/volumes/data");
    assert_int_equal(ask(verb_volume_attach, named), ERR_DENIED);
    str_format(row, sizeof row, "nas:/a %s/volumes nfs rw,noauto 0 0\n", tree.root);
    tree_write(&tree, "/etc/fstab", row);
    done(verb_volume_attach, named);
    str_format(expected, sizeof expected, "mount %s/volumes\n", tree.root);
    assert_file("/mounter", expected);
    assert_true(said("at_boot"));
}

/* --- what must not be written or emptied ------------------------------------------------------------------------- */

static void nothing_is_copied_below_a_mount_point_that_is_empty_now(void **state)
{
    (void)state;
    char row[TREE_PATH_SIZE], mounted[TREE_PATH_SIZE];
    static const char open[] = ARGS(",\"what\":\"volume\",\"runtime\":\"podman\",\"volume\":\"data\"");
    tree_dir(&tree, "/volumes/data");
    done(verb_site_mark, ARGS(",\"mark\":\"incoming\""));
    str_format(row, sizeof row, "/dev/b %s/volumes ext4 rw 0 0\n", tree.root);
    tree_write(&tree, "/etc/fstab", row);
    assert_int_equal(ask(verb_transfer_open, open), ERR_DENIED);
    assert_non_null(strstr(info.message, "where nothing is mounted now"));
    str_format(mounted, sizeof mounted, "/dev/b %s/volumes ext4 rw 0 0\n", tree.root);
    tree_write(&tree, "/proc/self/mounts", mounted);
    done(verb_transfer_open, open);
}

static int left_full(void)
{
    const json_t *left = json_object_get(answer, "left");
    int count = 0;
    for (size_t i = 0; i < json_array_size(left); i++)
        count += strstr(json_string_value(json_array_get(left, i)), "is not emptied") != NULL;
    return count;
}

/* The engine would empty the storage, which is the site's own on another host by now. */
static void a_kept_copy_goes_without_what_is_or_may_be_mounted(void **state)
{
    (void)state;
    static const char *const places[][2] = {{"/etc/fstab", "nas:/a /volumes/data nfs noauto 0 0\n"},
        {"/etc/fstab", "nas:/a /volumes/data/_data nfs noauto 0 0\n"},
        {"/proc/self/mounts", "nas:/a /volumes/data nfs rw 0 0\n"},
        {"/proc/self/mounts", "systemd-1 /volumes/data autofs rw 0 0\n"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        tree_write(&tree, "/etc/fstab", "");
        tree_write(&tree, "/proc/self/mounts", "");
        tree_write(&tree, places[i][0], places[i][1]);
        done(verb_site_mark, ARGS(",\"mark\":\"kept\""));
        assert_int_equal(made_note("a.org", "7", "volumes", "podman/data", NULL), ERR_OK);
        assert_int_equal(made_note("a.org", "7", "directories", "/volumes/data", NULL), ERR_OK);
        done(verb_site_remove, ARGS(",\"volumes\":true"));
        assert_int_equal(json_array_size(json_object_get(answer, "volumes")), 0);
        assert_int_equal(json_array_size(json_object_get(answer, "directories")), 0);
        assert_int_equal(left_full(), 2);
        char *calls = fake_engine_calls(&tree, "podman");
        assert_null(strstr(calls, "volume rm"));
        free(calls);
    }
    tree_write(&tree, "/proc/self/mounts", "nas:/a /volumes/data2 nfs rw 0 0\n");
    assert_int_equal(made_note("a.org", "7", "volumes", "podman/data", NULL), ERR_OK);
    done(verb_site_remove, ARGS(",\"volumes\":true"));
    assert_int_equal(json_array_size(json_object_get(answer, "volumes")), 1);
}

/* --- starting by ourselves --------------------------------------------------------------------------------------- */

static void a_start_mounts_what_is_to_be_mounted_at_boot(void **state)
{
    (void)state;
    tree_write(&tree, "/etc/fstab", ROW("rw"));
    done(verb_site_start, ARGS(""));
    assert_file("/mounter", "mount " POINT "\n");
    assert_changes("podman", "start -- aa, start -- bb");
    done(verb_site_restart, ARGS(""));
    assert_file("/mounter", "mount " POINT "\n");
}

static void a_site_whose_storage_may_be_elsewhere_does_not_start(void **state)
{
    (void)state;
    static verb_handler *const verbs[] = {verb_site_start, verb_site_restart};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        assert_int_equal(ask(verbs[i], ARGS("")), ERR_DENIED);
        assert_non_null(strstr(info.message, POINT ", which web needs, is not mounted"));
    }
    assert_changes("podman", "");
    assert_false(exists("/mounter"));
    tree_write(&tree, "/proc/self/mounts", ROW("rw")); /* a person has mounted it */
    done(verb_site_start, ARGS(""));
}

static void storage_that_does_not_come_keeps_the_site_down(void **state)
{
    (void)state;
    tree_write(&tree, "/etc/fstab", ROW("rw"));
    tree_write(&tree, "/broken", "");
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_FAILED);
    assert_non_null(strstr(info.message, "no route to nas"));
    assert_changes("podman", "");
    tree_write(&tree, "/etc/fstab", ROW("noauto,x-systemd.automount")); /* who looks mounts it */
    done(verb_site_start, ARGS(""));
}

/* --- podman's hook ----------------------------------------------------------------------------------------------- */

static void podman_starts_nothing_on_the_empty_directory(void **state)
{
    (void)state;
    assert_true(may_start(WEB, BUNDLE)); /* nothing was said of it yet */
    done(verb_volume_attach, VOLUME);
    assert_true(exists(HOOK));
    assert_true(may_start(WEB, BUNDLE));
    tree_write(&tree, "/proc/self/mounts", ""); /* booted, and the storage did not come */
    assert_false(may_start(WEB, BUNDLE));
    assert_false(may_start(OTHER, BUNDLE)); /* made anew by hand: it is the directory that counts */
    tree_write(&tree, "/other/config.json", "{\"mounts\":[{\"source\":\"" POINT "x\"},{\"source\":7},8]}");
    assert_true(may_start(OTHER, "/other"));
    assert_true(may_start(OTHER, "/nowhere"));
    tree_write(&tree, "/other/config.json", "{\"mounts\":");
    assert_true(may_start(OTHER, "/other"));
    tree_write(&tree, "/etc/fstab", ROW("x-systemd.automount"));
    assert_true(may_start(WEB, BUNDLE));
    tree_write(&tree, "/etc/fstab", ROW("noauto"));
    assert_false(may_start(WEB, BUNDLE));
    tree_write(&tree, "/etc/fstab", ""); /* it is an ordinary directory from now on */
    assert_true(may_start(WEB, BUNDLE));
}

static void the_hook_stays_as_long_as_storage_is_needed(void **state)
{
    (void)state;
    done(verb_site_mark, ARGS(",\"mark\":\"incoming\""));
    done(verb_volume_attach, VOLUME);
    done(verb_site_mark, ARGS(",\"mark\":\"none\""));
    assert_true(exists(HOOK));
    done(verb_site_mark, ARGS(",\"mark\":\"leaving\""));
    done(verb_volume_detach, VOLUME);
    assert_false(exists("/var/lib/dogwatch/sites/a.org.mounts"));
    tree_write(&tree, "/var/lib/dogwatch/sites/b.org.mounts", "rubbish");
    done(verb_site_mark, ARGS(",\"mark\":\"none\""));
    assert_false(exists(HOOK));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_storage, remove_storage)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_attached_is_mounted_at_boot_what_is_detached_is_not),
        TEST(a_detach_that_was_cut_off_still_takes_it_out_of_the_boot),
        TEST(storage_that_cannot_be_mounted_is_not_mounted_at_boot_either),
        TEST(a_fstab_that_cannot_be_written_leaves_it_to_a_person),
        TEST(what_systemd_mounts_with_a_unit_is_left_to_a_person),
        TEST(storage_without_which_the_host_does_not_boot_is_told),
        TEST(what_is_mounted_on_access_loses_no_more_than_its_file_system),
        TEST(a_named_volume_may_be_mounted_one_directory_above),
        TEST(nothing_is_copied_below_a_mount_point_that_is_empty_now),
        TEST(a_kept_copy_goes_without_what_is_or_may_be_mounted),
        TEST(a_start_mounts_what_is_to_be_mounted_at_boot),
        TEST(a_site_whose_storage_may_be_elsewhere_does_not_start),
        TEST(storage_that_does_not_come_keeps_the_site_down),
        TEST(podman_starts_nothing_on_the_empty_directory),
        TEST(the_hook_stays_as_long_as_storage_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
