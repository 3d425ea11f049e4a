/* Where themes are found: the person's own directory, the installed one, the source tree. Any thread. */
#include "tui/style.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/paths.h"
#include "base/vec.h"
#include "tui/theme_private.h"

enum { THEME_FILE_MAX = 64 * 1024, DIRECTORY_COUNT = 3 };

struct theme_dirs {
    char *paths[DIRECTORY_COUNT]; /* in the order they are looked in; NULL: there is none */
};

static char *own_directory(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && config[0] == '/')
        return paths_join(config, "dogwatch/themes");
    return home && home[0] == '/' ? paths_join(home, ".config/dogwatch/themes") : NULL;
}

static struct theme_dirs theme_dirs(void)
{
    return (struct theme_dirs){{own_directory(), xstrdup(DOGWATCH_PREFIX "/share/dogwatch/themes"), xstrdup("themes")}};
}

static void free_dirs(struct theme_dirs *dirs)
{
    for (size_t i = 0; i < DIRECTORY_COUNT; i++)
        free(dirs->paths[i]);
}

static enum err load_file(const char *path, struct theme **out, struct err_info *info)
{
    struct buf text = BUF(THEME_FILE_MAX);
    enum err err = buf_read_file(&text, path, info);
    if (!err)
        err = theme_parse(path, buf_text(&text), out, info);
    buf_free(&text);
    return err;
}

static enum err load_named(const char *name, struct theme **out, struct err_info *info)
{
    struct theme_dirs dirs = theme_dirs();
    char *file = xasprintf("%s" THEME_SUFFIX, name);
    enum err err = ERR_NOT_FOUND;
    for (size_t i = 0; i < DIRECTORY_COUNT && err == ERR_NOT_FOUND; i++) {
        if (!dirs.paths[i])
            continue;
        char *path = paths_join(dirs.paths[i], file);
        err = load_file(path, out, info);
        free(path);
    }
    free(file);
    free_dirs(&dirs);
    return err;
}

static enum err not_found(const char *name, struct err_info *info)
{
    struct buf names = BUF(800);
    theme_list(&names);
    for (char *at = names.data; at && *at; at++)
        if (*at == '\n')
            *at = at[1] ? ' ' : '\0';
    enum err err = err_set(info, ERR_NOT_FOUND, "there is no theme \"%s\"; there are: %s", name, buf_text(&names));
    buf_free(&names);
    return err;
}

enum err theme_load(const char *name, struct theme **out, struct err_info *info)
{
    *out = NULL;
    if (strchr(name, '/'))
        return load_file(name, out, info);
    if (name[0] == '.' || name[0] == '\0')
        return not_found(name, info);
    enum err err = load_named(name, out, info);
    if (err != ERR_NOT_FOUND)
        return err;
    if (strcmp(name, "dark") != 0)
        return not_found(name, info);
    *out = theme_default();
    return ERR_OK;
}

/* --- listing */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct theme_names {
    VEC(char *) list;
};

static void collect(struct theme_names *names, const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        size_t length = strlen(entry->d_name), suffix = strlen(THEME_SUFFIX);
        if (entry->d_name[0] != '.' && length > suffix && str_ends(entry->d_name, THEME_SUFFIX))
            vec_push(&names->list, xstrndup(entry->d_name, length - suffix));
    }
    closedir(directory);
}

void theme_list(struct buf *out)
{
    struct theme_names names = {0};
    struct theme_dirs dirs = theme_dirs();
    vec_push(&names.list, xstrdup("dark"));
    for (size_t i = 0; i < DIRECTORY_COUNT; i++)
        if (dirs.paths[i])
            collect(&names, dirs.paths[i]);
    qsort(names.list.items, names.list.count, sizeof *names.list.items, by_text);
    for (size_t i = 0; i < names.list.count; i++) {
        if (i == 0 || strcmp(names.list.items[i], names.list.items[i - 1]) != 0)
            (void)buf_printf(out, "%s\n", names.list.items[i]);
    }
    for (size_t i = 0; i < names.list.count; i++)
        free(names.list.items[i]);
    vec_free(&names.list);
    free_dirs(&dirs);
}
