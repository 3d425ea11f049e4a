/* The model of the present: what is known, what is not, and what is told of it. */
#include "tests/unit/engine/model_bench.h"

static int setup(void **state)
{
    struct bench *bench = bench_new();
    bench_add_host(bench, "alpha");
    bench_add_host(bench, "beta");
    bench_apply_fleet(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    bench_free(*state);
    return 0;
}

/* Both hosts have said that they are there; one site on alpha. */
static void begin(struct bench *bench)
{
    struct box empty = box_of("beta");
    bench_report_one(bench, "alpha", "shop-web", "shop");
    bench_report(bench, &empty);
    bench_told(bench);
}

static void first_sight_of_a_host_tells_only_that_it_answers(void **state)
{
    struct bench *bench = *state;
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "host.up");
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_RUNNING);
    assert_int_equal(bench_get_host(bench, "alpha")->containers_running, 1);
}

static void lost_host_is_unknown_and_its_site_is_never_stopped(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "no answer for 20 s");
    assert_string_equal(bench_told(bench), "host.unknown");
    const struct host_state *host = bench_get_host(bench, "alpha");
    assert_int_equal(host->status, HOST_UNKNOWN);
    assert_string_equal(host->reason, "no answer for 20 s");
    assert_true(isnan(host->metrics[HOST_CPU]));
    const struct container_state *container = bench_get_container(bench, "alpha/shop-web");
    assert_true(container->stale);
    assert_int_equal(container->state, RUN_RUNNING);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
    assert_int_equal(bench_get_site(bench, "shop")->containers_total, 1);
}

static void host_that_comes_back_tells_that_and_nothing_of_its_containers(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    bench_told(bench);
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "host.up");
    assert_false(bench_get_container(bench, "alpha/shop-web")->stale);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_RUNNING);
}

static void container_that_stopped_while_its_host_was_away_is_told_once(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    bench_told(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        struct container_state *container = box_add(&box, "shop-web", "shop");
        container->state = RUN_EXITED;
        container->exit_code = 1;
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), i ? "" : "host.up container.died site.stopped");
    }
}

static void same_reason_again_is_not_told_again_but_another_one_is(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    assert_string_equal(bench_told(bench), "host.unknown");
    bench_lose(bench, "alpha", ERR_REFUSED, "refused");
    assert_string_equal(bench_told(bench), "host.unknown");
}

static void since_of_a_lost_host_stays_while_it_is_lost(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    int64_t since_us = bench_get_host(bench, "alpha")->since_us;
    assert_int_equal(since_us, bench->now_us);
    bench_lose(bench, "alpha", ERR_REFUSED, "refused");
    assert_int_equal(bench_get_host(bench, "alpha")->since_us, since_us);
}

static void silence_without_a_word_from_the_collector_is_noticed(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    present_check_silence(bench->present, bench->now_us + 20 * USEC_PER_SEC);
    assert_string_equal(bench_told(bench), "");
    present_check_silence(bench->present, bench->now_us + 60 * USEC_PER_SEC);
    assert_string_equal(bench_told(bench), "host.unknown host.unknown");
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
}

static void engine_that_starts_anew_tells_nothing_where_nothing_changed(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    int64_t host_since_us = bench_get_host(bench, "alpha")->since_us;
    int64_t site_since_us = bench_get_site(bench, "shop")->since_us;
    for (int i = 0; i < 2; i++) { /* also when it is killed before a host has reported */
        bench_restart(bench);
        assert_true(bench_get_container(bench, "alpha/shop-web")->stale);
        assert_int_equal(bench_get_host(bench, "alpha")->status, HOST_UNKNOWN);
        assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
    }
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "");
    assert_int_equal(bench_get_host(bench, "alpha")->since_us, host_since_us);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_RUNNING);
    assert_false(bench_get_container(bench, "alpha/shop-web")->stale);
    (void)site_since_us;
}

