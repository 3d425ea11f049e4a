/* Where a container's control groups are, and what their files say, on v1 and v2; texts as Linux 6.1 writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "host/containers/cgroup.h"
#include "tests/unit/host/tree.h"

#define ID "a6c241e4ddcde7bb263e0ac5472269097b8d9bcd8a741e4c41aba6b13bc873cd"
#define OTHER "80ab34f5d6d34db3591a74d477c0493b6b3986938d2300250d4a7e3c3809b04f"
#define PID 657
#define V1_GROUP "/libpod_parent/libpod-" ID
#define V2_GROUP "/machine.slice/libpod-" ID ".scope"

static struct tree tree;

static void write_v1(const char *controller, const char *file, const char *text)
{
    char path[TREE_PATH_SIZE];
    str_format(path, sizeof path, "/sys/fs/cgroup/%s" V1_GROUP "/%s", controller, file);
    tree_write(&tree, path, text);
}

static void write_v2(const char *file, const char *text)
{
    char path[TREE_PATH_SIZE];
    str_format(path, sizeof path, "/sys/fs/cgroup" V2_GROUP "/%s", file);
    tree_write(&tree, path, text);
}

static int fresh_tree(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void make_v1(void)
{
    tree_write(&tree, "/proc/self/mountinfo",
        "22 27 0:21 / /proc rw,relatime shared:12 - proc proc rw\n"
        "30 24 0:25 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,size=4096k\n"
        "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "33 30 0:29 / /sys/fs/cgroup/memory rw,nosuid shared:10 master:2 - cgroup cgroup rw,memory\n"
        "34 30 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
        "35 30 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "36 30 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
        "37 30 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "38 30 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    tree_write(&tree, "/proc/657/cgroup",
        "6:cpu,cpuacct:" V1_GROUP "\n5:memory:" V1_GROUP "\n4:blkio:" V1_GROUP "\n3:pids:" V1_GROUP
        "\n2:freezer:" V1_GROUP "\n1:name=systemd:" V1_GROUP "\n0::/\n");
    write_v1("cpu,cpuacct", "cpuacct.usage", "5027123456\n");
    write_v1("cpu,cpuacct", "cpu.stat", "nr_periods 10\nnr_throttled 2\nthrottled_time 77000000\n");
    write_v1("memory", "memory.usage_in_bytes", "10000000\n");
    write_v1("memory", "memory.stat", "cache 9\ninactive_file 5\ntotal_cache 1\ntotal_inactive_file 4000000\n");
    write_v1("memory", "memory.limit_in_bytes", "67108864\n");
    write_v1("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    write_v1("blkio", "blkio.throttle.io_service_bytes",
        "8:0 Read 1000\n8:0 Write 200\n8:0 Sync 1200\n8:16 Read 5\n8:16 Write 6\n8:16 Total 11\nTotal 1211\n");
    write_v1("pids", "pids.current", "4\n");
}

static void make_v2(void)
{
    tree_write(&tree, "/proc/self/mountinfo",
        "30 24 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    tree_write(&tree, "/proc/657/cgroup", "0::" V2_GROUP "/container/init.scope\n");
    write_v2("cpu.stat", "usage_usec 5027\nuser_usec 1\nnr_throttled 1\nthrottled_usec 42\n");
    write_v2("memory.current", "10000000\n");
    write_v2("memory.stat", "anon 1\nfile 2\ninactive_anon 3\ninactive_file 4000000\n");
    write_v2("memory.max", "max\n");
    write_v2("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n");
    write_v2(
        "io.stat", "254:0 rbytes=1000 wbytes=200 rios=1 wios=2 dbytes=7 dios=0\n254:16 rbytes=1 wbytes=2 rios=0\n");
    write_v2("pids.current", "4\n");
}

static void read_usage(struct cgroup_usage *usage)
{
    struct cgroup_mounts mounts;
    cgroup_mounts_load(&mounts);
    struct cgroup *group = cgroup_open(&mounts, PID, ID);
    assert_non_null(group);
    cgroup_read(group, usage);
    cgroup_close(group);
}

static void test_v1_files_are_read_in_the_protocols_units(void **state)
{
    (void)state;
    struct cgroup_usage usage;
    make_v1();
    read_usage(&usage);
    assert_int_equal(usage.cpu_us, 5027123);
    assert_int_equal(usage.throttled_us, 77000);
    assert_int_equal(usage.mem_bytes, 6000000);
    assert_int_equal(usage.mem_limit_bytes, 67108864);
    assert_int_equal(usage.oom_kills, 3);
    assert_int_equal(usage.io_read_bytes, 1005);
    assert_int_equal(usage.io_write_bytes, 206);
    assert_int_equal(usage.processes, 4);
}

static void test_v2_files_are_read_from_the_containers_own_group(void **state)
{
    (void)state;
    struct cgroup_usage usage;
    make_v2(); /* its first process is two groups further down: an init system inside */
    read_usage(&usage);
    assert_int_equal(usage.cpu_us, 5027);
    assert_int_equal(usage.throttled_us, 42);
    assert_int_equal(usage.mem_bytes, 6000000);
    assert_int_equal(usage.mem_limit_bytes, CGROUP_UNKNOWN);
    assert_int_equal(usage.oom_kills, 1);
    assert_int_equal(usage.io_read_bytes, 1001);
    assert_int_equal(usage.io_write_bytes, 202);
    assert_int_equal(usage.processes, 4);
}

