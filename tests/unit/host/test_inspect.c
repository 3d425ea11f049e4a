/* From an engine's words to an entry of the inventory; the fixtures are real answers of podman 4.3.1 and docker 20.10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/containers/compose.h"
#include "host/containers/inspect.h"

#define FIXTURES "tests/unit/host/fixtures/"
#define SOME_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static json_t *fixture(const char *name)
{
    struct buf text = BUF(1u << 20);
    json_t *value;
    char path[256];
    str_format(path, sizeof path, FIXTURES "%s", name);
    assert_int_equal(buf_read_file(&text, path, NULL), ERR_OK);
    assert_int_equal(json_parse(buf_text(&text), text.length, &value, NULL), ERR_OK);
    buf_free(&text);
    return value;
}

static json_t *parsed(const char *text)
{
    json_t *value;
    assert_int_equal(json_parse(text, strlen(text), &value, NULL), ERR_OK);
    return value;
}

/* The entry made of a small description with the given members besides ID and name. */
static json_t *entry_of(const char *name, const char *members)
{
    char *text = xasprintf("{\"Id\":\"" SOME_ID "\",\"Name\":\"%s\"%s%s}", name, *members ? "," : "", members);
    json_t *description = parsed(text);
    json_t *entry = inspect_container(RUNTIME_PODMAN, description);
    json_decref(description);
    free(text);
    return entry;
}

static void assert_text(const json_t *object, const char *key, const char *expected)
{
    const char *text = json_get_text(object, key);
    if (!expected) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static int64_t number(const json_t *object, const char *key)
{
    int64_t value = -1;
    json_get_i64(object, key, &value);
    return value;
}

static void test_podman_container_is_read_whole(void **state)
{
    (void)state;
    json_t *answer = fixture("podman-4.3.1-inspect.json");
    json_t *entry = inspect_container(RUNTIME_PODMAN, json_array_get(answer, 0));
    int64_t created_us;
    assert_text(entry, "name", "Healthy.One");
    assert_text(entry, "runtime", "podman");
    assert_text(entry, "state", "running");
    assert_text(entry, "health", "healthy");
    assert_text(entry, "image", "localhost/web:1");
    assert_text(entry, "image_id", "56f7f41f919ac654e80f3a41dee29d0b5ec55d6d35495a69753a69d72179d8b3");
    assert_text(entry, "restart_policy", "on-failure");
    assert_text(entry, "site", "example.org");
    assert_text(entry, "role", "app");
    assert_text(entry, "log_driver", "k8s-file");
    assert_true(str_ends(json_get_text(entry, "log_path"), "/userdata/ctr.log"));
    assert_text(entry, "health_path",
        "/run/containers/storage/overlay-containers/"
        "98840f61a9fb3ff769076fd652bcea88d4d17a3bae1d8f0d0f4fd37bc0bdbb06/healthcheck.log");
    assert_int_equal(number(entry, "pid"), 3366);
    assert_true(clock_parse_rfc3339("2026-11-21T03:54:55.409491Z", &created_us));
    assert_int_equal(number(entry, "created_us"), created_us);
    assert_null(json_object_get(entry, "finished_us")); /* never: not the year 1 */
    const json_t *port = json_array_get(json_object_get(entry, "ports"), 0);
    assert_text(port, "ip", "127.0.0.1");
    assert_text(port, "proto", "udp");
    assert_int_equal(number(port, "host"), 8090);
    assert_int_equal(number(port, "container"), 80);
    assert_int_equal(json_array_size(json_object_get(entry, "mounts")), 3);
    json_decref(entry);
    json_decref(answer);
}

static void test_docker_container_is_read_whole(void **state)
{
    (void)state;
    json_t *answer = fixture("docker-20.10-inspect.json");
    json_t *entry = inspect_container(RUNTIME_DOCKER, json_array_get(answer, 0));
    bool writable = false;
    assert_text(entry, "name", "tuinder.example-web");
    assert_text(entry, "image", "localhost/web:1");
    assert_text(entry, "image_id", "f25d9440444ccc8d3d16378e51bf95bf9770512d14a769aaf56802ac5d313e22");
    assert_text(entry, "restart_policy", "unless-stopped");
    assert_text(entry, "site", "tuinder.example");
    assert_text(entry, "health", NULL);
    assert_text(entry, "log_driver", "json-file");
    assert_true(str_ends(json_get_text(entry, "log_path"), "-json.log"));
    assert_text(entry, "health_path", NULL);
    assert_int_equal(json_array_size(json_object_get(entry, "ports")), 2);
    const json_t *mount = json_array_get(json_object_get(entry, "mounts"), 0);
    assert_text(mount, "kind", "volume");
    assert_text(mount, "name", "dvol");
    assert_text(mount, "destination", "/var/www");
    assert_true(json_get_bool(mount, "rw", &writable) && writable);
    json_decref(entry);
    json_decref(answer);
}

static void test_site_is_the_label_else_the_project_else_the_own_name(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *name, *site;
    } cases[] = {
        {"{\"dogwatch.site\":\"a.org\",\"com.docker.compose.project\":\"p\"}", "c", "a.org"},
        {"{\"com.docker.compose.project\":\"p\"}", "c", "p"},
        {"{\"io.podman.compose.project\":\"q\"}", "c", "q"},
        {"{\"dogwatch.site\":\"../etc\"}", "Web_1", "web_1"},
        {"{\"dogwatch.site\":\"A.org\",\"com.docker.compose.project\":\"p\"}", "c", "p"},
        {"null", "Stray.Cache", "stray.cache"},
        {"{\"dogwatch.site\":7}", "a..b", NULL},
        {"null", "x0123456789012345678901234567890123456789012345678901234567890123", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char site[NAME_SIZE];
        json_t *labels = strcmp(cases[i].labels, "null") == 0 ? NULL : parsed(cases[i].labels);
        bool found = inspect_site(labels, cases[i].name, site);
        assert_int_equal(found, cases[i].site != NULL);
        assert_string_equal(site, cases[i].site ? cases[i].site : "");
        json_decref(labels);
    }
}

static void test_odd_names_and_ids_make_no_entry(void **state)
{
    (void)state;
    static const char *const bad[] = {"{}", "{\"Id\":\"abc\",\"Name\":\"a\"}", "{\"Id\":\"" SOME_ID "\"}",
        "{\"Id\":\"" SOME_ID "\",\"Name\":\"-rf\"}", "{\"Id\":\"" SOME_ID "\",\"Name\":\"a b\"}",
        "{\"Id\":\"" SOME_ID "0\",\"Name\":\"a\"}", "{\"Id\":7,\"Name\":\"a\"}",
        "{\"Id\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\",\"Name\":\"a\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *description = parsed(bad[i]);
        assert_null(inspect_container(RUNTIME_DOCKER, description));
        json_decref(description);
    }
}

static void test_states_of_both_engines_become_one_vocabulary(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"configured", "created"}, {"stopped", "exited"}, {"dead", "dead"},
        {"restarting", "restarting"}, {"paused", "paused"}, {"exploded", "unknown"}, {"", "unknown"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char members[128];
        str_format(members, sizeof members, "\"State\":{\"Status\":\"%s\",\"Pid\":77}", cases[i][0]);
        json_t *entry = entry_of("a", members);
        assert_text(entry, "state", cases[i][1]);
        assert_int_equal(number(entry, "pid"), strcmp(cases[i][1], "paused") == 0 ? 77 : -1);
        json_decref(entry);
    }
}

