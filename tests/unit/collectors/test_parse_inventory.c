/* collectors/parse_inventory: keys, texts, hostile entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collectors/parse_inventory.h"
#include "tests/unit/collectors/fixture.h"

static struct inventory taken(json_t *json)
{
    struct inventory inventory;
    struct err_info info = {0};
    if (parse_inventory(json, "mosh01", &inventory, &info) != ERR_OK)
        fail_msg("%s", info.message);
    json_decref(json);
    return inventory;
}

static const struct container_state *container(const struct inventory *inventory, const char *key)
{
    for (size_t i = 0; i < inventory->containers.count; i++)
        if (strcmp(inventory->containers.items[i].key, key) == 0)
            return &inventory->containers.items[i];
    fail_msg("no container %s", key);
    abort();
}

static const struct volume_state *volume(const struct inventory *inventory, const char *key)
{
    for (size_t i = 0; i < inventory->volumes.count; i++)
        if (strcmp(inventory->volumes.items[i].key, key) == 0)
            return &inventory->volumes.items[i];
    fail_msg("no volume %s", key);
    abort();
}

static void a_container_is_read_with_all_it_has(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    const struct container_state *web = container(&inventory, "mosh01/example.org-web");
    assert_string_equal(web->host, "mosh01");
    assert_string_equal(web->name, "example.org-web");
    assert_string_equal(web->site, "example.org");
    assert_string_equal(web->role, "web");
    assert_string_equal(web->runtime, "podman");
    assert_string_equal(web->image, "localhost/web:1");
    assert_int_equal(strlen(web->id), 64);
    assert_int_equal(strlen(web->image_id), 64); /* without "sha256:" */
    assert_int_equal(web->image_id[0], 'c');
    assert_int_equal(web->state, RUN_RUNNING);
    assert_int_equal(web->health, HEALTH_HEALTHY);
    assert_int_equal(web->started_us, 1759000001000000);
    assert_int_equal(web->finished_us, 0);
    assert_near(web->metrics[CONTAINER_RESTARTS], 2);
    assert_unknown(web->metrics[CONTAINER_CPU]);
    assert_false(web->stale);
    inventory_free(&inventory);
}

static void marks_go_to_the_containers_of_their_site(void **state)
{
    (void)state;
    json_t *json = fixture("inventory.json");
    json_object_set_new(json, "marks",
        json_pack("[{s:s,s:s,s:s,s:I,s:I,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s,s:b}]", "site", "example.org",
            "mark", "kept", "job", "12", "since_us", (json_int_t)1759000000000000, "until_us",
            (json_int_t)1759000000000001, "peer", "mosh02", "site", "example.org", "mark", "stopped", "site", "b.org",
            "mark", "fenced", "site", "../etc", "mark", "kept", "site", "a.org", "mark", "incoming", "trial", 1));
    struct inventory inventory = taken(json);
    assert_int_equal(container(&inventory, "mosh01/example.org-web")->mark, MARK_KEPT);
    assert_int_equal(inventory.marks.count, 2);
    assert_string_equal(inventory.marks.items[0].site, "a.org");
    assert_true(inventory.marks.items[0].trial);
    assert_string_equal(inventory.marks.items[1].job, "12");
    assert_string_equal(inventory.marks.items[1].peer, "mosh02");
    assert_int_equal(inventory.marks.items[1].until_us, 1759000000000001);
    assert_true(inventory.left_out.count >= 3);
    inventory_free(&inventory);
}

static void ports_and_mounts_read_as_one_line(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    const struct container_state *web = container(&inventory, "mosh01/example.org-web");
    assert_string_equal(web->ports, "8080→80/tcp, 127.0.0.1:9000→9000/udp, [::1]:9001→9001/tcp, 443/tcp");
    assert_string_equal(web->mounts, "example.org-data→/var/www, /srv/conf→/etc/conf:ro");
    inventory_free(&inventory);
}

