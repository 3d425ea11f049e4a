/* `dogwatch restart` and its like against a scripted engine: what is asked, what is printed, how it exits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "actions/action.h"
#include "engine/socket.h"
#include "engine/verb_main.h"
#include "store/audit.h"
#include "store/jobs.h"
#include "store/store.h"
#include "tests/unit/engine/state_dir.h"

#define OUTPUT_BYTES 65536

struct fixture {
    char *dir;
    struct store *store;
    struct server *server;
    pthread_mutex_t mutex;
    char asked[512];       /* the commands but status, "plan run" */
    json_t *run;           /* the last request to run */
    const char *plan_text; /* NULL: refuse */
    const char *refusal_code, *refusal;
    enum job_state end_state; /* of the job that run begins; JOB_RUNNING: it goes on */
};

static char output[OUTPUT_BYTES], errors[OUTPUT_BYTES];

/* --- the scripted engine --------------------------------------------------------------------------------------------
 */

static int64_t make_job(struct fixture *f)
{
    struct job_record job = {.action = "restart",
        .object_kind = KIND_SITE,
        .object = "shop",
        .site = "shop",
        .host = "alpha",
        .who = "ada",
        .state = f->end_state,
        .progress_pct = -1,
        .started_us = clock_wall_us(),
        .message = "hostile \x1b[31m words",
        .plan_json = xstrdup("{}")};
    assert_int_equal(store_job_create(f->store, &job, NULL), ERR_OK);
    struct job_step_record step = {.job_id = job.id,
        .name = "restart",
        .host = "alpha",
        .command = "stop, start",
        .state = f->end_state == JOB_DONE ? STEP_DONE : STEP_FAILED,
        .started_us = clock_wall_us(),
        .ended_us = clock_wall_us(),
        .outcome = "as told"};
    assert_int_equal(store_job_step_put(f->store, &step, NULL), ERR_OK);
    int64_t id = job.id;
    job_record_free(&job);
    return id;
}

static json_t *refuse(const char *code, const char *message)
{
    return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
}

static json_t *answer_run(struct fixture *f, const json_t *request)
{
    json_decref(f->run);
    f->run = json_deep_copy(request);
    return json_pack("{s:{s:I}}", "ok", "job", (json_int_t)make_job(f));
}

static json_t *answer_locked(struct fixture *f, const char *command, const json_t *request)
{
    char before[sizeof f->asked];
    if (strcmp(command, "status") == 0)
        return json_pack("{s:{s:i}}", "ok", "hosts_untried", 0);
    str_copy(before, sizeof before, f->asked);
    str_format(f->asked, sizeof f->asked, "%s%s%s", before, before[0] ? " " : "", command);
    if (strcmp(command, "run") == 0)
        return answer_run(f, request);
    if (strcmp(command, "cancel") == 0)
        return json_pack("{s:{}}", "ok");
    if (strcmp(command, "targets") == 0)
        return json_pack("{s:{s:[{s:s,s:b,s:[s,s]},{s:s,s:b,s:[s]}]}}", "ok", "targets", "host", "beta", "fits", true,
            "reasons", "2.1G free", "quiet \x1b[2J", "host", "gamma", "fits", false, "reasons", "down");
    if (strcmp(command, "where") == 0)
        return json_pack("{s:{s:[{s:s,s:b,s:s,s:i},{s:s,s:b,s:s,s:i},{s:s,s:b,s:s}],s:s,s:[s]}}", "ok", "hosts", "host",
            "alpha", "answered", true, "state", "active", "running", 1, "host", "beta", "answered", true, "state",
            "active", "running", 1, "host", "gamma", "answered", false, "why", "timeout \x1b[2J", "verdict",
            "conflict: two startable copies on alpha and beta", "way_out", "dogwatch stop shop --host beta");
    if (!f->plan_text)
        return refuse(f->refusal_code, f->refusal);
    return json_pack(
        "{s:{s:{s:s},s:s,s:[s,s]}}", "ok", "plan", "action", "restart", "text", f->plan_text, "expect", "id-1", "id-2");
}

