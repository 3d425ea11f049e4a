/* collectors/rates: rates between samples, and all the ways in which there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "collectors/rates.h"
#include "tests/unit/collectors/fixture.h"

#define INTERVAL_US (10 * USEC_PER_SEC)
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* A sample of `seq` at 1000 s + 10 s × seq; `sections` are written with ' for ". */
struct at {
    int seq;
    const char *boot_id; /* NULL: "a" */
    int64_t mono_us;     /* 0: as above */
    int64_t started_us;  /* of all containers */
};

static struct sample applied(struct rates *rates, struct at at, const char *sections)
{
    int64_t mono_us = at.mono_us ? at.mono_us : 1000 * USEC_PER_SEC + at.seq * INTERVAL_US;
    char *text = xasprintf("{'seq':%d,'boot_id':'%s','epoch_us':%lld,'mono_us':%lld,%s}", at.seq,
        at.boot_id ? at.boot_id : "a", (long long)(mono_us + 1000000000000), (long long)mono_us, sections);
    json_t *json = message(text);
    struct sample sample;
    assert_int_equal(parse_sample(json, &sample, NULL), ERR_OK);
    json_decref(json);
    free(text);
    for (size_t i = 0; i < sample.containers.count; i++)
        sample.containers.items[i].started_us = at.started_us;
    rates_apply(rates, &sample);
    return sample;
}

/* One metric of the host, of a sample that is not needed any more. */
static double host(struct sample sample, enum host_metric metric)
{
    double value = sample.metrics[metric];
    sample_free(&sample);
    return value;
}

static double container(struct sample sample, enum container_metric metric)
{
    assert_int_equal(sample.containers.count, 1);
    double value = sample.containers.items[0].metrics[metric];
    sample_free(&sample);
    return value;
}

#define DROP(sample) host(sample, HOST_CPU)
#define CPU(user, system, idle, iowait)                                                                                \
    "'cpu':{'cores':2,'user':" #user ",'nice':0,'system':" #system ",'idle':" #idle ",'iowait':" #iowait "}"
#define NET(rx, tx) "'networks':[{'name':'eth0','rx_bytes':" #rx ",'tx_bytes':" #tx "}]"
#define BOX(cpu, rx) "'containers':[{'id':'" ID "','cpu_us':" #cpu ",'net_rx_bytes':" #rx "}]"

static void the_first_sample_has_no_rates(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    struct sample sample = applied(rates, (struct at){.seq = 1}, CPU(10, 10, 10, 10) "," NET(5, 5) "," BOX(5, 5));
    for (size_t i = 0; i < HOST_METRIC_COUNT; i++)
        assert_true(isnan(sample.metrics[i]) || i == HOST_CORES);
    for (size_t i = 0; i < CONTAINER_METRIC_COUNT; i++)
        assert_unknown(sample.containers.items[0].metrics[i]);
    sample_free(&sample);
    rates_free(rates);
}

static void cpu_of_the_host_is_the_share_of_all_cores(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1},
        "'cpu':{'cores':2,'user':100,'nice':10,'system':50,'idle':1000,'iowait':20,'irq':1,'softirq':2,'steal':3}"));
    struct sample sample = applied(rates, (struct at){.seq = 2},
        "'cpu':{'cores':2,'user':200,'nice':30,'system':100,'idle':1600,'iowait':120,'irq':11,'softirq':22,'steal':"
        "103}");
    /* grown: 100 20 50 600 100 10 20 100 = 1000 */
    assert_near(sample.metrics[HOST_CPU], 30);
    assert_near(sample.metrics[HOST_CPU_IOWAIT], 10);
    assert_near(sample.metrics[HOST_CPU_STEAL], 10);
    assert_near(sample.metrics[HOST_CPU_USER], 12);
    assert_near(sample.metrics[HOST_CPU_SYSTEM], 8);
    sample_free(&sample);
    rates_free(rates);
}

static void a_cpu_state_that_is_not_told_is_unknown_and_the_rest_known(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, CPU(0, 0, 0, 0)));
    struct sample sample = applied(rates, (struct at){.seq = 2}, CPU(25, 25, 50, 0));
    assert_near(sample.metrics[HOST_CPU], 50);
    assert_near(sample.metrics[HOST_CPU_IOWAIT], 0);
    assert_unknown(sample.metrics[HOST_CPU_STEAL]);
    sample_free(&sample);
    rates_free(rates);
}

