/* Adding and removing a host in the fleet files.
 *
 * Guarantees: editors take turns (a lock on the directory); a file is replaced only after the whole fleet has been
 * loaded with its new text, and only where that fleet differs from the present one in that host alone; the replacement
 * is atomic. Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "fleet/fleet.h"
#include "fleet/hosts_text.h"
#include "fleet/load.h"
#include "fleet/yaml_reader.h"

static const char new_fleet_yaml[] = "# What this organisation wants to be true. dogwatch check: is it right?\n"
                                     "# dogwatch check --keys: what may stand here.\n"
                                     "fleet: my-fleet\n"
                                     "environment: production\n"
                                     "interval: 10s\n";
static const char new_hosts_yaml[] = "# The hosts, one a line.\nhosts:\n";

struct editing {
    const char *directory;
    int lock; /* the directory, or -1 */
    struct fleet_edit before;
    struct buf hosts_yaml;
    bool has_hosts_yaml;
    struct fleet *fleet; /* as it is now */
};

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_host(const struct host_def *a, const struct host_def *b)
{
    if (!same_text(a->name, b->name) || !same_text(a->address, b->address) || !same_text(a->user, b->user) ||
        !same_text(a->jump, b->jump) || a->port != b->port || a->roles != b->roles ||
        a->labels.count != b->labels.count)
        return false;
    for (size_t i = 0; i < a->labels.count; i++)
        if (!same_text(a->labels.items[i].name, b->labels.items[i].name) ||
            !same_text(a->labels.items[i].value, b->labels.items[i].value))
            return false;
    return true;
}

/* All hosts of `less`, unchanged, and `extra` besides, are those of `more`. */
static bool differs_only_by(const struct fleet *less, const struct fleet *more, const char *extra)
{
    if (more->hosts.count != less->hosts.count + 1 || fleet_host(less, extra) || !fleet_host(more, extra))
        return false;
    vec_each (&less->hosts, struct host_def, host) {
        const struct host_def *other = fleet_host(more, host->name);
        if (!other || !same_host(host, other))
            return false;
    }
    return true;
}

/* As it reads back from the files. */
static bool is_as_asked(const struct host_def *asked, const struct host_def *read)
{
    struct host_def whole = *asked;
    static char dogwatch[] = "dogwatch";
    if (!whole.user)
        whole.user = dogwatch;
    if (whole.port == 0)
        whole.port = 22;
    if (whole.roles == 0)
        whole.roles = ROLE_COMPUTE;
    return same_host(&whole, read);
}

/* --- the files ---------------------------------------------------------------------------------------------------- */

/* Through a symbolic link to the file itself, keeping its mode and, for root, its owner. */
static enum err replace(const char *directory, const char *name, const char *text, struct err_info *info)
{
    char *path = paths_join(directory, name);
    char *real = realpath(path, NULL);
    const char *target = real ? real : path;
    struct stat status;
    bool there = stat(target, &status) == 0;
    enum err result = paths_write_atomic(target, text, strlen(text), there ? status.st_mode & 07777 : 0644, info);
    if (result == ERR_OK && there && geteuid() == 0 && chown(target, status.st_uid, status.st_gid) != 0)
        result = err_errno(info, err_from_errno(errno), errno, "cannot give %s back to its owner", target);
    free(real);
    free(path);
    return result;
}

