/* Containing and releasing: the text for nft, which interfaces are found, the order of what is done to docker, and that
 * what fails in the middle leaves the site marked and can be asked for again. */
#include "tests/unit/host/marked_site.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "host/isolate/drop.h"
#include "host/run.h"

#define NFT_CALLS "/calls-nft"
#define WITH_NETWORK                                                                                                   \
    ALWAYS ",\"NetworkSettings\":{\"Networks\":{\"shop\":{\"Aliases\":[\"db\",\"001122334455\",\"--rm\"],"             \
           "\"IPAMConfig\":{\"IPv4Address\":\"10.9.0.5\"}},\"host\":{}}}"

static int make(const char *engine)
{
    make_host(engine);
    tree_write(&tree, "/proc/self/ns/net", "");
    tree_script(&tree, "/usr/sbin/nft",
        "#!/bin/sh\n"
        "root=${0%/usr/sbin/*}\n"
        "case $* in *egress*) [ -e $root/old-kernel ] && { echo 'Error: no egress' >&2; exit 1; };; esac\n"
        "[ -e $root/no-nft ] && { echo 'Error: netlink says no' >&2; exit 1; }\n"
        "echo \"$*\" >>$root/calls-nft\n");
    return 0;
}

static int make_podman(void **state)
{
    (void)state;
    return make("podman");
}

static int make_docker(void **state)
{
    (void)state;
    make("docker");
    fake_engine_add(&tree, "docker", WEB, "web", "running|0|100", WITH_NETWORK);
    fake_engine_add(&tree, "docker", APP, "app", "exited|0|0", OF_SITE);
    return 0;
}

static const char *nft_calls(void)
{
    static struct buf calls;
    char path[TREE_PATH_SIZE];
    buf_free(&calls);
    calls = BUF(65536);
    buf_read_file(&calls, tree_path(&tree, path, NFT_CALLS), NULL);
    unlink(path);
    return last(xstrdup(buf_text(&calls)));
}

static enum site_mark mark_now(void)
{
    struct mark mark;
    assert_int_equal(mark_read("a.org", &mark, &info), ERR_OK);
    return mark.what;
}

/* --- the drop -------------------------------------------------------------------------------------------------------
 */

static void the_drop_is_one_table_that_replaces_itself(void **state)
{
    (void)state;
    struct isolate_found found = {0};
    struct buf text = BUF(4096);
    str_copy(vec_add(&found.interfaces)->name, IFNAMSIZ, "veth1");
    str_copy(vec_add(&found.interfaces)->name, IFNAMSIZ, "veth2");
    assert_int_equal(drop_text("a-b.org", &found, true, &text), ERR_OK);
    assert_string_equal(buf_text(&text),
        "add table netdev dogwatch.a-b.org; delete table netdev dogwatch.a-b.org; add table netdev dogwatch.a-b.org; "
        "table netdev dogwatch.a-b.org { "
        "chain from { type filter hook ingress devices = { \"veth1\", \"veth2\" } priority -500; policy drop; counter; "
        "}; "
        "chain to { type filter hook egress devices = { \"veth1\", \"veth2\" } priority -500; policy drop; counter; }; "
        "}");
    buf_free(&text);
    isolate_found_free(&found);
}

static void an_interface_name_that_would_end_its_quotes_is_refused(void **state)
{
    (void)state;
    struct isolate_found found = {0};
    struct buf text = BUF(4096);
    str_copy(vec_add(&found.interfaces)->name, IFNAMSIZ, "a\" }; flush");
    assert_int_equal(drop_text("a.org", &found, true, &text), ERR_INVALID);
    buf_free(&text);
    isolate_found_free(&found);
}

/* --- interfaces -----------------------------------------------------------------------------------------------------
 */

