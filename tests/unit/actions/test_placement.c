/* Where a site could move to, and when a kept copy is removed: from a snapshot alone. */
#include "tests/unit/fleet/files.h"

#include <math.h>

#include "actions/action.h"
#include "actions/expire.h"
#include "actions/placement.h"
#include "base/clock.h"

enum { HERE, FREE, FULL, DOWN, HOSTS };

struct scene {
    struct files files;
    struct fleet *fleet;
    struct host_state hosts[HOSTS];
    struct site_state site;
    struct container_state containers[3];
    size_t container_count;
    struct snapshot snapshot;
    json_t *targets;
    struct err_info info;
};

static void add_container(struct scene *scene, const char *host, const char *name, const char *site, const char *ports)
{
    struct container_state *container = &scene->containers[scene->container_count++];
    str_copy(container->host, sizeof container->host, host);
    str_copy(container->name, sizeof container->name, name);
    str_copy(container->site, sizeof container->site, site);
    str_copy(container->ports, sizeof container->ports, ports);
    str_copy(container->runtime, sizeof container->runtime, "podman");
    container->state = RUN_RUNNING;
    metrics_clear(container->metrics, CONTAINER_METRIC_COUNT);
}

static struct scene *scene_new(void)
{
    static const char *const names[HOSTS] = {"mosh01", "mosh02", "mosh03", "mosh04"};
    struct scene *scene = xcalloc(1, sizeof *scene);
    scene->files = files_new();
    files_write(&scene->files, "fleet.yaml", FLEET_YAML);
    files_write(&scene->files, "hosts.yaml",
        "hosts:\n  mosh01: { address: 192.0.2.11 }\n  mosh02: { address: 192.0.2.12 }\n  mosh03: { address: 192.0.2.13 "
        "}\n"
        "  mosh04: { address: 192.0.2.14 }\n  gate: { address: 192.0.2.1, roles: [proxy] }\n");
    files_write(&scene->files, "sites/a.yaml", ONE_SITE);
    scene->fleet = files_load(&scene->files);
    for (int i = 0; i < HOSTS; i++) {
        struct host_state *host = &scene->hosts[i];
        str_copy(host->name, sizeof host->name, names[i]);
        str_copy(host->runtimes, sizeof host->runtimes, "podman 4.3.1");
        metrics_clear(host->metrics, HOST_METRIC_COUNT);
        host->status = HOST_UP;
        host->metrics[HOST_MEM_TOTAL] = 8e9;
        host->metrics[HOST_MEM_USED] = i == FULL ? 7.6e9 : 2e9;
        host->metrics[HOST_CORES] = 4;
        host->metrics[HOST_CPU] = 10;
        host->metrics[HOST_DISK_TOTAL] = 100e9;
        host->metrics[HOST_DISK_USED] = 20e9;
    }
    scene->hosts[DOWN].status = HOST_UNKNOWN;
    scene->hosts[DOWN].since_us = clock_wall_us() - 3600 * USEC_PER_SEC;
    str_copy(scene->hosts[DOWN].reason, REASON_SIZE, "no route to host");
    scene->site = (struct site_state){
        .name = "a.org", .host = "mosh01", .host_count = 1, .status = SITE_RUNNING, .containers_running = 1};
    metrics_clear(scene->site.metrics, SITE_METRIC_COUNT);
    scene->site.metrics[SITE_MEM_USED] = 128 << 20;
    scene->site.metrics[SITE_DISK_USED] = 1e9;
    add_container(scene, "mosh01", "a.org-web", "a.org", "8080→80/tcp");
    return scene;
}

static struct plan_request ask(struct scene *scene)
{
    static const struct plan_options none;
    scene->snapshot = (struct snapshot){.hosts = scene->hosts,
        .host_count = HOSTS,
        .sites = &scene->site,
        .site_count = 1,
        .containers = scene->containers,
        .container_count = scene->container_count};
    return (struct plan_request){
        .snapshot = &scene->snapshot, .fleet = scene->fleet, .object = "a.org", .options = &none};
}

static void rank(struct scene *scene)
{
    struct plan_request request = ask(scene);
    assert_int_equal(placement_rank(&request, "a.org", &scene->targets, &scene->info), ERR_OK);
}

static void scene_free(struct scene *scene)
{
    json_decref(scene->targets);
    fleet_free(scene->fleet);
    files_free(&scene->files);
    free(scene);
}

static void expect(const struct scene *scene, size_t index, const char *host, bool fits, const char *reason)
{
    const json_t *row = json_array_get(scene->targets, index), *text;
    bool said = false;
    size_t i;
    assert_string_equal(json_get_text(row, "host"), host);
    assert_int_equal(json_is_true(json_object_get(row, "fits")), fits);
    json_array_foreach (json_object_get(row, "reasons"), i, text)
        said = said || strstr(json_string_value(text), reason);
    if (!said)
        print_error("%s: %s\n", host, json_dumps(json_object_get(row, "reasons"), 0));
    assert_true(said);
}

static void hosts_with_room_come_first_and_the_others_say_why_not(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    rank(scene);
    assert_int_equal(json_array_size(scene->targets), 3); /* neither where it is nor the proxy */
    expect(scene, 0, "mosh02", true, "5.6G of memory free now, needs 128M");
    expect(scene, 0, "mosh02", true, "3.6 of 4 cores free now");
    expect(scene, 0, "mosh02", true, "has podman, as where it is");
    expect(scene, 1, "mosh03", false, "too little memory: 381M free now, needs 128M");
    expect(scene, 2, "mosh04", false, "mosh04 is out of reach since 1h: no route to host");
    scene_free(scene);
}

