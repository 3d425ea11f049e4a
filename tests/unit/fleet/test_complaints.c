/* What is said about wrong fleet files: the exact words and positions people and editors rely on. */
#include "tests/unit/fleet/files.h"

struct bad {
    const char *name; /* of the file */
    const char *text;
    const char *expected; /* without the file's name; lines in order */
};

#define HOST(members) "hosts:\n  h: { " members " }\n"
#define SITE(members) "sites:\n  s:\n    containers: { web: { image: x } }\n" members
#define CONTAINER(members) "sites:\n  s:\n    containers: { web: { image: x, " members " } }\n"
#define NAME_RULE "; a name is made of lower-case letters, digits, \".\", \"_\" and \"-\", up to 63\n"

static const struct bad keys[] = {
    {"hosts.yaml", HOST("adress: a, address: a"), "2:8: unknown key \"adress\" in host h; did you mean \"address\"?\n"},
    {"hosts.yaml", HOST("adress: a"), "2:8: unknown key \"adress\" in host h; did you mean \"address\"?\n"},
    {"hosts.yaml", HOST("address: a, colour: red"),
        "2:20: unknown key \"colour\" in host h; known are address, port, user, jump, roles, labels\n"},
    {"hosts.yaml", HOST("address: a, sites: {}"),
        "2:20: unknown key \"sites\" in host h; it belongs at the top of sites/*.yaml\n"},
    {"hosts.yaml", HOST("address: a, address: b"), "2:20: duplicate key \"address\" in host h\n"},
    {"hosts.yaml", HOST("port: 23"), "2:3: host h needs the key \"address\" (where its sshd is reached)\n"},
    {"hosts.yaml", "hosts: {}\nhost: {}\n", "2:1: unknown key \"host\" in hosts.yaml; did you mean \"hosts\"?\n"},
    {"hosts.yaml", "hosts: {}\nhosts: {}\n", "2:1: duplicate key \"hosts\" in hosts.yaml\n"},
    {"fleet.yaml", "environment: test\n",
        "1:1: fleet.yaml needs the key \"fleet\" (the fleet's name, shown in every title)\n"},
    {"fleet.yaml", "", "1:1: fleet.yaml needs the key \"fleet\" (the fleet's name, shown in every title)\n"},
    {"hosts.yaml", HOST("address: a, ? [b] : c"), "2:22: expected a key in host h, got a list\n"},
    {"hosts.yaml", HOST("address: a, ~: c"), "2:20: expected a key in host h, got nothing\n"},
    {"hosts.yaml", HOST("address: a, <<: { port: 1 }"),
        "2:20: unknown key \"<<\" in host h; known are address, port, user, jump, roles, labels\n"},
};