static void long_lists_of_ports_end_in_a_mark(void **state)
{
    (void)state;
    json_t *json = fixture("inventory.json");
    json_t *ports = json_object_get(json_array_get(json_object_get(json, "containers"), 0), "ports");
    for (int i = 0; i < 40; i++)
        json_array_append_new(
            ports, json_pack("{s:i,s:i,s:s}", "host", 10000 + i, "container", 10000 + i, "proto", "tcp"));
    struct inventory inventory = taken(json);
    const char *text = container(&inventory, "mosh01/example.org-web")->ports;
    assert_true(strlen(text) > 100);
    assert_string_equal(text + strlen(text) - strlen("/tcp, …"), "/tcp, …");
    inventory_free(&inventory);
}

static void a_stopped_container_keeps_how_it_ended(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    const struct container_state *db = container(&inventory, "mosh01/db");
    assert_int_equal(db->state, RUN_EXITED);
    assert_int_equal(db->exit_code, 137);
    assert_true(db->oom_killed);
    assert_int_equal(db->health, HEALTH_NONE);
    assert_string_equal(db->ports, "");
    inventory_free(&inventory);
}

static void dockers_key_is_marked_where_podman_has_the_name_too(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    assert_string_equal(container(&inventory, "mosh01/db")->runtime, "podman");
    assert_string_equal(container(&inventory, "mosh01/db@docker")->runtime, "docker");
    assert_int_equal(container(&inventory, "mosh01/db@docker")->state, RUN_UNKNOWN);
    assert_string_equal(volume(&inventory, "mosh01/Cache")->path, "/p");
    assert_string_equal(volume(&inventory, "mosh01/Cache@docker")->path, "/d");
    inventory_free(&inventory);
}

static void dockers_key_is_plain_where_it_is_alone(void **state)
{
    (void)state;
    json_t *json = fixture("inventory.json");
    json_array_remove(json_object_get(json, "containers"), 1); /* podman's db */
    struct inventory inventory = taken(json);
    assert_string_equal(container(&inventory, "mosh01/db")->runtime, "docker");
    inventory_free(&inventory);
}

static void volumes_are_named_and_bound(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    const struct volume_state *named = volume(&inventory, "mosh01/example.org-data");
    const struct volume_state *bound = volume(&inventory, "mosh01/example.org:/etc/conf");
    assert_string_equal(named->driver, "local");
    assert_string_equal(named->site, "example.org");
    assert_string_equal(bound->driver, "bind");
    assert_string_equal(bound->path, "/srv/conf");
    assert_unknown(named->metrics[VOLUME_USED]);
    assert_string_equal(volume(&inventory, "mosh01/Cache")->site, "");
    inventory_free(&inventory);
}

static void a_runtime_that_did_not_answer_is_named_so(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory.json"));
    assert_string_equal(inventory.runtimes, "podman 4.3.1, docker (no answer)");
    inventory_free(&inventory);
}

static void hostile_entries_are_left_out_and_the_others_stay(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory_hostile.json"));
    assert_int_equal(inventory.containers.count, 4); /* twin, one same-id, odd, ports */
    assert_int_equal(inventory.volumes.count, 1);
    assert_string_equal(inventory.volumes.items[0].key, "mosh01/good");
    assert_int_equal(inventory.left_out.count, 4 + 6 + 1 + 1 + 9 + 1);
    assert_int_equal(container(&inventory, "mosh01/twin")->name[0], 't');
    assert_string_equal(container(&inventory, "mosh01/ports")->ports, "1→2/tcp");
    assert_string_equal(container(&inventory, "mosh01/ports")->mounts, "");
    inventory_free(&inventory);
}

static void odd_members_of_an_entry_are_unknown(void **state)
{
    (void)state;
    struct inventory inventory = taken(fixture("inventory_hostile.json"));
    const struct container_state *odd = container(&inventory, "mosh01/odd");
    assert_int_equal(odd->state, RUN_UNKNOWN);
    assert_int_equal(odd->health, HEALTH_NONE);
    assert_int_equal(odd->exit_code, 0);
    assert_false(odd->oom_killed);
    assert_string_equal(odd->image, "");
    assert_string_equal(odd->image_id, "");
    assert_string_equal(odd->site, "");
    assert_string_equal(odd->role, "");
    assert_int_equal(odd->created_us | odd->started_us | odd->finished_us, 0);
    assert_unknown(odd->metrics[CONTAINER_RESTARTS]);
    inventory_free(&inventory);
}

