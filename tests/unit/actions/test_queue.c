/* Jobs that follow one another on a site: behind one that is cancelled, behind one an engine died in, one that takes
 * another back, twice, and that itself taken back. Always the site is up once, with all that was written. */
#include "tests/unit/actions/world.h"

static const struct scenario migration = {.action = "migrate", .to = "mosh02"};

static struct world *current; /* for the hooks */

static enum err begin(struct world *world, const char *action, const char *object, int64_t *id)
{
    *id = 0;
    return jobs_run(world->jobs, action, object, NULL, NULL, "anna", 1000, "a test", id, &world->info);
}

/* The job is over and its record at hand. */
static void await_job(struct world *world, int64_t id, enum job_state state, const char *message)
{
    world->job = id;
    await_end(world);
    if (world->record.state == state && strstr(world->record.message, message))
        return;
    show(world);
    fail_case("job %lld is not %s, or does not say \"%s\"", (long long)id, job_state_word(state), message);
}

/* Where the site is, as a collector would have seen it. */
static void collect(struct world *world, int where)
{
    struct site_state site = {.name = "example.org",
        .host_count = 1,
        .declared = true,
        .status = SITE_RUNNING,
        .containers_running = 1,
        .containers_total = 1};
    str_copy(site.host, sizeof site.host, node_names[where]);
    store_put_site(world->store, &site);
    for (int i = 0; i < GATE; i++) {
        struct container_state container = {.name = "example.org-web",
            .site = "example.org",
            .role = "web",
            .runtime = "podman",
            .state = i == where ? RUN_RUNNING : RUN_EXITED,
            .mark = i == where ? MARK_NONE : MARK_KEPT};
        str_format(container.key, sizeof container.key, "%s/example.org-web", node_names[i]);
        str_copy(container.host, sizeof container.host, node_names[i]);
        memset(container.id, node_letters[i], 64);
        store_put_container(world->store, &container);
    }
    assert_true(store_flush(world->store, PATIENCE_US));
}

static void expect_on(const struct world *world, int number)
{
    bool good = lives_on(world->fleet, number) && world->fleet->lost == 0 && world->fleet->both == 0;
    for (int i = 0; i < NODES; i++)
        good = good && !world->fleet->nodes[i].lease_job[0];
    if (good)
        return;
    show(world);
    fail_case("it does not live on %s alone", node_names[number]);
}

static void queue_and_cancel(const char *step, bool before)
{
    int64_t second;
    if (!before || strcmp(step, "copy") != 0)
        return;
    must(begin(current, "restart", "example.org", &second), &current->info);
    must(jobs_cancel(current->jobs, 1, "bert", 1001, &current->info), &current->info);
}

static void a_job_behind_one_that_is_cancelled_gets_its_turn(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    end_engine(world);
    begin_engine(world, queue_and_cancel);
    must(begin_job(world), &world->info);
    await_job(world, 1, JOB_CANCELLED, "cancelled by bert");
    await_job(world, 2, JOB_DONE, "restart of example.org is done");
    expect_on(world, SOURCE);
    world_free(world);
}

static void isolate_it(const char *step, bool before)
{
    int64_t second;
    if (before && strcmp(step, "copy") == 0)
        must(begin(current, "isolate", "example.org", &second), &current->info);
}

static void an_isolation_cancels_what_works_on_its_site(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    const struct fake_node *source = &world->fleet->nodes[SOURCE], *target = &world->fleet->nodes[TARGET];
    end_engine(world);
    begin_engine(world, isolate_it);
    must(begin_job(world), &world->info);
    await_job(world, 1, JOB_CANCELLED, "cancelled by anna");
    world->job = 2;
    await_end(world);
    if (!source->contained || strcmp(source->mark, "quarantined") != 0 || target->has_container) {
        show(world);
        fail_case("it is not contained where it is");
    }
    assert_non_null(strstr(world->record.plan_json, "job 1 (migrate of example.org by anna) works on it"));
    world_free(world);
}

static void queue_and_die(const char *step, bool before)
{
    int64_t second;
    if (before && strcmp(step, "copy") == 0)
        must(begin(current, "restart", "example.org", &second), &current->info);
    if (!before && strcmp(step, "last-pass") == 0)
        _exit(CRASHED);
}

/* The store still says where the site was; its host knows better. */
static void a_job_that_waited_when_the_engine_died_waits_for_the_same_job_again(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = current = world_new();
    assert_true(engine_dies(world, queue_and_die));
    must(jobs_resume(world->jobs, &world->info), &world->info);
    await_job(world, 2, JOB_FAILED, "example.org is kept on mosh01 now; nothing was changed");
    await_job(world, 1, JOB_DONE, "finished after the engine was started anew");
    expect_on(world, TARGET);
    world_free(world);
}

static void a_move_taken_back_twice_is_taken_back_once(void **state)
{
    (void)state;
    scenario = &migration;
    struct world *world = world_new();
    int64_t second, third, fourth;
    must(begin_job(world), &world->info);
    await_job(world, 1, JOB_DONE, "is done");
    expect_on(world, TARGET);
    collect(world, TARGET);
    must(begin(world, "undo", "1", &second), &world->info);
    enum err err = begin(world, "undo", "1", &third); /* planned, or refused where the first has begun to move it */
    await_job(world, second, JOB_DONE, "is done");
    if (!err)
        await_job(world, third, JOB_FAILED, "kept on mosh02");
    expect_on(world, SOURCE);
    collect(world, SOURCE);
    must(begin(world, "undo", "2", &fourth), &world->info);
    await_job(world, fourth, JOB_DONE, "is done");
    expect_on(world, TARGET);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_behind_one_that_is_cancelled_gets_its_turn),
        cmocka_unit_test(an_isolation_cancels_what_works_on_its_site),
        cmocka_unit_test(a_job_that_waited_when_the_engine_died_waits_for_the_same_job_again),
        cmocka_unit_test(a_move_taken_back_twice_is_taken_back_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