static const struct bad types[] = {
    {"sites/a.yaml", CONTAINER("memory: lots"),
        "3:44: memory in container web of site s: expected a size such as 256M, got \"lots\"\n"},
    {"sites/a.yaml", CONTAINER("memory: 1.5G"),
        "3:44: memory in container web of site s: expected a size such as 256M, got \"1.5G\"\n"},
    {"sites/a.yaml", CONTAINER("memory: 16384T"),
        "3:44: memory in container web of site s: \"16384T\" is not within 1M to 64T\n"},
    {"sites/a.yaml", CONTAINER("memory: 99999999999999999999G"),
        "3:44: memory in container web of site s: expected a size such as 256M, got \"99999999999999999999G\"\n"},
    {"sites/a.yaml", CONTAINER("memory:"),
        "3:44: memory in container web of site s: expected a size such as 256M, got nothing\n"},
    {"sites/a.yaml", CONTAINER("memory: [256M]"),
        "3:44: memory in container web of site s: expected a size such as 256M, got a list\n"},
    {"sites/a.yaml", CONTAINER("cpus: { a: b }"),
        "3:42: cpus in container web of site s: expected a number such as 0.5, got a mapping\n"},
    {"sites/a.yaml", CONTAINER("cpus: 0"), "3:42: cpus in container web of site s: \"0\" is not within 0.01 to 1024\n"},
    {"sites/a.yaml", CONTAINER("read_only: yes"),
        "3:47: read_only in container web of site s: expected true or false, got \"yes\"\n"},
    {"sites/a.yaml", CONTAINER("read_only: \"true\""),
        "3:47: read_only in container web of site s: expected true or false without quotes, got \"true\" in quotes\n"},
    {"sites/a.yaml", CONTAINER("publish: 0"),
        "3:45: publish in container web of site s: \"0\" is not within 1 to 65535\n"},
    {"sites/a.yaml", CONTAINER("publish: 0x50"),
        "3:45: publish in container web of site s: expected a port such as 8080, got \"0x50\"\n"},
    {"sites/a.yaml", CONTAINER("user: www-data"),
        "3:42: user in container web of site s: expected a user such as \"2042:2042\", got \"www-data\"\n"},
    {"sites/a.yaml", SITE("    domains: a.org\n"),
        "4:14: domains in site s: expected a list such as [a, b], got \"a.org\"\n"},
    {"sites/a.yaml", SITE("    domains: [A.org, -x.org, a..b]\n"),
        "4:15: domains in site s: expected a domain in lower case such as www.example.org, got \"A.org\"\n"
        "4:22: domains in site s: expected a domain in lower case such as www.example.org, got \"-x.org\"\n"
        "4:30: domains in site s: expected a domain in lower case such as www.example.org, got \"a..b\"\n"},
    {"sites/a.yaml", SITE("    volumes: { d: { driver: zfs } }\n"),
        "4:29: driver in volume d of site s: expected dir, btrfs or mount, got \"zfs\"\n"},
    {"sites/a.yaml", SITE("    health: / \n"), "4:13: health in site s: expected a mapping, got \"/\"\n"},
    {"sites/a.yaml", SITE("    health: { status: 99 }\n"),
        "4:23: status in health of site s: \"99\" is not within 100 to 599\n"},
    {"sites/a.yaml", SITE("    health: { path: \"/a b\" }\n"),
        "4:21: path in health of site s: expected the path of a URL such as /health, got \"/a b\"\n"},
    {"sites/a.yaml", SITE("    member: \"a\\nb\"\n"),
        "4:13: member in site s: expected text without control characters, got \"a�b\"\n"},
    {"hosts.yaml", HOST("address: -oProxyCommand=x"),
        "2:17: address in host h: expected a host name, an IPv4 or an IPv6 address, got \"-oProxyCommand=x\"\n"},
    {"hosts.yaml", HOST("address: 192.0.2.256"),
        "2:17: address in host h: expected a host name, an IPv4 or an IPv6 address, got \"192.0.2.256\"\n"},
    {"hosts.yaml", HOST("address: a, user: -l"),
        "2:26: user in host h: expected a login name such as dogwatch, got \"-l\"\n"},
    {"hosts.yaml", HOST("address: a, roles: [compute, prox]"),
        "2:37: roles in host h: expected compute, proxy, storage or backup, got \"prox\"\n"},
    {"hosts.yaml", HOST("address: a, labels: [x]"),
        "2:28: labels in host h: expected a mapping such as { name: value }, got a list\n"},
    {"hosts.yaml", HOST("address: a, labels: { r: 1, r: 2 }"), "2:36: labels in host h: \"r\" is there twice\n"},
    {"hosts.yaml", "hosts: []\n", "1:8: hosts in hosts.yaml: expected a mapping from names, got a list\n"},
    {"hosts.yaml", "hosts:\n  h: 192.0.2.1\n", "2:6: host h: expected a mapping, got \"192.0.2.1\"\n"},
    {"hosts.yaml", "hosts:\n  Mosh01: { address: a }\n",
        "2:3: hosts in hosts.yaml: \"Mosh01\" cannot be a name" NAME_RULE},
    {"hosts.yaml", "hosts:\n  ../x: { address: a }\n", "2:3: hosts in hosts.yaml: \"../x\" cannot be a name" NAME_RULE},
    {"hosts.yaml", "- hosts\n", "1:1: hosts.yaml: expected a mapping, got a list\n"},
    {"fleet.yaml", "fleet: a\ninterval: 500ms\n", "2:11: interval in fleet.yaml: \"500ms\" is not within 1s to 10m\n"},
    {"fleet.yaml", "fleet: a\ninterval: soon\n",
        "2:11: interval in fleet.yaml: expected a duration such as 10s, got \"soon\"\n"},
};

