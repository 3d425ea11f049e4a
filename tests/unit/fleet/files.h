/* A directory of fleet files for a test: made, filled, loaded, and its complaints as one text. */
#ifndef TESTS_UNIT_FLEET_FILES_H
#define TESTS_UNIT_FLEET_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/paths.h"
#include "fleet/fleet.h"

#define FLEET_YAML "fleet: example-coop\n"
#define ONE_SITE "sites:\n  a.org:\n    containers: { web: { image: x } }\n"

struct files {
    char directory[64];
};

static inline struct files files_new(void)
{
    struct files files = {"/tmp/dogwatch-fleet-XXXXXX"};
    assert_non_null(mkdtemp(files.directory));
    return files;
}

static inline void files_write_bytes(const struct files *files, const char *name, const char *data, size_t length)
{
    char *sites = paths_join(files->directory, "sites");
    char *path = paths_join(files->directory, name);
    mkdir(sites, 0700);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
    free(path);
    free(sites);
}

static inline void files_write(const struct files *files, const char *name, const char *text)
{
    files_write_bytes(files, name, text, strlen(text));
}

/* NULL where there is no such file; the caller frees. */
static inline char *files_read(const struct files *files, const char *name)
{
    struct buf text = BUF(1 << 20);
    char *path = paths_join(files->directory, name);
    bool found = buf_read_file(&text, path, NULL) == ERR_OK;
    free(path);
    char *content = found ? xstrdup(buf_text(&text)) : NULL;
    buf_free(&text);
    return content;
}

static inline int files_remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void files_free(struct files *files)
{
    nftw(files->directory, files_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* All complaints, one a line, files below the directory; "" for none. The caller frees. */
static inline char *files_complaints(const struct files *files)
{
    struct complaints complaints = {0};
    struct fleet *fleet;
    enum err result = fleet_load(files->directory, &fleet, &complaints, NULL);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    complaints_print(&complaints, out);
    fclose(out);
    assert_int_equal(result == ERR_OK, complaints.list.count == 0);
    assert_int_equal(result == ERR_OK, fleet != NULL);
    fleet_free(fleet);
    complaints_free(&complaints);
    char *prefix = xasprintf("%s/", files->directory);
    for (char *at = text; (at = strstr(at, prefix));)
        memmove(at, at + strlen(prefix), strlen(at + strlen(prefix)) + 1);
    free(prefix);
    return text;
}

/* The fleet, which has to be right; the caller frees it. */
static inline struct fleet *files_load(const struct files *files)
{
    struct complaints complaints = {0};
    struct err_info info = {0};
    struct fleet *fleet;
    if (fleet_load(files->directory, &fleet, &complaints, &info) != ERR_OK)
        fail_msg("%s", info.message);
    complaints_free(&complaints);
    return fleet;
}

#endif
