/* What is known of the engines: how few calls keep it true, what is left of it when an engine fails, and that a stuck
 * one holds nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "host/containers/health.h"
#include "host/containers/known.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/run.h"
#include "tests/unit/host/fake_engine.h"
#include "tests/unit/host/lasting.h"

#define A FAKE_ID("aa")
#define B FAKE_ID("bb")
#define LIMIT_US (20 * USEC_PER_SEC)

static struct tree tree;
static const struct known_ask nothing_special = {0};

static int fresh_tree(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    fake_engine_make(&tree, "podman");
    fake_engine_add(&tree, "podman", A, "site-a", "running|0|100", "");
    fake_engine_add(&tree, "podman", B, "site-b", "running|0|200", "");
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

/* The named container's member in what is known; "" where there is none. Valid until the next call. */
static const char *known_text(const struct known *known, const char *name, const char *key)
{
    static char text[256];
    struct known_view view;
    known_view(known, &view);
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(view.containers); i++) {
        const json_t *container = json_array_get(view.containers, i);
        const char *value = json_get_text(container, key);
        if (value && strcmp(json_get_text(container, "name"), name) == 0)
            str_copy(text, sizeof text, value);
    }
    known_view_free(&view);
    return text;
}

static void assert_called(const char *engine, const char *expected)
{
    char *calls = fake_engine_calls(&tree, engine);
    assert_string_equal(calls, expected);
    free(calls);
}

#define PS "ps -a --no-trunc --format {{.ID}}|{{.Status}}|{{.Names}}\n"

static void test_nothing_new_costs_one_listing(void **state)
{
    (void)state;
    struct known *known = known_new(RUNTIME_PODMAN);
    assert_true(known_look(known, &nothing_special));
    assert_called(
        "podman", PS "container inspect -- " A " " B "\nversion --format {{.Client.Version}}\nvolume ls -q\n");
    assert_false(known_look(known, &nothing_special));
    assert_called("podman", PS);
    known_free(known);
}

static void test_only_what_changed_is_inspected(void **state)
{
    (void)state;
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    free(fake_engine_calls(&tree, "podman"));
    fake_engine_write(&tree, "podman", B, "exited|137|0");
    assert_true(known_look(known, &nothing_special));
    assert_called("podman", PS "container inspect -- " B "\n");
    assert_string_equal(known_text(known, "site-b", "state"), "exited");
    assert_string_equal(known_text(known, "site-a", "state"), "running");
    known_free(known);
}

static void test_a_restart_that_the_listing_hides_is_seen_when_asked_for(void **state)
{
    (void)state;
    static const char *const noted[] = {A};
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    fake_engine_write(&tree, "podman", A, "running|0|101"); /* another process */
    assert_false(known_look(known, &nothing_special));
    assert_true(known_look(known, &(struct known_ask){.ids = noted, .id_count = 1}));
    known_free(known);
}

static void test_a_renamed_container_is_seen_in_the_listing(void **state)
{
    (void)state;
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    free(fake_engine_calls(&tree, "podman"));
    fake_engine_add(&tree, "podman", B, "site-c", "running|0|200", "");
    assert_true(known_look(known, &nothing_special));
    assert_called("podman", PS "container inspect -- " B "\n");
    assert_string_equal(known_text(known, "site-c", "state"), "running");
    known_free(known);
}

static void test_health_read_elsewhere_needs_no_inspection(void **state)
{
    (void)state;
    struct known *known = known_new(RUNTIME_PODMAN);
    fake_engine_write(&tree, "podman", A ".health", "healthy");
    known_look(known, &nothing_special);
    assert_string_equal(known_text(known, "site-a", "health"), "healthy");
    assert_false(known_take_health(known, A, "healthy"));
    assert_true(known_take_health(known, A, "unhealthy"));
    assert_string_equal(known_text(known, "site-a", "health"), "unhealthy");
    free(fake_engine_calls(&tree, "podman"));
    fake_engine_write(&tree, "podman", A ".health", "unhealthy"); /* the engine says the same */
    assert_false(known_look(known, &nothing_special));
    assert_called("podman", PS);
    fake_engine_write(&tree, "podman", A ".health", "starting"); /* the engine says something else */
    assert_true(known_look(known, &nothing_special));
    assert_string_equal(known_text(known, "site-a", "health"), "starting");
    assert_true(known_take_health(known, A, ""));
    assert_string_equal(known_text(known, "site-a", "health"), "");
    known_free(known);
}

