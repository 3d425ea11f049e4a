/* What the tests of jobs share: one scripted host, the fleet files that name it, a store that knows its containers, and
 * an engine's jobs over them: in this process, or in a child that is killed. */
#ifndef TESTS_UNIT_ACTIONS_JOB_BENCH_H
#define TESTS_UNIT_ACTIONS_JOB_BENCH_H

#include "tests/unit/fleet/files.h"

#include "actions/jobs.h"
#include "base/clock.h"
#include "store/reader.h"
#include "tests/unit/actions/fake_host.h"

#define HURRY 20
#define PATIENCE_US (60 * USEC_PER_SEC)
#define CRASHED 42

struct bench {
    struct fake_host *host;
    pid_t host_pid;
    char *state_dir;
    struct files files;
    struct fleet *fleet;
    struct store *store; /* NULL while another process is the engine */
    struct jobs *jobs;
    int64_t job;
    struct job_record record; /* as bench_wait found it */
    struct job_step_list steps;
    struct err_info info;
};

#define assert_says(text, part)                                                                                        \
    do {                                                                                                               \
        if (!strstr(text, part))                                                                                       \
            print_error("\"%s\" does not say \"%s\"\n", text, part);                                                   \
        assert_non_null(strstr(text, part));                                                                           \
    } while (0)

#define assert_ok(call, error)                                                                                         \
    do {                                                                                                               \
        enum err assert_ok_err = (call);                                                                               \
        if (assert_ok_err)                                                                                             \
            print_error("%s: %s\n", err_word(assert_ok_err), (error)->message);                                        \
        assert_int_equal(assert_ok_err, ERR_OK);                                                                       \
    } while (0)

/* --- an engine --- */

static inline void bench_engine(struct bench *bench, void (*crash_point)(const char *, bool))
{
    assert_ok(store_open(bench->state_dir, &bench->store, &bench->info), &bench->info);
    bench->jobs = jobs_new(&(struct jobs_config){.store = bench->store,
        .state_dir = bench->state_dir,
        .fleet_owner = bench->fleet,
        .fleet_hold = script_hold,
        .fleet_release = script_let_go,
        .crash_point = crash_point,
        .hurry = HURRY});
}

static inline void bench_engine_stop(struct bench *bench)
{
    jobs_free(bench->jobs);
    store_close(bench->store);
    bench->jobs = NULL;
    bench->store = NULL;
}

static inline enum err bench_run(struct bench *bench)
{
    return jobs_run(
        bench->jobs, "restart", "example.org", NULL, NULL, "anna", 1000, "too slow", &bench->job, &bench->info);
}

static inline void bench_forget(struct bench *bench)
{
    job_record_free(&bench->record);
    job_step_list_free(&bench->steps);
    bench->record = (struct job_record){0};
    bench->steps = (struct job_step_list){0};
}

static inline bool bench_has_ended(struct bench *bench)
{
    bench_forget(bench);
    assert_ok(store_job(bench->store, bench->job, &bench->record, &bench->steps, &bench->info), &bench->info);
    return bench->record.state != JOB_PLANNED && bench->record.state != JOB_RUNNING;
}

static inline void bench_wait(struct bench *bench)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!bench_has_ended(bench)) {
        if (clock_mono_us() > until_us)
            fail_msg("the job does not end: %s", bench->record.message);
        usleep(5000);
    }
}

/* Wait until something is true of the host. */
#define bench_until(bench, condition)                                                                                  \
    do {                                                                                                               \
        int64_t until_us = clock_mono_us() + PATIENCE_US;                                                              \
        bool met = false;                                                                                              \
        while (!met && clock_mono_us() < until_us) {                                                                   \
            pthread_mutex_lock(&(bench)->host->mutex);                                                                 \
            met = (condition);                                                                                         \
            pthread_mutex_unlock(&(bench)->host->mutex);                                                               \
            usleep(2000);                                                                                              \
        }                                                                                                              \
        assert_true(met);                                                                                              \
    } while (0)

