/* fleet/hosts_edit and hosts_text: hosts come and go, everything else in hosts.yaml stays to the byte. */
#include "tests/unit/fleet/files.h"

#include "fleet/hosts_text.h"

struct edit {
    const char *before, *after;
};

static char name[] = "new", address[] = "192.0.2.9", user[] = "admin", jump[] = "a", odd_address[] = "fe80::";
static char rack[] = "rack", rack_value[] = "a \"1\": \\ #", note[] = "note", null_word[] = "null";

static const struct host_def plain = {.name = name, .address = address};

#define NEW "new: { address: 192.0.2.9 }"

static const struct edit additions[] = {
    {"hosts: {}\n", "hosts:\n  " NEW "\n"},
    {"hosts: {} # nobody yet\n# end\n", "hosts: # nobody yet\n  " NEW "\n# end\n"},
    {"hosts:\n", "hosts:\n  " NEW "\n"},
    {"hosts:", "hosts:\n  " NEW "\n"},
    {"hosts: ~\n", "hosts:\n  " NEW "\n"},
    {"# only this\n", "# only this\nhosts:\n  " NEW "\n"},
    {"", "hosts:\n  " NEW "\n"},
    {"hosts:\n  a: { address: b }\n", "hosts:\n  a: { address: b }\n  " NEW "\n"},
    {"hosts:\n  a: { address: b } # c", "hosts:\n  a: { address: b } # c\n  " NEW "\n"},
    {"hosts:\n    a: { address: b }\n\n# tail\n", "hosts:\n    a: { address: b }\n    " NEW "\n\n# tail\n"},
    {"hosts:\n  # first\n  a:\n    address: b # inner\n    roles:\n      - proxy\n  # last\n",
        "hosts:\n  # first\n  a:\n    address: b # inner\n    roles:\n      - proxy\n  " NEW "\n  # last\n"},
    {"hosts:\r\n  a: { address: b }\r\n", "hosts:\r\n  a: { address: b }\r\n  " NEW "\r\n"},
    {"hosts: { a: { address: b } }\n", "hosts: { a: { address: b }, " NEW " }\n"},
    {"hosts: { a: { address: b }, }\n", "hosts: { a: { address: b }, " NEW ", }\n"},
    {"hosts: {\n  a: { address: b } # c\n}\n", "hosts: {\n  a: { address: b }, # c\n  " NEW "\n}\n"},
    {"hosts: {\n  a: { address: b }, # c\n}\n", "hosts: {\n  a: { address: b }, # c\n  " NEW ",\n}\n"},
    {"hosts: { # c\n}\n", "hosts: { " NEW "  # c\n}\n"},
    {"{hosts: {}}", "{hosts: { " NEW " }}"},
    {"hosts:\n  ä1: { address: b, labels: { n: \"ü ü\" } } # ö\n",
        "hosts:\n  ä1: { address: b, labels: { n: \"ü ü\" } } # ö\n  " NEW "\n"},
    {"hosts:\n  a: { address: \"b\n    \" }\n", "hosts:\n  a: { address: \"b\n    \" }\n  " NEW "\n"},
};

static void a_host_is_written_in_and_the_rest_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof additions / sizeof *additions; i++) {
        struct err_info info = {0};
        char *text;
        if (hosts_text_add(additions[i].before, &plain, &text, &info) != ERR_OK)
            fail_msg("%s: %s", additions[i].before, info.message);
        assert_string_equal(text, additions[i].after);
        free(text);
    }
}

static const struct edit removals[] = {
    {"hosts:\n  " NEW "\n", "hosts:\n"},
    {"hosts:\n  a: { address: b } # c\n  " NEW " # gone\n  # stays\n  z: { address: b }\n",
        "hosts:\n  a: { address: b } # c\n  # stays\n  z: { address: b }\n"},
    {"hosts:\n  a: { address: b }\n  " NEW, "hosts:\n  a: { address: b }\n"},
    {"hosts:\n  new:\n    address: b\n    roles:\n      - proxy\n  # z is next\n  z:\n    address: c\n",
        "hosts:\n  # z is next\n  z:\n    address: c\n"},
    {"hosts:\n  new:\n    address: >-\n      b\n  z: { address: c }\n", "hosts:\n  z: { address: c }\n"},
    {"hosts: { " NEW " }\n", "hosts: {  }\n"},
    {"hosts: { " NEW ", z: { address: c } }\n", "hosts: { z: { address: c } }\n"},
    {"hosts: { a: { address: c }, " NEW " }\n", "hosts: { a: { address: c } }\n"},
    {"hosts: {\n  a: { address: c }, # a\n  " NEW ", # gone\n  z: { address: c } # z\n}\n",
        "hosts: {\n  a: { address: c }, # a\n  z: { address: c } # z\n}\n"},
    {"hosts: {\n  a: { address: c }, # a\n  " NEW " # gone\n}\n", "hosts: {\n  a: { address: c }, # a\n}\n"},
};

static void a_host_is_cut_out_and_the_rest_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof removals / sizeof *removals; i++) {
        struct err_info info = {0};
        char *text;
        if (hosts_text_remove(removals[i].before, "new", &text, &info) != ERR_OK)
            fail_msg("%s: %s", removals[i].before, info.message);
        assert_string_equal(text, removals[i].after);
        free(text);
    }
}