static const struct bad mounts[] = {
    {"sites/a.yaml", CONTAINER("mounts: { d: /a }"),
        "3:46: container web of site s mounts d, which is not among the site's volumes\n"},
    {"sites/a.yaml", CONTAINER("mounts: { dta: /a }") "    volumes: { data: {} }\n",
        "3:46: container web of site s mounts dta, which is not among the site's volumes; did you mean \"data\"?\n"},
    {"sites/a.yaml", CONTAINER("mounts: { d: /a/../b }") "    volumes: { d: {} }\n",
        "3:49: mounts in container web of site s: expected an absolute path such as /var/www, got \"/a/../b\"\n"},
    {"sites/a.yaml", CONTAINER("mounts: { d: \"/a:rw\" }") "    volumes: { d: {} }\n",
        "3:49: mounts in container web of site s: expected an absolute path such as /var/www, got \"/a:rw\"\n"},
};

static const struct bad references[] = {
    {"sites/a.yaml", "sites:\n  s: { containers: { a: { image: x, publish: 80 }, b: { image: x, publish: 80 } } }\n",
        "2:52: containers a and b of site s both publish port 80\n"},
    {"sites/a.yaml", "sites:\n  s: { containers: { a: { image: x }, a: { image: x } } }\n",
        "2:39: containers in site s: \"a\" is there twice\n"},
    {"sites/a.yaml", "sites:\n  s: { domains: [a.org] }\n",
        "2:3: site s needs the key \"containers\" (what runs, by name; at least one)\n"},
    {"sites/a.yaml", "sites:\n  s: { containers: {} }\n", "2:20: containers in site s: at least one is needed\n"},
    {"sites/a.yaml", SITE("    domains: [a.org, a.org]\n"), "4:22: domain a.org is there twice in site s\n"},
    {"sites/a.yaml", SITE("    domains: [a.org]\n") "  t: { containers: { a: { image: x } }, domains: [a.org] }\n",
        "5:51: domain a.org belongs to site s already (sites/a.yaml:4:15)\n"},
    {"sites/a.yaml", SITE("") "  s: { containers: { a: { image: x } } }\n",
        "4:3: site s is there already (sites/a.yaml:2:3)\n"},
    {"hosts.yaml", HOST("address: a") "  h: { address: b }\n", "3:3: host h is there already (hosts.yaml:2:3)\n"},
    {"hosts.yaml", HOST("address: a, jump: g") "  gate: { address: b }\n",
        "2:26: host h jumps over \"g\", which is not in hosts.yaml\n"},
    {"hosts.yaml", HOST("address: a, jump: gat") "  gate: { address: b }\n",
        "2:26: host h jumps over \"gat\", which is not in hosts.yaml; did you mean \"gate\"?\n"},
    {"hosts.yaml", HOST("address: a, jump: h"), "2:3: jump hosts go in a circle: h → h\n"},
    {"hosts.yaml", HOST("address: a, jump: b") "  b: { address: a, jump: c }\n  c: { address: a, jump: b }\n",
        "3:3: jump hosts go in a circle: b → c → b\n"},
};

static const struct bad syntax[] = {
    {"hosts.yaml", "hosts:\n\th: {}\n", "2:1: a tab cannot indent or separate YAML here; use blanks\n"},
    {"hosts.yaml", "hosts: {}\n---\na: b\n",
        "2:1: a second document begins here; a fleet file has one: remove the \"---\"\n"},
    {"hosts.yaml", "%YAML 1.1\n---\nhosts: {}\n", "1:1: directives (%YAML, %TAG) are refused: remove the line\n"},
    {"hosts.yaml", "hosts:\n  a: &x { address: b }\n",
        "2:6: anchors and aliases are refused: write \"x\" out where it is used\n"},
    {"hosts.yaml", HOST("address: !!str a"),
        "2:17: tags such as \"tag:yaml.org,2002:str\" are refused: write the value alone\n"},
    {"hosts.yaml", "hosts:\n  a: { address: \"b\"\n  c: {}\n",
        "3:3: not valid YAML: did not find expected ',' or '}', while parsing a flow mapping that begins on line 2\n"},
};

