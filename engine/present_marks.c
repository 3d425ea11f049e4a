/* Marks in the model: which of the hosts that have a site's containers is where it is, which only keep a copy, and
 * whether more than one could start it. A mark that comes or goes is told. Runs in the engine's model thread. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/present_private.h"
#include "engine/timeline.h"

static int compare_sites(const void *a, const void *b)
{
    return strcmp(((const struct site_marking *)a)->site, ((const struct site_marking *)b)->site);
}

const struct site_marking *present_marking(const struct present_host *host, const char *site)
{
    struct site_marking wanted = {0};
    if (!host->marks.count)
        return NULL;
    str_copy(wanted.site, sizeof wanted.site, site);
    return bsearch(&wanted, host->marks.items, host->marks.count, sizeof wanted, compare_sites);
}

enum site_mark present_mark(const struct present_host *host, const char *site)
{
    const struct site_marking *marking = present_marking(host, site);
    return marking ? marking->mark : MARK_NONE;
}

/* --- taking them -------------------------------------------------------------------------------------------------- */

/* Both lists are sorted by site. */
static void tell_marks(
    struct present *present, struct present_host *host, const struct host_report *report, int64_t now_us)
{
    size_t old = 0, new = 0;
    while (old < host->marks.count || new < report->mark_count) {
        const struct site_marking *before = old < host->marks.count ? &host->marks.items[old] : NULL;
        const struct site_marking *after = new < report->mark_count ? &report->marks[new] : NULL;
        int order = !before ? 1 : !after ? -1 : compare_sites(before, after);
        timeline_mark(
            &present->writer, host->state.name, order <= 0 ? before : NULL, order >= 0 ? after : NULL, now_us);
        old += order <= 0;
        new += order >= 0;
    }
}

void present_take_marks(
    struct present *present, struct present_host *host, const struct host_report *report, int64_t now_us)
{
    if (host->known)
        tell_marks(present, host, report, now_us);
    vec_clear(&host->marks);
    for (size_t i = 0; i < report->mark_count; i++)
        vec_push(&host->marks, report->marks[i]);
}

void present_load_marks(struct present_host *host)
{
    vec_each (&host->containers, const struct container_state, container) {
        if (container->mark == MARK_NONE || present_marking(host, container->site))
            continue;
        struct site_marking *marking = vec_add(&host->marks);
        str_copy(marking->site, sizeof marking->site, container->site);
        marking->mark = container->mark;
        qsort(host->marks.items, host->marks.count, sizeof *host->marks.items, compare_sites);
    }
}

/* --- where a site is ---------------------------------------------------------------------------------------------- */

/* The smaller, the more it is the place of the site. */
static int rank_of(enum site_mark mark)
{
    static const int ranks[] = {[MARK_NONE] = 0,
        [MARK_QUARANTINED] = 1,
        [MARK_STOPPED] = 2,
        [MARK_LEAVING] = 3,
        [MARK_INCOMING] = 4,
        [MARK_KEPT] = 5};
    return (unsigned)mark < sizeof ranks / sizeof *ranks ? ranks[mark] : 0;
}

void present_choose_place(struct present_site *site)
{
    site->place = site->hosts.count ? MARK_KEPT : MARK_NONE;
    vec_each (&site->hosts, struct present_host *, host) {
        enum site_mark mark = present_mark(*host, site->state.name);
        if (rank_of(mark) < rank_of(site->place))
            site->place = mark;
    }
}

bool present_is_place(const struct present_site *site, const struct present_host *host)
{
    return present_mark(host, site->state.name) == site->place;
}

/* It runs there, or nothing keeps it from starting at boot. */
static bool is_active_there(const struct present_site *site, const struct present_host *host)
{
    enum site_mark mark = present_mark(host, site->state.name);
    if (!host->listed || mark == MARK_QUARANTINED || mark == MARK_INCOMING)
        return false;
    vec_each (&host->containers, const struct container_state, container) {
        if (strcmp(container->site, site->state.name) != 0)
            continue;
        bool runs =
            container->state == RUN_RUNNING || container->state == RUN_PAUSED || container->state == RUN_RESTARTING;
        if (runs || (mark == MARK_NONE && container->starts_at_boot && container->state != RUN_UNKNOWN))
            return true;
    }
    return false;
}

bool present_is_contested(struct present_site *site, int64_t now_us)
{
    int64_t since_us = site->contested_us ? site->contested_us : now_us;
    unsigned active = 0;
    bool all_said_so = true;
    vec_each (&site->hosts, struct present_host *, host) {
        if (!is_active_there(site, *host))
            continue;
        active++;
        all_said_so &= (*host)->state.seen_us >= since_us;
    }
    site->contested_us = active > 1 ? since_us : 0;
    return active > 1 && (all_said_so || site->last_known == SITE_CONFLICT);
}

void present_active_hosts(const struct present_site *site, char *out, size_t out_size)
{
    size_t left = 0, length = 0;
    vec_each (&site->hosts, struct present_host *, host)
        left += is_active_there(site, *host);
    out[0] = '\0';
    vec_each (&site->hosts, struct present_host *, host) {
        if (!is_active_there(site, *host))
            continue;
        str_format(
            out + length, out_size - length, "%s%s", length ? left > 1 ? ", " : " and " : "", (*host)->state.name);
        length = strlen(out);
        left--;
    }
}

/* Of several copies that are kept, the one whose time is over first: until that is removed no other is seen to. */
static bool is_kept_shorter(const struct site_marking *marking, const struct site_state *state)
{
    if (marking->mark != MARK_KEPT)
        return false;
    bool is_sooner = marking->until_us && (!state->kept_until_us || marking->until_us < state->kept_until_us);
    return !state->kept_host[0] || is_sooner;
}

void present_put_marks(struct present_site *site)
{
    struct site_state *state = &site->state;
    state->mark = site->place;
    state->mark_job[0] = state->kept_host[0] = '\0';
    state->mark_since_us = state->kept_until_us = 0;
    vec_each (&site->hosts, struct present_host *, host) {
        const struct site_marking *marking = present_marking(*host, state->name);
        if (!marking)
            continue;
        if (is_kept_shorter(marking, state)) {
            str_copy(state->kept_host, sizeof state->kept_host, (*host)->state.name);
            state->kept_until_us = marking->until_us;
        }
        if (marking->mark == site->place && !state->mark_job[0]) {
            str_copy(state->mark_job, sizeof state->mark_job, marking->job);
            state->mark_since_us = marking->since_us;
        }
    }
}
