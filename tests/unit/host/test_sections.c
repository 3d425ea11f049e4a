/* What is read of a host's files, from a fixture and from files that are odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/sample/sections.h"
#include "tests/unit/host/lasting.h"
#include "tests/unit/host/tree.h"

static struct tree tree;

static json_t *sample_of(const struct section *section)
{
    json_t *sample = json_object();
    void *state = last(section->begin(NULL)); /* lives as long as the process, as in the helper */
    assert_true(section->sample(state, sample, 1000000));
    return sample;
}

static int64_t figure(const json_t *object, const char *key)
{
    int64_t value = -1;
    json_get_i64(object, key, &value);
    return value;
}

static void test_processor_and_memory_are_read_with_their_units(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/stat",
        "cpu  18698 7 22217 441967 791 0 201 22 5 6\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6 7 8 9 10\n"
        "intr 12345 0 0\nctxt 1\nbtime 1\n");
    tree_write(&tree, "/proc/loadavg", "0.10 1.25 3.00 2/345 6789\n");
    tree_write(&tree, "/proc/meminfo",
        "MemTotal:       24684092 kB\nMemFree:            1 kB\nMemAvailable:   24000000 kB\nSwapTotal:       1024 kB\n"
        "SwapFree:         512 kB\nHugePages_Total:       0\n");
    tree_write(&tree, "/proc/uptime", "2431.47 4000.00\n");
    tree_write(&tree, "/proc/pressure/io", "some avg10=12.50 avg60=0.50 avg300=0.22 total=5917471\nfull avg10=1.00\n");
    tree_dir(&tree, "/proc/1");
    tree_dir(&tree, "/proc/4711");
    json_t *sample = sample_of(&section_system);
    const json_t *cpu = json_object_get(sample, "cpu");
    assert_int_equal(figure(cpu, "user"), 18698);
    assert_int_equal(figure(cpu, "nice"), 7);
    assert_int_equal(figure(cpu, "iowait"), 791);
    assert_int_equal(figure(cpu, "steal"), 22);
    assert_int_equal(figure(cpu, "cores"), 2);
    assert_int_equal(figure(cpu, "hz"), sysconf(_SC_CLK_TCK));
    assert_true(json_number_value(json_array_get(json_object_get(sample, "load"), 1)) == 1.25);
    assert_int_equal(figure(json_object_get(sample, "mem"), "total_bytes"), INT64_C(24684092) * 1024);
    assert_int_equal(figure(json_object_get(sample, "mem"), "available_bytes"), INT64_C(24000000) * 1024);
    assert_int_equal(figure(json_object_get(sample, "swap"), "free_bytes"), 512 * 1024);
    assert_true(json_get_number(json_object_get(sample, "psi"), "io_some_avg10") == 12.5);
    assert_null(json_object_get(json_object_get(sample, "psi"), "cpu_some_avg10"));
    assert_int_equal(figure(sample, "processes"), 2);
    assert_int_equal(figure(sample, "uptime_s"), 2431);
    json_decref(sample);
}

static void test_what_is_missing_or_nonsense_is_absent_never_zero(void **state)
{
    (void)state;
    static const char *const files[] = {"/proc/stat", "/proc/loadavg", "/proc/meminfo", "/proc/uptime",
        "/proc/pressure/io", "/proc/diskstats", "/proc/net/dev"};
    static const char *const nonsense[] = {"", "\n\n", "cpu", "cpu x\n", "MemTotal: many kB\nMemAvailable:\n",
        "some avg10=\n", "99999999999999999999999 1 1\n", "  -7 0 vda 1 2\n eth0: 1 2\n :\n eth0\n", "-1 -1 -1\n"};
    static const char *const keys[] = {"load", "mem", "swap", "psi", "uptime_s"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        for (size_t f = 0; f < sizeof files / sizeof *files; f++)
            tree_write(&tree, files[f], nonsense[i]);
        json_t *sample = sample_of(&section_system);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            assert_null(json_object_get(sample, keys[k]));
        assert_int_equal(figure(json_object_get(sample, "cpu"), "user"), -1);
        json_decref(sample);
        sample = sample_of(&section_disks);
        assert_int_equal(json_array_size(json_object_get(sample, "disks")), 0);
        json_decref(sample);
        sample = sample_of(&section_networks);
        assert_int_equal(json_array_size(json_object_get(sample, "networks")), 0);
        json_decref(sample);
    }
    char path[TREE_PATH_SIZE];
    for (size_t f = 0; f < sizeof files / sizeof *files; f++)
        unlink(tree_path(&tree, path, files[f]));
    json_t *sample = sample_of(&section_system);
    assert_null(json_object_get(sample, "cpu"));
    json_decref(sample);
    sample = sample_of(&section_disks);
    assert_null(json_object_get(sample, "disks")); /* unknown is not "none" */
    json_decref(sample);
    sample = sample_of(&section_failed_units); /* no systemd here */
    assert_int_equal(json_object_size(sample), 0);
    json_decref(sample);
}

