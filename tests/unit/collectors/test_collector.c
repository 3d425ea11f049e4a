/* collectors/collector against a real SSH server in this process: how hosts are lost, and how they come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "base/paths.h"
#include "collectors/collector.h"
#include "remote/keys.h"
#include "remote/known_hosts.h"
#include "tests/support/ssh_server.h"
#include "tests/unit/collectors/fixture.h"
#include "tests/unit/collectors/lines_helper.h"

#define SOON (15 * USEC_PER_SEC)
#define INTERVAL_US USEC_PER_SEC
#define ALL_VERBS "'hello','ping','subscribe','logs.follow'"

struct watch { /* one host, watched */
    struct ssh_server *server;
    char *state_dir;
    struct lines_helper helper;
    struct recorder recorder;
    struct sink sink;
    struct fleet fleet;
    struct host_def host;
    struct collector *collector;
};

static void watch_trust(struct watch *watch)
{
    struct host_key key;
    char *known_hosts = paths_join(watch->state_dir, "known_hosts");
    assert_int_equal(host_key_describe(&key, ssh_server_key(watch->server), NULL), ERR_OK);
    assert_int_equal(known_hosts_set(known_hosts, "mosh01", &key, NULL), ERR_OK);
    free(known_hosts);
}

/* Everything but the collector. */
static struct watch *watch_new(enum ssh_server_fault fault)
{
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->helper = (struct lines_helper){.lock = PTHREAD_MUTEX_INITIALIZER, .protocol = 1, .capabilities = ALL_VERBS};
    watch->recorder = (struct recorder){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    watch->sink = (struct sink){&watch->recorder, record_report, record_lost, record_logs, recorded_cursors};
    watch->server = ssh_server_start(
        &(struct ssh_server_options){.fault = fault, .command = lines_helper_run, .owner = &watch->helper});
    watch->state_dir = test_dir_new();
    watch->fleet = (struct fleet){.interval_us = INTERVAL_US};
    watch->host = (struct host_def){.name = (char[]){"mosh01"}, .roles = ROLE_COMPUTE};
    watch->host.address = xstrdup("127.0.0.1");
    watch->host.name = xstrdup("mosh01");
    watch->host.user = xstrdup("dogwatch");
    watch->host.port = ssh_server_port(watch->server);
    setenv("HOME", watch->state_dir, 1);
    watch_trust(watch);
    return watch;
}

static void watch_begin(struct watch *watch)
{
    watch->collector = collector_start(&watch->fleet, &watch->host, watch->state_dir, &watch->sink);
}

static void watch_end(struct watch *watch)
{
    collector_free(watch->collector);
    ssh_server_stop(watch->server);
    test_dir_free(watch->state_dir);
    host_report_free(watch->recorder.last);
    free(watch->helper.followed);
    free(watch->host.name);
    free(watch->host.address);
    free(watch->host.user);
    free(watch);
}

static void await_reports(struct watch *watch, unsigned more)
{
    pthread_mutex_lock(&watch->recorder.lock);
    unsigned wanted = watch->recorder.reports + more;
    pthread_mutex_unlock(&watch->recorder.lock);
    if (reached(&watch->recorder, &watch->recorder.reports, wanted, SOON))
        return;
    for (unsigned i = 0; i < watch->recorder.losses && i < LOSSES_MAX; i++)
        print_error("lost (%s): %s\n", err_word(watch->recorder.codes[i]), watch->recorder.reasons[i]);
    fail_msg("no report within the deadline");
}

/* The loss of that number (from 0) is of this code, and its reason has that text. */
static void await_loss(struct watch *watch, unsigned number, enum err code, const char *says)
{
    if (!reached(&watch->recorder, &watch->recorder.losses, number + 1, SOON))
        fail_msg("no loss within the deadline");
    const char *reason = watch->recorder.reasons[number];
    if (watch->recorder.codes[number] != code || !strstr(reason, says))
        fail_msg("lost (%s): %s", err_word(watch->recorder.codes[number]), reason);
    assert_null(strstr(reason, "mosh01: ")); /* it stands in the host's row */
}

/* --- good --- */

static void samples_become_reports_with_clock_and_containers(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.clock_ahead_us = 3600 * USEC_PER_SEC;
    watch_begin(watch);
    await_reports(watch, 2);
    pthread_mutex_lock(&watch->recorder.lock);
    const struct host_report *report = watch->recorder.last;
    assert_string_equal(report->host.name, "mosh01");
    assert_int_equal(report->host.status, HOST_UP);
    assert_string_equal(report->host.kernel, "6.1");
    assert_true(report->host.metrics[HOST_PROCESSES] >= 2);
    assert_true(fabs(report->host.metrics[HOST_CLOCK_OFFSET] - 3600e3) < 10e3);
    assert_true(report->has_inventory);
    assert_string_equal(report->containers[0].key, "mosh01/web");
    assert_true(report->containers[0].metrics[CONTAINER_CPU] > 0); /* the second sample has rates */
    assert_int_equal(watch->recorder.losses, 0);
    pthread_mutex_unlock(&watch->recorder.lock);
    assert_true(reached(&watch->recorder, &watch->recorder.batches, 1, SOON));
    watch_end(watch);
}

static void a_flood_of_samples_makes_few_reports(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.after_sample = FLOODS;
    watch_begin(watch);
    await_loss(watch, 0, ERR_GARBAGE, "garbage");
    pthread_mutex_lock(&watch->recorder.lock);
    assert_in_range(watch->recorder.reports, 1, 500);
    pthread_mutex_unlock(&watch->recorder.lock);
    watch_end(watch);
}

static void answers_to_pings_are_signs_of_life(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.after_sample = ONLY_ANSWERS;
    watch_begin(watch);
    await_reports(watch, 1);
    assert_false(reached(&watch->recorder, &watch->recorder.losses, 1, 4 * INTERVAL_US));
    pthread_mutex_lock(&watch->helper.lock);
    assert_true(watch->helper.pings >= 3); /* one for the clock, then one for each silence */
    pthread_mutex_unlock(&watch->helper.lock);
    watch_end(watch);
}

static void a_host_that_refuses_its_logs_is_watched(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.refuses_logs = true;
    watch_begin(watch);
    await_reports(watch, 2);
    assert_int_equal(watch->recorder.losses, 0);
    watch_end(watch);
}

static void a_slow_host_does_not_delay_another(void **state)
{
    (void)state;
    struct watch *silent = watch_new(SSH_SERVER_SILENT), *fine = watch_new(SSH_SERVER_FINE);
    watch_begin(silent);
    watch_begin(fine);
    await_reports(fine, 2);
    watch_end(fine);
    watch_end(silent);
}

/* --- lost --- */

static void a_stalled_host_is_lost_within_two_intervals_and_comes_back(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch_begin(watch);
    await_reports(watch, 2);
    ssh_server_pause(watch->server, true);
    await_loss(watch, 0, ERR_TIMEOUT, "no sign of life for 1.");
    ssh_server_pause(watch->server, false);
    await_reports(watch, 2);
    watch_end(watch);
}

static void a_cut_connection_is_lost_and_comes_back(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch_begin(watch);
    await_reports(watch, 2);
    ssh_server_cut(watch->server);
    await_loss(watch, 0, ERR_CLOSED, "");
    await_reports(watch, 2);
    assert_int_equal(watch->recorder.losses, 1);
    watch_end(watch);
}

static void garbage_is_lost_with_an_excerpt_of_it(void **state)
{
    (void)state;
    static const struct {
        enum after_sample after_sample;
        const char *says;
    } kinds[] = {
        {SAYS_GARBAGE, "Cannot allocate memory"},
        {SAYS_WRONG_SAMPLE, "sample without \"boot_id\""},
        {SAYS_WRONG_LOG, "log without a valid \"cursor\""},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct watch *watch = watch_new(SSH_SERVER_FINE);
        watch->helper.after_sample = kinds[i].after_sample;
        watch_begin(watch);
        await_loss(watch, 0, ERR_GARBAGE, kinds[i].says);
        assert_true(str_starts(watch->recorder.reasons[0], "garbage: "));
        watch_end(watch);
    }
}

static void a_helper_that_ends_is_lost_and_its_logs_go_on_after_the_cursor(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.after_sample = ENDS;
    watch_begin(watch);
    await_loss(watch, 0, ERR_CLOSED, "the helper ended");
    pthread_mutex_lock(&watch->helper.lock);
    watch->helper.after_sample = GOES_ON;
    pthread_mutex_unlock(&watch->helper.lock);
    watch->recorder.cursors = "{\"podman/web\":\"c77\",\"journal\":\"s=1\"}";
    assert_true(reached(&watch->recorder, &watch->recorder.batches, 1, SOON));
    await_reports(watch, 2);
    pthread_mutex_lock(&watch->helper.lock);
    assert_string_equal(watch->helper.followed, "{\"cursors\":{\"journal\":\"s=1\",\"podman/web\":\"c77\"}}");
    pthread_mutex_unlock(&watch->helper.lock);
    watch_end(watch);
}

static void refused_logins_are_not_hammered(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_REFUSES_AUTH);
    watch_begin(watch);
    await_loss(watch, 0, ERR_AUTH, "");
    /* a retry after an ordinary failure would have come long before */
    assert_false(reached(&watch->recorder, &watch->recorder.losses, 2, 3 * USEC_PER_SEC));
    assert_int_equal(ssh_server_connections(watch->server), 1);
    watch_end(watch);
}