static void site_status_goes_on_over_an_engine_start(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    int64_t since_us = bench_get_site(bench, "shop")->since_us;
    bench_restart(bench);
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_int_equal(bench_get_site(bench, "shop")->since_us, since_us);
}

static void change_while_the_engine_was_down_is_told_once(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_restart(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        struct container_state *container = box_add(&box, "shop-web", "shop");
        container->started_us = T0 + 5;
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), i ? "" : "container.restarted");
    }
}

static void host_lost_while_the_engine_was_down_is_told(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_restart(bench);
    bench_lose(bench, "alpha", ERR_REFUSED, "refused");
    assert_string_equal(bench_told(bench), "host.unknown");
    bench_restart(bench);
    bench_lose(bench, "alpha", ERR_REFUSED, "refused");
    assert_string_equal(bench_told(bench), "");
}

static void report_without_inventory_says_nothing_of_containers(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    bench_told(bench);
    struct box box = box_of("alpha");
    box.report.has_inventory = false;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "host.up");
    assert_true(bench_get_container(bench, "alpha/shop-web")->stale);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
}

static void container_that_is_gone_is_removed_and_told(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    struct box box = box_of("alpha");
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "container.removed");
    assert_null(bench_get_container(bench, "alpha/shop-web"));
    assert_null(bench_get_site(bench, "shop"));
}

static void engine_that_hangs_on_the_host_makes_unknown_not_stopped(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        box_add(&box, "shop-web", "shop")->state = RUN_UNKNOWN;
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), "");
        assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
    }
    struct box box = box_of("alpha");
    struct container_state *container = box_add(&box, "shop-web", "shop");
    container->state = RUN_EXITED;
    container->exit_code = 137;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "container.died site.stopped");
}

static void podman_and_docker_containers_of_one_name_are_two(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        box_add(&box, "shop-web", "shop");
        struct container_state *docker = box_add(&box, "shop-web", "shop");
        str_copy(docker->key, sizeof docker->key, "alpha/shop-web@docker");
        str_copy(docker->id, sizeof docker->id, "2222222222222222");
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), i ? "" : "container.started");
    }
    assert_non_null(bench_get_container(bench, "alpha/shop-web"));
    assert_non_null(bench_get_container(bench, "alpha/shop-web@docker"));
    assert_int_equal(bench_get_site(bench, "shop")->containers_running, 2);
}

static void site_running_on_two_hosts_is_a_conflict(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_report_one(bench, "beta", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "container.started");
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_non_null(strstr(bench->events.items[0].text, "would start at boot, on alpha and beta"));
    assert_string_equal(bench_told(bench), "site.conflict");
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_CONFLICT);
    assert_non_null(strstr(bench_get_site(bench, "shop")->drift, "alpha and beta"));
    assert_int_equal(bench_get_site(bench, "shop")->host_count, 2);
}

static void stopped_copy_on_another_host_is_no_conflict(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    struct box box = box_of("beta");
    box_add(&box, "shop-web", "shop")->state = RUN_EXITED;
    bench_report(bench, &box);
    assert_string_not_equal(site_status_word(bench_get_site(bench, "shop")->status), "conflict");
    assert_string_equal(bench_get_site(bench, "shop")->host, "alpha");
}

static void site_moved_off_a_lost_host_runs_and_says_so(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    bench_report_one(bench, "beta", "shop-web", "shop");
    const struct site_state *site = bench_get_site(bench, "shop");
    assert_int_equal(site->status, SITE_RUNNING);
    assert_string_equal(site->host, "beta");
    assert_int_equal(site->containers_total, 1);
    assert_non_null(strstr(site->drift, "alpha"));
    bench_told(bench);
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "host.up");
    bench_report_one(bench, "beta", "shop-web", "shop");
    assert_string_equal(bench_told(bench), "site.conflict");
}