static void test_the_file_of_the_health_check_is_the_containers_own(void **state)
{
    (void)state;
#define CHECKED "\"State\":{\"Status\":\"running\"},\"Config\":{\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}"
#define OTHER_ID "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    static const struct {
        const char *members, *path;
    } cases[] = {
        {CHECKED "},\"HostnamePath\":\"/r/" SOME_ID "/userdata/hostname\"", "/r/" SOME_ID "/healthcheck.log"},
        {CHECKED "},\"HostnamePath\":\"/r/" OTHER_ID "/userdata/hostname\",\"PidFile\":\"/s/" SOME_ID
                 "/userdata/pidfile\"",
            "/s/" SOME_ID "/healthcheck.log"},
        {CHECKED "},\"ResolvConfPath\":\"/r/" OTHER_ID "/userdata/resolv.conf\"", NULL},
        {CHECKED "},\"PidFile\":\"relative/" SOME_ID "/userdata/pidfile\"", NULL},
        {CHECKED ",\"HealthLogDestination\":\"/var/log/checks\"}", "/var/log/checks/" SOME_ID "-healthcheck.log"},
        {CHECKED ",\"HealthLogDestination\":\"local\"},\"PidFile\":\"/r/" SOME_ID "/userdata/pidfile\"",
            "/r/" SOME_ID "/healthcheck.log"},
        {"\"State\":{\"Status\":\"running\"},\"Config\":{\"Healthcheck\":{\"Test\":[\"NONE\"]}},\"PidFile\":\"/"
         "r/" SOME_ID "/userdata/pidfile\"",
            NULL},
        {"\"State\":{\"Status\":\"running\"},\"PidFile\":\"/r/" SOME_ID "/userdata/pidfile\"", NULL},
        {"\"State\":{\"Status\":\"exited\"},\"Config\":{\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}},\"PidFile\":\"/"
         "r/" SOME_ID "/userdata/pidfile\"",
            NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *entry = entry_of("a", cases[i].members);
        assert_text(entry, "health_path", cases[i].path);
        json_decref(entry);
    }
}

