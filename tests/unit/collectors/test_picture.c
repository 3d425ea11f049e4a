/* collectors/picture: inventory and sample become one report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "collectors/picture.h"
#include "tests/unit/collectors/fixture.h"

static struct picture *begun(void)
{
    struct host_def host = {
        .name = (char[]){"mosh01"}, .address = (char[]){"192.0.2.11"}, .roles = ROLE_COMPUTE | ROLE_PROXY};
    struct picture *picture = picture_new(&host, 10 * USEC_PER_SEC);
    json_t *hello = message("{'protocol':1,'version':'0.1.0','os':'Debian GNU/Linux 12','kernel':'6.1.0-18-amd64'}");
    picture_begin(picture, hello);
    json_decref(hello);
    return picture;
}

static void take_inventory(struct picture *picture, json_t *json)
{
    struct err_info info = {0};
    if (picture_take_inventory(picture, json, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(json);
}

static struct host_report *take_sample(struct picture *picture, json_t *json)
{
    struct host_report *report = NULL;
    struct err_info info = {0};
    if (picture_take_sample(picture, json, 1.5, &report, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(json);
    return report;
}

static const struct container_state *container(const struct host_report *report, const char *key)
{
    for (size_t i = 0; i < report->container_count; i++)
        if (strcmp(report->containers[i].key, key) == 0)
            return &report->containers[i];
    fail_msg("no container %s", key);
    abort();
}

static void a_report_says_who_the_host_is(void **state)
{
    (void)state;
    struct picture *picture = begun();
    clock_freeze_wall(1760000001000000);
    take_inventory(picture, fixture("inventory.json"));
    struct host_report *report = take_sample(picture, fixture("sample.json"));
    clock_freeze_wall(0);
    assert_string_equal(report->host.name, "mosh01");
    assert_string_equal(report->host.address, "192.0.2.11");
    assert_string_equal(report->host.roles, "compute proxy");
    assert_int_equal(report->host.status, HOST_UP);
    assert_int_equal(report->host.reason_code, ERR_OK);
    assert_string_equal(report->host.os, "Debian GNU/Linux 12");
    assert_string_equal(report->host.kernel, "6.1.0-18-amd64");
    assert_string_equal(report->host.helper_version, "0.1.0");
    assert_string_equal(report->host.boot_id, "3f1c2a4e-9d7b-4c11-8a55-0b1e2d3c4f5a");
    assert_string_equal(report->host.runtimes, "podman 4.3.1, docker (no answer)");
    assert_int_equal(report->host.containers_total, 3);
    assert_int_equal(report->host.containers_running, 1);
    assert_int_equal(report->host.seen_us, 1760000001000000);
    assert_int_equal(report->taken_us, 1760000000000000);
    assert_near(report->host.metrics[HOST_CLOCK_OFFSET], 1.5);
    assert_near(report->host.metrics[HOST_LOAD1], 0.5);
    assert_unknown(report->host.metrics[HOST_LAG]);
    host_report_free(report);
    picture_free(picture);
}

static void before_an_inventory_containers_are_not_none_but_unknown(void **state)
{
    (void)state;
    struct picture *picture = begun();
    struct host_report *report = take_sample(picture, fixture("sample.json"));
    assert_false(report->has_inventory);
    assert_int_equal(report->container_count, 0);
    assert_near(report->host.metrics[HOST_LOAD1], 0.5);
    host_report_free(report);
    picture_free(picture);
}

static void figures_find_their_container_and_volume(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    struct host_report *report = take_sample(picture, fixture("sample.json"));
    assert_true(report->has_inventory);
    assert_int_equal(report->container_count, 3);
    const struct container_state *web = container(report, "mosh01/example.org-web");
    assert_near(web->metrics[CONTAINER_MEM_USED], 52428800);
    assert_near(web->metrics[CONTAINER_RESTARTS], 2);
    assert_near(web->metrics[CONTAINER_OOM_KILLS], 1);
    assert_unknown(container(report, "mosh01/db@docker")->metrics[CONTAINER_MEM_USED]); /* not in the sample */
    assert_int_equal(report->volume_count, 4);
    for (size_t i = 0; i < 4; i++) {
        bool measured = strcmp(report->volumes[i].key, "mosh01/example.org-data") == 0;
        assert_int_equal(isnan(report->volumes[i].metrics[VOLUME_USED]), !measured);
        assert_int_equal(report->volumes[i].measured_us, measured ? 1759999990000000 : 0);
    }
    host_report_free(report);
    picture_free(picture);
}