static void check_all(const struct bad *cases, size_t count)
{
    struct files files = files_new();
    for (size_t i = 0; i < count; i++) {
        files_write(&files, "fleet.yaml", FLEET_YAML);
        files_write(&files, "hosts.yaml", "hosts: {}\n");
        files_write(&files, "sites/a.yaml", ONE_SITE);
        files_write(&files, cases[i].name, cases[i].text);
        char *said = files_complaints(&files);
        char *prefix = xasprintf("%s:", cases[i].name);
        for (char *at = said; at && str_starts(at, prefix); at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
            memmove(at, at + strlen(prefix), strlen(at + strlen(prefix)) + 1);
        if (strcmp(said, cases[i].expected) != 0)
            fail_msg("for\n%s\nexpected\n%s\nbut was told\n%s", cases[i].text, cases[i].expected, said);
        free(prefix);
        free(said);
    }
    files_free(&files);
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

static void unknown_doubled_and_missing_keys_are_named(void **state)
{
    (void)state;
    CHECK_ALL(keys);
}

static void wrong_values_say_what_was_expected(void **state)
{
    (void)state;
    CHECK_ALL(types);
}

static void mounts_stay_within_the_site_and_the_container(void **state)
{
    (void)state;
    CHECK_ALL(mounts);
}

static void names_that_stand_for_nothing_or_for_two_things_are_told(void **state)
{
    (void)state;
    CHECK_ALL(references);
}

static void what_the_files_may_not_contain_is_told_with_its_place(void **state)
{
    (void)state;
    CHECK_ALL(syntax);
}

static void a_site_or_domain_in_two_files_names_both_places(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "sites/a.yaml", SITE("    domains: [d.org]\n"));
    files_write(&files, "sites/b.yaml", SITE(""));
    files_write(&files, "sites/c.yaml", "sites: { t: { containers: { a: { image: x } }, domains: [d.org] } }\n");
    char *said = files_complaints(&files);
    assert_string_equal(said, "sites/b.yaml:2:3: site s is there already (sites/a.yaml:2:3)\n"
                              "sites/c.yaml:1:58: domain d.org belongs to site s already (sites/a.yaml:4:15)\n");
    free(said);
    files_free(&files);
}

static void a_syntax_error_ends_only_its_own_file(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", "environment: [\n");
    files_write(&files, "hosts.yaml", HOST("port: x") "  i: { address: ] }\n");
    files_write(&files, "sites/a.yaml", SITE("    colour: red\n"));
    char *said = files_complaints(&files);
    assert_non_null(strstr(said, "fleet.yaml:2:1: not valid YAML"));
    assert_non_null(strstr(said, "hosts.yaml:2:14: port in host h: expected a port such as 8080, got \"x\"\n"));
    assert_non_null(strstr(said, "hosts.yaml:3:17: not valid YAML"));
    assert_non_null(strstr(said, "sites/a.yaml:4:5: unknown key \"colour\" in site s"));
    assert_null(strstr(said, "fleet.yaml needs")); /* what follows the error may well be there */
    free(said);
    files_free(&files);
}

static void yml_is_told_rather_than_silently_left_out(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "sites/a.yml", ONE_SITE);
    char *said = files_complaints(&files);
    assert_string_equal(said, "sites/a.yml: fleet files end in .yaml; rename it\n");
    free(said);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_doubled_and_missing_keys_are_named),
        cmocka_unit_test(wrong_values_say_what_was_expected),
        cmocka_unit_test(mounts_stay_within_the_site_and_the_container),
        cmocka_unit_test(names_that_stand_for_nothing_or_for_two_things_are_told),
        cmocka_unit_test(what_the_files_may_not_contain_is_told_with_its_place),
        cmocka_unit_test(a_site_or_domain_in_two_files_names_both_places),
        cmocka_unit_test(a_syntax_error_ends_only_its_own_file),
        cmocka_unit_test(yml_is_told_rather_than_silently_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