static enum err lock_directory(struct editing *editing, struct err_info *info)
{
    editing->lock = open(editing->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (editing->lock < 0 || flock(editing->lock, LOCK_EX) != 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot lock %s", editing->directory);
    return ERR_OK;
}

static enum err read_hosts_yaml(struct editing *editing, struct err_info *info)
{
    char *path = paths_join(editing->directory, "hosts.yaml");
    enum err result = buf_read_file(&editing->hosts_yaml, path, info);
    free(path);
    editing->has_hosts_yaml = result == ERR_OK;
    return result == ERR_NOT_FOUND ? ERR_OK : result;
}

static bool exists(const char *directory, const char *name)
{
    char *path = paths_join(directory, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

/* Everything as it is now, under the lock. An absent fleet.yaml counts as the new one. */
static enum err edit_begin(struct editing *editing, const char *directory, bool create, struct err_info *info)
{
    *editing = (struct editing){.directory = directory, .lock = -1, .hosts_yaml = BUF(YAML_MAX_BYTES)};
    enum err result = create ? paths_make_dir(directory, info) : ERR_OK;
    if (result == ERR_OK)
        result = lock_directory(editing, info);
    if (result != ERR_OK)
        return result;
    if (create && !exists(directory, "fleet.yaml"))
        editing->before.fleet_yaml = new_fleet_yaml;
    struct complaints complaints = {0};
    result = fleet_load_edited(directory, &editing->before, &editing->fleet, &complaints, info);
    complaints_free(&complaints);
    if (result == ERR_INVALID)
        err_prefix(info, result, "the fleet files have to be right before they are edited");
    return result == ERR_OK ? read_hosts_yaml(editing, info) : result;
}

static void edit_end(struct editing *editing)
{
    fleet_free(editing->fleet);
    buf_free(&editing->hosts_yaml);
    if (editing->lock >= 0)
        close(editing->lock);
}

/* The fleet with the new text; NULL where that has errors. */
static enum err load_new(
    const struct editing *editing, const char *hosts_yaml, struct fleet **out, struct err_info *info)
{
    struct complaints complaints = {0};
    struct fleet_edit edit = {.fleet_yaml = editing->before.fleet_yaml, .hosts_yaml = hosts_yaml};
    enum err result = fleet_load_edited(editing->directory, &edit, out, &complaints, info);
    complaints_free(&complaints);
    return result;
}

static enum err refuse_edit(const char *what, struct err_info *info)
{
    return err_set(info, ERR_INVALID, "hosts.yaml is written in a way that cannot be edited safely; %s by hand", what);
}

/* fleet.yaml first: alone it is a fleet without hosts. */
static enum err write_files(const struct editing *editing, const char *hosts_yaml, struct err_info *info)
{
    enum err result = ERR_OK;
    if (editing->before.fleet_yaml)
        result = replace(editing->directory, "fleet.yaml", editing->before.fleet_yaml, info);
    return result == ERR_OK ? replace(editing->directory, "hosts.yaml", hosts_yaml, info) : result;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static enum err add_host(struct editing *editing, const struct host_def *host, struct err_info *info)
{
    char *text = NULL;
    struct fleet *after = NULL;
    const struct host_def *there = fleet_host(editing->fleet, host->name);
    if (there)
        return err_set(
            info, ERR_EXISTS, "host %s is there already (%s:%u)", host->name, there->place.file, there->place.line);
    const char *before = editing->has_hosts_yaml ? buf_text(&editing->hosts_yaml) : new_hosts_yaml;
    enum err result = hosts_text_add(before, host, &text, info);
    if (result == ERR_OK)
        result = load_new(editing, text, &after, info);
    if (result == ERR_OK &&
        (!differs_only_by(editing->fleet, after, host->name) || !is_as_asked(host, fleet_host(after, host->name))))
        result = refuse_edit("add the host", info);
    if (result == ERR_OK)
        result = write_files(editing, text, info);
    fleet_free(after);
    free(text);
    return result;
}

enum err fleet_add_host(const char *directory, const struct host_def *host, struct err_info *info)
{
    if (!name_is_valid(host->name))
        return err_set(info, ERR_INVALID,
            "this cannot be a host's name; a name is made of lower-case letters, digits, \".\", \"_\" and \"-\"");
    struct editing editing;
    enum err result = edit_begin(&editing, directory, true, info);
    if (result == ERR_OK)
        result = add_host(&editing, host, info);
    edit_end(&editing);
    return result;
}

static enum err remove_host(struct editing *editing, const char *name, struct err_info *info)
{
    char *text = NULL;
    struct fleet *after = NULL;
    enum err result = hosts_text_remove(buf_text(&editing->hosts_yaml), name, &text, info);
    if (result == ERR_OK)
        result = load_new(editing, text, &after, info);
    if (result == ERR_OK && !differs_only_by(after, editing->fleet, name))
        result = refuse_edit("remove the host", info);
    if (result == ERR_OK)
        result = write_files(editing, text, info);
    fleet_free(after);
    free(text);
    return result;
}

enum err fleet_remove_host(const char *directory, const char *name, struct err_info *info)
{
    struct editing editing;
    if (!name_is_valid(name))
        return err_set(info, ERR_NOT_FOUND, "there is no host of that name");
    enum err result = edit_begin(&editing, directory, false, info);
    if (result == ERR_OK)
        result = remove_host(&editing, name, info);
    edit_end(&editing);
    return result;
}
