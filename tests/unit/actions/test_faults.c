/* Every action on a site while everything that can fails: the engine is killed before and after every step, going
 * forward and going back; the connection to each host breaks at every verb, before and after it was done; somebody
 * cancels at every step. Steps and verbs are taken from a run that goes well, so a new step is covered without a new
 * test. However it ends: the site is as the action is to leave it, or as it was; up on one host at most, visitors are
 * led there, nothing that was acknowledged is lost, no lease is left, and the job says what happened. */
#include "tests/unit/actions/fake_fleet.h"
#include "tests/unit/fleet/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actions/jobs.h"
#include "base/clock.h"
#include "base/paths.h"
#include "remote/keys.h"
#include "remote/known_hosts.h"
#include "store/reader.h"

#define HURRY 40
#define PATIENCE_US (60 * USEC_PER_SEC)
#define CRASHED 42
#define POINTS_MAX 200
#define WORKERS 12 /* they mostly wait */

struct world;

struct scenario {
    const char *action, *to;
    bool stopped_before;
    bool (*is_safe)(const struct world *world);
};

static const struct scenario *scenario; /* the one under test */

struct world {
    struct fake_fleet *fleet;
    pid_t fleet_pid;
    char *state_dir;
    struct files files;
    struct fleet *defs;
    struct store *store;
    struct jobs *jobs;
    struct job_record record;
    struct job_step_list steps;
    struct err_info info;
};

static const struct fleet *hold(void *owner)
{
    return owner;
}

static void release(void *owner, const struct fleet *fleet)
{
    (void)owner, (void)fleet;
}

/* Cases run side by side in processes of their own, which end where something is wrong. */
static bool is_worker;

static void fail_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail_case(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s\n", text);
    if (is_worker)
        _exit(1);
    fail();
}

static void must(enum err err, const struct err_info *info)
{
    if (err)
        fail_case("%s: %s", err_word(err), info->message);
}

