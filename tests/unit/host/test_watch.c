/* Noticing what happens to containers, and when engines are asked because of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "host/containers/health.h"
#include "host/containers/rounds.h"
#include "host/containers/watch.h"
#include "host/path.h"
#include "host/site/record.h"
#include "tests/unit/host/tree.h"

#define ID "a6c241e4ddcde7bb263e0ac5472269097b8d9bcd8a741e4c41aba6b13bc873cd"
#define OTHER "80ab34f5d6d34db3591a74d477c0493b6b3986938d2300250d4a7e3c3809b04f"
#define PARENT "/sys/fs/cgroup/machine.slice"
#define RUN_DIRECTORY "/run/containers/storage/overlay-containers/" ID
#define HEALTH_FILE RUN_DIRECTORY "/healthcheck.log"
#define STORE "/var/lib/containers/storage/overlay-containers"
#define SAYS(word) "{\"Status\":\"" word "\",\"FailingStreak\":0,\"Log\":[]}"
#define LIMIT_US (20 * USEC_PER_SEC)
#define S USEC_PER_SEC

static struct tree tree;
static pid_t child;
static struct watch *watch;

/* A cgroup v2 host with one container, whose process is a child of this test. */
static int make_host(void **state)
{
    (void)state;
    char path[64];
    tree_make(&tree);
    host_root_set(tree.root);
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    tree_write(&tree, "/proc/self/mountinfo", "30 24 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    str_format(path, sizeof path, "/proc/%d/cgroup", (int)child);
    tree_write(&tree, path, "0::/machine.slice/libpod-" ID ".scope/container\n");
    tree_write(&tree, PARENT "/libpod-" ID ".scope/cgroup.freeze", "0\n");
    watch = watch_new();
    return 0;
}

static int remove_host(void **state)
{
    (void)state;
    watch_free(watch);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    tree_remove(&tree);
    return 0;
}

static void follow(void)
{
    json_t *inventory =
        json_pack("{s:[{s:s,s:s,s:i}]}", "containers", "id", ID, "runtime", "podman", "pid", (int)child);
    watch_follow(watch, inventory);
    json_decref(inventory);
}

/* The same container with a health check that said `health`, and one that writes into the same directory. */
static void follow_checked(const char *runtime, const char *health, const char *path)
{
    json_t *inventory = json_pack("{s:[{s:s,s:s,s:i,s:s,s:s*},{s:s,s:s,s:i,s:s,s:s}]}", "containers", "id", ID,
        "runtime", runtime, "pid", (int)child, "health", health, "health_path", path, "id", OTHER, "runtime", "podman",
        "pid", (int)child, "health", "healthy", "health_path", RUN_DIRECTORY "/other.log");
    watch_follow(watch, inventory);
    json_decref(inventory);
}

static void write_health(const char *text)
{
    tree_write(&tree, HEALTH_FILE, text);
}

/* The next event that is about `id`; false after the limit. */
static bool await(const char *id, struct watch_event *event)
{
    struct watch_event events[8];
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    while (clock_mono_us() < deadline_us) {
        size_t count = watch_wait(watch, USEC_PER_SEC, events, 8);
        for (size_t i = 0; i < count; i++) {
            *event = events[i];
            if (strcmp(event->id, id) == 0)
                return true;
        }
    }
    return false;
}

static void test_a_new_container_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    follow();
    assert_true(watch_sees_starts(watch));
    tree_dir(&tree, PARENT "/docker-" OTHER ".scope");
    assert_true(await(OTHER, &event));
    assert_int_equal(event.kind, RUNTIME_DOCKER);
}

static void test_a_new_place_for_containers_is_watched_at_once(void **state)
{
    (void)state;
    struct watch_event event;
    follow();
    tree_dir(&tree, "/sys/fs/cgroup/docker");
    assert_true(await("", &event));
    assert_int_equal(event.kind, RUNTIME_COUNT);
    tree_dir(&tree, "/sys/fs/cgroup/docker/" OTHER);
    assert_true(await(OTHER, &event));
}

