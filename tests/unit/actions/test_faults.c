/* Every action on a site while everything that can fails: the engine is killed before and after every step, going
 * forward and going back; the connection to each host breaks at every verb, before and after it was done; somebody
 * cancels at every step. Steps and verbs are taken from a run that goes well, so a new step is covered without a new
 * test. However it ends: the site is as the action is to leave it, or as it was; up on one host at most, visitors are
 * led there, nothing that was acknowledged is lost, no lease is left, and the job says what happened. */
#include "tests/unit/actions/world.h"

#define POINTS_MAX 200

/* --- what is safe ------------------------------------------------------------------------------------------------- */

static bool is_back(const struct world *world)
{
    const struct fake_node *target = &world->fleet->nodes[TARGET];
    return lives_on(world->fleet, SOURCE) && !target->mark[0] && !target->has_container;
}

static bool is_moved_or_back(const struct world *world)
{
    if (world->record.state != JOB_DONE)
        return is_back(world);
    return lives_on(world->fleet, TARGET) && strcmp(world->fleet->nodes[SOURCE].mark, "kept") == 0;
}

static bool is_off(const struct world *world)
{
    const struct fake_node *source = &world->fleet->nodes[SOURCE];
    return !source->running && strcmp(source->mark, "stopped") == 0 && world->fleet->notice &&
           source->version == world->fleet->acknowledged && world->fleet->refused == 0;
}

static bool is_off_or_back(const struct world *world)
{
    return world->record.state == JOB_DONE ? is_off(world) : is_back(world);
}

static bool is_on_or_off(const struct world *world)
{
    return world->record.state == JOB_DONE ? is_back(world) : is_off(world);
}

/* Once it was contained it stays so, and visitors see the notice page; before that nothing has happened. */
static bool is_contained_or_untouched(const struct world *world)
{
    const struct fake_node *source = &world->fleet->nodes[SOURCE];
    if (!source->contained)
        return is_back(world) && world->record.state != JOB_DONE;
    return strcmp(source->mark, "quarantined") == 0 && world->fleet->notice;
}

static const struct scenario scenarios[] = {
    {.action = "migrate", .to = "mosh02", .is_safe = is_moved_or_back},
    {.action = "restart", .is_safe = is_back},
    {.action = "stop", .is_safe = is_off_or_back},
    {.action = "start", .stopped_before = true, .is_safe = is_on_or_off},
    {.action = "isolate", .is_safe = is_contained_or_untouched},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

static void expect_safe(const struct world *world, const char *when)
{
    const struct fake_fleet *fleet = world->fleet;
    bool safe = scenario->is_safe(world) && !fleet->held && fleet->lost == 0 && fleet->both == 0;
    for (int i = 0; i < NODES; i++)
        safe = safe && !fleet->nodes[i].lease_job[0];
    vec_each (&world->steps.items, const struct job_step_record, step)
        safe = safe && step->state != STEP_RUNNING && step->state != STEP_PENDING;
    if (!safe || !world->record.message[0]) {
        show(world);
        fail_case("not safe: %s %s", scenario->action, when);
    }
}

/* --- the way it goes when all goes well ----------------------------------------------------------------------------
 */

static struct known {
    char steps[POINTS_MAX][48]; /* as the crash points name them, each once */
    size_t step_count;
    struct {
        int node;
        char verb[32];
    } verbs[POINTS_MAX];
    size_t verb_count;
} all_known[SCENARIOS];

static struct known *known; /* of the scenario under test */

static void choose(size_t number)
{
    scenario = &scenarios[number];
    known = &all_known[number];
}

static void learn_verbs(const char *heard)
{
    while (*heard && known->verb_count < POINTS_MAX) {
        char name[NAME_SIZE], verb[32];
        int length = 0;
        if (sscanf(heard, "%63[^:]:%31s %n", name, verb, &length) != 2)
            break;
        heard += length;
        int node = strcmp(name, "gate") == 0 ? GATE : strcmp(name, "mosh01") == 0 ? SOURCE : TARGET;
        bool seen = strcmp(verb, "hello") == 0;
        for (size_t i = 0; i < known->verb_count; i++)
            seen = seen || (known->verbs[i].node == node && strcmp(known->verbs[i].verb, verb) == 0);
        if (seen)
            continue;
        known->verbs[known->verb_count].node = node;
        str_copy(known->verbs[known->verb_count++].verb, sizeof known->verbs[0].verb, verb);
    }
}

static void learn_steps(const struct world *world)
{
    vec_each (&world->steps.items, const struct job_step_record, step) {
        bool seen = false;
        for (size_t i = 0; i < known->step_count; i++)
            seen = seen || strcmp(known->steps[i], step->name) == 0;
        if (!seen && known->step_count < POINTS_MAX)
            str_copy(known->steps[known->step_count++], sizeof known->steps[0], step->name);
    }
}

static int learn(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        choose(i);
        struct world *world = world_new();
        must(begin_job(world), &world->info);
        size_t planned = strlen(world->fleet->heard); /* what the plan asks changes nothing and is not cut here */
        await_end(world);
        expect_safe(world, "and nothing failed");
        learn_steps(world);
        learn_verbs(world->fleet->heard + planned);
        world_free(world);
    }
    choose(0);
    return 0;
}

