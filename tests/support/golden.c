/* Comparing with golden files. Used from the test's own thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void write_golden(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void golden_check(const char *path, const char *text)
{
    struct buf expected = BUF(4 << 20);
    struct err_info info = {0};
    if (getenv("UPDATE_GOLDEN")) {
        write_golden(path, text);
        return;
    }
    if (buf_read_file(&expected, path, &info) != ERR_OK)
        fail_msg("%s: %s (UPDATE_GOLDEN=1 writes it)", path, info.message);
    if (strcmp(buf_text(&expected), text) != 0) {
        print_error("--- %s\n%s--- but it is\n%s---\n", path, buf_text(&expected), text);
        buf_free(&expected);
        fail_msg("%s differs", path);
    }
    buf_free(&expected);
}
