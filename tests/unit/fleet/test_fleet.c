/* fleet/fleet: what is read from good files, and how it is found again. */
#include "tests/unit/fleet/files.h"

static const char hosts_yaml[] =
    "hosts:\n"
    "  mosh01: { address: 192.0.2.11, user: admin, roles: [compute], labels: { rack: a1 } }\n"
    "  gate:   { address: 192.0.2.1,  roles: [proxy] }\n"
    "  nas1:   { address: \"2001:db8::7\", port: 2222, jump: gate, roles: [storage, backup] }\n";

static const char site_yaml[] =
    "sites:\n"
    "  example.org:\n"
    "    domains: [example.org, www.example.org]\n"
    "    member: Example Coalition\n"
    "    containers:\n"
    "      web: { image: \"localhost/infra/3f2c/web\", publish: 8080, memory: 256M, cpus: 0.5, user: \"2042:2042\",\n"
    "             read_only: true, mounts: { data: /var/www } }\n"
    "    volumes: { data: { driver: btrfs, size: 5G } }\n"
    "    health: { path: /up?full=1, status: 204, contains: \"Welcome\" }\n";

static struct files coop(void)
{
    struct files files = files_new();
    files_write(&files, "fleet.yaml", "fleet: example-coop\nenvironment: test # never by mistake\ninterval: 30s\n");
    files_write(&files, "hosts.yaml", hosts_yaml);
    files_write(&files, "sites/a.yaml", site_yaml);
    files_write(&files, "sites/b.yaml", "sites:\n  a.net:\n    containers: { web: { image: x } }\n");
    return files;
}

static void hosts_are_read_with_all_they_state(void **state)
{
    (void)state;
    struct files files = coop();
    struct fleet *fleet = files_load(&files);
    assert_int_equal(fleet->hosts.count, 3);
    const struct host_def *host = fleet_host(fleet, "mosh01");
    assert_string_equal(host->address, "192.0.2.11");
    assert_string_equal(host->user, "admin");
    assert_int_equal(host->labels.count, 1);
    assert_string_equal(host->labels.items[0].name, "rack");
    assert_string_equal(host->labels.items[0].value, "a1");
    host = fleet_host(fleet, "nas1");
    assert_string_equal(host->address, "2001:db8::7");
    assert_int_equal(host->port, 2222);
    assert_string_equal(host->jump, "gate");
    assert_int_equal(host->roles, ROLE_STORAGE | ROLE_BACKUP);
    assert_int_equal(host->place.line, 4);
    assert_int_equal(host->place.column, 3);
    assert_true(str_ends(host->place.file, "/hosts.yaml"));
    fleet_free(fleet);
    files_free(&files);
}

static void sites_are_read_with_all_they_state(void **state)
{
    (void)state;
    struct files files = coop();
    struct fleet *fleet = files_load(&files);
    const struct site_def *site = fleet_site(fleet, "example.org");
    assert_string_equal(site->member, "Example Coalition");
    assert_int_equal(site->domains.count, 2);
    assert_string_equal(site->domains.items[1], "www.example.org");
    const struct container_def *web = &site->containers.items[0];
    assert_int_equal(site->containers.count, 1);
    assert_string_equal(web->name, "web");
    assert_string_equal(web->image, "localhost/infra/3f2c/web");
    assert_int_equal(web->publish, 8080);
    assert_int_equal(web->memory_bytes, 256 << 20);
    assert_true(web->cpus > 0.49 && web->cpus < 0.51);
    assert_string_equal(web->user, "2042:2042");
    assert_true(web->read_only);
    assert_string_equal(web->mounts.items[0].volume, "data");
    assert_string_equal(web->mounts.items[0].path, "/var/www");
    assert_int_equal(site->volumes.items[0].driver, VOLUME_BTRFS);
    assert_int_equal(site->volumes.items[0].size_bytes, UINT64_C(5) << 30);
    assert_true(site->health.given);
    assert_string_equal(site->health.path, "/up?full=1");
    assert_int_equal(site->health.status, 204);
    assert_string_equal(site->health.contains, "Welcome");
    fleet_free(fleet);
    files_free(&files);
}

static void what_is_not_stated_has_its_default(void **state)
{
    (void)state;
    struct files files = coop();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    struct fleet *fleet = files_load(&files);
    assert_string_equal(fleet->name, "example-coop");
    assert_string_equal(fleet->environment, "production");
    assert_int_equal(fleet->interval_us, 10000000);
    const struct host_def *gate = fleet_host(fleet, "gate");
    assert_string_equal(gate->user, "dogwatch");
    assert_int_equal(gate->port, 22);
    assert_null(gate->jump);
    const struct site_def *site = fleet_site(fleet, "a.net");
    assert_false(site->health.given);
    assert_string_equal(site->health.path, "/");
    assert_int_equal(site->health.status, 200);
    assert_null(site->member);
    assert_int_equal(site->containers.items[0].memory_bytes, 0);
    files_write(&files, "hosts.yaml", "hosts: { plain: { address: h.example.org } }");
    fleet_free(fleet);
    fleet = files_load(&files);
    assert_int_equal(fleet_host(fleet, "plain")->roles, ROLE_COMPUTE);
    fleet_free(fleet);
    files_free(&files);
}

