/* States as they are to be shown: the stored word, unless it is too old to be believed. Pure functions. */
#include "views/freshness.h"

#include "base/clock.h"
#include "tui/style.h"

#define STALE_INTERVALS 3
#define STALE_AT_LEAST_US (15 * USEC_PER_SEC)
#define VOLUME_FULL_PCT 5.0

struct freshness freshness_of(const struct snapshot *snapshot, int64_t now_us)
{
    int64_t limit_us = STALE_INTERVALS * snapshot->interval_us;
    struct freshness freshness = {
        .now_us = now_us, .limit_us = limit_us > STALE_AT_LEAST_US ? limit_us : STALE_AT_LEAST_US};
    freshness.silent = freshness_engine_silent(freshness, snapshot);
    return freshness;
}

bool freshness_is_stale(struct freshness freshness, int64_t seen_us)
{
    return freshness.now_us - seen_us > freshness.limit_us;
}

bool freshness_engine_silent(struct freshness freshness, const struct snapshot *snapshot)
{
    return freshness_is_stale(freshness, snapshot->engine_at_us);
}

unsigned concern_style(enum concern concern)
{
    static const unsigned roles[CONCERN_COUNT] = {[CONCERN_NONE] = ROLE_NORMAL,
        [CONCERN_OK] = ROLE_OK,
        [CONCERN_ACTIVE] = ROLE_ACTIVE,
        [CONCERN_UNKNOWN] = ROLE_UNKNOWN,
        [CONCERN_WARNING] = ROLE_WARNING,
        [CONCERN_CRITICAL] = ROLE_CRITICAL,
        [CONCERN_QUARANTINED] = ROLE_QUARANTINED,
        [CONCERN_CONFLICT] = ROLE_CONFLICT};
    return roles[concern];
}

const char *concern_symbol(enum concern concern)
{
    static const char *const symbols[CONCERN_COUNT] = {[CONCERN_NONE] = "·",
        [CONCERN_OK] = "●",
        [CONCERN_ACTIVE] = "▶",
        [CONCERN_UNKNOWN] = "?",
        [CONCERN_WARNING] = "!",
        [CONCERN_CRITICAL] = "✖",
        [CONCERN_QUARANTINED] = "■",
        [CONCERN_CONFLICT] = "‡"};
    return symbols[concern];
}

static struct shown_state shown(const char *word, enum concern concern)
{
    return (struct shown_state){.word = word, .symbol = concern_symbol(concern), .concern = concern};
}

static const struct shown_state *unknown(void)
{
    static const struct shown_state state = {.word = "unknown", .symbol = "?", .concern = CONCERN_UNKNOWN};
    return &state;
}

struct shown_state shown_host(const struct host_state *host, struct freshness freshness)
{
    if (host->status == HOST_UP && !freshness_is_stale(freshness, host->seen_us))
        return shown(host_status_word(HOST_UP), CONCERN_OK);
    return *unknown();
}

const char *shown_host_reason(const struct host_state *host, struct freshness freshness)
{
    if (host->status != HOST_UP)
        return host->reason;
    return freshness_is_stale(freshness, host->seen_us) ? "no data: the engine is not running or is stuck" : "";
}

struct shown_state shown_site(const struct site_state *site, struct freshness freshness)
{
    static const enum concern concerns[] = {[SITE_UNKNOWN] = CONCERN_UNKNOWN,
        [SITE_RUNNING] = CONCERN_OK,
        [SITE_DEGRADED] = CONCERN_WARNING,
        [SITE_STOPPED] = CONCERN_NONE,
        [SITE_MISSING] = CONCERN_CRITICAL,
        [SITE_CONFLICT] = CONCERN_CONFLICT,
        [SITE_QUARANTINED] = CONCERN_QUARANTINED};
    /* One that was never seen (missing) has no age: it is as good as the engine's word. */
    bool stale = site->seen_us ? freshness_is_stale(freshness, site->seen_us) : freshness.silent;
    if (site->status == SITE_UNKNOWN || stale)
        return *unknown();
    if ((unsigned)site->status >= sizeof concerns / sizeof *concerns)
        return *unknown(); /* of a newer engine */
    bool calm = site->status != SITE_CONFLICT && site->status != SITE_QUARANTINED;
    if (calm && (site->mark == MARK_LEAVING || site->mark == MARK_INCOMING))
        return shown("moving", CONCERN_ACTIVE);
    if (calm && site->mark == MARK_KEPT) /* nothing is left of it but the copy of before a move */
        return shown(site_mark_word(site->mark), site->declared ? CONCERN_CRITICAL : CONCERN_NONE);
    if (site->status == SITE_STOPPED && site->declared) /* declared sites are to run, unless a person stopped them */
        return shown(site_status_word(site->status), site->mark == MARK_STOPPED ? CONCERN_WARNING : CONCERN_CRITICAL);
    return shown(site_status_word(site->status), concerns[site->status]);
}

