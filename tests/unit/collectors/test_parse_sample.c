/* collectors/parse_sample: good, late, wrong and hostile samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collectors/parse_sample.h"
#include "tests/unit/collectors/fixture.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct sample taken(json_t *json)
{
    struct sample sample;
    struct err_info info = {0};
    if (parse_sample(json, &sample, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(json);
    return sample;
}

static void figures_of_the_host_are_read(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample.json"));
    assert_int_equal(sample.stamp.seq, 17);
    assert_string_equal(sample.stamp.boot_id, "3f1c2a4e-9d7b-4c11-8a55-0b1e2d3c4f5a");
    assert_int_equal(sample.stamp.epoch_us, 1760000000000000);
    assert_int_equal(sample.stamp.mono_us, 5000000000);
    assert_near(sample.metrics[HOST_CORES], 4);
    assert_near(sample.metrics[HOST_LOAD1], 0.5);
    assert_near(sample.metrics[HOST_LOAD15], 0.125);
    assert_near(sample.metrics[HOST_MEM_USED], 2e9);
    assert_near(sample.metrics[HOST_MEM_TOTAL], 8e9);
    assert_near(sample.metrics[HOST_SWAP_USED], 1e8);
    assert_near(sample.metrics[HOST_PSI_CPU], 1.5);
    assert_near(sample.metrics[HOST_PSI_MEM], 0.25);
    assert_near(sample.metrics[HOST_PSI_IO], 12);
    assert_near(sample.metrics[HOST_PROCESSES], 123);
    assert_near(sample.metrics[HOST_FAILED_UNITS], 2);
    assert_near(sample.metrics[HOST_UPTIME], 5000.25);
    assert_near(sample.cpu[CPU_STEAL], 400);
    assert_int_equal(sample.left_out.count, 0);
    sample_free(&sample);
}

static void disk_figures_are_sums_and_the_fullest(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample.json"));
    assert_near(sample.metrics[HOST_DISK_USED], 195e9);
    assert_near(sample.metrics[HOST_DISK_TOTAL], 300e9);
    assert_near(sample.metrics[HOST_DISK_WORST], 80);   /* of /srv as df counts, 75 of all its bytes */
    assert_near(sample.metrics[HOST_INODES_WORST], 25); /* /srv has no number of inodes */
    assert_int_equal(sample.disks.count, 2);
    assert_near(sample.disks.items[0].in_bytes, 1000000);
    assert_near(sample.networks.items[0].out_bytes, 20000000);
    sample_free(&sample);
}

static void rates_are_unknown_before_they_are_made(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample.json"));
    assert_unknown(sample.metrics[HOST_CPU]);
    assert_unknown(sample.metrics[HOST_NET_RX]);
    assert_unknown(sample.metrics[HOST_CLOCK_OFFSET]);
    assert_unknown(sample.containers.items[0].metrics[CONTAINER_CPU]);
    sample_free(&sample);
}

static void containers_are_found_by_id(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample.json"));
    const struct sample_container *b = sample_find_container(&sample, ID_B), *a = sample_find_container(&sample, ID_A);
    assert_non_null(a);
    assert_non_null(b);
    assert_near(b->counters[COUNTER_CPU_US], 7e6);
    assert_near(b->counters[COUNTER_NET_TX], 2000);
    assert_near(b->metrics[CONTAINER_MEM_USED], 52428800);
    assert_near(b->metrics[CONTAINER_MEM_LIMIT], 268435456);
    assert_near(b->metrics[CONTAINER_OOM_KILLS], 1);
    assert_unknown(a->metrics[CONTAINER_MEM_LIMIT]); /* no limit is not a limit of zero */
    assert_unknown(a->counters[COUNTER_NET_RX]);
    assert_null(sample_find_container(&sample, "cccccccccccc"));
    sample_free(&sample);
}

static void volumes_are_found_by_name_and_runtime(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample.json"));
    const struct sample_volume *volume = sample_find_volume(&sample, "example.org-data", "podman");
    assert_non_null(volume);
    assert_near(volume->files, 42);
    assert_int_equal(volume->measured_us, 1759999990000000);
    assert_null(sample_find_volume(&sample, "example.org-data", "docker"));
    sample_free(&sample);
}

static void late_sections_are_unknown_not_zero(void **state)
{
    (void)state;
    struct sample sample =
        taken(message("{'seq':1,'boot_id':'a','epoch_us':5,'mono_us':5,'late':['filesystems','cpu'],'mem':null}"));
    for (size_t i = 0; i < HOST_METRIC_COUNT; i++)
        assert_unknown(sample.metrics[i]);
    assert_unknown(sample.cpu[CPU_IDLE]);
    assert_false(sample.has_containers || sample.has_volumes || sample.disks.known || sample.networks.known);
    sample_free(&sample);
}

static void empty_lists_are_known_to_be_empty(void **state)
{
    (void)state;
    struct sample sample = taken(message("{'seq':1,'boot_id':'a','epoch_us':5,'mono_us':5,'containers':[],'volumes':[],"
                                         "'disks':[],'networks':[],'filesystems':[]}"));
    assert_true(sample.has_containers && sample.has_volumes && sample.disks.known && sample.networks.known);
    assert_unknown(sample.metrics[HOST_DISK_USED]);
    sample_free(&sample);
}

