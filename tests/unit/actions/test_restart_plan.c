/* The plan of a restart: what it says, what it warns of, when it refuses. It is made from the store and the fleet files
 * alone; no host is asked. */
#include "tests/unit/fleet/files.h"

#include "actions/action.h"
#include "store/store.h"

struct scene {
    struct files files;
    struct fleet *fleet;
    struct host_state host;
    struct site_state site;
    struct container_state containers[2];
    size_t container_count;
    struct plan plan;
    struct err_info info;
};

static struct scene scene_new(const char *jump, const char *health)
{
    struct scene scene = {.host = {.name = "mosh01", .status = HOST_UP},
        .site = {.name = "example.org",
            .host = "mosh01",
            .host_count = 1,
            .status = SITE_RUNNING,
            .containers_running = 2,
            .containers_total = 2},
        .container_count = 2};
    char text[512];
    scene.files = files_new();
    files_write(&scene.files, "fleet.yaml", FLEET_YAML);
    snprintf(text, sizeof text, "hosts:\n  mosh01: { address: 192.0.2.11%s }\n  gate: { address: 192.0.2.1 }\n", jump);
    files_write(&scene.files, "hosts.yaml", text);
    snprintf(text, sizeof text,
        "sites:\n  example.org:\n    domains: [www.example.org]\n    containers:\n      web: { image: x, publish: 8080 "
        "}\n"
        "      db: { image: y }\n%s",
        health);
    files_write(&scene.files, "sites/a.yaml", text);
    scene.fleet = files_load(&scene.files);
    for (size_t i = 0; i < 2; i++) {
        struct container_state *container = &scene.containers[i];
        *container = (struct container_state){.host = "mosh01",
            .site = "example.org",
            .runtime = "podman",
            .state = RUN_RUNNING,
            .started_us = 1700000000000000 + (int64_t)i};
        str_copy(container->name, sizeof container->name, i ? "example.org-db" : "example.org-web");
        str_copy(container->role, sizeof container->role, i ? "db" : "web");
        memset(container->id, i ? 'b' : 'a', 64);
    }
    return scene;
}

#define HEALTH "    health: { path: /up, status: 204 }\n"

static enum err make(struct scene *scene, const char *object)
{
    struct snapshot snapshot = {.hosts = &scene->host,
        .host_count = 1,
        .sites = &scene->site,
        .site_count = 1,
        .containers = scene->containers,
        .container_count = scene->container_count};
    struct plan_request request = {.snapshot = &snapshot, .fleet = scene->fleet, .object = object};
    return action_find("restart")->plan(&request, &scene->plan, &scene->info);
}

static void scene_free(struct scene *scene)
{
    plan_free(&scene->plan);
    fleet_free(scene->fleet);
    files_free(&scene->files);
}

static void assert_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_error("\"%s\" does not say \"%s\"\n", text, part);
    assert_non_null(strstr(text, part));
}

static void check_text(struct scene *scene, const char *part)
{
    struct buf text = BUF(65536);
    plan_to_text(&scene->plan, &text);
    assert_part(buf_text(&text), part);
    buf_free(&text);
}

static void the_plan_names_hosts_steps_and_what_undoes_them(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    assert_int_equal(make(&scene, "example.org"), ERR_OK);
    assert_int_equal(scene.plan.steps.count, 5);
    assert_int_equal(scene.plan.identity.count, 2);
    assert_int_equal(scene.plan.warnings.count, 0);
    assert_true(scene.plan.cut_us > 0);
    check_text(
        &scene, " 3. mosh01: stop example.org-web, example.org-db (SIGTERM, SIGKILL after 10 s), then start them");
    check_text(&scene, "undo: start what was stopped");
    check_text(&scene, "http://www.example.org:8080/up answers 204, 3 times in a row");
    scene_free(&scene);
}

