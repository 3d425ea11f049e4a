/* What a job cannot know: whether a proxy has switched before it was lost, whether the store has what was written,
 * whether a lease still stands after a machine slept. Whatever it does then, nothing that was acknowledged is lost and
 * the site is up once. */
#include "tests/unit/actions/world.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/internal.h"

static bool is_moved(const struct world *world)
{
    return lives_on(world->fleet, TARGET) && strcmp(world->fleet->nodes[SOURCE].mark, "kept") == 0;
}

static bool is_back(const struct world *world)
{
    const struct fake_node *target = &world->fleet->nodes[TARGET];
    return lives_on(world->fleet, SOURCE) && !target->mark[0] && !target->has_container;
}

static const struct scenario migration = {.action = "migrate", .to = "mosh02", .is_safe = is_moved};
static const struct scenario restart = {.action = "restart", .is_safe = is_back};

static void expect(const struct world *world, bool good, const char *what)
{
    if (good && world->fleet->lost == 0 && world->fleet->both == 0 && !world->fleet->held)
        return;
    show(world);
    fail_case("%s", what);
}

/* Wait until something is true of the hosts; the mutex is held while `condition` is looked at. */
#define until_fleet(world, condition)                                                                                  \
    do {                                                                                                               \
        int64_t fleet_until_us = clock_mono_us() + PATIENCE_US;                                                        \
        for (bool fleet_met = false; !fleet_met; usleep(2000)) {                                                       \
            pthread_mutex_lock(&(world)->fleet->mutex);                                                                \
            fleet_met = (condition);                                                                                   \
            pthread_mutex_unlock(&(world)->fleet->mutex);                                                              \
            if (!fleet_met && clock_mono_us() > fleet_until_us)                                                        \
                fail_case("never: %s", #condition);                                                                    \
        }                                                                                                              \
    } while (0)

#define with_fleet(world, statement)                                                                                   \
    do {                                                                                                               \
        pthread_mutex_lock(&(world)->fleet->mutex);                                                                    \
        statement;                                                                                                     \
        pthread_mutex_unlock(&(world)->fleet->mutex);                                                                  \
    } while (0)

/* Of the one step of this name. */
static enum step_state state_of(struct world *world, const char *name)
{
    is_over(world);
    vec_each (&world->steps.items, const struct job_step_record, step)
        if (strcmp(step->name, name) == 0)
            return step->state;
    return STEP_PENDING;
}

/* --- leases that ran out unseen ----------------------------------------------------------------------------------- */

static struct world *current; /* for the hooks */
static size_t points_passed, forget_at;

static void forget_leases(const char *step, bool before)
{
    (void)step;
    if (!before || points_passed++ != forget_at)
        return;
    for (int i = 0; i < NODES; i++)
        with_fleet(current, current->fleet->nodes[i].lease_job[0] = '\0');
}

static void lease_runs_out(size_t number)
{
    struct world *world = current = world_new();
    points_passed = 0;
    forget_at = number;
    end_engine(world);
    begin_engine(world, forget_leases);
    must(begin_job(world), &world->info);
    await_end(world);
    expect(world, world->record.state == JOB_DONE && scenario->is_safe(world), "the lease ran out");
    world_free(world);
}

/* As after a machine that slept: nothing is noticed until the host refuses. */
static void a_lease_that_ran_out_unseen_is_taken_again(void **state)
{
    (void)state;
    scenario = &migration;
    lease_runs_out(SIZE_MAX);
    run_cases(points_passed, lease_runs_out);
    scenario = &restart;
    lease_runs_out(SIZE_MAX);
    run_cases(points_passed, lease_runs_out);
}

/* --- a proxy that is lost while it switches ----------------------------------------------------------------------- */

/* It does what it was told, is not heard of again, and what it held goes on by itself. */
static void lose_the_proxy_in(struct world *world, const char *verb)
{
    struct fake_node *gate = &world->fleet->nodes[GATE];
    str_copy(gate->cut_verb, sizeof gate->cut_verb, verb);
    gate->cut_after = true;
    gate->cut_times = 1;
    gate->refused_once_cut = INT_MAX;
    must(begin_job(world), &world->info);
    until_fleet(world, gate->cut_times == 0);
}

static void the_proxy_comes_back(struct world *world)
{
    struct fake_node *gate = &world->fleet->nodes[GATE];
    int before = gate->hellos;
    until_fleet(
        world, gate->hellos > before + 60 || gate->hellos_refused == 0 || state_of(world, "route") != STEP_RUNNING);
    with_fleet(world, gate->hellos_refused = 0);
}

static void the_proxy_stays_away(struct world *world)
{
    until_fleet(world, state_of(world, "route") != STEP_RUNNING);
    with_fleet(world, world->fleet->nodes[GATE].hellos_refused = 0);
}

static void somebody_cancels(struct world *world)
{
    must(jobs_cancel(world->jobs, 1, "bert", 1001, &world->info), &world->info);
    the_proxy_comes_back(world);
}

static void (*const meanwhile[])(struct world *world) = {the_proxy_comes_back, the_proxy_stays_away, somebody_cancels};

static void the_proxy_is_lost(size_t number)
{
    scenario = &migration;
    struct world *world = world_new();
    lose_the_proxy_in(world, "route.set");
    with_fleet(world, world->fleet->held = false);
    meanwhile[number](world);
    await_end(world);
    expect(world, is_moved(world), "the proxy was lost while it switched");
    if (meanwhile[number] == the_proxy_stays_away)
        expect(world, strstr(world->record.message, "route") != NULL, "nobody is told");
    if (meanwhile[number] == somebody_cancels)
        expect(world, strstr(world->record.message, "cancelled by bert") != NULL, "the cancel is not told of");
    world_free(world);
}

static void a_proxy_that_is_lost_while_it_switches_leaves_the_site_where_visitors_may_be(void **state)
{
    (void)state;
    run_cases(sizeof meanwhile / sizeof *meanwhile, the_proxy_is_lost);
}

/* --- killed while it switches, and cancelled ---------------------------------------------------------------------- */

static void cancel_and_die_in_route(const char *step, bool before)
{
    if (strcmp(step, "route") != 0)
        return;
    if (!before)
        _exit(CRASHED);
    jobs_cancel(current->jobs, 1, "bert", 1001, NULL);
}

static void a_cancel_does_not_turn_back_what_may_have_switched_before_a_crash(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    assert_true(engine_dies(world, cancel_and_die_in_route));
    with_fleet(world, world->fleet->held = false); /* the hold has run out, visitors go on */
    must(jobs_resume(world->jobs, &world->info), &world->info);
    await_end(world);
    expect(world, is_moved(world), "it went back");
    world_free(world);
}

/* --- a store that takes nothing more ------------------------------------------------------------------------------ */

static void let_store_write(struct world *world, bool on)
{
    sqlite3 *db = store_lock_durable(world->store);
    sqlite3_exec(db, on ? "PRAGMA query_only = 0" : "PRAGMA query_only = 1", NULL, NULL, NULL);
    store_unlock_durable(world->store);
}

static void full_from_route_to_close(const char *step, bool before)
{
    if (!before && strcmp(step, "route") == 0)
        let_store_write(current, false);
    if (!before && strcmp(step, "close") == 0)
        let_store_write(current, true);
}

static void a_store_that_is_full_after_the_switch_stops_nothing(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    end_engine(world);
    begin_engine(world, full_from_route_to_close);
    must(begin_job(world), &world->info);
    await_end(world);
    expect(world, is_moved(world), "it was not brought to its end");
    world_free(world);
}

/* Every write of a job's record is refused, and counted. */
static atomic_uint refusals;

static int refuse_updates(void *owner, int code, const char *table, const char *column, const char *db, const char *by)
{
    (void)owner, (void)column, (void)db, (void)by;
    if (code != SQLITE_UPDATE || strcmp(table, "job") != 0)
        return SQLITE_OK;
    refusals++;
    return SQLITE_DENY;
}

static void let_records_be_written(struct world *world, bool on)
{
    sqlite3_set_authorizer(store_lock_durable(world->store), on ? NULL : refuse_updates, NULL);
    store_unlock_durable(world->store);
}

static void no_more_records_after_release(const char *step, bool before)
{
    if (!before && strcmp(step, "release") == 0 && !refusals)
        let_records_be_written(current, false);
}

/* Whoever finds job 1 unfinished later would undo it over what job 2 has done. */
static void a_job_whose_end_cannot_be_written_keeps_the_next_one_waiting(void **state)
{
    (void)state;
    scenario = &restart;
    struct world *world = current = world_new();
    refusals = 0;
    end_engine(world);
    begin_engine(world, no_more_records_after_release);
    must(begin_job(world), &world->info);
    must(begin_job(world), &world->info);
    until_fleet(world, refusals > 100);
    let_records_be_written(world, true);
    await_end(world);
    expect(world, world->record.state == JOB_DONE && is_back(world), "the first one's end was never written");
    world_free(world);
}

static void full_after_route_dead_after_stop_is_undone(const char *step, bool before)
{
    if (!before && strcmp(step, "route") == 0)
        let_store_write(current, false);
    if (!before && strcmp(step, "undo stop") == 0)
        _exit(CRASHED);
}

static void what_goes_back_on_a_full_store_goes_back_after_a_crash(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    struct fake_node *gate = &world->fleet->nodes[GATE];
    str_copy(gate->refused_verb, sizeof gate->refused_verb, "route.set");
    gate->refused_times = 1;
    assert_true(engine_dies(world, full_after_route_dead_after_stop_is_undone));
    must(jobs_resume(world->jobs, &world->info), &world->info);
    await_end(world);
    expect(world, is_back(world) && world->record.state == JOB_FAILED, "it went forward again");
    world_free(world);
}

/* --- going back past who cannot be reached ------------------------------------------------------------------------ */

static void a_proxy_that_stays_away_does_not_keep_the_site_down(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = world_new();
    struct fake_node *gate = &world->fleet->nodes[GATE], *source = &world->fleet->nodes[SOURCE];
    lose_the_proxy_in(world, "route.drain");
    until_fleet(world, !source->running);
    until_fleet(world, source->running && !source->mark[0]);
    int hellos = gate->hellos;
    with_fleet(world, gate->hellos_refused = 0);
    await_end(world);
    expect(world, is_back(world) && world->record.state == JOB_FAILED, "it is not back");
    if (hellos > 100) /* about 30 each for drain, route and its undo; hundreds where each is waited for long */
        fail_case("the proxy was asked for %d times before the site was up again", hellos);
    world_free(world);
}

/* --- what the record does not say --------------------------------------------------------------------------------- */

static void die_before_proof(const char *step, bool before)
{
    if (before && strcmp(step, "proof") == 0)
        _exit(CRASHED);
}

static void a_job_that_has_begun_is_never_planned_anew(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = world_new();
    assert_true(engine_dies(world, die_before_proof));
    is_over(world);
    world->record.state = JOB_PLANNED; /* as where its beginning could not be written */
    must(store_job_update(world->store, &world->record, &world->info), &world->info);
    must(jobs_resume(world->jobs, &world->info), &world->info);
    await_end(world);
    expect(world, world->record.state == JOB_DONE && is_moved(world), "it was planned anew");
    world_free(world);
}

static void die_after_unhold(const char *step, bool before)
{
    if (!before && strcmp(step, "unhold") == 0)
        _exit(CRASHED);
}

static void a_moved_site_that_is_somebody_else_s_after_a_crash_is_left_alone(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = world_new();
    assert_true(engine_dies(world, die_after_unhold));
    str_copy(world->fleet->nodes[TARGET].lease_job, sizeof world->fleet->nodes[TARGET].lease_job, "other.5");
    must(jobs_resume(world->jobs, &world->info), &world->info);
    await_end(world);
    expect(world, world->record.state == JOB_FAILED, "it went on");
    assert_non_null(strstr(world->record.message, "held by another job"));
    vec_each (&world->steps.items, const struct job_step_record, step) {
        assert_int_not_equal(step->state, STEP_RUNNING);
        assert_int_not_equal(step->state, STEP_PENDING);
    }
    assert_string_equal(world->fleet->nodes[TARGET].mark, "incoming");
    world_free(world);
}

static void a_copy_is_kept_by_its_host_s_clock(void **state)
{
    (void)state;
    const int64_t year_us = 365 * 86400 * USEC_PER_SEC;
    scenario = &migration;
    struct world *world = world_new();
    world->fleet->nodes[SOURCE].clock_ahead_us = year_us;
    must(begin_job(world), &world->info);
    await_end(world);
    expect(world, world->record.state == JOB_DONE && is_moved(world), "it did not move");
    assert_true(world->fleet->nodes[SOURCE].kept_until_us > clock_wall_us() + year_us);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_that_ran_out_unseen_is_taken_again),
        cmocka_unit_test(a_proxy_that_is_lost_while_it_switches_leaves_the_site_where_visitors_may_be),
        cmocka_unit_test(a_cancel_does_not_turn_back_what_may_have_switched_before_a_crash),
        cmocka_unit_test(a_store_that_is_full_after_the_switch_stops_nothing),
        cmocka_unit_test(a_job_whose_end_cannot_be_written_keeps_the_next_one_waiting),
        cmocka_unit_test(what_goes_back_on_a_full_store_goes_back_after_a_crash),
        cmocka_unit_test(a_proxy_that_stays_away_does_not_keep_the_site_down),
        cmocka_unit_test(a_job_that_has_begun_is_never_planned_anew),
        cmocka_unit_test(a_moved_site_that_is_somebody_else_s_after_a_crash_is_left_alone),
        cmocka_unit_test(a_copy_is_kept_by_its_host_s_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