static void iowait_may_step_back_without_a_spike(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, CPU(0, 0, 0, 100)));
    struct sample sample = applied(rates, (struct at){.seq = 2}, CPU(50, 0, 50, 90));
    assert_near(sample.metrics[HOST_CPU], 50);
    assert_unknown(sample.metrics[HOST_CPU_IOWAIT]);
    sample_free(&sample);
    rates_free(rates);
}

static void cpu_that_stepped_back_is_unknown_once(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, CPU(100, 100, 100, 0)));
    assert_unknown(host(applied(rates, (struct at){.seq = 2}, CPU(50, 200, 200, 0)), HOST_CPU));
    assert_near(host(applied(rates, (struct at){.seq = 3}, CPU(100, 200, 250, 0)), HOST_CPU), 50);
    assert_unknown(
        host(applied(rates, (struct at){.seq = 4}, CPU(100, 200, 250, 0)), HOST_CPU)); /* no time has passed */
    rates_free(rates);
}

static void bytes_a_second_use_the_hosts_own_clock(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1, .mono_us = 100000000}, NET(1000, 2000)));
    struct sample sample = applied(rates, (struct at){.seq = 2, .mono_us = 104000000}, NET(5000, 2000));
    assert_near(sample.metrics[HOST_NET_RX], 1000);
    assert_near(sample.metrics[HOST_NET_TX], 0);
    sample_free(&sample);
    rates_free(rates);
}

static void a_counter_that_stepped_back_is_unknown_once(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, NET(1000, 1000)));
    struct sample sample = applied(rates, (struct at){.seq = 2}, NET(10, 2000));
    assert_unknown(sample.metrics[HOST_NET_RX]);
    assert_near(sample.metrics[HOST_NET_TX], 100);
    sample_free(&sample);
    assert_near(host(applied(rates, (struct at){.seq = 3}, NET(110, 3000)), HOST_NET_RX), 10);
    rates_free(rates);
}

static void parts_that_come_and_go_make_no_spike(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    const char *both = "'disks':[{'name':'a','read_bytes':1000,'write_bytes':0},"
                       "{'name':'b','read_bytes':9000000,'write_bytes':0}]";
    DROP(applied(rates, (struct at){.seq = 1}, "'disks':[{'name':'a','read_bytes':0,'write_bytes':0}]"));
    assert_near(
        host(applied(rates, (struct at){.seq = 2}, both), HOST_DISK_READ), 100); /* b's 9 MB are not of this interval */
    assert_near(host(applied(rates, (struct at){.seq = 3}, "'disks':[{'name':'a','read_bytes':3000,'write_bytes':0}]"),
                    HOST_DISK_READ),
        200);
    assert_unknown(host(applied(rates, (struct at){.seq = 4}, "'disks':[]"), HOST_DISK_READ));
    assert_unknown(host(applied(rates, (struct at){.seq = 5}, both), HOST_DISK_READ));
    rates_free(rates);
}

static void a_late_section_makes_the_next_rate_over_the_longer_time(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, NET(0, 0) "," CPU(0, 0, 0, 0) "," BOX(0, 0)));
    struct sample late = applied(rates, (struct at){.seq = 2}, "'late':['networks','cpu','containers']");
    assert_unknown(late.metrics[HOST_NET_RX]);
    assert_unknown(late.metrics[HOST_CPU]);
    sample_free(&late);
    struct sample sample =
        applied(rates, (struct at){.seq = 3}, NET(2000, 0) "," CPU(25, 0, 75, 0) "," BOX(2000000, 0));
    assert_near(sample.metrics[HOST_NET_RX], 100); /* 2,000 bytes in 20 s */
    assert_near(sample.metrics[HOST_CPU], 25);
    assert_near(sample.containers.items[0].metrics[CONTAINER_CPU], 10);
    sample_free(&sample);
    rates_free(rates);
}

