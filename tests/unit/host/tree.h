/* A directory that stands for a host's root, made for one test program and removed by it. */
#ifndef TESTS_UNIT_HOST_TREE_H
#define TESTS_UNIT_HOST_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define TREE_PATH_SIZE 512

struct tree {
    char root[64];
};

static inline void tree_make(struct tree *tree)
{
    str_copy(tree->root, sizeof tree->root, "/tmp/dogwatch-host-XXXXXX");
    if (!mkdtemp(tree->root))
        abort();
}

static inline int tree_remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

static inline void tree_remove(const struct tree *tree)
{
    nftw(tree->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *tree_path(const struct tree *tree, char out[TREE_PATH_SIZE], const char *path)
{
    str_format(out, TREE_PATH_SIZE, "%s%s", tree->root, path);
    return out;
}

/* Directories on the way are made. */
static inline void tree_dir(const struct tree *tree, const char *path)
{
    char full[TREE_PATH_SIZE];
    tree_path(tree, full, path);
    for (char *slash = full + strlen(tree->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    mkdir(full, 0755);
}

static inline void tree_write(const struct tree *tree, const char *path, const char *text)
{
    char full[TREE_PATH_SIZE], parent[TREE_PATH_SIZE];
    str_copy(parent, sizeof parent, path);
    *strrchr(parent, '/') = '\0';
    if (*parent)
        tree_dir(tree, parent);
    FILE *file = fopen(tree_path(tree, full, path), "w");
    if (!file || fputs(text, file) == EOF || fclose(file) != 0)
        abort();
    if (chmod(full, 0644) != 0)
        abort();
}

static inline void tree_script(const struct tree *tree, const char *path, const char *text)
{
    char full[TREE_PATH_SIZE];
    tree_write(tree, path, text);
    if (chmod(tree_path(tree, full, path), 0755) != 0)
        abort();
}

#endif
