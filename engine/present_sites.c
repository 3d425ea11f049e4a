/* Sites: made of the containers of all hosts, and of what the fleet files declare. A site's status, its drift and its
 * figures are computed anew from the hosts that have it whenever one of them reports or is lost. */
#include <math.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "engine/present_private.h"
#include "engine/timeline.h"

static struct present_site *find_site(const struct present *present, const char *name)
{
    void *found = tfind(name, (void *const *)&present->sites, present_compare_names);
    return found ? *(struct present_site **)found : NULL;
}

static struct present_site *ensure_site(struct present *present, const char *name)
{
    struct present_site *site = find_site(present, name);
    if (site)
        return site;
    site = xcalloc(1, sizeof *site);
    str_copy(site->state.name, sizeof site->state.name, name);
    metrics_clear(site->state.metrics, SITE_METRIC_COUNT);
    if (!tsearch(site, &present->sites, present_compare_names))
        abort();
    return site;
}

static int compare_site_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

void present_sites_of(const struct present_host *host, struct site_names *out)
{
    vec_each (&host->containers, const struct container_state, container)
        if (container->site[0])
            str_copy(vec_add(&out->list)->text, NAME_SIZE, container->site);
    if (!out->list.count)
        return;
    qsort(out->list.items, out->list.count, sizeof *out->list.items, compare_site_names);
    size_t kept = 1;
    for (size_t i = 1; i < out->list.count; i++)
        if (strcmp(out->list.items[i].text, out->list.items[kept - 1].text) != 0)
            out->list.items[kept++] = out->list.items[i];
    out->list.count = kept;
}

