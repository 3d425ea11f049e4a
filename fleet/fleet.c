/* Loading a directory of fleet files into one struct fleet, and looking things up in it.
 *
 * Guarantees: a fleet that is handed out is whole and right; with any complaint there is none. Only regular files are
 * opened, each up to 16 MB. Loading belongs to one thread; a loaded fleet is never changed, so any thread may read it.
 */
#include "fleet/fleet.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "fleet/complaints.h"
#include "fleet/load.h"
#include "fleet/records.h"

/* --- freeing ------------------------------------------------------------------------------------------------------ */

static void host_release(struct host_def *host)
{
    free(host->name);
    free(host->address);
    free(host->user);
    free(host->jump);
    vec_each (&host->labels, struct label, label) {
        free(label->name);
        free(label->value);
    }
    vec_free(&host->labels);
}

static void container_release(struct container_def *container)
{
    free(container->name);
    free(container->image);
    free(container->user);
    vec_each (&container->mounts, struct mount_def, mount) {
        free(mount->volume);
        free(mount->path);
    }
    vec_free(&container->mounts);
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
}

static void site_release(struct site_def *site)
{
    free(site->name);
    free(site->member);
    free(site->health.path);
    free(site->health.contains);
    free_texts(site->domains.items, site->domains.count);
    vec_free(&site->domains);
    vec_each (&site->containers, struct container_def, container)
        container_release(container);
    vec_free(&site->containers);
    vec_each (&site->volumes, struct volume_def, volume)
        free(volume->name);
    vec_free(&site->volumes);
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    vec_each (&fleet->hosts, struct host_def, host)
        host_release(host);
    vec_free(&fleet->hosts);
    vec_each (&fleet->sites, struct site_def, site)
        site_release(site);
    vec_free(&fleet->sites);
    free_texts(fleet->files.items, fleet->files.count);
    vec_free(&fleet->files);
    free(fleet->directory);
    free(fleet->name);
    free(fleet->environment);
    free(fleet);
}

/* --- reading files ------------------------------------------------------------------------------------------------ */

/* ERR_NOT_FOUND where there is no such file; anything else that is wrong is a complaint. */
static enum err read_regular(struct loader *loader, const char *path, struct buf *text)
{
    struct place whole = {.file = path};
    struct stat status;
    struct err_info info = {0};
    bool there = stat(path, &status) == 0;
    if (!there && (errno == ENOENT || errno == ENOTDIR))
        return ERR_NOT_FOUND;
    if (there && !S_ISREG(status.st_mode)) { /* opening a FIFO would wait */
        complain(loader->complaints, &whole, "this is no regular file");
        return ERR_INVALID;
    }
    buf_clear(text);
    enum err result = buf_read_file(text, path, &info);
    if (result == ERR_FULL)
        complain(loader->complaints, &whole, "larger than %zu MB; split it into several files", YAML_MAX_BYTES >> 20);
    else if (result != ERR_OK && result != ERR_NOT_FOUND)
        complain(loader->complaints, &whole, "%s", info.message);
    return result;
}

/* `title` is the name below the fleet's directory. `instead` (may be NULL) stands for the file's content. */
static enum err read_file(
    struct loader *loader, const struct record *record, const char *title, const char *instead, struct buf *text)
{
    char *path = paths_join(loader->fleet->directory, title);
    enum err result = instead ? ERR_OK : read_regular(loader, path, text);
    if (result == ERR_NOT_FOUND) {
        free(path);
        return result;
    }
    vec_push(&loader->fleet->files, path);
    if (result == ERR_OK)
        records_read_file(
            loader, record, path, title, instead ? instead : buf_text(text), instead ? strlen(instead) : text->length);
    return result;
}

static int is_site_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && (str_ends(entry->d_name, ".yaml") || str_ends(entry->d_name, ".yml"));
}

static void read_sites(struct loader *loader, struct buf *text)
{
    char *directory = paths_join(loader->fleet->directory, "sites");
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_site_file, alphasort);
    if (count < 0 && errno != ENOENT)
        complain(loader->complaints, &(struct place){.file = directory}, "cannot be read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        char *title = xasprintf("sites/%s", entries[i]->d_name);
        char *path = paths_join(directory, entries[i]->d_name);
        if (str_ends(title, ".yml"))
            complain(loader->complaints, &(struct place){.file = path}, "fleet files end in .yaml; rename it");
        else
            read_file(loader, &schema_sites_file, title, NULL, text);
        free(path);
        free(title);
        free(entries[i]);
    }
    free(entries);
    free(directory);
}

enum err fleet_load_edited(const char *directory, const struct fleet_edit *edit, struct fleet **out,
    struct complaints *complaints, struct err_info *info)
{
    *out = NULL;
    complaints_free(complaints);
    struct loader loader = {.fleet = xcalloc(1, sizeof *loader.fleet), .complaints = complaints};
    struct buf text = BUF(YAML_MAX_BYTES);
    loader.fleet->directory = xstrdup(directory);
    enum err result = read_file(&loader, &schema_fleet_file, "fleet.yaml", edit->fleet_yaml, &text);
    if (result == ERR_NOT_FOUND) {
        err_set(info, ERR_NOT_FOUND, "%s has no fleet.yaml; begin with: dogwatch host add USER@ADDRESS", directory);
        goto out;
    }
    read_file(&loader, &schema_hosts_file, "hosts.yaml", edit->hosts_yaml, &text);
    read_sites(&loader, &text);
    references_check(&loader);
    complaints_sort(complaints);
    result = complaints_first(complaints, info);
out:
    buf_free(&text);
    for (size_t i = 0; i < REFERS_COUNT; i++)
        vec_free(&loader.references[i]);
    if (result == ERR_OK)
        *out = loader.fleet;
    else
        fleet_free(loader.fleet);
    return result;
}

enum err fleet_load(const char *directory, struct fleet **out, struct complaints *complaints, struct err_info *info)
{
    return fleet_load_edited(directory, &(struct fleet_edit){0}, out, complaints, info);
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

static int compare_host_name(const void *name, const void *host)
{
    return strcmp(name, ((const struct host_def *)host)->name);
}

static int compare_site_name(const void *name, const void *site)
{
    return strcmp(name, ((const struct site_def *)site)->name);
}

const struct host_def *fleet_host(const struct fleet *fleet, const char *name)
{
    if (fleet->hosts.count == 0)
        return NULL;
    return bsearch(name, fleet->hosts.items, fleet->hosts.count, sizeof *fleet->hosts.items, compare_host_name);
}

const struct site_def *fleet_site(const struct fleet *fleet, const char *name)
{
    if (fleet->sites.count == 0)
        return NULL;
    return bsearch(name, fleet->sites.items, fleet->sites.count, sizeof *fleet->sites.items, compare_site_name);
}