static json_t *answer(void *owner, const struct peer *peer, const json_t *request)
{
    struct fixture *f = owner;
    (void)peer;
    pthread_mutex_lock(&f->mutex);
    json_t *result = answer_locked(f, json_get_text(request, "command"), request);
    pthread_mutex_unlock(&f->mutex);
    return result;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    pthread_mutex_init(&f->mutex, NULL);
    f->dir = state_dir_new();
    f->plan_text = "1. stop it\n2. start it\x1b[2J\n";
    f->end_state = JOB_DONE;
    assert_int_equal(store_open(f->dir, &f->store, NULL), ERR_OK);
    assert_int_equal(server_start(f->dir, answer, f, &f->server, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    server_free(f->server);
    store_close(f->store);
    json_decref(f->run);
    state_dir_free(f->dir);
    free(f);
    return 0;
}

/* The server's threads look at all of this. */

static void let_jobs_end(struct fixture *f, enum job_state state)
{
    pthread_mutex_lock(&f->mutex);
    f->end_state = state;
    pthread_mutex_unlock(&f->mutex);
}

static void refuse_plans(struct fixture *f, const char *code, const char *message)
{
    pthread_mutex_lock(&f->mutex);
    f->plan_text = NULL;
    f->refusal_code = code;
    f->refusal = message;
    f->asked[0] = '\0';
    pthread_mutex_unlock(&f->mutex);
}

static void assert_asked(struct fixture *f, const char *commands)
{
    char asked[sizeof f->asked];
    pthread_mutex_lock(&f->mutex);
    str_copy(asked, sizeof asked, f->asked);
    pthread_mutex_unlock(&f->mutex);
    assert_string_equal(asked, commands);
}

/* --- running a subcommand -------------------------------------------------------------------------------------------
 */

static void read_file(const char *directory, const char *name, char *out)
{
    char *path = paths_join(directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, out, OUTPUT_BYTES - 1) : 0;
    out[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
    free(path);
}

/* Begin this program anew with these words as its command line (main knows them), its output in files. A process with
 * threads must not go on after fork(2) otherwise. */
static pid_t begin(struct fixture *f, const char *const *words)
{
    char *argv[16] = {"dogwatch"};
    int argc = 1;
    while (*words)
        argv[argc++] = (char *)*words++;
    argv[argc++] = "--state";
    argv[argc++] = f->dir;
    char *out = paths_join(f->dir, "out"), *err = paths_join(f->dir, "err");
    int fds[] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
        open(err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    free(out);
    free(err);
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++)
            dup2(fds[fd], fd);
        execv("/proc/self/exe", argv);
        _exit(99);
    }
    for (int fd = 0; fd < 3; fd++)
        close(fds[fd]);
    return child;
}

/* Wait for its end; gives the exit status and fills output and errors. */
static int finish(struct fixture *f, pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_file(f->dir, "out", output);
    read_file(f->dir, "err", errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define BEGIN(f, ...) begin(f, (const char *const[]){__VA_ARGS__, NULL})
#define RUN(f, ...) finish(f, BEGIN(f, __VA_ARGS__))

static json_t *parse_output(void)
{
    json_t *value = NULL;
    struct err_info info = {0};
    if (json_parse(output, strlen(output), &value, &info) != ERR_OK)
        fail_msg("%s: %s", info.message, output);
    return value;
}

/* --- actions --------------------------------------------------------------------------------------------------------
 */

static void dry_run_prints_the_plan_clean_and_runs_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "restart", "shop", "--dry-run"), 0);
    assert_asked(f, "plan");
    assert_non_null(strstr(output, "1. stop it\n2. start it"));
    assert_null(strchr(output, '\x1b'));
}

static void without_a_terminal_and_yes_nothing_is_run(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "restart", "shop"), 1);
    assert_asked(f, "plan");
    assert_non_null(strstr(errors, "--yes"));
}

static void what_is_run_is_what_was_planned_and_why(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "restart", "shop", "--yes", "--reason", "it hangs"), 0);
    assert_asked(f, "plan run");
    const json_t *expect = json_object_get(f->run, "expect");
    assert_int_equal(json_array_size(expect), 2);
    assert_string_equal(json_string_value(json_array_get(expect, 1)), "id-2");
    assert_string_equal(json_get_text(f->run, "reason"), "it hangs");
    assert_string_equal(json_get_text(f->run, "object"), "shop");
    assert_non_null(strstr(output, "job 1"));
}

/* A name that is not there is a misuse, anything else that is refused a failure. */
static void refusal_of_the_engine_is_printed_and_exits_by_its_kind(void **state)
{
    struct fixture *f = *state;
    refuse_plans(f, "not-found", "no site is called \"shop\"; did you mean \"shops\"?");
    assert_int_equal(RUN(f, "restart", "shop", "--yes", "--wait"), 2);
    assert_asked(f, "plan");
    assert_non_null(strstr(errors, "did you mean \"shops\""));
    refuse_plans(f, "invalid", "shop is quarantined");
    assert_int_equal(RUN(f, "restart", "shop", "--yes", "--wait"), 1);
    assert_non_null(strstr(errors, "quarantined"));
}