static void a_retry_does_not_wait_for_the_back_off(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_REFUSES_AUTH); /* the next try is a minute away */
    watch_begin(watch);
    await_loss(watch, 0, ERR_AUTH, "");
    ssh_server_set_fault(watch->server, SSH_SERVER_FINE);
    collector_retry(watch->collector);
    await_reports(watch, 1);
    watch_end(watch);
}

static void a_changed_host_key_is_said_and_not_trusted(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    ssh_server_new_key(watch->server);
    watch_begin(watch);
    await_loss(watch, 0, ERR_HOST_KEY, "changed");
    assert_int_equal(watch->helper.hellos, 0);
    watch_end(watch);
}

static void nothing_that_listens_is_refused(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    ssh_server_stop(watch->server);
    watch_begin(watch);
    await_loss(watch, 0, ERR_REFUSED, "");
    collector_free(watch->collector);
    watch->collector = NULL;
    watch->server = ssh_server_start(&(struct ssh_server_options){.fault = SSH_SERVER_FINE});
    watch_end(watch);
}

static void a_helper_of_another_protocol_is_said_to_be(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.protocol = 0;
    watch_begin(watch);
    await_loss(watch, 0, ERR_VERSION, "protocol 0");
    watch_end(watch);
}

static void a_policy_that_forbids_to_subscribe_is_said(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->helper.capabilities = "'hello','ping'";
    watch_begin(watch);
    await_loss(watch, 0, ERR_DENIED, "/etc/dogwatch/policy");
    watch_end(watch);
}