static void texts_of_hosts_never_outgrow_their_fields(void **state)
{
    (void)state;
    json_t *json = fixture("inventory.json");
    json_t *entry = json_array_get(json_object_get(json, "containers"), 0);
    char *giant = xmalloc(9001);
    memset(giant, 'x', 9000);
    giant[9000] = '\0';
    json_object_set_new(entry, "image", json_string(giant));
    json_object_set_new(entry, "mounts",
        json_pack("[{s:s,s:s},{s:s,s:s}]", "name", giant, "destination", "/", "name", "v", "destination", "/v"));
    struct inventory inventory = taken(json);
    const struct container_state *web = container(&inventory, "mosh01/example.org-web");
    assert_int_equal(strlen(web->image), IMAGE_SIZE - 1);
    assert_string_equal(web->mounts, "v→/v");
    assert_true(strlen(inventory.runtimes) < sizeof inventory.runtimes);
    inventory_free(&inventory);
    free(giant);
}

static void inventories_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"seq", NULL}, {"boot_id", "7"}, {"epoch_us", "'x'"}, {"containers", "{}"},
        {"volumes", "7"}, {"runtimes", "'x'"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *json = fixture("inventory.json");
        set(json, wrong[i][0], wrong[i][1]);
        struct inventory inventory;
        struct err_info info = {0};
        assert_int_equal(parse_inventory(json, "mosh01", &inventory, &info), ERR_GARBAGE);
        assert_non_null(strstr(info.message, wrong[i][0]));
        inventory_free(&inventory);
        json_decref(json);
    }
}

static void an_inventory_has_ceilings(void **state)
{
    (void)state;
    json_t *json = message("{'seq':1,'boot_id':'a','epoch_us':5,'mono_us':5,'containers':[],'volumes':[]}");
    for (int i = 0; i < PARSE_CONTAINERS_MAX + 1; i++)
        json_array_append_new(
            json_object_get(json, "containers"), json_pack("{s:o,s:o,s:s}", "id", json_sprintf("%064x", i), "name",
                                                     json_sprintf("c%d", i), "runtime", "podman"));
    for (int i = 0; i < PARSE_VOLUMES_MAX + 2; i++)
        json_array_append_new(json_object_get(json, "volumes"),
            json_pack("{s:o,s:s}", "name", json_sprintf("v%d", i), "runtime", "podman"));
    struct inventory inventory = taken(json);
    assert_int_equal(inventory.containers.count, PARSE_CONTAINERS_MAX);
    assert_int_equal(inventory.volumes.count, PARSE_VOLUMES_MAX);
    assert_int_equal(inventory.left_out.count, 3);
    inventory_free(&inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_is_read_with_all_it_has),
        cmocka_unit_test(marks_go_to_the_containers_of_their_site),
        cmocka_unit_test(ports_and_mounts_read_as_one_line),
        cmocka_unit_test(long_lists_of_ports_end_in_a_mark),
        cmocka_unit_test(a_stopped_container_keeps_how_it_ended),
        cmocka_unit_test(dockers_key_is_marked_where_podman_has_the_name_too),
        cmocka_unit_test(dockers_key_is_plain_where_it_is_alone),
        cmocka_unit_test(volumes_are_named_and_bound),
        cmocka_unit_test(a_runtime_that_did_not_answer_is_named_so),
        cmocka_unit_test(hostile_entries_are_left_out_and_the_others_stay),
        cmocka_unit_test(odd_members_of_an_entry_are_unknown),
        cmocka_unit_test(texts_of_hosts_never_outgrow_their_fields),
        cmocka_unit_test(inventories_of_the_wrong_shape_are_refused),
        cmocka_unit_test(an_inventory_has_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