/* The host with a container of shop that would start at boot; and the mark it bears, until then. */
static void report_marked_until(
    struct bench *bench, const char *host, enum run_state run_state, enum site_mark mark, int64_t until_us)
{
    struct box box = box_of(host);
    struct container_state *container = box_add(&box, "shop-web", "shop");
    struct site_marking marking = {.site = "shop", .mark = mark, .job = "12", .since_us = 5, .until_us = until_us};
    container->state = run_state;
    container->starts_at_boot = true;
    container->mark = mark;
    box.report.marks = &marking;
    box.report.mark_count = mark != MARK_NONE;
    bench_report(bench, &box);
}

static void report_marked(struct bench *bench, const char *host, enum run_state run_state, enum site_mark mark)
{
    report_marked_until(bench, host, run_state, mark, 9);
}

static void of_two_kept_copies_the_first_to_go_is_named(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked_until(bench, "alpha", RUN_EXITED, MARK_KEPT, 9);
    report_marked_until(bench, "beta", RUN_EXITED, MARK_KEPT, 7);
    assert_string_equal(bench_get_site(bench, "shop")->kept_host, "beta");
    assert_int_equal(bench_get_site(bench, "shop")->kept_until_us, 7);
    report_marked_until(bench, "beta", RUN_EXITED, MARK_KEPT, 0); /* it does not go */
    assert_string_equal(bench_get_site(bench, "shop")->kept_host, "alpha");
    report_marked_until(bench, "alpha", RUN_EXITED, MARK_KEPT, 11);
    report_marked_until(bench, "beta", RUN_EXITED, MARK_KEPT, 12);
    assert_string_equal(bench_get_site(bench, "shop")->kept_host, "alpha");
    assert_int_equal(bench_get_site(bench, "shop")->kept_until_us, 11);
}

static void copy_that_would_start_at_boot_is_a_conflict(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "beta", RUN_EXITED, MARK_NONE);
    report_marked(bench, "alpha", RUN_RUNNING, MARK_NONE);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_CONFLICT);
    report_marked(bench, "beta", RUN_EXITED, MARK_KEPT);
    const struct site_state *site = bench_get_site(bench, "shop");
    assert_int_equal(site->status, SITE_RUNNING);
    assert_string_equal(site->host, "alpha");
    assert_int_equal(site->host_count, 1);
    assert_int_equal(site->containers_total, 1);
    assert_string_equal(site->kept_host, "beta");
    assert_int_equal(site->kept_until_us, 9);
    assert_int_equal(site->mark, MARK_NONE);
    assert_string_equal(site->mark_job, "");
}

static void kept_copy_that_runs_all_the_same_is_a_conflict(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "beta", RUN_RUNNING, MARK_KEPT);
    report_marked(bench, "alpha", RUN_RUNNING, MARK_NONE);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_CONFLICT);
}

/* Each host is seen at moments of its own: the new place may be seen settled before the old one is seen stopped. */
static void move_seen_host_by_host_is_no_conflict(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "beta", RUN_RUNNING, MARK_INCOMING);
    assert_string_equal(bench_get_site(bench, "shop")->host, "alpha");
    report_marked(bench, "beta", RUN_RUNNING, MARK_NONE);
    report_marked(bench, "alpha", RUN_EXITED, MARK_LEAVING);
    report_marked(bench, "alpha", RUN_EXITED, MARK_KEPT);
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_RUNNING);
    assert_string_equal(bench_get_site(bench, "shop")->host, "beta");
    assert_null(strstr(bench_told(bench), "site.conflict"));
}

static void site_whose_home_is_silent_is_unknown_although_a_copy_is_kept_elsewhere(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "beta", RUN_EXITED, MARK_KEPT);
    bench_lose(bench, "alpha", ERR_TIMEOUT, "silent");
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
    assert_string_equal(bench_get_site(bench, "shop")->host, "alpha");
}