/* What was last asked to be run: a new reference, for the server's thread gives up its own. */
static json_t *last_run(struct fixture *f)
{
    pthread_mutex_lock(&f->mutex);
    json_t *run = json_incref(f->run);
    pthread_mutex_unlock(&f->mutex);
    return run;
}

static void rates_times_and_objects_reach_the_engine(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        RUN(f, "migrate", "shop", "--to", "beta", "--limit", "10M", "--keep", "3d", "--through-console", "--yes"), 0);
    json_t *run = last_run(f);
    const json_t *options = json_object_get(run, "options");
    int64_t number = 0;
    bool through = false;
    assert_string_equal(json_get_text(options, "to"), "beta");
    assert_true(json_get_i64(options, "limit_bytes_s", &number));
    assert_int_equal(number, 10 << 20);
    assert_true(json_get_i64(options, "keep_s", &number));
    assert_int_equal(number, 3 * 86400);
    assert_true(json_get_bool(options, "through_console", &through) && through);
    json_decref(run);
    assert_int_equal(RUN(f, "restart", "shop", "shop2", "shop3", "--yes"), 0);
    run = last_run(f);
    const json_t *more = json_object_get(json_object_get(run, "options"), "more");
    assert_string_equal(json_get_text(run, "object"), "shop");
    assert_int_equal(json_array_size(more), 2);
    assert_string_equal(json_string_value(json_array_get(more, 1)), "shop3");
    json_decref(run);
    struct host_state host = {.name = "alpha"};
    metrics_clear(host.metrics, HOST_METRIC_COUNT);
    store_put_host(f->store, &host);
    WAIT_UNTIL(RUN(f, "restart", "--host", "alpha", "--yes") == 0); /* the store is written by a thread of its own */
    run = last_run(f);
    assert_string_equal(json_get_text(run, "object"), "alpha");
    json_decref(run);
}

static void a_host_that_is_not_there_is_no_site_either(void **state)
{
    struct fixture *f = *state;
    struct host_state host = {.name = "alpha"};
    metrics_clear(host.metrics, HOST_METRIC_COUNT);
    store_put_host(f->store, &host);
    WAIT_UNTIL(RUN(f, "restart", "--host", "alpah", "--yes") == 2 && strstr(errors, "did you mean \"alpha\""));
    assert_non_null(strstr(errors, "no host is called \"alpah\""));
    assert_asked(f, "");
}

static void misuse_is_told_before_the_engine_is_asked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "migrate", "shop", "--limit", "fast"), 2);
    assert_non_null(strstr(errors, "--limit fast is no rate"));
    assert_int_equal(RUN(f, "migrate", "shop", "--keep", "long"), 2);
    assert_non_null(strstr(errors, "--keep long is no time"));
    assert_int_equal(RUN(f, "migrate", "shop", "shop2"), 2);
    assert_int_equal(RUN(f, "migrate"), 2);
    assert_int_equal(RUN(f, "restart"), 2);
    assert_int_equal(RUN(f, "restart", "shop", "--host", "alpha"), 2);
    assert_int_equal(RUN(f, "restart", "shop", "--to", "beta"), 2);
    assert_int_equal(RUN(f, "undo", "shop", "--yes"), 2);
    assert_non_null(strstr(errors, "\"shop\" is no job number"));
    assert_int_equal(RUN(f, "site", "whre", "shop"), 2);
    assert_non_null(strstr(errors, "did you mean"));
    assert_asked(f, "");
}

/* The name of what undo asks for comes from the engine's plan, the number from the person. */
static void undo_is_planned_and_run_by_the_number_of_the_job(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "undo", "7", "--yes"), 0);
    assert_asked(f, "plan run");
    assert_string_equal(json_get_text(f->run, "action"), "undo");
    assert_string_equal(json_get_text(f->run, "object"), "7");
}

static void targets_are_listed_with_their_reasons(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "migrate", "shop", "--targets"), 0);
    assert_asked(f, "targets");
    assert_non_null(strstr(output, "beta"));
    assert_non_null(strstr(output, "2.1G free"));
    assert_non_null(strstr(output, "cannot"));
    assert_null(strchr(output, '\x1b'));
}

static void where_tells_a_conflict_and_the_way_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "site", "where", "shop"), 1);
    assert_asked(f, "where");
    assert_non_null(strstr(output, "‡ conflict: two startable copies"));
    assert_non_null(strstr(output, "no answer"));
    assert_non_null(strstr(output, "dogwatch stop shop"));
    assert_null(strchr(output, '\x1b'));
}