/* A process in a network of its own, until it is killed. */
static pid_t start_apart(void)
{
    int ready[2];
    char byte = 'n';
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool apart = unshare(CLONE_NEWNET) == 0;
        if (write(ready[1], apart ? "y" : "n", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(byte, 'y');
    return pid;
}

static bool run_ip(const char *const argv[])
{
    int status = -1;
    return run_program(argv, 5 * USEC_PER_SEC, NULL, NULL, &status, NULL) == ERR_OK && status == 0;
}

/* An entry of an inventory whose main process is this. */
static void add_entry(json_t *containers, const char *name, const char *id, pid_t pid)
{
    json_array_append_new(
        containers, json_pack("{s:s,s:s,s:s,s:I}", "name", name, "id", id, "state", "running", "pid", (json_int_t)pid));
}

/* In a network of the test's own, so that nothing of the machine changes. */
static void look_in_a_network_of_our_own(void)
{
    struct isolate_found found;
    char web[16], app[16];
    pid_t pids[2] = {start_apart(), start_apart()};
    str_format(web, sizeof web, "%d", (int)pids[0]);
    str_format(app, sizeof app, "%d", (int)pids[1]);
    assert_true(run_ip((const char *const[]){
        "/sbin/ip", "link", "add", "hostweb", "type", "veth", "peer", "name", "eth0", "netns", web, NULL}));
    assert_true(run_ip((const char *const[]){
        "/sbin/ip", "link", "add", "hostapp", "type", "veth", "peer", "name", "eth0", "netns", app, NULL}));
    assert_true(run_ip((const char *const[]){"/sbin/ip", "link", "add", "inner0", "netns", app, "type", "veth", "peer",
        "name", "inner1", "netns", app, NULL}));
    json_t *containers = json_array();
    add_entry(containers, "web", WEB, pids[0]);
    add_entry(containers, "app", APP, pids[1]);
    add_entry(containers, "own", OTHER, getpid());
    assert_int_equal(isolate_find(containers, &found, &info), ERR_OK);
    assert_int_equal(found.interfaces.count, 2);
    assert_string_equal(found.interfaces.items[0].name, "hostweb");
    assert_string_equal(found.interfaces.items[0].container, "web");
    assert_string_equal(found.interfaces.items[1].name, "hostapp");
    assert_int_equal(found.uncut.count, 2);
    assert_string_equal(found.uncut.items[0].container, "app");
    assert_non_null(strstr(found.uncut.items[0].why, "2 of its interfaces"));
    assert_string_equal(found.uncut.items[1].container, "own");
    assert_non_null(strstr(found.uncut.items[1].why, "network of the host itself"));
    isolate_found_free(&found);
    json_decref(containers);
    for (int i = 0; i < 2; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

static void the_hosts_ends_of_a_containers_interfaces_are_found(void **state)
{
    (void)state;
    host_root_set(NULL);
    if (geteuid() != 0 || access("/sbin/ip", X_OK) != 0 || unshare(CLONE_NEWNET) != 0) {
        print_message("skipped: needs root, network namespaces and ip(8)\n");
        skip();
    }
    look_in_a_network_of_our_own();
}

/* --- the verbs ------------------------------------------------------------------------------------------------------
 */

static void containing_marks_first_and_says_what_was_before(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    assert_true(json_is_null(json_object_get(answer, "was")));
    assert_int_equal(mark_now(), MARK_QUARANTINED);
    assert_non_null(strstr(nft_calls(), "add table netdev dogwatch.a.org"));
    assert_int_equal(ask(verb_site_start, ARGS("")), ERR_DENIED);
    assert_int_equal(ask(verb_site_uncontain, ARGS(",\"restore\":\"none\"")), ERR_OK);
    assert_string_equal(nft_calls(), "add table netdev dogwatch.a.org; delete table netdev dogwatch.a.org\n");
    assert_int_equal(mark_now(), MARK_NONE);
    assert_false(exists("/var/lib/dogwatch/sites/a.org.contain"));
}

static void where_nothing_can_be_cut_the_site_stays_marked_and_it_is_said(void **state)
{
    (void)state;
    tree_write(&tree, "/no-nft", "");
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_FAILED);
    assert_non_null(strstr(info.message, "is marked quarantined, but not all of it is contained"));
    assert_non_null(strstr(info.message, "netlink says no"));
    assert_int_equal(mark_now(), MARK_QUARANTINED);
    char path[TREE_PATH_SIZE];
    unlink(tree_path(&tree, path, "/no-nft"));
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    assert_true(json_is_null(json_object_get(answer, "was"))); /* as the first time */
}

/* The site is found by what the engine wrote down, and by the processes themselves. */
static void a_glance_sees_running_containers_without_their_engine(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/100/ns/net", "");
    tree_write(&tree, "/proc/100/cgroup", "5:pids:/machine.slice/docker-" WEB ".scope\n");
    tree_write(&tree, "/proc/101/ns/net", "");
    tree_write(&tree, "/proc/101/cgroup", "0::/docker/" APP "\n");
    tree_write(&tree, "/proc/102/ns/net", "");
    tree_write(&tree, "/proc/102/cgroup", "0::/libpod_parent/libpod-" OTHER "\n");
    tree_write(&tree, "/proc/103/cgroup", "0::/docker/" FAKE_ID("dd") "\n");
    tree_write(&tree, "/var/lib/docker/containers/" WEB "/config.v2.json",
        "{\"Name\":\"/web\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"a.org\"}}}");
    tree_write(
        &tree, "/var/lib/docker/containers/" APP "/config.v2.json", "{\"Name\":\"/b.org\",\"Config\":{\"Labels\":{}}}");
    tree_write(&tree, "/var/lib/containers/storage/libpod/bolt_state.db",
        "{\"spec\":{},\"id\":\"" OTHER "\",\"name\":\"A.org\",\"x\":1}");
    json_t *seen = isolate_glance("a.org");
    assert_int_equal(json_array_size(seen), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *container = json_array_get(seen, i);
        bool is_web = strcmp(json_get_text(container, "name"), "web") == 0;
        assert_string_equal(json_get_text(container, "id"), is_web ? WEB : OTHER);
        assert_string_equal(json_get_text(container, "runtime"), is_web ? "docker" : "podman");
    }
    json_decref(seen);
}

static void an_engine_that_does_not_answer_is_named_after_the_site_was_marked(void **state)
{
    (void)state;
    fake_engine_write(&tree, "podman", "down", "Error: database is locked");
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_FAILED);
    assert_non_null(strstr(info.message, "database is locked"));
    assert_int_equal(mark_now(), MARK_QUARANTINED);
    assert_non_null(strstr(nft_calls(), "add table netdev dogwatch.a.org"));
}

static void a_release_to_another_mark_than_before_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    nft_calls();
    assert_int_equal(ask(verb_site_uncontain, ARGS(",\"restore\":\"stopped\"")), ERR_FAILED);
    assert_string_equal(nft_calls(), "");
    assert_int_equal(mark_now(), MARK_QUARANTINED);
    assert_int_equal(ask(verb_site_uncontain, ARGS(",\"restore\":\"quarantined\"")), ERR_INVALID);
    assert_int_equal(ask(verb_site_uncontain, ARGS("")), ERR_INVALID);
}

static void what_ended_while_contained_runs_again_after_the_release(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    fake_engine_write(&tree, "podman", APP, "exited|1|0");
    free(fake_engine_calls(&tree, "podman"));
    assert_int_equal(ask(verb_site_uncontain, ARGS(",\"restore\":\"none\"")), ERR_OK);
    assert_changes("podman", "start -- bb");
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "started"), 0)), "app");
}

