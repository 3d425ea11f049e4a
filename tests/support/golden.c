/* Comparing with golden files. Any thread. */
#include "tests/support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { GOLDEN_MAX = 4 << 20 };

static bool write_golden(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

bool golden_matches(const char *path, const char *text)
{
    struct buf expected = BUF(GOLDEN_MAX);
    struct err_info info = {0};
    if (getenv("UPDATE_GOLDEN"))
        return write_golden(path, text);
    bool same = buf_read_file(&expected, path, &info) == ERR_OK && strcmp(buf_text(&expected), text) == 0;
    if (!same)
        fprintf(stderr, "--- %s %s\n%s--- but it is (UPDATE_GOLDEN=1 accepts it)\n%s---\n", path, info.message,
            buf_text(&expected), text);
    buf_free(&expected);
    return same;
}