static void exit_status_of_wait_is_that_of_the_job(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum job_state state;
        int status;
    } cases[] = {{JOB_DONE, 0}, {JOB_FAILED, 1}, {JOB_CANCELLED, 1}, {JOB_UNDONE, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        let_jobs_end(f, cases[i].state);
        assert_int_equal(RUN(f, "restart", "shop", "--yes", "--wait"), cases[i].status);
        assert_non_null(strstr(output, job_state_word(cases[i].state)));
        assert_non_null(strstr(output, "as told"));
        assert_null(strchr(output, '\x1b'));
    }
}

static void json_is_one_object_on_standard_output(void **state)
{
    struct fixture *f = *state;
    let_jobs_end(f, JOB_FAILED);
    assert_int_equal(RUN(f, "restart", "shop", "--yes", "--wait", "--json"), 1);
    json_t *job = parse_output();
    int64_t id = 0;
    assert_true(json_get_i64(job, "job", &id));
    assert_string_equal(json_get_text(job, "state"), "failed");
    assert_string_equal(json_get_text(job, "action"), "restart");
    assert_string_equal(json_get_text(job, "object"), "shop");
    const json_t *step = json_array_get(json_object_get(job, "steps"), 0);
    assert_string_equal(json_get_text(step, "step"), "restart");
    assert_string_equal(json_get_text(step, "command"), "stop, start");
    assert_string_equal(json_get_text(step, "outcome"), "as told");
    assert_non_null(json_get_text(step, "started"));
    assert_true(json_is_null(json_object_get(step, "pass")));
    assert_true(json_is_null(json_object_get(job, "undo")));
    assert_true(json_is_null(json_object_get(job, "to")));
    json_decref(job);
}

static void wait_ends_when_the_job_does(void **state)
{
    struct fixture *f = *state;
    let_jobs_end(f, JOB_RUNNING);
    int64_t id = make_job(f);
    char number[32];
    str_format(number, sizeof number, "%lld", (long long)id);
    pid_t child = BEGIN(f, "job", number, "--follow");
    WAIT_UNTIL((read_file(f->dir, "out", output), strstr(output, "asked for by ada")));
    struct job_record job;
    assert_int_equal(store_job(f->store, id, &job, NULL, NULL), ERR_OK);
    job.state = JOB_DONE;
    job.ended_us = clock_wall_us();
    assert_int_equal(store_job_update(f->store, &job, NULL), ERR_OK);
    job_record_free(&job);
    assert_int_equal(finish(f, child), 0);
    assert_non_null(strstr(output, "done"));
}

static void help_of_every_action_names_it(void **state)
{
    struct fixture *f = *state;
    for (const struct action *action = action_first(); action; action = action_next(action)) {
        if (action->is_internal)
            continue;
        assert_int_equal(RUN(f, action->name, "--help"), 0);
        assert_non_null(strstr(output, action->name));
        assert_non_null(strstr(output, "--dry-run"));
    }
    assert_asked(f, "");
}

/* --- jobs and audit -------------------------------------------------------------------------------------------------
 */

static void jobs_are_listed_newest_first_and_one_is_shown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(RUN(f, "jobs"), 0);
    assert_non_null(strstr(output, "no jobs yet"));
    let_jobs_end(f, JOB_FAILED);
    make_job(f);
    let_jobs_end(f, JOB_DONE);
    make_job(f);
    assert_int_equal(RUN(f, "jobs", "--json"), 0);
    json_t *list = parse_output();
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_get_text(json_array_get(list, 0), "state"), "done");
    json_decref(list);
    assert_int_equal(RUN(f, "job", "1"), 1);
    assert_non_null(strstr(output, "failed"));
    assert_int_equal(RUN(f, "job", "2"), 0);
    assert_int_equal(RUN(f, "job", "3"), 2);
    assert_int_equal(RUN(f, "job", "x"), 2);
}

static void cancel_asks_the_engine(void **state)
{
    struct fixture *f = *state;
    let_jobs_end(f, JOB_RUNNING);
    make_job(f);
    assert_int_equal(RUN(f, "job", "1", "--cancel"), 0);
    assert_int_equal(RUN(f, "cancel", "1"), 0);
    assert_int_equal(RUN(f, "cancel", "one"), 2);
    assert_asked(f, "cancel cancel");
}