/* A container whose mark keeps it from starting is as it should be while it does not run, and alarming while it does.
 */
static struct shown_state shown_marked(const struct container_state *container)
{
    static const enum concern concerns[] = {[MARK_STOPPED] = CONCERN_NONE,
        [MARK_INCOMING] = CONCERN_ACTIVE,
        [MARK_LEAVING] = CONCERN_ACTIVE,
        [MARK_KEPT] = CONCERN_NONE,
        [MARK_QUARANTINED] = CONCERN_QUARANTINED};
    bool runs = container->state == RUN_RUNNING || container->state == RUN_RESTARTING;
    if ((unsigned)container->mark >= sizeof concerns / sizeof *concerns)
        return *unknown(); /* of a newer engine */
    if (runs && (container->mark == MARK_KEPT || container->mark == MARK_STOPPED))
        return shown(run_state_word(container->state), CONCERN_CRITICAL);
    return shown(site_mark_word(container->mark), concerns[container->mark]);
}

struct shown_state shown_container(const struct container_state *container, struct freshness freshness)
{
    static const enum concern concerns[] = {[RUN_UNKNOWN] = CONCERN_UNKNOWN,
        [RUN_CREATED] = CONCERN_NONE,
        [RUN_RUNNING] = CONCERN_OK,
        [RUN_PAUSED] = CONCERN_WARNING,
        [RUN_RESTARTING] = CONCERN_WARNING,
        [RUN_EXITED] = CONCERN_NONE,
        [RUN_DEAD] = CONCERN_CRITICAL};
    if (container->stale || container->state == RUN_UNKNOWN || freshness_is_stale(freshness, container->seen_us))
        return *unknown();
    if (container->mark != MARK_NONE)
        return shown_marked(container);
    if (container->state == RUN_RUNNING && container->health == HEALTH_UNHEALTHY)
        return shown("unhealthy", CONCERN_WARNING);
    bool failed = container->oom_killed || (container->exit_code != 0 && container->exit_code != 143);
    if (container->state == RUN_EXITED && failed)
        return shown(run_state_word(container->state), CONCERN_WARNING);
    return shown(run_state_word(container->state), concerns[container->state]);
}

struct shown_state shown_volume(const struct volume_state *volume, struct freshness freshness)
{
    if (volume->stale || freshness_is_stale(freshness, volume->seen_us))
        return *unknown();
    double free_pct = 100 * volume->metrics[VOLUME_FREE] / volume->metrics[VOLUME_TOTAL];
    return free_pct < VOLUME_FULL_PCT ? shown("low", CONCERN_WARNING) : shown("ok", CONCERN_OK);
}

struct shown_state shown_job(const struct job_record *job)
{
    static const enum concern concerns[JOB_STATE_COUNT] = {[JOB_PLANNED] = CONCERN_ACTIVE,
        [JOB_RUNNING] = CONCERN_ACTIVE,
        [JOB_DONE] = CONCERN_OK,
        [JOB_FAILED] = CONCERN_CRITICAL,
        [JOB_CANCELLED] = CONCERN_WARNING,
        [JOB_UNDONE] = CONCERN_WARNING};
    if ((unsigned)job->state >= JOB_STATE_COUNT)
        return *unknown();
    return shown(job_state_word(job->state), concerns[job->state]);
}

struct shown_state shown_event(const struct event *event)
{
    static const enum concern concerns[] = {[SEVERITY_INFO] = CONCERN_NONE,
        [SEVERITY_NOTICE] = CONCERN_NONE,
        [SEVERITY_WARNING] = CONCERN_WARNING,
        [SEVERITY_CRITICAL] = CONCERN_CRITICAL};
    if ((unsigned)event->severity > SEVERITY_CRITICAL)
        return *unknown();
    return shown(severity_word(event->severity), concerns[event->severity]);
}
