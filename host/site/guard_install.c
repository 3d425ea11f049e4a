/* Where the hook's description has to lie, and putting it there. podman 4.3 reads only
 * /usr/share/containers/oci/hooks.d unless `hooks_dir` of its settings names others; versions without that default, and
 * CRI-O, read /etc/containers/oci too. One file of the same name in each: where several are read, it counts once. One
 * change at a time on a host. */
#include "host/site/guard.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/path.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/storage/needed.h"

#define FILE_NAME "/dogwatch.json"
#define USUAL_DIRECTORY "/usr/share/containers/oci/hooks.d"
#define LOCAL_DIRECTORY "/etc/containers/oci/hooks.d"
#define SETTINGS_DIRECTORY "/etc/containers/containers.conf.d"
#define SETTINGS_CEILING (256u * 1024)
#define MOST_SETTINGS 64

/* --- where ----------------------------------------------------------------------------------------------------------
 */

/* The first path of `hooks_dir = [ "…", … ]`; false where the line is not there or a comment. */
static bool find_setting(const char *text, char out[HOST_PATH_SIZE])
{
    static const char key[] = "hooks_dir";
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, " \t\r\n");
        if (!str_starts(line, key) || line[strlen(key) + strspn(line + strlen(key), " \t")] != '=')
            continue;
        const char *begin = strchr(line, '"'), *end = begin ? strchr(begin + 1, '"') : NULL;
        size_t length = end ? (size_t)(end - begin - 1) : 0;
        if (length == 0 || length >= HOST_PATH_SIZE || begin[1] != '/')
            continue;
        memcpy(out, begin + 1, length);
        out[length] = '\0';
        return true;
    }
    return false;
}

static void read_setting(const char *file, char out[HOST_PATH_SIZE])
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(SETTINGS_CEILING);
    if (buf_read_file(&text, host_path(path, sizeof path, file), NULL) == ERR_OK)
        find_setting(buf_text(&text), out);
    buf_free(&text);
}

static int is_settings_file(const struct dirent *file)
{
    return str_ends(file->d_name, ".conf");
}

/* The last that is read wins, as in containers.conf(5). */
static void find_directory(char out[HOST_PATH_SIZE])
{
    char path[HOST_PATH_SIZE];
    struct dirent **files;
    str_copy(out, HOST_PATH_SIZE, USUAL_DIRECTORY);
    read_setting("/usr/share/containers/containers.conf", out);
    read_setting("/etc/containers/containers.conf", out);
    int count = scandir(host_path(path, sizeof path, SETTINGS_DIRECTORY), &files, is_settings_file, alphasort);
    for (int i = 0; i < count; i++) {
        if (i < MOST_SETTINGS && str_format(path, sizeof path, SETTINGS_DIRECTORY "/%s", files[i]->d_name))
            read_setting(path, out);
        free(files[i]);
    }
    if (count >= 0)
        free(files);
}

/* --- what -----------------------------------------------------------------------------------------------------------
 */

/* This very program, as it is installed; also where it was replaced by a newer one since it began. */
static enum err own_path(char out[HOST_PATH_SIZE], struct err_info *info)
{
    static const char replaced[] = " (deleted)";
    ssize_t length = readlink("/proc/self/exe", out, HOST_PATH_SIZE - 1);
    if (length <= 0)
        return err_errno(info, ERR_IO, errno, "cannot find out where this program is");
    out[length] = '\0';
    if (str_ends(out, replaced))
        out[length - (ssize_t)strlen(replaced)] = '\0';
    return access(out, X_OK) == 0 ? ERR_OK
                                  : err_errno(info, ERR_NOT_FOUND, errno, "%s cannot be made podman's hook", out);
}