static void what_we_froze_runs_again_unless_it_is_to_stay_frozen(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
        tree_write(&tree, "/var/lib/dogwatch/sites/a.org.paused",
            "{\"containers\":[{\"runtime\":\"podman\",\"id\":\"" WEB "\",\"name\":\"web\"}]}");
        fake_engine_write(&tree, "podman", WEB, "paused|0|100");
        free(fake_engine_calls(&tree, "podman"));
        assert_int_equal(ask(verb_site_uncontain,
                             keep ? ARGS(",\"restore\":\"none\",\"unpause\":false") : ARGS(",\"restore\":\"none\"")),
            ERR_OK);
        assert_changes("podman", keep ? "" : "unpause -- aa");
    }
}

/* Where its own user, with the right to, has moved its interface into a namespace that no process shows, only the
 * engine knows that there is one. */
static void a_container_with_an_interface_that_is_found_nowhere_is_frozen(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/100/ns/net", "");
    tree_write(&tree, "/proc/200/ns/net", "");
    fake_engine_add(
        &tree, "podman", WEB, "web", "running|0|100", OF_SITE ",\"NetworkSettings\":{\"Networks\":{\"podman\":{}}}");
    fake_engine_add(
        &tree, "podman", APP, "app", "running|0|200", OF_SITE ",\"NetworkSettings\":{\"Networks\":{\"none\":{}}}");
    free(fake_engine_calls(&tree, "podman"));
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    assert_changes("podman", "pause -- aa");
    const json_t *left_out = json_object_get(answer, "left_out");
    assert_int_equal(json_array_size(left_out), 1);
    assert_string_equal(json_get_text(json_array_get(left_out, 0), "what"), "web");
    assert_non_null(strstr(json_get_text(json_array_get(left_out, 0), "why"), "1 of its 1 networks"));
}

