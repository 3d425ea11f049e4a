/* The world the tests of actions on a site live in: the hosts of fake_fleet.h, the fleet files that name them, a store
 * that knows the site, and an engine's jobs over them, in this process or in a child that is killed. Cases may run side
 * by side in processes of their own. */
#ifndef TESTS_UNIT_ACTIONS_WORLD_H
#define TESTS_UNIT_ACTIONS_WORLD_H

#include "tests/unit/actions/fake_fleet.h"
#include "tests/unit/fleet/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actions/jobs.h"
#include "base/clock.h"
#include "store/reader.h"

#define CRASHED 42 /* exit status of an engine that a test has die */
#define HURRY 40
#define PATIENCE_US (60 * USEC_PER_SEC)
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
    int64_t job; /* that is looked at; from 1 */
    struct job_record record;
    struct job_step_list steps;
    struct err_info info;
};

/* Cases run side by side in processes of their own, which end where something is wrong. */
static bool is_worker;

static inline void fail_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void fail_case(const char *format, ...)
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

static inline void must(enum err err, const struct err_info *info)
{
    if (err)
        fail_case("%s: %s", err_word(err), info->message);
}

static inline void run_cases(size_t count, void (*run)(size_t number))
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

static inline void begin_engine(struct world *world, void (*crash_point)(const char *, bool))
{
    must(store_open(world->state_dir, &world->store, &world->info), &world->info);
    world->jobs = jobs_new(&(struct jobs_config){.store = world->store,
        .state_dir = world->state_dir,
        .fleet_owner = world->defs,
        .fleet_hold = script_hold,
        .fleet_release = script_let_go,
        .crash_point = crash_point,
        .hurry = HURRY});
}

static inline void end_engine(struct world *world)
{
    jobs_free(world->jobs);
    store_close(world->store);
    world->jobs = NULL;
    world->store = NULL;
}

static inline void write_files(struct world *world)
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

static inline void trust_hosts(struct world *world)
{
    for (int i = 0; i < NODES; i++)
        must(script_trust(world->state_dir, node_names[i], world->fleet->nodes[i].key, &world->info), &world->info);
}

/* What collectors would have put there. */
static inline void fill_store(struct world *world)
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

static inline struct world *world_new(void)
{
    struct world *world = xcalloc(1, sizeof *world);
    world->job = 1;
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

static inline void forget_job(struct world *world)
{
    job_record_free(&world->record);
    job_step_list_free(&world->steps);
    world->record = (struct job_record){0};
    world->steps = (struct job_step_list){0};
}

static inline void world_free(struct world *world)
{
    forget_job(world);
    end_engine(world);
    fake_fleet_free(world->fleet, world->fleet_pid);
    fleet_free(world->defs);
    files_free(&world->files);
    test_dir_free(world->state_dir);
    free(world);
}

static inline enum err begin_job(struct world *world)
{
    int64_t id;
    json_t *options = scenario->to ? json_pack("{s:s}", "to", scenario->to) : NULL;
    enum err err = jobs_run(
        world->jobs, scenario->action, "example.org", options, NULL, "anna", 1000, "a test", &id, &world->info);
    json_decref(options);
    return err;
}

static inline bool is_over(struct world *world)
{
    forget_job(world);
    return store_job(world->store, world->job, &world->record, &world->steps, &world->info) == ERR_OK &&
           world->record.state != JOB_PLANNED && world->record.state != JOB_RUNNING;
}

static inline void show(const struct world *world)
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

static inline void await_end(struct world *world)
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

/* An engine in a process of its own begins the scenario; then there is one anew. True: it died where `crash_point` had
 * it _exit(CRASHED). False: the job came to its end. */
static inline bool engine_dies(struct world *world, void (*crash_point)(const char *, bool))
{
    int status = 0;
    end_engine(world);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        begin_engine(world, crash_point);
        if (begin_job(world) == ERR_OK)
            await_end(world);
        end_engine(world);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    begin_engine(world, NULL);
    return WIFEXITED(status) && WEXITSTATUS(status) == CRASHED;
}

/* It runs here, for visitors, with all they wrote, and could start nowhere else. */
static inline bool lives_on(const struct fake_fleet *fleet, int number)
{
    const struct fake_node *here = &fleet->nodes[number], *there = &fleet->nodes[number == SOURCE ? TARGET : SOURCE];
    return here->running && !here->mark[0] && !there->running && fleet->route == number && !fleet->notice &&
           here->version == fleet->acknowledged && fleet->refused == 0;
}

#endif
