/* What can only be seen once all fleet files are read: two things of one name, names that stand for nothing, jump hosts
 * that go in a circle, two containers of a site on one port. Sorting keeps this at n log n for 200,000 sites. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "fleet/complaints.h"
#include "fleet/records.h"

#define PLACE_SIZE 288

/* "sites/a.yaml:3:5": where the other one is. */
static const char *place_text(const struct loader *loader, const struct place *place, char out[PLACE_SIZE])
{
    size_t directory = strlen(loader->fleet->directory);
    const char *file = place->file;
    if (strncmp(file, loader->fleet->directory, directory) == 0 && file[directory] == '/')
        file += directory + 1;
    char shown[QUOTED_SIZE];
    bool plain = file[strspn(file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")] == '\0';
    str_format(
        out, PLACE_SIZE, "%s:%u:%u", plain ? file : quoted(file, strlen(file), shown), place->line, place->column);
    return out;
}

static int compare_places(const struct place *a, const struct place *b)
{
    int order = a->file == b->file ? 0 : strcmp(a->file, b->file);
    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    return order ? order : (a->column > b->column) - (a->column < b->column);
}

/* --- volumes and ports: within one site --------------------------------------------------------------------------- */

#define SUGGESTIONS 20 /* in many thousands of names, looking for the nearest is slow */

/* The name nearest to `name` as "; did you mean “x”?", or "". */
static void suggestion(
    struct loader *loader, const char *name, const char *const *names, size_t count, char out[QUOTED_SIZE])
{
    out[0] = '\0';
    if (loader->suggestions++ >= SUGGESTIONS)
        return;
    const char *nearest = name_nearest(name, names, count);
    if (nearest && name_is_valid(nearest))
        str_format(out, QUOTED_SIZE, "; did you mean \"%s\"?", nearest);
}

static void check_volume(struct loader *loader, const struct reference *reference)
{
    const struct site_def *site = &loader->fleet->sites.items[reference->site];
    vec_each (&site->volumes, struct volume_def, volume)
        if (strcmp(volume->name, reference->text) == 0)
            return;
    const char **names = xcalloc(site->volumes.count, sizeof *names);
    for (size_t i = 0; i < site->volumes.count; i++)
        names[i] = site->volumes.items[i].name;
    char text[QUOTED_SIZE], hint[QUOTED_SIZE], of[QUOTED_SIZE], in[QUOTED_SIZE];
    suggestion(loader, reference->text, names, site->volumes.count, hint);
    complain(loader->complaints, &reference->place,
        "container %s of site %s mounts %s, which is not among the site's volumes%s", named(reference->of, of),
        named(site->name, in), named(reference->text, text), hint);
    free(names);
}

/* A site's containers live on one host. */
static void check_ports(struct loader *loader, const struct site_def *site)
{
    for (size_t i = 1; i < site->containers.count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct container_def *later = &site->containers.items[i], *first = &site->containers.items[j];
            char name[QUOTED_SIZE], other[QUOTED_SIZE], in[QUOTED_SIZE];
            if (later->publish && later->publish == first->publish)
                complain(loader->complaints, &later->place, "containers %s and %s of site %s both publish port %u",
                    named(first->name, other), named(later->name, name), named(site->name, in),
                    (unsigned)later->publish);
        }
}

/* --- domains: in one site only ------------------------------------------------------------------------------------ */

static int compare_references(const void *left, const void *right)
{
    const struct reference *a = left, *b = right;
    int order = strcmp(a->text, b->text);
    return order ? order : compare_places(&a->place, &b->place);
}

static void check_domains(struct loader *loader)
{
    struct reference *domains = loader->references[REFERS_DOMAIN].items;
    size_t count = loader->references[REFERS_DOMAIN].count;
    if (count > 1)
        qsort(domains, count, sizeof *domains, compare_references);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(domains[i].text, domains[first].text) != 0) {
            first = i;
            continue;
        }
        char where[PLACE_SIZE], in[QUOTED_SIZE];
        if (domains[i].site == domains[first].site)
            complain(loader->complaints, &domains[i].place, "domain %s is there twice in site %s", domains[i].text,
                named(domains[i].of, in));
        else if (strcmp(domains[i].of, domains[first].of) != 0)
            complain(loader->complaints, &domains[i].place, "domain %s belongs to site %s already (%s)",
                domains[i].text, named(domains[first].of, in), place_text(loader, &domains[first].place, where));
    }
}

