/* The map of domains, in its file and in the running HAProxy. Which domains were put on the notice page for a site is
 * written down beforehand (/var/lib/dogwatch/sites/SITE.route), so that all of them come back and no other site's do.
 * Runs under route.c's lock where it changes anything. */
#include "host/route/haproxy_domains.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"
#include "host/path.h"
#include "host/route/file.h"
#include "host/route/haproxy_cli.h"
#include "host/route/text.h"
#include "host/site/record.h"

#define MAP_FILE "/etc/haproxy/sites.map"
#define NOTICE "notice"
#define SUFFIX "route"

struct maps {
    struct buf file, running;
    bool has_running; /* the running proxy has that map */
};

static void free_maps(struct maps *maps)
{
    buf_free(&maps->file);
    buf_free(&maps->running);
}

static enum err read_running(struct maps *maps, struct err_info *info)
{
    struct buf answer = BUF(ROUTE_FILE_CEILING);
    char path[HOST_PATH_SIZE];
    enum err result = haproxy_ask(&answer, info, "show map %s", host_path(path, sizeof path, MAP_FILE));
    maps->has_running = result == ERR_OK && !str_starts(buf_text(&answer), "Unknown map identifier");
    if (maps->has_running)
        result = map_from_runtime(&maps->running, buf_text(&answer));
    buf_free(&answer);
    return result;
}

/* No map file at all is an empty one. */
static enum err read_maps(struct maps *maps, struct err_info *info)
{
    *maps = (struct maps){.file = BUF(ROUTE_FILE_CEILING), .running = BUF(ROUTE_FILE_CEILING)};
    enum err result = route_file_read(MAP_FILE, &maps->file, info);
    if (result == ERR_NOT_FOUND)
        result = ERR_OK;
    return result == ERR_OK ? read_running(maps, info) : result;
}

/* --- what was put on the notice page, and for whom ---------------------------------------------------------------- */

static void add_recorded(const char *site, struct route_domains *domains)
{
    json_t *record = NULL;
    if (record_read(site, SUFFIX, &record, NULL) != ERR_OK)
        return;
    const json_t *noted = json_object_get(record, NOTICE);
    for (size_t i = 0; i < json_array_size(noted); i++)
        route_add_domain(domains, json_string_value(json_array_get(noted, i)));
    json_decref(record);
}

static enum err write_record(const char *site, const struct route_domains *domains, struct err_info *info)
{
    json_t *record = json_object(), *noted = json_array();
    for (size_t i = 0; i < domains->count; i++)
        json_array_append_new(noted, json_string(domains->names[i]));
    json_object_set_new(record, NOTICE, noted);
    enum err result = record_write(site, SUFFIX, record, info);
    json_decref(record);
    return result;
}

/* Take away what another site has on the notice page. */
static void drop_recorded_of_others(const char *site, struct route_domains *domains)
{
    char path[HOST_PATH_SIZE], other[NAME_SIZE];
    struct route_domains *theirs = xcalloc(1, sizeof *theirs);
    DIR *directory = opendir(host_path(path, sizeof path, "/var/lib/dogwatch/sites"));
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length <= strlen("." SUFFIX) || !str_ends(entry->d_name, "." SUFFIX) || length >= sizeof other)
            continue;
        memcpy(other, entry->d_name, length - strlen("." SUFFIX));
        other[length - strlen("." SUFFIX)] = '\0';
        if (name_is_valid(other) && strcmp(other, site) != 0)
            add_recorded(other, theirs);
    }
    if (directory)
        closedir(directory);
    size_t kept = 0;
    for (size_t i = 0; i < domains->count; i++) {
        bool is_theirs = false;
        for (size_t j = 0; j < theirs->count && !is_theirs; j++)
            is_theirs = strcmp(domains->names[i], theirs->names[j]) == 0;
        if (!is_theirs && kept++ != i)
            memcpy(domains->names[kept - 1], domains->names[i], DOMAIN_SIZE);
    }
    domains->count = kept;
    free(theirs);
}

/* Of those asked for, those the file leads to the site, and those that are on the notice page for it: the ones that
 * are in the file, and there lead to the site or the notice page. A domain that is not in the map stays out of it. */
