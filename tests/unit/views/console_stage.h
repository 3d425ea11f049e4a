/* A console without terminal, threads and disk: an invented fleet at a frozen moment, keys in, text out. */
#ifndef TESTS_UNIT_VIEWS_CONSOLE_STAGE_H
#define TESTS_UNIT_VIEWS_CONSOLE_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/support/golden.h"
#include "tests/support/synthetic_store.h"
#include "tui/keys.h"
#include "views/console/core.h"

#define NOW_US INT64_C(1764000000000000)

struct stage {
    struct console *console;
    struct cells *cells;
    struct buf text;
    json_t *asked;  /* the last request to the engine; NULL: none, or a start */
    int64_t ticket; /* of it; 0: none */
};

static inline void stage_ask(void *owner, int64_t ticket, json_t *request)
{
    struct stage *stage = owner;
    json_decref(stage->asked);
    stage->asked = request;
    stage->ticket = ticket;
}

__attribute__((unused)) static const struct synthetic small_fleet = {
    .environment = "test", .hosts = 5, .sites = 12, .now_us = NOW_US};

static inline void stage_show(struct stage *stage, struct snapshot *snapshot)
{
    struct picture fresh = {.snapshot = snapshot};
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
}

static inline struct stage *stage_new(int width, int height)
{
    struct stage *stage = xcalloc(1, sizeof *stage);
    setlocale(LC_ALL, "C.UTF-8");
    setenv("TZ", "UTC", 1);
    clock_freeze_wall(NOW_US);
    stage->text = BUF(1 << 20);
    stage->cells = cells_new(width, height);
    stage->console = console_new(stage_ask, stage);
    return stage;
}

static inline void stage_free(struct stage *stage)
{
    console_free(stage->console);
    cells_free(stage->cells);
    json_decref(stage->asked);
    buf_free(&stage->text);
    free(stage);
    clock_freeze_wall(0);
}

/* What is on the screen now; valid until the next call. */
static inline const char *stage_text(struct stage *stage)
{
    console_draw(stage->console, stage->cells);
    buf_clear(&stage->text);
    cells_to_text(stage->cells, &stage->text);
    return buf_text(&stage->text);
}

/* Keys by name, separated by blanks: "j Enter : h o s t s Enter". */
static inline void stage_keys(struct stage *stage, const char *names)
{
    char name[KEYS_NAME_SIZE];
    while (*names) {
        size_t length = strcspn(names, " ");
        int key = 0;
        str_format(name, sizeof name, "%.*s", (int)length, names);
        if (!keys_parse(name, &key))
            fail_msg("no such key: %s", name);
        (void)stage_text(stage); /* as the console does: every key is answered on the screen */
        console_key(stage->console, key);
        names += length + strspn(names + length, " ");
    }
}

static inline void stage_answer(struct stage *stage, json_t *answer)
{
    struct err_info fine = {0};
    int64_t ticket = stage->ticket;
    stage->ticket = 0;
    console_reply(stage->console, ticket, answer, &fine);
    json_decref(answer);
}

/* With the small fleet on the screen. */
static inline struct stage *started(int width, int height)
{
    struct stage *stage = stage_new(width, height);
    stage_show(stage, synthetic_snapshot(&small_fleet));
    return stage;
}

#define assert_shows(stage, words)                                                                                     \
    do {                                                                                                               \
        const char *shown = stage_text(stage);                                                                         \
        if (!strstr(shown, (words)))                                                                                   \
            fail_msg("“%s” is not on the screen:\n%s", (words), shown);                                                \
    } while (0)
#define assert_hides(stage, words)                                                                                     \
    do {                                                                                                               \
        const char *shown = stage_text(stage);                                                                         \
        if (strstr(shown, (words)))                                                                                    \
            fail_msg("“%s” is on the screen:\n%s", (words), shown);                                                    \
    } while (0)

#endif