static void test_the_end_of_a_process_is_noticed_once(void **state)
{
    (void)state;
    struct watch_event event, events[8];
    follow();
    kill(child, SIGKILL);
    assert_true(await(ID, &event));
    assert_int_equal(event.kind, RUNTIME_PODMAN);
    assert_int_equal(waitpid(child, NULL, 0), child);
    child = -1;
    assert_int_equal(watch_wait(watch, 0, events, 8), 0);
}

static void test_an_end_before_watching_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    kill(child, SIGKILL);
    siginfo_t ended;
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    follow();
    assert_true(await(ID, &event));
}

static void test_freezing_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    follow();
    tree_write(&tree, PARENT "/libpod-" ID ".scope/cgroup.freeze", "1\n");
    assert_true(await(ID, &event));
}

static void test_other_groups_and_files_are_not_noticed(void **state)
{
    (void)state;
    struct watch_event events[8];
    follow();
    tree_dir(&tree, PARENT "/libpod-conmon-" OTHER ".scope");
    tree_dir(&tree, PARENT "/cups.service");
    tree_dir(&tree, PARENT "/" OTHER ".service"); /* a health check, every half minute */
    tree_dir(&tree, PARENT "/libpod-" ID ".scope/container");
    assert_int_equal(watch_wait(watch, 0, events, 8), 0);
    watch_wake(watch);
    assert_int_equal(watch_wait(watch, LIMIT_US, events, 8), 0);
}

static void test_what_appears_in_an_engines_store_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    tree_dir(&tree, STORE);
    tree_dir(&tree, "/var/lib/docker/volumes");
    follow();
    tree_write(&tree, STORE "/containers.json", "{}"); /* the store's own */
    tree_dir(&tree, STORE "/" OTHER);
    assert_true(await(OTHER, &event));
    assert_int_equal(event.kind, RUNTIME_PODMAN);
    tree_dir(&tree, "/var/lib/docker/volumes/data");
    assert_true(await("", &event));
    assert_int_equal(event.kind, RUNTIME_DOCKER);
}

static void test_marks_that_come_and_go_are_noticed_leases_when_given_back(void **state)
{
    (void)state;
    struct watch_event events[8];
    struct err_info info;
    json_t *record = json_pack("{s:s}", "mark", "stopped");
    follow();
    assert_int_equal(record_write("a.org", "lease", record, &info), ERR_OK);
    watch_wake(watch);
    assert_int_equal(watch_wait(watch, LIMIT_US, events, 8), 0); /* taken or renewed */
    assert_int_equal(record_write("a.org", "mark", record, &info), ERR_OK);
    assert_int_equal(watch_wait(watch, LIMIT_US, events, 8), 1);
    assert_true(events[0].marks);
    assert_int_equal(record_remove("a.org", "mark", &info), ERR_OK);
    assert_int_equal(watch_wait(watch, LIMIT_US, events, 8), 1);
    assert_true(events[0].marks && !events[0].job);
    assert_int_equal(record_remove("a.org", "lease", &info), ERR_OK);
    assert_int_equal(watch_wait(watch, LIMIT_US, events, 8), 1);
    assert_true(events[0].job && !events[0].marks);
    json_decref(record);
}

static void test_an_engine_is_seen_whole_only_where_nothing_of_it_is_hidden(void **state)
{
    (void)state;
    struct watch_event event;
    follow();
    assert_false(watch_sees_all(watch, RUNTIME_PODMAN)); /* its store is elsewhere */
    tree_dir(&tree, STORE);
    tree_dir(&tree, "/var/lib/docker/containers");
    tree_dir(&tree, RUN_DIRECTORY);
    follow();
    assert_true(watch_sees_all(watch, RUNTIME_PODMAN));
    assert_true(watch_sees_all(watch, RUNTIME_DOCKER));
    follow_checked("docker", "healthy", NULL);
    assert_true(watch_sees_all(watch, RUNTIME_PODMAN));
    assert_false(watch_sees_all(watch, RUNTIME_DOCKER)); /* a check, and no file */
    follow_checked("podman", "healthy", "/nowhere/healthcheck.log");
    assert_false(watch_sees_all(watch, RUNTIME_PODMAN));
    follow_checked("podman", "healthy", HEALTH_FILE);
    assert_true(watch_sees_all(watch, RUNTIME_PODMAN));
    kill(child, SIGKILL);
    assert_true(await(ID, &event));
    assert_false(watch_sees_all(watch, RUNTIME_PODMAN)); /* the engine still said that it runs */
}

