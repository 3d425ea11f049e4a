/* From fleet files to somebody who can be dialled. */
#include "tests/unit/remote/reach.h"

#include "remote/target.h"

struct setting {
    char *directory;
    struct fleet *fleet;
    struct err_info info;
};

static void setting_open(struct setting *setting, const char *hosts)
{
    *setting = (struct setting){.directory = test_dir_new()};
    char *path = paths_join(setting->directory, "fleet.yaml");
    assert_int_equal(paths_write_atomic(path, "fleet: test\n", 12, 0600, NULL), ERR_OK);
    free(path);
    path = paths_join(setting->directory, "hosts.yaml");
    assert_int_equal(paths_write_atomic(path, hosts, strlen(hosts), 0600, NULL), ERR_OK);
    free(path);
    struct complaints complaints = {0};
    enum err err = fleet_load(setting->directory, &setting->fleet, &complaints, &setting->info);
    complaints_print(&complaints, stderr);
    complaints_free(&complaints);
    assert_ok(err, &setting->info);
}

static void setting_close(struct setting *setting)
{
    fleet_free(setting->fleet);
    test_dir_free(setting->directory);
}

static void jumps_of_the_fleet_become_a_chain_each_with_its_own_user(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "hosts:\n"
                           "  gate: { address: 192.0.2.1, roles: [proxy] }\n"
                           "  mid:  { address: 10.0.0.1, jump: gate, user: root }\n"
                           "  nas1: { address: 10.1.0.7, port: 2222, jump: mid }\n");
    struct target *target;
    const struct host_def *host = fleet_host(setting.fleet, "nas1");
    assert_ok(
        target_for_engine(setting.fleet, host, setting.directory, "viewer", &target, &setting.info), &setting.info);
    fleet_free(setting.fleet); /* the target does not need it any more */
    setting.fleet = NULL;
    const struct remote_target *at = target_address(target);
    assert_string_equal(at->name, "nas1");
    assert_int_equal(at->port, 2222);
    assert_string_equal(at->user, "dogwatch");
    assert_true(str_ends(at->identity_file, "/keys/viewer"));
    assert_string_equal(at->jump->name, "mid");
    assert_string_equal(at->jump->user, "root");
    assert_string_equal(at->jump->jump->address, "192.0.2.1");
    assert_null(at->jump->jump->jump);
    assert_string_equal(target_jump(target), "mid");
    target_pin(target, "SHA256:x");
    assert_string_equal(at->pinned_fingerprint, "SHA256:x");
    assert_null(at->jump->pinned_fingerprint);
    target_free(target);
    setting_close(&setting);
}

static void a_person_logs_in_with_a_login_of_their_own(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "hosts: { gate: { address: 192.0.2.1 } }\n");
    struct host_def fresh = {.name = "new", .address = "192.0.2.9", .port = 22, .user = "dogwatch", .jump = "gate"};
    struct target_login login = {.user = "ann"};
    struct target *target;
    assert_ok(
        target_for_person(setting.fleet, &fresh, setting.directory, &login, &target, &setting.info), &setting.info);
    assert_string_equal(target_address(target)->user, "ann");
    assert_string_equal(target_address(target)->jump->user, "ann");
    assert_null(target_address(target)->identity_file);
    target_free(target);
    fresh.jump = "nowhere";
    assert_int_equal(
        target_for_person(setting.fleet, &fresh, setting.directory, &login, &target, &setting.info), ERR_INVALID);
    assert_says(&setting.info, "nowhere");
    assert_null(target);
    setting_close(&setting);
}

static void four_jumps_are_not_too_many(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "hosts:\n"
                           "  a: { address: 192.0.2.1, jump: b }\n"
                           "  b: { address: 192.0.2.2, jump: c }\n"
                           "  c: { address: 192.0.2.3, jump: d }\n"
                           "  d: { address: 192.0.2.4, jump: e }\n"
                           "  e: { address: 192.0.2.5 }\n");
    struct target *target;
    const struct host_def *host = fleet_host(setting.fleet, "a");
    assert_ok(
        target_for_engine(setting.fleet, host, setting.directory, "viewer", &target, &setting.info), &setting.info);
    assert_string_equal(target_address(target)->jump->jump->jump->jump->name, "e");
    target_free(target);
    setting_close(&setting);
}

/* Fleet files are checked for these when they are read; here they are made by hand. `jumps`: of hosts a, b, c… */
static void assert_refused(const char *const *jumps, size_t count, const char *says)
{
    struct fleet fleet = {0};
    struct err_info info = {0};
    char *directory = test_dir_new();
    struct target *target = (struct target *)1;
    for (size_t i = 0; i < count; i++)
        *(struct host_def *)vec_add(&fleet.hosts) = (struct host_def){.name = xasprintf("%c", 'a' + (int)i),
            .address = "192.0.2.1",
            .port = 22,
            .user = "dogwatch",
            .jump = jumps[i] ? xstrdup(jumps[i]) : NULL};
    assert_int_equal(
        target_for_engine(&fleet, &fleet.hosts.items[0], directory, "viewer", &target, &info), ERR_INVALID);
    assert_null(target);
    assert_says(&info, says);
    vec_each (&fleet.hosts, struct host_def, host) {
        free(host->name);
        free(host->jump);
    }
    vec_free(&fleet.hosts);
    test_dir_free(directory);
}

static void rings_and_unknown_jumps_are_refused(void **state)
{
    (void)state;
    assert_refused((const char *const[]){"b", "a"}, 2, "ring");
    assert_refused((const char *const[]){"a"}, 1, "ring");
    assert_refused((const char *const[]){"nowhere"}, 1, "nowhere");
    assert_refused((const char *const[]){"b", "c", "d", "e", "f", NULL}, 6, "more than 4 jump hosts");
}

static void without_a_home_the_users_known_hosts_are_not_read(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "hosts: { gate: { address: 192.0.2.1 } }\n");
    const struct host_def *host = fleet_host(setting.fleet, "gate");
    struct target *target;
    setenv("HOME", "/home/keeper", 1);
    assert_ok(
        target_for_engine(setting.fleet, host, setting.directory, "viewer", &target, &setting.info), &setting.info);
    assert_string_equal(target_address(target)->known_hosts.user, "/home/keeper/.ssh/known_hosts");
    assert_true(str_ends(target_address(target)->known_hosts.ours, "/known_hosts"));
    assert_null(target_address(target)->pinned_fingerprint);
    assert_null(target_jump(target));
    target_free(target);
    unsetenv("HOME");
    assert_ok(
        target_for_engine(setting.fleet, host, setting.directory, "viewer", &target, &setting.info), &setting.info);
    assert_null(target_address(target)->known_hosts.user);
    target_free(target);
    setting_close(&setting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumps_of_the_fleet_become_a_chain_each_with_its_own_user),
        cmocka_unit_test(a_person_logs_in_with_a_login_of_their_own),
        cmocka_unit_test(four_jumps_are_not_too_many),
        cmocka_unit_test(rings_and_unknown_jumps_are_refused),
        cmocka_unit_test(without_a_home_the_users_known_hosts_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