static void quarantined_site_is_that_until_it_is_released(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "alpha", RUN_PAUSED, MARK_QUARANTINED);
    const struct site_state *site = bench_get_site(bench, "shop");
    assert_int_equal(site->status, SITE_QUARANTINED);
    assert_int_equal(site->mark, MARK_QUARANTINED);
    assert_string_equal(site->mark_job, "12");
    assert_int_equal(site->mark_since_us, 5);
    assert_string_equal(bench_told(bench), "container.paused site.quarantined");
    bench_restart(bench);
    report_marked(bench, "alpha", RUN_PAUSED, MARK_QUARANTINED);
    assert_string_equal(bench_told(bench), "");
    report_marked(bench, "alpha", RUN_RUNNING, MARK_NONE);
    assert_string_equal(bench_told(bench), "container.started site.unmarked site.running");
}

/* As after a reboot, while its daemon is still starting. */
static void what_a_silent_engine_has_is_unknown_not_gone(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        str_copy(box.report.silent, sizeof box.report.silent, "docker, podman");
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), "");
        assert_int_equal(bench_get_container(bench, "alpha/shop-web")->state, RUN_UNKNOWN);
        assert_int_equal(bench_get_site(bench, "shop")->status, SITE_UNKNOWN);
    }
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_int_equal(bench_get_site(bench, "shop")->status, SITE_RUNNING);
    struct box box = box_of("alpha");
    str_copy(box.report.silent, sizeof box.report.silent, "docker, podman2");
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "container.removed");
}

static void site_stopped_by_a_person_is_told_as_such(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    report_marked(bench, "alpha", RUN_EXITED, MARK_STOPPED);
    assert_string_equal(bench_told(bench), "container.stopped site.marked site.stopped");
    assert_int_equal(bench_get_site(bench, "shop")->mark, MARK_STOPPED);
}

static void flapping_host_never_makes_more_events_than_changes(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    for (int i = 0; i < 10; i++) {
        bench_lose(bench, "alpha", ERR_CLOSED, "closed");
        bench_report_one(bench, "alpha", "shop-web", "shop");
    }
    assert_int_equal(bench->events.count, 20);
}

static void declared_site_is_missing_only_when_every_host_has_answered(void **state)
{
    struct bench *bench = *state;
    bench_add_site(bench, "blog");
    bench_apply_fleet(bench);
    assert_int_equal(bench_get_site(bench, "blog")->status, SITE_UNKNOWN);
    bench_report_one(bench, "alpha", "shop-web", "shop");
    assert_int_equal(bench_get_site(bench, "blog")->status, SITE_UNKNOWN);
    struct box box = box_of("beta");
    bench_report(bench, &box);
    assert_int_equal(bench_get_site(bench, "blog")->status, SITE_MISSING);
    assert_string_equal(bench_told(bench), "host.up host.up site.missing");
    bench_lose(bench, "beta", ERR_TIMEOUT, "silent");
    assert_int_equal(bench_get_site(bench, "blog")->status, SITE_UNKNOWN);
}

static void report_without_inventory_makes_no_site_missing(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    bench_restart(bench);
    bench_add_site(bench, "blog");
    bench_apply_fleet(bench);
    struct box alpha = box_of("alpha"), beta = box_of("beta");
    alpha.report.has_inventory = beta.report.has_inventory = false;
    bench_report(bench, &alpha);
    bench_report(bench, &beta);
    assert_int_equal(bench_get_site(bench, "blog")->status, SITE_UNKNOWN);
    assert_string_equal(bench_told(bench), "");
}

static void drift_names_what_differs_and_is_told_once(void **state)
{
    struct bench *bench = *state;
    struct site_def *def = bench_add_site(bench, "shop");
    def->containers.items[0].publish = 80;
    def->containers.items[0].memory_bytes = 256 << 20;
    bench_apply_fleet(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        struct container_state *container = box_add(&box, "shop-web", "shop");
        str_copy(container->image, sizeof container->image, "web:2");
        str_copy(container->ports, sizeof container->ports, "8080→80/tcp");
        container->metrics[CONTAINER_MEM_LIMIT] = 128 << 20;
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), i ? "" : "host.up site.drift");
    }
    const char *drift = bench_get_site(bench, "shop")->drift;
    assert_non_null(strstr(drift, "web:2"));
    assert_non_null(strstr(drift, "8080→80"));
    assert_non_null(strstr(drift, "256M"));
    struct box box = box_of("alpha");
    struct container_state *container = box_add(&box, "shop-web", "shop");
    str_copy(container->ports, sizeof container->ports, "80→80/tcp");
    container->metrics[CONTAINER_MEM_LIMIT] = 256 << 20;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "site.drift.gone");
    assert_string_equal(bench_get_site(bench, "shop")->drift, "");
}