/* --- health ---------------------------------------------------------------------------------------------------------
 */

static void test_a_check_that_changes_its_mind_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    tree_dir(&tree, RUN_DIRECTORY);
    follow_checked("podman", "starting", HEALTH_FILE);
    write_health(SAYS("unhealthy")); /* its first: the file is new */
    assert_true(await(ID, &event));
    assert_int_equal(event.kind, RUNTIME_PODMAN);
    assert_string_equal(event.health, "unhealthy");
    write_health(SAYS("healthy"));
    assert_true(await(ID, &event));
    assert_string_equal(event.health, "healthy");
    follow_checked("podman", "unhealthy", HEALTH_FILE); /* what the engine said longer ago */
    write_health(SAYS("healthy"));
    assert_true(await(ID, &event));
    assert_string_equal(event.health, "healthy");
}

static void test_a_change_before_watching_is_noticed(void **state)
{
    (void)state;
    struct watch_event event;
    write_health(SAYS("unhealthy"));
    follow_checked("podman", "healthy", HEALTH_FILE);
    assert_true(await(ID, &event));
    assert_string_equal(event.health, "unhealthy");
}

static void test_a_check_that_says_the_same_is_no_event(void **state)
{
    (void)state;
    static const char *const same[] = {SAYS("healthy"), "" /* just being written */};
    static const char *const others[] = {SAYS("unhealthy"), SAYS("starting")};
    struct watch_event event;
    tree_dir(&tree, RUN_DIRECTORY);
    follow_checked("podman", "healthy", HEALTH_FILE);
    for (size_t i = 0; i < 2; i++) {
        write_health(same[i]);
        tree_write(&tree, RUN_DIRECTORY "/another.log", SAYS("starting")); /* nobody's */
        tree_write(&tree, RUN_DIRECTORY "/other.log", others[i]);
        int64_t deadline_us = clock_mono_us() + LIMIT_US;
        while (watch_wait(watch, USEC_PER_SEC, &event, 1) == 0)
            assert_true(clock_mono_us() < deadline_us);
        assert_string_equal(event.id, OTHER); /* and nothing about the first one before */
        assert_int_equal(watch_wait(watch, 0, &event, 1), 0);
    }
}

static void test_more_changes_than_room_are_told_one_after_another(void **state)
{
    (void)state;
    struct watch_event event;
    write_health(SAYS("unhealthy"));
    tree_write(&tree, RUN_DIRECTORY "/other.log", SAYS("starting"));
    follow_checked("podman", "healthy", HEALTH_FILE);
    assert_int_equal(watch_wait(watch, 0, &event, 0), 0); /* all room was taken by other events */
    assert_int_equal(watch_wait(watch, 0, &event, 1), 1);
    assert_string_equal(event.id, ID);
    assert_int_equal(watch_wait(watch, 0, &event, 1), 1);
    assert_string_equal(event.id, OTHER);
}

static void test_an_unknown_format_is_left_to_the_engine(void **state)
{
    (void)state;
    struct watch_event event;
    tree_dir(&tree, STORE);
    write_health("{\"FailingStreak\":0,\"Status\":\"unhealthy\"}");
    follow_checked("podman", "healthy", HEALTH_FILE);
    assert_true(watch_sees_all(watch, RUNTIME_PODMAN));
    assert_int_equal(watch_wait(watch, 0, &event, 1), 0);
    assert_false(watch_sees_all(watch, RUNTIME_PODMAN));
}