static void the_same_reason_is_told_once(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_CLOSES);
    watch_begin(watch);
    int64_t deadline_us = clock_mono_us() + SOON;
    while (ssh_server_connections(watch->server) < 3 && clock_mono_us() < deadline_us)
        poll(NULL, 0, 20);
    assert_true(ssh_server_connections(watch->server) >= 3);
    assert_int_equal(watch->recorder.losses, 1);
    ssh_server_set_fault(watch->server, SSH_SERVER_REFUSES_AUTH); /* another reason */
    await_loss(watch, 1, ERR_AUTH, "");
    watch_end(watch);
}

static void a_loss_after_a_recovery_is_told_again(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch_begin(watch);
    for (unsigned i = 0; i < 2; i++) {
        await_reports(watch, 2);
        ssh_server_cut(watch->server);
        await_loss(watch, i, ERR_CLOSED, "");
    }
    assert_string_equal(watch->recorder.reasons[0], watch->recorder.reasons[1]);
    watch_end(watch);
}

static void more_cursors_than_fit_do_not_keep_a_host_from_being_watched(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    struct buf cursors = BUF(1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&cursors, "%c\"podman/c%04d\":\"%0200d\"", i ? ',' : '{', i, i);
    buf_putc(&cursors, '}');
    watch->recorder.cursors = cursors.data;
    watch_begin(watch);
    await_reports(watch, 2);
    assert_int_equal(watch->recorder.losses, 0);
    pthread_mutex_lock(&watch->helper.lock);
    assert_true(strlen(watch->helper.followed) > 50000 && strlen(watch->helper.followed) < 65000);
    pthread_mutex_unlock(&watch->helper.lock);
    watch_end(watch);
    buf_free(&cursors);
}