static void a_reboot_begins_anew(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    const char *sections = NET(1000, 1000) "," CPU(10, 10, 10, 10) "," BOX(10, 10);
    const char *later = NET(9000, 9000) "," CPU(90, 90, 90, 90) "," BOX(90, 90);
    DROP(applied(rates, (struct at){.seq = 1}, sections));
    struct sample sample =
        applied(rates, (struct at){.seq = 2, .boot_id = "b"}, later); /* all counters grew, but from zero */
    assert_unknown(sample.metrics[HOST_NET_RX]);
    assert_unknown(sample.metrics[HOST_CPU]);
    assert_unknown(sample.containers.items[0].metrics[CONTAINER_CPU]);
    sample_free(&sample);
    assert_near(host(applied(rates, (struct at){.seq = 3, .boot_id = "b"}, NET(9100, 9000)), HOST_NET_RX), 10);
    rates_free(rates);
}

static void time_that_stands_or_steps_back_makes_no_rate(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1, .mono_us = 100000000}, NET(0, 0)));
    assert_unknown(host(applied(rates, (struct at){.seq = 2, .mono_us = 100000000}, NET(100, 0)), HOST_NET_RX));
    assert_unknown(host(applied(rates, (struct at){.seq = 3, .mono_us = 90000000}, NET(200, 0)), HOST_NET_RX));
    assert_unknown(
        host(applied(rates, (struct at){.seq = 4, .mono_us = 90000001}, NET(900, 0)), HOST_NET_RX)); /* 1 µs */
    assert_near(host(applied(rates, (struct at){.seq = 5, .mono_us = 91000001}, NET(1000, 0)), HOST_NET_RX), 100);
    rates_free(rates);
}

static void samples_out_of_order_begin_anew(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 5, .mono_us = 100000000}, NET(0, 0)));
    assert_unknown(host(applied(rates, (struct at){.seq = 5, .mono_us = 110000000}, NET(100, 0)), HOST_NET_RX));
    assert_near(host(applied(rates, (struct at){.seq = 6, .mono_us = 120000000}, NET(200, 0)), HOST_NET_RX), 10);
    rates_free(rates);
}

static void a_new_helper_on_the_same_boot_goes_on(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 500, .mono_us = 100000000}, NET(0, 0)));
    rates_begin_stream(rates);
    assert_near(host(applied(rates, (struct at){.seq = 1, .mono_us = 120000000}, NET(2000, 0)), HOST_NET_RX), 100);
    rates_free(rates);
}

static void an_average_over_a_long_gap_is_no_present_rate(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1, .mono_us = 100000000}, NET(0, 0)));
    rates_begin_stream(rates);
    assert_unknown(host(applied(rates, (struct at){.seq = 1, .mono_us = 3700000000}, NET(9000, 0)), HOST_NET_RX));
    rates_free(rates);
    rates = rates_new(600 * USEC_PER_SEC); /* the same gap is nothing for a slow interval */
    DROP(applied(rates, (struct at){.seq = 1, .mono_us = 100000000}, NET(0, 0)));
    assert_near(host(applied(rates, (struct at){.seq = 2, .mono_us = 700000000}, NET(6000, 0)), HOST_NET_RX), 10);
    rates_free(rates);
}

static void a_containers_cpu_is_of_one_core(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    const char *before = "'containers':[{'id':'" ID "','cpu_us':0,'throttled_us':0,'io_read_bytes':0,"
                         "'io_write_bytes':0,'net_rx_bytes':0,'net_tx_bytes':0,'mem_bytes':7}]";
    const char *after = "'containers':[{'id':'" ID "','cpu_us':15000000,'throttled_us':2000000,'io_read_bytes':100,"
                        "'io_write_bytes':200,'net_rx_bytes':300,'net_tx_bytes':400,'mem_bytes':8}]";
    DROP(applied(rates, (struct at){.seq = 1}, before));
    struct sample sample = applied(rates, (struct at){.seq = 2}, after);
    const double *metrics = sample.containers.items[0].metrics;
    assert_near(metrics[CONTAINER_CPU], 150);
    assert_near(metrics[CONTAINER_THROTTLED], 20);
    assert_near(metrics[CONTAINER_IO_READ], 10);
    assert_near(metrics[CONTAINER_IO_WRITE], 20);
    assert_near(metrics[CONTAINER_NET_RX], 30);
    assert_near(metrics[CONTAINER_NET_TX], 40);
    assert_near(metrics[CONTAINER_MEM_USED], 8);
    sample_free(&sample);
    rates_free(rates);
}