/* --- names: once each --------------------------------------------------------------------------------------------- */

static int compare_hosts(const void *left, const void *right)
{
    const struct host_def *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : compare_places(&a->place, &b->place);
}

static int compare_sites(const void *left, const void *right)
{
    const struct site_def *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : compare_places(&a->place, &b->place);
}

static void complain_double(
    struct loader *loader, const char *kind, const char *name, const struct place *first, const struct place *second)
{
    char where[PLACE_SIZE], text[QUOTED_SIZE];
    complain(loader->complaints, second, "%s %s is there already (%s)", kind, named(name, text),
        place_text(loader, first, where));
}

static void check_host_names(struct loader *loader)
{
    struct host_def *hosts = loader->fleet->hosts.items;
    size_t count = loader->fleet->hosts.count;
    if (count > 1)
        qsort(hosts, count, sizeof *hosts, compare_hosts);
    for (size_t i = 1, first = 0; i < count; i++)
        if (strcmp(hosts[i].name, hosts[first].name) != 0)
            first = i;
        else
            complain_double(loader, "host", hosts[i].name, &hosts[first].place, &hosts[i].place);
}

static void check_site_names(struct loader *loader)
{
    struct site_def *sites = loader->fleet->sites.items;
    size_t count = loader->fleet->sites.count;
    if (count > 1)
        qsort(sites, count, sizeof *sites, compare_sites);
    for (size_t i = 1, first = 0; i < count; i++)
        if (strcmp(sites[i].name, sites[first].name) != 0)
            first = i;
        else
            complain_double(loader, "site", sites[i].name, &sites[first].place, &sites[i].place);
}

/* --- jump hosts: in the fleet, and leading out -------------------------------------------------------------------- */

static void check_jump(struct loader *loader, const struct reference *jump)
{
    const struct fleet *fleet = loader->fleet;
    if (fleet_host(fleet, jump->text))
        return;
    const char **names = xcalloc(fleet->hosts.count, sizeof *names);
    for (size_t i = 0; i < fleet->hosts.count; i++)
        names[i] = fleet->hosts.items[i].name;
    char hint[QUOTED_SIZE], of[QUOTED_SIZE];
    suggestion(loader, jump->text, names, fleet->hosts.count, hint);
    complain(loader->complaints, &jump->place, "host %s jumps over \"%s\", which is not in hosts.yaml%s",
        named(jump->of, of), jump->text, hint);
    free(names);
}

/* A circle is told once, at the first of its hosts by name. Each host is walked over twice at most. */
static void check_circles(struct loader *loader)
{
    const struct fleet *fleet = loader->fleet;
    size_t *walk_of = xcalloc(fleet->hosts.count, sizeof *walk_of); /* the walk that came by, from 1 */
    for (size_t i = 0; i < fleet->hosts.count; i++) {
        const struct host_def *host = &fleet->hosts.items[i];
        while (host && walk_of[host - fleet->hosts.items] == 0) {
            walk_of[host - fleet->hosts.items] = i + 1;
            host = host->jump ? fleet_host(fleet, host->jump) : NULL;
        }
        if (!host || walk_of[host - fleet->hosts.items] != i + 1)
            continue;
        char way[256], name[QUOTED_SIZE];
        const struct host_def *at = host;
        str_copy(way, sizeof way, named(host->name, name));
        do {
            size_t used = strlen(way);
            at = fleet_host(fleet, at->jump);
            str_format(way + used, sizeof way - used, " → %s", named(at->name, name));
        } while (at != host);
        complain(loader->complaints, &host->place, "jump hosts go in a circle: %s", way);
    }
    free(walk_of);
}

/* ------------------------------------------------------------------------------------------------------------------ */

void references_check(struct loader *loader)
{
    vec_each (&loader->references[REFERS_VOLUME], struct reference, reference)
        check_volume(loader, reference);
    vec_each (&loader->fleet->sites, struct site_def, site)
        check_ports(loader, site);
    check_domains(loader);
    check_host_names(loader);
    check_site_names(loader);
    vec_each (&loader->references[REFERS_JUMP], struct reference, jump)
        check_jump(loader, jump);
    check_circles(loader);
}