#define BOLT "dogwatch-refuses-the-start-of.a.org"
#define BOLTED "\"NetworkSettings\":{\"Networks\":{\"" BOLT "\":{}}}"

static void docker_loses_its_networks_and_gets_them_back_as_they_were(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    assert_changes("docker",
        "update --restart=no -- aa, network connect -- " BOLT " bb, network disconnect -- shop aa"); /* bb is down */
    fake_engine_add(&tree, "docker", APP, "app", "exited|0|0", OF_SITE "," BOLTED);
    fake_engine_add(&tree, "docker", WEB, "web", "running|0|100", ALWAYS); /* without networks now */
    assert_int_equal(ask(verb_site_contain, ARGS("")), ERR_OK);
    free(fake_engine_calls(&tree, "docker"));
    assert_int_equal(ask(verb_site_uncontain, ARGS(",\"restore\":\"none\"")), ERR_OK);
    assert_changes("docker", "network connect --alias db --ip 10.9.0.5 -- shop aa, update --restart=always -- aa, "
                             "network disconnect -- " BOLT " bb");
}

#define PODMAN(name) cmocka_unit_test_setup_teardown(name, make_podman, asking_end)
#define DOCKER(name) cmocka_unit_test_setup_teardown(name, make_docker, asking_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_drop_is_one_table_that_replaces_itself),
        cmocka_unit_test(an_interface_name_that_would_end_its_quotes_is_refused),
        PODMAN(containing_marks_first_and_says_what_was_before),
        PODMAN(where_nothing_can_be_cut_the_site_stays_marked_and_it_is_said),
        PODMAN(a_glance_sees_running_containers_without_their_engine),
        PODMAN(an_engine_that_does_not_answer_is_named_after_the_site_was_marked),
        PODMAN(a_container_with_an_interface_that_is_found_nowhere_is_frozen),
        PODMAN(a_release_to_another_mark_than_before_changes_nothing),
        PODMAN(what_ended_while_contained_runs_again_after_the_release),
        PODMAN(what_we_froze_runs_again_unless_it_is_to_stay_frozen),
        DOCKER(docker_loses_its_networks_and_gets_them_back_as_they_were),
        cmocka_unit_test(the_hosts_ends_of_a_containers_interfaces_are_found), /* last: it leaves the network */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