static void any_counter_that_steps_back_tells_of_a_new_start(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, BOX(1000000, 5000)));
    assert_unknown(container(applied(rates, (struct at){.seq = 2}, BOX(9000000, 10)), CONTAINER_CPU));
    assert_near(container(applied(rates, (struct at){.seq = 3}, BOX(10000000, 10)), CONTAINER_CPU), 10);
    rates_free(rates);
}

static void a_start_told_by_the_inventory_begins_anew(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    int64_t first = 5, second = 1000000000000 + 1015 * USEC_PER_SEC; /* between the samples 1 and 2 */
    DROP(applied(rates, (struct at){.seq = 1, .started_us = first}, BOX(10, 10)));
    assert_unknown(
        container(applied(rates, (struct at){.seq = 2, .started_us = second}, BOX(9000000, 90)), CONTAINER_CPU));
    assert_near(
        container(applied(rates, (struct at){.seq = 3, .started_us = second}, BOX(10000000, 90)), CONTAINER_CPU), 10);
    rates_free(rates);
}

static void a_start_told_late_costs_no_second_interval(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    int64_t first = 5, second = 1000000000000 + 1015 * USEC_PER_SEC;
    DROP(applied(rates, (struct at){.seq = 1, .started_us = first}, BOX(5000000, 10)));
    assert_unknown(
        container(applied(rates, (struct at){.seq = 2, .started_us = first}, BOX(1000000, 10)), CONTAINER_CPU));
    assert_near(
        container(applied(rates, (struct at){.seq = 3, .started_us = second}, BOX(2000000, 10)), CONTAINER_CPU), 10);
    rates_free(rates);
}

static void a_start_in_the_future_of_a_clock_set_back_costs_nothing(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    int64_t future = 2000000000000 + 1015 * USEC_PER_SEC; /* the same start all the time */
    DROP(applied(rates, (struct at){.seq = 1, .started_us = future}, BOX(0, 0)));
    assert_near(
        container(applied(rates, (struct at){.seq = 2, .started_us = future}, BOX(1000000, 0)), CONTAINER_CPU), 10);
    rates_free(rates);
}

static void another_container_has_no_rate_yet(void **state)
{
    (void)state;
    struct rates *rates = rates_new(INTERVAL_US);
    DROP(applied(rates, (struct at){.seq = 1}, "'containers':[{'id':'bbbbbbbbbbbb','cpu_us':5}]"));
    assert_unknown(container(applied(rates, (struct at){.seq = 2}, BOX(9000000, 10)), CONTAINER_CPU));
    DROP(applied(rates, (struct at){.seq = 3}, "'containers':[]"));
    assert_unknown(
        container(applied(rates, (struct at){.seq = 4}, BOX(9900000, 10)), CONTAINER_CPU)); /* gone meanwhile */
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sample_has_no_rates),
        cmocka_unit_test(cpu_of_the_host_is_the_share_of_all_cores),
        cmocka_unit_test(a_cpu_state_that_is_not_told_is_unknown_and_the_rest_known),
        cmocka_unit_test(iowait_may_step_back_without_a_spike),
        cmocka_unit_test(cpu_that_stepped_back_is_unknown_once),
        cmocka_unit_test(bytes_a_second_use_the_hosts_own_clock),
        cmocka_unit_test(a_counter_that_stepped_back_is_unknown_once),
        cmocka_unit_test(parts_that_come_and_go_make_no_spike),
        cmocka_unit_test(a_late_section_makes_the_next_rate_over_the_longer_time),
        cmocka_unit_test(a_reboot_begins_anew),
        cmocka_unit_test(time_that_stands_or_steps_back_makes_no_rate),
        cmocka_unit_test(samples_out_of_order_begin_anew),
        cmocka_unit_test(a_new_helper_on_the_same_boot_goes_on),
        cmocka_unit_test(an_average_over_a_long_gap_is_no_present_rate),
        cmocka_unit_test(a_containers_cpu_is_of_one_core),
        cmocka_unit_test(any_counter_that_steps_back_tells_of_a_new_start),
        cmocka_unit_test(a_start_told_by_the_inventory_begins_anew),
        cmocka_unit_test(a_start_told_late_costs_no_second_interval),
        cmocka_unit_test(a_start_in_the_future_of_a_clock_set_back_costs_nothing),
        cmocka_unit_test(another_container_has_no_rate_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
