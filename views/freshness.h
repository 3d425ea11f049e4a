/* How far the stored present can be believed at the moment of looking: what a reader shows may be older than the engine
 * that wrote it thought. Data older than three intervals (at least 15 s) turn every state into unknown; figures stay
 * visible as last known, aged and dimmed. Used by every screen, report and wallboard page alike. */
#ifndef VIEWS_FRESHNESS_H
#define VIEWS_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/state.h"
#include "store/jobs.h"
#include "store/reader.h"

struct freshness {
    int64_t now_us;
    int64_t limit_us; /* older than that is stale */
    bool silent;      /* freshness_engine_silent */
};

struct freshness freshness_of(const struct snapshot *snapshot, int64_t now_us);
bool freshness_is_stale(struct freshness freshness, int64_t seen_us);
/* The engine has not written its own row for longer than the limit: dead, or stuck. */
bool freshness_engine_silent(struct freshness freshness, const struct snapshot *snapshot);

/* How much a state matters, worst last, for colour, sorting and exit statuses. */
enum concern {
    CONCERN_NONE,
    CONCERN_OK,
    CONCERN_ACTIVE,
    CONCERN_UNKNOWN,
    CONCERN_WARNING,
    CONCERN_CRITICAL,
    CONCERN_QUARANTINED, /* contained on purpose: nobody is to touch it by mistake */
    CONCERN_CONFLICT,    /* two startable copies of one site: data part ways with every request */
    CONCERN_COUNT
};

struct shown_state {
    const char *word;   /* "up", "running", "unknown", … */
    const char *symbol; /* one column, also readable without colour */
    enum concern concern;
};

struct shown_state shown_host(const struct host_state *host, struct freshness freshness);
struct shown_state shown_site(const struct site_state *site, struct freshness freshness);
struct shown_state shown_container(const struct container_state *container, struct freshness freshness);
struct shown_state shown_volume(const struct volume_state *volume, struct freshness freshness);
struct shown_state shown_job(const struct job_record *job);
struct shown_state shown_event(const struct event *event);

/* Why a host's data are not to be believed, for a person: the collector's reason, or that nothing came. "" while up. */
const char *shown_host_reason(const struct host_state *host, struct freshness freshness);

unsigned concern_style(enum concern concern); /* a role of tui/style.h */
const char *concern_symbol(enum concern concern);

#endif