static void a_site_moves(void **state)
{
    (void)state;
    struct world *world = world_new();
    must(begin_job(world), &world->info);
    await_end(world);
    if (world->record.state != JOB_DONE)
        show(world);
    assert_int_equal(world->record.state, JOB_DONE);
    expect_safe(world, "and nothing failed");
    assert_true(world->fleet->acknowledged > 10);
    assert_true(known->step_count >= 15);
    assert_true(known->verb_count >= 15);
    world_free(world);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct buf text = BUF(100000);
    json_t *plan = NULL, *options = json_pack("{s:s}", "to", "mosh02");
    must(jobs_plan(world->jobs, "migrate", "example.org", options, &plan, &text, &world->info), &world->info);
    for (const char *const *verb = (const char *const[]){"lease.", "mark", "create", "start", "stop", "hold", "set",
             "transfer", "remove", NULL};
         *verb; verb++)
        assert_null(strstr(world->fleet->heard, *verb));
    assert_non_null(strstr(buf_text(&text), "migrate example.org from mosh01 to mosh02"));
    buf_free(&text);
    json_decref(plan);
    json_decref(options);
    world_free(world);
}

/* --- the engine dies -----------------------------------------------------------------------------------------------
 */

static char crash_step[64];
static bool crash_before;

static void crash_there(const char *step, bool before)
{
    if (before == crash_before && strcmp(step, crash_step) == 0)
        _exit(CRASHED);
}

/* Whether it died there: a step that was not come by lets the job end. */
static bool engine_dies_at(struct world *world, const char *step, bool before)
{
    str_copy(crash_step, sizeof crash_step, step);
    crash_before = before;
    return engine_dies(world, crash_there);
}

static void the_engine_dies(const char *step, bool before, enum target_fault target)
{
    char when[128];
    struct world *world = world_new();
    world->fleet->target = target;
    str_format(when, sizeof when, "killed %s %s", before ? "before" : "after", step);
    if (engine_dies_at(world, step, before)) {
        must(jobs_resume(world->jobs, &world->info), &world->info);
        await_end(world);
        expect_safe(world, when);
    } else if (target == TARGET_FINE) {
        fail_case("it was never %s", when);
    }
    world_free(world);
}

static void dies_going_forward(size_t number)
{
    the_engine_dies(known->steps[number / 2], number % 2, TARGET_FINE);
}

static void an_engine_killed_at_any_step_leaves_the_site_up_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        choose(i);
        run_cases(2 * known->step_count, dies_going_forward);
    }
    choose(0);
}

static void dies_going_back(size_t number)
{
    char undo[64];
    str_format(undo, sizeof undo, "undo %s", known->steps[number / 2]);
    the_engine_dies(undo, number % 2, TARGET_NEVER_WELL);
}

static void an_engine_killed_while_going_back_leaves_the_site_up_once(void **state)
{
    (void)state;
    run_cases(2 * known->step_count, dies_going_back);
}

/* --- the link breaks -----------------------------------------------------------------------------------------------
 */