static void a_taken_port_is_named_with_who_has_it(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    add_container(scene, "mosh02", "b.org-web", "b.org", "18080→80/tcp, 8080→8080/tcp");
    rank(scene);
    expect(scene, 0, "mosh02", false, "port 8080 is taken there by b.org-web");
    scene_free(scene);
}

static void a_port_that_only_looks_alike_is_free(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    add_container(scene, "mosh02", "b.org-web", "b.org", "18080→80/tcp");
    rank(scene);
    expect(scene, 0, "mosh02", true, "1 other container runs there");
    scene_free(scene);
}

static void a_quarantined_neighbour_and_another_engine_count_against_a_host(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->hosts[FULL].metrics[HOST_MEM_USED] = 2e9;
    add_container(scene, "mosh02", "b.org-web", "b.org", "");
    scene->containers[1].mark = MARK_QUARANTINED;
    rank(scene);
    expect(scene, 0, "mosh03", true, "0 other containers run there");
    expect(scene, 1, "mosh02", true, "b.org is quarantined there");
    json_decref(scene->targets);
    scene->containers[1].mark = MARK_NONE;
    str_copy(scene->hosts[FULL].runtimes, sizeof scene->hosts[FULL].runtimes, "docker 20.10.24");
    rank(scene);
    expect(scene, 0, "mosh02", true, "has podman");
    expect(scene, 1, "mosh03", true, "has docker 20.10.24 and no podman");
    scene_free(scene);
}

static void the_best_place_comes_with_its_reasons_and_no_place_with_all_of_them(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct plan_request request = ask(scene);
    char host[NAME_SIZE], why[512];
    assert_int_equal(placement_best(&request, "a.org", host, why, sizeof why, &scene->info), ERR_OK);
    assert_string_equal(host, "mosh02");
    assert_non_null(strstr(why, "of memory free now"));
    scene->hosts[FREE].metrics[HOST_DISK_USED] = 95e9;
    assert_int_equal(placement_best(&request, "a.org", host, NULL, 0, &scene->info), ERR_INVALID);
    assert_non_null(strstr(scene->info.message, "mosh02: too little room on disk"));
    assert_non_null(strstr(scene->info.message, "mosh04 is out of reach"));
    scene_free(scene);
}

/* --- kept copies -------------------------------------------------------------------------------------------------- */

static bool is_due(struct scene *scene)
{
    char site[NAME_SIZE], host[NAME_SIZE];
    size_t cursor = 0;
    ask(scene);
    bool due = expire_is_due(&scene->snapshot, &cursor, site, host);
    assert_false(expire_is_due(&scene->snapshot, &cursor, site, host)); /* once */
    return due;
}

static void a_kept_copy_is_removed_after_its_time_while_the_site_runs_elsewhere(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    str_copy(scene->site.kept_host, NAME_SIZE, "mosh02");
    scene->site.kept_until_us = clock_wall_us() + 60 * USEC_PER_SEC;
    assert_false(is_due(scene));
    scene->hosts[FREE].metrics[HOST_CLOCK_OFFSET] = 120000; /* the time is the host's */
    assert_true(is_due(scene));
    scene->hosts[FREE].metrics[HOST_CLOCK_OFFSET] = 0;
    scene->site.kept_until_us = clock_wall_us() - USEC_PER_SEC;
    assert_true(is_due(scene));
    scene->site.status = SITE_STOPPED;
    scene->site.containers_running = 0;
    assert_false(is_due(scene));
    scene->site.status = SITE_RUNNING;
    scene->site.containers_running = 1;
    scene->hosts[FREE].status = HOST_UNKNOWN;
    assert_false(is_due(scene));
    scene_free(scene);
}

static void only_a_kept_copy_is_ever_expired(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct plan_options options = {.to = "mosh02"};
    struct plan plan;
    struct plan_request request = ask(scene);
    request.options = &options;
    assert_int_equal(expire_plan(&request, &plan, &scene->info), ERR_INVALID);
    assert_non_null(strstr(scene->info.message, "no copy of a.org is kept on mosh02"));
    plan_free(&plan);
    str_copy(scene->site.kept_host, NAME_SIZE, "mosh02");
    assert_int_equal(expire_plan(&request, &plan, &scene->info), ERR_OK);
    assert_int_equal(plan.steps.count, 3);
    plan_free(&plan);
    str_copy(scene->site.host, NAME_SIZE, "mosh02"); /* it lives there now */
    assert_int_equal(expire_plan(&request, &plan, &scene->info), ERR_INVALID);
    plan_free(&plan);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_with_room_come_first_and_the_others_say_why_not),
        cmocka_unit_test(a_taken_port_is_named_with_who_has_it),
        cmocka_unit_test(a_port_that_only_looks_alike_is_free),
        cmocka_unit_test(a_quarantined_neighbour_and_another_engine_count_against_a_host),
        cmocka_unit_test(the_best_place_comes_with_its_reasons_and_no_place_with_all_of_them),
        cmocka_unit_test(a_kept_copy_is_removed_after_its_time_while_the_site_runs_elsewhere),
        cmocka_unit_test(only_a_kept_copy_is_ever_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