static void test_what_does_not_run_or_is_unknown_has_no_health(void **state)
{
    (void)state;
    struct known *known = known_new(RUNTIME_PODMAN);
    fake_engine_write(&tree, "podman", B, "exited|0|0");
    assert_false(known_take_health(known, A, "unhealthy")); /* before the first look */
    known_look(known, &nothing_special);
    assert_false(known_take_health(known, B, "unhealthy"));
    assert_false(known_take_health(known, FAKE_ID("cc"), "unhealthy"));
    fake_engine_write(&tree, "podman", "down", "Error: no\n");
    known_look(known, &nothing_special);
    assert_false(known_take_health(known, A, "unhealthy"));
    assert_string_equal(known_text(known, "site-a", "health"), "");
    known_free(known);
}

static void test_a_container_that_cannot_be_described_leaves_things_unsettled(void **state)
{
    (void)state;
    struct known_view view;
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    known_view(known, &view);
    assert_false(view.unsettled);
    known_view_free(&view);
    fake_engine_add(&tree, "podman", FAKE_ID("cc"), "-no name", "running|0|300", "");
    known_look(known, &nothing_special);
    known_view(known, &view);
    assert_true(view.unsettled);
    known_view_free(&view);
    known_free(known);
}

static void test_containers_and_volumes_come_and_go(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    struct known_view view;
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    assert_int_equal(unlink(tree_path(&tree, path, "/state-podman/" A)), 0);
    fake_engine_write(&tree, "podman", "volumes", "data\n-bad\ncache\n");
    assert_true(known_look(known, &nothing_special));
    assert_string_equal(known_text(known, "site-a", "state"), "");
    known_view(known, &view);
    assert_int_equal(json_array_size(view.volumes), 2); /* the third name is none */
    known_view_free(&view);
    fake_engine_write(&tree, "podman", "volumes", "data\n");
    assert_false(known_look(known, &nothing_special)); /* nothing said that volumes changed */
    tree_dir(&tree, "/var/lib/containers/storage/volumes/new");
    assert_true(known_look(known, &nothing_special));
    known_free(known);
}

static void test_a_failing_engine_leaves_its_containers_unknown(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    struct known_view view;
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    fake_engine_write(&tree, "podman", "down", "warning: x\nError: database \033[31mlocked\n");
    assert_true(known_look(known, &nothing_special));
    known_view(known, &view);
    assert_false(view.ok);
    assert_true(view.used);
    assert_non_null(strstr(view.error, "database"));
    assert_null(strchr(view.error, '\033'));
    known_view_free(&view);
    assert_string_equal(known_text(known, "site-a", "state"), "unknown");
    assert_false(known_look(known, &nothing_special)); /* still failing is no news */
    assert_int_equal(unlink(tree_path(&tree, path, "/state-podman/down")), 0);
    assert_true(known_look(known, &nothing_special));
    assert_string_equal(known_text(known, "site-a", "state"), "running");
    known_free(known);
}

static void test_an_engine_nobody_uses_is_not_asked(void **state)
{
    (void)state;
    struct known_view view;
    char *calls;
    tree_script(&tree, "/usr/bin/docker", fake_engine_script); /* installed; no daemon, no trace of one */
    struct known *known = known_new(RUNTIME_DOCKER);
    assert_false(known_look(known, &nothing_special));
    known_view(known, &view);
    assert_false(view.used);
    known_view_free(&view);
    assert_string_equal(calls = fake_engine_calls(&tree, "docker"), "");
    free(calls);
    tree_dir(&tree, "/var/lib/docker/containers/" A); /* it was used: that it does not answer is worth saying */
    fake_engine_write(&tree, "docker", "down", "Cannot connect to the Docker daemon\n");
    assert_true(known_look(known, &nothing_special));
    known_view(known, &view);
    assert_true(view.used && !view.ok);
    known_view_free(&view);
    known_free(known);
}

static void test_a_label_with_a_nul_hides_no_container(void **state)
{
    (void)state;
    fake_engine_add(&tree, "podman", A, "site-a", "running|0|100",
        "\"Config\":{\"Labels\":{\"evil\":\"\\u0000\",\"back\":\"\\\\u0000\",\"dogwatch.site\":\"x.org\"}}");
    struct known *known = known_new(RUNTIME_PODMAN);
    known_look(known, &nothing_special);
    assert_string_equal(known_text(known, "site-a", "site"), "x.org");
    known_free(known);
}

static void test_a_container_described_without_end_hides_itself_only(void **state)
{
    (void)state;
    char *huge = xmalloc(17u << 20);
    memset(huge, 'x', (17u << 20) - 1);
    huge[(17u << 20) - 1] = '\0';
    char *more = xasprintf("\"Args\":\"%s\"", huge);
    fake_engine_add(&tree, "podman", A, "site-a", "running|0|100", more);
    struct known *known = known_new(RUNTIME_PODMAN);
    assert_true(known_look(known, &nothing_special));
    assert_string_equal(known_text(known, "site-a", "state"), "");
    assert_string_equal(known_text(known, "site-b", "state"), "running");
    free(more);
    free(huge);
    known_free(known);
}

