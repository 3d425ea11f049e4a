/* base/cli: options anywhere, suggestions, and help made of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"

static const char *reason;
static bool dry_run;
static const struct cli_option options[] = {
    {.name = "reason",
        .value_name = "TEXT",
        .help = "why, for the audit; a long help text that has to be wrapped somewhere",
        .value = &reason},
    {.name = "dry-run", .help = "show the plan only", .flag = &dry_run},
    {0},
};

static struct cli cli;
static struct err_info info;

static enum err parse_words(int argc, const char *const *words)
{
    char *argv[16];
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    reason = NULL;
    dry_run = false;
    info.message[0] = '\0';
    cli_free(&cli);
    cli = (struct cli){
        .usage = "dogwatch restart SITE [OPTION…]",
        .summary = "Restart a site.",
        .options = options,
        .min_words = 1,
        .max_words = 2,
    };
    return cli_parse(&cli, argc, argv, &info);
}

#define PARSE(...)                                                                                                     \
    parse_words((int)(sizeof(const char *[]){"restart", __VA_ARGS__} / sizeof(char *)),                                \
        (const char *const[]){"restart", __VA_ARGS__})

static int free_cli(void **state)
{
    (void)state;
    cli_free(&cli);
    return 0;
}

static void options_are_taken_before_between_and_behind_words(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--fleet", "/f", "example.org", "--dry-run", "b", "--state=/s", "--reason", "slow"), ERR_OK);
    assert_string_equal(cli.fleet_dir, "/f");
    assert_string_equal(cli.state_dir, "/s");
    assert_string_equal(reason, "slow");
    assert_true(dry_run);
    assert_int_equal(cli.word_count, 2);
    assert_string_equal(cli.words[0], "example.org");
    assert_string_equal(cli.words[1], "b");
}

static void absent_options_stay_null(void **state)
{
    (void)state;
    assert_int_equal(PARSE("example.org"), ERR_OK);
    assert_null(cli.fleet_dir);
    assert_null(cli.state_dir);
    assert_null(reason);
    assert_false(cli.help);
}

static void value_behind_an_equals_sign_may_be_anything(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a", "--reason=--x=y"), ERR_OK);
    assert_string_equal(reason, "--x=y");
    assert_int_equal(PARSE("a", "--reason="), ERR_OK);
    assert_string_equal(reason, "");
}

static void double_dash_ends_the_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--", "--dry-run", "--"), ERR_OK);
    assert_false(dry_run);
    assert_int_equal(cli.word_count, 2);
    assert_string_equal(cli.words[0], "--dry-run");
    assert_string_equal(cli.words[1], "--");
}

static void single_dash_is_a_word(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-"), ERR_OK);
    assert_string_equal(cli.words[0], "-");
}

static void unknown_option_names_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a", "--resaon", "x"), ERR_INVALID);
    assert_string_equal(info.message, "unknown option --resaon; did you mean --reason?");
    assert_int_equal(PARSE("a", "--flet=x"), ERR_INVALID);
    assert_string_equal(info.message, "unknown option --flet; did you mean --fleet?");
    assert_int_equal(PARSE("a", "--zzzzzzz"), ERR_INVALID);
    assert_string_equal(info.message, "unknown option --zzzzzzz; --help lists the options");
    assert_int_equal(PARSE("a", "-v"), ERR_INVALID);
    assert_int_equal(PARSE("a", "--rea=x"), ERR_INVALID); /* no abbreviations */
}

static void missing_and_superfluous_values_are_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a", "--reason"), ERR_INVALID);
    assert_string_equal(info.message, "--reason needs a value: --reason TEXT");
    assert_int_equal(PARSE("a", "--reason", "--dry-run"), ERR_INVALID);
    assert_int_equal(PARSE("a", "--dry-run=yes"), ERR_INVALID);
    assert_string_equal(info.message, "--dry-run takes no value");
}

static void number_of_words_is_checked(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--dry-run"), ERR_INVALID);
    assert_non_null(strstr(info.message, "dogwatch restart SITE"));
    assert_int_equal(PARSE("a", "b", "c"), ERR_INVALID);
    assert_non_null(strstr(info.message, "“c”"));
}

