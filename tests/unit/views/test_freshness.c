/* How states are shown: what is old is unknown, what is unknown is never fine. */
#include "tests/unit/views/fleet.h"

#include "tui/style.h"
#include "views/freshness.h"

#define AGE(seconds) (FLEET_NOW - (int64_t)(seconds)*USEC_PER_SEC)

static struct freshness at_interval(int64_t interval_s, int64_t engine_at_us)
{
    struct snapshot snapshot = {.interval_us = interval_s * USEC_PER_SEC, .engine_at_us = engine_at_us};
    return freshness_of(&snapshot, FLEET_NOW);
}

static void data_are_stale_after_three_intervals_and_not_before(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    assert_false(freshness_is_stale(freshness, AGE(30)));
    assert_true(freshness_is_stale(freshness, AGE(30) - 1));
    assert_false(freshness_is_stale(at_interval(60, FLEET_NOW), AGE(179)));
}

static void short_or_unknown_intervals_leave_fifteen_seconds(void **state)
{
    (void)state;
    assert_false(freshness_is_stale(at_interval(1, FLEET_NOW), AGE(15)));
    assert_true(freshness_is_stale(at_interval(1, FLEET_NOW), AGE(16)));
    assert_false(freshness_is_stale(at_interval(0, FLEET_NOW), AGE(15)));
}

static void an_engine_that_never_wrote_is_silent(void **state)
{
    (void)state;
    assert_true(at_interval(10, 0).silent);
    assert_true(at_interval(10, AGE(31)).silent);
    assert_false(at_interval(10, AGE(30)).silent);
}

static void every_old_object_is_unknown_whatever_was_stored(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, AGE(600));
    struct host_state host = fleet_host("a", 1, 1);
    struct site_state site = fleet_site("s", SITE_RUNNING, "");
    struct container_state container = fleet_container("a", "c", RUN_RUNNING);
    struct volume_state volume = fleet_volume("a", "v");
    assert_string_equal(shown_host(&host, freshness).word, "up");
    host.seen_us = site.seen_us = container.seen_us = volume.seen_us = AGE(31);
    assert_int_equal(shown_host(&host, freshness).concern, CONCERN_UNKNOWN);
    assert_int_equal(shown_site(&site, freshness).concern, CONCERN_UNKNOWN);
    assert_int_equal(shown_container(&container, freshness).concern, CONCERN_UNKNOWN);
    assert_int_equal(shown_volume(&volume, freshness).concern, CONCERN_UNKNOWN);
    assert_string_equal(shown_host_reason(&host, freshness), "no data: the engine is not running or is stuck");
}

/* A missing site was never seen: the engine's word for it is as old as the engine's row. */
static void a_missing_site_is_missing_only_while_the_engine_lives(void **state)
{
    (void)state;
    struct site_state site = fleet_site("s", SITE_MISSING, "");
    assert_string_equal(shown_site(&site, at_interval(10, FLEET_NOW)).word, "missing");
    assert_string_equal(shown_site(&site, at_interval(10, AGE(31))).word, "unknown");
}

static void a_stopped_site_matters_only_where_it_is_declared(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    struct site_state site = fleet_site("s", SITE_STOPPED, "");
    assert_int_equal(shown_site(&site, freshness).concern, CONCERN_CRITICAL);
    site.declared = false;
    assert_int_equal(shown_site(&site, freshness).concern, CONCERN_NONE);
}

static void what_was_last_known_of_a_lost_host_is_unknown(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    struct container_state container = fleet_container("a", "c", RUN_RUNNING);
    struct volume_state volume = fleet_volume("a", "v");
    container.stale = volume.stale = true;
    assert_string_equal(shown_container(&container, freshness).word, "unknown");
    assert_string_equal(shown_volume(&volume, freshness).word, "unknown");
}

static void ends_that_were_asked_for_are_no_trouble(void **state)
{
    (void)state;
    static const struct {
        int exit_code;
        bool oom;
        enum concern concern;
    } ends[] = {{0, false, CONCERN_NONE}, {143, false, CONCERN_NONE}, {1, false, CONCERN_WARNING},
        {137, false, CONCERN_WARNING}, {0, true, CONCERN_WARNING}};
    struct container_state container = fleet_container("a", "c", RUN_EXITED);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        container.exit_code = ends[i].exit_code;
        container.oom_killed = ends[i].oom;
        assert_int_equal(shown_container(&container, at_interval(10, FLEET_NOW)).concern, ends[i].concern);
    }
    container = fleet_container("a", "c", RUN_RUNNING);
    container.health = HEALTH_UNHEALTHY;
    assert_string_equal(shown_container(&container, at_interval(10, FLEET_NOW)).word, "unhealthy");
}