static void what_was_added_reads_back_as_it_was_meant(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "hosts.yaml", "hosts:\n  a: { address: b }\n");
    struct label labels[] = {{rack, rack_value}, {note, null_word}};
    struct host_def host = {.name = name,
        .address = odd_address,
        .user = user,
        .port = 2222,
        .jump = jump,
        .roles = ROLE_PROXY | ROLE_BACKUP,
        .labels = {.items = labels, .count = 2, .capacity = 2}};
    struct err_info info = {0};
    if (fleet_add_host(files.directory, &host, &info) != ERR_OK)
        fail_msg("%s", info.message);
    struct fleet *fleet = files_load(&files);
    const struct host_def *read = fleet_host(fleet, "new");
    assert_string_equal(read->address, "fe80::");
    assert_string_equal(read->user, "admin");
    assert_string_equal(read->jump, "a");
    assert_int_equal(read->port, 2222);
    assert_int_equal(read->roles, ROLE_PROXY | ROLE_BACKUP);
    assert_string_equal(read->labels.items[0].value, rack_value);
    assert_string_equal(read->labels.items[1].value, "null");
    fleet_free(fleet);
    files_free(&files);
}

static void the_first_host_makes_the_fleet(void **state)
{
    (void)state;
    struct files files = files_new();
    char *below = paths_join(files.directory, "etc/fleet");
    struct err_info info = {0};
    struct complaints complaints = {0};
    struct fleet *fleet;
    assert_int_equal(fleet_add_host(below, &plain, &info), ERR_OK);
    assert_int_equal(fleet_load(below, &fleet, &complaints, &info), ERR_OK);
    assert_int_equal(fleet->hosts.count, 1);
    assert_string_equal(fleet->name, "my-fleet");
    fleet_free(fleet);
    assert_int_equal(fleet_remove_host(below, "new", &info), ERR_OK);
    assert_int_equal(fleet_add_host(below, &plain, &info), ERR_OK);
    free(below);
    files_free(&files);
}

static void check_refused(
    const struct files *files, enum err result, enum err expected, const struct err_info *info, const char *because)
{
    assert_int_equal(result, expected);
    if (!strstr(info->message, because))
        fail_msg("expected \"%s\" in \"%s\"", because, info->message);
    char *text = files_read(files, "hosts.yaml");
    assert_string_equal(text, "hosts:\n  a: { address: b }\n  z: { address: b, jump: a }\n");
    free(text);
}

static void an_edit_that_would_break_the_fleet_changes_nothing(void **state)
{
    (void)state;
    static char nobody[] = "nobody", bad[] = "a b", z[] = "z", injected[] = "x }\n  evil: { address: y";
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "hosts.yaml", "hosts:\n  a: { address: b }\n  z: { address: b, jump: a }\n");
    struct err_info info;
    struct host_def host = {.name = z, .address = address};
    check_refused(&files, fleet_add_host(files.directory, &host, &info), ERR_EXISTS, &info, "host z is there already");
    host.name = bad;
    check_refused(&files, fleet_add_host(files.directory, &host, &info), ERR_INVALID, &info, "cannot be a host's name");
    host = (struct host_def){.name = name, .address = address, .jump = nobody};
    check_refused(&files, fleet_add_host(files.directory, &host, &info), ERR_INVALID, &info, "jumps over \"nobody\"");
    host = (struct host_def){.name = name, .address = injected};
    check_refused(&files, fleet_add_host(files.directory, &host, &info), ERR_INVALID, &info, "address in host new");
    static char two_lines[] = "a\nb"; /* would read back as "a b" */
    struct label labels[] = {{rack, two_lines}};
    host = (struct host_def){.name = name, .address = address, .labels = {.items = labels, .count = 1, .capacity = 1}};
    check_refused(&files, fleet_add_host(files.directory, &host, &info), ERR_INVALID, &info, "add the host by hand");
    check_refused(
        &files, fleet_remove_host(files.directory, "a", &info), ERR_INVALID, &info, "host z jumps over \"a\"");
    check_refused(&files, fleet_remove_host(files.directory, "new", &info), ERR_NOT_FOUND, &info, "not in hosts.yaml");
    files_write(&files, "sites/a.yaml", "sites: []\n");
    check_refused(&files, fleet_remove_host(files.directory, "z", &info), ERR_INVALID, &info,
        "the fleet files have to be right before they are edited");
    files_free(&files);
}

static void a_linked_file_stays_a_link_and_keeps_its_mode(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "real.yaml", "hosts: {}\n");
    char *link_path = paths_join(files.directory, "hosts.yaml"), *real_path = paths_join(files.directory, "real.yaml");
    assert_int_equal(chmod(real_path, 0640), 0);
    assert_int_equal(symlink("real.yaml", link_path), 0);
    assert_int_equal(fleet_add_host(files.directory, &plain, NULL), ERR_OK);
    struct stat status;
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(lstat(real_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    char *text = files_read(&files, "real.yaml");
    assert_string_equal(text, "hosts:\n  " NEW "\n");
    free(text);
    free(link_path);
    free(real_path);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_written_in_and_the_rest_stays),
        cmocka_unit_test(a_host_is_cut_out_and_the_rest_stays),
        cmocka_unit_test(what_was_added_reads_back_as_it_was_meant),
        cmocka_unit_test(the_first_host_makes_the_fleet),
        cmocka_unit_test(an_edit_that_would_break_the_fleet_changes_nothing),
        cmocka_unit_test(a_linked_file_stays_a_link_and_keeps_its_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
