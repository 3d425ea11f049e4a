/* File systems: which ones count, and that one that hangs delays and hides none of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/json.h"
#include "host/path.h"
#include "host/sample/sections.h"
#include "tests/unit/host/lasting.h"
#include "tests/unit/host/tree.h"

#define INTERVAL_US USEC_PER_SEC
#define PATIENCE_US (20 * USEC_PER_SEC)

static struct tree tree;

/* A statfs(2) of which the test decides when it returns. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool hangs;       /* paths that end in /nas do not return while this is set */
    int asked_of_nas; /* calls begun */
} fake = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int fake_statfs(const char *path, struct statfs *figures)
{
    *figures = (struct statfs){.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 100, .f_bfree = 40, .f_bavail = 30};
    pthread_mutex_lock(&fake.mutex);
    if (str_ends(path, "/nas")) {
        fake.asked_of_nas++;
        pthread_cond_broadcast(&fake.changed);
        while (fake.hangs)
            pthread_cond_wait(&fake.changed, &fake.mutex);
    }
    pthread_mutex_unlock(&fake.mutex);
    if (str_ends(path, "/gone")) {
        errno = ESTALE;
        return -1;
    }
    if (!str_ends(path, "/pool")) {
        figures->f_files = 1000;
        figures->f_ffree = 900;
    }
    return 0;
}

static void set_hangs(bool hangs)
{
    pthread_mutex_lock(&fake.mutex);
    fake.hangs = hangs;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.mutex);
}

static int nas_asked(void)
{
    pthread_mutex_lock(&fake.mutex);
    int times = fake.asked_of_nas;
    pthread_mutex_unlock(&fake.mutex);
    return times;
}

static void await_nas_asked(int times)
{
    pthread_mutex_lock(&fake.mutex);
    while (fake.asked_of_nas < times)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    pthread_mutex_unlock(&fake.mutex);
}

static void *begin_with(int64_t wait_us, int64_t hung_us)
{
    return last(
        filesystems_begin(&(struct filesystems_setup){.query = fake_statfs, .wait_us = wait_us, .hung_us = hung_us}));
}

static bool take(void *filesystems, json_t **sample)
{
    *sample = json_object();
    return section_filesystems.sample(filesystems, *sample, INTERVAL_US);
}

static const json_t *mounted_at(const json_t *sample, const char *path)
{
    const json_t *list = json_object_get(sample, "filesystems");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_get_text(json_array_get(list, i), "mount"), path) == 0)
            return json_array_get(list, i);
    return NULL;
}

static bool has_figures(const json_t *sample, const char *path)
{
    return json_object_get(mounted_at(sample, path), "total_bytes") != NULL;
}

static void test_real_file_systems_count_once_each(void **state)
{
    (void)state;
    json_t *sample;
    tree_write(&tree, "/proc/self/mountinfo",
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "28 27 254:0 /srv /export/srv rw master:1 propagate_from:2 - ext4 /dev/vda rw\n"
        "29 27 0:40 / /run rw - tmpfs tmpfs rw\n"
        "30 27 0:41 / /var/lib/containers/storage/overlay/x/merged rw - overlay overlay rw\n"
        "31 27 0:42 /vol /mnt/pool/sub rw - btrfs /dev/vdb rw\n"
        "32 27 0:42 / /mnt/pool rw - btrfs /dev/vdb rw\n"
        "33 27 8:1 / /mnt/with\\040blank rw - xfs /dev/sda1 rw\n"
        "34 27 0:50 / /mnt/gone rw - nfs4 server:/x rw\n"
        "35 27 0:51 / /snap/core rw - squashfs /dev/loop1 rw\n"
        "36 27 0:52\n"
        "37 27 0:53 / /x rw -\n");
    void *filesystems = begin_with(PATIENCE_US, PATIENCE_US);
    assert_true(take(filesystems, &sample));
    assert_int_equal(json_array_size(json_object_get(sample, "filesystems")), 4);
    const json_t *root = mounted_at(sample, "/"), *pool = mounted_at(sample, "/mnt/pool");
    int64_t figure = -1;
    assert_string_equal(json_get_text(root, "type"), "ext4");
    assert_true(json_get_i64(root, "total_bytes", &figure));
    assert_int_equal(figure, 409600);
    assert_true(json_get_i64(root, "used_bytes", &figure));
    assert_int_equal(figure, 60 * 4096);
    assert_true(json_get_i64(root, "available_bytes", &figure));
    assert_int_equal(figure, 30 * 4096);
    assert_true(json_get_i64(root, "inodes_free", &figure));
    assert_int_equal(figure, 900);
    assert_non_null(json_object_get(pool, "total_bytes"));
    assert_null(json_object_get(pool, "inodes")); /* it does not tell */
    assert_true(has_figures(sample, "/mnt/with blank"));
    assert_non_null(mounted_at(sample, "/mnt/gone")); /* failed: known to be there, figures unknown */
    assert_false(has_figures(sample, "/mnt/gone"));
    json_decref(sample);
}