/* Interrupted without a terminal there is nobody to ask: the job goes on, and it is said how to see it. */
static void ctrl_c_leaves_the_job_running_and_says_so(void **state)
{
    struct fixture *f = *state;
    let_jobs_end(f, JOB_RUNNING);
    make_job(f);
    pid_t child = BEGIN(f, "job", "1", "--follow");
    WAIT_UNTIL((read_file(f->dir, "out", output), strstr(output, "asked for by ada")));
    kill(child, SIGINT);
    assert_int_equal(finish(f, child), 1);
    assert_non_null(strstr(errors, "job 1 goes on"));
    assert_asked(f, "");
}

static void a_done_job_names_the_command_that_takes_it_back(void **state)
{
    struct fixture *f = *state;
    struct job_record job = {.action = "stop", .object = "shop", .state = JOB_DONE, .progress_pct = -1};
    assert_int_equal(store_job_create(f->store, &job, NULL), ERR_OK);
    assert_int_equal(RUN(f, "job", "1", "--json"), 0);
    json_t *value = parse_output();
    assert_string_equal(json_get_text(value, "undo"), "dogwatch undo 1");
    json_decref(value);
    assert_int_equal(RUN(f, "job", "1"), 0);
    assert_non_null(strstr(output, "`dogwatch undo 1` takes it back"));
}

static void progress_of_a_copy_is_in_text_and_json(void **state)
{
    struct fixture *f = *state;
    let_jobs_end(f, JOB_RUNNING);
    struct job_step_record step = {.job_id = make_job(f),
        .index = 1,
        .name = "copy",
        .host = "alpha",
        .command = "copy data",
        .state = STEP_RUNNING,
        .started_us = clock_wall_us(),
        .pass = 2,
        .done_bytes = INT64_C(1) << 30,
        .total_bytes = INT64_C(4) << 30,
        .bytes_s = INT64_C(100) << 20};
    assert_int_equal(store_job_step_put(f->store, &step, NULL), ERR_OK);
    assert_int_equal(RUN(f, "job", "1"), 0);
    assert_non_null(strstr(output, "pass 2, 1.0G of 4.0G, 100M/s, 30.7s left"));
    assert_int_equal(RUN(f, "job", "1", "--json"), 0);
    json_t *job = parse_output();
    int64_t number = 0;
    const json_t *row = json_array_get(json_object_get(job, "steps"), 1);
    assert_true(json_get_i64(row, "pass", &number));
    assert_int_equal(number, 2);
    assert_true(json_get_i64(row, "total_bytes", &number));
    assert_int_equal(number, INT64_C(4) << 30);
    json_decref(job);
}

static void audit_is_listed_and_verified(void **state)
{
    struct fixture *f = *state;
    store_audit_add(f->store, "ada", 1000, "restart", "shop", "it \x1b]0;hangs\a", NULL);
    assert_int_equal(RUN(f, "audit"), 0);
    assert_non_null(strstr(output, "ada (1000)"));
    assert_null(strchr(output, '\x1b'));
    assert_int_equal(RUN(f, "audit", "verify"), 0);
    assert_non_null(strstr(output, "1 entry"));
    assert_int_equal(RUN(f, "audit", "verfiy"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } subcommands[] = {{"jobs", jobs_main}, {"job", job_main}, {"audit", audit_main}, {"undo", undo_main},
        {"cancel", cancel_main}, {"site", site_main}};
    for (size_t i = 0; argc > 1 && i < sizeof subcommands / sizeof *subcommands; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    if (argc > 1 && action_find(argv[1]))
        return verb_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        TEST(dry_run_prints_the_plan_clean_and_runs_nothing),
        TEST(without_a_terminal_and_yes_nothing_is_run),
        TEST(what_is_run_is_what_was_planned_and_why),
        TEST(refusal_of_the_engine_is_printed_and_exits_by_its_kind),
        TEST(rates_times_and_objects_reach_the_engine),
        TEST(a_host_that_is_not_there_is_no_site_either),
        TEST(misuse_is_told_before_the_engine_is_asked),
        TEST(undo_is_planned_and_run_by_the_number_of_the_job),
        TEST(targets_are_listed_with_their_reasons),
        TEST(where_tells_a_conflict_and_the_way_out),
        TEST(ctrl_c_leaves_the_job_running_and_says_so),
        TEST(a_done_job_names_the_command_that_takes_it_back),
        TEST(progress_of_a_copy_is_in_text_and_json),
        TEST(exit_status_of_wait_is_that_of_the_job),
        TEST(json_is_one_object_on_standard_output),
        TEST(wait_ends_when_the_job_does),
        TEST(help_of_every_action_names_it),
        TEST(jobs_are_listed_newest_first_and_one_is_shown),
        TEST(cancel_asks_the_engine),
        TEST(audit_is_listed_and_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