static void a_volume_is_low_below_five_percent_and_not_where_nothing_is_known(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    struct volume_state volume = fleet_volume("a", "v");
    assert_string_equal(shown_volume(&volume, freshness).word, "ok");
    volume.metrics[VOLUME_TOTAL] = 100;
    volume.metrics[VOLUME_FREE] = 5;
    assert_string_equal(shown_volume(&volume, freshness).word, "ok");
    volume.metrics[VOLUME_FREE] = 4.9;
    assert_string_equal(shown_volume(&volume, freshness).word, "low");
}

/* Colour alone says nothing to some people and on some terminals. */
static void each_concern_has_a_symbol_and_a_style_of_its_own(void **state)
{
    (void)state;
    for (int a = CONCERN_NONE; a <= CONCERN_CRITICAL; a++)
        for (int b = CONCERN_NONE; b < a; b++) {
            assert_string_not_equal(concern_symbol((enum concern)a), concern_symbol((enum concern)b));
            assert_int_not_equal(concern_style((enum concern)a), concern_style((enum concern)b));
        }
}

static void marks_tell_moving_and_kept_sites_from_stopped_ones(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    static const struct {
        enum site_status status;
        enum site_mark mark;
        const char *word;
        enum concern concern;
    } cases[] = {
        {SITE_STOPPED, MARK_STOPPED, "stopped", CONCERN_WARNING},
        {SITE_STOPPED, MARK_LEAVING, "moving", CONCERN_ACTIVE}, {SITE_STOPPED, MARK_INCOMING, "moving", CONCERN_ACTIVE},
        {SITE_STOPPED, MARK_KEPT, "kept", CONCERN_CRITICAL},
        {SITE_QUARANTINED, MARK_QUARANTINED, "quarantined", CONCERN_QUARANTINED},
        {SITE_CONFLICT, MARK_NONE, "conflict", CONCERN_CONFLICT},
        {SITE_CONFLICT, MARK_LEAVING, "conflict", CONCERN_CONFLICT}, /* nothing hides a conflict */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct site_state site = fleet_site("s", cases[i].status, "");
        site.mark = cases[i].mark;
        assert_string_equal(shown_site(&site, freshness).word, cases[i].word);
        assert_int_equal(shown_site(&site, freshness).concern, cases[i].concern);
    }
}

static void a_container_that_runs_against_its_mark_is_critical(void **state)
{
    (void)state;
    struct freshness freshness = at_interval(10, FLEET_NOW);
    struct container_state container = fleet_container("a", "c", RUN_EXITED);
    container.exit_code = 137; /* no trouble: it is meant to be ended */
    container.mark = MARK_KEPT;
    assert_string_equal(shown_container(&container, freshness).word, "kept");
    assert_int_equal(shown_container(&container, freshness).concern, CONCERN_NONE);
    container.state = RUN_RUNNING;
    assert_string_equal(shown_container(&container, freshness).word, "running");
    assert_int_equal(shown_container(&container, freshness).concern, CONCERN_CRITICAL);
    container.mark = MARK_QUARANTINED; /* frozen or not: contained */
    assert_int_equal(shown_container(&container, freshness).concern, CONCERN_QUARANTINED);
    container.mark = (enum site_mark)99;
    assert_int_equal(shown_container(&container, freshness).concern, CONCERN_UNKNOWN);
}

static void values_that_no_enum_has_are_unknown(void **state)
{
    (void)state;
    struct job_record job = {.state = (enum job_state)99};
    struct event event = {.severity = (enum severity)99};
    assert_string_equal(shown_job(&job).word, "unknown");
    assert_string_equal(shown_event(&event).word, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_are_stale_after_three_intervals_and_not_before),
        cmocka_unit_test(short_or_unknown_intervals_leave_fifteen_seconds),
        cmocka_unit_test(an_engine_that_never_wrote_is_silent),
        cmocka_unit_test(every_old_object_is_unknown_whatever_was_stored),
        cmocka_unit_test(a_missing_site_is_missing_only_while_the_engine_lives),
        cmocka_unit_test(a_stopped_site_matters_only_where_it_is_declared),
        cmocka_unit_test(what_was_last_known_of_a_lost_host_is_unknown),
        cmocka_unit_test(ends_that_were_asked_for_are_no_trouble),
        cmocka_unit_test(a_volume_is_low_below_five_percent_and_not_where_nothing_is_known),
        cmocka_unit_test(each_concern_has_a_symbol_and_a_style_of_its_own),
        cmocka_unit_test(marks_tell_moving_and_kept_sites_from_stopped_ones),
        cmocka_unit_test(a_container_that_runs_against_its_mark_is_critical),
        cmocka_unit_test(values_that_no_enum_has_are_unknown),
    };
    fleet_locale();
    return cmocka_run_group_tests_name("freshness", tests, NULL, NULL);
}