static json_t *later_sample(int seq, int64_t cpu_us)
{
    json_t *json = fixture("sample.json");
    json_object_set_new(json, "seq", json_integer(seq));
    json_object_set_new(json, "mono_us", json_integer(5000000000 + (seq - 17) * 10 * USEC_PER_SEC));
    json_object_set_new(json, "epoch_us", json_integer(1760000000000000 + (seq - 17) * 10 * USEC_PER_SEC));
    json_object_set_new(json_array_get(json_object_get(json, "containers"), 0), "cpu_us", json_integer(cpu_us));
    return json;
}

static void rates_come_with_the_second_sample(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    host_report_free(take_sample(picture, fixture("sample.json")));
    struct host_report *report = take_sample(picture, later_sample(18, 12000000));
    assert_near(container(report, "mosh01/example.org-web")->metrics[CONTAINER_CPU], 50);
    host_report_free(report);
    picture_free(picture);
}

static void a_restart_told_by_the_inventory_makes_no_spike(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    host_report_free(take_sample(picture, fixture("sample.json")));
    json_t *inventory = fixture("inventory.json");
    json_object_set_new(
        json_array_get(json_object_get(inventory, "containers"), 0), "started_us", json_integer(1760000005000000));
    take_inventory(picture, inventory);
    struct host_report *report = take_sample(picture, later_sample(18, 12000000));
    assert_unknown(container(report, "mosh01/example.org-web")->metrics[CONTAINER_CPU]);
    host_report_free(report);
    picture_free(picture);
}

static void a_newer_inventory_takes_the_place_of_the_older(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    json_t *inventory = fixture("inventory.json");
    json_array_remove(json_object_get(inventory, "containers"), 0);
    take_inventory(picture, inventory);
    struct host_report *report = take_sample(picture, fixture("sample.json"));
    assert_int_equal(report->container_count, 2);
    assert_int_equal(report->host.containers_running, 0);
    host_report_free(report);
    picture_free(picture);
}

static void an_inventory_of_another_boot_says_nothing(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    json_t *sample = fixture("sample.json");
    set(sample, "boot_id", "'00000000-aaaa'");
    struct host_report *report = take_sample(picture, sample);
    assert_false(report->has_inventory);
    assert_int_equal(report->container_count, 0);
    assert_string_equal(report->host.boot_id, "00000000-aaaa");
    host_report_free(report);
    picture_free(picture);
}

static void a_new_helper_must_tell_its_inventory_again(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    json_t *hello = message("{'version':'0.2.0'}");
    picture_begin(picture, hello);
    json_decref(hello);
    struct host_report *report = take_sample(picture, fixture("sample.json"));
    assert_false(report->has_inventory);
    assert_string_equal(report->host.runtimes, "");
    assert_string_equal(report->host.helper_version, "0.2.0");
    assert_string_equal(report->host.os, "");
    host_report_free(report);
    picture_free(picture);
}

static void garbage_leaves_what_was_known(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory.json"));
    json_t *json = message("{'seq':'x'}");
    struct host_report *report = (struct host_report *)1;
    struct err_info info = {0};
    assert_int_equal(picture_take_sample(picture, json, NAN, &report, &info), ERR_GARBAGE);
    assert_null(report);
    assert_int_equal(picture_take_inventory(picture, json, &info), ERR_GARBAGE);
    json_decref(json);
    report = take_sample(picture, fixture("sample.json"));
    assert_int_equal(report->container_count, 3);
    host_report_free(report);
    picture_free(picture);
}

static void hostile_messages_still_make_a_report(void **state)
{
    (void)state;
    struct picture *picture = begun();
    take_inventory(picture, fixture("inventory_hostile.json"));
    struct host_report *report = take_sample(picture, fixture("sample_hostile.json"));
    assert_int_equal(report->container_count, 4);
    assert_unknown(report->host.metrics[HOST_CPU]);
    host_report_free(report);
    picture_free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_says_who_the_host_is),
        cmocka_unit_test(before_an_inventory_containers_are_not_none_but_unknown),
        cmocka_unit_test(figures_find_their_container_and_volume),
        cmocka_unit_test(rates_come_with_the_second_sample),
        cmocka_unit_test(a_restart_told_by_the_inventory_makes_no_spike),
        cmocka_unit_test(a_newer_inventory_takes_the_place_of_the_older),
        cmocka_unit_test(an_inventory_of_another_boot_says_nothing),
        cmocka_unit_test(a_new_helper_must_tell_its_inventory_again),
        cmocka_unit_test(garbage_leaves_what_was_known),
        cmocka_unit_test(hostile_messages_still_make_a_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