/* What a collector would have put there. */
static inline void bench_fill_store(struct bench *bench)
{
    struct host_state host = {.name = "mosh01", .status = HOST_UP};
    struct site_state site = {.name = "example.org",
        .host = "mosh01",
        .host_count = 1,
        .declared = true,
        .status = SITE_RUNNING,
        .containers_running = BOXES,
        .containers_total = BOXES};
    store_put_host(bench->store, &host);
    store_put_site(bench->store, &site);
    for (size_t i = 0; i < BOXES; i++) {
        const struct fake_box *box = &bench->host->boxes[i];
        struct container_state container = {.host = "mosh01",
            .site = "example.org",
            .runtime = "podman",
            .state = run_state_parse(box->state),
            .exit_code = (int)box->exit_code,
            .started_us = box->started_us};
        str_format(container.key, sizeof container.key, "mosh01/%s", box->name);
        str_copy(container.name, sizeof container.name, box->name);
        str_copy(container.id, sizeof container.id, box->id);
        str_copy(container.role, sizeof container.role, i ? "db" : "web");
        store_put_container(bench->store, &container);
    }
    assert_true(store_flush(bench->store, PATIENCE_US));
}

static inline void bench_fill_fleet(struct bench *bench)
{
    char text[1024];
    bench->files = files_new();
    files_write(&bench->files, "fleet.yaml", FLEET_YAML);
    snprintf(text, sizeof text, "hosts:\n  mosh01: { address: 127.0.0.1, port: %u }\n", bench->host->port);
    files_write(&bench->files, "hosts.yaml", text);
    snprintf(text, sizeof text,
        "sites:\n  example.org:\n    domains: [example.org]\n    containers:\n"
        "      web: { image: x, publish: %u }\n      db: { image: y }\n"
        "    health: { path: /, status: 200, contains: Welcome }\n",
        bench->host->web_port);
    files_write(&bench->files, "sites/a.yaml", text);
    bench->fleet = files_load(&bench->files);
}

static inline void bench_trust(struct bench *bench)
{
    assert_ok(script_trust(bench->state_dir, "mosh01", bench->host->key, &bench->info), &bench->info);
}

static inline struct bench *bench_new(void)
{
    struct bench *bench = xcalloc(1, sizeof *bench);
    bench->host = fake_host_new(&bench->host_pid);
    bench->state_dir = test_dir_new();
    bench_fill_fleet(bench);
    bench_trust(bench);
    bench_engine(bench, NULL);
    bench_fill_store(bench);
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    bench_forget(bench);
    bench_engine_stop(bench);
    fake_host_free(bench->host, bench->host_pid);
    fleet_free(bench->fleet);
    files_free(&bench->files);
    test_dir_free(bench->state_dir);
    free(bench);
}

/* --- what came of it --- */

static inline bool bench_all_run(const struct bench *bench)
{
    for (size_t i = 0; i < BOXES; i++)
        if (strcmp(bench->host->boxes[i].state, "running") != 0)
            return false;
    return true;
}

static inline unsigned bench_heard(const struct bench *bench, const char *verb)
{
    unsigned count = 0;
    char *word = xasprintf("%s ", verb);
    for (const char *at = bench->host->heard; (at = strstr(at, word)); at += strlen(word))
        count++;
    free(word);
    return count;
}

static inline void bench_show(const struct bench *bench)
{
    print_message("%s: %s\n", job_state_word(bench->record.state), bench->record.message);
    vec_each (&bench->steps.items, const struct job_step_record, step)
        print_message("  %s %s: %s\n", step_state_word(step->state), step->name, step->outcome ? step->outcome : "");
    print_message("  heard: %s\n", bench->host->heard);
}

static inline void bench_expect(const struct bench *bench, enum job_state state, const char *message)
{
    if (bench->record.state != state || !strstr(bench->record.message, message))
        bench_show(bench);
    assert_int_equal(bench->record.state, state);
    assert_says(bench->record.message, message);
}

/* However a job ends: nobody holds the site, and nothing is left begun. */
static inline void bench_expect_free(const struct bench *bench)
{
    assert_string_equal(bench->host->lease_job, "");
    vec_each (&bench->steps.items, const struct job_step_record, step) {
        assert_int_not_equal(step->state, STEP_RUNNING);
        assert_int_not_equal(step->state, STEP_PENDING);
    }
}

/* --- an engine that is killed --- */

static inline pid_t bench_engine_in_child(struct bench *bench, void (*crash_point)(const char *, bool))
{
    bench_engine_stop(bench);
    bench->job = 1;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_engine(bench, crash_point);
    if (bench_run(bench) == ERR_OK)
        bench_wait(bench);
    _exit(0);
}

static inline void bench_resume(struct bench *bench)
{
    bench_engine(bench, NULL);
    assert_ok(jobs_resume(bench->jobs, &bench->info), &bench->info);
    bench_wait(bench);
}

#endif
