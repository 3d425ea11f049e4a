/* base/err: messages that name what failed, codes that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/sanitize.h"

static void set_fills_code_and_message(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(err_set(&info, ERR_TIMEOUT, "%s did not answer in %d s", "mosh01", 20), ERR_TIMEOUT);
    assert_int_equal(info.code, ERR_TIMEOUT);
    assert_string_equal(info.message, "mosh01 did not answer in 20 s");
}

static void null_info_is_allowed_everywhere(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
    assert_int_equal(err_errno(NULL, ERR_NOT_FOUND, ENOENT, "x"), ERR_NOT_FOUND);
    assert_int_equal(err_prefix(NULL, ERR_AUTH, "x"), ERR_AUTH);
}

static void errno_reason_is_appended(void **state)
{
    (void)state;
    struct err_info info;
    err_errno(&info, ERR_NOT_FOUND, ENOENT, "cannot open %s", "a.yaml");
    assert_string_equal(info.message, "cannot open a.yaml: No such file or directory");
}

static void prefix_keeps_the_code(void **state)
{
    (void)state;
    struct err_info info;
    err_set(&info, ERR_HOST_KEY, "key changed");
    assert_int_equal(err_prefix(&info, ERR_IO, "host %s", "gate"), ERR_HOST_KEY);
    assert_string_equal(info.message, "host gate: key changed");
}

static void old_message_may_be_an_argument_of_the_new_one(void **state)
{
    (void)state;
    struct err_info info;
    err_set(&info, ERR_IO, "disk gone");
    err_set(&info, ERR_FAILED, "step 3 failed (%s)", info.message);
    assert_string_equal(info.message, "step 3 failed (disk gone)");
}

static void long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    struct err_info info;
    char text[4000];
    for (size_t shift = 0; shift < 3; shift++) {
        for (size_t i = 0; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "€", 3);
        text[sizeof text - 1] = '\0';
        err_set(&info, ERR_IO, "%.*s%.3990s", (int)shift, "aaa", text);
        size_t length = strlen(info.message);
        assert_true(length > sizeof info.message - 4 && length < sizeof info.message);
        assert_true(sanitize_is_clean(info.message, length));
        err_prefix(&info, ERR_IO, "b");
        assert_true(strlen(info.message) < sizeof info.message);
        assert_true(sanitize_is_clean(info.message, strlen(info.message)));
    }
}

static void every_code_has_its_own_word(void **state)
{
    (void)state;
    for (int code = 0; code < ERR_COUNT; code++) {
        const char *word = err_word((enum err)code);
        assert_non_null(word);
        assert_true(strlen(word) > 1);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
        for (int other = 0; other < code; other++)
            assert_string_not_equal(word, err_word((enum err)other));
    }
    assert_string_equal(err_word(ERR_TIMEOUT), "timeout");
    assert_string_equal(err_word(ERR_HOST_KEY), "host-key");
    assert_string_equal(err_word(ERR_COUNT), "unknown");
    assert_string_equal(err_word((enum err) - 1), "unknown");
}

static void errno_values_find_their_code(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(EACCES), ERR_DENIED);
    assert_int_equal(err_from_errno(EROFS), ERR_DENIED);
    assert_int_equal(err_from_errno(ENOSPC), ERR_FULL);
    assert_int_equal(err_from_errno(ECONNREFUSED), ERR_REFUSED);
    assert_int_equal(err_from_errno(EHOSTUNREACH), ERR_UNREACHABLE);
    assert_int_equal(err_from_errno(ETIMEDOUT), ERR_TIMEOUT);
    assert_int_equal(err_from_errno(EPIPE), ERR_CLOSED);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_from_errno(99999), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_message),
        cmocka_unit_test(null_info_is_allowed_everywhere),
        cmocka_unit_test(errno_reason_is_appended),
        cmocka_unit_test(prefix_keeps_the_code),
        cmocka_unit_test(old_message_may_be_an_argument_of_the_new_one),
        cmocka_unit_test(long_message_is_cut_at_a_character),
        cmocka_unit_test(every_code_has_its_own_word),
        cmocka_unit_test(errno_values_find_their_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