/* --- publishing -----------------------------------------------------------------------------------------------------
 */

static void no_requests(struct session *session, const json_t *request, void *context)
{
    (void)session, (void)request, (void)context;
}

/* The next pushed inventory; NULL after the limit. */
static json_t *hear(int fd)
{
    static struct buf text = {.ceiling = 1u << 20};
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    buf_clear(&text);
    for (char c = 0; c != '\n';) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (clock_mono_us() > deadline_us || poll(&wait, 1, 1000) < 0)
            return NULL;
        if (wait.revents && read(fd, &c, 1) == 1)
            buf_putc(&text, c);
    }
    json_t *line, *inventory;
    assert_int_equal(json_parse(buf_text(&text), text.length, &line, NULL), ERR_OK);
    inventory = json_incref(json_object_get(line, "inventory"));
    json_decref(line);
    buf_free(&text);
    return inventory;
}

static const json_t *runtime(const json_t *inventory, const char *name)
{
    const json_t *runtimes = json_object_get(inventory, "runtimes");
    for (size_t i = 0; i < json_array_size(runtimes); i++)
        if (strcmp(json_get_text(json_array_get(runtimes, i), "name"), name) == 0)
            return json_array_get(runtimes, i);
    return NULL;
}

/* site-a with a process that lives and a health check. */
static void give_health_check(const char *health)
{
    char state[64];
    str_format(state, sizeof state, "running|0|%d", (int)getpid());
    fake_engine_add(&tree, "podman", A, "site-a", state,
        "\"HostnamePath\":\"/run/x/" A
        "/userdata/hostname\",\"Config\":{\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]}}");
    fake_engine_write(&tree, "podman", A ".health", health);
    tree_dir(&tree, "/run/x/" A);
}

/* The health of site-a in a pushed inventory; "" where it has none. The inventory is given up. */
static const char *health_in(json_t *inventory)
{
    const char *health = "";
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++)
        if (strcmp(json_get_text(json_array_get(containers, i), "name"), "site-a") == 0)
            health = health_word(json_get_text(json_array_get(containers, i), "health"));
    json_decref(inventory);
    return health;
}

/* The one test that watches (once per process): docker never answers, podman is seen all the same; what the health
 * check of its container says is pushed without asking it. */
static void test_a_stuck_engine_delays_no_other(void **state)
{
    (void)state;
    int ends[2];
    bool ok = true;
    give_health_check("healthy");
    fake_engine_write(&tree, "podman", B, "exited|0|0");
    fake_engine_make(&tree, "docker");
    fake_engine_write(&tree, "docker", "hang", "");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct session *session = last(session_new(ends[1], ends[1], no_requests, NULL));
    inventory_start(session);
    json_t *inventory = hear(ends[0]);
    assert_non_null(inventory);
    assert_int_equal(json_array_size(json_object_get(inventory, "containers")), 2);
    assert_true(json_get_bool(runtime(inventory, "podman"), "ok", &ok) && ok);
    assert_true(json_get_bool(runtime(inventory, "docker"), "ok", &ok) && !ok);
    assert_non_null(json_get_text(runtime(inventory, "docker"), "error"));
    assert_string_equal(health_in(inventory), "healthy");
    free(fake_engine_calls(&tree, "podman"));
    tree_write(&tree, "/run/x/" A "/healthcheck.log", "{\"Status\":\"unhealthy\"");
    do {
        inventory = hear(ends[0]);
        assert_non_null(inventory);
    } while (strcmp(health_in(inventory), "unhealthy") != 0);
    assert_called("podman", "");
    session_end(session, NULL);
    run_end_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_new_costs_one_listing, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_only_what_changed_is_inspected, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(
            test_a_restart_that_the_listing_hides_is_seen_when_asked_for, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_renamed_container_is_seen_in_the_listing, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_health_read_elsewhere_needs_no_inspection, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_what_does_not_run_or_is_unknown_has_no_health, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(
            test_a_container_that_cannot_be_described_leaves_things_unsettled, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_containers_and_volumes_come_and_go, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_failing_engine_leaves_its_containers_unknown, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_an_engine_nobody_uses_is_not_asked, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_label_with_a_nul_hides_no_container, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(
            test_a_container_described_without_end_hides_itself_only, fresh_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_stuck_engine_delays_no_other, fresh_tree, remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