static void test_only_the_beginning_of_the_file_counts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum health_reading reading;
        const char *word;
    } cases[] = {{SAYS("healthy"), HEALTH_READ, "healthy"}, {SAYS("starting") "garbage", HEALTH_READ, "starting"},
        {" {\n \"Status\" : \"unhealthy\" ,", HEALTH_READ, "unhealthy"}, {SAYS("stopped"), HEALTH_READ, ""},
        {SAYS(""), HEALTH_READ, ""}, {SAYS("a word of more than sixteen letters"), HEALTH_READ, ""},
        {"", HEALTH_ABSENT, ""}, {"{\"Status\":\"heal", HEALTH_UNREADABLE, ""},
        {"{\"Status\":\"heal\\u0074hy\"}", HEALTH_UNREADABLE, ""}, {"{\"Status\":null}", HEALTH_UNREADABLE, ""},
        {"\"Status\":\"healthy\"", HEALTH_UNREADABLE, ""}};
    const char *word;
    assert_int_equal(health_read(HEALTH_FILE, &word), HEALTH_ABSENT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_health(cases[i].text);
        assert_int_equal(health_read(HEALTH_FILE, &word), cases[i].reading);
        assert_string_equal(word, cases[i].word);
    }
    assert_int_equal(health_read(RUN_DIRECTORY, &word), HEALTH_UNREADABLE);
}

static void test_groups_are_told_apart_by_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum runtime_kind kind;
    } good[] = {{"libpod-" ID, RUNTIME_PODMAN}, {"libpod-" ID ".scope", RUNTIME_PODMAN},
        {"docker-" ID ".scope", RUNTIME_DOCKER}, {ID, RUNTIME_COUNT}};
    static const char *const bad[] = {"", "libpod-", "docker-" ID, ID "0", ID ".service", "libpod-" ID ".scopes",
        "libpod-A6c241e4ddcde7bb263e0ac5472269097b8d9bcd8a741e4c41aba6b13bc873cd", "system.slice"};
    struct watch_event event;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(watch_parse_group(good[i].name, &event));
        assert_int_equal(event.kind, good[i].kind);
        assert_string_equal(event.id, ID);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(watch_parse_group(bad[i], &event));
}

/* --- rounds ---------------------------------------------------------------------------------------------------------
 */

/* How many rounds begin from `from_us` until `until_us`, with an event every `event_every_us` (0: none). */
static int count_rounds(struct rounds *rounds, int64_t from_us, int64_t until_us, int64_t event_every_us)
{
    int count = 0;
    for (int64_t now_us = from_us; now_us < until_us; now_us += S / 10) {
        if (event_every_us && (now_us - from_us) % event_every_us == 0)
            rounds_note_event(rounds, now_us);
        count += rounds_take(rounds, now_us);
    }
    return count;
}

static void test_without_events_engines_are_asked_at_their_pace(void **state)
{
    (void)state;
    struct rounds rounds;
    rounds_init(&rounds, 60 * S, 1000 * S);
    assert_int_equal(count_rounds(&rounds, 1000 * S, 1600 * S, 0), 10);
    rounds_set_pace(&rounds, 180 * S, false);
    assert_int_equal(count_rounds(&rounds, 1600 * S, 3400 * S, 0), 10);
}

static void test_a_failing_engine_is_asked_again_soon_then_less_often(void **state)
{
    (void)state;
    static const int64_t pauses_s[] = {10, 20, 40, 60, 60};
    struct rounds rounds;
    int64_t now_us = 1000 * S;
    rounds_init(&rounds, 180 * S, now_us);
    assert_true(rounds_take(&rounds, now_us));
    for (size_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++) {
        rounds_set_pace(&rounds, 180 * S, true);
        assert_int_equal(rounds_next_us(&rounds, now_us), now_us + pauses_s[i] * S);
        now_us += pauses_s[i] * S;
        assert_true(rounds_take(&rounds, now_us));
    }
    rounds_set_pace(&rounds, 180 * S, false);
    assert_int_equal(rounds_next_us(&rounds, now_us), now_us + 180 * S);
    rounds_set_pace(&rounds, 180 * S, true); /* another failure begins anew */
    assert_int_equal(rounds_next_us(&rounds, now_us), now_us + 10 * S);
}