/* Keep the list of hosts that have the site, sorted by name. */
static void set_host(struct present_site *site, struct present_host *host, bool has)
{
    size_t at = 0;
    while (at < site->hosts.count && strcmp(site->hosts.items[at]->state.name, host->state.name) < 0)
        at++;
    bool there = at < site->hosts.count && site->hosts.items[at] == host;
    if (has == there)
        return;
    if (has) {
        vec_push(&site->hosts, host);
        memmove(&site->hosts.items[at + 1], &site->hosts.items[at],
            (site->hosts.count - 1 - at) * sizeof *site->hosts.items);
        site->hosts.items[at] = host;
    } else {
        memmove(&site->hosts.items[at], &site->hosts.items[at + 1],
            (site->hosts.count - 1 - at) * sizeof *site->hosts.items);
        site->hosts.count--;
    }
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

/* What is not known of one container does not hide what is known of the others. */
static void add_known(double *sum, double value)
{
    if (!isnan(value))
        *sum = isnan(*sum) ? value : *sum + value;
}

static void add_container(struct site_state *state, const struct container_state *container, bool *all_limited)
{
    static const struct {
        enum site_metric to;
        enum container_metric from;
    } sums[] = {
        {SITE_CPU, CONTAINER_CPU},
        {SITE_MEM_USED, CONTAINER_MEM_USED},
        {SITE_NET_RX, CONTAINER_NET_RX},
        {SITE_NET_TX, CONTAINER_NET_TX},
        {SITE_MEM_LIMIT, CONTAINER_MEM_LIMIT},
        {SITE_PROCESSES, CONTAINER_PROCESSES},
        {SITE_RESTARTS, CONTAINER_RESTARTS},
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        add_known(&state->metrics[sums[i].to], container->metrics[sums[i].from]);
    *all_limited &= !isnan(container->metrics[CONTAINER_MEM_LIMIT]);
    state->containers_total++;
    state->containers_running += container->state == RUN_RUNNING;
    if (container->health > state->health)
        state->health = container->health; /* the enum is ordered: unhealthy is the worst */
    if (!state->image[0])
        str_copy(state->image, sizeof state->image, container->image);
}

struct presence {
    unsigned listed;  /* hosts with it that say what they run */
    unsigned running; /* of those, where it runs */
    unsigned unsure;  /* containers there whose engine does not answer */
    bool contested;   /* more than one host has it active */
    const char *lost; /* a host that does not answer and ran it when last seen; or NULL */
    bool all_limited;
};

/* One host's part of the site; true where it runs there. */
static bool add_host(struct present_site *site, const struct present_host *host, struct presence *presence)
{
    struct site_state *state = &site->state;
    uint32_t running_before = state->containers_running;
    vec_each (&host->containers, const struct container_state, container) {
        if (strcmp(container->site, state->name) != 0)
            continue;
        add_container(state, container, &presence->all_limited);
        presence->unsure += container->state == RUN_UNKNOWN;
    }
    vec_each (&host->volumes, const struct volume_state, volume)
        if (strcmp(volume->site, state->name) == 0)
            add_known(&state->metrics[SITE_DISK_USED], volume->metrics[VOLUME_USED]);
    return state->containers_running > running_before;
}

static bool ran_there(const struct present_site *site, const struct present_host *host)
{
    vec_each (&host->containers, const struct container_state, container)
        if (container->state == RUN_RUNNING && strcmp(container->site, site->state.name) == 0)
            return true;
    return false;
}

static bool any_listed(const struct present_site *site)
{
    vec_each (&site->hosts, struct present_host *, host)
        if ((*host)->listed && present_is_place(site, *host))
            return true;
    return false;
}

/* What is last known of hosts that do not answer counts only where no other has the site. */
static struct presence sum_up(struct present_site *site, int64_t now_us)
{
    struct site_state *state = &site->state;
    struct presence presence = {.all_limited = true, .contested = present_is_contested(site, now_us)};
    present_choose_place(site);
    bool listed_only = any_listed(site);
    metrics_clear(state->metrics, SITE_METRIC_COUNT);
    state->containers_running = state->containers_total = 0;
    state->health = HEALTH_NONE;
    state->image[0] = state->host[0] = '\0';
    state->host_count = 0;
    state->seen_us = 0;
    vec_each (&site->hosts, struct present_host *, at) {
        const struct present_host *host = *at;
        if (!present_is_place(site, host))
            continue;
        state->host_count++;
        if (listed_only && !host->listed) {
            if (ran_there(site, host))
                presence.lost = host->state.name;
            continue;
        }
        bool runs = add_host(site, host, &presence);
        presence.listed += host->listed;
        presence.running += runs;
        if (!state->host[0] || (runs && presence.running == 1))
            str_copy(state->host, sizeof state->host, host->state.name);
        if (host->state.seen_us > state->seen_us)
            state->seen_us = host->state.seen_us;
    }
    if (!presence.all_limited)
        state->metrics[SITE_MEM_LIMIT] = (double)NAN;
    present_put_marks(site);
    return presence;
}

/* --- drift -------------------------------------------------------------------------------------------------------- */

static bool has_role(const struct container_state *container, const char *site, const char *role)
{
    if (container->role[0])
        return strcmp(container->role, role) == 0;
    size_t prefix = strlen(site);
    return strncmp(container->name, site, prefix) == 0 && container->name[prefix] == '-' &&
           strcmp(container->name + prefix + 1, role) == 0;
}

static const struct container_state *find_role(const struct present_site *site, const char *role)
{
    vec_each (&site->hosts, struct present_host *, host) {
        if (!(*host)->listed || !present_is_place(site, *host))
            continue;
        vec_each (&(*host)->containers, const struct container_state, container)
            if (strcmp(container->site, site->state.name) == 0 && has_role(container, site->state.name, role))
                return container;
    }
    return NULL;
}

/* docker leaves out what podman writes in full. */
static const char *without_registry(const char *image)
{
    static const char *const implied[] = {"docker.io/library/", "docker.io/"};
    for (size_t i = 0; i < sizeof implied / sizeof *implied; i++)
        if (str_starts(image, implied[i]))
            return image + strlen(implied[i]);
    return image;
}

/* The same image reference, a missing tag being ":latest". */
static bool same_image(const char *declared, const char *actual)
{
    declared = without_registry(declared);
    actual = without_registry(actual);
    size_t length = strlen(declared);
    if (strncmp(declared, actual, length) == 0)
        return !actual[length] || strcmp(actual + length, ":latest") == 0;
    return str_ends(declared, ":latest") && strlen(actual) == length - 7 && strncmp(declared, actual, length - 7) == 0;
}

struct drift {
    char made[REASON_SIZE]; /* how it is made differs from the declaration */
    char all[REASON_SIZE];  /* and what does not run besides */
};

static void append(char whole[REASON_SIZE], const char *piece)
{
    char before[REASON_SIZE];
    str_copy(before, sizeof before, whole);
    str_format(whole, REASON_SIZE, "%s%s%s", before, before[0] ? "; " : "", piece);
}

__attribute__((format(printf, 3, 4))) static void say(struct drift *drift, bool made, const char *format, ...)
{
    char piece[REASON_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (made)
        append(drift->made, piece);
    append(drift->all, piece);
}

/* In "8080→80/tcp, …": the number as a whole, so that 80 is not found in 8080. */
static bool publishes(const char *ports, unsigned port)
{
    char wanted[16];
    size_t length = strlen(ports);
    str_format(wanted, sizeof wanted, "%u→", port);
    for (const char *at = ports; (at = strstr(at, wanted)); at++)
        if (at == ports || at[-1] < '0' || at[-1] > '9')
            return true;
    return str_ends(ports, "…") && length > 64; /* a list that was cut says nothing */
}

static void compare_container(
    struct drift *drift, const struct container_def *def, const struct container_state *container)
{
    if (!same_image(def->image, container->image))
        say(drift, true, "%s runs image %s, declared is %s", def->name, container->image, def->image);
    double limit = container->metrics[CONTAINER_MEM_LIMIT];
    if (def->memory_bytes && !isnan(limit) && fabs(limit - (double)def->memory_bytes) > 4096) {
        char is[FORMAT_SIZE], should[FORMAT_SIZE];
        say(drift, true, "%s has a memory limit of %s, declared is %s", def->name, format_bytes(limit, is),
            format_bytes((double)def->memory_bytes, should));
    }
    if (def->publish && container->ports[0] && !publishes(container->ports, def->publish))
        say(drift, true, "%s publishes %s, declared is port %u", def->name, container->ports, def->publish);
    if (container->state != RUN_RUNNING && container->state != RUN_UNKNOWN)
        say(drift, false, "%s is %s", def->name, run_state_word(container->state));
}

static void compare_with_declaration(const struct present_site *site, const char *lost_host, struct drift *drift)
{
    *drift = (struct drift){0};
    if (site->state.status == SITE_CONFLICT) {
        char hosts[REASON_SIZE - 64];
        present_active_hosts(site, hosts, sizeof hosts);
        say(drift, false, "runs, or would start at boot, on %s", hosts);
    }
    if (lost_host)
        say(drift, false, "ran on %s too, which does not answer", lost_host);
    if (!site->declared)
        return;
    if (site->state.status == SITE_MISSING) {
        say(drift, false, "declared, but on no host");
        return;
    }
    vec_each (&site->declared->containers, const struct container_def, def) {
        const struct container_state *container = find_role(site, def->name);
        if (container)
            compare_container(drift, def, container);
        else
            say(drift, true, "%s is missing", def->name);
    }
    if (site->state.containers_total > site->declared->containers.count)
        say(drift, true, "%u containers, declared are %zu", site->state.containers_total,
            site->declared->containers.count);
}

/* --- status ------------------------------------------------------------------------------------------------------- */

void present_count_listed(struct present *present)
{
    struct present_nodes hosts = {0};
    present->all_listed = true;
    present_all(present->hosts, &hosts);
    vec_each (&hosts.list, void *, node) {
        const struct present_host *host = *node;
        bool says_enough = host->listed || (host->state.status == HOST_UP && !strstr(host->state.roles, "compute"));
        present->all_listed &= says_enough;
    }
    vec_free(&hosts.list);
}

static enum site_status status_of(const struct present *present, const struct present_site *site, struct presence at)
{
    const struct site_state *state = &site->state;
    if (!site->hosts.count)
        return present->all_listed ? SITE_MISSING : SITE_UNKNOWN;
    if (!at.listed)
        return SITE_UNKNOWN;
    if (at.contested)
        return SITE_CONFLICT;
    if (site->place == MARK_QUARANTINED)
        return SITE_QUARANTINED;
    if (state->containers_running + at.unsure == state->containers_total && at.unsure)
        return SITE_UNKNOWN; /* nothing is known not to run */
    if (!state->containers_running)
        return at.unsure ? SITE_DEGRADED : SITE_STOPPED;
    bool whole = state->containers_running == state->containers_total;
    return whole && state->health != HEALTH_UNHEALTHY ? SITE_RUNNING : SITE_DEGRADED;
}

static void forget_site(struct present *present, struct present_site *site)
{
    present->writer.remove(present->writer.owner, KIND_SITE, site->state.name);
    tdelete(site, &present->sites, present_compare_names);
    vec_free(&site->hosts);
    free(site);
}

/* The status that an engine's start or an unreachable host interrupted goes on where it was. */
static void set_status(struct present_site *site, enum site_status status, int64_t now_us)
{
    struct site_state *state = &site->state;
    bool goes_on = site->loaded && (status == SITE_UNKNOWN || status == site->last_known);
    if ((status != state->status && !goes_on) || !state->since_us)
        state->since_us = now_us;
    state->status = status;
    site->loaded &= status == SITE_UNKNOWN;
}

static void tell_changes(struct present *present, struct present_site *site, const char *lost_host, int64_t now_us)
{
    struct drift drift;
    if (site->state.status == SITE_UNKNOWN)
        return; /* its drift is not known to be over */
    compare_with_declaration(site, lost_host, &drift);
    if (strcmp(drift.all, site->told_drift) == 0)
        str_copy(site->told_drift, sizeof site->told_drift, drift.made); /* as an earlier engine left it */
    str_copy(site->state.drift, sizeof site->state.drift, drift.all);
    timeline_site(&present->writer, site->last_known, site->told_drift, drift.made, &site->state, now_us);
    str_copy(site->told_drift, sizeof site->told_drift, drift.made);
    site->last_known = site->state.status;
}

/* Bring one site up to date from the hosts that have it: write it, sample it (sampled_us 0: do not), tell what changed.
 */
static void update_site(struct present *present, struct present_site *site, int64_t now_us, int64_t sampled_us)
{
    if (!site->hosts.count && !site->declared) {
        forget_site(present, site);
        return;
    }
    struct presence presence = sum_up(site, now_us);
    set_status(site, status_of(present, site, presence), now_us);
    tell_changes(present, site, presence.lost, now_us);
    present->writer.site(present->writer.owner, &site->state);
    if (sampled_us)
        present->writer.sample(present->writer.owner, KIND_SITE, site->state.name, sampled_us, site->state.metrics);
}

static bool has_name(const struct site_names *names, const char *name)
{
    return names->list.count &&
           bsearch(name, names->list.items, names->list.count, sizeof *names->list.items, compare_site_names);
}

void present_update_host_sites(struct present *present, struct present_host *host, const struct site_names *before,
    int64_t now_us, int64_t sampled_us)
{
    struct site_names now = {0};
    present_sites_of(host, &now);
    vec_each (&before->list, const struct site_name, name) {
        struct present_site *site = has_name(&now, name->text) ? NULL : find_site(present, name->text);
        if (!site)
            continue;
        set_host(site, host, false);
        update_site(present, site, now_us, 0);
    }
    vec_each (&now.list, const struct site_name, name) {
        struct present_site *site = ensure_site(present, name->text);
        set_host(site, host, true);
        update_site(present, site, now_us, sampled_us);
    }
    vec_free(&now.list);
}

static void update_where(struct present *present, int64_t now_us, bool only_nowhere)
{
    struct present_nodes sites = {0};
    present_all(present->sites, &sites);
    vec_each (&sites.list, void *, node) {
        struct present_site *site = *node;
        if (!only_nowhere || !site->hosts.count)
            update_site(present, site, now_us, 0);
    }
    vec_free(&sites.list);
}

void present_update_declared(struct present *present, int64_t now_us)
{
    bool before = present->all_listed;
    present_count_listed(present);
    if (present->all_listed != before)
        update_where(present, now_us, true);
}

void present_update_all_sites(struct present *present, int64_t now_us)
{
    update_where(present, now_us, false);
}

/* --- declarations and beginnings ---------------------------------------------------------------------------------- */

static void declare(struct present_site *site, const struct site_def *def)
{
    struct site_state *state = &site->state;
    site->declared = def;
    state->declared = def != NULL;
    str_copy(state->desired, sizeof state->desired, def ? "running" : "");
    str_copy(state->member, sizeof state->member, def && def->member ? def->member : "");
    state->domains[0] = '\0';
    for (size_t i = 0; def && i < def->domains.count; i++) {
        char before[sizeof state->domains];
        str_copy(before, sizeof before, state->domains);
        str_format(state->domains, sizeof state->domains, "%s%s%s", before, i ? " " : "", def->domains.items[i]);
    }
}

void present_declare_sites(struct present *present)
{
    struct present_nodes sites = {0};
    present_all(present->sites, &sites);
    vec_each (&sites.list, void *, node)
        declare(*node, NULL);
    vec_free(&sites.list);
    vec_each (&present->fleet->sites, const struct site_def, def)
        declare(ensure_site(present, def->name), def);
}

void present_load_sites(struct present *present, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->site_count; i++) {
        struct present_site *site = ensure_site(present, snapshot->sites[i].name);
        site->state = snapshot->sites[i];
        site->last_known = site->state.status;
        site->loaded = true;
        str_copy(site->told_drift, sizeof site->told_drift, site->state.drift);
        site->state.status = SITE_UNKNOWN;
    }
    struct present_nodes hosts = {0};
    present_all(present->hosts, &hosts);
    vec_each (&hosts.list, void *, node) {
        struct site_names names = {0};
        present_sites_of(*node, &names);
        vec_each (&names.list, const struct site_name, name)
            set_host(ensure_site(present, name->text), *node, true);
        vec_free(&names.list);
    }
    vec_free(&hosts.list);
}