static void drift_that_an_earlier_engine_told_is_not_told_again(void **state)
{
    struct bench *bench = *state;
    bench_add_site(bench, "shop");
    bench_apply_fleet(bench);
    for (int i = 0; i < 2; i++) {
        struct box box = box_of("alpha");
        struct container_state *container = box_add(&box, "shop-web", "shop");
        str_copy(container->image, sizeof container->image, "web:2");
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), i ? "" : "host.up site.drift");
        bench_restart(bench);
    }
}

static void stopped_container_is_drift_to_see_but_one_event_only(void **state)
{
    struct bench *bench = *state;
    bench_add_site(bench, "shop");
    bench_apply_fleet(bench);
    begin(bench);
    struct box box = box_of("alpha");
    box_add(&box, "shop-web", "shop")->state = RUN_EXITED;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "container.stopped site.stopped");
    assert_string_equal(bench_get_site(bench, "shop")->drift, "web is exited");
}

static void image_names_of_docker_and_podman_are_the_same_image(void **state)
{
    struct bench *bench = *state;
    struct site_def *def = bench_add_site(bench, "shop");
    free(def->containers.items[0].image);
    def->containers.items[0].image = xstrdup("docker.io/library/nginx");
    bench_apply_fleet(bench);
    struct box box = box_of("alpha");
    struct container_state *container = box_add(&box, "shop-web", "shop");
    str_copy(container->image, sizeof container->image, "nginx:latest");
    bench_report(bench, &box);
    assert_string_equal(bench_get_site(bench, "shop")->drift, "");
}

static void host_taken_out_of_the_files_is_forgotten_with_all_it_had(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    struct host_def gone = bench->fleet.hosts.items[0];
    bench->fleet.hosts.items[0] = bench->fleet.hosts.items[1];
    bench->fleet.hosts.count = 1;
    bench_apply_fleet(bench);
    assert_null(bench_get_host(bench, "alpha"));
    assert_null(bench_get_container(bench, "alpha/shop-web"));
    assert_null(bench_get_site(bench, "shop"));
    bench_report_one(bench, "alpha", "shop-web", "shop"); /* it was under way */
    assert_null(bench_get_host(bench, "alpha"));
    free(gone.name);
    free(gone.address);
    free(gone.user);
}

static void unknown_figures_of_one_container_do_not_hide_those_of_another(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    box_add(&box, "shop-web", "shop")->metrics[CONTAINER_CPU] = 12;
    box_add(&box, "shop-db", "shop");
    bench_report(bench, &box);
    const struct site_state *site = bench_get_site(bench, "shop");
    assert_float_equal(site->metrics[SITE_CPU], 12, 0.001);
    assert_true(isnan(site->metrics[SITE_MEM_USED]));
    assert_true(isnan(site->metrics[SITE_MEM_LIMIT]));
}

static void sample_is_dated_by_the_hosts_clock_less_its_offset(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    int64_t now_us = bench->now_us + 10 * USEC_PER_SEC; /* when bench_report says it */
    box.report.taken_us = now_us + 3600 * USEC_PER_SEC - 250 * USEC_PER_MSEC;
    box.report.host.metrics[HOST_CLOCK_OFFSET] = 3600 * 1000;
    bench_report(bench, &box);
    assert_int_equal(bench->sampled_us, now_us - 250 * USEC_PER_MSEC);
    assert_float_equal(bench_get_host(bench, "alpha")->metrics[HOST_LAG], 250, 0.001);
    assert_float_equal(present_totals(bench->present).lag_worst_ms, 250, 0.001);
}