static void test_no_limit_is_unknown_and_an_empty_io_file_is_zero(void **state)
{
    (void)state;
    struct cgroup_usage usage;
    make_v1();
    write_v1("memory", "memory.limit_in_bytes", "9223372036854771712\n");
    write_v1("blkio", "blkio.throttle.io_service_bytes", "Total 0\n");
    read_usage(&usage);
    assert_int_equal(usage.mem_limit_bytes, CGROUP_UNKNOWN);
    assert_int_equal(usage.io_read_bytes, 0);
}

static void test_missing_and_garbled_files_are_unknown(void **state)
{
    (void)state;
    struct cgroup_usage usage;
    char path[TREE_PATH_SIZE];
    make_v1();
    write_v1("cpu,cpuacct", "cpuacct.usage", "many\n");
    write_v1("cpu,cpuacct", "cpu.stat", "throttled_time -5\n");
    write_v1("memory", "memory.oom_control", "oom_kill_disable 0\n");
    write_v1("pids", "pids.current", "99999999999999999999999999\n");
    assert_int_equal(unlink(tree_path(&tree, path, "/sys/fs/cgroup/memory" V1_GROUP "/memory.usage_in_bytes")), 0);
    read_usage(&usage);
    assert_int_equal(usage.cpu_us, CGROUP_UNKNOWN);
    assert_int_equal(usage.throttled_us, CGROUP_UNKNOWN);
    assert_int_equal(usage.oom_kills, CGROUP_UNKNOWN);
    assert_int_equal(usage.processes, CGROUP_UNKNOWN);
    assert_int_equal(usage.mem_bytes, CGROUP_UNKNOWN); /* and no inactive pages taken off nothing */
    assert_int_equal(usage.mem_limit_bytes, 67108864);
}

static void test_more_inactive_pages_than_usage_is_zero(void **state)
{
    (void)state;
    struct cgroup_usage usage;
    make_v1();
    write_v1("memory", "memory.usage_in_bytes", "100\n");
    read_usage(&usage);
    assert_int_equal(usage.mem_bytes, 0);
}

static void test_a_reused_pid_is_not_taken_for_the_container(void **state)
{
    (void)state;
    struct cgroup_mounts mounts;
    char path[HOST_PATH_SIZE];
    make_v1();
    cgroup_mounts_load(&mounts);
    assert_null(cgroup_open(&mounts, PID, OTHER));
    assert_null(cgroup_open(&mounts, PID + 1, ID));
    assert_false(cgroup_find(&mounts, PID, OTHER, "memory", path));
    assert_true(cgroup_find(&mounts, PID, ID, "memory", path));
    assert_true(str_ends(path, "/sys/fs/cgroup/memory" V1_GROUP));
    assert_false(cgroup_find(&mounts, PID, ID, "hugetlb", path));
}

static void test_a_mounted_part_of_the_hierarchy_is_subtracted(void **state)
{
    (void)state;
    struct cgroup_mounts mounts;
    char path[HOST_PATH_SIZE];
    make_v2();
    tree_write(&tree, "/proc/self/mountinfo", "30 24 0:25 /machine.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    cgroup_mounts_load(&mounts);
    assert_true(cgroup_find(&mounts, PID, ID, "", path));
    assert_true(str_ends(path, "/sys/fs/cgroup/libpod-" ID ".scope"));
}

static void test_hybrid_is_v1_and_unified_is_v2(void **state)
{
    (void)state;
    struct cgroup_mounts mounts;
    char root[HOST_PATH_SIZE];
    const char *controller;
    make_v1();
    cgroup_mounts_load(&mounts);
    assert_int_equal(mounts.count, 7);
    assert_false(cgroup_is_v2(&mounts));
    assert_true(cgroup_watch_root(&mounts, &controller, root));
    assert_string_equal(controller, "memory");
    make_v2();
    cgroup_mounts_load(&mounts);
    assert_true(cgroup_is_v2(&mounts));
    assert_true(cgroup_watch_root(&mounts, &controller, root));
    assert_true(str_ends(root, "/sys/fs/cgroup"));
    tree_write(&tree, "/proc/self/mountinfo", "");
    cgroup_mounts_load(&mounts);
    assert_false(cgroup_watch_root(&mounts, &controller, root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_v1_files_are_read_in_the_protocols_units, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_v2_files_are_read_from_the_containers_own_group, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_no_limit_is_unknown_and_an_empty_io_file_is_zero, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_missing_and_garbled_files_are_unknown, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_more_inactive_pages_than_usage_is_zero, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_reused_pid_is_not_taken_for_the_container, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_mounted_part_of_the_hierarchy_is_subtracted, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_hybrid_is_v1_and_unified_is_v2, fresh_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