static void link_breaks(size_t number)
{
    char when[128];
    struct world *world = world_new();
    int node_number = known->verbs[number / 2].node;
    struct fake_node *node = &world->fleet->nodes[node_number];
    str_copy(node->cut_verb, sizeof node->cut_verb, known->verbs[number / 2].verb);
    node->cut_after = number % 2;
    node->cut_times = 2;
    str_format(when, sizeof when, "%s cut %s %s", node_names[node_number], node->cut_after ? "after" : "before",
        node->cut_verb);
    if (begin_job(world) == ERR_OK) {
        await_end(world);
        expect_safe(world, when);
    }
    world_free(world);
}

static void a_link_cut_at_any_verb_leaves_the_site_up_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        choose(i);
        run_cases(2 * known->verb_count, link_breaks);
    }
    choose(0);
}

/* --- the target is no good -----------------------------------------------------------------------------------------
 */

static void a_target_that_is_no_good_leaves_the_site_where_it_was(void **state)
{
    (void)state;
    static const struct {
        enum target_fault target;
        const char *says;
    } faults[] = {
        {TARGET_NEVER_WELL, "HTTP 502, wanted 200"},
        {TARGET_DIES, "exited"},
        {TARGET_IS_ANOTHER, "is another container (ffffffffffff)"},
        {TARGET_IMAGE_FAILS, "unexpected EOF"},
        {TARGET_DISK_FULL, "no space left"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct world *world = world_new();
        world->fleet->target = faults[i].target;
        must(begin_job(world), &world->info);
        await_end(world);
        assert_int_equal(world->record.state, JOB_FAILED);
        if (!strstr(world->record.message, faults[i].says))
            fail_case("\"%s\" does not say \"%s\"", world->record.message, faults[i].says);
        expect_safe(world, faults[i].says);
        world_free(world);
    }
}

/* --- a person changes their mind -----------------------------------------------------------------------------------
 */

static struct world *cancelling;

static void cancel_there(const char *step, bool before)
{
    if (before == crash_before && strcmp(step, crash_step) == 0)
        jobs_cancel(cancelling->jobs, 1, "bert", 1001, NULL);
}

static void cancelled(size_t number)
{
    char when[128];
    struct world *world = world_new();
    cancelling = world;
    str_copy(crash_step, sizeof crash_step, known->steps[number / 2]);
    crash_before = number % 2;
    end_engine(world);
    begin_engine(world, cancel_there);
    must(begin_job(world), &world->info);
    await_end(world);
    str_format(when, sizeof when, "cancelled %s %s", crash_before ? "before" : "after", crash_step);
    expect_safe(world, when);
    world_free(world);
}

static void a_cancel_at_any_step_leaves_the_site_up_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        choose(i);
        run_cases(2 * known->step_count, cancelled);
    }
    choose(0);
}

/* --- two at once ---------------------------------------------------------------------------------------------------
 */

static void a_site_another_engine_holds_is_left_alone(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++) {
        struct world *world = world_new();
        str_copy(world->fleet->nodes[i].lease_job, sizeof world->fleet->nodes[i].lease_job, "other.5");
        must(begin_job(world), &world->info);
        await_end(world);
        assert_int_equal(world->record.state, JOB_FAILED);
        assert_non_null(strstr(world->record.message, "bert@console2"));
        assert_string_equal(world->fleet->nodes[i].lease_job, "other.5");
        assert_true(world->fleet->nodes[SOURCE].running && !world->fleet->nodes[TARGET].has_container);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_moves),
        cmocka_unit_test(a_dry_run_changes_nothing),
        cmocka_unit_test(a_target_that_is_no_good_leaves_the_site_where_it_was),
        cmocka_unit_test(a_site_another_engine_holds_is_left_alone),
        cmocka_unit_test(an_engine_killed_at_any_step_leaves_the_site_up_once),
        cmocka_unit_test(an_engine_killed_while_going_back_leaves_the_site_up_once),
        cmocka_unit_test(a_link_cut_at_any_verb_leaves_the_site_up_once),
        cmocka_unit_test(a_cancel_at_any_step_leaves_the_site_up_once),
    };
    return cmocka_run_group_tests(tests, learn, NULL);
}
