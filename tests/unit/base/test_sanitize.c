/* base/sanitize: nothing hostile reaches the screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"

#define R "\xEF\xBF\xBD" /* U+FFFD */

static void assert_becomes(const char *text, size_t length, const char *expected)
{
    char out[256];
    size_t written = sanitize(out, sizeof out, text, length);
    assert_string_equal(out, expected);
    assert_int_equal(written, strlen(expected));
    assert_true(sanitize_is_clean(out, written));
    assert_int_equal(
        sanitize_is_clean(text, length), strlen(expected) == length && memcmp(text, expected, length) == 0);
}

#define BECOMES(text, expected) assert_becomes(text, sizeof text - 1, expected)

static void ordinary_text_of_any_script_is_untouched(void **state)
{
    (void)state;
    BECOMES("", "");
    BECOMES("GET /index.html 200 ~!@#$%^&*()", "GET /index.html 200 ~!@#$%^&*()");
    BECOMES("Jörg’s naïve café – 10 €", "Jörg’s naïve café – 10 €");
    BECOMES("日本語 العربية עברית हिन्दी 🐕", "日本語 العربية עברית हिन्दी 🐕");
    BECOMES("e\u0301", "e\u0301"); /* combining marks stay */
    BECOMES(R, R);
    BECOMES("\uE000 \U0010FFFD", "\uE000 \U0010FFFD"); /* private use is drawable */
}

static void escape_sequences_lose_their_escape(void **state)
{
    (void)state;
    BECOMES("\x1b[31mred\x1b[0m", R "[31mred" R "[0m");
    BECOMES("\x1b]0;title\x07", R "]0;title" R);
    BECOMES("\x1bP$q\x1b\\", R "P$q" R "\\");
    BECOMES("\xc2\x9b"
            "2J",
        R "2J"); /* C1 CSI as UTF-8 */
    BECOMES("\x9b"
            "2J",
        R "2J"); /* C1 CSI as a bare byte */
}

static void control_characters_are_replaced_and_tab_is_a_space(void **state)
{
    (void)state;
    BECOMES("a\tb", "a b");
    BECOMES("a\nb\rc", "a" R "b" R "c");
    BECOMES("a\0b", "a" R "b");
    BECOMES("\x7f\x08", R R);
    BECOMES("\xc2\x80\xc2\x9f\xc2\xa0", R R "\xc2\xa0");
}

static void bidirectional_controls_are_replaced(void **state)
{
    (void)state;
    BECOMES("a\u202Egpj.exe", "a" R "gpj.exe");
    BECOMES("\u202A\u202B\u202C\u202D\u202E", R R R R R);
    BECOMES("\u2066\u2067\u2068\u2069", R R R R);
    BECOMES("\u200E\u200F\u061C", R R R);
}

static void invisible_characters_are_replaced(void **state)
{
    (void)state;
    BECOMES("pay\u200Bpal", "pay" R "pal");
    BECOMES("\u200C\u200D\u2060\uFEFF\u00AD\u180E", R R R R R R);
    BECOMES("\u2028\u2029", R R);
    BECOMES("\U000E0001\U000E0041\U000E007F", R R R);
    BECOMES("\u115F\u1160\u3164\uFFA0", R R R R);
    BECOMES("\uFFF9\uFFFB\uFDD0\uFFFE\uFFFF\U0001FFFE\U0010FFFF", R R R R R R R);
}

static void invalid_utf8_is_replaced_byte_by_byte(void **state)
{
    (void)state;
    BECOMES("\xc0\x80", R R);             /* overlong NUL */
    BECOMES("\xc1\xbf", R R);             /* overlong 0x7f */
    BECOMES("\xe0\x9f\xbf", R R R);       /* overlong U+07FF */
    BECOMES("\xf0\x8f\xbf\xbf", R R R R); /* overlong U+FFFF */
    BECOMES("\xed\xa0\x80", R R R);       /* surrogate U+D800 */
    BECOMES("\xed\xbf\xbf", R R R);       /* surrogate U+DFFF */
    BECOMES("\xf4\x90\x80\x80", R R R R); /* U+110000 */
    BECOMES("\xf5\x80\x80\x80", R R R R);
    BECOMES("\xfe\xff", R R);
    BECOMES("\x80\xbf", R R);      /* continuation without a lead */
    BECOMES("a\xe2\x82", "a" R R); /* cut off */
    BECOMES("\xe2\x82"
            "a",
        R R "a");                    /* the letter behind a broken character survives */
    BECOMES("\xe2\x1b[m", R R "[m"); /* no escape hides in a broken character */
}

