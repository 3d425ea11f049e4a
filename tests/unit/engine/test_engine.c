/* The engine as a whole process: begins, reloads, ends, is killed. This program starts itself again as the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "engine/client.h"
#include "engine/engine.h"
#include "engine/spawn.h"
#include "store/lock.h"
#include "store/reader.h"
#include "tests/unit/engine/state_dir.h"

struct fixture {
    char *fleet, *state;
};

static const char *const alpha[] = {"alpha", NULL};
static const char *const alpha_and_beta[] = {"alpha", "beta", NULL};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->fleet = state_dir_new();
    f->state = state_dir_new();
    write_fleet(f->fleet, "first", alpha);
    *state = f;
    return 0;
}

static void end_engine(struct fixture *f, int with)
{
    long pid = store_lock_holder(f->state);
    if (pid > 0)
        kill((pid_t)pid, with);
    WAIT_UNTIL(store_lock_holder(f->state) == 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    end_engine(f, SIGKILL);
    state_dir_free(f->fleet);
    state_dir_free(f->state);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct err_info info = {0};
    bool started = false;
    if (spawn_engine(f->fleet, f->state, DEADLINE_US, &started, &info) != ERR_OK)
        fail_msg("%s", info.message);
    assert_true(started);
}

static json_t *ask(struct fixture *f, const char *name, enum err expected)
{
    struct err_info info = {0};
    json_t *ok, *request = json_object();
    json_put_text(request, "command", name);
    enum err result = client_ask(f->state, request, &ok, &info);
    if (result != expected)
        fail_msg("%s: %s", name, info.message);
    return ok;
}

static bool status_is(struct fixture *f, const char *member, const char *wanted)
{
    json_t *ok = ask(f, "status", ERR_OK);
    const char *text = json_get_text(ok, member);
    bool is = wanted ? text && strstr(text, wanted) : !text;
    json_decref(ok);
    return is;
}

static struct snapshot *read_store(struct fixture *f)
{
    struct store_reader *reader;
    struct snapshot *snapshot = NULL;
    if (store_reader_open(f->state, &reader, NULL) != ERR_OK)
        return NULL;
    store_read_snapshot(reader, &snapshot, NULL);
    store_reader_close(reader);
    return snapshot;
}

static size_t count_events(struct fixture *f, const char *kind)
{
    struct store_reader *reader;
    struct event_filter filter = {.object_kind = -1};
    struct event_list events = {0};
    size_t count = 0;
    if (store_reader_open(f->state, &reader, NULL) != ERR_OK)
        return 0;
    store_read_events(reader, &filter, &events, NULL);
    vec_each (&events.items, const struct event, event)
        count += strcmp(event->kind, kind) == 0;
    event_list_free(&events);
    store_reader_close(reader);
    return count;
}

static bool host_reads(struct fixture *f, const char *name, enum err reason)
{
    struct snapshot *snapshot = read_store(f);
    const struct host_state *host = snapshot ? snapshot_host(snapshot, name) : NULL;
    bool is = host && host->status == HOST_UNKNOWN && host->reason_code == reason;
    snapshot_free(snapshot);
    return is;
}

static bool engine_row_is_there(struct fixture *f)
{
    struct snapshot *snapshot = read_store(f);
    bool is = snapshot && snapshot->engine_at_us && snapshot->engine[ENGINE_MEM] > 1e6 &&
              snapshot->engine[ENGINE_HOSTS_UNKNOWN] == 1;
    snapshot_free(snapshot);
    return is;
}

static void engine_started_by_a_client_answers_and_keeps_the_store(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(status_is(f, "fleet", "first"));
    assert_true(status_is(f, "environment", "test"));
    assert_true(status_is(f, "fleet_error", NULL));
    WAIT_UNTIL(host_reads(f, "alpha", ERR_REFUSED));
    WAIT_UNTIL(engine_row_is_there(f));
    WAIT_UNTIL(count_events(f, "host.unknown") == 1);
}

static void second_client_uses_the_engine_that_runs(void **state)
{
    struct fixture *f = *state;
    start(f);
    long pid = store_lock_holder(f->state);
    bool started = true;
    assert_int_equal(spawn_engine(f->fleet, f->state, DEADLINE_US, &started, NULL), ERR_OK);
    assert_false(started);
    assert_int_equal(store_lock_holder(f->state), pid);
}

static void second_engine_on_the_same_state_refuses_to_begin(void **state)
{
    struct fixture *f = *state;
    start(f);
    int ends[2];
    char text[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        execl("/proc/self/exe", "dogwatch", "engine", "--fleet", f->fleet, "--state", f->state, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_non_null(strstr(text, "another engine"));
    assert_true(status_is(f, "fleet", "first"));
}

static void sigterm_ends_it_cleanly_and_removes_the_socket(void **state)
{
    struct fixture *f = *state;
    start(f);
    end_engine(f, SIGTERM);
    char *path = paths_join(f->state, "engine.sock");
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
    assert_int_equal(count_events(f, "engine.stopped"), 1);
    start(f);
    WAIT_UNTIL(count_events(f, "engine.started") == 2);
    assert_int_equal(count_events(f, "engine.died"), 0);
}

static void killed_engine_leaves_a_store_that_is_right_again_at_once(void **state)
{
    struct fixture *f = *state;
    for (size_t round = 0; round < 3; round++) {
        start(f);
        WAIT_UNTIL(count_events(f, "engine.started") == round + 1);
        WAIT_UNTIL(host_reads(f, "alpha", ERR_REFUSED));
        end_engine(f, SIGKILL);
        assert_true(host_reads(f, "alpha", ERR_REFUSED));
    }
    start(f);
    WAIT_UNTIL(count_events(f, "engine.died") == 3);
    WAIT_UNTIL(engine_row_is_there(f));
    assert_int_equal(count_events(f, "host.unknown"), 1); /* it was unknown all the time */
}

