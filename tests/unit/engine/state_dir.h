/* Directories of a test's own, with fleet files, and waiting for conditions. */
#ifndef TESTS_UNIT_ENGINE_STATE_DIR_H
#define TESTS_UNIT_ENGINE_STATE_DIR_H

#include <ftw.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

/* Wait until the condition holds; false where it does not in time. */
#define WAIT_UNTIL(condition)                                                                                          \
    for (int64_t deadline_ = clock_mono_us() + DEADLINE_US; !(condition); poll(NULL, 0, 5))                            \
        if (clock_mono_us() > deadline_)                                                                               \
            fail_msg("not in time: %s", #condition);

static inline int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline char *state_dir_new(void)
{
    char *path = xstrdup("/tmp/dogwatch-test-XXXXXX");
    return mkdtemp(path);
}

static inline void state_dir_free(char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline void write_text(const char *directory, const char *name, const char *text)
{
    char *path = paths_join(directory, name);
    paths_write_atomic(path, text, strlen(text), 0600, NULL);
    free(path);
}

/* A fleet of hosts at a port where nobody listens. */
static inline void write_fleet(const char *directory, const char *name, const char *const *hosts)
{
    char text[4096], before[4096] = "";
    str_format(text, sizeof text, "fleet: %s\nenvironment: test\ninterval: 1s\n", name);
    write_text(directory, "fleet.yaml", text);
    str_format(text, sizeof text, "hosts:\n");
    for (; *hosts; hosts++) {
        str_copy(before, sizeof before, text);
        str_format(text, sizeof text, "%s  %s: { address: 127.0.0.1, port: 1 }\n", before, *hosts);
    }
    write_text(directory, "hosts.yaml", text);
}

#endif
