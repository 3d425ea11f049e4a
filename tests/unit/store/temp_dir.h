/* A directory of a test's own, removed with everything in it. */
#ifndef TESTS_UNIT_STORE_TEMP_DIR_H
#define TESTS_UNIT_STORE_TEMP_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int temp_dir_remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline char *temp_dir_new(void)
{
    char *path = strdup("/tmp/dogwatch-test-XXXXXX");
    return mkdtemp(path);
}

static inline void temp_dir_free(char *path)
{
    chmod(path, 0700);
    nftw(path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