/* --- ended --- */

static void a_collector_ends_at_once_wherever_it_waits(void **state)
{
    (void)state;
    static const enum ssh_server_fault faults[] = {SSH_SERVER_FINE, SSH_SERVER_SILENT, SSH_SERVER_STALLS_IN_KEX,
        SSH_SERVER_STALLS_IN_AUTH, SSH_SERVER_STALLS_CHANNELS, SSH_SERVER_REFUSES_AUTH};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct watch *watch = watch_new(faults[i]);
        watch_begin(watch);
        int64_t deadline_us = clock_mono_us() + SOON;
        while (ssh_server_connections(watch->server) == 0 && clock_mono_us() < deadline_us)
            poll(NULL, 0, 20);
        if (faults[i] == SSH_SERVER_REFUSES_AUTH)
            await_loss(watch, 0, ERR_AUTH, ""); /* it is in its back-off then */
        int64_t began_us = clock_mono_us();
        collector_free(watch->collector);
        watch->collector = NULL;
        if (clock_mono_us() - began_us > 5 * USEC_PER_SEC) /* its deadlines are 10 s and more */
            fail_msg("fault %u: not woken", (unsigned)faults[i]);
        watch_end(watch);
    }
}

static void a_ring_of_jumps_is_told_and_ends(void **state)
{
    (void)state;
    struct watch *watch = watch_new(SSH_SERVER_FINE);
    watch->host.jump = (char[]){"nowhere"};
    watch_begin(watch);
    await_loss(watch, 0, ERR_INVALID, "nowhere");
    watch_end(watch);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_become_reports_with_clock_and_containers),
        cmocka_unit_test(a_flood_of_samples_makes_few_reports),
        cmocka_unit_test(answers_to_pings_are_signs_of_life),
        cmocka_unit_test(a_host_that_refuses_its_logs_is_watched),
        cmocka_unit_test(a_slow_host_does_not_delay_another),
        cmocka_unit_test(a_stalled_host_is_lost_within_two_intervals_and_comes_back),
        cmocka_unit_test(a_cut_connection_is_lost_and_comes_back),
        cmocka_unit_test(garbage_is_lost_with_an_excerpt_of_it),
        cmocka_unit_test(a_helper_that_ends_is_lost_and_its_logs_go_on_after_the_cursor),
        cmocka_unit_test(refused_logins_are_not_hammered),
        cmocka_unit_test(a_retry_does_not_wait_for_the_back_off),
        cmocka_unit_test(a_changed_host_key_is_said_and_not_trusted),
        cmocka_unit_test(nothing_that_listens_is_refused),
        cmocka_unit_test(a_helper_of_another_protocol_is_said_to_be),
        cmocka_unit_test(a_policy_that_forbids_to_subscribe_is_said),
        cmocka_unit_test(the_same_reason_is_told_once),
        cmocka_unit_test(a_loss_after_a_recovery_is_told_again),
        cmocka_unit_test(more_cursors_than_fit_do_not_keep_a_host_from_being_watched),
        cmocka_unit_test(a_collector_ends_at_once_wherever_it_waits),
        cmocka_unit_test(a_ring_of_jumps_is_told_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