static void test_a_root_on_overlay_is_still_shown(void **state)
{
    (void)state;
    json_t *sample;
    tree_write(&tree, "/proc/self/mountinfo", "27 1 0:30 / / rw,relatime - overlay overlay rw\n");
    assert_true(take(begin_with(PATIENCE_US, PATIENCE_US), &sample));
    assert_true(has_figures(sample, "/"));
    json_decref(sample);
}

#define WITH_NAS                                                                                                       \
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n34 27 0:50 / /nas rw - nfs4 server:/x rw\n"                        \
    "35 27 8:1 / /data rw - xfs /dev/sda1 rw\n"

static void test_a_mount_that_hangs_hides_only_itself(void **state)
{
    (void)state;
    json_t *sample;
    tree_write(&tree, "/proc/self/mountinfo", WITH_NAS);
    set_hangs(true);
    int asked_before = nas_asked();
    void *filesystems = begin_with(0, 0); /* a call that has not returned by the next sample has hung */
    assert_false(take(filesystems, &sample));
    json_decref(sample);
    await_nas_asked(asked_before + 1);
    /* Left behind now; soon the others answer to the next worker, while this mount stays late and is not asked again.
     */
    bool others = false;
    for (int64_t end = clock_mono_us() + PATIENCE_US; !others && clock_mono_us() < end;) {
        assert_false(take(filesystems, &sample));
        others = has_figures(sample, "/") && has_figures(sample, "/data");
        assert_non_null(mounted_at(sample, "/nas"));
        assert_false(has_figures(sample, "/nas"));
        json_decref(sample);
        sched_yield();
    }
    assert_true(others);
    assert_int_equal(nas_asked(), asked_before + 1);
    /* And when the server is back, so is the mount. */
    set_hangs(false);
    bool back = false;
    for (int64_t end = clock_mono_us() + PATIENCE_US; !back && clock_mono_us() < end;) {
        take(filesystems, &sample);
        back = has_figures(sample, "/nas");
        json_decref(sample);
        sched_yield();
    }
    assert_true(back);
}

static void test_a_slow_answer_serves_the_next_sample(void **state)
{
    (void)state;
    json_t *sample;
    tree_write(&tree, "/proc/self/mountinfo", WITH_NAS);
    set_hangs(true);
    int asked_before = nas_asked();
    void *filesystems = begin_with(0, PATIENCE_US);
    assert_false(take(filesystems, &sample));
    json_decref(sample);
    await_nas_asked(asked_before + 1);
    set_hangs(false);
    bool complete = false;
    for (int64_t end = clock_mono_us() + PATIENCE_US; !complete && clock_mono_us() < end;) {
        complete = take(filesystems, &sample);
        json_decref(sample);
        sched_yield();
    }
    assert_true(complete);
}

static void test_mounts_come_and_go(void **state)
{
    (void)state;
    json_t *sample;
    tree_write(&tree, "/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
    void *filesystems = begin_with(PATIENCE_US, PATIENCE_US);
    assert_true(take(filesystems, &sample));
    assert_int_equal(json_array_size(json_object_get(sample, "filesystems")), 1);
    json_decref(sample);
    tree_write(&tree, "/proc/self/mountinfo", WITH_NAS);
    assert_true(take(filesystems, &sample));
    assert_true(has_figures(sample, "/nas"));
    json_decref(sample);
    tree_write(&tree, "/proc/self/mountinfo", "35 27 8:1 / /data rw - xfs /dev/sda1 rw\n");
    assert_true(take(filesystems, &sample));
    assert_int_equal(json_array_size(json_object_get(sample, "filesystems")), 1);
    assert_true(has_figures(sample, "/data"));
    json_decref(sample);
}

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_file_systems_count_once_each),
        cmocka_unit_test(test_a_root_on_overlay_is_still_shown),
        cmocka_unit_test(test_a_mount_that_hangs_hides_only_itself),
        cmocka_unit_test(test_a_slow_answer_serves_the_next_sample),
        cmocka_unit_test(test_mounts_come_and_go),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
