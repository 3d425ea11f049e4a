/* Fleet files somebody made to hurt: refused with a reason, in bounded time and memory, whatever is in them. */
#include "tests/unit/fleet/files.h"

/* The complaints about a hosts.yaml of these bytes; the caller frees. */
static char *complaints_about(const char *data, size_t length)
{
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write_bytes(&files, "hosts.yaml", data, length);
    char *said = files_complaints(&files);
    files_free(&files);
    return said;
}

static void check_about(const char *data, size_t length, const char *expected)
{
    char *said = complaints_about(data, length);
    if (!strstr(said, expected))
        fail_msg("expected \"%s\" in \"%s\"", expected, said);
    free(said);
}

#define CHECK_TEXT(text, expected) check_about(text, sizeof(text) - 1, expected)

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static void aliases_are_never_expanded(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 20);
    buf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 30; i++)
        buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
            i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    buf_puts(&text, "hosts: *a29\n");
    char *said = complaints_about(buf_text(&text), text.length);
    assert_int_equal(count_of(said, "anchors and aliases are refused"), 30 + 29 * 9 + 1);
    free(said);
    buf_free(&text);
}

static void deep_nesting_ends_the_file(void **state)
{
    (void)state;
    static const char *const openings[] = {"[", "{a: ", "- ", "? ", NULL};
    for (size_t kind = 0; openings[kind]; kind++) {
        struct buf text = BUF(1 << 20);
        buf_puts(&text, kind < 2 ? "hosts: " : "");
        for (int i = 0; i < 50000; i++)
            buf_puts(&text, openings[kind]);
        check_about(buf_text(&text), text.length, "nested more than 32 deep");
        buf_free(&text);
    }
}

static void bytes_that_are_no_text_are_told_with_their_place(void **state)
{
    (void)state;
    CHECK_TEXT("hosts:\n  h\0: {}\n", "hosts.yaml:2:4: the byte 0x00 is a control character");
    CHECK_TEXT("# \x1b[2J\nhosts: {}\n", "hosts.yaml:1:3: the byte 0x1b is a control character");
    CHECK_TEXT("hosts: {} # ü\xff\n", "hosts.yaml:1:14: the byte 0xff is not valid UTF-8");
    CHECK_TEXT("hosts: {} # \xc0\x80\n", "hosts.yaml:1:13: the byte 0xc0 is not valid UTF-8");
    CHECK_TEXT("\xff\xfeh\0o\0", "hosts.yaml: the file is in UTF-16");
    CHECK_TEXT("\xfe\xff\0h\0o", "hosts.yaml: the file is in UTF-16");
}

static void escapes_cannot_smuggle_what_bytes_may_not(void **state)
{
    (void)state;
    CHECK_TEXT("hosts:\n  h: { address: \"a\\0b\" }\n", "2:17: text with a NUL character (\\0) within");
    CHECK_TEXT("hosts:\n  \"h\\0\": { address: a }\n", "2:3: text with a NUL character (\\0) within");
    CHECK_TEXT("\"hosts\\0\": {}\n", "1:1: text with a NUL character (\\0) within");
    CHECK_TEXT("hosts:\n  h: { address: \"\\e[2J\" }\n", "got \"\xEF\xBF\xBD[2J\"\n");
    CHECK_TEXT("hosts:\n  \"\\u202Eh\": { address: a }\n", "\"\xEF\xBF\xBDh\" cannot be a name");
    CHECK_TEXT("hosts:\n  h: { address: a, \"\\x1b]0;x\\x07\": 1 }\n", "unknown key \"\xEF\xBF\xBD]0;x\xEF\xBF\xBD\"");
}

static void a_huge_scalar_is_cut_in_the_message(void **state)
{
    (void)state;
    size_t length = (size_t)4 << 20;
    char *huge = xmalloc(length + 1);
    memset(huge, 'A', length);
    huge[length] = '\0';
    struct buf text = BUF(16 << 20);
    buf_printf(&text, "hosts:\n  h: { address: %s }\n", huge);
    char *said = complaints_about(buf_text(&text), text.length);
    assert_true(strlen(said) < 300);
    assert_non_null(strstr(said, "AAA…\"\n"));
    free(said);
    buf_free(&text);
    free(huge);
}

