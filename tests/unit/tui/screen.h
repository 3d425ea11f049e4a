/* What all tests of the toolkit need: cmocka, a UTF-8 locale, a buffer of cells, goldens of it. */
#ifndef TESTS_UNIT_TUI_SCREEN_H
#define TESTS_UNIT_TUI_SCREEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/support/golden.h"
#include "tui/cells.h"

static inline void golden_cells(const char *name, const struct cells *cells)
{
    struct buf text = BUF(1 << 20);
    char path[256];
    cells_to_styles(cells, &text);
    str_format(path, sizeof path, "tests/unit/tui/golden/%s.txt", name);
    bool same = golden_matches(path, buf_text(&text));
    buf_free(&text);
    assert_true(same);
}

static inline void assert_row(const struct cells *cells, int y, const char *expected)
{
    struct buf text = BUF(1 << 20);
    cells_to_text(cells, &text);
    char *line = text.data;
    for (int i = 0; i < y; i++)
        line = strchr(line, '\n') + 1;
    *strchr(line, '\n') = '\0';
    assert_string_equal(line, expected);
    buf_free(&text);
}

static inline void use_utf8(void)
{
    if (!setlocale(LC_ALL, "C.UTF-8"))
        abort();
    setenv("TZ", "UTC", 1);
}

#endif
