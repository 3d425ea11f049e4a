/* Which hosts are collected from. Each running collector is kept with a text of all that its connection rests on; a
 * reload compares these texts, so that an edit elsewhere in the files does not touch it. Main thread. */
#include "engine/collecting.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"

#define WAY_CEILING 16384
#define JUMPS_MAX 8

const struct collector_calls real_collectors = {collector_start, collector_retry, collector_cancel, collector_free};

struct entry { /* sorted by name, as the fleet's hosts are */
    char *name, *way;
    struct collector *collector;
};

struct collecting {
    const char *state_dir;
    const struct sink *sink;
    const struct collector_calls *calls;
    VEC(struct entry) entries;
};

struct collecting *collecting_new(const char *state_dir, const struct sink *sink, const struct collector_calls *calls)
{
    struct collecting *collecting = xcalloc(1, sizeof *collecting);
    collecting->state_dir = state_dir;
    collecting->sink = sink;
    collecting->calls = calls;
    return collecting;
}

/* All that the connection to a host rests on, as one text. */
static char *way_to(const struct fleet *fleet, const struct host_def *host)
{
    struct buf way = BUF(WAY_CEILING);
    buf_printf(&way, "%" PRId64, fleet->interval_us);
    for (int jumps = 0; host && jumps < JUMPS_MAX; jumps++) {
        buf_printf(&way, "\n%s %s %u %s", host->name, host->address, host->port, host->user);
        host = host->jump ? fleet_host(fleet, host->jump) : NULL;
    }
    return buf_take(&way);
}

static void end_entry(struct collecting *collecting, struct entry *entry)
{
    collecting->calls->free(entry->collector);
    free(entry->name);
    free(entry->way);
}

static bool still_right(const struct fleet *fleet, const struct entry *entry)
{
    const struct host_def *host = fleet_host(fleet, entry->name);
    char *way = host ? way_to(fleet, host) : NULL;
    bool right = way && strcmp(way, entry->way) == 0;
    free(way);
    return right;
}

/* Cancel all that must go before waiting for the first of them: their ends overlap. */
static void end_outdated(struct collecting *collecting, const struct fleet *fleet)
{
    bool *outdated = xcalloc(collecting->entries.count + 1, sizeof *outdated);
    for (size_t i = 0; i < collecting->entries.count; i++) {
        outdated[i] = !still_right(fleet, &collecting->entries.items[i]);
        if (outdated[i])
            collecting->calls->cancel(collecting->entries.items[i].collector);
    }
    size_t kept = 0;
    for (size_t i = 0; i < collecting->entries.count; i++) {
        if (outdated[i])
            end_entry(collecting, &collecting->entries.items[i]);
        else
            collecting->entries.items[kept++] = collecting->entries.items[i];
    }
    collecting->entries.count = kept;
    free(outdated);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

void collecting_apply(struct collecting *collecting, const struct fleet *fleet)
{
    end_outdated(collecting, fleet);
    vec_each (&collecting->entries, struct entry, entry)
        collecting->calls->retry(entry->collector);
    size_t before = collecting->entries.count;
    for (size_t i = 0; i < fleet->hosts.count; i++) {
        const struct host_def *host = &fleet->hosts.items[i];
        const struct entry wanted = {.name = host->name};
        if (before && bsearch(&wanted, collecting->entries.items, before, sizeof wanted, compare_entries))
            continue;
        struct entry *entry = vec_add(&collecting->entries);
        entry->name = xstrdup(host->name);
        entry->way = way_to(fleet, host);
        entry->collector = collecting->calls->start(fleet, host, collecting->state_dir, collecting->sink);
    }
    if (collecting->entries.count)
        qsort(collecting->entries.items, collecting->entries.count, sizeof *collecting->entries.items, compare_entries);
}

size_t collecting_count(const struct collecting *collecting)
{
    return collecting->entries.count;
}

void collecting_cancel(struct collecting *collecting)
{
    vec_each (&collecting->entries, struct entry, entry)
        collecting->calls->cancel(entry->collector);
}

void collecting_free(struct collecting *collecting)
{
    if (!collecting)
        return;
    collecting_cancel(collecting);
    vec_each (&collecting->entries, struct entry, entry)
        end_entry(collecting, entry);
    vec_free(&collecting->entries);
    free(collecting);
}