static void empty_argument_is_a_word(void **state)
{
    (void)state;
    assert_int_equal(PARSE(""), ERR_OK);
    assert_string_equal(cli.words[0], "");
}

/* What a call writes to `stream`. */
static char *capture(FILE *stream, void (*call)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stream);
    int fd = fileno(stream), saved = dup(fd);
    dup2(fileno(file), fd);
    call();
    fflush(stream);
    dup2(saved, fd);
    close(saved);
    struct buf buf = BUF(10000);
    rewind(file);
    for (int c; (c = fgetc(file)) != EOF;)
        buf_putc(&buf, (char)c);
    fclose(file);
    return buf_take(&buf);
}

static void ask_for_help(void)
{
    assert_int_equal(PARSE("--dry-run", "--help"), ERR_OK);
}

static void help_is_made_of_the_table(void **state)
{
    (void)state;
    char *help = capture(stdout, ask_for_help);
    assert_true(cli.help);
    assert_string_equal(help, "Usage: dogwatch restart SITE [OPTION…]\n"
                              "\n"
                              "Restart a site.\n"
                              "\n"
                              "Options:\n"
                              "  --reason TEXT  why, for the audit; a long help text that has to be wrapped\n"
                              "                 somewhere\n"
                              "  --dry-run      show the plan only\n"
                              "  --fleet DIR    the fleet files (default: ~/.config/dogwatch, then\n"
                              "                 /etc/dogwatch)\n"
                              "  --state DIR    the engine's store (default: ~/.local/state/dogwatch, then\n"
                              "                 /var/lib/dogwatch)\n"
                              "  --help         show this and end\n");
    free(help);
}

static void fail_hostile(void)
{
    err_set(&info, ERR_FAILED, "host says \x1b[31m%s", "no");
    assert_int_equal(cli_fail(&info), 2);
}

static void failure_is_printed_clean_and_ends_with_2(void **state)
{
    (void)state;
    char *text = capture(stderr, fail_hostile);
    assert_string_equal(text, "dogwatch: host says \uFFFD[31mno\n");
    free(text);
}

#define VERB(...)                                                                                                      \
    cli_find_verb(                                                                                                     \
        (int)(sizeof(char *[]){"dogwatch", __VA_ARGS__} / sizeof(char *)), (char *[]){"dogwatch", __VA_ARGS__})

static void verb_is_found_behind_global_options(void **state)
{
    (void)state;
    assert_int_equal(VERB("restart", "a"), 1);
    assert_int_equal(VERB("--fleet", "/f", "restart"), 3);
    assert_int_equal(VERB("--fleet=/f", "--state", "/s", "restart", "a"), 4);
    assert_int_equal(VERB("--report", "hosts"), 0);
    assert_int_equal(VERB("--fleet", "/f", "--wallboard", "x"), 0);
    assert_int_equal(VERB("--fleet"), 0);
    assert_int_equal(VERB("--fleet", "/f"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(options_are_taken_before_between_and_behind_words, free_cli),
        cmocka_unit_test_teardown(absent_options_stay_null, free_cli),
        cmocka_unit_test_teardown(value_behind_an_equals_sign_may_be_anything, free_cli),
        cmocka_unit_test_teardown(double_dash_ends_the_options, free_cli),
        cmocka_unit_test_teardown(single_dash_is_a_word, free_cli),
        cmocka_unit_test_teardown(unknown_option_names_the_nearest, free_cli),
        cmocka_unit_test_teardown(missing_and_superfluous_values_are_refused, free_cli),
        cmocka_unit_test_teardown(number_of_words_is_checked, free_cli),
        cmocka_unit_test_teardown(empty_argument_is_a_word, free_cli),
        cmocka_unit_test_teardown(help_is_made_of_the_table, free_cli),
        cmocka_unit_test(failure_is_printed_clean_and_ends_with_2),
        cmocka_unit_test(verb_is_found_behind_global_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