static void output_is_cut_at_a_character(void **state)
{
    (void)state;
    char out[8];
    memset(out, 'x', sizeof out);
    assert_int_equal(sanitize(out, 0, "abc", 3), 0);
    assert_int_equal(out[0], 'x');
    assert_int_equal(sanitize(out, 1, "abc", 3), 0);
    assert_string_equal(out, "");
    assert_int_equal(sanitize(out, 5, "ab€d", 6), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(sanitize(out, 6, "ab€d", 6), 5);
    assert_string_equal(out, "ab€");
    assert_int_equal(sanitize(out, 6, "\1\1\1", 3), 3);
    assert_string_equal(out, R);
}

static void duplicate_respects_its_ceiling(void **state)
{
    (void)state;
    char *text = sanitize_dup("\1\1\1", 3, 100);
    assert_string_equal(text, R R R);
    free(text);
    text = sanitize_dup("abcdef", 6, 4);
    assert_string_equal(text, "abcd");
    free(text);
    text = sanitize_dup("\1\1", 2, 5);
    assert_string_equal(text, R);
    free(text);
    text = sanitize_dup(NULL, 0, 5);
    assert_string_equal(text, "");
    free(text);
}

static size_t encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t bytes = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = bytes - 1; i > 0; i--, code_point >>= 6)
        out[i] = (char)(0x80 | (code_point & 0x3F));
    out[0] = (char)(leads[bytes] | code_point);
    return bytes;
}

static void every_code_point_decodes_to_itself_but_surrogates(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        char text[4];
        uint32_t decoded = 0;
        size_t bytes = encode(code_point, text);
        bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
        if (utf8_decode(text, bytes, &decoded) != (surrogate ? 0 : bytes) || (!surrogate && decoded != code_point))
            fail_msg("U+%04X", (unsigned)code_point);
        if (bytes > 1 && utf8_decode(text, bytes - 1, &decoded) != 0)
            fail_msg("U+%04X, cut", (unsigned)code_point);
    }
    uint32_t decoded;
    assert_int_equal(utf8_decode("", 0, &decoded), 0);
}

static void whole_length_ends_before_a_broken_off_character(void **state)
{
    (void)state;
    assert_int_equal(utf8_whole_length("abc", 3), 3);
    assert_int_equal(utf8_whole_length("ab€", 5), 5);
    assert_int_equal(utf8_whole_length("ab€", 4), 2);
    assert_int_equal(utf8_whole_length("ab€", 3), 2);
    assert_int_equal(utf8_whole_length("🐕", 4), 4);
    assert_int_equal(utf8_whole_length("🐕", 3), 0);
    assert_int_equal(utf8_whole_length("🐕", 1), 0);
    assert_int_equal(utf8_whole_length("", 0), 0);
    assert_int_equal(utf8_whole_length("\x80\x80\x80\x80", 4), 4);
}

/* Any bytes: the result is clean, terminated, and cleaning it again changes nothing. */
static void random_bytes_come_out_clean(void **state)
{
    (void)state;
    uint32_t seed = 20260102;
    for (int round = 0; round < 20000; round++) {
        char text[64], out[80], again[80];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            /* mostly lead and continuation bytes, so that valid characters occur */
            text[i] = (char)((seed >> 24) | (seed & 0x300 ? 0x80 : 0));
        }
        size_t length = sanitize(out, sizeof out, text, sizeof text);
        assert_true(length < sizeof out);
        assert_int_equal(strlen(out), length);
        assert_true(sanitize_is_clean(out, length));
        assert_int_equal(sanitize(again, sizeof again, out, length), length);
        assert_string_equal(out, again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_text_of_any_script_is_untouched),
        cmocka_unit_test(escape_sequences_lose_their_escape),
        cmocka_unit_test(control_characters_are_replaced_and_tab_is_a_space),
        cmocka_unit_test(bidirectional_controls_are_replaced),
        cmocka_unit_test(invisible_characters_are_replaced),
        cmocka_unit_test(invalid_utf8_is_replaced_byte_by_byte),
        cmocka_unit_test(output_is_cut_at_a_character),
        cmocka_unit_test(duplicate_respects_its_ceiling),
        cmocka_unit_test(every_code_point_decodes_to_itself_but_surrogates),
        cmocka_unit_test(whole_length_ends_before_a_broken_off_character),
        cmocka_unit_test(random_bytes_come_out_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