static void find_domains(const struct route_request *request, const struct maps *maps, struct route_domains *domains)
{
    char value[NAME_VALUE_SIZE];
    *domains = request->domains;
    map_add_keys(buf_text(&maps->file), request->site, domains);
    add_recorded(request->site, domains);
    size_t kept = 0;
    for (size_t i = 0; i < domains->count; i++) {
        if (!map_find(buf_text(&maps->file), domains->names[i], value) ||
            (strcmp(value, request->site) != 0 && strcmp(value, NOTICE) != 0))
            continue;
        if (kept++ != i)
            memcpy(domains->names[kept - 1], domains->names[i], DOMAIN_SIZE);
    }
    domains->count = kept;
    drop_recorded_of_others(request->site, domains);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static void compare(
    const struct maps *maps, const struct route_domains *domains, struct route_facts *facts, bool *is_notice)
{
    char in_file[NAME_VALUE_SIZE], running[NAME_VALUE_SIZE];
    size_t on_notice = 0;
    for (size_t i = 0; i < domains->count; i++) {
        const char *name = domains->names[i];
        bool is_there = map_find(buf_text(&maps->running), name, running);
        map_find(buf_text(&maps->file), name, in_file);
        on_notice += is_there && strcmp(running, NOTICE) == 0;
        if (!is_there || strcmp(in_file, running) != 0)
            str_format(facts->domains_drift, sizeof facts->domains_drift,
                "%.80s leads to %.64s in " MAP_FILE ", in the running HAProxy to %.64s", name, in_file,
                is_there ? running : "nothing of its own");
    }
    *is_notice = domains->count > 0 && on_notice == domains->count;
}

enum err haproxy_domains_look(
    const struct route_request *request, struct route_facts *facts, bool *is_notice, struct err_info *info)
{
    struct maps maps;
    *is_notice = false;
    enum err result = read_maps(&maps, info);
    if (result == ERR_OK && !maps.has_running && maps.file.length) {
        str_format(facts->domains_drift, sizeof facts->domains_drift,
            "the running HAProxy does not use " MAP_FILE " (docs/proxy.md)");
    } else if (result == ERR_OK) {
        struct route_domains *domains = xcalloc(1, sizeof *domains);
        find_domains(request, &maps, domains);
        compare(&maps, domains, facts, is_notice);
        free(domains);
    }
    free_maps(&maps);
    return result;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

static enum err write_file(
    const struct maps *maps, const struct route_domains *domains, const char *value, struct err_info *info)
{
    struct buf text = BUF(ROUTE_FILE_CEILING);
    enum err result = buf_puts(&text, buf_text(&maps->file));
    for (size_t i = 0; i < domains->count && result == ERR_OK; i++) {
        struct buf next = BUF(ROUTE_FILE_CEILING);
        result = map_set(&next, buf_text(&text), domains->names[i], value);
        buf_free(&text);
        text = next;
    }
    if (result != ERR_OK)
        err_set(info, result, MAP_FILE " would become too large");
    else if (strcmp(buf_text(&text), buf_text(&maps->file)) != 0)
        result = route_file_write(MAP_FILE, &text, info);
    buf_free(&text);
    return result;
}

static enum err change_running(
    const struct maps *maps, const struct route_domains *domains, const char *value, struct err_info *info)
{
    struct buf answer = BUF(65536);
    char path[HOST_PATH_SIZE], now[NAME_VALUE_SIZE];
    enum err result = ERR_OK;
    host_path(path, sizeof path, MAP_FILE);
    for (size_t i = 0; i < domains->count && result == ERR_OK; i++) {
        bool is_there = map_find(buf_text(&maps->running), domains->names[i], now);
        if (is_there && strcmp(now, value) == 0)
            continue;
        result =
            haproxy_ask(&answer, info, "%s map %s %s %s", is_there ? "set" : "add", path, domains->names[i], value);
        if (result == ERR_OK && answer.length)
            result = err_set(info, ERR_FAILED, "HAProxy would not lead %s to %s: %.200s", domains->names[i], value,
                buf_text(&answer));
    }
    buf_free(&answer);
    return result;
}

static enum err change(const struct maps *maps, const struct route_request *request,
    const struct route_domains *domains, bool on, struct err_info *info)
{
    const char *value = on ? NOTICE : request->site;
    if (domains->count == 0)
        return err_set(info, ERR_NOT_FOUND,
            "no domain in " MAP_FILE " leads to %s, so it has no visitors here to show the notice page to",
            request->site);
    if (!maps->has_running)
        return err_set(info, ERR_FAILED, "the running HAProxy does not use " MAP_FILE " (docs/proxy.md)");
    enum err result = on ? write_record(request->site, domains, info) : ERR_OK;
    if (result == ERR_OK)
        result = write_file(maps, domains, value, info);
    if (result == ERR_OK)
        result = change_running(maps, domains, value, info);
    if (result == ERR_OK && !on)
        result = record_remove(request->site, SUFFIX, info);
    return result;
}

enum err haproxy_domains_notice(const struct route_request *request, bool on, struct err_info *info)
{
    struct maps maps;
    struct route_domains *domains = xcalloc(1, sizeof *domains);
    enum err result = read_maps(&maps, info);
    if (result == ERR_OK) {
        find_domains(request, &maps, domains);
        result = change(&maps, request, domains, on, info);
    }
    free(domains);
    free_maps(&maps);
    return result;
}