static void edit_of_the_fleet_files_is_taken_over(void **state)
{
    struct fixture *f = *state;
    start(f);
    write_fleet(f->fleet, "second", alpha_and_beta);
    WAIT_UNTIL(status_is(f, "fleet", "second"));
    WAIT_UNTIL(host_reads(f, "beta", ERR_REFUSED));
    WAIT_UNTIL(count_events(f, "fleet.reloaded") >= 1);
}

static void bad_edit_keeps_what_runs_and_is_shown_until_it_is_mended(void **state)
{
    struct fixture *f = *state;
    start(f);
    write_text(f->fleet, "hosts.yaml", "hosts:\n  alpha: { adress: 127.0.0.1 }\n");
    WAIT_UNTIL(status_is(f, "fleet_error", "adress"));
    assert_true(status_is(f, "fleet", "first"));
    WAIT_UNTIL(count_events(f, "fleet.refused") >= 1);
    json_decref(ask(f, "reload", ERR_INVALID));
    write_fleet(f->fleet, "third", alpha);
    json_decref(ask(f, "reload", ERR_OK));
    assert_true(status_is(f, "fleet", "third"));
    assert_true(status_is(f, "fleet_error", NULL));
}

static void sighup_reads_the_files_again(void **state)
{
    struct fixture *f = *state;
    start(f);
    kill((pid_t)store_lock_holder(f->state), SIGHUP);
    WAIT_UNTIL(count_events(f, "fleet.reloaded") == 1);
}

static void host_taken_out_of_the_files_leaves_the_store(void **state)
{
    struct fixture *f = *state;
    write_fleet(f->fleet, "first", alpha_and_beta);
    start(f);
    WAIT_UNTIL(host_reads(f, "beta", ERR_REFUSED));
    write_fleet(f->fleet, "second", alpha);
    json_decref(ask(f, "reload", ERR_OK));
    struct snapshot *snapshot = NULL;
    WAIT_UNTIL((snapshot_free(snapshot), snapshot = read_store(f)) && !snapshot_host(snapshot, "beta"));
    assert_non_null(snapshot_host(snapshot, "alpha"));
    snapshot_free(snapshot);
}

static void engine_that_cannot_begin_says_why(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    write_text(f->fleet, "hosts.yaml", "hosts:\n  alpha: { adress: 127.0.0.1 }\n");
    assert_int_equal(spawn_engine(f->fleet, f->state, DEADLINE_US, NULL, &info), ERR_FAILED);
    assert_non_null(strstr(info.message, "adress"));
}

static void what_nobody_keeps_is_not_found_and_unknown_commands_are_named(void **state)
{
    struct fixture *f = *state;
    struct err_info info = {0};
    start(f);
    json_t *ok, *request = json_pack("{s:s,s:s,s:s}", "command", "recent", "kind", "site", "key", "nowhere");
    assert_int_equal(client_ask(f->state, request, &ok, NULL), ERR_NOT_FOUND);
    request = json_pack("{s:s}", "command", "staus");
    assert_int_equal(client_ask(f->state, request, &ok, &info), ERR_INVALID);
    assert_non_null(strstr(info.message, "\"status\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "engine") == 0)
        return engine_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        TEST(engine_started_by_a_client_answers_and_keeps_the_store),
        TEST(second_client_uses_the_engine_that_runs),
        TEST(second_engine_on_the_same_state_refuses_to_begin),
        TEST(sigterm_ends_it_cleanly_and_removes_the_socket),
        TEST(killed_engine_leaves_a_store_that_is_right_again_at_once),
        TEST(edit_of_the_fleet_files_is_taken_over),
        TEST(bad_edit_keeps_what_runs_and_is_shown_until_it_is_mended),
        TEST(sighup_reads_the_files_again),
        TEST(host_taken_out_of_the_files_leaves_the_store),
        TEST(engine_that_cannot_begin_says_why),
        TEST(what_nobody_keeps_is_not_found_and_unknown_commands_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
