/* A site a.org on a fake host: podman or docker, the lease held by job 7, and verbs asked in one line. */
#ifndef TESTS_UNIT_HOST_MARKED_SITE_H
#define TESTS_UNIT_HOST_MARKED_SITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "host/facts.h"
#include "host/path.h"
#include "host/site/guard.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/verbs.h"
#include "tests/unit/host/asking.h"
#include "tests/unit/host/fake_engine.h"

#define WEB FAKE_ID("aa")
#define APP FAKE_ID("bb")
#define OTHER FAKE_ID("cc")
#define OF_SITE "\"Config\":{\"Labels\":{\"dogwatch.site\":\"a.org\"}}"
#define ALWAYS OF_SITE ",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"}}"
#define ON_FAILURE OF_SITE ",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}}"
#define ARGS(more) "{\"site\":\"a.org\",\"job\":\"7\",\"holder\":\"op\",\"ttl_s\":60" more "}"

static inline void make_host(const char *engine)
{
    asking_begin();
    tree_write(&tree, "/proc/sys/kernel/random/boot_id", "0d2f7c9e-1111-4222-8333-444455556666\n");
    fake_engine_make(&tree, engine);
    fake_engine_add(&tree, engine, WEB, "web", "running|0|100", ALWAYS);
    fake_engine_add(&tree, engine, APP, "app", "running|0|200", ON_FAILURE);
    assert_int_equal(ask(verb_lease_take, ARGS("")), ERR_OK);
}

/* The calls of this engine that change something, in order, with the IDs cut to their last two digits. */
static inline void assert_changes(const char *engine, const char *expected)
{
    static const char *const changing[] = {"stop ", "start ", "update ", "network ", "pause ", "unpause "};
    char *calls = fake_engine_calls(&tree, engine), *rest = calls;
    struct buf changes = BUF(8192);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        for (size_t i = 0; i < sizeof changing / sizeof *changing; i++) {
            if (!str_starts(line, changing[i]))
                continue;
            char *id = strrchr(line, ' ') + 1;
            buf_printf(&changes, "%s%.*s%s", changes.length ? ", " : "", (int)(id - line), line,
                strlen(id) > 2 ? id + strlen(id) - 2 : id);
        }
    }
    assert_string_equal(buf_text(&changes), expected);
    buf_free(&changes);
    free(calls);
}

static inline bool exists(const char *path)
{
    char full[TREE_PATH_SIZE];
    return access(tree_path(&tree, full, path), F_OK) == 0;
}

#endif