static void test_an_event_is_followed_soon_and_once_more(void **state)
{
    (void)state;
    struct rounds rounds;
    rounds_init(&rounds, 60 * S, 1000 * S);
    assert_true(rounds_take(&rounds, 1000 * S));
    rounds_note_event(&rounds, 1010 * S);
    assert_false(rounds_take(&rounds, 1010 * S)); /* several events of one start are one round */
    assert_true(rounds_take(&rounds, 1010 * S + S / 2));
    assert_false(rounds_take(&rounds, 1011 * S));
    assert_true(rounds_take(&rounds, 1013 * S));
    assert_int_equal(rounds_next_us(&rounds, 1014 * S), 1073 * S);
}

static void test_a_crash_loop_does_not_become_our_load(void **state)
{
    (void)state;
    struct rounds rounds;
    rounds_init(&rounds, 60 * S, 1000 * S);
    count_rounds(&rounds, 1000 * S, 1200 * S, S); /* the allowance is used up */
    int steady = count_rounds(&rounds, 1200 * S, 1800 * S, S);
    assert_in_range(steady, 60, 125); /* one in ten seconds, and the one that follows it */
    count_rounds(&rounds, 1800 * S, 2400 * S, 0);
    rounds_note_event(&rounds, 2400 * S);
    assert_true(rounds_take(&rounds, 2400 * S + S / 2)); /* quiet again: prompt again */
}

static void test_the_end_of_a_job_is_followed_soon_also_in_a_crash_loop(void **state)
{
    (void)state;
    struct rounds rounds;
    rounds_init(&rounds, 60 * S, 1000 * S);
    count_rounds(&rounds, 1000 * S, 1200 * S, S); /* the allowance is used up */
    int64_t now_us = 1200 * S;
    for (; rounds_next_us(&rounds, now_us) < now_us + 4 * S; now_us += S / 10) {
        rounds_take(&rounds, now_us);
        rounds_note_event(&rounds, now_us);
    }
    rounds_note_job(&rounds, now_us);
    assert_false(rounds_take(&rounds, now_us));
    assert_true(rounds_take(&rounds, now_us + S / 2));
    assert_true(rounds_take(&rounds, now_us + 3 * S)); /* and once more */
    now_us += 3 * S;
    int steady = count_rounds(&rounds, now_us, now_us + 600 * S, S);
    assert_in_range(steady, 60, 125); /* the crash loop has gained nothing by it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_new_container_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_a_new_place_for_containers_is_watched_at_once, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_the_end_of_a_process_is_noticed_once, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_an_end_before_watching_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_freezing_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_other_groups_and_files_are_not_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_what_appears_in_an_engines_store_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(
            test_marks_that_come_and_go_are_noticed_leases_when_given_back, make_host, remove_host),
        cmocka_unit_test_setup_teardown(
            test_an_engine_is_seen_whole_only_where_nothing_of_it_is_hidden, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_a_check_that_changes_its_mind_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_a_change_before_watching_is_noticed, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_a_check_that_says_the_same_is_no_event, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_more_changes_than_room_are_told_one_after_another, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_an_unknown_format_is_left_to_the_engine, make_host, remove_host),
        cmocka_unit_test_setup_teardown(test_only_the_beginning_of_the_file_counts, make_host, remove_host),
        cmocka_unit_test(test_groups_are_told_apart_by_their_names),
        cmocka_unit_test(test_without_events_engines_are_asked_at_their_pace),
        cmocka_unit_test(test_a_failing_engine_is_asked_again_soon_then_less_often),
        cmocka_unit_test(test_an_event_is_followed_soon_and_once_more),
        cmocka_unit_test(test_the_end_of_a_job_is_followed_soon_also_in_a_crash_loop),
        cmocka_unit_test(test_a_crash_loop_does_not_become_our_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
