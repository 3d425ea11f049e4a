/* Files damaged at random, with fixed seeds: whatever is in them, loading ends with a fleet or with complaints, and an
 * edit either is refused and changes nothing, or adds exactly the one host and takes exactly it away again. */
#include "tests/unit/fleet/files.h"

#include "fleet/hosts_text.h"

#define ROUNDS 1500

static const char hosts_yaml[] = "# ours\n"
                                 "hosts:\n"
                                 "  gate:   { address: 192.0.2.1,  roles: [proxy] } # first\n"
                                 "  nas1:\n"
                                 "    address: \"2001:db8::7\"\n"
                                 "    jump: gate\n"
                                 "    labels: { rack: ü1, \"note\": 'it''s' }\n"
                                 "  # then\n"
                                 "  mosh01: {\n"
                                 "    address: 192.0.2.11, # inside\n"
                                 "  }\n";

static const char flow_hosts_yaml[] = "hosts: {\n"
                                      "  a: { address: b }, # a\n"
                                      "  c: { address: d, jump: a }\n"
                                      "} # end\n";

static const char site_yaml[] = "sites:\n"
                                "  a.org:\n"
                                "    domains: [a.org]\n"
                                "    containers: { web: { image: x, mounts: { d: /d } } }\n"
                                "    volumes: { d: { size: 5G } }\n";

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX */
    return *seed >> 33;
}

/* One to three of: a byte changed to one that means something in YAML, a piece cut out, a piece doubled. */
static void damage(char *text, size_t size, uint64_t *seed)
{
    static const char meaningful[] = "{}[],:#&*!|>'\"%@`-? \t\n\r~<=\\0a\xC3\xFF\x01";
    for (uint64_t times = next_random(seed) % 3 + 1; times > 0; times--) {
        size_t length = strlen(text);
        if (length < 16)
            return;
        size_t at = next_random(seed) % (length - 8), piece = next_random(seed) % 8;
        switch (next_random(seed) % 3) {
        case 0:
            text[at] = meaningful[next_random(seed) % (sizeof meaningful - 1)];
            break;
        case 1:
            memmove(text + at, text + at + piece, length - at - piece + 1);
            break;
        default:
            if (length + piece < size)
                memmove(text + at + piece, text + at, length - at + 1);
        }
    }
}

static bool loads(const struct files *files, size_t *hosts)
{
    struct complaints complaints = {0};
    struct fleet *fleet;
    enum err result = fleet_load(files->directory, &fleet, &complaints, NULL);
    assert_true((result == ERR_OK) == (fleet != NULL));
    assert_true((result == ERR_OK) == (complaints.list.count == 0));
    vec_each (&complaints.list, struct complaint, complaint)
        assert_true(complaint->message[0] != '\0');
    *hosts = fleet ? fleet->hosts.count : 0;
    fleet_free(fleet);
    complaints_free(&complaints);
    return result == ERR_OK;
}

static size_t edit_and_undo(const struct files *files, size_t hosts)
{
    static char name[] = "new", address[] = "192.0.2.9";
    const struct host_def host = {.name = name, .address = address};
    size_t now;
    char *before = files_read(files, "hosts.yaml");
    enum err result = fleet_add_host(files->directory, &host, NULL);
    assert_true(loads(files, &now));
    assert_int_equal(now, hosts + (result == ERR_OK));
    char *after = files_read(files, "hosts.yaml");
    assert_int_equal(strcmp(before, after) == 0, result != ERR_OK);
    if (result == ERR_OK && fleet_remove_host(files->directory, "new", NULL) == ERR_OK) {
        assert_true(loads(files, &now));
        assert_int_equal(now, hosts);
    }
    free(before);
    free(after);
    return result == ERR_OK;
}

static void damaged_files_never_become_another_fleet(void **state)
{
    (void)state;
    static const char *const originals[] = {hosts_yaml, flow_hosts_yaml};
    struct files files = files_new();
    size_t edited = 0, refused = 0;
    files_write(&files, "fleet.yaml", FLEET_YAML);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        char text[1024], site[1024];
        uint64_t seed = round;
        size_t hosts;
        str_copy(text, sizeof text, originals[round % 2]);
        str_copy(site, sizeof site, site_yaml);
        damage(round % 5 ? text : site, sizeof text, &seed);
        files_write(&files, "hosts.yaml", text);
        files_write(&files, "sites/a.yaml", site);
        if (loads(&files, &hosts))
            edited += edit_and_undo(&files, hosts);
        else
            refused++;
    }
    assert_true(edited > ROUNDS / 20); /* both ways were really taken */
    assert_true(refused > ROUNDS / 20);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_never_become_another_fleet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