static enum err describe(struct buf *text, struct err_info *info)
{
    char program[HOST_PATH_SIZE];
    enum err result = own_path(program, info);
    if (result != ERR_OK)
        return result;
    json_t *hook = json_pack("{s:s,s:{s:s,s:[s,s]},s:{s:b},s:[s]}", "version", "1.0.0", "hook", "path", program, "args",
        "dogwatch-host", "--hook", "when", "always", 1, "stages", "createRuntime");
    result = hook ? json_write(text, hook) : err_set(info, ERR_INVALID, "the path %s is no text", program);
    json_decref(hook);
    return result == ERR_OK ? buf_putc(text, '\n') : result;
}

/* --- putting and taking ---------------------------------------------------------------------------------------------
 */

static bool has_text(const char *path, const struct buf *wanted)
{
    struct buf there = BUF(SETTINGS_CEILING);
    bool same = buf_read_file(&there, path, NULL) == ERR_OK && there.length == wanted->length &&
                memcmp(buf_text(&there), buf_text(wanted), wanted->length) == 0;
    buf_free(&there);
    return same;
}

/* What is made is readable for all, whatever our umask: podman of other users looks there too. */
static bool make_one(const char *directory)
{
    if (mkdir(directory, 0755) != 0)
        return errno == EEXIST;
    return chmod(directory, 0755) == 0;
}

static enum err make_public(const char *directory, struct err_info *info)
{
    char *partial = xstrdup(directory);
    for (char *slash = partial + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        make_one(partial);
        *slash = '/';
    }
    int why = make_one(partial) ? 0 : errno;
    free(partial);
    return why ? err_errno(info, err_from_errno(why), why, "cannot make the directory %s", directory) : ERR_OK;
}

static enum err put_into(const char *directory, const struct buf *text, struct err_info *info)
{
    char path[HOST_PATH_SIZE], file[HOST_PATH_SIZE];
    host_path(path, sizeof path, directory);
    if (!path[0] || !str_format(file, sizeof file, "%s" FILE_NAME, path))
        return err_set(info, ERR_INVALID, "the path %s is too long", directory);
    if (has_text(file, text))
        return ERR_OK;
    enum err result = make_public(path, info);
    return result == ERR_OK ? paths_write_atomic(file, buf_text(text), text->length, 0644, info) : result;
}

static enum err take_from(const char *directory, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    host_path_format(path, sizeof path, "%s" FILE_NAME, directory);
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return ERR_OK;
    return err_errno(info, err_from_errno(errno), errno, "cannot remove %s", path);
}

/* What we made of the two usual places; a directory that holds anything else stays. */
static void tidy(const char *directory)
{
    char path[HOST_PATH_SIZE];
    rmdir(host_path(path, sizeof path, directory));
    char *slash = strrchr(path, '/');
    if (slash) {
        *slash = '\0';
        rmdir(path);
    }
}

enum err guard_install(struct err_info *info)
{
    char directory[HOST_PATH_SIZE];
    struct buf text = BUF(SETTINGS_CEILING);
    int lock;
    enum err result = record_lock("guard", "hook-lock", true, &lock, info);
    if (result != ERR_OK)
        return result;
    find_directory(directory);
    result = describe(&text, info);
    if (result == ERR_OK)
        result = put_into(directory, &text, info);
    if (result == ERR_OK)
        put_into(LOCAL_DIRECTORY, &text, NULL); /* a second chance only */
    record_unlock(lock);
    buf_free(&text);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "podman cannot be kept from starting marked sites");
}

enum err guard_remove_unused(struct err_info *info)
{
    char directory[HOST_PATH_SIZE];
    int lock;
    enum err result = record_lock("guard", "hook-lock", true, &lock, info);
    if (result != ERR_OK)
        return result;
    find_directory(directory);
    if (!mark_any(NULL, 0) && !needed_any()) {
        result = take_from(directory, info);
        enum err local = take_from(LOCAL_DIRECTORY, result == ERR_OK ? info : NULL);
        result = result == ERR_OK ? local : result;
        if (strcmp(directory, USUAL_DIRECTORY) != 0)
            take_from(USUAL_DIRECTORY, NULL);
        tidy(USUAL_DIRECTORY);
        tidy(LOCAL_DIRECTORY);
    }
    record_unlock(lock);
    return result;
}