static void a_site_without_a_health_check_is_warned_of(void **state)
{
    (void)state;
    struct scene scene = scene_new("", "");
    assert_int_equal(make(&scene, "example.org"), ERR_OK);
    check_text(&scene, "! no health check is declared");
    assert_null(json_object_get(scene.plan.steps.items[3].parameters, "health"));
    scene_free(&scene);
}

static void a_host_behind_another_is_warned_of(void **state)
{
    (void)state;
    struct scene scene = scene_new(", jump: gate", HEALTH);
    assert_int_equal(make(&scene, "example.org"), ERR_OK);
    check_text(&scene, "! mosh01 is behind gate");
    assert_null(json_object_get(scene.plan.steps.items[3].parameters, "health"));
    scene_free(&scene);
}

static void stopped_and_unhealthy_containers_are_warned_of(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.containers[0].health = HEALTH_UNHEALTHY;
    scene.containers[1].state = RUN_EXITED;
    assert_int_equal(make(&scene, "example.org"), ERR_OK);
    assert_int_equal(scene.plan.identity.count, 1);
    check_text(&scene, "! the health check of example.org-web fails already");
    check_text(&scene, "! example.org-db is exited");
    scene_free(&scene);
}

static void a_container_in_a_restart_loop_is_part_of_the_plan(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.containers[0].state = RUN_RESTARTING;
    assert_int_equal(make(&scene, "example.org"), ERR_OK);
    assert_int_equal(scene.plan.identity.count, 2);
    check_text(&scene, "! example.org-web does not stay up");
    scene_free(&scene);
}

static void expect_refusal(struct scene *scene, const char *object, enum err err, const char *message)
{
    assert_int_equal(make(scene, object), err);
    assert_part(scene->info.message, message);
    scene_free(scene);
}

static void an_unknown_site_is_refused_with_the_nearest_name(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    expect_refusal(&scene, "exmaple.org", ERR_NOT_FOUND, "did you mean \"example.org\"?");
}

static void a_site_on_two_hosts_is_refused(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.site.status = SITE_CONFLICT;
    expect_refusal(&scene, "example.org", ERR_INVALID, "is on more than one host");
}

static void a_host_out_of_reach_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.host.status = HOST_UNKNOWN;
    str_copy(scene.host.reason, sizeof scene.host.reason, "connection refused");
    expect_refusal(&scene, "example.org", ERR_INVALID, "cannot be reached: connection refused");
}

static void a_paused_container_is_refused(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.containers[1].state = RUN_PAUSED;
    expect_refusal(&scene, "example.org", ERR_INVALID, "example.org-db is paused");
}

static void a_stopped_site_is_refused_with_the_way_out(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.site.containers_running = 0;
    scene.containers[0].state = scene.containers[1].state = RUN_EXITED;
    scene.containers[0].exit_code = 3;
    expect_refusal(&scene, "example.org", ERR_INVALID, "(exit code 3)");
}

static void a_site_without_containers_is_refused(void **state)
{
    (void)state;
    struct scene scene = scene_new("", HEALTH);
    scene.site.containers_total = scene.site.containers_running = 0;
    scene.container_count = 0;
    expect_refusal(&scene, "example.org", ERR_INVALID, "nothing to restart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_names_hosts_steps_and_what_undoes_them),
        cmocka_unit_test(a_site_without_a_health_check_is_warned_of),
        cmocka_unit_test(a_host_behind_another_is_warned_of),
        cmocka_unit_test(stopped_and_unhealthy_containers_are_warned_of),
        cmocka_unit_test(a_container_in_a_restart_loop_is_part_of_the_plan),
        cmocka_unit_test(an_unknown_site_is_refused_with_the_nearest_name),
        cmocka_unit_test(a_site_on_two_hosts_is_refused),
        cmocka_unit_test(a_host_out_of_reach_is_refused_with_its_reason),
        cmocka_unit_test(a_paused_container_is_refused),
        cmocka_unit_test(a_stopped_site_is_refused_with_the_way_out),
        cmocka_unit_test(a_site_without_containers_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