static void test_members_of_another_type_are_unknown_not_zero(void **state)
{
    (void)state;
    json_t *entry =
        entry_of("a", "\"State\":{\"Status\":1,\"ExitCode\":\"x\",\"OOMKilled\":\"no\"},\"RestartCount\":null,"
                      "\"Created\":\"yesterday\",\"Image\":\"sha256:zz\",\"Config\":[],\"HostConfig\":7,"
                      "\"NetworkSettings\":{\"Ports\":{\"x\":[{}],\"99999/tcp\":[{\"HostPort\":\"1\"}],"
                      "\"80/tcp\":[{\"HostPort\":\"0\"},{\"HostPort\":\"70000\"},7]}},\"Mounts\":{\"a\":1}");
    assert_text(entry, "state", "unknown");
    static const char *const absent[] = {
        "exit_code", "oom_killed", "restarts", "created_us", "image_id", "restart_policy", "image", "pid", "log_path"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(json_object_get(entry, absent[i]));
    assert_int_equal(json_array_size(json_object_get(entry, "ports")), 0);
    assert_int_equal(json_array_size(json_object_get(entry, "mounts")), 0);
    json_decref(entry);
}

static void test_stopped_docker_container_keeps_its_ports(void **state)
{
    (void)state;
    json_t *entry = entry_of("a", "\"NetworkSettings\":{\"Ports\":{}},\"HostConfig\":{\"PortBindings\":{\"80/tcp\":"
                                  "[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]}}");
    const json_t *port = json_array_get(json_object_get(entry, "ports"), 0);
    assert_int_equal(number(port, "host"), 8080);
    assert_text(port, "ip", "0.0.0.0");
    json_decref(entry);
}

static void test_labels_of_an_image_cannot_grow_the_entry(void **state)
{
    (void)state;
    struct buf members = BUF(1u << 20);
    buf_puts(&members, "\"Config\":{\"Labels\":{");
    for (int i = 0; i < 200; i++) {
        buf_printf(&members, "\"aaa%d\":\"", i);
        for (int j = 0; j < 1000; j++)
            buf_putc(&members, 'x');
        buf_puts(&members, "\",");
    }
    buf_puts(&members, "\"dogwatch.site\":\"late.example\"}}");
    json_t *entry = entry_of("a", buf_text(&members));
    const json_t *labels = json_object_get(entry, "labels");
    assert_true(json_object_size(labels) <= 32);
    assert_true(json_dumpb(labels, NULL, 0, JSON_COMPACT) < 6000);
    assert_text(labels, "dogwatch.site", "late.example");
    assert_text(entry, "site", "late.example");
    buf_free(&members);
    json_decref(entry);
}

static void test_only_data_binds_are_volumes(void **state)
{
    (void)state;
    static const char *const data[] = {"/srv/www", "/home/a", "/var/lib/dockerx", "/etcetera", "/opt/app/config.yml"};
    static const char *const system_paths[] = {"/", "", "/etc/localtime", "/etc", "/run/docker.sock", "/var/run/x",
        "/dev/shm", "/proc", "/sys/fs", "/var/lib/docker/volumes", "/srv/app.sock", "relative"};
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        assert_true(inspect_bind_is_data(data[i]));
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++)
        assert_false(inspect_bind_is_data(system_paths[i]));
    assert_false(inspect_bind_is_data(NULL));
}

/* --- the inventory of both ------------------------------------------------------------------------------------------
 */