static void complaints_are_bounded_and_the_rest_is_counted(void **state)
{
    (void)state;
    struct buf text = BUF(16 << 20);
    buf_puts(&text, "hosts:\n  h:\n    address: a\n");
    for (int i = 0; i < 100000; i++)
        buf_puts(&text, "    address: a\n");
    char *said = complaints_about(buf_text(&text), text.length);
    assert_int_equal(count_of(said, "duplicate key \"address\" in host h\n"), 1000);
    assert_non_null(strstr(said, "\nand 99000 more\n"));
    free(said);
    buf_free(&text);
}

static void a_name_given_100000_times_is_told(void **state)
{
    (void)state;
    struct files files = files_new();
    struct buf text = BUF(16 << 20);
    files_write(&files, "fleet.yaml", FLEET_YAML);
    buf_puts(&text, "sites:\n");
    for (int i = 0; i < 100000; i++)
        buf_puts(&text, "  s: { containers: { w: { image: x } } }\n");
    files_write(&files, "sites/a.yaml", buf_text(&text));
    char *said = files_complaints(&files);
    assert_int_equal(count_of(said, "site s is there already (sites/a.yaml:2:3)\n"), 1000);
    assert_non_null(strstr(said, "\nand 98999 more\n"));
    free(said);
    buf_free(&text);
    files_free(&files);
}

static void the_limits_are_told_and_what_is_over_them_is_left_out(void **state)
{
    (void)state;
    struct buf text = BUF(16 << 20);
    buf_puts(&text, "hosts:\n");
    for (int i = 0; i < 10002; i++)
        buf_printf(&text, "  h%d: { address: a }\n", i);
    check_about(buf_text(&text), text.length, "hosts.yaml:10002:3: hosts in hosts.yaml: there are more than 10000\n");
    buf_clear(&text);
    buf_puts(&text, "hosts: { h: { address: a, labels: {");
    for (int i = 0; i < 18; i++)
        buf_printf(&text, "l%d: x, ", i);
    buf_puts(&text, "} } }");
    check_about(buf_text(&text), text.length, "labels in host h: there are more than 16\n");
    check_about("hosts: { h: { address: a, roles: [proxy, proxy, proxy, proxy, proxy, {}] } }",
        strlen("hosts: { h: { address: a, roles: [proxy, proxy, proxy, proxy, proxy, {}] } }"),
        "1:63: roles in host h: there are more than 4\n");
    buf_free(&text);
}

static void files_over_16_mb_are_refused(void **state)
{
    (void)state;
    size_t length = ((size_t)16 << 20) + 1;
    char *blanks = xmalloc(length);
    memset(blanks, '\n', length);
    check_about(blanks, length, "hosts.yaml: larger than 16 MB; split it into several files\n");
    free(blanks);
}

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    struct files files = files_new();
    files_write(&files, "fleet.yaml", FLEET_YAML);
    files_write(&files, "sites/a.yaml", ONE_SITE);
    char *fifo = paths_join(files.directory, "sites/b.yaml"), *directory = paths_join(files.directory, "sites/c.yaml");
    assert_int_equal(mkfifo(fifo, 0600), 0); /* reading it would wait for a writer */
    assert_int_equal(mkdir(directory, 0700), 0);
    char *said = files_complaints(&files);
    assert_string_equal(said, "sites/b.yaml: this is no regular file\nsites/c.yaml: this is no regular file\n");
    free(said);
    free(fifo);
    free(directory);
    files_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_are_never_expanded),
        cmocka_unit_test(deep_nesting_ends_the_file),
        cmocka_unit_test(bytes_that_are_no_text_are_told_with_their_place),
        cmocka_unit_test(escapes_cannot_smuggle_what_bytes_may_not),
        cmocka_unit_test(a_huge_scalar_is_cut_in_the_message),
        cmocka_unit_test(complaints_are_bounded_and_the_rest_is_counted),
        cmocka_unit_test(a_name_given_100000_times_is_told),
        cmocka_unit_test(the_limits_are_told_and_what_is_over_them_is_left_out),
        cmocka_unit_test(files_over_16_mb_are_refused),
        cmocka_unit_test(only_regular_files_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