static void the_fleet_itself_is_read(void **state)
{
    (void)state;
    struct files files = coop();
    struct fleet *fleet = files_load(&files);
    assert_string_equal(fleet->environment, "test");
    assert_int_equal(fleet->interval_us, 30000000);
    assert_int_equal(fleet->files.count, 4);
    fleet_free(fleet);
    files_free(&files);
}

static void hosts_and_sites_are_sorted_and_found_by_name(void **state)
{
    (void)state;
    struct files files = coop();
    struct fleet *fleet = files_load(&files);
    assert_string_equal(fleet->hosts.items[0].name, "gate");
    assert_string_equal(fleet->hosts.items[1].name, "mosh01");
    assert_string_equal(fleet->sites.items[0].name, "a.net");
    assert_null(fleet_host(fleet, "gat"));
    assert_null(fleet_site(fleet, "example.net"));
    fleet_free(fleet);
    files_free(&files);
}

static void a_fleet_may_have_no_hosts_and_no_sites_yet(void **state)
{
    (void)state;
    static const char *const empties[] = {
        "hosts: {}\n", "hosts:\n", "# nobody yet\n", "", "---\nhosts: ~\n", "\xEF\xBB\xBFhosts: {}\n", NULL};
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    for (size_t i = 0; empties[i]; i++) {
        files_write(&files, "hosts.yaml", empties[i]);
        struct fleet *fleet = files_load(&files);
        assert_int_equal(fleet->hosts.count, 0);
        assert_null(fleet_host(fleet, "a"));
        fleet_free(fleet);
    }
    files_free(&files);
}

static void no_fleet_yaml_is_told_apart_from_a_bad_one(void **state)
{
    (void)state;
    struct files files = files_new();
    struct complaints complaints = {0};
    struct err_info info;
    struct fleet *fleet;
    assert_int_equal(fleet_load(files.directory, &fleet, &complaints, &info), ERR_NOT_FOUND);
    assert_null(fleet);
    files_write(&files, "fleet.yaml", "fleet: [");
    assert_int_equal(fleet_load(files.directory, &fleet, &complaints, &info), ERR_INVALID);
    assert_null(fleet);
    assert_non_null(strstr(info.message, "fleet.yaml:1:"));
    complaints_free(&complaints);
    files_free(&files);
}

static void hidden_and_other_files_among_the_sites_are_not_read(void **state)
{
    (void)state;
    struct files files = coop();
    files_write(&files, "sites/.a.yaml.swp", "garbage: [");
    files_write(&files, "sites/.b.yaml", "garbage: [");
    files_write(&files, "sites/README", "garbage: [");
    struct fleet *fleet = files_load(&files);
    assert_int_equal(fleet->sites.count, 2);
    fleet_free(fleet);
    files_free(&files);
}

static void roles_are_written_and_read_as_words(void **state)
{
    (void)state;
    char text[64];
    unsigned roles;
    struct err_info info;
    assert_string_equal(roles_text(ROLE_COMPUTE | ROLE_BACKUP, text), "compute backup");
    assert_string_equal(roles_text(0, text), "");
    assert_true(roles_parse("proxy, storage", &roles, &info));
    assert_int_equal(roles, ROLE_PROXY | ROLE_STORAGE);
    assert_true(roles_parse("compute proxy storage backup", &roles, &info));
    assert_int_equal(roles, 15);
    assert_false(roles_parse("proxi", &roles, &info));
    assert_string_equal(info.message, "unknown role \"proxi\"; did you mean \"proxy\"?");
    assert_false(roles_parse(" , ", &roles, &info));
    assert_int_equal(roles, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_read_with_all_they_state),
        cmocka_unit_test(sites_are_read_with_all_they_state),
        cmocka_unit_test(what_is_not_stated_has_its_default),
        cmocka_unit_test(the_fleet_itself_is_read),
        cmocka_unit_test(hosts_and_sites_are_sorted_and_found_by_name),
        cmocka_unit_test(a_fleet_may_have_no_hosts_and_no_sites_yet),
        cmocka_unit_test(no_fleet_yaml_is_told_apart_from_a_bad_one),
        cmocka_unit_test(hidden_and_other_files_among_the_sites_are_not_read),
        cmocka_unit_test(roles_are_written_and_read_as_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
