/* What is remembered per site, and the two questions: may this container start (asked by podman's hook), can this site
 * be started (asked by site.start). */
#include "host/storage/needed.h"

#include <dirent.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/path.h"
#include "host/site/record.h"
#include "host/storage/fstab.h"
#include "host/storage/mounts.h"

#define DIRECTORY "/var/lib/dogwatch/sites"
#define RECORD "mounts"
#define SUFFIX "." RECORD
#define CONFIG_CEILING (4u * 1024 * 1024)
#define MOST_POINTS 64 /* of one site */

/* --- remembering ----------------------------------------------------------------------------------------------------
 */

static size_t index_of(const json_t *points, const char *path)
{
    size_t i = 0;
    for (; i < json_array_size(points); i++) {
        const char *point = json_string_value(json_array_get(points, i));
        if (point && strcmp(point, path) == 0)
            break;
    }
    return i;
}

static json_t *read_points(const char *site)
{
    json_t *record, *points = NULL;
    if (record_read(site, RECORD, &record, NULL) == ERR_OK)
        points = json_incref(json_object_get(record, "points"));
    json_decref(record);
    if (json_is_array(points))
        return points;
    json_decref(points);
    return json_array();
}

/* Takes over the points. */
static enum err write_points(const char *site, json_t *points, struct err_info *info)
{
    if (json_array_size(points) == 0) {
        json_decref(points);
        return record_remove(site, RECORD, info);
    }
    json_t *record = json_object();
    json_put_text(record, "site", site);
    json_object_set_new(record, "points", points);
    enum err result = record_write(site, RECORD, record, info);
    json_decref(record);
    return result;
}

enum err needed_note(const char *site, const char *path, struct err_info *info)
{
    json_t *points = read_points(site);
    bool is_known = index_of(points, path) < json_array_size(points);
    if (is_known || json_array_size(points) >= MOST_POINTS) {
        json_decref(points);
        return is_known ? ERR_OK : err_set(info, ERR_FULL, "%s has too many mount points", site);
    }
    json_array_append_new(points, json_string(path));
    return write_points(site, points, info);
}

enum err needed_forget(const char *site, const char *path, struct err_info *info)
{
    json_t *points = read_points(site);
    json_array_remove(points, index_of(points, path));
    return write_points(site, points, info);
}

/* --- all sites' -----------------------------------------------------------------------------------------------------
 */

/* Go on while it is true. */
typedef bool point_visitor(const char *site, const char *point, void *context);

static bool visit_site(const char *file, point_visitor *visit, void *context)
{
    char site[NAME_SIZE];
    size_t length = strlen(file) - strlen(SUFFIX);
    bool goes_on = true;
    if (length >= sizeof site || !str_format(site, sizeof site, "%.*s", (int)length, file) || !name_is_valid(site))
        return true;
    json_t *points = read_points(site);
    for (size_t i = 0; i < json_array_size(points) && goes_on; i++) {
        const char *point = json_string_value(json_array_get(points, i));
        goes_on = !point || visit(site, point, context);
    }
    json_decref(points);
    return goes_on;
}

static void visit_all(point_visitor *visit, void *context)
{
    char path[HOST_PATH_SIZE];
    bool goes_on = true;
    DIR *directory = opendir(host_path(path, sizeof path, DIRECTORY));
    for (const struct dirent *file; directory && goes_on && (file = readdir(directory)) != NULL;)
        goes_on = !str_ends(file->d_name, SUFFIX) || visit_site(file->d_name, visit, context);
    if (directory)
        closedir(directory);
}

static bool forget_one(const char *site, const char *point, void *context)
{
    (void)context;
    needed_forget(site, point, NULL);
    return true;
}

void needed_forget_all(void)
{
    visit_all(forget_one, NULL);
}

static bool note_any(const char *site, const char *point, void *context)
{
    (void)site, (void)point;
    *(bool *)context = true;
    return false;
}

bool needed_any(void)
{
    bool any = false;
    visit_all(note_any, &any);
    return any;
}

/* --- one container, for the hook ------------------------------------------------------------------------------------
 */

struct starting {
    const char *bundle;
    json_t *mounts; /* of the container; NULL until they are looked at */
    bool is_missing;
    char *why;
    size_t why_size;
};

static json_t *read_mounts(const char *bundle)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(CONFIG_CEILING);
    json_t *config = NULL;
    host_path_format(path, sizeof path, "%s/config.json", bundle);
    if (buf_read_file(&text, path, NULL) == ERR_OK)
        json_parse(buf_text(&text), text.length, &config, NULL);
    json_t *mounts = json_incref(json_object_get(config, "mounts"));
    json_decref(config);
    buf_free(&text);
    return mounts ? mounts : json_array();
}

static bool uses(const json_t *mounts, const char *point)
{
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const char *source = json_get_text(json_array_get(mounts, i), "source");
        if (source && mounts_is_at_or_below(source, point))
            return true;
    }
    return false;
}

static bool look_at_point(const char *site, const char *point, void *context)
{
    struct starting *starting = context;
    enum fstab_when when = fstab_when(point);
    if (when == FSTAB_NEVER || when == FSTAB_ON_ACCESS || mounts_has(point))
        return true;
    if (!starting->mounts)
        starting->mounts = read_mounts(starting->bundle);
    starting->is_missing = uses(starting->mounts, point);
    if (starting->is_missing)
        str_format(starting->why, starting->why_size,
            "the storage of %s is not mounted at %s, and it would begin anew in an empty directory; `mount %s`, or "
            "`dogwatch start %s`",
            site, point, point, site);
    return !starting->is_missing;
}

bool needed_is_missing(const char *bundle, char *why, size_t why_size)
{
    struct starting starting = {.bundle = bundle, .why = why, .why_size = why_size};
    visit_all(look_at_point, &starting);
    json_decref(starting.mounts);
    return starting.is_missing;
}

/* --- a site, before we start it -------------------------------------------------------------------------------------
 */

static enum err make_source_ready(const char *container, const char *source, struct err_info *info)
{
    char point[HOST_PATH_SIZE];
    enum fstab_when when = fstab_find_above(source, point);
    if (when == FSTAB_NEVER || when == FSTAB_ON_ACCESS || mounts_has(point))
        return ERR_OK;
    if (when != FSTAB_AT_BOOT)
        return err_set(info, ERR_DENIED,
            "%s, which %s needs, is not mounted, and by /etc/fstab it is not mounted here by itself: it may be in use "
            "on another host; where it belongs here, `mount %s` first",
            point, container, point);
    enum err result = mounts_mount(point, info);
    return result == ERR_OK ? ERR_OK
                            : err_prefix(info, result, "%s, which %s needs, cannot be mounted", point, container);
}

enum err needed_make_ready(const json_t *containers, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(containers) && result == ERR_OK; i++) {
        const json_t *container = json_array_get(containers, i), *mounts = json_object_get(container, "mounts");
        for (size_t j = 0; j < json_array_size(mounts) && result == ERR_OK; j++) {
            const char *source = json_get_text(json_array_get(mounts, j), "source");
            if (source)
                result = make_source_ready(json_get_text(container, "name"), source, info);
        }
    }
    return result;
}