static void run_cases(size_t count, void (*run)(size_t number))
{
    pid_t workers[WORKERS];
    int failed = 0;
    for (size_t worker = 0; worker < WORKERS; worker++) {
        workers[worker] = fork();
        if (workers[worker] != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        is_worker = true;
        for (size_t i = worker; i < count; i += WORKERS)
            run(i);
        _exit(0);
    }
    for (size_t worker = 0; worker < WORKERS; worker++) {
        int status = 0;
        waitpid(workers[worker], &status, 0);
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    assert_int_equal(failed, 0);
}

static void begin_engine(struct world *world, void (*crash_point)(const char *, bool))
{
    must(store_open(world->state_dir, &world->store, &world->info), &world->info);
    world->jobs = jobs_new(&(struct jobs_config){.store = world->store,
        .state_dir = world->state_dir,
        .fleet_owner = world->defs,
        .fleet_hold = hold,
        .fleet_release = release,
        .crash_point = crash_point,
        .hurry = HURRY});
}

static void end_engine(struct world *world)
{
    jobs_free(world->jobs);
    store_close(world->store);
    world->jobs = NULL;
    world->store = NULL;
}

static void write_files(struct world *world)
{
    char text[2048];
    size_t used = 0;
    world->files = files_new();
    files_write(&world->files, "fleet.yaml", FLEET_YAML);
    used += (size_t)snprintf(text, sizeof text, "hosts:\n");
    for (int i = 0; i < NODES; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  %s: { address: %s, port: %u, roles: [%s] }\n",
            node_names[i], node_addresses[i], world->fleet->nodes[i].port, i == GATE ? "proxy" : "compute");
    files_write(&world->files, "hosts.yaml", text);
    snprintf(text, sizeof text,
        "sites:\n  example.org:\n    domains: [example.org]\n    containers:\n      web: { image: x, publish: %u, "
        "mounts: "
        "{ data: /var/www } }\n    volumes: { data: { driver: dir } }\n"
        "    health: { path: /, status: 200, contains: Welcome }\n",
        world->fleet->web_port);
    files_write(&world->files, "sites/a.yaml", text);
    world->defs = files_load(&world->files);
}

static void trust_hosts(struct world *world)
{
    char *path = paths_join(world->state_dir, "known_hosts");
    must(keys_ensure(world->state_dir, "operator", NULL, NULL, &world->info), &world->info);
    must(keys_ensure(world->state_dir, "viewer", NULL, NULL, &world->info), &world->info);
    for (int i = 0; i < NODES; i++) {
        struct host_key key;
        must(host_key_describe(&key, world->fleet->nodes[i].key, &world->info), &world->info);
        must(known_hosts_set(path, node_names[i], &key, &world->info), &world->info);
    }
    free(path);
}

/* What collectors would have put there. */
static void fill_store(struct world *world)
{
    for (int i = 0; i < NODES; i++) {
        struct host_state host = {.status = HOST_UP};
        str_copy(host.name, sizeof host.name, node_names[i]);
        store_put_host(world->store, &host);
    }
    bool stopped = scenario->stopped_before;
    struct site_state site = {.name = "example.org",
        .host = "mosh01",
        .host_count = 1,
        .declared = true,
        .status = stopped ? SITE_STOPPED : SITE_RUNNING,
        .mark = stopped ? MARK_STOPPED : MARK_NONE,
        .containers_running = !stopped,
        .containers_total = 1};
    struct container_state container = {.key = "mosh01/example.org-web",
        .host = "mosh01",
        .name = "example.org-web",
        .site = "example.org",
        .role = "web",
        .runtime = "podman",
        .state = stopped ? RUN_EXITED : RUN_RUNNING,
        .mark = site.mark,
        .started_us = 1700000000000000};
    memset(container.id, node_letters[SOURCE], 64);
    store_put_site(world->store, &site);
    store_put_container(world->store, &container);
    assert_true(store_flush(world->store, PATIENCE_US));
}

static struct world *world_new(void)
{
    struct world *world = xcalloc(1, sizeof *world);
    world->fleet = fake_fleet_new(&world->fleet_pid);
    if (scenario->stopped_before) {
        world->fleet->nodes[SOURCE].running = false;
        world->fleet->notice = true;
        str_copy(world->fleet->nodes[SOURCE].mark, sizeof world->fleet->nodes[SOURCE].mark, "stopped");
    }
    world->state_dir = test_dir_new();
    write_files(world);
    trust_hosts(world);
    begin_engine(world, NULL);
    fill_store(world);
    return world;
}

static void forget_job(struct world *world)
{
    job_record_free(&world->record);
    job_step_list_free(&world->steps);
    world->record = (struct job_record){0};
    world->steps = (struct job_step_list){0};
}

static void world_free(struct world *world)
{
    forget_job(world);
    end_engine(world);
    fake_fleet_free(world->fleet, world->fleet_pid);
    fleet_free(world->defs);
    files_free(&world->files);
    test_dir_free(world->state_dir);
    free(world);
}

static enum err begin_job(struct world *world)
{
    int64_t id;
    json_t *options = scenario->to ? json_pack("{s:s}", "to", scenario->to) : NULL;
    enum err err = jobs_run(
        world->jobs, scenario->action, "example.org", options, NULL, "anna", 1000, "a test", &id, &world->info);
    json_decref(options);
    return err;
}

static bool is_over(struct world *world)
{
    forget_job(world);
    return store_job(world->store, 1, &world->record, &world->steps, &world->info) == ERR_OK &&
           world->record.state != JOB_PLANNED && world->record.state != JOB_RUNNING;
}

static void show(const struct world *world)
{
    print_message("%s: %s\n", job_state_word(world->record.state), world->record.message);
    vec_each (&world->steps.items, const struct job_step_record, step)
        print_message("  %-7s %-10s %-7s %s\n", step_state_word(step->state), step->name, step->host,
            step->outcome ? step->outcome : "");
    for (int i = 0; i < GATE; i++) {
        const struct fake_node *node = &world->fleet->nodes[i];
        print_message("  %s: %s, mark \"%s\", version %lld\n", node_names[i], node->running ? "running" : "down",
            node->mark, (long long)node->version);
    }
    print_message("  route %s%s, acknowledged %lld, lost %lld\n", node_names[world->fleet->route],
        world->fleet->held ? ", held" : "", (long long)world->fleet->acknowledged, (long long)world->fleet->lost);
}

static void await_end(struct world *world)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!is_over(world)) {
        if (clock_mono_us() > until_us) {
            show(world);
            fail_case("the job does not end: %s", world->record.message);
        }
        usleep(3000);
    }
}

/* --- what is safe ------------------------------------------------------------------------------------------------- */

/* It runs here, for visitors, with all they wrote, and could start nowhere else. */
static bool lives_on(const struct fake_fleet *fleet, int number)
{
    const struct fake_node *here = &fleet->nodes[number], *there = &fleet->nodes[number == SOURCE ? TARGET : SOURCE];
    return here->running && !here->mark[0] && !there->running && fleet->route == number && !fleet->notice &&
           here->version == fleet->acknowledged && fleet->refused == 0;
}

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
    int status = 0;
    str_copy(crash_step, sizeof crash_step, step);
    crash_before = before;
    end_engine(world);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        begin_engine(world, crash_there);
        if (begin_job(world) == ERR_OK)
            await_end(world);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    begin_engine(world, NULL);
    return WIFEXITED(status) && WEXITSTATUS(status) == CRASHED;
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