static void hostile_figures_are_unknown_and_bad_entries_counted(void **state)
{
    (void)state;
    struct sample sample = taken(fixture("sample_hostile.json"));
    for (size_t i = 0; i < HOST_METRIC_COUNT; i++) {
        bool known = i == HOST_MEM_TOTAL || i == HOST_DISK_USED || i == HOST_DISK_TOTAL;
        if (known == (bool)isnan(sample.metrics[i]))
            fail_msg("metric %zu is %g", i, sample.metrics[i]);
    }
    for (size_t i = 0; i < CPU_STATE_COUNT; i++)
        assert_unknown(sample.cpu[i]);
    assert_int_equal(sample.disks.count, 1);
    assert_near(sample.disks.items[0].in_bytes, 1); /* the first of two with one name */
    assert_int_equal(sample.networks.count, 1);
    assert_unknown(sample.networks.items[0].in_bytes);
    assert_int_equal(sample.containers.count, 1);
    assert_int_equal(sample.volumes.count, 1);
    assert_unknown(sample.volumes.items[0].used_bytes);
    assert_int_equal(sample.volumes.items[0].measured_us, 0);
    /* 2 file systems, 4 disks, 1 network, 3 containers and a double, 2 volumes */
    assert_int_equal(sample.left_out.count, 13);
    assert_non_null(strstr(sample.left_out.first, "file system"));
    sample_free(&sample);
}

static void lists_have_ceilings(void **state)
{
    (void)state;
    json_t *json = message("{'seq':1,'boot_id':'a','epoch_us':5,'mono_us':5,'containers':[],'disks':[]}");
    for (int i = 0; i < PARSE_CONTAINERS_MAX + 10; i++)
        json_array_append_new(json_object_get(json, "containers"), json_pack("{s:o}", "id", json_sprintf("%064x", i)));
    for (int i = 0; i < PARSE_PARTS_MAX + 3; i++)
        json_array_append_new(json_object_get(json, "disks"), json_pack("{s:o}", "name", json_sprintf("sd%d", i)));
    struct sample sample = taken(json);
    assert_int_equal(sample.containers.count, PARSE_CONTAINERS_MAX);
    assert_int_equal(sample.disks.count, PARSE_PARTS_MAX);
    assert_int_equal(sample.left_out.count, 13);
    sample_free(&sample);
}

static void assert_refused(const char *key, const char *value, const char *says)
{
    json_t *json = fixture("sample.json");
    set(json, key, value);
    struct sample sample;
    struct err_info info = {0};
    if (parse_sample(json, &sample, &info) != ERR_GARBAGE)
        fail_msg("%s = %s is taken", key, value ? value : "(absent)");
    if (!strstr(info.message, says))
        fail_msg("\"%s\" lacks \"%s\"", info.message, says);
    sample_free(&sample);
    json_decref(json);
}

static void samples_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    assert_refused("seq", NULL, "seq");
    assert_refused("seq", "-1", "seq");
    assert_refused("seq", "'1'", "seq");
    assert_refused("boot_id", NULL, "boot_id");
    assert_refused("boot_id", "''", "boot_id");
    assert_refused("boot_id", "'0123456789012345678901234567890123456789'", "boot_id");
    assert_refused("boot_id", "'../../x'", "boot_id");
    assert_refused("epoch_us", "0", "epoch_us");
    assert_refused("mono_us", "null", "mono_us");
    assert_refused("mono_us", "9223372036854775807", "mono_us");
    assert_refused("cpu", "[]", "cpu");
    assert_refused("load", "{}", "load");
    assert_refused("swap", "1", "swap");
    assert_refused("filesystems", "{}", "filesystems");
    assert_refused("networks", "'x'", "networks");
    assert_refused("containers", "{}", "containers");
    assert_refused("volumes", "true", "volumes");
}

static void messages_about_garbage_are_short_and_clean(void **state)
{
    (void)state;
    struct sample sample;
    struct err_info info = {0};
    json_t *json = message("{'x':'\\u001b[31m\\u202e'}");
    json_object_set_new(json, "long", json_sprintf("%0500d", 7));
    assert_int_equal(parse_sample(json, &sample, &info), ERR_GARBAGE);
    assert_true(strlen(info.message) < 220);
    assert_null(strchr(info.message, 0x1b));
    assert_null(strstr(info.message, "\xe2\x80\xae"));
    assert_non_null(strstr(info.message, "{\"x\":"));
    assert_non_null(strstr(info.message, "…"));
    json_decref(json);
    sample_free(&sample);
    json = message("[1,2]");
    assert_int_equal(parse_sample(json, &sample, &info), ERR_GARBAGE);
    assert_string_equal(info.message, "sample is no object: [1,2]");
    json_decref(json);
    sample_free(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_the_host_are_read),
        cmocka_unit_test(disk_figures_are_sums_and_the_fullest),
        cmocka_unit_test(rates_are_unknown_before_they_are_made),
        cmocka_unit_test(containers_are_found_by_id),
        cmocka_unit_test(volumes_are_found_by_name_and_runtime),
        cmocka_unit_test(late_sections_are_unknown_not_zero),
        cmocka_unit_test(empty_lists_are_known_to_be_empty),
        cmocka_unit_test(hostile_figures_are_unknown_and_bad_entries_counted),
        cmocka_unit_test(lists_have_ceilings),
        cmocka_unit_test(samples_of_the_wrong_shape_are_refused),
        cmocka_unit_test(messages_about_garbage_are_short_and_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
