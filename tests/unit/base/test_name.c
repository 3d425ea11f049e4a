/* base/name: what is a name, and which one was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/name.h"

static void names_of_the_grammar_are_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "0", "mosh01", "example.org", "a-b_c.d", "a.", "a-", NULL};
    for (size_t i = 0; good[i]; i++)
        if (!name_is_valid(good[i]))
            fail_msg("refused: %s", good[i]);
}

static void names_that_could_be_paths_options_or_text_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", ".a", "-a", "_a", "a..b", "a/b", "../a", "a b", "a\n", "A", "aB",
        "ä", "a;b", "a$b", "a\x1b", "a%s", "a:b", "a@b", "а", NULL};
    for (size_t i = 0; bad[i]; i++)
        if (name_is_valid(bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_false(name_is_valid(NULL));
}

static void length_is_bounded(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'a', sizeof name);
    name[NAME_MAX_BYTES] = '\0';
    assert_true(name_is_valid(name));
    name[NAME_MAX_BYTES] = 'a';
    name[NAME_MAX_BYTES + 1] = '\0';
    assert_false(name_is_valid(name));
    assert_true(name_is_valid_container(name));
    name[NAME_MAX_BYTES + 1] = 'a';
    name[CONTAINER_NAME_SIZE - 1] = '\0';
    assert_true(name_is_valid_container(name));
    name[CONTAINER_NAME_SIZE - 1] = 'a';
    name[CONTAINER_NAME_SIZE] = '\0';
    assert_false(name_is_valid_container(name));
}

static void container_names_may_have_upper_case_but_no_slash(void **state)
{
    (void)state;
    assert_true(name_is_valid_container("Web_1.example-org"));
    assert_false(name_is_valid_container("/web"));
    assert_false(name_is_valid_container("a b"));
    assert_false(name_is_valid_container(".."));
    assert_false(name_is_valid_container("-rm"));
    assert_false(name_is_valid_container(""));
    assert_false(name_is_valid_container(NULL));
}

static const char *const keys[] = {"address", "user", "port", "jump", "roles", "labels", "memory", "memory_limit"};

static const char *nearest_key(const char *name)
{
    return name_nearest(name, keys, sizeof keys / sizeof keys[0]);
}

static void typing_mistakes_find_the_word_that_was_meant(void **state)
{
    (void)state;
    assert_string_equal(nearest_key("adress"), "address");                         /* one letter less */
    assert_string_equal(nearest_key("userr"), "user");                             /* one more */
    assert_string_equal(nearest_key("rolse"), "roles");                            /* two swapped */
    assert_string_equal(name_nearest("pu", (const char *const[]){"up"}, 1), "up"); /* a swap is one mistake, not two */
    assert_string_equal(nearest_key("momery"), "memory");                          /* one replaced */
    assert_string_equal(nearest_key("memory"), "memory");                          /* exact wins over longer */
    assert_string_equal(nearest_key("memory_limt"), "memory_limit");
}

static void other_words_find_nothing(void **state)
{
    (void)state;
    assert_null(nearest_key("volumes"));
    assert_null(nearest_key("x"));
    assert_null(nearest_key(""));
    assert_null(nearest_key(NULL));
    assert_null(name_nearest("user", NULL, 0));
    char endless[5000];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(nearest_key(endless));
    static const char *const sites[] = {"www.ledger.example", "ledger.example", "chorus.example"};
    assert_string_equal(name_nearest("ledger", sites, 3), "ledger.example"); /* a part of it was typed */
    assert_string_equal(name_nearest("legder.example", sites, 3), "ledger.example");
    assert_null(name_nearest("le", sites, 3));
    const char *const hostile[] = {endless, NULL, "", "user"};
    assert_string_equal(name_nearest("usre", hostile, 4), "user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_grammar_are_valid),
        cmocka_unit_test(names_that_could_be_paths_options_or_text_are_refused),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(container_names_may_have_upper_case_but_no_slash),
        cmocka_unit_test(typing_mistakes_find_the_word_that_was_meant),
        cmocka_unit_test(other_words_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
