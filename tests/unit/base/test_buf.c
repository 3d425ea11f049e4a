/* base/buf: ceilings hold, appends are whole or nothing, files are read bounded. */
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

static void append_up_to_the_ceiling_and_not_past_it(void **state)
{
    (void)state;
    struct buf buf = BUF(8);
    assert_int_equal(buf_puts(&buf, "12345"), ERR_OK);
    assert_int_equal(buf_puts(&buf, "6789"), ERR_FULL);
    assert_string_equal(buf_text(&buf), "12345");
    assert_true(buf.overflowed);
    assert_int_equal(buf_putc(&buf, '6'), ERR_FULL); /* it would fit, but a piece is missing already */
    assert_int_equal(buf_append(&buf, "", 0), ERR_FULL);
    buf_clear(&buf);
    assert_int_equal(buf_puts(&buf, "12345678"), ERR_OK);
    assert_int_equal(buf.length, 8);
    assert_true(buf.capacity <= 9);
    buf_free(&buf);
}

static void zeroed_buffer_takes_nothing(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_putc(&buf, 'x'), ERR_FULL);
    assert_string_equal(buf_text(&buf), "");
    buf_free(&buf);
}

static void huge_length_does_not_wrap(void **state)
{
    (void)state;
    struct buf buf = BUF(100);
    buf_puts(&buf, "abc");
    assert_int_equal(buf_append(&buf, "x", SIZE_MAX), ERR_FULL);
    assert_int_equal(buf_append(&buf, "x", SIZE_MAX - 2), ERR_FULL);
    assert_string_equal(buf_text(&buf), "abc");
    buf_free(&buf);
}

static void formatting_is_whole_or_nothing(void **state)
{
    (void)state;
    struct buf buf = BUF(10);
    assert_int_equal(buf_printf(&buf, "%s-%d", "abc", 42), ERR_OK);
    assert_string_equal(buf_text(&buf), "abc-42");
    assert_int_equal(buf_printf(&buf, "%05d", 1), ERR_FULL);
    assert_string_equal(buf_text(&buf), "abc-42");
    buf_free(&buf);
}

static void formatting_grows_beyond_the_first_capacity(void **state)
{
    (void)state;
    struct buf buf = BUF(100000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf_printf(&buf, "%04d,", i), ERR_OK);
    assert_int_equal(buf.length, 50000);
    assert_memory_equal(buf.data + 49990, "9998,9999,", 11);
    buf_free(&buf);
}

static void nul_bytes_are_data(void **state)
{
    (void)state;
    struct buf buf = BUF(10);
    buf_append(&buf, "a\0b", 3);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    buf_free(&buf);
}

static void consume_drops_from_the_front(void **state)
{
    (void)state;
    struct buf buf = BUF(100);
    buf_consume(&buf, 5);
    buf_puts(&buf, "line one\nline two");
    buf_consume(&buf, 9);
    assert_string_equal(buf_text(&buf), "line two");
    buf_consume(&buf, 999);
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf.length, 0);
    buf_free(&buf);
}

static void taken_text_is_the_callers(void **state)
{
    (void)state;
    struct buf buf = BUF(100);
    buf_puts(&buf, "abc");
    char *text = buf_take(&buf);
    assert_string_equal(text, "abc");
    free(text);
    assert_string_equal(buf_text(&buf), "");
    text = buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(buf_puts(&buf, "again"), ERR_OK); /* the ceiling is still there */
    buf_free(&buf);
}

static void proc_file_of_unknown_size_is_read_whole(void **state)
{
    (void)state;
    struct buf buf = BUF(1 << 20);
    assert_int_equal(buf_read_file(&buf, "/proc/self/status", NULL), ERR_OK);
    assert_non_null(strstr(buf_text(&buf), "Pid:"));
    buf_free(&buf);
}

/* A file of `size` bytes; the path is written over the template. */
static void make_file(char *path, size_t size)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void file_as_large_as_the_ceiling_fits_and_one_byte_more_does_not(void **state)
{
    (void)state;
    char path[] = "/tmp/dogwatch-test-buf-XXXXXX";
    make_file(path, 5000);
    struct err_info info;
    struct buf fits = BUF(5000), short_by_one = BUF(4999);
    assert_int_equal(buf_read_file(&fits, path, &info), ERR_OK);
    assert_int_equal(fits.length, 5000);
    assert_int_equal(buf_read_file(&short_by_one, path, &info), ERR_FULL);
    assert_true(short_by_one.overflowed);
    assert_non_null(strstr(info.message, path));
    assert_non_null(strstr(info.message, "4999"));
    unlink(path);
    buf_free(&fits);
    buf_free(&short_by_one);
}

static void empty_file_is_empty_text(void **state)
{
    (void)state;
    struct buf buf = BUF(10);
    assert_int_equal(buf_read_file(&buf, "/dev/null", NULL), ERR_OK);
    assert_string_equal(buf_text(&buf), "");
    assert_non_null(buf.data);
    buf_free(&buf);
}

static void file_errors_name_the_file(void **state)
{
    (void)state;
    struct err_info info;
    struct buf buf = BUF(10);
    assert_int_equal(buf_read_file(&buf, "/nonexistent/fleet.yaml", &info), ERR_NOT_FOUND);
    assert_string_equal(info.message, "cannot open /nonexistent/fleet.yaml: No such file or directory");
    assert_int_equal(buf_read_file(&buf, "/tmp", &info), ERR_IO);
    assert_string_equal(info.message, "cannot read /tmp: Is a directory");
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_up_to_the_ceiling_and_not_past_it),
        cmocka_unit_test(zeroed_buffer_takes_nothing),
        cmocka_unit_test(huge_length_does_not_wrap),
        cmocka_unit_test(formatting_is_whole_or_nothing),
        cmocka_unit_test(formatting_grows_beyond_the_first_capacity),
        cmocka_unit_test(nul_bytes_are_data),
        cmocka_unit_test(consume_drops_from_the_front),
        cmocka_unit_test(taken_text_is_the_callers),
        cmocka_unit_test(proc_file_of_unknown_size_is_read_whole),
        cmocka_unit_test(file_as_large_as_the_ceiling_fits_and_one_byte_more_does_not),
        cmocka_unit_test(empty_file_is_empty_text),
        cmocka_unit_test(file_errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
