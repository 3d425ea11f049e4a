/* docs/fleet-files.md: what people read is what the program takes. */
#include "tests/unit/fleet/files.h"

#include "fleet/schema.h"

static char *read_manual(void)
{
    struct buf text = BUF(1 << 20);
    assert_int_equal(buf_read_file(&text, "docs/fleet-files.md", NULL), ERR_OK);
    return buf_take(&text);
}

static void the_manual_has_the_reference_of_all_keys(void **state)
{
    (void)state;
    char *manual = read_manual();
    struct buf reference = BUF(1 << 16);
    schema_describe(&reference);
    char *text = buf_take(&reference);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!strstr(manual, line))
            fail_msg("docs/fleet-files.md lacks the line below; dogwatch check --keys prints all of them\n%s", line);
    }
    free(text);
    free(manual);
}

/* The indented block of the manual that begins with that line, without the indentation; the caller frees. */
static char *example(const char *manual, const char *first_line)
{
    char *title = xasprintf("\n    %s\n", first_line);
    const char *line = strstr(manual, title);
    assert_non_null(line);
    struct buf text = BUF(1 << 16);
    for (line++; str_starts(line, "    "); line = strchr(line, '\n') + 1)
        buf_append(&text, line + 4, (size_t)(strchr(line, '\n') + 1 - line) - 4);
    free(title);
    return buf_take(&text);
}

static void the_manuals_example_is_right(void **state)
{
    (void)state;
    static const char *const names[] = {"fleet.yaml", "hosts.yaml", "sites/example.yaml"};
    struct files files = files_new();
    char *manual = read_manual();
    for (size_t i = 0; i < 3; i++) {
        char *title = xasprintf("# %s", names[i]);
        char *text = example(manual, title);
        files_write(&files, names[i], text);
        free(text);
        free(title);
    }
    struct fleet *fleet = files_load(&files);
    assert_int_equal(fleet->hosts.count, 3);
    assert_int_equal(fleet->sites.count, 1);
    fleet_free(fleet);
    free(manual);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_has_the_reference_of_all_keys),
        cmocka_unit_test(the_manuals_example_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