static void test_only_whole_disks_count_once(void **state)
{
    (void)state;
    tree_dir(&tree, "/sys/block/vda");
    tree_dir(&tree, "/sys/block/nvme0n1");
    tree_dir(&tree, "/sys/block/cciss!c0d0");
    tree_dir(&tree, "/sys/block/dm-0");
    tree_dir(&tree, "/sys/block/loop0");
    tree_dir(&tree, "/sys/block/md127");
    tree_write(&tree, "/proc/diskstats",
        "   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0\n"
        " 254       0 vda 55814 10683 100 11456 10904 6971 200 5667 0 5168 17430 5173 27 167768 256 1674 50\n"
        " 254       1 vda1 1 0 999 0 1 0 999 0 0 999 0\n"
        " 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n"
        " 104       0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11\n"
        " 253       0 dm-0 1 0 999 0 1 0 999 0 0 999 0\n"
        "   9     127 md127 1 0 999 0 1 0 999 0 0 999 0\n");
    json_t *sample = sample_of(&section_disks);
    const json_t *disks = json_object_get(sample, "disks");
    assert_int_equal(json_array_size(disks), 3);
    const json_t *vda = json_array_get(disks, 0);
    assert_string_equal(json_get_text(vda, "name"), "vda");
    assert_int_equal(figure(vda, "read_bytes"), 100 * 512);
    assert_int_equal(figure(vda, "write_bytes"), 200 * 512);
    assert_int_equal(figure(vda, "busy_ms"), 5168);
    assert_string_equal(json_get_text(json_array_get(disks, 2), "name"), "cciss/c0d0");
    json_decref(sample);
}

#define NET_HEAD                                                                                                       \
    "Inter-|   Receive                                                |  Transmit\n"                                   \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"

static void test_only_interfaces_with_a_device_count_where_there_are_any(void **state)
{
    (void)state;
    tree_dir(&tree, "/sys/class/net/eth0/device");
    tree_dir(&tree, "/sys/class/net/bond0");
    tree_write(&tree, "/proc/net/dev",
        NET_HEAD "    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n"
                 "  eth0:106346439 2135 3 0 0 0 0 0 84026 1129 4 0 0 0 0 0\n"
                 " bond0: 106346439 2135 3 0 0 0 0 0 84026 1129 4 0 0 0 0 0\n"
                 "veth1@if2: 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5\n");
    json_t *sample = sample_of(&section_networks);
    const json_t *list = json_object_get(sample, "networks"), *eth0 = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_get_text(eth0, "name"), "eth0");
    assert_int_equal(figure(eth0, "rx_bytes"), 106346439);
    assert_int_equal(figure(eth0, "rx_errors"), 3);
    assert_int_equal(figure(eth0, "tx_bytes"), 84026);
    assert_int_equal(figure(eth0, "tx_errors"), 4);
    json_decref(sample);
}

static void test_without_any_device_names_decide(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/net/dev",
        NET_HEAD "    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n"
                 "uplink: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                 "cni-podman0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                 "br-abc: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                 "docker0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                 "veth12: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                 "../../x: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    json_t *sample = sample_of(&section_networks);
    const json_t *list = json_object_get(sample, "networks");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_get_text(json_array_get(list, 0), "name"), "uplink");
    assert_int_equal(figure(json_array_get(list, 0), "tx_bytes"), 9);
    json_decref(sample);
}

static void test_a_file_that_changed_is_read_anew_each_time(void **state)
{
    (void)state;
    struct proc_file file = PROC_FILE("/proc/thing");
    struct buf buf = BUF(100000);
    assert_false(proc_file_read(&file, &buf));
    tree_write(&tree, "/proc/thing", "one");
    assert_true(proc_file_read(&file, &buf));
    assert_string_equal(buf_text(&buf), "one");
    char *large = xmalloc(50001);
    memset(large, 'x', 50000);
    large[50000] = '\0';
    tree_write(&tree, "/proc/thing", large);
    assert_true(proc_file_read(&file, &buf));
    assert_int_equal(buf.length, 50000);
    tree_write(&tree, "/proc/thing", "");
    assert_true(proc_file_read(&file, &buf));
    assert_string_equal(buf_text(&buf), "");
    struct buf small = BUF(10);
    tree_write(&tree, "/proc/thing", large);
    assert_false(proc_file_read(&file, &small)); /* cut figures are other figures */
    assert_int_equal(small.length, 0);
    proc_file_close(&file);
    free(large);
    buf_free(&buf);
    buf_free(&small);
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
        cmocka_unit_test(test_processor_and_memory_are_read_with_their_units),
        cmocka_unit_test(test_what_is_missing_or_nonsense_is_absent_never_zero),
        cmocka_unit_test(test_only_whole_disks_count_once),
        cmocka_unit_test(test_without_any_device_names_decide),
        cmocka_unit_test(test_only_interfaces_with_a_device_count_where_there_are_any),
        cmocka_unit_test(test_a_file_that_changed_is_read_anew_each_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