static void test_inventory_has_both_engines_and_the_sites_of_volumes(void **state)
{
    (void)state;
    json_t *podman = fixture("podman-4.3.1-inspect.json"), *docker = fixture("docker-20.10-inspect.json");
    struct known_view views[RUNTIME_COUNT] = {
        {.used = true,
            .ok = true,
            .version = "4.3.1",
            .containers = json_array(),
            .volumes = parsed("[{\"name\":\"data\",\"runtime\":\"podman\",\"path\":\"/v\"},"
                              "{\"name\":\"dvol\",\"runtime\":\"podman\",\"path\":\"/w\"}]")},
        {.used = true, .ok = false, .error = "no daemon", .containers = json_array(), .volumes = json_array()}};
    for (size_t i = 0; i < 2; i++)
        json_array_append_new(views[0].containers, inspect_container(RUNTIME_PODMAN, json_array_get(podman, i)));
    json_array_append_new(views[1].containers, inspect_container(RUNTIME_DOCKER, json_array_get(docker, 0)));
    json_t *inventory = compose_inventory(views);
    const json_t *containers = json_object_get(inventory, "containers");
    const json_t *volumes = json_object_get(inventory, "volumes"), *runtimes = json_object_get(inventory, "runtimes");
    assert_int_equal(json_array_size(containers), 3);
    assert_text(json_array_get(containers, 0), "name", "stray_Cache"); /* oldest first */
    assert_text(json_array_get(containers, 2), "name", "Healthy.One");
    assert_text(json_array_get(runtimes, 1), "error", "no daemon");
    assert_text(json_array_get(volumes, 0), "site", "example.org");
    assert_text(json_array_get(volumes, 1), "site", NULL); /* docker's container mounts another volume of this name */
    assert_text(json_array_get(volumes, 2), "name", "example.org:/srv");
    assert_text(json_array_get(volumes, 2), "kind", "bind");
    assert_int_equal(json_array_size(volumes), 3); /* not /etc/localtime */
    json_decref(inventory);
    for (size_t i = 0; i < RUNTIME_COUNT; i++)
        known_view_free(&views[i]);
    json_decref(podman);
    json_decref(docker);
}

static void test_inventory_always_fits_into_a_line(void **state)
{
    (void)state;
    struct known_view views[RUNTIME_COUNT] = {
        {.used = true, .ok = true, .containers = json_array(), .volumes = json_array()}};
    char *mounts =
        xasprintf("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv/%0900d\",\"Destination\":\"/%0900d\"}]", 1, 2);
    json_t *entry = entry_of("huge", mounts);
    for (int i = 0; i < 2000; i++)
        json_array_append(views[0].containers, entry);
    json_t *inventory = compose_inventory(views);
    bool truncated = false;
    assert_true(json_dumpb(inventory, NULL, 0, JSON_COMPACT) < 1000000);
    assert_true(json_get_bool(inventory, "truncated", &truncated) && truncated);
    assert_true(json_array_size(json_object_get(inventory, "containers")) > 50);
    json_decref(inventory);
    json_decref(entry);
    free(mounts);
    known_view_free(&views[0]);
}

/* --- reading answers ------------------------------------------------------------------------------------------------
 */

static void test_elements_of_an_array_are_found_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *elements[4];
    } cases[] = {
        {"[{\"a\":1}, {\"b\":[{}]}\n]", {"{\"a\":1}", "{\"b\":[{}]}"}},
        {"[{\"a\":\"]}\\\"{\"}]", {"{\"a\":\"]}\\\"{\"}"}},
        {"[{\"a\":1},{\"b\":", {"{\"a\":1}"}},
        {"[]", {NULL}},
        {"", {NULL}},
        {"[", {NULL}},
        {"[{\"a\":\"\\", {NULL}},
        {"null", {NULL}},
        {"]]]", {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *cursor = cases[i].text, *element;
        size_t left = strlen(cursor), length, count = 0;
        while (runtime_next_element(&cursor, &left, &element, &length)) {
            assert_non_null(cases[i].elements[count]);
            assert_int_equal(length, strlen(cases[i].elements[count]));
            assert_memory_equal(element, cases[i].elements[count], length);
            count++;
        }
        assert_null(cases[i].elements[count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_podman_container_is_read_whole),
        cmocka_unit_test(test_docker_container_is_read_whole),
        cmocka_unit_test(test_site_is_the_label_else_the_project_else_the_own_name),
        cmocka_unit_test(test_odd_names_and_ids_make_no_entry),
        cmocka_unit_test(test_states_of_both_engines_become_one_vocabulary),
        cmocka_unit_test(test_the_file_of_the_health_check_is_the_containers_own),
        cmocka_unit_test(test_members_of_another_type_are_unknown_not_zero),
        cmocka_unit_test(test_stopped_docker_container_keeps_its_ports),
        cmocka_unit_test(test_labels_of_an_image_cannot_grow_the_entry),
        cmocka_unit_test(test_only_data_binds_are_volumes),
        cmocka_unit_test(test_inventory_has_both_engines_and_the_sites_of_volumes),
        cmocka_unit_test(test_inventory_always_fits_into_a_line),
        cmocka_unit_test(test_elements_of_an_array_are_found_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