static void full_volume_is_told_once_and_again_after_it_had_room(void **state)
{
    struct bench *bench = *state;
    static const double free_pct[] = {50, 4, 3, 4.9, 6, 4, 20, 4};
    static const char *const told[] = {"host.up", "volume.low", "", "", "", "", "volume.room", "volume.low"};
    for (size_t i = 0; i < sizeof free_pct / sizeof *free_pct; i++) {
        struct box box = box_of("alpha");
        struct volume_state *volume = box_add_volume(&box, "shop-data", "shop");
        volume->metrics[VOLUME_TOTAL] = 1000;
        volume->metrics[VOLUME_FREE] = free_pct[i] * 10;
        bench_report(bench, &box);
        assert_string_equal(bench_told(bench), told[i]);
    }
}

static void totals_count_hosts_that_answer_and_those_that_do_not(void **state)
{
    struct bench *bench = *state;
    bench_report_one(bench, "alpha", "shop-web", "shop");
    struct present_totals totals = present_totals(bench->present);
    assert_int_equal(totals.hosts_up, 1);
    assert_int_equal(totals.hosts_unknown, 1);
    assert_true(isnan(totals.lag_worst_ms));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_sight_of_a_host_tells_only_that_it_answers),
        TEST(lost_host_is_unknown_and_its_site_is_never_stopped),
        TEST(host_that_comes_back_tells_that_and_nothing_of_its_containers),
        TEST(container_that_stopped_while_its_host_was_away_is_told_once),
        TEST(same_reason_again_is_not_told_again_but_another_one_is),
        TEST(since_of_a_lost_host_stays_while_it_is_lost),
        TEST(silence_without_a_word_from_the_collector_is_noticed),
        TEST(engine_that_starts_anew_tells_nothing_where_nothing_changed),
        TEST(site_status_goes_on_over_an_engine_start),
        TEST(change_while_the_engine_was_down_is_told_once),
        TEST(host_lost_while_the_engine_was_down_is_told),
        TEST(report_without_inventory_says_nothing_of_containers),
        TEST(container_that_is_gone_is_removed_and_told),
        TEST(engine_that_hangs_on_the_host_makes_unknown_not_stopped),
        TEST(podman_and_docker_containers_of_one_name_are_two),
        TEST(site_running_on_two_hosts_is_a_conflict),
        TEST(stopped_copy_on_another_host_is_no_conflict),
        TEST(of_two_kept_copies_the_first_to_go_is_named),
        TEST(copy_that_would_start_at_boot_is_a_conflict),
        TEST(kept_copy_that_runs_all_the_same_is_a_conflict),
        TEST(move_seen_host_by_host_is_no_conflict),
        TEST(site_whose_home_is_silent_is_unknown_although_a_copy_is_kept_elsewhere),
        TEST(quarantined_site_is_that_until_it_is_released),
        TEST(site_stopped_by_a_person_is_told_as_such),
        TEST(what_a_silent_engine_has_is_unknown_not_gone),
        TEST(site_moved_off_a_lost_host_runs_and_says_so),
        TEST(flapping_host_never_makes_more_events_than_changes),
        TEST(declared_site_is_missing_only_when_every_host_has_answered),
        TEST(report_without_inventory_makes_no_site_missing),
        TEST(drift_names_what_differs_and_is_told_once),
        TEST(drift_that_an_earlier_engine_told_is_not_told_again),
        TEST(stopped_container_is_drift_to_see_but_one_event_only),
        TEST(image_names_of_docker_and_podman_are_the_same_image),
        TEST(host_taken_out_of_the_files_is_forgotten_with_all_it_had),
        TEST(unknown_figures_of_one_container_do_not_hide_those_of_another),
        TEST(sample_is_dated_by_the_hosts_clock_less_its_offset),
        TEST(full_volume_is_told_once_and_again_after_it_had_room),
        TEST(totals_count_hosts_that_answer_and_those_that_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
