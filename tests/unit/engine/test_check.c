/* engine/check: what `dogwatch check` prints, and with which status it ends. */
#include "tests/unit/fleet/files.h"

#include <fcntl.h>

#include "engine/check.h"

/* Run it with standard output in a file; the caller frees *output. */
static int run_check(const struct files *files, const char *argument, char **output)
{
    char *path = paths_join(files->directory, "output");
    char verb[] = "check", *word = xstrdup(argument);
    char *argv[] = {verb, word, NULL};
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && out >= 0 && dup2(out, STDOUT_FILENO) >= 0);
    int status = check_main(2, argv);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    close(out);
    *output = files_read(files, "output");
    free(path);
    free(word);
    return status;
}

static void a_fine_fleet_is_counted(void **state)
{
    (void)state;
    struct files files = files_new();
    struct buf hosts = BUF(1 << 20);
    char *output;
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "sites/a.yaml", ONE_SITE);
    buf_puts(&hosts, "hosts:\n");
    for (int i = 0; i < 1234; i++)
        buf_printf(&hosts, "  h%d: { address: a }\n", i);
    files_write(&files, "hosts.yaml", buf_text(&hosts));
    assert_int_equal(run_check(&files, files.directory, &output), 0);
    assert_string_equal(output, "fleet example-coop: 1,234 hosts, 1 site, fine\n");
    free(output);
    buf_free(&hosts);
    files_free(&files);
}

static void all_errors_are_printed_with_place_and_count(void **state)
{
    (void)state;
    struct files files = files_new();
    char *output;
    files_write(&files, "fleet.yaml", "fleet: a\ncolor: x\n");
    files_write(&files, "hosts.yaml", "hosts: { h: { adress: a } }\n");
    assert_int_equal(run_check(&files, files.directory, &output), 1);
    char *expected =
        xasprintf("%s/fleet.yaml:2:1: unknown key \"color\" in fleet.yaml; known are fleet, environment, interval\n"
                  "%s/hosts.yaml:1:15: unknown key \"adress\" in host h; did you mean \"address\"?\n"
                  "2 errors\n",
            files.directory, files.directory);
    assert_string_equal(output, expected);
    free(expected);
    free(output);
    files_free(&files);
}

static void a_directory_without_a_fleet_ends_with_2(void **state)
{
    (void)state;
    struct files files = files_new();
    char *output;
    assert_int_equal(run_check(&files, files.directory, &output), 2);
    assert_string_equal(output, "");
    free(output);
    assert_int_equal(run_check(&files, "--no-such-option", &output), 2);
    free(output);
    files_free(&files);
}

static void the_reference_of_keys_is_printed_on_request(void **state)
{
    (void)state;
    struct files files = files_new();
    char *output;
    assert_int_equal(run_check(&files, "--keys", &output), 0);
    assert_non_null(strstr(output, "| `address` | address | **required** |"));
    free(output);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fine_fleet_is_counted),
        cmocka_unit_test(all_errors_are_printed_with_place_and_count),
        cmocka_unit_test(a_directory_without_a_fleet_ends_with_2),
        cmocka_unit_test(the_reference_of_keys_is_printed_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
